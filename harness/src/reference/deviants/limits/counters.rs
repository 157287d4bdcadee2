//! Limiters that count in another way. Never knows whose request it counts beyond the key.

use super::super::calls::{self, OtherCalls, Purpose};
use super::super::{Draft, deviant, held};
use super::limiter;
use crate::clock;
use crate::tamper::{Ask, Tamper, Told, Unanswered, Upstream};
use async_trait::async_trait;
use moltworker_reference::ports::{
    AiGateway, RateDecision, RateLimiter, UpstreamAnswer, UpstreamCall, UpstreamError,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How old a count may be that a cache in front of a store gives. Evidence: KV may take a minute; a twentieth of the small window suffices.
const CACHED_MS: i64 = 100;
/// Windows for which a penalty shuts somebody out.
const PENALTY_WINDOWS: i64 = 10;

pub(super) fn all() -> Vec<Draft> {
    let mut all = around_the_backends();
    all.extend([
        deviant(
            "fixed-windows-of-the-clock",
            "Windows begin at fixed times of the clock, and around each there is twice the quota",
            &["RL-010"],
        )
        .parts(|parts| limiter(parts, |_inner| Windows::new(Begins::WithTheClock))),
        deviant(
            "fixed-windows-from-the-first-request",
            "A window begins with its first request, and around its end there is twice the quota",
            &["RL-010"],
        )
        .parts(|parts| limiter(parts, |_inner| Windows::new(Begins::WithTheFirstRequest))),
        deviant(
            "limit-of-the-first-request",
            "A tenant keeps the limit with which it was counted first, whatever its tier becomes",
            &["RL-009"],
        )
        .parts(|parts| {
            limiter(parts, |inner| FirstLimit {
                inner,
                limits: Mutex::default(),
            });
        }),
        deviant(
            "failed-chats-give-their-place-back",
            "A chat whose model fails gives its place in the quota back",
            &["RL-001"],
        )
        .parts(|parts| {
            let given_back = GivenBack::default();
            calls::calls(&mut parts.ports, given_back.clone());
            limiter(parts, |inner| Lenient { inner, given_back });
        }),
        deviant(
            "quota-for-life",
            "A quota that is used up once stays used up",
            &["RL-005"],
        )
        .parts(|parts| limiter(parts, |_inner| Windows::new(Begins::Once))),
        deviant(
            "refused-for-a-whole-period",
            "Who was refused is refused for a whole period from then on, whatever the refusal said",
            &["RL-005"],
        )
        .parts(|parts| {
            limiter(parts, |inner| WholePeriod {
                inner,
                refused: Mutex::default(),
            });
        }),
        deviant(
            "count-read-from-a-cache",
            "The count is kept in a store behind a cache, and reads are a little old",
            &["RL-001", "RL-006"],
        )
        .parts(|parts| limiter(parts, |_inner| Cached::default())),
        deviant(
            "refused-requests-counted",
            "A refused request takes a place too: who keeps asking never gets in again",
            &["RL-005"],
        )
        .parts(|parts| limiter(parts, |_inner| CountsRefused::default())),
        deviant(
            "refused-requests-counted-behind-a-slow-wake-up",
            "A refused request takes a place too, and what was asked nothing for a second takes a while to wake up",
            &["RL-005"],
        )
        .parts(|parts| {
            limiter(parts, |_inner| CountsRefused::default());
            parts.caller = Some(Arc::new(WakesUp::default()));
        }),
        deviant(
            "penalty-beyond-retry-after",
            "Who was refused is shut out for ten windows, and is told one",
            &["RL-005"],
        )
        .parts(|parts| {
            limiter(parts, |inner| Penalty {
                inner,
                until: Mutex::default(),
            });
        }),
    ]);
    all
}

/// How many places each tenant has got back.
#[derive(Clone, Default)]
struct GivenBack(Arc<Mutex<HashMap<String, u32>>>);

#[async_trait]
impl OtherCalls for GivenBack {
    async fn call(
        &self,
        inner: &dyn AiGateway,
        call: UpstreamCall,
    ) -> Result<UpstreamAnswer, UpstreamError> {
        let tenant = Purpose::of(&call).tenant;
        let answer = inner.call(call).await;
        let has_failed = answer.as_ref().is_ok_and(|answer| answer.status == 400);
        if let Some(tenant) = tenant.filter(|_| has_failed) {
            *held(&self.0).entry(format!("t:{tenant}")).or_default() += 1;
        }
        answer
    }
}

struct Lenient {
    inner: Arc<dyn RateLimiter>,
    given_back: GivenBack,
}

impl RateLimiter for Lenient {
    fn admit(&self, key: &str, limit: u32, period: Duration) -> RateDecision {
        let more = held(&self.given_back.0).get(key).copied().unwrap_or(0);
        let decision = self.inner.admit(key, limit + more, period);
        RateDecision {
            limit,
            remaining: decision.remaining.min(limit.saturating_sub(1)),
            ..decision
        }
    }
}

/// Changes what is asked of the backend's own limiter, or what it says.
struct Around<F>(Arc<dyn RateLimiter>, F);

impl<F> RateLimiter for Around<F>
where
    F: Fn(&dyn RateLimiter, &str, u32, Duration) -> RateDecision + Send + Sync,
{
    fn admit(&self, key: &str, limit: u32, period: Duration) -> RateDecision {
        (self.1)(self.0.as_ref(), key, limit, period)
    }
}

struct FirstLimit {
    inner: Arc<dyn RateLimiter>,
    limits: Mutex<HashMap<String, u32>>,
}

impl RateLimiter for FirstLimit {
    fn admit(&self, key: &str, limit: u32, period: Duration) -> RateDecision {
        let first = *held(&self.limits).entry(key.to_owned()).or_insert(limit);
        self.inner.admit(key, first, period)
    }
}

type Admits = fn(&dyn RateLimiter, &str, u32, Duration) -> RateDecision;

fn around_the_backends() -> Vec<Draft> {
    let all: [(&'static str, &'static str, &'static [&'static str], Admits); 6] = [
        (
            "limiter-lets-one-more-through",
            "The quota lets one request more through than it states",
            &["RL-001"],
            |inner, key, limit, period| {
                let decision = inner.admit(key, limit + 1, period);
                RateDecision {
                    limit,
                    remaining: decision.remaining.saturating_sub(1),
                    ..decision
                }
            },
        ),
        (
            "limiter-refuses-the-last",
            "The last request of a quota is refused",
            &["RL-001"],
            |inner, key, limit, period| RateDecision {
                limit,
                ..inner.admit(key, limit - 1, period)
            },
        ),
        (
            "limiter-never-refuses",
            "A quota is stated and never kept",
            &["RL-001"],
            |inner, key, limit, period| RateDecision {
                admitted: true,
                ..inner.admit(key, limit, period)
            },
        ),
        (
            "one-count-for-everybody",
            "All tenants and clients use one quota",
            &["RL-004"],
            |inner, _key, limit, period| inner.admit("all", limit, period),
        ),
        (
            "one-count-for-all-without-tenant",
            "All client ips use one quota",
            &["RL-007"],
            |inner, key, limit, period| {
                let key = if key.starts_with("i:") { "i:" } else { key };
                inner.admit(key, limit, period)
            },
        ),
        (
            "requests-without-tenant-unlimited",
            "Requests without a tenant are not limited",
            &["RL-007"],
            |inner, key, limit, period| {
                let decision = inner.admit(key, limit, period);
                let admitted = decision.admitted || key.starts_with("i:");
                RateDecision {
                    admitted,
                    ..decision
                }
            },
        ),
    ];
    all.into_iter()
        .map(|(id, breaks, expected, admits)| {
            deviant(id, breaks, expected)
                .parts(move |parts| limiter(parts, |inner| Around(inner, admits)))
        })
        .collect()
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Whole seconds, rounded up, from 1 to the period.
fn seconds(rest_ms: i64, period: Duration) -> u64 {
    let seconds = u64::try_from(rest_ms).unwrap_or(0).div_ceil(1000);
    seconds.clamp(1, period.as_secs().max(1))
}

fn decision(used: u32, limit: u32, rest_ms: i64, period: Duration) -> RateDecision {
    RateDecision {
        admitted: used < limit,
        limit,
        remaining: limit.saturating_sub(used + 1),
        reset_seconds: seconds(rest_ms, period),
    }
}

#[derive(Clone, Copy)]
enum Begins {
    WithTheClock,
    WithTheFirstRequest,
    Once,
}

/// Windows that do not slide: a start and a count for each key.
struct Windows {
    begins: Begins,
    open: Mutex<HashMap<String, (i64, u32)>>,
}

impl Windows {
    fn new(begins: Begins) -> Self {
        Self {
            begins,
            open: Mutex::default(),
        }
    }
}

impl RateLimiter for Windows {
    fn admit(&self, key: &str, limit: u32, period: Duration) -> RateDecision {
        let (now, length) = (clock::epoch_ms(), ms(period));
        let start = match self.begins {
            Begins::WithTheClock => now - now % length,
            Begins::WithTheFirstRequest | Begins::Once => now,
        };
        let mut open = held(&self.open);
        let window = open.entry(key.to_owned()).or_insert((start, 0));
        let is_over = match self.begins {
            Begins::Once => false,
            Begins::WithTheClock | Begins::WithTheFirstRequest => now >= window.0 + length,
        };
        if is_over {
            *window = (start, 0);
        }
        let decision = decision(window.1, limit, window.0 + length - now, period);
        window.1 += u32::from(decision.admitted);
        decision
    }
}

/// When each request of a key was counted.
type Counted = Mutex<HashMap<String, Vec<i64>>>;

/// Requests of a key in its window, others forgotten.
fn in_window<'a>(
    counted: &'a mut HashMap<String, Vec<i64>>,
    key: &str,
    from: i64,
) -> &'a mut Vec<i64> {
    let times = counted.entry(key.to_owned()).or_default();
    times.retain(|at| *at > from);
    times
}

#[derive(Default)]
pub(super) struct Cached(Counted);

impl RateLimiter for Cached {
    fn admit(&self, key: &str, limit: u32, period: Duration) -> RateDecision {
        let now = clock::epoch_ms();
        let mut counted = held(&self.0);
        let times = in_window(&mut counted, key, now - ms(period));
        let seen = times.iter().filter(|at| **at <= now - CACHED_MS).count();
        let used = u32::try_from(seen).unwrap_or(u32::MAX);
        let rest = times
            .first()
            .map_or(ms(period), |first| first + ms(period) - now);
        let decision = decision(used, limit, rest, period);
        if decision.admitted {
            times.push(now);
        }
        decision
    }
}

#[derive(Default)]
struct CountsRefused(Counted);

impl RateLimiter for CountsRefused {
    fn admit(&self, key: &str, limit: u32, period: Duration) -> RateDecision {
        let now = clock::epoch_ms();
        let mut counted = held(&self.0);
        let times = in_window(&mut counted, key, now - ms(period));
        let used = u32::try_from(times.len()).unwrap_or(u32::MAX);
        let rest = times
            .first()
            .map_or(ms(period), |first| first + ms(period) - now);
        times.push(now);
        decision(used, limit, rest, period)
    }
}

/// Remembers who was refused, and when.
struct WholePeriod {
    inner: Arc<dyn RateLimiter>,
    refused: Mutex<HashMap<String, (i64, RateDecision)>>,
}

impl RateLimiter for WholePeriod {
    fn admit(&self, key: &str, limit: u32, period: Duration) -> RateDecision {
        let (now, mut refused) = (clock::epoch_ms(), held(&self.refused));
        if let Some((at, told)) = refused.get(key)
            && now - at < ms(period)
        {
            return *told;
        }
        let told = self.inner.admit(key, limit, period);
        if !told.admitted {
            refused.insert(key.to_owned(), (now, told));
        }
        told
    }
}

/// Passes a host's request on late where it was asked nothing for a while.
#[derive(Default)]
struct WakesUp(Mutex<HashMap<String, i64>>);

/// Nobody asked for so long: it sleeps.
const ASLEEP_MS: i64 = 1_000;
/// What waking up takes.
const WAKE_MS: u64 = 600;

#[async_trait]
impl Tamper for WakesUp {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let now = clock::epoch_ms();
        let before = held(&self.0).insert(ask.host().to_owned(), now);
        if before.is_some_and(|before| now - before > ASLEEP_MS) {
            crate::wait::pass(Duration::from_millis(WAKE_MS)).await;
        }
        upstream.send(&ask).await
    }
}

struct Penalty {
    inner: Arc<dyn RateLimiter>,
    until: Mutex<HashMap<String, i64>>,
}

impl RateLimiter for Penalty {
    fn admit(&self, key: &str, limit: u32, period: Duration) -> RateDecision {
        let now = clock::epoch_ms();
        let mut until = held(&self.until);
        if until.get(key).is_some_and(|until| *until > now) {
            return decision(limit, limit, ms(period), period);
        }
        let decision = self.inner.admit(key, limit, period);
        if !decision.admitted {
            until.insert(key.to_owned(), now + PENALTY_WINDOWS * ms(period));
        }
        decision
    }
}
