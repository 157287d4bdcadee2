//! A log kept in memory line by line. Never loses a line, never writes one anywhere.

use super::{LogLine, Logs};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The lines of one instance.
#[derive(Debug, Default)]
pub struct LogLines {
    lines: Mutex<Vec<String>>,
}

impl LogLines {
    /// Appends a line.
    pub fn push(&self, line: impl Into<String>) {
        self.lines().push(line.into());
    }

    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Logs for LogLines {
    fn mark(&self) -> usize {
        self.lines().len()
    }

    fn since(&self, mark: usize) -> Vec<LogLine> {
        let lines = self.lines();
        lines
            .iter()
            .enumerate()
            .skip(mark)
            .map(|(number, text)| LogLine::new(number, text.as_str()))
            .collect()
    }
}
