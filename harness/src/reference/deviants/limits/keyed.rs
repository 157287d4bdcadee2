//! Limits that are kept before the backend, by another key or at another time. Never asks the backend's own limiter.

use super::super::layer::refusal;
use super::super::{Draft, deviant};
use crate::clock;
use crate::reference::altered::Parts;
use crate::tamper::{Ask, Tamper, Told, Unanswered, Upstream};
use async_trait::async_trait;
use moltworker_reference::ports::{RateDecision, RateLimiter};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What is known of a request when its key is made: the tenant, if it has one, and the client ip.
pub(super) struct Known {
    /// Its slug, and which of the tenants it is that were made with it: `acme#2`.
    pub(super) tenant: Option<String>,
    pub(super) ip: String,
}

impl Known {
    /// Whose quota it is by the contract.
    pub(super) fn owner(&self) -> String {
        let tenant = self.tenant.as_ref().map(|slug| format!("t:{slug}"));
        tenant.unwrap_or_else(|| format!("i:{}", self.ip))
    }

    /// The owner, and for tenants something more.
    fn split_by(&self, more: &str) -> String {
        match &self.tenant {
            Some(_) => format!("{}|{more}", self.owner()),
            None => self.owner(),
        }
    }
}

type Key = fn(&Ask, &Known) -> String;

/// When a request is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Before it goes on.
    Before,
    /// When it has been answered; a refusal is decided before.
    OnceAnswered,
    /// The count is read before, and written back with one more when it has been answered.
    ReadBeforeWrittenAfter,
    /// When it has been answered; that is also when a refusal is decided.
    DecidedOnceAnswered,
    /// Before, but what is malformed is told first and for free.
    MalformedFirst,
}

pub(super) fn all() -> Vec<Draft> {
    let mut all: Vec<Draft> = by_key()
        .into_iter()
        .map(|(id, breaks, expected, key)| {
            deviant(id, breaks, expected).parts(move |parts| keep(parts, key, When::Before))
        })
        .collect();
    let by_time: [(&'static str, &'static str, &'static [&'static str], When); 4] = [
        (
            "counted-once-answered",
            "A request is counted when it has been answered: many at once all find room",
            &["RL-006"],
            When::OnceAnswered,
        ),
        (
            "read-add-write",
            "The count is read, and written back with one more: of many at once most are lost",
            &["RL-006"],
            When::ReadBeforeWrittenAfter,
        ),
        (
            "limited-once-answered",
            "The quota is looked at when the model has answered",
            &["RL-008"],
            When::DecidedOnceAnswered,
        ),
        (
            "malformed-before-limited",
            "A malformed chat is told before the quota is looked at",
            &["RL-001"],
            When::MalformedFirst,
        ),
    ];
    all.extend(by_time.into_iter().map(|(id, breaks, expected, when)| {
        deviant(id, breaks, expected)
            .parts(move |parts| keep(parts, |_ask, known| known.owner(), when))
    }));
    all
}

fn by_key() -> Vec<(&'static str, &'static str, &'static [&'static str], Key)> {
    vec![
        (
            "limited-by-host",
            "The quota is that of a host: a tenant with a custom domain has two",
            &["RL-001"],
            |ask, known| known.split_by(ask.host()),
        ),
        (
            "limited-by-route",
            "The quota is that of a route: a tenant has one for each",
            &["RL-001"],
            |ask, known| known.split_by(ask.route()),
        ),
        (
            "limited-by-tenant-and-ip",
            "The quota is that of a tenant's client: a tenant with many has many",
            &["RL-001"],
            |_ask, known| known.split_by(&known.ip),
        ),
        (
            "limited-by-authorization",
            "The quota is that of the credential that a caller sends: a new one is a new quota",
            &["RL-001"],
            |ask, known| known.split_by(ask.header("authorization").unwrap_or_default()),
        ),
        (
            "limited-by-ip-alone",
            "The quota is that of the client ip, also where there is a tenant",
            &["RL-004"],
            |_ask, known| known.ip.clone(),
        ),
        (
            "strangers-limited-by-host",
            "A client ip has a quota for each host that it guesses",
            &["RL-007"],
            |ask, known| match known.tenant {
                Some(_) => known.owner(),
                None => format!("{}|{}", known.owner(), ask.host()),
            },
        ),
        (
            "limited-by-slug",
            "The quota is that of a slug: whoever is given it next goes on with what is left",
            &["RL-004"],
            |_ask, known| {
                let owner = known.owner();
                owner.split('#').next().unwrap_or_default().to_owned()
            },
        ),
    ]
}

/// Lets every request through to the route: the layer before it keeps the limits.
struct Boundless;

impl RateLimiter for Boundless {
    fn admit(&self, _key: &str, limit: u32, period: Duration) -> RateDecision {
        RateDecision {
            admitted: true,
            limit,
            remaining: limit.saturating_sub(1),
            reset_seconds: period.as_secs(),
        }
    }
}

fn keep(parts: &mut Parts, key: Key, when: When) {
    parts.ports.limiter = Arc::new(Boundless);
    parts.caller = Some(Arc::new(Limits::new(key, when, parts.config.quotas.period)));
}

pub(super) struct Limits {
    key: Key,
    when: When,
    period: Duration,
    counted: Mutex<HashMap<String, Vec<i64>>>,
    /// How many tenants have been made with a slug.
    made: Mutex<HashMap<String, u32>>,
}

/// What the count says before a request goes on.
pub(super) struct Before {
    limit: u32,
    times: Vec<i64>,
}

impl Before {
    pub(super) fn is_used_up(&self) -> bool {
        self.times.len() >= self.limit as usize
    }
}

impl Limits {
    pub(super) fn new(key: Key, when: When, period: Duration) -> Self {
        Self {
            key,
            when,
            period,
            counted: Mutex::default(),
            made: Mutex::default(),
        }
    }

    fn made(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes on what an operator asks, and counts the tenants that are made with a slug.
    async fn operate(&self, ask: &Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let told = upstream.send(ask).await?;
        let asked = ask.json();
        if let (201, Some(slug)) = (told.status, asked["slug"].as_str()) {
            *self.made().entry(slug.to_owned()).or_default() += 1;
        }
        Ok(told)
    }

    fn counted(&self) -> MutexGuard<'_, HashMap<String, Vec<i64>>> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn period_ms(&self) -> i64 {
        i64::try_from(self.period.as_millis()).unwrap_or(i64::MAX)
    }

    /// Looks, and counts at once if that is the way.
    pub(super) fn look(&self, key: &str, limit: u32) -> Before {
        let now = clock::epoch_ms();
        let mut counted = self.counted();
        let times = counted.entry(key.to_owned()).or_default();
        times.retain(|at| *at > now - self.period_ms());
        let before = Before {
            limit,
            times: times.clone(),
        };
        let at_once = matches!(self.when, When::Before | When::MalformedFirst);
        if at_once && !before.is_used_up() {
            times.push(now);
        }
        before
    }

    fn answered(&self, key: &str, before: &Before) -> bool {
        let now = clock::epoch_ms();
        let mut counted = self.counted();
        let times = counted.entry(key.to_owned()).or_default();
        match self.when {
            When::Before | When::MalformedFirst => {}
            When::OnceAnswered => times.push(now),
            When::ReadBeforeWrittenAfter => {
                times.clone_from(&before.times);
                times.push(now);
            }
            When::DecidedOnceAnswered => {
                if times.len() >= before.limit as usize {
                    return false;
                }
                times.push(now);
            }
        }
        true
    }

    fn reset_seconds(&self, times: &[i64]) -> u64 {
        let now = clock::epoch_ms();
        let rest = times
            .first()
            .map_or(self.period_ms(), |at| at + self.period_ms() - now);
        let seconds = u64::try_from(rest).unwrap_or(0).div_ceil(1000);
        seconds.clamp(1, self.period.as_secs().max(1))
    }

    pub(super) fn refused(&self, known: &Known, before: &Before) -> Told {
        let seconds = self.reset_seconds(&before.times);
        let details = json!({
            "limit_type": if known.tenant.is_some() { "tenant_quota" } else { "client_ip" },
            "limit": before.limit,
            "period": format!("{}s", self.period.as_secs()),
            "retry_after_seconds": seconds,
        });
        let mut told = refusal(429, "RATE_LIMIT_EXCEEDED", &details);
        told.set("retry-after", &seconds.to_string());
        told
    }
}

/// Asks the backend whose request it is and which quota that one has; `None` if none holds.
async fn known(ask: &Ask, upstream: &Upstream) -> Result<Option<(Known, u32)>, Unanswered> {
    let mut probe = ask.clone();
    probe.method = hyper::Method::GET;
    let is_health = ask.route() == "/sandbox-health";
    let path = if is_health {
        "/sandbox-health"
    } else {
        "/api/status"
    };
    path.clone_into(&mut probe.path);
    probe.body = bytes::Bytes::new();
    probe.headers.remove("content-type");
    let mut told = upstream.send(&probe).await?;
    let limit = told
        .header("x-ratelimit-limit")
        .and_then(|limit| limit.parse().ok());
    let tenant: Value = told.json().await?;
    let tenant = tenant["tenant"].as_str().map(str::to_owned);
    let ip = ask
        .header("cf-connecting-ip")
        .unwrap_or("127.0.0.1")
        .to_owned();
    Ok(limit.map(|limit| (Known { tenant, ip }, limit)))
}

#[async_trait]
impl Tamper for Limits {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        if ask.route().starts_with("/api/admin") || ask.route().starts_with("/_admin") {
            return self.operate(&ask, upstream).await;
        }
        let Some((mut known, limit)) = known(&ask, upstream).await? else {
            return upstream.send(&ask).await;
        };
        let made = |slug: &str| self.made().get(slug).copied().unwrap_or(0);
        known.tenant = known.tenant.map(|slug| format!("{slug}#{}", made(&slug)));
        if self.when == When::MalformedFirst && !ask.body.is_empty() && ask.json().is_null() {
            return upstream.send(&ask).await;
        }
        let key = (self.key)(&ask, &known);
        let before = self.look(&key, limit);
        if before.is_used_up() && self.when != When::DecidedOnceAnswered {
            return Ok(self.refused(&known, &before));
        }
        let mut told = upstream.send(&ask).await?;
        if !self.answered(&key, &before) {
            return Ok(self.refused(&known, &before));
        }
        let used = u32::try_from(before.times.len()).unwrap_or(u32::MAX);
        let remaining = limit.saturating_sub(used.saturating_add(1));
        told.set("x-ratelimit-remaining", &remaining.to_string());
        let reset = self.reset_seconds(&before.times);
        told.set("x-ratelimit-reset", &reset.to_string());
        Ok(told)
    }
}
