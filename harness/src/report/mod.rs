//! One report of a run; everything that is printed or written is a rendering of it. Never runs anything.

pub mod badge;
pub(crate) mod causes;
mod ctrf;
pub mod decisive;
pub mod diff;
pub mod dsse;
mod evidence;
mod floor;
pub mod generated;
mod har;
pub mod html;
mod interrupted;
pub mod intoto;
pub mod json;
mod judged;
pub mod junit;
mod kind;
pub(crate) mod lines;
pub mod markdown;
pub mod merge;
mod messages;
mod model;
pub mod no_verdict;
mod once;
mod profiles;
pub mod repeat;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod shown_tests;
pub mod statement;
pub mod story;
pub mod text;
mod unjudged;

use evidence::{evidence, exchange_report};
pub use interrupted::Interruption;
pub use kind::{Kind, WrittenFile};
pub use model::*;
pub use repeat::{Again, Started};

use crate::client::meter::Spent;
use crate::clock;
use crate::contract::profile::Profile;
use crate::contract::{Contract, Criterion, Planned};
use crate::run::Ended;
use crate::run::repeat::Repeats;
use crate::scrub;
use crate::subject::{Target, capabilities};
use crate::verdict::{Exit, Outcome, OutcomeKind, RunVerdict, Tally, Unmet, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How the warning of an accepted deviation begins that nothing met.
const NOT_MET: &str = "accepted, but not met in this run";

/// What a run was, beside its outcomes.
#[derive(Debug, Clone)]
pub struct RunFacts {
    /// Names the run.
    pub id: String,
    /// What was judged, as `--target` has it.
    pub named: String,
    /// Options of `moltproof run` that judge the same target on the same terms, paths as they were named.
    pub options: Vec<String>,
    /// What the harness itself started, and ends with the run.
    pub started: Started,
    /// Order.
    pub seed: u64,
    /// Side by side.
    pub concurrency: usize,
    /// Which part of a run it was, if not the whole.
    pub shards: Option<Shards>,
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
        let criteria = contract
            .criteria
            .values()
            .filter(|criterion| target.profiles().contains(&criterion.profile))
            .filter_map(|criterion| criterion_report(contract, criterion, &by_number))
            .collect();
        let mut report = Self {
            schema_version: SCHEMA_VERSION.to_owned(),
            harness: format!("moltproof {}", env!("CARGO_PKG_VERSION")),
            contract_version: contract.version.to_string(),
            contract_digest: contract.digest(),
            target: target.name(),
            named: facts.named.clone(),
            options: facts.options.clone(),
            options_here: None,
            run_id: facts.id.clone(),
            seed: facts.seed,
            concurrency: facts.concurrency,
            shards: facts.shards.clone(),
            started_at_ms: facts.started_at_ms,
            duration_ms: clock::ms(facts.duration),
            build: facts.build.clone(),
            kept: None,
            read_only: false,
            no_launch: false,
            min_verified: None,
            no_verdict: None,
            interrupted: None,
            spent: facts.spent,
            smoke: false,
            summary: Summary {
                verdict: RunVerdict::Inconclusive,
                must: Tally::default(),
                should: Tally::default(),
                may: Tally::default(),
                scenarios_run: ended
                    .iter()
                    .filter(|one| has_come_to_its_end(&one.outcome))
                    .count(),
                scenarios_selected: ended.len(),
                scenarios_not_selected: claimed(contract, target).saturating_sub(ended.len()),
                checks: ended.iter().map(|one| one.checks).sum(),
                exchanges: ended
                    .iter()
                    .map(|one| one.exchanges.len() + one.unkept)
                    .sum(),
            },
            profiles: Vec::new(),
            warnings: warnings(target, facts)
                .into_iter()
                .chain(unheld(contract, target))
                .collect::<Vec<_>>()
                .iter()
                .map(|text| scrub::clean_report(text))
                .collect(),
            lacking: lacking(target),
            criteria,
            unjudged: Vec::new(),
            generated: Vec::new(),
            baseline: None,
            evidence: ended
                .iter()
                .filter_map(|one| Some((place(&one.planned), evidence(one, facts)?)))
                .collect(),
        };
        report.count();
        report
    }

    /// The exit code that this report means.
    #[must_use]
    pub fn exit(&self, strict: bool) -> Exit {
        let written = self.exit_of_profiles(strict);
        let found = self.exit_with_generated(written, strict);
        let is_stale = self
            .baseline
            .as_ref()
            .is_some_and(|baseline| !baseline.stale.is_empty());
        let found = match found {
            Exit::Conforms | Exit::NotVerified if self.no_verdict.is_some() => Exit::Fault,
            // What a missing shard would have found nobody knows.
            Exit::Conforms if self.lacks_shards() || self.below_floor().is_some() => {
                Exit::NotVerified
            }
            // What is broken or at fault is told first: the list of stale entries stands beside it.
            Exit::Conforms | Exit::NotVerified if is_stale => Exit::StaleBaseline,
            Exit::Conforms
            | Exit::NotVerified
            | Exit::Violation
            | Exit::Usage
            | Exit::Fault
            | Exit::StaleBaseline
            | Exit::Interrupted
            | Exit::Terminated => found,
        };
        self.exit_unless_cut_short(found)
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

/// What the target lacks: need → reason. The needs are a Worker's: a database alone lacks none of them.
fn lacking(target: &dyn Target) -> BTreeMap<String, String> {
    let is_worker = !matches!(target.profiles(), [Profile::Data]);
    let all = capabilities(target).into_iter().filter(|_| is_worker);
    all.filter_map(|(need, reason)| Some((need, reason?)))
        .collect()
}

/// Scenarios of the profiles that the target claims.
fn claimed(contract: &Contract, target: &dyn Target) -> usize {
    let all = contract.scenarios.iter();
    all.filter(|planned| target.profiles().contains(&planned.profile))
        .count()
}

/// Claims of which this version of the contract holds nothing.
fn unheld(contract: &Contract, target: &dyn Target) -> Vec<String> {
    let held = |profile| contract.scenarios.iter().any(|one| one.profile == profile);
    let claims = target.profiles().iter().copied();
    claims
        .filter(|profile| !held(*profile))
        .map(|profile| {
            format!(
                "the target claims the profile {profile}, of which contract {} holds nothing: it was not judged",
                contract.version
            )
        })
        .collect()
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
                    "{NOT_MET}: {} ({}); if the target keeps the contract now, take the entry out",
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
    let scenarios = own
        .iter()
        .map(|planned| match ended.get(&planned.number) {
            Some(one) => scenario_report(one, &criterion.id),
            None => not_selected(planned),
        })
        .collect();
    let mut report = CriterionReport {
        id: criterion.id.clone(),
        level: criterion.level,
        profile: criterion.profile.to_string(),
        sentence: criterion.sentence.clone(),
        source: source(criterion),
        verdict: Verdict::NotVerified,
        reason: String::new(),
        scenarios,
    };
    report.judge().then_some(report)
}

/// Where a criterion's sentence stands.
fn source(criterion: &Criterion) -> String {
    format!("{}:{}", criterion.feature, criterion.line)
}

/// Where a scenario stands: the key of its evidence.
fn place(planned: &Planned) -> String {
    format!("{}:{}", planned.feature, planned.line)
}

/// A scenario as it counts for one of its criteria.
fn scenario_report(ended: &Ended, id: &str) -> ScenarioReport {
    let planned = &ended.planned;
    let outcome = ended.outcome.for_criterion(id);
    let mut report = ScenarioReport {
        step_line: ended.step.as_ref().map(|step| step.line),
        step: ended.step.as_ref().map(|step| step.text.clone()),
        duration_ms: clock::ms(ended.duration),
        checks: ended.checks,
        evidence: ended.began.map(|_began| place(planned)),
        ..not_selected(planned)
    };
    report.outcome = outcome.kind();
    let finding = match &outcome {
        Outcome::Passed | Outcome::NotSelected => None,
        Outcome::Accepted(list) => {
            report.reason = list.get(id).cloned();
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
            report.reason = known.reasons.get(id).cloned();
            Some(&known.finding)
        }
        Outcome::Unmet(unmet) => {
            report.reason = Some(unmet.to_string());
            report.unmet = Some(Unmet {
                because: scrub::clean_report(&unmet.because),
                expected: scrub::clean_report(&unmet.expected),
                seen: scrub::clean_report(&unmet.seen),
            });
            None
        }
        Outcome::NotVerified(reason) | Outcome::NotApplicable(reason) | Outcome::Error(reason) => {
            report.reason = Some(reason.clone());
            None
        }
    };
    if let Some(finding) = finding {
        report.severity = Some(finding.severity);
        // Here, and not only in what is printed: a rendering may spell a text in ways that hide what is in it.
        report.expected = Some(scrub::clean_report(&finding.expected));
        report.seen = Some(scrub::clean_report(&finding.seen));
    }
    report.reason = report.reason.map(|reason| scrub::clean_report(&reason));
    report
}

fn not_selected(planned: &Planned) -> ScenarioReport {
    ScenarioReport {
        name: planned.name.clone(),
        feature: planned.feature.clone(),
        line: planned.line,
        outcome: OutcomeKind::NotSelected,
        reason: None,
        unmet: None,
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
