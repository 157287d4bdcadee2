//! Backends that limit too much, too little, or the wrong caller. Never breaks more than one thing at a time.

use super::{Draft, deviant};
use moltworker_reference::ports::{RateDecision, RateLimiter};
use std::sync::Arc;
use std::time::Duration;

pub(super) fn all() -> Vec<Draft> {
    vec![
        deviant(
            "limiter-lets-one-more-through",
            "The quota lets one request more through than it states",
            &["RL-001"],
        )
        .parts(|parts| {
            let inner = Arc::clone(&parts.ports.limiter);
            parts.ports.limiter = Arc::new(OneMore(inner));
        }),
    ]
}

struct OneMore(Arc<dyn RateLimiter>);

impl RateLimiter for OneMore {
    fn admit(&self, key: &str, limit: u32, period: Duration) -> RateDecision {
        let decision = self.0.admit(key, limit + 1, period);
        RateDecision {
            limit,
            remaining: decision.remaining.saturating_sub(1),
            ..decision
        }
    }
}
