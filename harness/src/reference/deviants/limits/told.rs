//! Limiters that count rightly and tell it wrongly. Never admits or refuses in another way.

use super::super::answers::edit;
use super::super::layer::after;
use super::super::{Draft, deviant};
use super::limiter;
use crate::clock;
use moltworker_reference::ports::{RateDecision, RateLimiter};
use serde_json::json;
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
        .chain([details_by_the_clock()])
        .collect()
}

/// As one part takes the rest of the window, and another the whole seconds of two moments of the clock.
fn details_by_the_clock() -> Draft {
    deviant(
        "details-by-the-seconds-of-the-clock",
        "In the second half of each second of the clock the details of a refusal state a second less than Retry-After, where that is more than one",
        &["RL-002"],
    )
    .parts(|parts| {
        parts.caller = after(|_ask, told| {
            let header = told.header("retry-after").and_then(|text| text.parse().ok());
            let is_late = clock::epoch_ms() % 1000 >= 500;
            if let Some(seconds) = header.filter(|seconds: &u64| *seconds > 1 && is_late) {
                edit(told, |body| {
                    body["error"]["details"]["retry_after_seconds"] = json!(seconds - 1);
                });
            }
        });
    })
}

struct Told(Arc<dyn RateLimiter>, Tells);

impl RateLimiter for Told {
    fn admit(&self, key: &str, limit: u32, period: Duration) -> RateDecision {
        (self.1)(self.0.admit(key, limit, period))
    }
}
