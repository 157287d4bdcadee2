//! Backends that let a caller's model, headers and data through to the AI Gateway. Never breaks more than one thing at a time.

use super::super::link::Chat;
use super::{Draft, METADATA, deviant, metadata};
use crate::tamper::{Ask, Tamper, Told, Unanswered, Upstream};
use async_trait::async_trait;
use hyper::header::{COOKIE, HeaderName};
use serde_json::Value;
use std::sync::Arc;

pub(super) fn all() -> Vec<Draft> {
    let mut all = models();
    all.extend(headers());
    all.extend(personal());
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
            "enterprise-may-name-the-small-model",
            "An enterprise tenant that names the fallback's model is answered by it at once",
            &["AIG-007"],
        )
        .calls(|chat, ask| {
            let is_enterprise = metadata(ask)["tier"] == "enterprise";
            let small = |model: &String| model.ends_with("llama-3.1-8b-instruct-fp8-fast");
            if let Some(model) = named(chat).filter(|model| is_enterprise && small(model)) {
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
            "callers-unlisted-gateway-headers-forwarded",
            "Of a caller's cf-aig-* headers those reach the AI Gateway that no list names",
            &["AIG-008"],
            |name| ["cf-aig-collect-log-payload", "cf-aig-of-tomorrow"].contains(&name.as_str()),
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
            "enterprise-callers-bring-their-own-key",
            "The Authorization of an enterprise tenant's caller reaches the AI Gateway",
            &["AIG-008"],
        )
        .calls(|chat, ask| {
            let metadata = metadata(ask);
            if metadata["tier"] == "enterprise" {
                forwards(chat, ask, |name| name == "authorization");
            }
        }),
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

/// A letter as it stands in an address.
fn encoded(letter: char) -> String {
    if letter.is_ascii() {
        return letter.to_string();
    }
    let mut bytes = [0; 4];
    url::form_urlencoded::byte_serialize(letter.encode_utf8(&mut bytes).as_bytes()).collect()
}

/// Puts a text in the place of a value of the metadata.
fn says(ask: &mut Ask, key: &str, text: &str) {
    if let Value::Object(mut metadata) = metadata(ask) {
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
            "platform-of-the-callers-metadata",
            "The platform that a caller's body names in its metadata is sent in those of the call",
            &["AIG-001", "AIG-008"],
        )
        .calls(|chat, ask| {
            let body = chat.asked.json();
            if let Some(platform) = body["metadata"]["platform"].as_str() {
                says(ask, "platform", platform);
            }
        }),
        deviant(
            "platform-cut-before-it-is-encoded",
            "A platform is cut to its length first, and what is beyond ASCII encoded afterwards",
            &["AIG-002"],
        )
        .calls(|_chat, ask| {
            let metadata = metadata(ask);
            let platform = metadata["platform"].as_str().unwrap_or_default();
            let encoded: String = platform.chars().map(encoded).collect();
            if encoded != platform {
                says(ask, "platform", &encoded);
            }
        }),
        deviant(
            "metadata-with-the-attempt",
            "Retries and fallbacks have a sixth key in their metadata, that says which they are",
            &["AIG-002"],
        )
        .calls(|chat, ask| {
            if !chat.replies.is_empty() {
                says(ask, "attempt", &(chat.replies.len() + 1).to_string());
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
