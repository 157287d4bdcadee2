//! Limiters that save work where a quota is large. Never errs with a small one.

use super::super::{Draft, deviant, held};
use super::counters::Cached;
use super::limiter;
use crate::clock;
use moltworker_reference::ports::{RateDecision, RateLimiter};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// From here on a quota is large. Evidence: a premium tenant's is ten times that of a free one, which may be five.
const LARGE: u32 = 50;
/// Places that are taken at once.
const LEASE: u32 = 10;
/// Until a lease is there: the way to the limiter and back.
const ON_ITS_WAY_MS: i64 = 20;

pub(super) fn all() -> Vec<Draft> {
    vec![
        deviant(
            "places-leased-by-ten",
            "Of a large quota places are taken by ten, and whoever asks meanwhile takes ten more that nobody uses",
            &["RL-006"],
        )
        .parts(|parts| {
            limiter(parts, |inner| Leases {
                inner,
                open: Mutex::default(),
            });
        }),
        deviant(
            "large-quotas-read-from-a-cache",
            "The count of a large quota is kept in a store behind a cache, and reads are a little old",
            &["RL-006"],
        )
        .parts(|parts| {
            limiter(parts, |inner| LargeElsewhere {
                inner,
                large: Cached::default(),
            });
        }),
    ]
}

struct Leases {
    inner: Arc<dyn RateLimiter>,
    /// Of each key the decision that brought the last lease, how much is left of it, and from when.
    open: Mutex<HashMap<String, (RateDecision, u32, i64)>>,
}

impl RateLimiter for Leases {
    fn admit(&self, key: &str, limit: u32, period: Duration) -> RateDecision {
        if limit < LARGE {
            return self.inner.admit(key, limit, period);
        }
        let now = clock::epoch_ms();
        let mut open = held(&self.open);
        if let Some((decision, left, from)) = open.get_mut(key)
            && *left > 0
            && now >= *from
        {
            *left -= 1;
            return RateDecision {
                remaining: decision.remaining + *left,
                ..*decision
            };
        }
        let first = self.inner.admit(key, limit, period);
        if !first.admitted {
            return first;
        }
        let mut last = first;
        let mut left = 0;
        while left + 1 < LEASE {
            let next = self.inner.admit(key, limit, period);
            if !next.admitted {
                break;
            }
            left += 1;
            last = next;
        }
        let told = RateDecision {
            remaining: last.remaining + left,
            ..last
        };
        open.insert(key.to_owned(), (last, left, now + ON_ITS_WAY_MS));
        told
    }
}

struct LargeElsewhere {
    inner: Arc<dyn RateLimiter>,
    large: Cached,
}

impl RateLimiter for LargeElsewhere {
    fn admit(&self, key: &str, limit: u32, period: Duration) -> RateDecision {
        if limit < LARGE {
            self.inner.admit(key, limit, period)
        } else {
            self.large.admit(key, limit, period)
        }
    }
}
