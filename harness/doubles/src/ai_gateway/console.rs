//! The gateway double's own addresses: its journal, to read and to clear. It never shows a secret.

use serde_json::{Map, Value, json};

use super::{
    attempt::{Attempt, Endpoint, Outcome},
    hub::{Alone, Hub},
    journal::AttemptId,
};
use crate::{
    clock,
    console::{Told, parameter},
    wire::Received,
};

const KNOWN: [&str; 2] = [
    "GET /__moltproof/journal?since=N&marker=TOKEN",
    "DELETE /__moltproof/journal",
];
/// Headers whose values nobody is to see in a terminal or a bug report.
const SECRET_HEADERS: [&str; 6] = [
    "authorization",
    "cf-aig-authorization",
    "proxy-authorization",
    "cookie",
    "x-api-key",
    "cf-access-client-secret",
];

/// What one of the addresses answers, once it has done what it is for.
pub(super) fn answer(hub: &Hub, alone: &Alone, path: &str, received: &Received) -> Told {
    match (received.method.as_str(), path) {
        ("GET", "journal") => {
            let since = match parameter(received, "since").map(|since| since.parse::<u64>()) {
                None => 0,
                Some(Ok(since)) => since,
                Some(Err(_invalid)) => {
                    return Told::invalid("`since` is the number of a call, such as since=12");
                }
            };
            let marker = parameter(received, "marker");
            Told::ok(journal(hub, alone, since, marker.as_deref()))
        }
        ("DELETE", "journal") => Told::ok(json!({"cleared": hub.journal.clear()})),
        _ => Told::unknown(&KNOWN),
    }
}

fn journal(hub: &Hub, alone: &Alone, since: u64, marker: Option<&str>) -> Value {
    let calls: Vec<Value> = hub
        .journal
        .numbered()
        .into_iter()
        // Numbers start at 1, so that `since=0` is everything.
        .filter(|(id, _)| id + 1 > since)
        .filter(|(_, attempt)| marker.is_none_or(|wanted| attempt.marker == wanted))
        .map(|(id, attempt)| call(id, &attempt, alone))
        .collect();
    let last = calls
        .last()
        .and_then(|call| call["number"].as_u64())
        .unwrap_or(since);
    json!({"calls": calls, "last": last})
}

fn call(id: AttemptId, attempt: &Attempt, alone: &Alone) -> Value {
    let headers: Vec<Value> = attempt
        .headers
        .iter()
        .map(|(name, value)| json!([name, shown(name, value, alone)]))
        .collect();
    let mut call = Map::new();
    let mut put = |name: &str, value: Value| {
        call.insert(name.to_owned(), value);
    };
    put("number", json!(id + 1));
    put("at_ms", json!(clock::ms(attempt.at)));
    put("marker", json!(attempt.marker));
    put("method", json!(attempt.method));
    put("path", json!(attempt.path));
    put("endpoint", json!(endpoint(attempt.endpoint)));
    put("model", json!(attempt.model));
    put("stream", json!(attempt.stream));
    put("step", json!(attempt.step));
    put("authorization", json!(authorization(attempt, alone)));
    put("metadata_sent", json!(attempt.metadata_raw));
    put("metadata_kept", json!(attempt.metadata_kept));
    put("timeout_stated_ms", json!(attempt.timeout_stated_ms));
    put("fault", json!(attempt.fault));
    put("outcome", outcome(attempt.outcome));
    put("chunks_sent", json!(attempt.chunks_sent));
    put("client_gone", json!(attempt.client_gone));
    put("finished_at_ms", json!(attempt.finished_at.map(clock::ms)));
    put("headers", Value::Array(headers));
    put("body", attempt.body.clone());
    without_key(Value::Object(call), &alone.key)
}

/// Somebody who sends the key in a place of its own is not to find it here either.
fn without_key(value: Value, key: &str) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace(key, "(the key)")),
        Value::Array(list) => list
            .into_iter()
            .map(|item| without_key(item, key))
            .collect(),
        Value::Object(map) => map
            .into_iter()
            .map(|(name, value)| (name.replace(key, "(the key)"), without_key(value, key)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

/// The value of a header; of a secret one only what can be said without showing it.
fn shown(name: &str, value: &str, alone: &Alone) -> String {
    if SECRET_HEADERS.contains(&name) {
        fact(value, alone).to_owned()
    } else {
        value.to_owned()
    }
}

fn fact(value: &str, alone: &Alone) -> &'static str {
    if alone.is_key(value) {
        "(the key)"
    } else if value.trim().is_empty() {
        "(empty)"
    } else {
        "(another value)"
    }
}

/// What `cf-aig-authorization` says.
fn authorization(attempt: &Attempt, alone: &Alone) -> &'static str {
    let value = attempt.authorization.as_deref();
    value.map_or("(absent)", |value| fact(value, alone))
}

fn endpoint(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::WorkersAiNative => "workers-ai-native",
        Endpoint::WorkersAiOpenAi => "workers-ai-openai",
        Endpoint::Compat => "compat",
        Endpoint::Universal => "universal",
        Endpoint::OtherProvider => "other-provider",
        Endpoint::Unknown => "unknown",
    }
}

fn outcome(outcome: Outcome) -> Value {
    match outcome {
        Outcome::Answered(status) => json!({"kind": "answered", "status": status}),
        Outcome::TimedOut => json!({"kind": "timed-out"}),
        Outcome::Hung => json!({"kind": "hung"}),
        Outcome::Reset => json!({"kind": "reset"}),
        Outcome::Cut => json!({"kind": "cut"}),
        Outcome::InProgress => json!({"kind": "in-progress"}),
    }
}
