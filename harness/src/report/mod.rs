//! One report of a run; everything that is printed or written is a rendering of it. Never runs anything.

pub mod diff;
pub mod generated;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod text;

use crate::client::meter::Spent;
use crate::clock;
use crate::contract::{Contract, Criterion};
use crate::evidence::Exchange;
use crate::run::Ended;
use crate::target::{Target, capabilities};
use crate::verdict::{self, Exit, Level, Outcome, RunVerdict, Severity, Tally, Verdict};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Version of the JSON form: additive within a major version.
pub const SCHEMA_VERSION: &str = "1.0";

/// A run and its verdicts.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// [`SCHEMA_VERSION`].
    pub schema_version: &'static str,
    /// Name and version of this harness.
    pub harness: String,
    /// SHA-256 of all features, lower-case hexadecimal: which contract was run.
    pub contract_digest: String,
    /// What was judged: `reference` or an address.
    pub target: String,
    /// Names the run; part of every tenant it made.
    pub run_id: String,
    /// Decides the order of scenarios; `--seed` repeats it.
    pub seed: u64,
    /// Scenarios side by side.
    pub concurrency: usize,
    /// When the run began, epoch milliseconds.
    pub started_at_ms: i64,
    /// Wall time of the run.
    pub duration_ms: f64,
    /// The build that was judged, if the target tells it.
    pub build: Option<String>,
    /// What the run has spent.
    pub spent: Spent,
    /// Verdict and counts.
    pub summary: Summary,
    /// What a reader should know of the manifest: accepted deviations that nothing met, or whose last day is over.
    pub warnings: Vec<String>,
    /// What the target lacks: need → reason.
    pub lacking: BTreeMap<String, String>,
    /// One entry per selected criterion, by id.
    pub criteria: Vec<CriterionReport>,
    /// One entry per kind of generated checks, if some were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub generated: Vec<generated::GeneratedReport>,
}

/// Verdict and counts.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// On the target as a whole.
    pub verdict: RunVerdict,
    /// MUST criteria by verdict.
    pub must: Tally,
    /// SHOULD criteria by verdict.
    pub should: Tally,
    /// MAY criteria by verdict.
    pub may: Tally,
    /// Scenarios that ran to an end.
    pub scenarios_run: usize,
    /// Scenarios of the contract that this run's selection left out.
    pub scenarios_not_selected: usize,
    /// Assertions that were made and held.
    pub checks: usize,
    /// HTTP exchanges with the target.
    pub exchanges: usize,
}

/// One criterion.
#[derive(Debug, Clone, Serialize)]
pub struct CriterionReport {
    /// Stable id.
    pub id: String,
    /// `must`, `should`, `may`.
    pub level: Level,
    /// `core`, `data`, `api-worker`.
    pub profile: String,
    /// The normative sentence.
    pub sentence: String,
    /// See [`Verdict`].
    pub verdict: Verdict,
    /// Why, in one sentence; empty for a criterion that passed whole.
    pub reason: String,
    /// Its scenarios.
    pub scenarios: Vec<ScenarioReport>,
}

/// One scenario.
#[derive(Debug, Clone, Serialize)]
pub struct ScenarioReport {
    /// Its name.
    pub name: String,
    /// Feature file.
    pub feature: String,
    /// Line, from 1.
    pub line: usize,
    /// `passed`, `failed`, `accepted`, `not_verified`, `not_applicable`, `error` or `not_selected`.
    pub outcome: &'static str,
    /// Why it did not pass.
    pub reason: Option<String>,
    /// How bad the finding is.
    pub severity: Option<Severity>,
    /// What the contract demands, if it failed.
    pub expected: Option<String>,
    /// What was seen instead, if it failed.
    pub seen: Option<String>,
    /// Line of the step that ended it early.
    pub step_line: Option<usize>,
    /// Text of that step.
    pub step: Option<String>,
    /// From first step to end.
    pub duration_ms: f64,
    /// Assertions that were made and held.
    pub checks: usize,
    /// What was exchanged, in order.
    pub exchanges: Vec<ExchangeReport>,
}

/// One exchange in short.
#[derive(Debug, Clone, Serialize)]
pub struct ExchangeReport {
    /// Method.
    pub method: String,
    /// Host header.
    pub host: String,
    /// Path and query.
    pub path: String,
    /// Status of the answer.
    pub status: u16,
    /// Value of `X-Request-Id`.
    pub request_id: Option<String>,
    /// Until the response head.
    pub head_ms: f64,
    /// Until the last byte.
    pub duration_ms: f64,
    /// Repeats the request.
    pub curl: String,
}

/// What a run was, beside its outcomes.
#[derive(Debug, Clone)]
pub struct RunFacts {
    /// Names the run.
    pub id: String,
    /// Order.
    pub seed: u64,
    /// Side by side.
    pub concurrency: usize,
    /// Epoch milliseconds.
    pub started_at_ms: i64,
    /// Wall time.
    pub duration: Duration,
    /// What was spent.
    pub spent: Spent,
    /// The build that was judged, if the target tells it.
    pub build: Option<String>,
    /// Which of the target's accepted deviations were met, by their number.
    pub accepted: BTreeSet<usize>,
}

impl Report {
    /// The report of a run.
    #[must_use]
    pub fn new(
        contract: &Contract,
        target: &dyn Target,
        facts: &RunFacts,
        ended: &[Ended],
    ) -> Self {
        let mut by_number: BTreeMap<usize, &Ended> = BTreeMap::new();
        for one in ended {
            by_number.insert(one.planned.number, one);
        }
        let mut criteria = Vec::new();
        let (mut must, mut should, mut may) =
            (Tally::default(), Tally::default(), Tally::default());
        for criterion in contract.criteria.values() {
            if let Some(report) = criterion_report(contract, criterion, &by_number) {
                match report.level {
                    Level::Must => must.count(report.verdict),
                    Level::Should => should.count(report.verdict),
                    Level::May => may.count(report.verdict),
                }
                criteria.push(report);
            }
        }
        let lacking = capabilities(target)
            .into_iter()
            .filter_map(|(need, reason)| Some((need, reason?)))
            .collect();
        Self {
            schema_version: SCHEMA_VERSION,
            harness: format!("moltproof {}", env!("CARGO_PKG_VERSION")),
            contract_digest: crate::contract::digest(),
            target: target.name(),
            run_id: facts.id.clone(),
            seed: facts.seed,
            concurrency: facts.concurrency,
            started_at_ms: facts.started_at_ms,
            duration_ms: clock::ms(facts.duration),
            build: facts.build.clone(),
            spent: facts.spent,
            summary: Summary {
                verdict: verdict::of_run(&must, &should, &may),
                must,
                should,
                may,
                scenarios_run: ended
                    .iter()
                    .filter(|one| matches!(one.outcome, Outcome::Passed | Outcome::Failed(_)))
                    .count(),
                scenarios_not_selected: contract.scenarios.len() - ended.len(),
                checks: ended.iter().map(|one| one.checks).sum(),
                exchanges: ended.iter().map(|one| one.exchanges.len()).sum(),
            },
            warnings: warnings(target, facts),
            lacking,
            criteria,
            generated: Vec::new(),
        }
    }

    /// The exit code that this report means.
    #[must_use]
    pub fn exit(&self, strict: bool) -> Exit {
        let written = verdict::exit_of(
            &self.summary.must,
            &self.summary.should,
            &self.summary.may,
            strict,
        );
        self.exit_with_generated(written, strict)
    }
}

/// Entries of the manifest that accept what is not there any more, or no longer.
fn warnings(target: &dyn Target, facts: &RunFacts) -> Vec<String> {
    let today = clock::rfc3339(facts.started_at_ms);
    let today = today.split('T').next().unwrap_or_default();
    let entries = target.accepts().iter().enumerate();
    entries
        .filter_map(|(number, entry)| {
            if entry.is_over(today) {
                let until = entry.until.as_deref().unwrap_or_default();
                return Some(format!(
                    "accepted until {until}, and no longer: {} ({})",
                    entry.describe(),
                    entry.reason
                ));
            }
            (!facts.accepted.contains(&number)).then(|| {
                format!(
                    "accepted, but not met in this run: {} ({}); if the target keeps the contract now, take the entry out",
                    entry.describe(),
                    entry.reason
                )
            })
        })
        .collect()
}

fn criterion_report(
    contract: &Contract,
    criterion: &Criterion,
    ended: &BTreeMap<usize, &Ended>,
) -> Option<CriterionReport> {
    let own: Vec<_> = contract
        .scenarios
        .iter()
        .filter(|planned| planned.criteria.contains(&criterion.id))
        .collect();
    let outcomes: Vec<Outcome> = own
        .iter()
        .map(|planned| {
            let one = ended.get(&planned.number);
            one.map_or(Outcome::NotSelected, |one| {
                one.outcome.for_criterion(&criterion.id)
            })
        })
        .collect();
    let outcomes: Vec<&Outcome> = outcomes.iter().collect();
    let verdict = verdict::of_criterion(&outcomes)?;
    let scenarios = own
        .iter()
        .map(|planned| match ended.get(&planned.number) {
            Some(one) => scenario_report(one, &one.outcome.for_criterion(&criterion.id)),
            None => not_selected(planned),
        })
        .collect();
    Some(CriterionReport {
        id: criterion.id.clone(),
        level: criterion.level,
        profile: criterion.profile.clone(),
        sentence: criterion.sentence.clone(),
        verdict,
        reason: reason(&criterion.id, verdict, &outcomes),
        scenarios,
    })
}

fn reason(id: &str, verdict: Verdict, outcomes: &[&Outcome]) -> String {
    let first = |wanted: &dyn Fn(&Outcome) -> Option<String>| {
        outcomes
            .iter()
            .find_map(|outcome| wanted(outcome))
            .unwrap_or_default()
    };
    match verdict {
        Verdict::Failed => first(&|outcome| match outcome {
            Outcome::Failed(finding) => Some(format!(
                "expected {}, saw {}",
                finding.expected, finding.seen
            )),
            Outcome::Passed
            | Outcome::Accepted(_)
            | Outcome::NotVerified(_)
            | Outcome::NotApplicable(_)
            | Outcome::Error(_)
            | Outcome::NotSelected => None,
        }),
        Verdict::Error => first(&|outcome| match outcome {
            Outcome::Error(reason) => Some(reason.clone()),
            Outcome::Passed
            | Outcome::Failed(_)
            | Outcome::Accepted(_)
            | Outcome::NotVerified(_)
            | Outcome::NotApplicable(_)
            | Outcome::NotSelected => None,
        }),
        Verdict::NotVerified | Verdict::NotApplicable => open_reason(outcomes).unwrap_or_default(),
        Verdict::Accepted => first(&|outcome| match outcome {
            Outcome::Accepted(list) => list.get(id).cloned(),
            Outcome::Passed
            | Outcome::Failed(_)
            | Outcome::NotVerified(_)
            | Outcome::NotApplicable(_)
            | Outcome::Error(_)
            | Outcome::NotSelected => None,
        }),
        Verdict::Passed => passed_reason(outcomes),
    }
}

fn open_reason(outcomes: &[&Outcome]) -> Option<String> {
    outcomes.iter().find_map(|outcome| match outcome {
        Outcome::NotVerified(reason) | Outcome::NotApplicable(reason) => Some(reason.clone()),
        Outcome::NotSelected => Some("not selected".to_owned()),
        Outcome::Passed | Outcome::Failed(_) | Outcome::Accepted(_) | Outcome::Error(_) => None,
    })
}

/// What a pass leaves open: a reader must see when only a part was asserted.
fn passed_reason(outcomes: &[&Outcome]) -> String {
    let open = outcomes
        .iter()
        .filter(|outcome| !matches!(outcome, Outcome::Passed))
        .count();
    match open_reason(outcomes) {
        Some(why) => format!(
            "partly: {open} of {} scenarios did not run ({why})",
            outcomes.len()
        ),
        None => String::new(),
    }
}

fn scenario_report(ended: &Ended, outcome: &Outcome) -> ScenarioReport {
    let mut report = ScenarioReport {
        name: ended.planned.name.clone(),
        feature: ended.planned.feature.clone(),
        line: ended.planned.line,
        outcome: "passed",
        reason: None,
        severity: None,
        expected: None,
        seen: None,
        step_line: ended.step.as_ref().map(|step| step.line),
        step: ended.step.as_ref().map(|step| step.text.clone()),
        duration_ms: clock::ms(ended.duration),
        checks: ended.checks,
        exchanges: ended
            .exchanges
            .iter()
            .map(|exchange| exchange_report(exchange))
            .collect(),
    };
    match outcome {
        Outcome::Passed => {}
        Outcome::Accepted(list) => {
            let reasons: Vec<&str> = list.values().map(String::as_str).collect();
            (report.outcome, report.reason) = ("accepted", Some(reasons.join("; ")));
        }
        Outcome::Failed(finding) => {
            report.outcome = "failed";
            report.severity = Some(finding.severity);
            report.expected = Some(finding.expected.clone());
            report.seen = Some(finding.seen.clone());
        }
        Outcome::NotVerified(reason) => {
            (report.outcome, report.reason) = ("not_verified", Some(reason.clone()));
        }
        Outcome::NotApplicable(reason) => {
            (report.outcome, report.reason) = ("not_applicable", Some(reason.clone()));
        }
        Outcome::Error(reason) => (report.outcome, report.reason) = ("error", Some(reason.clone())),
        Outcome::NotSelected => report.outcome = "not_selected",
    }
    report
}

fn not_selected(planned: &crate::contract::Planned) -> ScenarioReport {
    ScenarioReport {
        name: planned.name.clone(),
        feature: planned.feature.clone(),
        line: planned.line,
        outcome: "not_selected",
        reason: None,
        severity: None,
        expected: None,
        seen: None,
        step_line: None,
        step: None,
        duration_ms: 0.0,
        checks: 0,
        exchanges: Vec::new(),
    }
}

fn exchange_report(exchange: &Exchange) -> ExchangeReport {
    ExchangeReport {
        method: exchange.request.method.clone(),
        host: exchange.request.host.clone(),
        path: exchange.request.path.clone(),
        status: exchange.status,
        request_id: exchange.header("x-request-id").map(str::to_owned),
        head_ms: clock::ms(exchange.head_after),
        duration_ms: clock::ms(exchange.done_after),
        curl: exchange.curl(),
    }
}
