//! How much of the contract can be verified at a target, and what the rest waits for. Never runs a scenario.

use super::api_worker;
use super::tries::Tried;
use super::uses::Hanging;
use crate::contract::{Contract, Criterion, Planned};
use crate::run::gate;
use crate::subject::Target;
use crate::verdict::{Level, Outcome};
use serde::Serialize;
use std::collections::BTreeMap;

/// What can be verified.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// MUST criteria.
    pub must: LevelCoverage,
    /// SHOULD criteria.
    pub should: LevelCoverage,
    /// MAY criteria.
    pub may: LevelCoverage,
    /// What stays open, grouped by reason.
    pub open: Vec<Open>,
}

/// One level's criteria, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LevelCoverage {
    /// All of them.
    pub total: usize,
    /// With at least one scenario that can run.
    pub verifiable: usize,
    /// Of these, with another scenario that cannot.
    pub in_part: usize,
}

/// Criteria that cannot be verified, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Open {
    /// Why, and what it takes.
    pub reason: String,
    /// Their ids.
    pub criteria: Vec<String>,
}

/// Counts the criteria that a target claims of a contract, by what was tried.
pub(super) fn of(target: &dyn Target, contract: &Contract, tried: &Tried) -> Coverage {
    let mut coverage = Coverage::default();
    let mut open: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let hanging = Hanging::new(target, tried);
    let claimed = |criterion: &&Criterion| target.profiles().contains(&criterion.profile);
    for criterion in contract.criteria.values().filter(claimed) {
        let mut closed: Vec<Option<String>> = contract
            .scenarios
            .iter()
            .filter(|planned| planned.criteria.contains(&criterion.id))
            .map(|planned| closed(target, planned, &hanging))
            .collect();
        // Its sentences need what the table of their judge says.
        match api_worker::standing(criterion, tried) {
            Some(Ok(in_part)) => closed.extend(in_part.map(Some)),
            Some(Err(why)) => closed = vec![Some(why)],
            None => {}
        }
        let level = match criterion.level {
            Level::Must => &mut coverage.must,
            Level::Should => &mut coverage.should,
            Level::May => &mut coverage.may,
        };
        level.total += 1;
        if closed.iter().any(Option::is_none) {
            level.verifiable += 1;
            level.in_part += usize::from(closed.iter().any(Option::is_some));
            continue;
        }
        let reason = closed.into_iter().flatten().next();
        open.entry(reason.unwrap_or_default())
            .or_default()
            .push(criterion.id.clone());
    }
    coverage.open = open
        .into_iter()
        .map(|(reason, criteria)| Open { reason, criteria })
        .collect();
    coverage
        .open
        .sort_by_key(|open| std::cmp::Reverse(open.criteria.len()));
    coverage
}

/// Why a scenario could not be judged: a need that is not met, or something that it makes use of and that did not work.
fn closed(target: &dyn Target, planned: &Planned, hanging: &Hanging<'_>) -> Option<String> {
    match gate(target, planned) {
        Some(Outcome::NotVerified(reason) | Outcome::NotApplicable(reason)) => Some(reason),
        Some(
            Outcome::Passed
            | Outcome::Accepted(_)
            | Outcome::Failed(_)
            | Outcome::Flaky(_)
            | Outcome::Known(_)
            | Outcome::Unmet(_)
            | Outcome::Error(_)
            | Outcome::NotSelected,
        )
        | None => hanging.of(planned),
    }
}
