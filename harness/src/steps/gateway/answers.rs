//! What the caller is told: the model's text, the step that answered, a failure without its secrets. Never looks at the journal but to count.

use super::TEXT;
use super::calls::calls;
use crate::doubles::{Endpoint, Reply, Script};
use crate::evidence::Exchange;
use crate::observe::LogLine;
use crate::oracle::{completion, routing};
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, describe};
use crate::said::said;
use crate::verdict::{Check, OrUnmet as _, Stop};
use serde_json::Value;
use std::time::Duration;

/// Within this time after an answer its log line is there.
const LOGGED_MAX: Duration = Duration::from_secs(2);

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.asserting(
        &["AIG-017", "USG-008", "USG-009", "USG-016"],
        "the caller gets the model's text",
        |s, a| Box::pin(gets_text(s, a)),
    );
    book.asserting(&["AIG-012"], r#"the caller is told step "(\d)""#, |s, a| {
        Box::pin(told_step(s, a))
    });
    book.asserting(
        &["AIG-012"],
        r#"the log tells step "(\d)" and the (8b|70b) model for tenant "([^"]+)""#,
        |s, a| Box::pin(log_tells(s, a)),
    );
    book.asserting(
        &["AIG-013"],
        "the answer counts the upstream calls as attempts",
        |s, a| Box::pin(counts_attempts(s, a)),
    );
    book.asserting(
        &["AIG-013"],
        "the answer says that the upstream failed or timed out",
        |s, a| Box::pin(failed_or_timed_out(s, a)),
    );
    book.step(
        r"the upstream fails with (\d+) and an? (gateway|provider|plain) body full of secrets",
        |s, a| Box::pin(fails_with_secrets(s, a)),
    );
    book.asserting(
        &["AIG-013"],
        "the answer shows nothing of the upstream's body",
        |s, a| Box::pin(shows_nothing(s, a)),
    );
    book.asserting(
        &["AIG-019"],
        "the answer has neither redirect nor cookie of the upstream",
        |s, a| Box::pin(no_redirect_no_cookie(s, a)),
    );
}

/// What a real model says nobody knows: any text will do.
async fn gets_any_text(s: &mut Scene) -> Check {
    let answer = s.last()?;
    let code = answer.text_at("/error/code").unwrap_or_default();
    if [502, 504].contains(&answer.status) && code.starts_with("AI_UPSTREAM") {
        return Err(Stop::NotVerified(format!(
            "the real upstream failed ({}): run it again",
            describe(&answer)
        )));
    }
    s.expect_status(&answer, 200)?;
    let text = if answer.media_type() == "text/event-stream" {
        Some(completion::streamed(&answer.text()))
            .filter(|read| read.done)
            .map(|read| read.text)
    } else {
        answer.json().as_ref().and_then(completion::text)
    };
    s.expect(
        text.is_some_and(|text| !text.is_empty()),
        "a chat completion with a text, or a stream of one that ends with [DONE]",
        || describe(&answer),
    )
}

/// Criteria about what the AI Gateway sees. What the caller reads says nothing of it: that the calls were made is seen by themselves.
const OF_CALLS: [&str; 14] = [
    "AIG-001", "AIG-002", "AIG-003", "AIG-004", "AIG-005", "AIG-006", "AIG-007", "AIG-010",
    "AIG-011", "AIG-014", "AIG-016", "AIG-020", "AIG-021", "AIG-022",
];

async fn gets_text(s: &mut Scene, _a: Args) -> Check {
    let mut own = s.planned.criteria.iter();
    if own.all(|id| OF_CALLS.contains(&id.as_str())) {
        return Ok(());
    }
    if s.instance().await?.gateway.is_none() {
        return gets_any_text(s).await;
    }
    let answer = s.last()?;
    s.expect_status(&answer, 200)?;
    if answer.media_type() == "text/event-stream" {
        let read = completion::streamed(&answer.text());
        return s.expect(
            read.text == TEXT && read.done,
            format!("a stream of chat completion chunks that say \"{TEXT}\" and end with [DONE]"),
            || format!("{read} from {}", describe(&answer)),
        );
    }
    let seen = answer.json().as_ref().and_then(completion::text);
    s.expect(
        seen.as_deref() == Some(TEXT),
        format!("a chat completion that says \"{TEXT}\""),
        || describe(&answer),
    )
}

async fn told_step(s: &mut Scene, a: Args) -> Check {
    let answer = s.last()?;
    s.expect_status(&answer, 200)
        .or_unmet("a chat whose model answered")?;
    let asked = calls(s).await?;
    if asked
        .iter()
        .any(|call| call.endpoint == Endpoint::Universal)
        && asked
            .iter()
            .any(|call| call.header("cf-aig-step").is_some())
    {
        return Err(Stop::NotVerified(
            "behind the Universal endpoint the gateway's own step cannot be told from a claimed one"
                .to_owned(),
        ));
    }
    // Which step answered is seen by the models; that a fallback was to come is not promised here.
    if let (Some(first), Some(last)) = (asked.first(), asked.last()) {
        let step = if first.model == last.model { "0" } else { "1" };
        s.expect_eq("the step that answered:", &a.text(1), &step)
            .or_unmet("AIG-010")?;
    }
    let expected = vec![a.text(1)];
    let seen = answer.header_all("cf-aig-step");
    s.expect(
        seen == expected,
        format!("one header cf-aig-step: {}", a.text(1)),
        || {
            format!(
                "cf-aig-step {seen}; {}",
                describe(&answer),
                seen = said(&seen)
            )
        },
    )
}

/// Whether a value says this step under a name that speaks of one, however deep.
fn says_step(value: &Value, step: &str) -> bool {
    let is = |value: &Value| match value {
        Value::Number(number) => number.to_string() == step,
        Value::String(text) => text == step,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    };
    match value {
        Value::Object(fields) => fields.iter().any(|(name, value)| {
            (name.to_ascii_lowercase().contains("step") && is(value)) || says_step(value, step)
        }),
        Value::Array(values) => values.iter().any(|value| says_step(value, step)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Whether a log line tells a step, as JSON or in words: `step 1`, `step=1`, `cf-aig-step: 1`.
fn tells_step(line: &LogLine, step: &str) -> bool {
    if let Some(json) = line.json() {
        return says_step(&json, step);
    }
    let text = line.text.to_ascii_lowercase();
    text.split("step").skip(1).any(|rest| {
        let rest = rest.trim_start_matches(|c: char| c.is_whitespace() || "\"'=:".contains(c));
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        &rest[..digits] == step
    })
}

/// The step is looked for in any line that is about this prompt, whatever its event is called.
async fn log_tells(s: &mut Scene, a: Args) -> Check {
    let (step, model) = (a.text(1).to_owned(), super::model_word(a.text(2))?);
    let other = [routing::FREE_MODEL, routing::PREMIUM_MODEL]
        .into_iter()
        .find(|other| *other != model)
        .unwrap_or_default();
    let (tenant, answer) = (s.tenant(a.text(3))?, s.last()?);
    let mut own = vec![tenant.id, tenant.slug, tenant.sandbox_id, s.marker()];
    own.extend(answer.header("x-request-id").map(str::to_owned));
    own.retain(|word| !word.is_empty());
    let expected = format!(
        "a log line that tells step {step} for tenant {}",
        own.first().map_or("", String::as_str)
    );
    s.wait_for_log(&expected, LOGGED_MAX, |line| {
        let has = |word: &str| line.text.contains(word);
        // Which model answered may be left out, but a line that names the other one alone says something else.
        let is_other = has(other) && !has(model);
        line.is_event("upstream_step") != Some(false)
            && line.is_tied_to(&own)
            && tells_step(line, &step)
            && !is_other
    })
    .await
    .map(drop)
}

async fn counts_attempts(s: &mut Scene, _a: Args) -> Check {
    let answer = s.last()?;
    let expected = calls(s).await?.len();
    let pointer = s.dialect().error_attempts;
    let seen = answer.at(&pointer);
    s.expect(
        seen.as_ref().and_then(Value::as_u64) == u64::try_from(expected).ok(),
        format!("{expected} attempts at {pointer}, as the AI Gateway saw them"),
        || describe(&answer),
    )
}

async fn failed_or_timed_out(s: &mut Scene, _a: Args) -> Check {
    let answer = s.last()?;
    // How the gateway words its own timeout is not published: 524 may be read as a status or as a timeout.
    if answer.status == 504 {
        return s.expect_error(&answer, 504, "AI_UPSTREAM_TIMEOUT");
    }
    s.expect_error(&answer, 502, "AI_UPSTREAM_FAILED")
}

fn canary(s: &Scene) -> String {
    format!("upstream-secret-{}", s.token)
}

async fn key(s: &mut Scene) -> Result<Option<String>, Stop> {
    Ok(s.instance().await?.ai_gateway_key.clone())
}

async fn fails_with_secrets(s: &mut Scene, a: Args) -> Check {
    let (status, marker) = (a.number(1)?, s.marker());
    let key = key(s).await?.unwrap_or_default();
    let secret = format!("{} for Bearer {key} at /srv/models/llama.py:17", canary(s));
    let reply = match a.text(2) {
        "gateway" => Reply::gateway_error(2002, status, &secret),
        "provider" => Reply::provider_error(status, 3043, &secret),
        _ => Reply::body(status, Value::from(secret.clone())),
    };
    let reply = reply.header("x-upstream-debug", &secret);
    s.gateway().await?.script(&marker, Script::always(reply));
    Ok(())
}

fn everything(answer: &Exchange) -> String {
    let headers: Vec<String> = answer
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    format!("{}\n{}", headers.join("\n"), answer.text())
}

async fn shows_nothing(s: &mut Scene, _a: Args) -> Check {
    let (answer, canary) = (s.last()?, canary(s));
    let all = everything(&answer);
    s.expect(
        !all.contains(&canary) && !all.contains("llama.py"),
        "nothing of the upstream's body or headers in the answer",
        || all.clone(),
    )?;
    let Some(key) = key(s).await? else {
        return Ok(());
    };
    s.expect(
        !all.contains(&key),
        "nothing of the AI Gateway's key in the answer",
        || all.replace(&key, "[the key]"),
    )
}

async fn no_redirect_no_cookie(s: &mut Scene, _a: Args) -> Check {
    let answer = s.last()?;
    let cookies = answer.header_all("set-cookie").join("; ");
    s.expect(
        !cookies.contains("__cf_bm=upstream-session"),
        "no Set-Cookie of the upstream",
        || format!("set-cookie: {cookies}"),
    )?;
    let location = answer.header("location").map(str::to_owned);
    // A status that leads nowhere is the upstream's answer passed on, not its redirect.
    if location.is_none() {
        return s
            .expect(!(300..400).contains(&answer.status), "no redirect", || {
                describe(&answer)
            })
            .or_unmet("AIG-013");
    }
    s.expect(
        !(300..400).contains(&answer.status) && location.is_none(),
        "no redirect",
        || {
            format!(
                "location {location}, {}",
                describe(&answer),
                location = said(&location)
            )
        },
    )
}
