//! Steps about quotas of public routes. Never counts what is not certain: a window may have moved on meanwhile.

mod answers;
mod at_once;
mod client_ip;
mod free_of_charge;
mod one_by_one;
mod refusal;
mod sharing;
mod sliding;
mod used_up;

use crate::client::Request;
use crate::clock;
use crate::contract::need::Variant;
use crate::evidence::Exchange;
use crate::lag;
use crate::oracle::rate_window::Seen;
use crate::run::book::Book;
use crate::run::scene::{Scene, breach, describe};
use crate::steps::operating::at_fault;
use crate::subject::dialect::Dialect;
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, OrUnmet as _, Stop};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The error code of every refusal.
const LIMITED: &str = "RATE_LIMIT_EXCEEDED";
/// Largest limit of a client ip that is tried out in small-limits; the contract names none.
const IP_LIMIT_MAX: u32 = 200;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    one_by_one::register(book);
    at_once::register(book);
    sharing::register(book);
    refusal::register(book);
    free_of_charge::register(book);
    sliding::register(book);
    answers::register(book);
    client_ip::register(book);
}

/// Whose quota a request uses.
#[derive(Debug, Clone)]
enum Asker {
    Tenant(Tenant),
    /// A tenant whose requests are admitted, and fail in this way.
    Failing(Tenant, Failure),
    /// The scenario's client ip, by the health route.
    ClientIp,
    /// The scenario's client ip, by a host that is nobody's: another one with each request.
    Stranger(String),
}

/// How requests of a tenant fail that are admitted.
#[derive(Debug, Clone, Copy)]
enum Failure {
    /// A chat whose model fails: the scenario's script says so.
    Upstream,
    /// A chat that is malformed.
    Malformed,
    /// A route that there is not.
    NoRoute,
}

impl Asker {
    /// The `number`th request.
    fn request(&self, s: &Scene, number: usize) -> Request {
        match self {
            Self::Tenant(tenant) => s.status_request(&tenant.host),
            Self::Failing(tenant, Failure::Upstream) => s.chat_request(&tenant.host),
            Self::Failing(tenant, Failure::Malformed) => {
                s.chat_request_with(&tenant.host, &json!({ "messages": "none" }))
            }
            Self::Failing(tenant, Failure::NoRoute) => {
                Request::new("GET", "/mp-no-such-route").host(&tenant.host)
            }
            Self::ClientIp => s.health_request(),
            Self::Stranger(app_domain) => {
                s.status_request(&format!("nobody-{}-{number}.{app_domain}", s.token))
            }
        }
    }

    /// The status of an admitted request.
    fn admitted_status(&self) -> u16 {
        match self {
            Self::Tenant(_) | Self::ClientIp => 200,
            Self::Failing(_, Failure::Upstream) => 502,
            Self::Failing(_, Failure::Malformed) => 400,
            Self::Failing(_, Failure::NoRoute) | Self::Stranger(_) => 404,
        }
    }

    /// Whether an answer shows that its request was admitted.
    fn is_admitted(&self, answer: &Exchange) -> Result<bool, Stop> {
        match answer.status {
            429 => Ok(false),
            status if status == self.admitted_status() => Ok(true),
            _ => Err(breach(
                format!("status {} or 429", self.admitted_status()),
                describe(answer),
            )
            .or_unmet(&at_fault(answer))),
        }
    }

    /// Whether a request of the scenario used this quota, or must have.
    fn is_charged(&self, s: &Scene, answer: &Exchange) -> bool {
        let (request, dialect) = (&answer.request, s.dialect());
        let from_here = || {
            let mut headers = request.headers.iter();
            headers.any(|(name, ip)| name == "cf-connecting-ip" && ip == s.client_ip())
        };
        match self {
            Self::Tenant(tenant) | Self::Failing(tenant, _) => {
                let is_host = request.host == tenant.host || tenant.domains.contains(&request.host);
                is_host && !request.path.starts_with(above_tenants(&dialect))
            }
            Self::ClientIp => request.route() == dialect.health && from_here(),
            Self::Stranger(_) => {
                request.host.starts_with(&format!("nobody-{}-", s.token)) && from_here()
            }
        }
    }

    /// `details.limit_type` of its refusals.
    fn limit_type(&self) -> &'static str {
        match self {
            Self::Tenant(_) | Self::Failing(..) => "tenant_quota",
            Self::ClientIp | Self::Stranger(_) => "client_ip",
        }
    }
}

/// What the path of the tenants begins with, as other admin routes do.
fn above_tenants(dialect: &Dialect) -> &str {
    dialect
        .tenants
        .rsplit_once('/')
        .map_or("", |(front, _)| front)
}

/// The quota of the free tier where the scenario runs.
async fn free_quota(s: &mut Scene) -> Result<(u32, Duration), Stop> {
    let small = s.instance().await?.variant == Variant::SmallLimits;
    let limits = s.run.target.limits();
    let (limit, seconds) = if small {
        limits.small_quota
    } else {
        limits.quota
    };
    Ok((limit, Duration::from_secs(seconds)))
}

/// A tier's quota where the scenario runs.
async fn quota(s: &mut Scene, tier: &str) -> Result<(u32, Duration), Stop> {
    let factor = match tier {
        "premium" => 10,
        "enterprise" => 20,
        _ => 1,
    };
    let (limit, period) = free_quota(s).await?;
    Ok((limit * factor, period))
}

/// The limit that holds for somebody, and its period. A client ip's is the one that it is told.
async fn quota_of(s: &mut Scene, who: &Asker) -> Result<(u32, Duration), Stop> {
    match who {
        Asker::Tenant(tenant) | Asker::Failing(tenant, _) => quota(s, &tenant.tier).await,
        Asker::ClientIp | Asker::Stranger(_) => free_quota(s).await,
    }
}

/// A header of whole numbers.
fn number_in(answer: &Exchange, header: &str) -> Option<u32> {
    answer.header(header)?.parse().ok()
}

/// A client ip that no scenario uses otherwise.
fn other_ip(s: &Scene, number: usize) -> String {
    let ip = s.client_ip().to_owned();
    let mut own = ip.rsplit('.');
    let (last, third) = (own.next().unwrap_or("1"), own.next().unwrap_or("1"));
    // 198.18.0.0/15 is set aside for benchmarks; the scenarios' own ips lie in its lower half.
    match number {
        0 => format!("198.19.{third}.{last}"),
        _ => format!("203.{number}.{third}.{last}"),
    }
}

/// Requests with what the oracle needs of them.
fn seen(who: &Asker, answers: &[Arc<Exchange>]) -> Result<Vec<Seen>, Stop> {
    let Some(start) = answers.iter().map(|answer| answer.sent_at).min() else {
        return Ok(Vec::new());
    };
    let one = |answer: &Arc<Exchange>| {
        let sent = answer.sent_at - start;
        Ok(Seen {
            sent,
            answered: sent + answer.head_after,
            admitted: who.is_admitted(answer)?,
        })
    };
    answers.iter().map(one).collect()
}

/// From the first sent to the last answered.
pub(super) fn span(answers: &[Arc<Exchange>]) -> Duration {
    let start = answers.iter().map(|answer| answer.sent_at).min();
    let end = answers
        .iter()
        .map(|answer| answer.sent_at + answer.done_after)
        .max();
    match (start, end) {
        (Some(start), Some(end)) => end - start,
        (None, _) | (_, None) => Duration::ZERO,
    }
}

/// What cannot be told when requests, the last of them a moment ago, do not fit into a period.
pub(super) fn too_slow(span: Duration, period: Duration) -> Stop {
    let seen = format!(
        "the requests took {} ms, the period is {} ms",
        span.as_millis(),
        period.as_millis()
    );
    let now = clock::now();
    let from = now.checked_sub(span).unwrap_or(now);
    let over = span.saturating_sub(period);
    match lag::blame(from, now, over, || seen.clone()) {
        Err(slow) => slow.into(),
        Ok(()) => Stop::NotVerified(format!(
            "{seen}: too slow to tell; run the variant with a longer period and state it"
        )),
    }
}

/// Asserts that the first requests of somebody, his whole quota, are all admitted.
async fn expect_whole_quota(s: &mut Scene, who: &Asker) -> Check {
    let mut answers = vec![s.send(who.request(s, 0)).await?];
    let limit = match who {
        Asker::Tenant(_) | Asker::Failing(..) => quota_of(s, who).await?.0,
        Asker::ClientIp | Asker::Stranger(_) => must_be_told(&answers)?,
    };
    let rest = (1..limit as usize).map(|at| who.request(s, at)).collect();
    answers.extend(s.send_all(rest).await?);
    let refused = answers.iter().find(|answer| answer.status == 429);
    for answer in &answers {
        // Only a refusal for too many requests says that the quota is used up.
        who.is_admitted(answer)?;
        s.expect(
            answer.status == who.admitted_status(),
            format!("all of a whole quota of {limit} admitted, no part of it used before"),
            || describe(refused.unwrap_or(answer)),
        )?;
    }
    Ok(())
}

/// The limit that a client ip is told in its first answer, if it is told one.
fn told_limit(answers: &[Arc<Exchange>]) -> Result<Option<u32>, Stop> {
    let told = answers.first().and_then(|first| {
        let detail = || first.at("/error/details/limit")?.as_u64()?.try_into().ok();
        number_in(first, "x-ratelimit-limit").or_else(detail)
    });
    match told {
        Some(limit) if limit > IP_LIMIT_MAX => Err(Stop::NotVerified(format!(
            "the client ip's limit is {limit}: give the small-limits variant one of at most {IP_LIMIT_MAX}"
        ))),
        Some(_) | None => Ok(told),
    }
}

/// As [`told_limit`], where there is nothing to assert without.
fn must_be_told(answers: &[Arc<Exchange>]) -> Result<u32, Stop> {
    told_limit(answers)?.ok_or_else(|| {
        let seen = answers.first().map(|first| describe(first));
        breach("a limit in X-RateLimit-Limit", seen.unwrap_or_default()).or_unmet("RL-011")
    })
}

/// Asserts what a refusal for too many requests is called, where that is promised: to all other criteria its status says enough.
fn expect_limited(s: &mut Scene, refusal: &Exchange) -> Check {
    if s.planned.criteria.iter().any(|id| id == "RL-001") {
        return s.expect_error(refusal, 429, LIMITED);
    }
    s.expect_status(refusal, 429).or_unmet("RL-001")
}

/// When an answer was complete.
fn answered_at(answer: &Exchange) -> Instant {
    answer.sent_at + answer.done_after
}

/// Milliseconds since a moment, for findings.
fn ms_since(moment: Instant) -> u128 {
    clock::now().duration_since(moment).as_millis()
}
