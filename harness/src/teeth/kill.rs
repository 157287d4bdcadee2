//! When a deviant counts as killed: every criterion it was to break turned red through an assertion of its own.
//!
//! A crash, a time-out of the harness, an answer that does not come or the redness of another criterion is no kill.

use crate::run::Ended;
use crate::run::scene::COMPLETE_ANSWER;
use crate::verdict::{Finding, Flaky, Known, Outcome};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The assertion that turned a criterion red.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KilledBy {
    /// The criterion.
    pub criterion: String,
    /// The scenario.
    pub scenario: String,
    /// Feature and line of the step.
    pub at: String,
    /// The step.
    pub step: String,
    /// What the contract demands.
    pub expected: String,
    /// What was seen.
    pub seen: String,
}

/// What became of a deviant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// One for each criterion that turned red and was expected to.
    pub killed_by: Vec<KilledBy>,
    /// One for each criterion that turned red beside the expected ones.
    pub also_red: Vec<KilledBy>,
    /// For each expected criterion that did not turn red, what happened instead.
    pub missed: BTreeMap<String, String>,
}

impl Judged {
    /// Nothing could be told.
    pub(super) fn unjudged(expected: &[String], why: &str) -> Self {
        Self {
            killed_by: Vec::new(),
            also_red: Vec::new(),
            missed: expected
                .iter()
                .map(|id| (id.clone(), why.to_owned()))
                .collect(),
        }
    }
}

/// Judges a deviant by how scenarios ended.
#[must_use]
pub fn judge(expected: &[String], ended: &[Ended]) -> Judged {
    let mut reds: BTreeMap<&str, KilledBy> = BTreeMap::new();
    for (id, red) in ended.iter().flat_map(reds_of) {
        reds.entry(id).or_insert(red);
    }
    let wanted: BTreeSet<&str> = expected.iter().map(String::as_str).collect();
    let missed = wanted
        .iter()
        .filter(|id| !reds.contains_key(*id))
        .map(|id| ((*id).to_owned(), instead(id, ended)))
        .collect();
    let (killed_by, also_red) = reds
        .into_values()
        .partition(|red| wanted.contains(&*red.criterion));
    Judged {
        killed_by,
        also_red,
        missed,
    }
}

/// The criteria that a scenario turned red.
fn reds_of(ended: &Ended) -> Vec<(&str, KilledBy)> {
    let Outcome::Failed(finding) = &ended.outcome else {
        return Vec::new();
    };
    if is_no_assertion(finding) {
        return Vec::new();
    }
    let planned = &ended.planned;
    let (line, step) = ended
        .step
        .as_ref()
        .map_or((planned.line, ""), |step| (step.line, step.text.as_str()));
    planned
        .criteria
        .iter()
        .filter(|id| finding.breaks(id))
        .map(|id| {
            let red = KilledBy {
                criterion: id.clone(),
                scenario: planned.name.clone(),
                at: format!("{}:{line}", planned.feature),
                step: step.to_owned(),
                expected: finding.expected.clone(),
                seen: finding.seen.clone(),
            };
            (id.as_str(), red)
        })
        .collect()
}

/// Whether a finding only says that no answer came: a backend that crashes says nothing about the promise that it was to break.
fn is_no_assertion(finding: &Finding) -> bool {
    finding.expected == COMPLETE_ANSWER
}

/// What happened to a criterion that did not turn red, in a few words.
fn instead(id: &str, ended: &[Ended]) -> String {
    let own = ended
        .iter()
        .filter(|ended| ended.planned.criteria.iter().any(|other| other == id));
    let (mut passed, mut reasons) = (0, BTreeSet::new());
    for ended in own {
        match &ended.outcome {
            Outcome::Passed | Outcome::Accepted(_) => passed += 1,
            Outcome::Failed(finding)
            | Outcome::Flaky(Flaky { finding, .. })
            | Outcome::Known(Known { finding, .. }) => {
                reasons.insert(format!("no assertion: {}", finding.seen));
            }
            Outcome::Error(why) => {
                reasons.insert(format!("error: {why}"));
            }
            Outcome::Unmet(unmet) => {
                reasons.insert(format!("not verified: {unmet}"));
            }
            Outcome::NotVerified(why) | Outcome::NotApplicable(why) => {
                reasons.insert(format!("not verified: {why}"));
            }
            Outcome::NotSelected => {}
        }
    }
    let mut told = format!("{passed} scenarios passed");
    for reason in reasons.iter().take(3) {
        told.push_str("; ");
        told.push_str(reason);
    }
    told
}
