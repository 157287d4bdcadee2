//! What a run leaves in the history, and what the history shows: how a target went, and which criteria changed when. Never judges.

use crate::report::{Report, Summary};
use crate::verdict::{RunVerdict, Tally, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Names the run.
    pub run_id: String,
    /// When it began, epoch milliseconds.
    pub started_at_ms: i64,
    /// What was judged, for people.
    pub target: String,
    /// What was judged, as `--target` has it.
    pub named: String,
    /// The build that was judged, if the target tells it.
    pub build: Option<String>,
    /// Which contract was run.
    pub contract_digest: String,
    /// Name and version of the harness.
    pub harness: String,
    /// On the target as a whole.
    pub verdict: RunVerdict,
    /// MUST criteria by verdict.
    pub must: Tally,
    /// SHOULD criteria by verdict.
    pub should: Tally,
    /// MAY criteria by verdict.
    pub may: Tally,
    /// Wall time, milliseconds.
    pub duration_ms: f64,
    /// Scenarios that ran to an end.
    pub scenarios_run: usize,
    /// Scenarios that the selection left out: 0 for a run of the whole contract.
    pub scenarios_not_selected: usize,
    /// Whether somebody ended the run before it was through.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// The criteria of the run by verdict.
    pub verdicts: BTreeMap<Verdict, Vec<String>>,
}

impl Line {
    /// The line of a run.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let Summary {
            verdict,
            must,
            should,
            may,
            scenarios_run,
            scenarios_not_selected,
            ..
        } = report.summary;
        let mut verdicts: BTreeMap<Verdict, Vec<String>> = BTreeMap::new();
        for criterion in &report.criteria {
            let ids = verdicts.entry(criterion.verdict).or_default();
            ids.push(criterion.id.clone());
        }
        Self {
            run_id: report.run_id.clone(),
            started_at_ms: report.started_at_ms,
            target: report.target.clone(),
            named: report.named.clone(),
            build: report.build.clone(),
            contract_digest: report.contract_digest.clone(),
            harness: report.harness.clone(),
            verdict,
            must,
            should,
            may,
            duration_ms: report.duration_ms,
            scenarios_run,
            scenarios_not_selected,
            interrupted: report.interrupted.is_some(),
            verdicts,
        }
    }

    /// Whether the whole contract was run.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.scenarios_not_selected == 0 && !self.interrupted
    }

    fn verdict_on(&self, id: &str) -> Option<Verdict> {
        let holds = |(_, ids): &(&Verdict, &Vec<String>)| ids.iter().any(|own| own == id);
        self.verdicts
            .iter()
            .find(holds)
            .map(|(verdict, _)| *verdict)
    }
}

/// A run, in a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct When {
    /// Its id.
    pub run_id: String,
    /// When it began, epoch milliseconds.
    pub started_at_ms: i64,
    /// Its build, if the target told it.
    pub build: Option<String>,
}

/// A criterion that was judged differently in different runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Its id.
    pub id: String,
    /// How it is judged now.
    pub now: Verdict,
    /// The first of the runs in a row, up to now, that judged so.
    pub first_in: When,
    /// How it was judged before.
    pub before: Verdict,
    /// The last run that judged so.
    pub last_in: When,
    /// How often its verdict changed in the runs looked at.
    pub changes: usize,
}

/// Every criterion whose verdict changed within these runs, by id; the runs in which it was not judged tell nothing of it.
#[must_use]
pub fn changes(runs: &[&Line]) -> Vec<Change> {
    let ids: BTreeSet<&String> = runs
        .iter()
        .flat_map(|run| run.verdicts.values().flatten())
        .collect();
    ids.into_iter().filter_map(|id| change(runs, id)).collect()
}

fn change(runs: &[&Line], id: &str) -> Option<Change> {
    let judged: Vec<(&Line, Verdict)> = runs
        .iter()
        .filter_map(|run| Some((*run, run.verdict_on(id)?)))
        .collect();
    let mut moves = judged.windows(2).filter(|two| two[0].1 != two[1].1);
    let (count, last) = (moves.clone().count(), moves.next_back()?);
    let when = |run: &Line| When {
        run_id: run.run_id.clone(),
        started_at_ms: run.started_at_ms,
        build: run.build.clone(),
    };
    Some(Change {
        id: id.to_owned(),
        now: last[1].1,
        first_in: when(last[1].0),
        before: last[0].1,
        last_in: when(last[0].0),
        changes: count,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(id: &str, at: i64, judged: &[(&str, Verdict)]) -> Line {
        let mut verdicts: BTreeMap<Verdict, Vec<String>> = BTreeMap::new();
        for (criterion, verdict) in judged {
            let ids = verdicts.entry(*verdict).or_default();
            ids.push((*criterion).to_owned());
        }
        Line {
            run_id: id.to_owned(),
            started_at_ms: at,
            target: "t".to_owned(),
            named: "t".to_owned(),
            build: None,
            contract_digest: String::new(),
            harness: String::new(),
            verdict: RunVerdict::Conforms,
            must: Tally::default(),
            should: Tally::default(),
            may: Tally::default(),
            duration_ms: 0.0,
            scenarios_run: 0,
            scenarios_not_selected: 0,
            interrupted: false,
            verdicts,
        }
    }

    #[test]
    fn a_change_names_the_first_run_that_failed_and_the_last_that_passed() {
        use Verdict::{Failed, Passed};
        let runs = [
            run("a", 1, &[("X-1", Passed), ("X-2", Passed)]),
            run("b", 2, &[("X-1", Passed), ("X-2", Failed)]),
            run("c", 3, &[("X-1", Failed)]),
            run("d", 4, &[("X-1", Failed), ("X-2", Passed)]),
        ];
        let found = changes(&runs.iter().collect::<Vec<_>>());
        let told: Vec<_> = found
            .iter()
            .map(|one| {
                let (first, last) = (one.first_in.run_id.as_str(), one.last_in.run_id.as_str());
                (
                    one.id.as_str(),
                    one.now,
                    first,
                    one.before,
                    last,
                    one.changes,
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("X-1", Failed, "c", Passed, "b", 1),
                ("X-2", Passed, "d", Failed, "b", 2)
            ]
        );
    }
}
