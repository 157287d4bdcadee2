//! Measures the harness itself: whether every criterion is seen to fail on a backend that breaks it, whether servers that do nothing
//! pass nothing, and whether other correct backends are judged as correct. Never judges anybody's target.

pub mod api_workers;
pub mod databases;
pub mod html;
pub mod kill;
pub mod matrix;
pub mod measure;
pub mod text;
pub mod trial;

use crate::contract::{Contract, Planned};
use std::sync::Arc;

/// The scenarios that prove any of these criteria, and are not slow, or only those that are.
fn scenarios_of(contract: &Contract, ids: &[String], slow: bool) -> Vec<Arc<Planned>> {
    contract
        .scenarios
        .iter()
        .filter(|planned| planned.is_slow() == slow)
        .filter(|planned| planned.criteria.iter().any(|id| ids.contains(id)))
        .cloned()
        .collect()
}
