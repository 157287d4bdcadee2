//! Backends that limit too much, too little, or the wrong caller. Never breaks more than one thing at a time.

mod counters;
mod keyed;
mod many;
mod told;
mod uninvolved;

use super::{Draft, deviant};
use crate::reference::altered::Parts;
use moltworker_reference::config::Quotas;
use moltworker_reference::ports::RateLimiter;
use std::sync::Arc;

pub(super) fn all() -> Vec<Draft> {
    let modules = [
        counters::all(),
        told::all(),
        keyed::all(),
        many::all(),
        uninvolved::all(),
        tiers(),
    ];
    modules.into_iter().flatten().collect()
}

/// Puts another limiter around the backend's.
fn limiter<L: RateLimiter + 'static>(
    parts: &mut Parts,
    around: impl FnOnce(Arc<dyn RateLimiter>) -> L,
) {
    let inner = Arc::clone(&parts.ports.limiter);
    parts.ports.limiter = Arc::new(around(inner));
}

/// Changes the quotas.
type Change = fn(&mut Quotas);

fn tiers() -> Vec<Draft> {
    let all: [(_, _, Change); 2] = [
        (
            "one-quota-for-all-tiers",
            "Every tier has the free tier's quota",
            |quotas| {
                quotas.premium = quotas.free;
                quotas.enterprise = quotas.free;
            },
        ),
        (
            "enterprise-limited-as-premium",
            "An enterprise tenant has a premium tenant's quota",
            |quotas| quotas.enterprise = quotas.premium,
        ),
    ];
    all.into_iter()
        .map(|(id, breaks, change)| {
            deviant(id, breaks, &["RL-009"]).parts(move |parts| change(&mut parts.config.quotas))
        })
        .collect()
}
