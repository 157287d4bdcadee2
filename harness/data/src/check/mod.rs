//! The behaviour of a database, judged on a copy in memory: the criteria PAT-001 to PAT-019. Never judges what is not declared.

use crate::subject::Subject;

/// One thing that is judged of a criterion.
#[derive(Debug, Clone, Copy)]
pub struct Aspect {
    /// The criterion (`PAT-001`).
    pub criterion: &'static str,
    /// What holds, as a sentence in the present tense without a full stop.
    pub sentence: &'static str,
    /// Judges it.
    pub judge: fn(&Subject) -> Outcome,
}

/// What became of an aspect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It holds, and this was seen.
    Held {
        /// What was done and seen, in one sentence.
        saw: String,
    },
    /// It does not hold.
    Broken(Vec<Broken>),
    /// It could not be judged.
    NotVerified {
        /// Why.
        reason: String,
        /// The key of the manifest that would mend it, if one would.
        key: Option<String>,
    },
}

/// One way in which an aspect does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// What it is about (`table users`).
    pub object: String,
    /// What the criterion demands of it.
    pub expected: String,
    /// What was seen.
    pub saw: String,
    /// Lines of SQL that repeat it on a database to which the migrations were applied.
    pub repeat: Vec<String>,
}

/// Every aspect, by criterion.
#[must_use]
pub fn aspects() -> &'static [Aspect] {
    &[]
}
