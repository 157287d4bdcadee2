//! What is left of a run that somebody ended before it was through. Never counts what was not seen through.

use super::{Ended, unrun};
use crate::contract::Planned;
use crate::run::scene::Run;
use crate::verdict::Outcome;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long looking whether the target was there all the time may take. Evidence: it takes a few milliseconds where somebody answers, and
/// a CI system that has cancelled a job kills it 7.5 s later.
const LOOK_MS_MAX: u64 = 2_000;

/// Scenarios as they end, where a run that is dropped leaves them behind.
#[derive(Debug, Clone, Default)]
pub struct Gathered(pub(super) Arc<Mutex<Vec<Ended>>>);

impl Gathered {
    /// Takes what there is, in the order of the ledger.
    #[must_use]
    pub fn take(&self) -> Vec<Ended> {
        let mut list = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        list.sort_by_key(|ended: &Ended| ended.planned.number);
        list
    }
}

/// What a run gathered that was seen through: passes beside a dead target are taken back.
pub async fn through(run: &Run, gathered: &Gathered) -> Vec<Ended> {
    let mut held = Held {
        list: gathered.take(),
        back: gathered,
    };
    run.take_back(&mut held.list).await;
    std::mem::take(&mut held.list)
}

/// A list that goes back to where it was taken from if whoever holds it is dropped: somebody may end the run just then.
struct Held<'a> {
    list: Vec<Ended>,
    back: &'a Gathered,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut back = self.back.0.lock().unwrap_or_else(PoisonError::into_inner);
        back.append(&mut self.list);
    }
}

/// Every scenario of a plan: as it ended, or else not verified, for that reason.
pub async fn completed(
    run: &Run,
    plan: &[Arc<Planned>],
    mut list: Vec<Ended>,
    reason: &str,
) -> Vec<Ended> {
    // Passes beside a dead target are taken back; a target that does not even say whether it lives must not hold up the report.
    let patience = Duration::from_millis(LOOK_MS_MAX);
    drop(tokio::time::timeout(patience, run.take_back(&mut list)).await);
    let there: BTreeSet<usize> = list.iter().map(|ended| ended.planned.number).collect();
    let missing = plan
        .iter()
        .filter(|planned| !there.contains(&planned.number));
    list.extend(
        missing.map(|planned| unrun(Arc::clone(planned), Outcome::NotVerified(reason.to_owned()))),
    );
    list.sort_by_key(|ended| ended.planned.number);
    list
}
