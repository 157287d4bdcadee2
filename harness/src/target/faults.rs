//! Faults of D1 and KV, one tenant at a time. Never touches a store itself: an adapter of the target asks what to do before each call.

use crate::clock;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreFault {
    /// The call takes this much longer.
    Slow(Duration),
    /// D1 is overloaded; nothing is done.
    Busy,
    /// The store is out of reach; nothing is done.
    Unavailable,
    /// The call is done and its answer is lost.
    AnswerLost,
}

/// Which calls a fault is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Calls {
    /// Reads of `tenants` in D1.
    TenantRead,
    /// Writes of `usage` in D1.
    UsageWrite,
    /// Reads of the registry in KV.
    RegistryRead,
}

/// The faults of one instance. A scope is a tenant id, a slug or a host name: whatever the call names.
#[derive(Debug, Default)]
pub struct StoreFaults {
    plans: Mutex<HashMap<(Calls, String), Plan>>,
}

#[derive(Debug, Clone)]
struct Plan {
    fault: StoreFault,
    /// How many calls it is for; `None` for all.
    left: Option<u32>,
    /// When each call asked.
    asked: Vec<Instant>,
}

impl StoreFaults {
    /// From now on the next `times` calls (`None`: all) in this scope meet the fault.
    pub fn set(&self, calls: Calls, scope: &str, fault: StoreFault, times: Option<u32>) {
        self.plans().insert(
            (calls, scope.to_owned()),
            Plan {
                fault,
                left: times,
                asked: Vec::new(),
            },
        );
    }

    /// Calls in this scope work again.
    pub fn clear(&self, calls: Calls, scope: &str) {
        self.plans().remove(&(calls, scope.to_owned()));
    }

    /// How many calls in this scope were seen since the fault was set, failed or not.
    #[must_use]
    pub fn asked(&self, calls: Calls, scope: &str) -> u32 {
        let times = self.asked_at(calls, scope).len();
        u32::try_from(times).unwrap_or(u32::MAX)
    }

    /// When each call in this scope was seen since the fault was set, failed or not.
    #[must_use]
    pub fn asked_at(&self, calls: Calls, scope: &str) -> Vec<Instant> {
        self.plans()
            .get(&(calls, scope.to_owned()))
            .map(|plan| plan.asked.clone())
            .unwrap_or_default()
    }

    /// What the next call in this scope meets. Asked by the target's store adapter, once per call.
    pub fn meet(&self, calls: Calls, scope: &str) -> Option<StoreFault> {
        let mut plans = self.plans();
        if plans.is_empty() {
            return None;
        }
        let plan = plans.get_mut(&(calls, scope.to_owned()))?;
        plan.asked.push(clock::now());
        match &mut plan.left {
            None => Some(plan.fault),
            Some(0) => None,
            Some(left) => {
                *left -= 1;
                Some(plan.fault)
            }
        }
    }

    fn plans(&self) -> MutexGuard<'_, HashMap<(Calls, String), Plan>> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
