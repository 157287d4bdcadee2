//! Scenarios that could tell nothing because the machine was too slow, or because wrangler's proxy lost a request: once more, when nothing
//! else is done. Never repeats a finding.

use super::Ended;
use super::repeat::NUMBERS_APART;
use crate::client::not_the_worker::tells_of_a_restart;
use crate::contract::Planned;
use crate::lag::TooSlow;
use crate::verdict::Outcome;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Between the number of a scenario and of the same once more. More than there are written scenarios, and less than to its repeats.
const APART: usize = NUMBERS_APART / 2;

/// More than so many are not run once more: then the machine is too slow for a run. Evidence: of two runs of a debug build beside eight
/// busy loops and other builds on two cores none was left with a scenario that had ended so.
const MOST: usize = 40;

/// Scenarios to be run once more.
#[derive(Debug, Clone, Default)]
pub(super) struct OnceMore(Arc<Mutex<Vec<Ended>>>);

impl OnceMore {
    fn list(&self) -> MutexGuard<'_, Vec<Ended>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes how a scenario ended, if it is to be run once more; else gives it back.
    pub(super) fn unless_due(&self, ended: Ended) -> Option<Ended> {
        let is_due = matches!(&ended.outcome, Outcome::Error(reason) if TooSlow::is_reason(reason) || tells_of_a_restart(reason));
        let mut list = self.list();
        if !is_due || list.len() >= MOST {
            return Some(ended);
        }
        list.push(ended);
        None
    }

    /// What is to be run now, with tenants, markers and client ips of its own.
    pub(super) fn plan(&self) -> (Vec<Arc<Planned>>, Numbers) {
        let due: Vec<Arc<Planned>> = self.list().drain(..).map(|ended| ended.planned).collect();
        let again = |planned: &Arc<Planned>| Arc::new(planned.numbered(planned.number + APART));
        let plan: Vec<_> = due.iter().map(again).collect();
        let numbers = plan.iter().map(|again| again.number).zip(due).collect();
        (plan, Numbers(numbers))
    }
}

/// Which scenario each number of a second attempt stands for.
#[derive(Debug, Clone, Default)]
pub(super) struct Numbers(BTreeMap<usize, Arc<Planned>>);

impl Numbers {
    /// How a scenario ended, told of the one that was planned.
    pub(super) fn of_planned(&self, ended: Ended) -> Ended {
        match self.0.get(&ended.planned.number) {
            Some(planned) => Ended {
                planned: Arc::clone(planned),
                ..ended
            },
            None => ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Contract;
    use crate::contract::profile::Profile;
    use crate::lag::HeldUp;
    use crate::run::repeat::TIMES_MAX;
    use crate::run::unrun;

    fn ended(reason: &str) -> Ended {
        let contract = Contract::embedded().unwrap();
        let planned = Arc::clone(contract.scenarios.last().unwrap());
        unrun(planned, Outcome::Error(reason.to_owned()))
    }

    fn too_slow() -> String {
        let held_up = HeldUp::default();
        let seen = "an answer after 10900 ms".to_owned();
        TooSlow { seen, held_up }.to_string()
    }

    #[test]
    fn only_what_the_machine_was_too_slow_for_is_run_once_more() {
        let once_more = OnceMore::default();
        assert!(once_more.unless_due(ended("the target is gone")).is_some());
        assert!(once_more.plan().0.is_empty());
        assert!(once_more.unless_due(ended(&too_slow())).is_none());
        let (plan, numbers) = once_more.plan();
        let again = unrun(Arc::clone(&plan[0]), Outcome::Passed);
        assert_eq!(plan.len(), 1);
        let planned = numbers.of_planned(again).planned;
        assert_eq!(planned.number + APART, plan[0].number);
        assert!(once_more.plan().0.is_empty());
    }

    #[test]
    fn a_machine_that_is_too_slow_for_everything_gets_no_second_run() {
        let once_more = OnceMore::default();
        let one = ended(&too_slow());
        for _number in 0..MOST {
            assert!(once_more.unless_due(one.clone()).is_none());
        }
        assert!(once_more.unless_due(one).is_some());
    }

    #[test]
    fn the_number_of_a_second_attempt_is_nobody_elses() {
        let contract = Contract::embedded().unwrap();
        // Those of API workers make no tenants.
        let makes_tenants = |planned: &&Arc<Planned>| planned.profile != Profile::ApiWorker;
        let scenarios = contract.scenarios.iter().filter(makes_tenants);
        let last = scenarios.map(|planned| planned.number).max().unwrap();
        assert!(last < APART, "{last}");
        // A slug has four characters for it, each of 36, and every repeat may be run once more.
        assert!(last + (TIMES_MAX - 1) * NUMBERS_APART + APART < 36_usize.pow(4));
    }
}
