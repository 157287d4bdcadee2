//! What was found, gathered by cause: scenarios that saw the same instead of the same stand together, and what explains others stands
//! before them. Failures come before errors. Never drops a scenario that is red.
//!
//! Two findings are the same if they expected and saw the same, apart from what is new in every scenario: ids, slugs, ports and times.

use super::{CriterionReport, Report, ScenarioReport, StepReport};
use crate::counted::counted;
use crate::lasting::{lasting, without_times};
use crate::verdict::{OutcomeKind, Severity};
use std::collections::BTreeMap;

/// So many criteria that are broken by the same finding are taken for more than a coincidence, wherever in a scenario it was made.
/// Evidence: one scenario decides two criteria at most.
const BROAD_MIN: usize = 3;

/// One scenario that is red, with the criteria that it decides.
#[derive(Debug, Clone)]
pub(crate) struct Case<'a> {
    /// As it counts for the first of them.
    pub(crate) scenario: &'a ScenarioReport,
    /// At least one.
    pub(crate) criteria: Vec<&'a CriterionReport>,
}

/// Scenarios that are red for the same reason.
#[derive(Debug, Clone)]
pub(crate) struct Cause<'a> {
    /// At least one; the first tells of all of them.
    pub(crate) cases: Vec<Case<'a>>,
}

impl<'a> Cause<'a> {
    /// The one that is told whole.
    pub(crate) fn first(&self) -> &Case<'a> {
        &self.cases[0]
    }

    /// Every criterion that it decides, by id.
    pub(crate) fn criteria(&self) -> Vec<&'a CriterionReport> {
        let all = self.cases.iter().flat_map(|case| &case.criteria);
        let by_id: BTreeMap<&str, &CriterionReport> = all.map(|one| (&*one.id, *one)).collect();
        by_id.into_values().collect()
    }

    /// The others, by criterion; a scenario that decides several stands at its first.
    pub(crate) fn others(&self) -> Vec<(&'a CriterionReport, Vec<&'a ScenarioReport>)> {
        let mut by_id: BTreeMap<&str, (&CriterionReport, Vec<&ScenarioReport>)> = BTreeMap::new();
        for case in &self.cases[1..] {
            let criterion = case.criteria[0];
            let held = by_id
                .entry(&criterion.id)
                .or_insert((criterion, Vec::new()));
            held.1.push(case.scenario);
        }
        by_id.into_values().collect()
    }

    /// What stands before the list of the others; `None` if there are none.
    pub(crate) fn more(&self) -> Option<String> {
        let others = self.others();
        let scenarios: usize = others.iter().map(|(_, own)| own.len()).sum();
        let what = if self.first().scenario.outcome == OutcomeKind::Error {
            "ended"
        } else {
            "was found by"
        };
        (scenarios > 0).then(|| {
            format!(
                "the same {what} {}, of {}:",
                counted(scenarios, "more scenario"),
                counted(others.len(), "criterion")
            )
        })
    }
}

/// The finding that a scenario shares with others, if it is not itself the one that is told whole: where that stands, and for what.
pub(crate) fn told_at<'a>(
    causes: &[Cause<'a>],
    scenario: &ScenarioReport,
) -> Option<&'a ScenarioReport> {
    let is_it = |case: &Case<'_>| {
        let own = case.scenario;
        (own.line, &own.feature) == (scenario.line, &scenario.feature)
            && own.outcome == scenario.outcome
    };
    let cause = causes.iter().find(|cause| cause.cases.iter().any(is_it))?;
    let first = cause.first();
    (!is_it(first)).then_some(first.scenario)
}

/// Everything that is red in a written scenario: failures first, then what is flaky, then errors; of each, what explains others first.
pub(crate) fn causes(report: &Report) -> Vec<Cause<'_>> {
    let mut by_key: BTreeMap<(usize, String, String), Cause<'_>> = BTreeMap::new();
    for case in cases(report) {
        let key = key(case.scenario);
        let cause = by_key.entry(key).or_insert(Cause { cases: Vec::new() });
        cause.cases.push(case);
    }
    let mut all: Vec<_> = by_key.into_values().collect();
    for cause in &mut all {
        cause.cases.sort_by_key(|case| place(report, case));
    }
    all.sort_by_cached_key(|cause| {
        let first = cause.first();
        let count = cause.criteria().len();
        let is_broad = count >= BROAD_MIN || (count > 1 && is_precondition(report, first.scenario));
        let gravest = cause.criteria().iter().map(|one| one.level).min();
        (
            rank(first.scenario.outcome),
            !is_broad,
            if is_broad { usize::MAX - count } else { 0 },
            gravest,
            first.scenario.severity == Some(Severity::Shape),
            place(report, first),
        )
    });
    all
}

/// Each scenario that is red, once for each way in which it is.
fn cases(report: &Report) -> Vec<Case<'_>> {
    let mut cases: Vec<Case<'_>> = Vec::new();
    let mut by_place: BTreeMap<(&str, usize, OutcomeKind), usize> = BTreeMap::new();
    for criterion in &report.criteria {
        let red = criterion
            .scenarios
            .iter()
            // Generated findings are told once, for all their criteria.
            .filter(|scenario| scenario.line > 0 && scenario.outcome.is_red());
        for scenario in red {
            let place = (&*scenario.feature, scenario.line, scenario.outcome);
            if let Some(&at) = by_place.get(&place) {
                cases[at].criteria.push(criterion);
            } else {
                by_place.insert(place, cases.len());
                cases.push(Case {
                    scenario,
                    criteria: vec![criterion],
                });
            }
        }
    }
    for case in &mut cases {
        case.criteria
            .sort_by(|one, other| (one.level, &one.id).cmp(&(other.level, &other.id)));
    }
    cases
}

fn rank(outcome: OutcomeKind) -> usize {
    match outcome {
        OutcomeKind::Failed => 0,
        OutcomeKind::Flaky => 1,
        OutcomeKind::Error
        | OutcomeKind::Passed
        | OutcomeKind::Known
        | OutcomeKind::Accepted
        | OutcomeKind::Unmet
        | OutcomeKind::NotVerified
        | OutcomeKind::NotApplicable
        | OutcomeKind::NotSelected => 2,
    }
}

/// By what two findings are the same.
fn key(scenario: &ScenarioReport) -> (usize, String, String) {
    let mut numbered = Vec::new();
    let mut put = |text: &Option<String>| {
        let text = text.as_deref().unwrap_or_default();
        without_times(&lasting(text, &mut numbered))
    };
    let expected = put(&scenario.expected);
    let seen = match scenario.outcome {
        OutcomeKind::Error => put(&scenario.reason),
        OutcomeKind::Failed
        | OutcomeKind::Flaky
        | OutcomeKind::Passed
        | OutcomeKind::Known
        | OutcomeKind::Accepted
        | OutcomeKind::Unmet
        | OutcomeKind::NotVerified
        | OutcomeKind::NotApplicable
        | OutcomeKind::NotSelected => put(&scenario.seen),
    };
    (rank(scenario.outcome), expected, seen)
}

/// What it decides, then where it stands.
fn place<'a>(report: &Report, case: &Case<'a>) -> (bool, crate::verdict::Level, &'a str, usize) {
    let criterion = case.criteria[0];
    (
        // Where the decisive exchange was kept the finding can be shown.
        report.decisive(case.scenario).is_none(),
        criterion.level,
        &criterion.id,
        case.scenario.line,
    )
}

/// Whether a scenario ended at a `Given`, before it came to what it is about.
fn is_precondition(report: &Report, scenario: &ScenarioReport) -> bool {
    let evidence = report.evidence_of(scenario);
    let steps = evidence.map_or(&[][..], |evidence| &evidence.steps);
    let own = |step: &&StepReport| !step.text.starts_with("And ") && !step.text.starts_with("But ");
    let last = steps.iter().rev().find(own);
    let ended = steps.last().is_some_and(|step| !step.held);
    ended && last.is_some_and(|step| step.text.starts_with("Given "))
}
