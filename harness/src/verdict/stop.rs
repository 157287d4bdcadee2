//! Why a step ended its scenario: a finding, what was not there to judge, or a fault. Never says what that means for a criterion.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How bad a finding is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The promise is kept, in another form than the contract's: refused, but with another status.
    Shape,
    /// The promise is broken.
    Breach,
}

/// What a scenario saw that the contract forbids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What the contract demands.
    pub expected: String,
    /// What was seen.
    pub seen: String,
    /// The criteria of the scenario that it breaks; none named: all of them.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub only: BTreeSet<String>,
}

impl Finding {
    /// Whether it breaks this criterion of its scenario.
    #[must_use]
    pub fn breaks(&self, id: &str) -> bool {
        self.only.is_empty() || self.only.contains(id)
    }

    /// What it means for a criterion that it does not break.
    pub(super) fn elsewhere(&self) -> Unmet {
        let ids: Vec<&str> = self.only.iter().map(String::as_str).collect();
        Unmet {
            because: ids.join(", "),
            expected: self.expected.clone(),
            seen: self.seen.clone(),
        }
    }
}

/// What had to hold before anything could be judged, and did not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unmet {
    /// The criterion or the capability at fault, or the words of the step that found it.
    pub because: String,
    /// What had to be there.
    pub expected: String,
    /// What was there instead.
    pub seen: String,
}

impl std::fmt::Display for Unmet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            because,
            expected,
            seen,
        } = self;
        write!(
            f,
            "because of {because}: expected {expected}, saw {seen}; nothing was judged"
        )
    }
}

/// Why a step ended its scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The target breaks the contract.
    Violation(Finding),
    /// What had to hold before does not: nothing was judged.
    Unmet(Unmet),
    /// It cannot be told here: reason and remedy.
    NotVerified(String),
    /// The target declares that this does not concern it: the reason.
    NotApplicable(String),
    /// The target or the harness does not work.
    Fault(String),
}

/// What a step returns.
pub type Check = Result<(), Stop>;

/// Turns what breaks a promise into what was not there to judge another one.
pub trait OrUnmet {
    /// A violation is none here: this had to hold before anything could be judged. `because` names the criterion or the capability that is
    /// at fault.
    #[must_use]
    fn or_unmet(self, because: &str) -> Self;
}

impl<T> OrUnmet for Result<T, Stop> {
    fn or_unmet(self, because: &str) -> Self {
        self.map_err(|stop| stop.or_unmet(because))
    }
}

impl Stop {
    /// See [`OrUnmet::or_unmet`].
    #[must_use]
    pub fn or_unmet(self, because: &str) -> Self {
        match self {
            Self::Violation(finding) => Self::Unmet(Unmet {
                because: because.to_owned(),
                expected: finding.expected,
                seen: finding.seen,
            }),
            other @ (Self::Unmet(_)
            | Self::NotVerified(_)
            | Self::NotApplicable(_)
            | Self::Fault(_)) => other,
        }
    }
}
