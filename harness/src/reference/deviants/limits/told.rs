//! Limiters that count rightly and tell it wrongly. Never admits or refuses in another way.

use super::super::{Draft, deviant};
use super::limiter;
use moltworker_reference::ports::{RateDecision, RateLimiter};
use std::sync::Arc;
use std::time::Duration;

/// What is told in the place of a decision.
type Tells = fn(RateDecision) -> RateDecision;

pub(super) fn all() -> Vec<Draft> {
    let all: [(_, _, &'static [&'static str], Tells); 5] = [
        (
            "retry-after-rounded-down",
            "Retry-After is rounded down, to nothing at last",
            &["RL-002", "RL-005"],
            |decision| RateDecision {
                reset_seconds: decision.reset_seconds - 1,
                ..decision
            },
        ),
        (
            "retry-after-always-one",
            "Retry-After is one second, however long it takes",
            &["RL-005"],
            |decision| RateDecision {
                reset_seconds: 1,
                ..decision
            },
        ),
        (
            "rest-never-falls",
            "X-RateLimit-Remaining says the same at every request",
            &["RL-011"],
            |decision| RateDecision {
                remaining: decision.limit - 1,
                ..decision
            },
        ),
        (
            "rest-before-the-request",
            "X-RateLimit-Remaining counts the present request among those left",
            &["RL-011"],
            |decision| RateDecision {
                remaining: decision.remaining + u32::from(decision.admitted),
                ..decision
            },
        ),
        (
            "limit-says-what-is-left",
            "The limit that a refusal states is what is left of it",
            &["RL-003"],
            |decision| RateDecision {
                limit: if decision.admitted {
                    decision.limit
                } else {
                    decision.remaining
                },
                ..decision
            },
        ),
    ];
    all.into_iter()
        .map(|(id, breaks, expected, tells)| {
            deviant(id, breaks, expected)
                .parts(move |parts| limiter(parts, |inner| Told(inner, tells)))
        })
        .collect()
}

struct Told(Arc<dyn RateLimiter>, Tells);

impl RateLimiter for Told {
    fn admit(&self, key: &str, limit: u32, period: Duration) -> RateDecision {
        (self.1)(self.0.admit(key, limit, period))
    }
}
