//! What answers of public routes carry: quota headers and cache rules. Never asserts what they say otherwise, beyond their status.

use super::{LIMITED, free_quota, number_in, quota};
use crate::client::Request;
use crate::doubles::{Reply, Script};
use crate::evidence::Exchange;
use crate::oracle::{cache_control, retry_after};
use crate::run::book::{Args, Book};
use crate::run::capture::point_at;
use crate::run::scene::{Scene, misshapen};
use crate::said::said;
use crate::steps::operating::expect_first;
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, OrUnmet as _, Stop};
use serde_json::json;
use std::sync::Arc;

/// What the contract allows for the health route.
const HEALTH_SECONDS: u64 = 10;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"every admitted answer to tenant "([^"]+)" states limit, rest and reset"#,
        |s, a| Box::pin(all_state(s, a)),
    );
    book.step(r"the answer states limit, rest and reset", |s, a| {
        Box::pin(states(s, a))
    });
    book.step(
        r"the answer states the quota of an? (free|premium|enterprise) tenant",
        |s, a| Box::pin(states_quota(s, a)),
    );
    book.step(r"a cache may keep the answer for 10 seconds", |s, a| {
        Box::pin(may_be_kept(s, a))
    });
    book.step(
        r#"no cache may keep an answer to tenant "([^"]+)""#,
        |s, a| Box::pin(none_kept(s, a)),
    );
    book.step(r"the answer may not be kept by any cache", |s, a| {
        Box::pin(not_kept(s, a))
    });
    book.step(
        r"a stranger asks for the status of a host that is nobody's",
        |s, a| Box::pin(stranger_asks(s, a)),
    );
}

/// Asks for one kind of answer and asserts its status, so that it is the answer that is meant.
async fn provoke(s: &mut Scene, tenant: &Tenant, name: &str) -> Result<Arc<Exchange>, Stop> {
    let dialect = s.dialect();
    let host = tenant.host.as_str();
    let message = json!({ "role": "user", "content": Scene::prompt(&s.marker()) });
    let (request, status) = match name {
        "status" => (s.status_request(host), 200),
        "chat" => (s.chat_request(host), 200),
        "streamed chat" => {
            let body = json!({ "messages": [message], "stream": true });
            (s.chat_request_with(host, &body), 200)
        }
        "malformed chat" => (
            s.chat_request_with(host, &json!({ "messages": "none" })),
            400,
        ),
        "too large chat" => {
            let text = "x".repeat(s.run.target.limits().body_max + 1);
            let body = json!({ "messages": [{ "role": "user", "content": text }] });
            (s.chat_request_with(host, &body), 413)
        }
        "failed chat" => {
            // What upstream refuses so is not tried again, and soon told.
            let (marker, gateway) = (s.marker(), s.gateway().await?);
            gateway.script(&marker, Script::always(Reply::status(400)));
            (s.chat_request(host), 502)
        }
        "unknown route" => (Request::new("GET", "/nothing-here").host(host), 404),
        "wrong method" => (Request::new("DELETE", dialect.status).host(host), 405),
        _ => return Err(Stop::Fault(format!("no answer \"{name}\""))),
    };
    let answer = s.send(request).await?;
    let is_meant = answer.status == status;
    let expected = format!("the answer \"{name}\" with status {status}");
    expect_first(s, &answer, is_meant, expected)?;
    Ok(answer)
}

async fn all_state(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    for row in a.rows() {
        let name = row.first().map_or("", String::as_str);
        let answer = provoke(s, &tenant, name).await?;
        // That it is the tier's quota is another promise.
        expect_stated(s, &answer, None).await?;
    }
    Ok(())
}

async fn states(s: &mut Scene, _a: Args) -> Check {
    let answer = s.last()?;
    expect_stated(s, &answer, None).await
}

async fn states_quota(s: &mut Scene, a: Args) -> Check {
    let (answer, (limit, _period)) = (s.last()?, quota(s, a.text(1)).await?);
    let told = number_in(&answer, "x-ratelimit-limit");
    let check = s.expect(
        told == Some(limit),
        format!("X-RateLimit-Limit: {limit}"),
        || {
            point_at(&answer);
            said(&answer.header_all("x-ratelimit-limit"))
        },
    );
    if told.is_none() {
        check.or_unmet("RL-011")
    } else {
        check
    }
}

/// Asserts the three headers: the limit, what is left of it, whole seconds to the end of the window.
pub(super) async fn expect_stated(s: &mut Scene, answer: &Exchange, limit: Option<u32>) -> Check {
    let period = free_quota(s).await?.1.as_secs();
    let told = number_in(answer, "x-ratelimit-limit");
    let right = match limit {
        Some(limit) => told == Some(limit),
        None => told.is_some_and(|told| told > 0),
    };
    let headers = |answer: &Exchange| {
        point_at(answer);
        let quota = answer
            .headers
            .iter()
            .filter(|(name, _)| name.starts_with("x-ratelimit"));
        format!(
            "{} on status {}",
            said(&quota.collect::<Vec<_>>()),
            answer.status
        )
    };
    let wanted = limit.map_or("a limit".to_owned(), |limit| limit.to_string());
    s.expect(right, format!("X-RateLimit-Limit: {wanted}"), || {
        headers(answer)
    })?;
    let rest = number_in(answer, "x-ratelimit-remaining");
    s.expect(
        rest.zip(told).is_some_and(|(rest, told)| rest < told),
        "X-RateLimit-Remaining: a whole number below the limit",
        || headers(answer),
    )?;
    let reset = answer
        .header("x-ratelimit-reset")
        .and_then(retry_after::whole_seconds);
    s.expect(
        reset.is_some_and(|reset| is_within(reset, answer, period)),
        format!(
            "X-RateLimit-Reset: whole seconds from 0 to {period}, or the moment within them in seconds of the epoch"
        ),
        || headers(answer),
    )
}

/// From here on a number of seconds is a moment: as a time to wait it would be thirty years.
const MOMENT_MIN: u64 = 1_000_000_000;

/// So many seconds the target's clock may differ from the one here, rounding included.
const CLOCKS_DIFFER_MAX: u64 = 1;

/// Whether a reset lies within a period of the answer: told as seconds until then, or as a moment.
fn is_within(reset: u64, answer: &Exchange, period: u64) -> bool {
    if reset < MOMENT_MIN {
        return reset <= period;
    }
    let Ok(sent_ms) = u64::try_from(answer.sent_at_ms) else {
        return false;
    };
    let first = (sent_ms / 1_000).saturating_sub(CLOCKS_DIFFER_MAX);
    let took_ms = u64::try_from(answer.done_after.as_millis()).unwrap_or(0);
    let done_ms = sent_ms + took_ms;
    let last = done_ms.div_ceil(1_000) + period + CLOCKS_DIFFER_MAX;
    (first..=last).contains(&reset)
}

/// The route that no backend has: whoever answers it as the health answers everything alike.
const NO_ROUTE: &str = "/mp-no-such-route";

/// Every other route: also for a server that says of whatever it is asked how long it may be kept.
async fn other_route(s: &mut Scene) -> Check {
    let request = Request::new("GET", NO_ROUTE);
    let answer = s.send(request).await?;
    let is_refused = (400..500).contains(&answer.status);
    expect_first(
        s,
        &answer,
        is_refused,
        "a route that does not exist refused",
    )?;
    expect_not_kept(s, &answer)
}

async fn may_be_kept(s: &mut Scene, _a: Args) -> Check {
    let answer = s.last()?;
    other_route(s).await?;
    let directives = cache_control::directives(&answer);
    let seconds = directives
        .get("max-age")
        .and_then(|value| value.as_deref())
        .and_then(retry_after::whole_seconds);
    let expected = "Cache-Control: public, max-age=10";
    let seen = format!(
        "Cache-Control {}",
        said(&answer.header_all("cache-control"))
    );
    let forbids = ["no-store", "no-cache", "private"]
        .iter()
        .any(|word| directives.contains_key(*word));
    let is_short = seconds.is_some_and(|seconds| seconds < HEALTH_SECONDS);
    if forbids || is_short {
        // Kept for less than it may be: nothing stale is ever served.
        point_at(&answer);
        return Err(misshapen(expected, seen));
    }
    let right = directives.contains_key("public") && seconds == Some(HEALTH_SECONDS);
    s.expect(right, expected, || {
        point_at(&answer);
        seen
    })
}

fn expect_not_kept(s: &mut Scene, answer: &Exchange) -> Check {
    s.expect(
        cache_control::forbids_storing(answer),
        "Cache-Control: no-store",
        || {
            point_at(answer);
            format!(
                "Cache-Control {} on {}",
                said(&answer.header_all("cache-control")),
                answer.line()
            )
        },
    )
}

async fn none_kept(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    for row in a.rows() {
        let name = row.first().map_or("", String::as_str);
        let answer = provoke(s, &tenant, name).await?;
        expect_not_kept(s, &answer)?;
    }
    Ok(())
}

async fn not_kept(s: &mut Scene, _a: Args) -> Check {
    let answer = s.last()?;
    expect_first(
        s,
        &answer,
        answer.status >= 400,
        format!("a refusal such as 429 {LIMITED}"),
    )?;
    expect_not_kept(s, &answer)
}

async fn stranger_asks(s: &mut Scene, _a: Args) -> Check {
    let app_domain = s.instance().await?.app_domain.clone();
    let request = s.status_request(&format!("nobody-{}.{app_domain}", s.token));
    s.send(request).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_is_a_time_to_wait_or_a_moment_of_the_period() {
        let mut answer = crate::evidence::samples::answer(200, "", "");
        answer.sent_at_ms = 1_800_000_000_400;
        let is_right = |reset| is_within(reset, &answer, 60);
        for reset in [0, 1, 60, 1_800_000_000, 1_800_000_030, 1_800_000_061] {
            assert!(is_right(reset), "{reset}");
        }
        for reset in [
            61,
            3_600,
            999_999_999,
            1_799_999_998,
            1_800_000_063,
            1_800_000_000_400,
            u64::MAX,
        ] {
            assert!(!is_right(reset), "{reset}");
        }
    }
}
