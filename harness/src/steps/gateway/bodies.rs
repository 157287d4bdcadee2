//! Prompts that are no prompts: malformed and oversized bodies, each with the scenario's marker as far as it can carry one.
//! Never sends one that the contract lets pass, but for its positive control.

use super::calls::mark_calls;
use super::prompts::chat_body;
use crate::client::Request;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach, describe, misshapen};
use crate::steps::operating::{expect_usage_count, presuppose};
use crate::verdict::{Check, Stop};
use serde_json::{Value, json};

/// Note: how many of the prompts were answered.
const ANSWERED: &str = "prompts that were answered";
/// Arrays in arrays: more than a recursive parser's stack may bear.
const DEPTH: usize = 10_000;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"tenant "([^"]+)" sends each of these as prompt"#,
        |s, a| Box::pin(sends_each(s, a)),
    );
    book.asserting(
        &["USG-013"],
        r#"of those prompts only the answered ones have been billed to tenant "([^"]+)""#,
        |s, a| Box::pin(only_answered_billed(s, a)),
    );
    book.step(r#"tenant "([^"]+)" sends as prompt (.+)"#, |s, a| {
        Box::pin(sends(s, a))
    });
    book.asserting(
        &["AIG-018"],
        "the answer is refused as malformed or too large",
        |s, a| Box::pin(is_refused(s, a)),
    );
}

fn message(marker: &str) -> Value {
    json!({ "role": "user", "content": Scene::prompt(marker) })
}

/// The body of this name; `None` for a name that is none.
fn malformed(name: &str, marker: &str) -> Option<Vec<u8>> {
    let whole = chat_body(marker, false).to_string();
    let text = match name {
        "nothing" => String::new(),
        "a text that is no JSON" => Scene::prompt(marker),
        "a JSON text" => json!(Scene::prompt(marker)).to_string(),
        "a JSON list" => json!([message(marker)]).to_string(),
        "null" => "null".to_owned(),
        "a prompt cut off in the middle" => whole[..whole.len() - 3].to_owned(),
        "a prompt with garbage behind" => format!("{whole} }}"),
        "no messages" => json!({ "prompt": Scene::prompt(marker) }).to_string(),
        "messages that are null" => {
            json!({ "messages": null, "prompt": Scene::prompt(marker) }).to_string()
        }
        "messages that are a text" => json!({ "messages": Scene::prompt(marker) }).to_string(),
        "messages that are an object" => json!({ "messages": message(marker) }).to_string(),
        // Without a field that a strict backend would refuse for itself.
        "an object without anything" => "{}".to_owned(),
        "messages that are null, and nothing else" => json!({ "messages": null }).to_string(),
        "an empty list of messages, and nothing else" => json!({ "messages": [] }).to_string(),
        "an empty list of messages" => {
            json!({ "messages": [], "prompt": Scene::prompt(marker) }).to_string()
        }
        "a message that is a text" => json!({ "messages": [Scene::prompt(marker)] }).to_string(),
        "a role that is a number" => {
            json!({ "messages": [{ "role": 5, "content": Scene::prompt(marker) }] }).to_string()
        }
        "content that is a number" => {
            json!({ "messages": [message(marker), { "role": "user", "content": 5 }] }).to_string()
        }
        "a system's content that is a number" => {
            json!({ "messages": [{ "role": "system", "content": 5 }, message(marker)] }).to_string()
        }
        "an assistant's content that is an object" => {
            json!({ "messages": [message(marker), { "role": "assistant", "content": { "text": "x" } }] }).to_string()
        }
        "a message without content" => {
            json!({ "messages": [message(marker), { "role": "user" }] }).to_string()
        }
        "a stream flag that is a text" => {
            json!({ "messages": [message(marker)], "stream": "yes" }).to_string()
        }
        "messages nested 10,000 deep" => format!(
            "{{\"user\":\"{}\",\"messages\":{}{}}}",
            Scene::prompt(marker),
            "[".repeat(DEPTH),
            "]".repeat(DEPTH)
        ),
        "a prompt that is not UTF-8" => {
            let mut bytes = whole.into_bytes();
            let at = bytes.iter().position(|byte| *byte == b'S')?;
            bytes[at] = 0xff;
            return Some(bytes);
        }
        _ => return None,
    };
    Some(text.into_bytes())
}

/// A good prompt of exactly this many bytes.
fn padded(marker: &str, len: usize) -> Vec<u8> {
    let body = |padding: &str| {
        json!({ "messages": [message(marker), { "role": "user", "content": padding }] }).to_string()
    };
    let padding = len.saturating_sub(body("").len());
    body(&"x".repeat(padding)).into_bytes()
}

/// By how many bytes a prompt grows when it is put into the target's words.
fn said_beside(s: &Scene, marker: &str) -> usize {
    let body = padded(marker, 0);
    let length = body.len();
    let request = Request::new("POST", s.dialect().chat).bytes(body);
    let spoken = s.run.target.dialect().speak(request).request;
    spoken.body.len().saturating_sub(length)
}

/// The malformed body of this name.
fn named(name: &str, marker: &str) -> Result<Vec<u8>, Stop> {
    malformed(name, marker)
        .ok_or_else(|| Stop::Fault(format!("no malformed prompt is called `{name}`")))
}

/// A chat at a host with this body.
fn asking(s: &Scene, host: &str, body: Vec<u8>) -> Request {
    Request::new("POST", s.dialect().chat)
        .host(host)
        .header("content-type", "application/json")
        .bytes(body)
}

async fn sends(s: &mut Scene, a: Args) -> Check {
    let host = s.tenant(a.text(1))?.host;
    let marker = s.marker();
    // A prompt may grow when it is put into the target's words: the limit counts what is sent.
    let beside = said_beside(s, &marker);
    let body_max = s.run.target.limits().body_max.saturating_sub(beside);
    mark_calls(s).await?;
    let request = |body: Vec<u8>| asking(s, &host, body);
    // What may be refused before it is read is written by hand: a client that is still sending may miss the answer.
    match a.text(2) {
        "the largest allowed body" => {
            let request = request(padded(&marker, body_max));
            s.send_raw(host.as_bytes(), request).await
        }
        "a body one byte too large" => {
            let request = request(padded(&marker, body_max + 1));
            s.send_raw(host.as_bytes(), request).await
        }
        "a body far too large" => {
            let request = request(padded(&marker, body_max + 2_000_000));
            s.send_raw(host.as_bytes(), request).await
        }
        "a body one byte too large, its length untold" => {
            let request = request(padded(&marker, body_max + 1));
            s.send_chunked(request).await
        }
        name => {
            let request = request(named(name, &marker)?);
            s.send(request).await
        }
    }
    .map(drop)
}

/// Sends prompts of which each backend refuses some, one after the other, and counts those that were answered.
async fn sends_each(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let marker = s.marker();
    let list = a.list();
    let mut answered = 0;
    for name in &list {
        let request = asking(s, &tenant.host, named(name, &marker)?);
        let answer = s.send(request).await?;
        presuppose(
            &answer,
            answer.status != 429,
            "the quota is used up before all of these prompts were sent",
        )?;
        answered += usize::from(answer.status < 300);
    }
    if answered == list.len() {
        return Err(Stop::NotApplicable(
            "each of these prompts is answered: no gate refuses one".to_owned(),
        ));
    }
    s.notes.insert(ANSWERED.to_owned(), json!(answered));
    Ok(())
}

/// The prompt that followed them is billed as well.
async fn only_answered_billed(s: &mut Scene, a: Args) -> Check {
    let answered = s.notes.get(ANSWERED).and_then(Value::as_u64).unwrap_or(0);
    let answered = usize::try_from(answered).unwrap_or(usize::MAX);
    let tenant = s.tenant(a.text(1))?;
    expect_usage_count(s, &tenant, answered.saturating_add(1)).await
}

async fn is_refused(s: &mut Scene, _a: Args) -> Check {
    let answer = s.last()?;
    let expected = "400 INVALID_REQUEST or 413 PAYLOAD_TOO_LARGE";
    let is = |status: u16, code: &str| answer.status == status && answer.has_code(code);
    match answer.status {
        _ if is(400, "INVALID_REQUEST") || is(413, "PAYLOAD_TOO_LARGE") => {
            s.expect(true, expected, String::new)
        }
        // Refused as what it is, in another form.
        400 | 413 | 415 | 422 => Err(misshapen(expected, describe(&answer))),
        _ => Err(breach(expected, describe(&answer))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_padded_prompt_is_good_and_has_its_length() {
        let body = padded("abcdefgh01", 4096);
        assert_eq!(body.len(), 4096);
        assert!(serde_json::from_slice::<Value>(&body).is_ok());
    }

    #[test]
    fn only_the_broken_bytes_of_a_malformed_prompt_are_broken() {
        let body = malformed("a prompt that is not UTF-8", "abcdefgh01").unwrap();
        assert!(std::str::from_utf8(&body).is_err());
        assert!(String::from_utf8_lossy(&body).contains("[[mp-abcdefgh01]]"));
        assert_eq!(malformed("anything else", "abcdefgh01"), None);
    }
}
