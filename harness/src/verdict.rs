//! What an outcome means. Never runs anything: from outcomes of scenarios to verdicts of criteria, and from those to one of the run.

mod exit;
mod stop;

pub use exit::{Exit, exit_of};
pub use stop::{Check, Finding, OrUnmet, Severity, Stop, Unmet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How binding a criterion is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// MUST.
    Must,
    /// SHOULD.
    Should,
    /// MAY.
    May,
}

impl Level {
    /// In capitals, as RFC 2119 has it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
            Self::May => "MAY",
        }
    }
}

/// What repeating a scenario showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaky {
    /// How often it was run.
    pub runs: usize,
    /// How often it did not pass.
    pub failed: usize,
    /// What it found first.
    pub finding: Finding,
}

impl Flaky {
    /// The rate, for people.
    #[must_use]
    pub fn rate(&self) -> String {
        format!("flaky: failed {} of {} times", self.failed, self.runs)
    }
}

/// A finding for which somebody answers in the baseline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The criteria for which it is known: why it stands, who answers for it and until when.
    pub reasons: BTreeMap<String, String>,
    /// What was found.
    pub finding: Finding,
}

/// How a scenario ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every step held, and at least one assertion was made.
    Passed,
    /// A finding.
    Failed(Finding),
    /// Repeated, with mixed outcomes: now a finding, now none.
    Flaky(Flaky),
    /// A finding that the baseline knows.
    Known(Known),
    /// Every step held, some of them only because somebody answers for another form of refusal: criterion and reason.
    Accepted(BTreeMap<String, String>),
    /// What had to hold before did not: nothing was judged.
    Unmet(Unmet),
    /// Reason and remedy.
    NotVerified(String),
    /// The reason.
    NotApplicable(String),
    /// The target died or the harness is at fault.
    Error(String),
    /// Outside the selection of this run.
    NotSelected,
}

impl Outcome {
    /// What it means for one of the scenario's criteria: another criterion's accepted deviation leaves this one open,
    /// and what is known for another one is a finding for this.
    #[must_use]
    pub fn for_criterion(&self, id: &str) -> Self {
        match self {
            Self::Accepted(list) if !list.contains_key(id) => {
                let others: Vec<_> = list.keys().map(String::as_str).collect();
                Self::NotVerified(format!(
                    "the scenario went on by a deviation that is accepted for {} only",
                    others.join(", ")
                ))
            }
            Self::Known(known) if !known.reasons.contains_key(id) => {
                Self::Failed(known.finding.clone())
            }
            Self::Failed(finding) if !finding.breaks(id) => Self::Unmet(finding.elsewhere()),
            Self::Flaky(flaky) if !flaky.finding.breaks(id) => {
                Self::Unmet(flaky.finding.elsewhere())
            }
            Self::Passed
            | Self::Failed(_)
            | Self::Flaky(_)
            | Self::Known(_)
            | Self::Accepted(_)
            | Self::Unmet(_)
            | Self::NotVerified(_)
            | Self::NotApplicable(_)
            | Self::Error(_)
            | Self::NotSelected => self.clone(),
        }
    }

    /// Which of them it is.
    #[must_use]
    pub fn kind(&self) -> OutcomeKind {
        match self {
            Self::Passed => OutcomeKind::Passed,
            Self::Failed(_) => OutcomeKind::Failed,
            Self::Flaky(_) => OutcomeKind::Flaky,
            Self::Known(_) => OutcomeKind::Known,
            Self::Accepted(_) => OutcomeKind::Accepted,
            Self::Unmet(_) => OutcomeKind::Unmet,
            Self::NotVerified(_) => OutcomeKind::NotVerified,
            Self::NotApplicable(_) => OutcomeKind::NotApplicable,
            Self::Error(_) => OutcomeKind::Error,
            Self::NotSelected => OutcomeKind::NotSelected,
        }
    }
}

/// How a scenario ended, in a word.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// Every step held, and at least one assertion was made.
    Passed,
    /// A finding.
    Failed,
    /// Repeated, with mixed outcomes.
    Flaky,
    /// A finding that the baseline knows.
    Known,
    /// Every step held, some only because a deviation is accepted.
    Accepted,
    /// What had to hold before did not: nothing was judged.
    Unmet,
    /// It could not be told here.
    NotVerified,
    /// Declared not to concern the target.
    NotApplicable,
    /// The target died or the harness is at fault.
    Error,
    /// Outside the selection of the run.
    NotSelected,
}

impl OutcomeKind {
    /// As printed.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Flaky => "flaky",
            Self::Known => "known",
            Self::Accepted => "accepted deviation",
            Self::Unmet => "not judged",
            Self::NotVerified => "not verified",
            Self::NotApplicable => "not applicable",
            Self::Error => "error",
            Self::NotSelected => "not selected",
        }
    }

    /// Whether a reader must act on it: a finding that nobody answers for, or a fault.
    #[must_use]
    pub fn is_red(self) -> bool {
        matches!(self, Self::Failed | Self::Flaky | Self::Error)
    }
}

/// The verdict on one criterion.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// At least one scenario asserted it, and none found it broken.
    Passed,
    /// At least one scenario found it broken.
    Failed,
    /// A scenario that was repeated found it broken at some times and not at others.
    Flaky,
    /// Broken as the baseline knows it, and in no other way.
    Known,
    /// Kept in another form than the contract's, for which somebody answers.
    Accepted,
    /// No scenario could assert it here.
    NotVerified,
    /// Declared not to concern this target.
    NotApplicable,
    /// The target died or the harness is at fault.
    Error,
}

impl Verdict {
    /// The outcome of a scenario that decides so.
    #[must_use]
    pub fn kind(self) -> OutcomeKind {
        match self {
            Self::Passed => OutcomeKind::Passed,
            Self::Failed => OutcomeKind::Failed,
            Self::Flaky => OutcomeKind::Flaky,
            Self::Known => OutcomeKind::Known,
            Self::Accepted => OutcomeKind::Accepted,
            Self::NotVerified => OutcomeKind::NotVerified,
            Self::NotApplicable => OutcomeKind::NotApplicable,
            Self::Error => OutcomeKind::Error,
        }
    }

    /// As printed.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.kind().word()
    }

    /// Whether a reader must act on it: broken and nobody answers for it, or a fault.
    #[must_use]
    pub fn is_red(self) -> bool {
        self.kind().is_red()
    }
}

/// The verdict on a criterion from the outcomes of its scenarios; `None` when none of them was selected.
///
/// One finding fails it, be it one that comes and goes. Without one, a fault leaves it in error: what was not seen through cannot pass.
/// A pass needs at least one scenario that made its assertion, and none that was let go on by an accepted deviation, or could not be judged
/// because the target did not do what had to come before.
#[must_use]
pub fn of_criterion(outcomes: &[&Outcome]) -> Option<Verdict> {
    of_kinds(outcomes.iter().map(|outcome| outcome.kind()))
}

/// As [`of_criterion`], from how the scenarios ended.
#[must_use]
pub fn of_kinds(kinds: impl IntoIterator<Item = OutcomeKind>) -> Option<Verdict> {
    let kinds: BTreeSet<OutcomeKind> = kinds.into_iter().collect();
    // The first of these that there is decides.
    [
        (OutcomeKind::Failed, Verdict::Failed),
        (OutcomeKind::Flaky, Verdict::Flaky),
        (OutcomeKind::Error, Verdict::Error),
        (OutcomeKind::Unmet, Verdict::NotVerified),
        (OutcomeKind::Known, Verdict::Known),
        (OutcomeKind::Accepted, Verdict::Accepted),
        (OutcomeKind::Passed, Verdict::Passed),
        (OutcomeKind::NotVerified, Verdict::NotVerified),
        (OutcomeKind::NotApplicable, Verdict::NotApplicable),
    ]
    .into_iter()
    .find_map(|(kind, verdict)| kinds.contains(&kind).then_some(verdict))
}

/// Criteria of one level, counted by verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    /// All that were selected.
    pub total: usize,
    /// [`Verdict::Passed`].
    pub passed: usize,
    /// [`Verdict::Failed`].
    pub failed: usize,
    /// [`Verdict::Flaky`].
    pub flaky: usize,
    /// [`Verdict::Known`].
    pub known: usize,
    /// [`Verdict::Accepted`].
    pub accepted: usize,
    /// [`Verdict::NotVerified`].
    pub not_verified: usize,
    /// [`Verdict::NotApplicable`].
    pub not_applicable: usize,
    /// [`Verdict::Error`].
    pub error: usize,
}

impl Tally {
    /// Counts one more.
    pub fn count(&mut self, verdict: Verdict) {
        self.total += 1;
        let slot = match verdict {
            Verdict::Passed => &mut self.passed,
            Verdict::Failed => &mut self.failed,
            Verdict::Flaky => &mut self.flaky,
            Verdict::Known => &mut self.known,
            Verdict::Accepted => &mut self.accepted,
            Verdict::NotVerified => &mut self.not_verified,
            Verdict::NotApplicable => &mut self.not_applicable,
            Verdict::Error => &mut self.error,
        };
        *slot += 1;
    }
}

/// Counts criteria by level: MUST, SHOULD, MAY.
#[must_use]
pub fn tallies(criteria: impl IntoIterator<Item = (Level, Verdict)>) -> [Tally; 3] {
    let [mut must, mut should, mut may] = [Tally::default(); 3];
    for (level, verdict) in criteria {
        match level {
            Level::Must => must.count(verdict),
            Level::Should => should.count(verdict),
            Level::May => may.count(verdict),
        }
    }
    [must, should, may]
}

/// The verdict on the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunVerdict {
    /// Every selected MUST was verified and holds.
    Conforms,
    /// A MUST is broken, always or at times.
    Violates,
    /// A MUST is broken, but only in ways that the baseline knows.
    Known,
    /// No MUST is known to be broken, and not every selected one is known to hold, or a fault left something untold.
    Inconclusive,
}

/// What was proven of what the run was about: its MUST criteria, or, if it was about none, whatever else it was about.
fn passed(must: &Tally, should: &Tally, may: &Tally) -> usize {
    if must.total > 0 {
        must.passed
    } else {
        should.passed + may.passed
    }
}

/// The verdict of a run. A run in which nothing passed never conforms, and neither does one that the target or the harness cut short.
#[must_use]
pub fn of_run(must: &Tally, should: &Tally, may: &Tally) -> RunVerdict {
    let open = must.not_verified + must.error + should.error + may.error;
    if must.failed + must.flaky > 0 {
        RunVerdict::Violates
    } else if open > 0 || passed(must, should, may) == 0 {
        RunVerdict::Inconclusive
    } else if must.known > 0 {
        RunVerdict::Known
    } else {
        RunVerdict::Conforms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(id: &str) -> Outcome {
        Outcome::Accepted(BTreeMap::from([(id.to_owned(), "agreed".to_owned())]))
    }

    fn finding() -> Outcome {
        Outcome::Failed(Finding {
            severity: Severity::Breach,
            expected: "403".to_owned(),
            seen: "200".to_owned(),
            only: BTreeSet::new(),
        })
    }

    #[test]
    fn an_accepted_deviation_is_never_a_pass_and_hides_no_finding() {
        let (met, passed) = (accepted("ACC-001"), Outcome::Passed);
        assert_eq!(of_criterion(&[&met, &passed]), Some(Verdict::Accepted));
        assert_eq!(of_criterion(&[&met, &finding()]), Some(Verdict::Failed));
        let error = Outcome::Error("gone".to_owned());
        assert_eq!(of_criterion(&[&met, &error]), Some(Verdict::Error));
    }

    #[test]
    fn what_is_accepted_for_one_criterion_leaves_another_open() {
        let met = accepted("ACC-001");
        assert_eq!(met.for_criterion("ACC-001"), met);
        assert!(
            matches!(met.for_criterion("RL-012"), Outcome::NotVerified(reason) if reason.contains("ACC-001"))
        );
        assert_eq!(finding().for_criterion("RL-012"), finding());
    }

    #[test]
    fn nothing_but_accepted_deviations_is_not_conformance() {
        let mut must = Tally::default();
        must.count(Verdict::Accepted);
        let none = Tally::default();
        assert_eq!(of_run(&must, &none, &none), RunVerdict::Inconclusive);
        must.count(Verdict::Passed);
        assert_eq!(of_run(&must, &none, &none), RunVerdict::Conforms);
        assert_eq!((must.passed, must.accepted, must.total), (1, 1, 2));
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod properties;
