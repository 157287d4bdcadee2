//! Backends that try again too often, too rarely, or on what is final. Never breaks more than one thing at a time.

use super::super::calls::{LARGE, Purpose};
use super::rubric::{Legs, Rubric, contract, is_retryable, kept_to};
use super::{Draft, deviant, metadata};
use crate::reference::deviants::calls::SMALL;
use crate::tamper::{Ask, Tamper, Told, Unanswered, Upstream};
use async_trait::async_trait;
use std::sync::Arc;

fn of(
    id: &'static str,
    breaks: &'static str,
    expected: &'static [&'static str],
    rubric: Rubric,
) -> Draft {
    deviant(id, breaks, expected).parts(move |parts| kept_to(parts, rubric))
}

fn legs(
    id: &'static str,
    breaks: &'static str,
    expected: &'static [&'static str],
    legs: fn(&Purpose) -> Legs,
) -> Draft {
    let rubric = Rubric {
        legs,
        ..Rubric::default()
    };
    of(id, breaks, expected, rubric)
}

fn statuses(
    id: &'static str,
    breaks: &'static str,
    expected: &'static [&'static str],
    again: fn(u16) -> bool,
) -> Draft {
    let rubric = Rubric {
        again,
        falls_back: again,
        ..Rubric::default()
    };
    of(id, breaks, expected, rubric)
}

pub(super) fn all() -> Vec<Draft> {
    let mut all = how_often();
    all.extend(on_what());
    all
}

/// Makes a fallback that is answered with 429 once more.
struct BusyFallback;

#[async_trait]
impl Tamper for BusyFallback {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let told = upstream.send(&ask).await?;
        let is_fallback = ask.json()["model"] == SMALL.0 && metadata(&ask)["tier"] != "free";
        if is_fallback && told.status == 429 {
            return upstream.send(&ask).await;
        }
        Ok(told)
    }
}

fn how_often() -> Vec<Draft> {
    vec![
        deviant(
            "busy-fallback-tried-again",
            "A fallback that is answered with 429 is tried again",
            &["AIG-010"],
        )
        .upstream(|| Some(Arc::new(BusyFallback))),
        legs(
            "no-retry",
            "A failed call is not tried again",
            &["AIG-010", "AIG-011"],
            |purpose| {
                contract(purpose)
                    .into_iter()
                    .map(|(model, _)| (model, 1))
                    .collect()
            },
        ),
        legs(
            "free-retried-three-times",
            "A free tenant's call is made four times",
            &["AIG-010"],
            |purpose| match contract(purpose)[..] {
                [(model, _)] => vec![(model, 4)],
                ref legs => legs.to_vec(),
            },
        ),
        legs(
            "premium-retried-twice",
            "A premium tenant's call is made three times before the fallback",
            &["AIG-010", "AIG-005"],
            |purpose| match contract(purpose)[..] {
                [(model, _), fallback] => vec![(model, 3), fallback],
                ref legs => legs.to_vec(),
            },
        ),
        legs(
            "fallback-without-retry",
            "The fallback is asked at once, without a retry",
            &["AIG-010", "AIG-011"],
            |purpose| match contract(purpose)[..] {
                [(model, _), fallback] => vec![(model, 1), fallback],
                ref legs => legs.to_vec(),
            },
        ),
        legs(
            "no-fallback",
            "Premium tenants have no fallback",
            &["AIG-005", "AIG-010", "AIG-006"],
            |purpose| contract(purpose).into_iter().take(1).collect(),
        ),
        legs(
            "fallback-for-free",
            "Free tenants fall back to the large model",
            &["AIG-010"],
            |purpose| match contract(purpose)[..] {
                [leg] => vec![leg, (LARGE, 1)],
                ref legs => legs.to_vec(),
            },
        ),
        legs(
            "fallback-retried",
            "The fallback is tried again too",
            &["AIG-010"],
            |purpose| match contract(purpose)[..] {
                [leg, (fallback, _)] => vec![leg, (fallback, 2)],
                ref legs => legs.to_vec(),
            },
        ),
        legs(
            "enterprise-without-fallback",
            "Enterprise tenants have no fallback",
            &["AIG-006", "AIG-010"],
            |purpose| {
                let legs = if purpose.tier == "enterprise" { 1 } else { 2 };
                contract(purpose).into_iter().take(legs).collect()
            },
        ),
        legs(
            "streams-not-retried",
            "A streamed call is made once",
            &["AIG-010", "AIG-011"],
            |purpose| {
                let legs = contract(purpose).into_iter();
                if purpose.streamed {
                    legs.take(1).map(|(model, _)| (model, 1)).collect()
                } else {
                    legs.collect()
                }
            },
        ),
    ]
}

fn on_what() -> Vec<Draft> {
    vec![
        statuses(
            "retry-on-400",
            "A call is made again after 400",
            &["AIG-011"],
            |status| is_retryable(status) || status == 400,
        ),
        statuses(
            "retry-on-every-failure",
            "A call is made again whatever the failure was",
            &["AIG-011"],
            |status| status >= 400,
        ),
        statuses(
            "retry-on-every-5xx",
            "A call is made again after every 5xx, those among them that the contract has final",
            &["AIG-011"],
            |status| status == 429 || status >= 500,
        ),
        statuses(
            "retry-on-401",
            "A call is made again after 401 and 403",
            &["AIG-011"],
            |status| is_retryable(status) || matches!(status, 401 | 403),
        ),
        statuses(
            "retry-on-408",
            "A call is made again after 408",
            &["AIG-011"],
            |status| is_retryable(status) || status == 408,
        ),
        statuses(
            "retry-on-errors-of-the-edge",
            "A call is made again after what Cloudflare's edge says of an origin, 524 or not",
            &["AIG-011"],
            |status| is_retryable(status) || matches!(status, 520..=530),
        ),
        statuses("429-is-final", "429 is final", &["AIG-011"], |status| {
            is_retryable(status) && status != 429
        }),
        statuses("503-is-final", "503 is final", &["AIG-011"], |status| {
            is_retryable(status) && status != 503
        }),
        statuses(
            "524-is-final",
            "A timeout that the gateway reports is final",
            &["AIG-011"],
            |status| is_retryable(status) && status != 524,
        ),
        of(
            "fallback-on-every-failure",
            "The fallback is asked after failures that are final",
            &["AIG-011"],
            Rubric {
                falls_back: |status| status >= 400,
                ..Rubric::default()
            },
        ),
        of(
            "fallback-never-on-429",
            "429 is tried again and leads to no fallback",
            &["AIG-011"],
            Rubric {
                legs: |purpose| contract(purpose),
                again: is_retryable,
                falls_back: |status| is_retryable(status) && status != 429,
                ..Rubric::default()
            },
        ),
        of(
            "errors-in-200-retried",
            "A 200 with an error in it is tried again",
            &["AIG-011"],
            Rubric {
                reads_errors: true,
                ..Rubric::default()
            },
        ),
    ]
}
