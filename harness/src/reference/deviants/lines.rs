//! Log lines changed on their way to the log. Never adds a line.

use crate::reference::altered::Parts;
use moltworker_reference::ports::{Level, LogSink};
use serde_json::Value;
use std::sync::Arc;

/// Changes each line as it is written; `None` leaves it out.
pub(super) fn change(
    parts: &mut Parts,
    change: impl Fn(Value) -> Option<String> + Send + Sync + 'static,
) {
    let inner = Arc::clone(&parts.ports.log);
    parts.ports.log = Arc::new(Lines { inner, change });
}

/// Leaves out every line of an event.
pub(super) fn without(parts: &mut Parts, event: &'static str) {
    change(parts, move |line| {
        (line["event"] != event).then(|| line.to_string())
    });
}

/// Changes the lines of an event.
pub(super) fn edit(
    parts: &mut Parts,
    event: &'static str,
    edit: impl Fn(&mut Value) + Send + Sync + 'static,
) {
    change(parts, move |mut line| {
        if line["event"] == event {
            edit(&mut line);
        }
        Some(line.to_string())
    });
}

struct Lines<F> {
    inner: Arc<dyn LogSink>,
    change: F,
}

impl<F: Fn(Value) -> Option<String> + Send + Sync> LogSink for Lines<F> {
    fn line(&self, level: Level, json: &str) {
        let line = serde_json::from_str(json).unwrap_or_default();
        if let Some(changed) = (self.change)(line) {
            self.inner.line(level, &changed);
        }
    }
}
