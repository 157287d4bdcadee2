//! API-001: the fourteen tables, and usage and conversations from end to end. Never judges a rule of another criterion.

mod conversations;
mod declared;
mod histories;
mod refused;
mod schema;
mod together;
mod usage;

use crate::aspect::Aspect;
use crate::call::Call;
use crate::outcome::Stop;
use crate::scene::{Key, Scene};
use serde_json::{Value, json};

/// What is judged of API-001, by family.
pub(super) const FAMILIES: [&[Aspect]; 7] = [
    declared::ASPECTS,
    schema::ASPECTS,
    conversations::ASPECTS,
    histories::ASPECTS,
    together::ASPECTS,
    usage::ASPECTS,
    refused::ASPECTS,
];

/// A new conversation of a key's user.
async fn conversation(scene: &Scene<'_>, key: &Key) -> Result<String, Stop> {
    let made = scene
        .send(
            Call::post("/v1/conversations")
                .json(&json!({"title": "Of a scene"}))
                .by(&key.credential),
        )
        .await?
        .expect(201, |seen| Stop::breach("a conversation to be made", seen))?;
    let id = made.text("/id");
    if id.is_empty() {
        Err(Stop::breach("a conversation with an id", made.to_string()))
    } else {
        Ok(id)
    }
}

/// The messages of a conversation, page by page.
async fn messages(scene: &Scene<'_>, key: &Key, conversation: &str) -> Result<Vec<Value>, Stop> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/conversations/{conversation}/messages?limit=5{cursor}");
        let page = scene
            .send(Call::get(path).by(&key.credential))
            .await?
            .expect(200, |seen| {
                Stop::breach("the messages of a conversation", seen)
            })?;
        let more = page.list("/messages");
        let is_empty = more.is_empty();
        all.extend(more);
        match page.at("/next_cursor").as_str() {
            Some(next) if !is_empty => cursor = format!("&cursor={}", crate::words::encoded(next)),
            _ => return Ok(all),
        }
    }
}

/// What of a message was said: role, content, tool calls and the id of the call that it answers.
fn said(message: &Value) -> Value {
    let or_null = |field: &str| message.get(field).cloned().unwrap_or_default();
    json!([
        or_null("role"),
        or_null("content"),
        or_null("tool_calls"),
        or_null("tool_call_id")
    ])
}

/// That a conversation holds exactly these messages, at positions without a gap, whichever the first is.
fn holds(stored: &[Value], wanted: &[Value], when: &str) -> Result<(), Stop> {
    let wanted: Vec<Value> = wanted.iter().map(said).collect();
    let seen: Vec<Value> = stored.iter().map(said).collect();
    if seen != wanted {
        return Err(Stop::breach(
            format!("{} messages {when}: {}", wanted.len(), json!(wanted)),
            format!("{}: {}", seen.len(), json!(seen)),
        ));
    }
    if counts(stored) {
        return Ok(());
    }
    let positions: Vec<&Value> = stored.iter().map(|message| &message["position"]).collect();
    let seen = format!("positions {}", json!(positions));
    Err(Stop::breach("positions that count without a gap", seen))
}

/// Whether messages stand at positions that count without a gap from 0 or 1 on.
fn counts(stored: &[Value]) -> bool {
    let first = stored.first().map(|message| message["position"].clone());
    let is_at = |(at, message): (u64, &Value)| message["position"] == json!(at);
    match first.map(|first| first.as_u64()) {
        Some(Some(first)) => first <= 1 && (first..).zip(stored).all(is_at),
        Some(None) => false,
        None => true,
    }
}
