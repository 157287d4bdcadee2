//! Backends that let through what belongs to one side only: a caller's model and headers, the upstream's errors, cookies and redirects.
//! Never breaks more than one thing at a time.

use super::super::link::{Chat, Reply};
use super::{Draft, deviant};
use crate::tamper::{Ask, Tamper, Told, Unanswered, Upstream};
use async_trait::async_trait;
use hyper::header::{COOKIE, HeaderName, LOCATION, SET_COOKIE};
use serde_json::Value;
use std::sync::Arc;

const METADATA: &str = "cf-aig-metadata";
const STEP: &str = "cf-aig-step";

pub(super) fn all() -> Vec<Draft> {
    let mut all = models();
    all.extend(headers());
    all.extend(personal());
    all.extend(failures());
    all.extend(replies());
    all
}

/// The model that the caller names in its body.
fn named(chat: &Chat) -> Option<String> {
    Some(chat.asked.json()["model"].as_str()?.to_owned())
}

fn ask_for(ask: &mut Ask, model: &str) {
    let mut body = ask.json();
    body["model"] = model.into();
    ask.body = body.to_string().into();
}

fn models() -> Vec<Draft> {
    vec![
        deviant(
            "callers-model-wins",
            "The model that a caller names is asked",
            &["AIG-007"],
        )
        .calls(|chat, ask| {
            if let Some(model) = named(chat) {
                ask_for(ask, &model);
            }
        }),
        deviant(
            "callers-workers-ai-model-wins",
            "A Workers AI model that a caller names is asked, others are not",
            &["AIG-007"],
        )
        .calls(|chat, ask| {
            if let Some(model) = named(chat).filter(|model| model.starts_with("@cf/")) {
                ask_for(ask, &model);
            }
        }),
        deviant(
            "callers-model-wins-in-streams",
            "The model that a caller names is asked for streams",
            &["AIG-007"],
        )
        .calls(|chat, ask| {
            let streamed = chat.asked.json()["stream"] == true;
            if let Some(model) = named(chat).filter(|_| streamed) {
                ask_for(ask, &model);
            }
        }),
        deviant(
            "callers-model-as-fallback",
            "After a failure the model that a caller names is asked",
            &["AIG-007"],
        )
        .calls(|chat, ask| {
            if let Some(model) = named(chat).filter(|_| !chat.replies.is_empty()) {
                ask_for(ask, &model);
            }
        }),
        deviant(
            "callers-model-in-the-query-wins",
            "The model that a caller names in the query is asked",
            &["AIG-007"],
        )
        .calls(|chat, ask| {
            let query = chat.asked.path.split_once('?');
            let mut pairs = url::form_urlencoded::parse(query.unwrap_or_default().1.as_bytes());
            if let Some((_, model)) = pairs.find(|(name, _)| name == "model") {
                ask_for(ask, &model);
            }
        }),
        deviant(
            "callers-provider-called",
            "A base_url in the body is where the model is asked",
            &["AIG-014"],
        )
        .upstream(|| Some(Arc::new(WhereverAsked))),
    ]
}

struct WhereverAsked;

#[async_trait]
impl Tamper for WhereverAsked {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        match ask.json()["base_url"].as_str() {
            Some(base) => upstream.elsewhere(base).send(&ask).await,
            None => upstream.send(&ask).await,
        }
    }
}

/// Passes the caller's headers on that `which` names.
fn forwards(chat: &Chat, ask: &mut Ask, which: impl Fn(&HeaderName) -> bool) {
    for (name, value) in &chat.asked.headers {
        if which(name) {
            ask.headers.insert(name.clone(), value.clone());
        }
    }
}

fn headers() -> Vec<Draft> {
    let forwarding = |id, breaks, expected, which: fn(&HeaderName) -> bool| {
        deviant(id, breaks, expected).calls(move |chat, ask| forwards(chat, ask, which))
    };
    vec![
        forwarding(
            "callers-gateway-headers-forwarded",
            "Every cf-aig-* header of a caller reaches the AI Gateway",
            &["AIG-008", "AIG-021"],
            |name| name.as_str().starts_with("cf-aig-"),
        ),
        forwarding(
            "callers-cache-headers-forwarded",
            "A caller decides how the AI Gateway caches",
            &["AIG-008"],
            |name| name.as_str().starts_with("cf-aig-cache-"),
        ),
        forwarding(
            "callers-metadata-wins",
            "A caller's cf-aig-metadata takes the place of the backend's",
            &["AIG-008"],
            |name| name == METADATA,
        ),
        forwarding(
            "callers-gateway-key-wins",
            "A caller's cf-aig-authorization takes the place of the key",
            &["AIG-021", "AIG-008"],
            |name| name == "cf-aig-authorization",
        ),
        forwarding(
            "callers-authorization-forwarded",
            "A caller's Authorization reaches the AI Gateway",
            &["AIG-008"],
            |name| name == "authorization",
        ),
        forwarding(
            "callers-cookies-forwarded",
            "A caller's cookies reach the AI Gateway",
            &["AIG-008"],
            |name| name == COOKIE,
        ),
        forwarding(
            "access-tokens-forwarded",
            "Access tokens of a caller reach the AI Gateway",
            &["AIG-008"],
            |name| name.as_str().starts_with("cf-access-"),
        ),
        forwarding(
            "proxy-credentials-forwarded",
            "Headers that are for the next hop alone reach the AI Gateway",
            &["AIG-008"],
            |name| name == "proxy-authorization",
        ),
        deviant(
            "callers-headers-forwarded-on-retry",
            "A retry is made with the caller's own headers",
            &["AIG-008"],
        )
        .calls(|chat, ask| {
            if !chat.replies.is_empty() {
                forwards(chat, ask, |name| {
                    name == "authorization"
                        || name == COOKIE
                        || name.as_str().starts_with("cf-aig-")
                });
            }
        }),
    ]
}

/// Puts a text in the place of a value of the metadata.
fn says(ask: &mut Ask, key: &str, text: &str) {
    let metadata: Value =
        serde_json::from_str(ask.header(METADATA).unwrap_or_default()).unwrap_or_default();
    if let Value::Object(mut metadata) = metadata {
        metadata.insert(key.to_owned(), text.into());
        ask.set(METADATA, &Value::Object(metadata).to_string());
    }
}

fn personal() -> Vec<Draft> {
    vec![
        deviant(
            "metadata-with-the-users-mail",
            "What a caller says of its user stands in the metadata",
            &["AIG-003"],
        )
        .calls(|chat, ask| {
            if let Some(user) = chat.asked.json()["user"].as_str() {
                says(ask, "user", user);
            }
        }),
        deviant(
            "metadata-with-the-clients-ip",
            "The metadata has the client's ip in the place of the sandbox",
            &["AIG-003"],
        )
        .calls(|chat, ask| {
            let ip = chat.asked.header("cf-connecting-ip").unwrap_or("unknown");
            says(ask, "sandbox_id", ip);
        }),
        deviant(
            "metadata-on-the-first-attempt-only",
            "Retries and fallbacks carry no metadata",
            &["AIG-001", "AIG-020"],
        )
        .calls(|chat, ask| {
            if !chat.replies.is_empty() {
                ask.headers.remove(METADATA);
            }
        }),
        deviant(
            "key-on-the-first-attempt-only",
            "Retries and fallbacks carry no key",
            &["AIG-021"],
        )
        .calls(|chat, ask| {
            if !chat.replies.is_empty() {
                ask.headers.remove("cf-aig-authorization");
            }
        }),
        deviant(
            "timeout-on-the-first-attempt-only",
            "Retries and fallbacks state no timeout",
            &["AIG-009", "AIG-010"],
        )
        .calls(|chat, ask| {
            if !chat.replies.is_empty() {
                ask.headers.remove("cf-aig-request-timeout");
            }
        }),
    ]
}

/// The last failure that the upstream told, where the caller is told of one.
fn failed<'a>(chat: &'a Chat, told: &Told) -> Option<&'a Reply> {
    let is_failure = matches!(told.status, 502 | 504);
    chat.replies.last().filter(|_| is_failure)
}

fn failures() -> Vec<Draft> {
    vec![
        deviant(
            "upstream-error-passed-through",
            "A failure of the upstream reaches the caller as it is",
            &["AIG-013"],
        )
        .answers(|chat, told| {
            if let Some(reply) = failed(chat, told) {
                *told = Told::new(reply.status, "application/json", reply.body.clone());
            }
        }),
        deviant(
            "upstream-error-in-the-details",
            "The details of a failure hold what the upstream said",
            &["AIG-013"],
        )
        .answers(|chat, told| {
            if let Some(reply) = failed(chat, told) {
                let said = String::from_utf8_lossy(&reply.body).into_owned();
                set(told, "/error/details", "upstream", said.into());
            }
        }),
        deviant(
            "upstream-headers-in-a-failure",
            "A failure carries the headers of the upstream's",
            &["AIG-013"],
        )
        .answers(|chat, told| {
            if let Some(reply) = failed(chat, told) {
                for (name, value) in &reply.headers {
                    if name.as_str().starts_with("x-") && !told.headers.contains_key(name) {
                        told.headers.insert(name.clone(), value.clone());
                    }
                }
            }
        }),
        deviant(
            "upstream-status-passed-through",
            "A failure of the upstream is told with the upstream's status",
            &["AIG-013"],
        )
        .answers(|chat, told| {
            if let Some(reply) = failed(chat, told) {
                told.status = reply.status;
            }
        }),
        deviant(
            "upstream-400-blamed-on-the-caller",
            "What the upstream refuses is told as the caller's mistake",
            &["AIG-013"],
        )
        .answers(|chat, told| {
            if failed(chat, told).is_some_and(|reply| (400..429).contains(&reply.status)) {
                told.status = 400;
                set(told, "/error", "code", "INVALID_REQUEST".into());
            }
        }),
    ]
}

/// Sets a field of the object at `pointer` of a whole JSON body.
pub(super) fn set(told: &mut Told, pointer: &str, name: &str, value: Value) {
    let crate::tamper::Content::Whole(bytes) = &told.content else {
        return;
    };
    let mut body: Value = serde_json::from_slice(bytes).unwrap_or_default();
    if let Some(Value::Object(fields)) = body.pointer_mut(pointer) {
        fields.insert(name.to_owned(), value);
    }
    told.put(body.to_string());
}

fn replies() -> Vec<Draft> {
    vec![
        deviant(
            "upstream-cookie-passed-on",
            "A cookie of the upstream reaches the caller",
            &["AIG-019"],
        )
        .answers(|chat, told| {
            let cookie = chat
                .replies
                .last()
                .and_then(|reply| reply.headers.get(SET_COOKIE));
            if let Some(cookie) = cookie {
                told.headers.insert(SET_COOKIE, cookie.clone());
            }
        }),
        deviant(
            "upstream-cookie-of-failures-passed-on",
            "A cookie of a failing upstream reaches the caller",
            &["AIG-019"],
        )
        .answers(|chat, told| {
            let cookie = failed(chat, told).and_then(|reply| reply.headers.get(SET_COOKIE));
            if let Some(cookie) = cookie.cloned() {
                told.headers.insert(SET_COOKIE, cookie);
            }
        }),
        deviant(
            "upstream-redirect-passed-on",
            "A redirect of the upstream reaches the caller",
            &["AIG-019"],
        )
        .answers(|chat, told| {
            let moved = failed(chat, told).filter(|reply| (300..400).contains(&reply.status));
            if let Some(reply) = moved {
                told.status = reply.status;
                let location = reply.headers.get(LOCATION).cloned();
                told.headers.extend(location.map(|to| (LOCATION, to)));
            }
        }),
        deviant(
            "upstream-redirect-followed",
            "A redirect of the upstream is followed, whatever it leads to",
            &["AIG-019", "AIG-014"],
        )
        .upstream(|| Some(Arc::new(Follows))),
        deviant(
            "step-of-the-gateway",
            "The step is the one that the AI Gateway names",
            &["AIG-012"],
        )
        .answers(|chat, told| {
            let claimed = chat
                .replies
                .last()
                .and_then(|reply| reply.headers.get(STEP));
            if let Some(claimed) = claimed {
                told.headers.insert(STEP, claimed.clone());
            }
        }),
        deviant(
            "step-counts-attempts",
            "The step counts the attempts that failed before",
            &["AIG-012"],
        )
        .answers(|chat, told| {
            if told.headers.contains_key(STEP) {
                told.set(STEP, &chat.replies.len().saturating_sub(1).to_string());
            }
        }),
    ]
}

struct Follows;

#[async_trait]
impl Tamper for Follows {
    async fn pass(&self, mut ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let told = upstream.send(&ask).await?;
        let location = told
            .header(LOCATION.as_str())
            .filter(|_| (300..400).contains(&told.status));
        let Some(location) = location.and_then(|to| url::Url::parse(to).ok()) else {
            return Ok(told);
        };
        ask.path = location.path().to_owned();
        let origin = location.origin().ascii_serialization();
        upstream.elsewhere(&origin).send(&ask).await
    }
}
