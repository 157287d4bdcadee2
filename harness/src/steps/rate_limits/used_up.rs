//! Quotas that are used up, and requests that must be refused then. Never calls an admission one too many unless that is certain.

use super::{
    Asker, IP_LIMIT_MAX, LIMITED, expect_limited, must_be_told, quota_of, seen, span, told_limit,
    too_slow,
};
use crate::client::Request;
use crate::contract::need::Need;
use crate::evidence::Exchange;
use crate::oracle::rate_window::{Seen, largest_crowd};
use crate::run::scene::{Scene, breach, describe};
use crate::verdict::{Check, OrUnmet as _, Stop};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The note of how many requests somebody whose quota is used up was admitted.
const ADMITTED: &str = "admitted";
/// The note of how many that certainly were in one period, which may be fewer than the limit.
const COUNTED: &str = "counted";
/// How much more than its quota a tenant sends before a limiter that never refuses is called none.
/// Evidence: the permissive limiter of the platform let 2 × the quota through at most; 10 × is far beyond.
const PERMISSIVE_FACTOR: u32 = 10;
/// Tries in which a window may move on between the last refusal and the request in question. A busy machine needs some.
const TRIES_MAX: u32 = 6;
/// Admissions one too many before a permissive limiter, which may let one through, is called none.
const PERMISSIVE_EXCESS: u32 = 3;

/// Somebody's quota is used up: the last exchange of the scenario is the refusal.
pub(super) async fn use_up(s: &mut Scene, who: &Asker) -> Check {
    let (quota, _period) = quota_of(s, who).await?;
    use_up_from(s, who, quota).await
}

/// As [`use_up`], beginning with so many requests at once: with one alone nothing is asked between the first refusal and whatever comes after it.
pub(super) async fn use_up_from(s: &mut Scene, who: &Asker, at_once: u32) -> Check {
    let from = s.exchanges.len();
    let (quota, period) = quota_of(s, who).await?;
    // What a client ip's limit is, only the target says.
    let mut known = matches!(who, Asker::Tenant(_)).then_some(quota);
    let mut answers: Vec<Arc<Exchange>> = Vec::new();
    while answers.len() < most(known, quota) {
        // The quota at once, so that it fits into a period; then one by one, to stop at the first refusal.
        let width = if answers.is_empty() { at_once } else { 1 };
        let requests = (0..width as usize)
            .map(|at| who.request(s, from + answers.len() + at))
            .collect();
        answers.extend(s.send_all(requests).await?);
        let Some(last) = answers.last().cloned() else {
            break;
        };
        if known.is_none() {
            known = told_limit(&answers)?;
        }
        if !who.is_admitted(&last)? {
            expect_limited(s, &last)?;
            let limit = match known {
                Some(limit) => limit,
                None => must_be_told(&[last])?,
            };
            note_refusal(s, who, limit);
            // Whether the limit is told rightly is promised elsewhere: what was admitted before the refusal was no request too many.
            let admitted = largest_crowd(&seen(who, &answers)?, period).admitted;
            s.notes.insert(COUNTED.to_owned(), json!(admitted));
            let admitted = admitted.max(limit as usize);
            s.notes.insert(ADMITTED.to_owned(), json!(admitted));
            return Ok(());
        }
    }
    let limit = known.unwrap_or(IP_LIMIT_MAX);
    let crowd = largest_crowd(&seen(who, &answers)?, period).admitted;
    if crowd > limit as usize {
        return Err(breach(
            format!("a refusal with 429 {LIMITED} once the quota is used up"),
            format!("{} requests admitted, none refused", answers.len()),
        ));
    }
    Err(too_slow(span(&answers), period))
}

/// How many requests are sent before a limiter that refuses none is called none.
fn most(known: Option<u32>, quota: u32) -> usize {
    let limit = known.unwrap_or(IP_LIMIT_MAX);
    (limit.max(quota * PERMISSIVE_FACTOR) + 20) as usize
}

/// Asserts, before a told limit is judged, that the quota in force is the tenant's own.
///
/// # Errors
/// Not verified, because of RL-009, where the limit that is told is the one that was kept: then it is told rightly.
pub(super) fn kept_the_limit(s: &Scene, told: &Value) -> Check {
    let number = |value: Option<&Value>| value.and_then(Value::as_u64);
    let (Some(counted), Some(limit), Some(told)) = (
        number(s.notes.get(COUNTED)),
        number(s.notes.get("limit")),
        number(Some(told)),
    ) else {
        return Ok(());
    };
    if counted.abs_diff(told) >= counted.abs_diff(limit) {
        return Ok(());
    }
    Err(breach(
        format!("a limit of {limit} in force"),
        format!("{counted} requests admitted, and a limit of {told} told"),
    ))
    .or_unmet("RL-009")
}

/// Notes what a refusal must say.
pub(super) fn note_refusal(s: &mut Scene, who: &Asker, limit: u32) {
    s.notes.insert("limit".to_owned(), json!(limit));
    s.notes
        .insert("limit type".to_owned(), json!(who.limit_type()));
}

/// How many of the scenario's admissions that used somebody's quota, or claimed not to, certainly lie in one period.
fn crowd(s: &Scene, who: &Asker, period: Duration) -> usize {
    let used: Vec<_> = s
        .exchanges
        .iter()
        .filter(|answer| who.is_charged(s, answer))
        .collect();
    let Some(start) = used.iter().map(|answer| answer.sent_at).min() else {
        return 0;
    };
    let seen: Vec<Seen> = used
        .iter()
        .map(|answer| Seen {
            sent: answer.sent_at - start,
            answered: answer.sent_at - start + answer.head_after,
            admitted: answer.status != 429,
        })
        .collect();
    largest_crowd(&seen, period).admitted
}

/// What came of a request that must be refused.
pub(super) enum Refusal {
    /// 429.
    Refused,
    /// It was rightly let in, for the window had moved on; the quota is used up again.
    MovedOn,
    /// It was let in, one too many.
    Excess(Arc<Exchange>),
}

/// Sends a request of somebody whose quota is used up.
///
/// One that is not refused is one too many if, with those before it, more than the quota certainly lie in one period,
/// and a plain request right after it is refused: no window of any kind had begun meanwhile.
pub(super) async fn try_refusal(
    s: &mut Scene,
    who: &Asker,
    candidate: Request,
) -> Result<Refusal, Stop> {
    let period = quota_of(s, who).await?.1;
    let answer = s.send(candidate).await?;
    if answer.status == 429 {
        expect_limited(s, &answer)?;
        return Ok(Refusal::Refused);
    }
    let limit = s.notes.get(ADMITTED).or_else(|| s.notes.get("limit"));
    let limit = limit.and_then(Value::as_u64);
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    let too_many = limit.is_some_and(|limit| crowd(s, who, period) > limit);
    let number = 10_000 + s.exchanges.len();
    let plain = s.send(who.request(s, number)).await?;
    if who.is_admitted(&plain)? {
        use_up(s, who).await?;
    } else if too_many {
        return Ok(Refusal::Excess(answer));
    }
    Ok(Refusal::MovedOn)
}

/// Asserts that a request of somebody whose quota is used up is refused.
pub(super) async fn expect_still_refused(
    s: &mut Scene,
    who: &Asker,
    what: &str,
    candidate: Request,
) -> Check {
    let exact = s.run.target.lacks(Need::ExactLimits).is_none();
    let mut excess = 0;
    for _try in 0..TRIES_MAX {
        match try_refusal(s, who, candidate.clone()).await? {
            Refusal::Refused => return Ok(()),
            Refusal::MovedOn => {}
            Refusal::Excess(answer) => {
                excess += 1;
                if exact || excess == PERMISSIVE_EXCESS {
                    return Err(breach(
                        format!("{what} refused with 429 {LIMITED}, the quota being used up"),
                        describe(&answer),
                    ));
                }
            }
        }
    }
    Err(Stop::NotVerified(format!(
        "the window had moved on before {what} came, {TRIES_MAX} times: run the variant with a longer period and state it"
    )))
}
