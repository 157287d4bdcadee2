//! The statements of checks and what they gave, so that another engine can be asked the same. Never runs one.

use serde_json::Value as Json;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Every statement of all worlds with what it gave, as lines of JSON, so that another engine can be asked the same.
#[derive(Debug, Default)]
pub struct Trace(Mutex<Option<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    lines: Vec<String>,
    worlds: u32,
}

impl Trace {
    /// Keeps lines from now on.
    pub fn turn_on(&self) {
        *self.lock() = Some(Lines::default());
    }

    /// The lines so far.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        self.lock()
            .as_mut()
            .map(|lines| std::mem::take(&mut lines.lines))
            .unwrap_or_default()
    }

    /// The number of a new world; 0 where nothing is kept.
    pub(crate) fn begin(&self) -> u32 {
        self.lock().as_mut().map_or(0, |lines| {
            lines.worlds += 1;
            lines.worlds
        })
    }

    pub(crate) fn add(&self, line: &Json) {
        if let Some(lines) = self.lock().as_mut() {
            lines.lines.push(line.to_string());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Lines>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
