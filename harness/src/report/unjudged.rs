//! Why criteria could not be judged: what had to hold before and did not, each cause once with all that hangs on it. Never makes a finding of it.

use super::{CriterionReport, Report, UnjudgedReport};
use crate::counted::counted;
use crate::lasting::{lasting, without_times};
use crate::verdict::{Unmet, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// Causes that stand below the verdict; the others are told with the criteria.
const SHOWN_MAX: usize = 3;

/// What hangs on one cause.
#[derive(Default)]
struct Hanging<'a> {
    /// How often each criterion, capability or step was named as being at fault.
    because: BTreeMap<&'a str, usize>,
    first: Option<&'a Unmet>,
    criteria: BTreeSet<&'a str>,
    scenarios: BTreeSet<(&'a str, usize)>,
}

/// Every cause for which criteria could not be judged, the one on which most hang first.
pub(super) fn gather(criteria: &[CriterionReport]) -> Vec<UnjudgedReport> {
    let mut by_cause: BTreeMap<(String, String), Hanging<'_>> = BTreeMap::new();
    for criterion in criteria.iter().filter(|one| is_open(one)) {
        for scenario in &criterion.scenarios {
            let Some(unmet) = &scenario.unmet else {
                continue;
            };
            let hanging = by_cause.entry(key(unmet)).or_default();
            *hanging.because.entry(&unmet.because).or_default() += 1;
            hanging.first.get_or_insert(unmet);
            hanging.criteria.insert(&criterion.id);
            hanging.scenarios.insert((&scenario.feature, scenario.line));
        }
    }
    let mut all: Vec<UnjudgedReport> = by_cause.into_values().filter_map(told).collect();
    all.sort_by_key(|one| std::cmp::Reverse((one.criteria.len(), one.scenarios)));
    all
}

fn is_open(criterion: &CriterionReport) -> bool {
    criterion.verdict == Verdict::NotVerified
}

/// By what two unmet preconditions are the same: what was expected and what was seen, apart from what is new in every scenario.
fn key(unmet: &Unmet) -> (String, String) {
    let mut numbered = Vec::new();
    let mut lasts = |text: &str| without_times(&lasting(text, &mut numbered));
    (lasts(&unmet.expected), lasts(&unmet.seen))
}

fn told(hanging: Hanging<'_>) -> Option<UnjudgedReport> {
    let first = hanging.first?;
    // A criterion that is named rather than a step that stumbled over it, then what was named most often.
    let because = hanging
        .because
        .iter()
        .max_by_key(|(because, count)| (!because.starts_with("the step"), **count));
    Some(UnjudgedReport {
        because: because.map_or_else(
            || first.because.clone(),
            |(because, _)| (*because).to_owned(),
        ),
        expected: first.expected.clone(),
        seen: first.seen.clone(),
        criteria: hanging.criteria.into_iter().map(str::to_owned).collect(),
        scenarios: hanging.scenarios.len(),
    })
}

impl UnjudgedReport {
    /// Why, in one line.
    pub(super) fn why(&self) -> String {
        let Self {
            because,
            expected,
            seen,
            ..
        } = self;
        format!("because of {because}: expected {expected}, saw {seen}")
    }
}

impl Report {
    /// Gathers the causes anew, and gives each criterion that hangs on one the reason that the others have.
    pub(super) fn gather_unjudged(&mut self) {
        self.unjudged = gather(&self.criteria);
        for criterion in self.criteria.iter_mut().filter(|one| is_open(one)) {
            let own = self
                .unjudged
                .iter()
                .find(|cause| cause.criteria.contains(&criterion.id));
            if let Some(cause) = own {
                criterion.reason = cause.why();
            }
        }
    }

    /// Below the verdict: how much could not be judged, and because of what; nothing if all that was asked could be.
    pub(super) fn unjudged_lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .unjudged
            .iter()
            .take(SHOWN_MAX)
            .map(|cause| {
                let count = counted(cause.criteria.len(), "criterion");
                format!("{count} could not be judged {}", cause.why())
            })
            .collect();
        let more = self.unjudged.len().saturating_sub(SHOWN_MAX);
        if more > 0 {
            lines.push(format!(
                "{} could not be judged for other reasons, told with each",
                {
                    let rest: BTreeSet<&String> = self.unjudged[SHOWN_MAX..]
                        .iter()
                        .flat_map(|cause| &cause.criteria)
                        .collect();
                    counted(rest.len(), "criterion")
                }
            ));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::Sample;
    use crate::verdict::OutcomeKind;

    fn unmet(because: &str, slug: &str) -> Unmet {
        Unmet {
            because: because.to_owned(),
            expected: "status 200".to_owned(),
            seen: format!("status 401 for mp-{slug}-a"),
        }
    }

    #[test]
    fn one_cause_stands_once_with_all_that_hangs_on_it() {
        let sample = Sample {
            criteria: 3,
            scenarios: 1,
            exchanges: 1,
            finding_every: 0,
            alike: false,
            text: "plain",
            times: 1,
        };
        let mut report: Report = serde_json::from_value(sample.json()).expect("a report");
        let steps = [
            ("the step \"tenant a prompts the model\"", "abcdef0001"),
            ("AIG-017", "abcdef0002"),
        ];
        let criteria = report.criteria.iter_mut().take(2);
        let mut ids = Vec::new();
        for (criterion, (because, slug)) in criteria.zip(steps) {
            let scenario = &mut criterion.scenarios[0];
            scenario.outcome = OutcomeKind::Unmet;
            scenario.unmet = Some(unmet(because, slug));
            criterion.judge();
            ids.push(criterion.id.clone());
        }
        report.gather_unjudged();
        assert_eq!(report.unjudged.len(), 1);
        ids.sort_unstable();
        assert_eq!(report.unjudged[0].criteria, ids);
        assert_eq!(report.unjudged[0].because, "AIG-017");
        assert_eq!(
            report.unjudged_lines(),
            [
                "2 criteria could not be judged because of AIG-017: expected status 200, saw status 401 for mp-abcdef0001-a"
            ]
        );
        assert_eq!(report.criteria[0].reason, report.criteria[1].reason);
    }
}
