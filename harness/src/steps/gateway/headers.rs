//! Which headers travel upstream: the key does, and nothing of the caller's. Never prints the key.

use super::calls::{mark_calls, some_calls};
use super::prompts::{chat_body, prompt};
use crate::contract::need::Need;
use crate::doubles::Attempt;
use crate::run::book::{Args, Book};
use crate::run::scene::Scene;
use crate::said::said;
use crate::verdict::{Check, Stop};
use serde_json::{Value, json};

/// Note: the caller's own headers.
const SENT: &str = "the caller's own headers";

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"tenant "([^"]+)" prompts the model(?: plainly| (in a stream))? with headers of its own:"#,
        |s, a| Box::pin(prompts_with_headers(s, a)),
    );
    book.asserting(
        &["AIG-008"],
        "no upstream call carried any of the caller's headers",
        |s, a| Box::pin(none_carried(s, a)),
    );
    book.asserting(
        &["AIG-021"],
        "every upstream call carried the key of the AI Gateway in one header and nowhere else",
        |s, a| Box::pin(key_carried(s, a)),
    );
    book.asserting(
        &["AIG-021"],
        "no request to the team domain carried the key of the AI Gateway",
        |s, a| Box::pin(team_domain_without_key(s, a)),
    );
    book.asserting(
        &["AIG-021"],
        "no answer of the whole run shows the key",
        |s, a| Box::pin(no_answer_shows_key(s, a)),
    );
    book.asserting(
        &["AIG-021"],
        "no log line of the whole run shows the key",
        |s, a| Box::pin(no_log_shows_key(s, a)),
    );
}

fn canary(s: &Scene) -> String {
    format!("callers-own-{}", s.token)
}

async fn prompts_with_headers(s: &mut Scene, a: Args) -> Check {
    let host = s.tenant(a.text(1))?.host;
    let streamed = !a.text(2).is_empty();
    let canary = canary(s);
    let mut request = s.chat_request_with(&host, &chat_body(&s.marker(), streamed));
    let mut sent = Vec::new();
    for row in a.rows() {
        let [name, value] = row.as_slice() else {
            return Err(Stop::Fault("a header has a name and a value".to_owned()));
        };
        let value = value.replace("{canary}", &canary);
        request = request.header(name, value.clone());
        sent.push(json!([name.to_ascii_lowercase(), value]));
    }
    s.notes.insert(SENT.to_owned(), Value::Array(sent));
    prompt(s, request, streamed).await
}

async fn none_carried(s: &mut Scene, _a: Args) -> Check {
    let (sent, canary) = (s.notes.get(SENT).cloned().unwrap_or_default(), canary(s));
    let sent: Vec<(String, String)> = serde_json::from_value(sent)
        .map_err(|error| Stop::Fault(format!("the caller's headers are not noted: {error}")))?;
    s.expect(!sent.is_empty(), "headers of the caller", || {
        "none".to_owned()
    })?;
    let calls = some_calls(s).await?;
    let mut headers = calls.iter().flat_map(|call| &call.headers);
    // What the target sends by itself may equal what the caller sent.
    let own = if headers.any(|pair| sent.contains(pair)) {
        of_itself(s).await?
    } else {
        Vec::new()
    };
    for call in calls {
        let carried: Vec<String> = call
            .headers
            .iter()
            .filter(|pair| (sent.contains(pair) && !own.contains(pair)) || pair.1.contains(&canary))
            .map(|(name, _)| name.clone())
            .collect();
        s.expect(
            carried.is_empty(),
            "none of the caller's cf-aig-* headers and credentials on an upstream call",
            || format!("the caller's value in {}", carried.join(", ")),
        )?;
        let elsewhere = call.path.contains(&canary) || call.body.to_string().contains(&canary);
        s.expect(
            !elsewhere,
            "none of the caller's headers in path or body of an upstream call",
            || format!("in {} or its body", call.path),
        )?;
    }
    Ok(())
}

/// The headers of the calls that a prompt without headers of the caller leads to.
async fn of_itself(s: &mut Scene) -> Result<Vec<(String, String)>, Stop> {
    let prompted = s.last()?;
    let host = prompted.request.host.clone();
    let streamed = prompted.media_type() == "text/event-stream";
    let body = chat_body(&s.marker(), streamed);
    mark_calls(s).await?;
    let request = s.chat_request_with(&host, &body);
    s.send(request).await?;
    let calls = some_calls(s).await?;
    Ok(calls.into_iter().flat_map(|call| call.headers).collect())
}

/// The key that the target was started with; what it is must be known to find it where it must not be.
async fn key(s: &mut Scene) -> Result<String, Stop> {
    s.instance().await?.ai_gateway_key.clone().ok_or_else(|| {
        Stop::NotVerified(format!(
            "the target's CLOUDFLARE_AI_GATEWAY_API_KEY is not known: {}, and tell its key",
            Need::AiGateway.remedy()
        ))
    })
}

/// Where else than in its header a call shows the key.
fn shown_elsewhere(call: &Attempt, key: &str) -> Option<String> {
    let header = call
        .headers
        .iter()
        .find(|(name, value)| name != "cf-aig-authorization" && value.contains(key))
        .map(|(name, _)| format!("header {name}"));
    let path = call.path.contains(key).then(|| "the path".to_owned());
    let body = call
        .body
        .to_string()
        .contains(key)
        .then(|| "the body".to_owned());
    header.or(path).or(body)
}

async fn key_carried(s: &mut Scene, _a: Args) -> Check {
    let key = key(s).await?;
    let expected = format!("Bearer {key}");
    for (at, call) in some_calls(s).await?.iter().enumerate() {
        let number = at + 1;
        let seen: Vec<&str> = call
            .headers
            .iter()
            .filter(|(name, _)| name == "cf-aig-authorization")
            .map(|(_, value)| value.as_str())
            .collect();
        s.expect(
            !seen.is_empty() && seen.iter().all(|value| *value == expected),
            format!("cf-aig-authorization: Bearer <key> on call {number}"),
            || {
                let shown: Vec<String> = seen
                    .iter()
                    .map(|value| value.replace(&key, "<key>"))
                    .collect();
                said(&shown)
            },
        )?;
        let elsewhere = shown_elsewhere(call, &key);
        s.expect(
            elsewhere.is_none(),
            format!("the key nowhere else on call {number}"),
            || format!("the key in {}", elsewhere.clone().unwrap_or_default()),
        )?;
    }
    Ok(())
}

async fn team_domain_without_key(s: &mut Scene, _a: Args) -> Check {
    let key = key(s).await?;
    let access = s.access().await?;
    if access.fetches() == 0 {
        return Err(Stop::NotVerified(
            "the target has asked the team domain for nothing: what it would send there is not seen"
                .to_owned(),
        ));
    }
    let sent = access.was_sent(&key);
    s.expect(
        sent.is_none(),
        "the key sent to the AI Gateway alone, and not to the team domain",
        || {
            sent.map(|line| line.replace(&key, "<key>"))
                .unwrap_or_default()
        },
    )
}

async fn no_answer_shows_key(s: &mut Scene, _a: Args) -> Check {
    let key = key(s).await?;
    let answers = s.run.all_exchanges();
    s.expect(!answers.is_empty(), "answers in the run", || {
        "none".to_owned()
    })?;
    let shown = answers.iter().find(|answer| {
        answer.text().contains(&key) || answer.headers.iter().any(|(_, value)| value.contains(&key))
    });
    s.expect(
        shown.is_none(),
        format!("the key in none of {} answers", answers.len()),
        || shown.map(|answer| answer.line()).unwrap_or_default(),
    )
}

async fn no_log_shows_key(s: &mut Scene, _a: Args) -> Check {
    let key = key(s).await?;
    let lines = s.all_log_lines().await?;
    s.expect(!lines.is_empty(), "log lines of the run", || {
        "none".to_owned()
    })?;
    let shown = lines.iter().find(|line| line.text.contains(&key));
    s.expect(
        shown.is_none(),
        format!("the key in none of {} log lines", lines.len()),
        || {
            shown
                .map(|line| line.text.replace(&key, "<key>"))
                .unwrap_or_default()
        },
    )
}
