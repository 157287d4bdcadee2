//! One report of a run; everything that is printed or written is a rendering of it. Never runs anything.

pub mod diff;
pub mod generated;
pub mod json;
pub mod junit;
mod kind;
pub mod markdown;
mod model;
pub mod text;

pub use kind::Kind;
pub use model::*;

use crate::client::meter::Spent;
use crate::clock;
use crate::contract::{Contract, Criterion, Planned};
use crate::evidence::{Exchange, cut};
use crate::run::Ended;
use crate::run::repeat::Repeats;
use crate::target::{Target, capabilities};
use crate::verdict::{self, Exit, Finding, Level, Outcome, OutcomeKind, Tally, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Bytes of an answer's body that a report shows. Evidence: the largest answer that a finding of the contract turned on is a listing of 2 KiB.
const BODY_SHOWN_MAX: usize = 4096;

/// What a run was, beside its outcomes.
#[derive(Debug, Clone)]
pub struct RunFacts {
    /// Names the run.
    pub id: String,
    /// What was judged, as `--target` has it.
    pub named: String,
    /// Order.
    pub seed: u64,
    /// Side by side.
    pub concurrency: usize,
    /// Epoch milliseconds.
    pub started_at_ms: i64,
    /// When the run began; every time in the evidence counts from there.
    pub began: Instant,
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
            schema_version: SCHEMA_VERSION.to_owned(),
            harness: format!("moltproof {}", env!("CARGO_PKG_VERSION")),
            contract_digest: crate::contract::digest(),
            target: target.name(),
            named: facts.named.clone(),
            run_id: facts.id.clone(),
            seed: facts.seed,
            concurrency: facts.concurrency,
            started_at_ms: facts.started_at_ms,
            duration_ms: clock::ms(facts.duration),
            build: facts.build.clone(),
            read_only: false,
            spent: facts.spent,
            summary: Summary {
                verdict: verdict::of_run(&must, &should, &may),
                must,
                should,
                may,
                scenarios_run: ended
                    .iter()
                    .filter(|one| has_come_to_its_end(&one.outcome))
                    .count(),
                scenarios_not_selected: contract.scenarios.len() - ended.len(),
                checks: ended.iter().map(|one| one.checks).sum(),
                exchanges: ended.iter().map(|one| one.exchanges.len()).sum(),
            },
            warnings: warnings(target, facts),
            lacking,
            criteria,
            generated: Vec::new(),
            baseline: None,
            evidence: ended
                .iter()
                .filter_map(|one| Some((place(&one.planned), evidence(one, facts.began)?)))
                .collect(),
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
        let found = self.exit_with_generated(written, strict);
        let is_stale = self
            .baseline
            .as_ref()
            .is_some_and(|baseline| !baseline.stale.is_empty());
        match found {
            // What is broken or at fault is told first: the list of stale entries stands beside it.
            Exit::Conforms | Exit::NotVerified if is_stale => Exit::StaleBaseline,
            Exit::Conforms
            | Exit::NotVerified
            | Exit::Violation
            | Exit::Usage
            | Exit::Fault
            | Exit::StaleBaseline
            | Exit::Interrupted => found,
        }
    }

    /// The report with what became of a baseline's entries.
    #[must_use]
    pub fn with_baseline(mut self, baseline: Option<BaselineReport>) -> Self {
        let stale = baseline.iter().flat_map(|baseline| &baseline.stale);
        self.warnings
            .extend(stale.map(|stale| format!("baseline: {stale}")));
        self.baseline = baseline;
        self
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
    let told = |finding: &Finding| format!("expected {}, saw {}", finding.expected, finding.seen);
    let found = outcomes
        .iter()
        .find_map(|outcome| match (verdict, outcome) {
            (Verdict::Failed, Outcome::Failed(finding)) => Some(told(finding)),
            (Verdict::Flaky, Outcome::Flaky(flaky)) => {
                Some(format!("{}: {}", flaky.rate(), told(&flaky.finding)))
            }
            (Verdict::Known, Outcome::Known(known)) => known.reasons.get(id).cloned(),
            (Verdict::Error, Outcome::Error(reason)) => Some(reason.clone()),
            (Verdict::Accepted, Outcome::Accepted(list)) => list.get(id).cloned(),
            _ => None,
        });
    match verdict {
        Verdict::NotVerified | Verdict::NotApplicable => open_reason(outcomes),
        Verdict::Passed => Some(passed_reason(outcomes)),
        Verdict::Failed | Verdict::Flaky | Verdict::Known | Verdict::Error | Verdict::Accepted => {
            found
        }
    }
    .unwrap_or_default()
}

fn open_reason(outcomes: &[&Outcome]) -> Option<String> {
    outcomes.iter().find_map(|outcome| match outcome {
        Outcome::NotVerified(reason) | Outcome::NotApplicable(reason) => Some(reason.clone()),
        Outcome::NotSelected => Some("not selected".to_owned()),
        Outcome::Passed
        | Outcome::Failed(_)
        | Outcome::Flaky(_)
        | Outcome::Known(_)
        | Outcome::Accepted(_)
        | Outcome::Error(_) => None,
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

/// Where a scenario stands: the key of its evidence.
fn place(planned: &Planned) -> String {
    format!("{}:{}", planned.feature, planned.line)
}

fn scenario_report(ended: &Ended, outcome: &Outcome) -> ScenarioReport {
    let planned = &ended.planned;
    let mut report = ScenarioReport {
        step_line: ended.step.as_ref().map(|step| step.line),
        step: ended.step.as_ref().map(|step| step.text.clone()),
        duration_ms: clock::ms(ended.duration),
        checks: ended.checks,
        evidence: ended.began.map(|_began| place(planned)),
        ..not_selected(planned)
    };
    report.outcome = outcome.kind();
    let finding = match outcome {
        Outcome::Passed | Outcome::NotSelected => None,
        Outcome::Accepted(list) => {
            let reasons: Vec<&str> = list.values().map(String::as_str).collect();
            report.reason = Some(reasons.join("; "));
            None
        }
        Outcome::Failed(finding) => {
            report.reason = ended.repeats.as_ref().map(Repeats::describe);
            Some(finding)
        }
        Outcome::Flaky(flaky) => {
            report.reason = Some(flaky.rate());
            Some(&flaky.finding)
        }
        Outcome::Known(known) => {
            let reasons: Vec<&str> = known.reasons.values().map(String::as_str).collect();
            report.reason = Some(reasons.join("; "));
            Some(&known.finding)
        }
        Outcome::NotVerified(reason) | Outcome::NotApplicable(reason) | Outcome::Error(reason) => {
            report.reason = Some(reason.clone());
            None
        }
    };
    if let Some(finding) = finding {
        report.severity = Some(finding.severity);
        report.expected = Some(finding.expected.clone());
        report.seen = Some(finding.seen.clone());
    }
    report
}

fn not_selected(planned: &Planned) -> ScenarioReport {
    ScenarioReport {
        name: planned.name.clone(),
        feature: planned.feature.clone(),
        line: planned.line,
        outcome: OutcomeKind::NotSelected,
        reason: None,
        severity: None,
        expected: None,
        seen: None,
        step_line: None,
        step: None,
        duration_ms: 0.0,
        checks: 0,
        evidence: None,
    }
}

/// Whether every step was taken, or one of them convicted.
fn has_come_to_its_end(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Passed | Outcome::Failed(_) | Outcome::Flaky(_) | Outcome::Known(_)
    )
}

/// What a scenario has seen; `None` if it did not run.
fn evidence(ended: &Ended, run_began: Instant) -> Option<Evidence> {
    let began = ended.began?;
    Some(Evidence {
        began_ms: clock::ms(began.saturating_duration_since(run_began)),
        exchanges: ended
            .exchanges
            .iter()
            .map(|exchange| exchange_report(exchange, began))
            .collect(),
        ..Evidence::default()
    })
}

fn exchange_report(exchange: &Exchange, began: Instant) -> ExchangeReport {
    let sent = &exchange.request;
    ExchangeReport {
        number: exchange.number,
        at_ms: clock::ms(exchange.sent_at.saturating_duration_since(began)),
        method: sent.method.clone(),
        host: sent.host.clone(),
        path: sent.path.clone(),
        request_headers: sent.headers.clone(),
        request_body: sent.body.clone(),
        status: exchange.status,
        headers: exchange.headers.clone(),
        body: cut(&exchange.text(), BODY_SHOWN_MAX),
        body_len: exchange.body_len,
        request_id: exchange.header("x-request-id").map(str::to_owned),
        connect_ms: None,
        head_ms: clock::ms(exchange.head_after),
        duration_ms: clock::ms(exchange.done_after),
        curl: exchange.curl(),
    }
}
