//! What becomes of an aspect. Never decides it.

use moltproof_doubles::lag::TooSlow;
use std::fmt;

/// What a judge function returns: what was done and seen in one sentence, or why it stopped.
pub type Judged = Result<String, Stop>;

/// Why an aspect does not hold, or was not judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The criterion's own sentence forbids what was seen, on a request whose preconditions were seen to hold.
    #[error("{0}")]
    Violated(Violation),
    /// What had to hold before did not: nothing was judged.
    #[error("not judged for want of {cause}: {seen}")]
    Unmet {
        /// What is at fault.
        cause: Cause,
        /// What was seen instead.
        seen: String,
    },
    /// The target died, or the harness is at fault.
    #[error("{0}")]
    Fault(String),
}

/// What is forbidden, and was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// How bad it is.
    pub severity: Severity,
    /// What the criterion demands.
    pub expected: String,
    /// What was seen.
    pub seen: String,
}

/// How bad a violation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// What is promised is not kept.
    Breach,
    /// A refusal of the promised kind in another form.
    Shape,
}

/// What is at fault where nothing was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// A criterion that does not hold.
    Criterion(&'static str),
    /// Something that the target does not offer.
    Capability(Need),
    /// A request that the witness did not admit.
    Withheld,
    /// A legal way of the target in which it cannot be seen.
    Habit,
}

/// What a target may offer to be judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Operators' tokens.
    Operator,
    /// The database can be read.
    Database,
    /// Its log lines can be read.
    Logs,
    /// It takes its present from `X-Test-Now`.
    Clock,
    /// It may send webhooks to the receiver.
    Receiver,
    /// Its migrations are at hand as files.
    Files,
    /// Its own way of applying migrations can be called.
    Runner,
    /// Its own way of applying a seed can be called.
    Seeder,
    /// It asks the resolver for the names of webhooks.
    Resolver,
    /// It can be killed and started again.
    Restart,
}

impl Need {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Operator,
        Self::Database,
        Self::Logs,
        Self::Clock,
        Self::Receiver,
        Self::Files,
        Self::Runner,
        Self::Seeder,
        Self::Resolver,
        Self::Restart,
    ];

    /// One word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Database => "database",
            Self::Logs => "logs",
            Self::Clock => "clock",
            Self::Receiver => "webhooks",
            Self::Files => "migrations",
            Self::Runner => "migrate",
            Self::Seeder => "seed",
            Self::Resolver => "resolver",
            Self::Restart => "restart",
        }
    }

    /// What is missing, and the key of the manifest that would mend it.
    #[must_use]
    pub fn remedy(self) -> (&'static str, &'static str) {
        match self {
            Self::Operator => ("tokens for operators", "control.access"),
            Self::Database => ("a way to read the database", "observe.d1"),
            Self::Logs => ("the log lines of the target", "observe.logs"),
            Self::Clock => (
                "a target that takes its present from X-Test-Now",
                "api_worker.clock",
            ),
            Self::Receiver => (
                "a target that may send webhooks to the receiver",
                "api_worker.webhooks",
            ),
            Self::Files => (
                "the migrations of the target as files",
                "api_worker.migrations",
            ),
            Self::Runner => (
                "the target's own way of applying migrations",
                "api_worker.migrate",
            ),
            Self::Seeder => (
                "the target's own way of applying its seed and its set-up",
                "api_worker.migrate.seed",
            ),
            Self::Resolver => (
                "a target that asks the resolver for the names of webhooks",
                "api_worker.resolver",
            ),
            Self::Restart => (
                "a target that the harness starts, so that it can kill it and start it again",
                "launch",
            ),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Criterion(id) => f.write_str(id),
            Self::Capability(need) => f.write_str(need.remedy().0),
            Self::Withheld => f.write_str("a request that may be sent"),
            Self::Habit => f.write_str("a way of the target in which it can be seen"),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}; saw {}", self.expected, self.seen)
    }
}

impl From<TooSlow> for Stop {
    fn from(too_slow: TooSlow) -> Self {
        Self::Fault(too_slow.to_string())
    }
}

impl Stop {
    /// The criterion's own sentence forbids this.
    pub(crate) fn breach(expected: impl Into<String>, seen: impl Into<String>) -> Self {
        Self::Violated(Violation {
            severity: Severity::Breach,
            expected: expected.into(),
            seen: seen.into(),
        })
    }

    /// Refused as promised, in another form.
    pub(crate) fn shape(expected: impl Into<String>, seen: impl Into<String>) -> Self {
        Self::Violated(Violation {
            severity: Severity::Shape,
            expected: expected.into(),
            seen: seen.into(),
        })
    }

    /// Another criterion does not hold, so that nothing was judged.
    pub(crate) fn unmet(criterion: &'static str, seen: impl Into<String>) -> Self {
        Self::Unmet {
            cause: Cause::Criterion(criterion),
            seen: seen.into(),
        }
    }

    /// What breaks a promise is no breach here: `criterion` had to hold before anything could be judged.
    #[must_use]
    pub(crate) fn or_unmet(self, criterion: &'static str) -> Self {
        match self {
            Self::Violated(violation) => Self::unmet(criterion, violation.seen),
            other @ (Self::Unmet { .. } | Self::Fault(_)) => other,
        }
    }

    /// The target lacks something, so that nothing was judged.
    pub(crate) fn lacking(need: Need) -> Self {
        Self::Unmet {
            cause: Cause::Capability(need),
            seen: "the target does not offer it".to_owned(),
        }
    }
}
