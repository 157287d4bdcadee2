//! What became of sequences that were drawn and played. Never plays one.

use crate::outcome::Stop;
use crate::witness::Exchanged;
use std::collections::BTreeSet;

/// What was played, and which criteria have looked at it: once for all, and anew for whoever looks a second time.
#[derive(Debug, Default)]
pub(crate) struct Mixed(pub(crate) tokio::sync::Mutex<Option<(Outcome, BTreeSet<&'static str>)>>);

/// What became of a sequence.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    Held {
        operations: usize,
        checks: usize,
        exchanges: usize,
    },
    Broken(Finding),
    Stopped(Stop),
}

/// A sequence that does not hold, made small.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What it breaks.
    pub criterion: &'static str,
    /// What the model has.
    pub expected: String,
    /// What the target did.
    pub seen: String,
    /// What is done, one line each, in order; the last one tells.
    pub operations: Vec<String>,
    /// How many operations it had as it was drawn.
    pub drawn: usize,
    /// What was exchanged meanwhile.
    pub exchanged: Vec<Exchanged>,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, after ", self.seen)?;
        for (number, operation) in self.operations.iter().enumerate() {
            let joint = if number == 0 { "" } else { "; " };
            write!(f, "{joint}{}. {operation}", number + 1)?;
        }
        Ok(())
    }
}
