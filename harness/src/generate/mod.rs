//! Checks beyond the written scenarios: cases drawn from a seed, run against the target, made small where they break the contract.
//! Never takes an expected value from anywhere but the oracles and the cases' own model.

mod actions;
mod bodies;
mod callers;
mod carriers;
mod chats;
mod data_layer;
mod host_spelling;
mod hosts;
mod isolation;
mod kind;
mod matrix;
mod model;
mod mutations;
mod operators;
mod pair;
mod path_spelling;
mod paths;
mod play;
mod quota;
mod settled;
mod shrink;
mod stage;

pub use kind::{Kind, claimed};

use crate::clock;
use crate::evidence::Exchange;
use crate::lag;
use crate::run::scene::Run;
use crate::subject::Target;
use crate::verdict::{Outcome, Stop};
use shrink::{Drawing, Searched};
use stage::Stage;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

/// Cases side by side, at most: each sends several requests at once.
const SIDE_BY_SIDE_MAX: usize = 16;

/// What is to be generated.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Cases of each kind. The isolation matrix is always run whole; the seed decides its order.
    pub cases: usize,
    /// Decides every case.
    pub seed: u64,
    /// Which kinds.
    pub kinds: Vec<Kind>,
    /// Cases side by side, at most.
    pub concurrency: usize,
}

/// How the cases of one kind ended.
#[derive(Debug, Clone)]
pub struct Generated {
    /// Which kind.
    pub kind: Kind,
    /// How many were asked for.
    pub asked: usize,
    /// The seed they follow from.
    pub seed: u64,
    /// Passed, failed, not verified, or in error.
    pub outcome: Outcome,
    /// The criteria that a failure breaks, the nearest first.
    pub criteria: Vec<&'static str>,
    /// Cases that were run to their end.
    pub cases: usize,
    /// Assertions that were made and held.
    pub checks: usize,
    /// Requests that were answered.
    pub exchanges: usize,
    /// The smallest case that fails: what is done, in order.
    pub actions: Vec<String>,
    /// Which of its actions failed, from 0.
    pub failed_at: Option<usize>,
    /// How many actions it had as it was drawn.
    pub drawn: usize,
    /// What was exchanged in it, in order.
    pub evidence: Vec<Arc<Exchange>>,
    /// What could not be done on this target, and why.
    pub left_out: Vec<String>,
    /// Wall time, making it small included.
    pub duration: Duration,
}

impl Generated {
    fn unrun(kind: Kind, plan: &Plan, outcome: Outcome) -> Self {
        Self {
            kind,
            asked: plan.cases,
            seed: plan.seed,
            outcome,
            criteria: Vec::new(),
            cases: 0,
            checks: 0,
            exchanges: 0,
            actions: Vec::new(),
            failed_at: None,
            drawn: 0,
            evidence: Vec::new(),
            left_out: Vec::new(),
            duration: Duration::ZERO,
        }
    }
}

/// Told of each kind as it ends.
pub trait Progress {
    /// Called once per kind.
    fn ended(&self, generated: &Generated);
}

/// Draws and runs the cases of each kind in turn. Must be called on a current-thread runtime, as scenarios are.
pub async fn run(run: &Arc<Run>, plan: &Plan, progress: &dyn Progress) -> Vec<Generated> {
    let mut list = Vec::new();
    gather(run, plan, progress, &mut list).await;
    list
}

/// As [`run`], into `list`: there is each kind that ended by then, should this be dropped before it is through.
pub async fn gather(
    run: &Arc<Run>,
    plan: &Plan,
    progress: &dyn Progress,
    list: &mut Vec<Generated>,
) {
    let _watching = lag::watch();
    let serial = Arc::new(AtomicUsize::new(0));
    for &kind in &plan.kinds {
        let ended = match lacking(run.target.as_ref(), kind) {
            Some(reason) => Generated::unrun(kind, plan, Outcome::NotVerified(reason)),
            None => of_kind(run, plan, kind, &serial).await,
        };
        progress.ended(&ended);
        list.push(ended);
    }
}

/// The kinds of a plan that are not in `list`, as not verified for this reason.
#[must_use]
pub fn untold(plan: &Plan, list: &[Generated], reason: &str) -> Vec<Generated> {
    let is_missing = |kind: &&Kind| !list.iter().any(|one| one.kind == **kind);
    let missing = plan.kinds.iter().filter(is_missing);
    let untold = || Outcome::NotVerified(reason.to_owned());
    missing
        .map(|&kind| Generated::unrun(kind, plan, untold()))
        .collect()
}

fn lacking(target: &dyn Target, kind: Kind) -> Option<String> {
    kind.needs().iter().find_map(|&need| {
        target
            .lacks(need)
            .map(|reason| format!("needs {need}: {reason}"))
    })
}

/// What a kind of cases came to.
#[derive(Default)]
struct Found {
    searched: Searched,
    left_out: Vec<String>,
}

impl From<Stop> for Found {
    fn from(stop: Stop) -> Self {
        let searched = Searched {
            stopped: Some(stop),
            ..Searched::default()
        };
        Self {
            searched,
            left_out: Vec::new(),
        }
    }
}

async fn of_kind(run: &Arc<Run>, plan: &Plan, kind: Kind, serial: &Arc<AtomicUsize>) -> Generated {
    let began = clock::now();
    let stage = Stage::new(run, kind, serial);
    let drawing = Drawing {
        seed: seed_of(plan.seed, kind),
        cases: plan.cases,
        side_by_side: plan.concurrency.clamp(1, SIDE_BY_SIDE_MAX),
    };
    let found = match kind {
        Kind::Model => play::find(&stage, drawing).await,
        Kind::Isolation => isolation::find(&stage, drawing).await,
        Kind::Host => hosts::find(&stage, drawing).await,
        Kind::Path => paths::find(&stage, drawing).await,
        Kind::Body => bodies::find(&stage, drawing).await,
        Kind::DataLayer => data_layer::find(run, drawing).await,
    };
    let Found { searched, left_out } = found;
    let (outcome, criteria) = outcome_of(run.target.as_ref(), kind, &searched);
    let (cases, checks, exchanges) = (searched.cases, searched.checks, searched.exchanges);
    let mut ended = Generated {
        outcome,
        criteria,
        cases,
        checks,
        exchanges,
        left_out,
        duration: began.elapsed(),
        ..Generated::unrun(kind, plan, Outcome::NotSelected)
    };
    if let Some(smallest) = searched.broken {
        ended.actions = smallest.lines;
        ended.failed_at = smallest.broken.at;
        ended.drawn = smallest.drawn;
        ended.evidence = smallest.exchanges;
    }
    ended
}

/// Each kind draws on its own: one more case of one changes none of another.
fn seed_of(seed: u64, kind: Kind) -> u64 {
    let number = Kind::ALL.iter().position(|one| *one == kind).unwrap_or(0);
    seed.rotate_left(8) ^ (number as u64 + 1)
}

fn outcome_of(
    target: &dyn Target,
    kind: Kind,
    searched: &Searched,
) -> (Outcome, Vec<&'static str>) {
    if let Some(smallest) = &searched.broken {
        let broken = &smallest.broken;
        let declared = |id: &&str| target.impossible(id, kind.title());
        let judged: Vec<_> = broken
            .criteria
            .iter()
            .copied()
            .filter(|id| declared(id).is_none())
            .collect();
        return match (judged.is_empty(), broken.criteria.iter().find_map(declared)) {
            (true, Some(reason)) => (
                Outcome::NotApplicable(format!("declared: {reason}")),
                judged,
            ),
            (true, None) | (false, _) => (Outcome::Failed(broken.finding.clone()), judged),
        };
    }
    let outcome = match &searched.stopped {
        Some(Stop::Violation(finding)) => Outcome::Failed(finding.clone()),
        Some(Stop::Fault(reason)) => Outcome::Error(reason.clone()),
        Some(Stop::Unmet(unmet)) => Outcome::NotVerified(unmet.to_string()),
        Some(Stop::NotVerified(reason)) => Outcome::NotVerified(reason.clone()),
        Some(Stop::NotApplicable(reason)) => Outcome::NotApplicable(reason.clone()),
        None if searched.checks == 0 => Outcome::Error("no case asserted anything".to_owned()),
        None => Outcome::Passed,
    };
    (outcome, Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_draw_from_seeds_of_their_own() {
        let mut seeds: Vec<u64> = Kind::ALL.iter().map(|kind| seed_of(42, *kind)).collect();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), Kind::ALL.len());
        assert_ne!(seed_of(42, Kind::Model), seed_of(43, Kind::Model));
    }
}
