//! The behaviour of a database, judged on a copy in memory: the criteria PAT-001 to PAT-019. Never judges what is not declared.

mod audit;
mod audit_actors;
mod audit_attacks;
mod audit_changes;
mod audit_log;
mod audit_rows;
mod audit_sequences;
mod constraints;
mod costs;
mod deep;
mod deleted_rows;
mod deletion;
mod items;
mod json;
mod kept_rows;
mod limits;
mod moves;
mod own_values;
mod ownership;
mod plans;
pub mod populated;
mod rebuilds;
mod references;
mod replaying;
mod search;
mod sessions;
mod settled;
mod soft_delete;
mod splitting;
mod surviving;
mod tenancy;
mod uniqueness;
mod usable;
pub mod world;
mod writes;

pub use costs::{Cost, costs};
pub use deep::fill_deep;
pub use writes::{Bound, WriteCost, writes};

use crate::subject::Subject;
use std::sync::OnceLock;

/// Every family of aspects.
const FAMILIES: &[&[Aspect]] = &[
    json::ASPECTS,
    kept_rows::ASPECTS,
    limits::ASPECTS,
    plans::ASPECTS,
    rebuilds::ASPECTS,
    references::ASPECTS,
    audit::ASPECTS,
    constraints::ASPECTS,
    deletion::ASPECTS,
    ownership::ASPECTS,
    replaying::ASPECTS,
    search::ASPECTS,
    sessions::ASPECTS,
    soft_delete::ASPECTS,
    splitting::ASPECTS,
    tenancy::ASPECTS,
    uniqueness::ASPECTS,
    usable::ASPECTS,
];

/// How a reason ends where a claim is missing.
pub const ON_A_GUESS: &str = "; nothing is judged on a guess";

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
            reason: format!("{what}{ON_A_GUESS}"),
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

/// Several judgements of one aspect: what is broken goes before what holds, and what could not be judged counts only where nothing could.
#[derive(Debug, Default)]
struct Tally {
    held: usize,
    broken: Vec<Broken>,
    open: Vec<(String, Option<String>)>,
}

impl Tally {
    fn add(&mut self, judged: Result<Vec<Broken>, Outcome>) {
        match judged {
            Ok(broken) if broken.is_empty() => self.held += 1,
            Ok(broken) | Err(Outcome::Broken(broken)) => self.broken.extend(broken),
            Err(Outcome::Held { .. }) => self.held += 1,
            Err(Outcome::NotVerified { reason, key }) => self.open.push((reason, key)),
        }
    }

    /// The outcome, with what was seen of those that hold (`3 tables: …`).
    fn outcome(self, what: &str, saw: &str) -> Outcome {
        let first = self.open.into_iter().next();
        match (self.held, first) {
            _ if !self.broken.is_empty() => Outcome::Broken(self.broken),
            (0, Some((reason, key))) => Outcome::NotVerified { reason, key },
            (held, None) => Outcome::Held {
                saw: format!("{}: {saw}", counted(held, what)),
            },
            (held, Some((reason, _))) => Outcome::Held {
                saw: format!("{}: {saw}; not judged: {reason}", counted(held, what)),
            },
        }
    }
}

/// A number and what it counts: `1 table`, `2 tables`, `2 queries`.
fn counted(count: usize, what: &str) -> String {
    let stem = what.strip_suffix('y').filter(|_| what.ends_with("ry"));
    match stem {
        _ if count == 1 => format!("{count} {what}"),
        Some(stem) => format!("{count} {stem}ies"),
        None if what.ends_with(['x', 's']) || what.ends_with("ch") => format!("{count} {what}es"),
        None => format!("{count} {what}s"),
    }
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
