//! The scenarios of a report, each once with all criteria that it proves: for forms that know tests and no criteria (`JUnit` among them). Never lets one criterion's pass hide another's finding.

use super::{CriterionReport, Report, ScenarioReport, story};
use crate::verdict::{Exit, OutcomeKind};
use std::collections::BTreeMap;

/// Which outcome is told of a scenario that counts differently for its criteria, the first of these that there is: a finding, a fault, and a pass only
/// where nothing else is.
const TOLD_FIRST: [OutcomeKind; 10] = [
    OutcomeKind::Failed,
    OutcomeKind::Flaky,
    OutcomeKind::Error,
    OutcomeKind::Unmet,
    OutcomeKind::NotVerified,
    OutcomeKind::Known,
    OutcomeKind::Accepted,
    OutcomeKind::NotApplicable,
    OutcomeKind::NotSelected,
    OutcomeKind::Passed,
];

/// A scenario with its criteria, in the order of the report.
#[derive(Debug, Clone)]
pub(super) struct Once<'a> {
    /// At least one.
    pub(super) criteria: Vec<&'a CriterionReport>,
    /// As it counts for the criterion that it is worst for.
    pub(super) scenario: &'a ScenarioReport,
    /// That criterion.
    pub(super) worst_for: &'a CriterionReport,
    /// Its ids and its name: no other one of its feature has the same, and it stays when lines move, so that a view of tests knows it from run to run.
    pub(super) title: String,
}

/// Every scenario of the features, by feature and line; what generated checks found is none.
pub(super) fn scenarios(report: &Report) -> Vec<Once<'_>> {
    let mut all: BTreeMap<(&str, usize), Once<'_>> = BTreeMap::new();
    for criterion in &report.criteria {
        let written = criterion.scenarios.iter().filter(|one| one.line > 0);
        for scenario in written {
            let once = all
                .entry((&scenario.feature, scenario.line))
                .or_insert_with(|| Once {
                    criteria: Vec::new(),
                    scenario,
                    worst_for: criterion,
                    title: String::new(),
                });
            once.criteria.push(criterion);
            if rank(scenario.outcome) < rank(once.scenario.outcome) {
                (once.scenario, once.worst_for) = (scenario, criterion);
            }
        }
    }
    let mut all: Vec<Once<'_>> = all.into_values().collect();
    // Rows of an outline may have one name: then they are numbered.
    let mut counts: BTreeMap<(&str, String), (usize, usize)> = BTreeMap::new();
    for once in &mut all {
        let ids: Vec<&str> = once.ids().collect();
        once.title = format!("{} {}", ids.join(" "), once.scenario.name);
        let key = (once.scenario.feature.as_str(), once.title.clone());
        counts.entry(key).or_default().0 += 1;
    }
    for once in &mut all {
        let key = (once.scenario.feature.as_str(), once.title.clone());
        let held = counts.entry(key).or_default();
        if held.0 > 1 {
            held.1 += 1;
            once.title = format!("{} ({} of {})", once.title, held.1, held.0);
        }
    }
    all
}

/// Why the run is not green, where no test tells it; `None` if it is green, or if one of its tests is red.
pub(super) fn untold(report: &Report) -> Option<String> {
    let generated = report.generated.iter().map(|one| one.outcome);
    let written = report.criteria.iter().flat_map(|one| &one.scenarios);
    let mut all = written.map(|one| one.outcome).chain(generated);
    if report.exit(false) == Exit::Conforms || all.any(OutcomeKind::is_red) {
        return None;
    }
    let stale = report.baseline.iter().flat_map(|own| &own.stale);
    let stale = stale.map(|entry| format!("baseline: {entry}"));
    let why = report
        .unjudged()
        .or_else(|| report.incomplete())
        .or_else(|| report.below_floor());
    let why = why.unwrap_or_else(|| story::sentence(report));
    let lines: Vec<String> = std::iter::once(why).chain(stale).collect();
    Some(lines.join("\n"))
}

fn rank(outcome: OutcomeKind) -> usize {
    let place = TOLD_FIRST.iter().position(|one| *one == outcome);
    place.unwrap_or(TOLD_FIRST.len())
}

impl Once<'_> {
    /// The ids of its criteria.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.criteria.iter().map(|one| one.id.as_str())
    }

    /// Why it did not pass, in one line; `None` if it passed.
    pub(super) fn why(&self) -> Option<String> {
        let one = self.scenario;
        match one.outcome {
            OutcomeKind::Passed => None,
            OutcomeKind::Failed | OutcomeKind::Flaky => Some(one.told()),
            OutcomeKind::Known => {
                let reason = one.reason.clone().unwrap_or_default();
                Some(format!("known: {reason}; {}", one.finding()))
            }
            OutcomeKind::Accepted
            | OutcomeKind::Unmet
            | OutcomeKind::NotVerified
            | OutcomeKind::NotApplicable
            | OutcomeKind::Error => {
                let word = one.outcome.word();
                let reason = one.reason.as_ref();
                Some(reason.map_or_else(|| word.to_owned(), |reason| format!("{word}: {reason}")))
            }
            OutcomeKind::NotSelected => Some("not selected in this run".to_owned()),
        }
    }
}
