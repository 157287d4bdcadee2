//! Limiters that count rightly and tell it wrongly. Never admits or refuses in another way.

use super::super::answers::edit;
use super::super::layer::after;
use super::super::{Draft, deviant, held};
use super::limiter;
use crate::clock;
use moltworker_reference::ports::{RateDecision, RateLimiter};
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
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
        .chain([
            details_by_the_clock(),
            untold_where_it_failed(),
            old_limit(),
        ])
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

fn untold_where_it_failed() -> Draft {
    deviant(
        "failures-do-not-tell-the-quota",
        "What was admitted and failed with 500 or more states no limit, rest or reset",
        &["RL-011"],
    )
    .parts(|parts| {
        parts.caller = after(|_ask, told| {
            if told.status >= 500 {
                for name in ["limit", "remaining", "reset"] {
                    told.headers.remove(format!("x-ratelimit-{name}"));
                }
            }
        });
    })
}

fn old_limit() -> Draft {
    deviant(
        "limit-of-the-windows-beginning",
        "A refusal states the limit with which the window began, though the tier has changed since",
        &["RL-003"],
    )
    .parts(|parts| {
        limiter(parts, |inner| OldLimit {
            inner,
            first: Mutex::default(),
        });
    })
}

struct OldLimit {
    inner: Arc<dyn RateLimiter>,
    /// The limit that was first asked for by each key: no scenario changes a tier in two windows.
    first: Mutex<HashMap<String, u32>>,
}

impl RateLimiter for OldLimit {
    fn admit(&self, key: &str, limit: u32, period: Duration) -> RateDecision {
        let decision = self.inner.admit(key, limit, period);
        let first = *held(&self.first).entry(key.to_owned()).or_insert(limit);
        if decision.admitted {
            return decision;
        }
        RateDecision {
            limit: first,
            ..decision
        }
    }
}

struct Told(Arc<dyn RateLimiter>, Tells);

impl RateLimiter for Told {
    fn admit(&self, key: &str, limit: u32, period: Duration) -> RateDecision {
        (self.1)(self.0.admit(key, limit, period))
    }
}
