//! The behaviour of a database, judged on a copy in memory: the criteria PAT-001 to PAT-019. Never judges what is not declared.

mod plans;
pub mod populated;
mod replaying;
mod splitting;
pub mod world;

use crate::subject::Subject;
use std::sync::OnceLock;

/// Every family of aspects.
const FAMILIES: &[&[Aspect]] = &[plans::ASPECTS, replaying::ASPECTS, splitting::ASPECTS];

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

impl Outcome {
    /// Not verified for want of a declaration.
    fn undeclared(what: &str, key: &str) -> Self {
        Self::NotVerified {
            reason: format!("{what}; nothing is judged on a guess"),
            key: Some(key.to_owned()),
        }
    }

    /// Not verified, for the copy in memory could not be used.
    fn not_judged(error: &rusqlite::Error) -> Self {
        Self::NotVerified {
            reason: format!("the copy in memory cannot be used: {error}"),
            key: None,
        }
    }

    /// Held, if nothing is broken.
    fn of(broken: Vec<Broken>, saw: impl Into<String>) -> Self {
        if broken.is_empty() {
            Self::Held { saw: saw.into() }
        } else {
            Self::Broken(broken)
        }
    }
}

/// A number and what it counts: `1 table`, `2 tables`.
fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 {
        ""
    } else if what.ends_with(['x', 's']) {
        "es"
    } else {
        "s"
    };
    format!("{count} {what}{plural}")
}

/// Every aspect, by criterion.
pub fn aspects() -> &'static [Aspect] {
    static ALL: OnceLock<Vec<Aspect>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all: Vec<Aspect> = FAMILIES.concat();
        all.sort_by_key(|aspect| aspect.criterion);
        all
    })
}
