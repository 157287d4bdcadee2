//! What the caller is told: the model's text, the step that answered, a failure without its secrets. Never looks at the journal but to count.

use super::TEXT;
use super::calls::calls;
use crate::doubles::{Endpoint, Reply, Script};
use crate::evidence::Exchange;
use crate::oracle::completion;
use crate::run::scene::{Scene, describe};
use crate::said::said;
use crate::steps::book::{Args, Book};
use crate::verdict::{Check, Stop};
use serde_json::Value;
use std::time::Duration;

/// Within this time after an answer its log line is there.
const LOGGED_MAX: Duration = Duration::from_secs(2);

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step("the caller gets the model's text", |s, a| {
        Box::pin(gets_text(s, a))
    });
    book.step(r#"the caller is told step "(\d)""#, |s, a| {
        Box::pin(told_step(s, a))
    });
    book.step(
        r#"the log tells step "(\d)" and the (8b|70b) model for tenant "([^"]+)""#,
        |s, a| Box::pin(log_tells(s, a)),
    );
    book.step(
        "the answer counts the upstream calls as attempts",
        |s, a| Box::pin(counts_attempts(s, a)),
    );
    book.step(
        "the answer says that the upstream failed or timed out",
        |s, a| Box::pin(failed_or_timed_out(s, a)),
    );
    book.step(
        r"the upstream fails with (\d+) and an? (gateway|provider|plain) body full of secrets",
        |s, a| Box::pin(fails_with_secrets(s, a)),
    );
    book.step("the answer shows nothing of the upstream's body", |s, a| {
        Box::pin(shows_nothing(s, a))
    });
    book.step(
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
    let content_type = answer.header("content-type").unwrap_or_default().to_owned();
    let text = if content_type.starts_with("text/event-stream") {
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

async fn gets_text(s: &mut Scene, _a: Args) -> Check {
    if s.instance().await?.gateway.is_none() {
        return gets_any_text(s).await;
    }
    let answer = s.last()?;
    s.expect_status(&answer, 200)?;
    let content_type = answer.header("content-type").unwrap_or_default().to_owned();
    if content_type.starts_with("text/event-stream") {
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
    s.expect_status(&answer, 200)?;
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

/// Log lines may write a number as number or as text.
fn same(value: Option<&Value>, expected: &str) -> bool {
    value.is_some_and(|value| {
        value.as_str().map_or_else(
            || {
                value
                    .as_u64()
                    .is_some_and(|number| expected.parse() == Ok(number))
            },
            |text| text == expected,
        )
    })
}

async fn log_tells(s: &mut Scene, a: Args) -> Check {
    let (step, model) = (a.text(1).to_owned(), super::model_word(a.text(2))?);
    let tenant = s.tenant(a.text(3))?;
    let expected = format!(
        "a log line `ai_answered` with step {step} and model {model} for tenant {}",
        tenant.id
    );
    s.wait_for_log(&expected, LOGGED_MAX, |line| {
        line.json().is_some_and(|line| {
            same(line.get("event"), "ai_answered")
                && same(line.get("tenant_id"), &tenant.id)
                && same(line.get("step"), &step)
                && same(line.get("model"), model)
        })
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
