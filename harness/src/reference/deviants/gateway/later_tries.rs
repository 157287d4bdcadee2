//! Backends whose later tries, or later prompts, are made otherwise than the first ones. Never changes a first try of a first prompt.

use super::super::calls::{LARGE, SMALL};
use super::super::layer::after;
use super::super::link::Chat;
use super::{Draft, METADATA, deviant, metadata};
use crate::clock;
use crate::tamper::{Ask, Tamper, Told, Unanswered, Upstream};
use async_trait::async_trait;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub(super) fn all() -> Vec<Draft> {
    let mut all = models();
    all.extend(providers());
    all.extend(metadata_left_out());
    all.extend([
        deviant(
            "busy-until-later-is-final",
            "A 503 that says when to come back is neither tried again nor followed by the fallback",
            &["AIG-011"],
        )
        .upstream(|| {
            // The backend is told of a status that it does not try again.
            after(|_call, told| {
                if told.status == 503 && told.header("retry-after").is_some() {
                    told.status = 502;
                }
            })
        }),
        deviant(
            "late-failures-are-final",
            "A failure that was five seconds in coming is not tried again",
            &["AIG-010"],
        )
        .upstream(|| Some(Arc::new(LateIsFinal))),
        deviant(
            "values-like-reserved-keys-left-out",
            "What begins as the gateway's own keys do is left out of the metadata, values as well",
            &["AIG-001", "AIG-020"],
        )
        .calls(|_chat, call| {
            let mut told = metadata(call);
            let is_reserved =
                |value: &Value| value.as_str().is_some_and(|text| text.starts_with("cf."));
            if let Some(told) = told.as_object_mut() {
                told.retain(|_key, value| !is_reserved(value));
            }
            call.set(METADATA, &told.to_string());
        }),
    ]);
    all
}

fn ask_for(ask: &mut Ask, model: &str) {
    let mut body = ask.json();
    body["model"] = model.into();
    ask.body = body.to_string().into();
}

/// The model's plain variant, which the contract does not have.
fn plain_variant(ask: &mut Ask) {
    let asked = ask.json()["model"].as_str().unwrap_or_default().to_owned();
    ask_for(ask, asked.trim_end_matches("-fp8-fast"));
}

fn models() -> Vec<Draft> {
    vec![
        deviant(
            "third-try-of-free-on-the-plain-variant",
            "The third try of a free tenant asks for the plain variant of its model",
            &["AIG-004"],
        )
        .calls(|chat, ask| {
            if chat.replies.len() == 2 && metadata(ask)["tier"] == "free" {
                plain_variant(ask);
            }
        }),
        deviant(
            "busy-premium-on-the-plain-variant",
            "After a 429 the large model is asked for in its plain variant",
            &["AIG-005", "AIG-006"],
        )
        .calls(|chat, ask| {
            if last_status(chat) == Some(429) && ask.json()["model"] == LARGE.0 {
                plain_variant(ask);
            }
        }),
        deviant(
            "enterprise-retried-with-the-small-model",
            "The second try of an enterprise tenant asks for the small model, and the third for the large one",
            &["AIG-006"],
        )
        .calls(|chat, ask| {
            if metadata(ask)["tier"] != "enterprise" {
                return;
            }
            match chat.replies.len() {
                1 => ask_for(ask, SMALL.0),
                2 => ask_for(ask, LARGE.0),
                _ => {}
            }
        }),
    ]
}

fn last_status(chat: &Chat) -> Option<u16> {
    chat.replies.last().map(|reply| reply.status)
}

fn at_another_provider(ask: &mut Ask) {
    let own = "/workers-ai/v1/chat/completions";
    ask.path = ask.path.replacen(own, "/openai/chat/completions", 1);
}

fn providers() -> Vec<Draft> {
    let after = |id, breaks, status: u16| {
        deviant(id, breaks, &["AIG-014"]).calls(move |chat, ask| {
            if last_status(chat) == Some(status) {
                at_another_provider(ask);
            }
        })
    };
    vec![
        after(
            "busy-tries-at-another-provider",
            "After a 429 the next try goes to another provider behind the AI Gateway",
            429,
        ),
        after(
            "tries-after-503-at-another-provider",
            "After a 503 the next try goes to another provider behind the AI Gateway",
            503,
        ),
        deviant(
            "enterprise-retried-at-another-provider",
            "Whatever is tried again for an enterprise tenant goes to another provider behind the AI Gateway",
            &["AIG-014"],
        )
        .calls(|chat, ask| {
            if !chat.replies.is_empty() && metadata(ask)["tier"] == "enterprise" {
                at_another_provider(ask);
            }
        }),
    ]
}

fn metadata_left_out() -> Vec<Draft> {
    let after = |id, breaks, is_reason: fn(u16) -> bool| {
        deviant(id, breaks, &["AIG-001", "AIG-020"]).upstream(move || {
            Some(Arc::new(LeavesOut {
                is_reason,
                tenants: Mutex::default(),
            }))
        })
    };
    vec![
        after(
            "metadata-off-after-400",
            "A tenant whose call was answered with 400 is called for without metadata from then on",
            |status| status == 400,
        ),
        after(
            "metadata-off-after-422",
            "A tenant whose call was answered with 422 is called for without metadata from then on",
            |status| status == 422,
        ),
        after(
            "metadata-off-after-a-failure",
            "A tenant whose call failed at the AI Gateway is called for without metadata from then on",
            |status| status >= 500,
        ),
    ]
}

/// Leaves the metadata out of calls for whom one was answered so.
struct LeavesOut {
    is_reason: fn(u16) -> bool,
    tenants: Mutex<HashSet<String>>,
}

#[async_trait]
impl Tamper for LeavesOut {
    async fn pass(&self, mut ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let tenant = metadata(&ask)["tenant_id"].to_string();
        let is_left_out = {
            let tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
            tenants.contains(&tenant)
        };
        if is_left_out {
            ask.headers.remove(METADATA);
        }
        let told = upstream.send(&ask).await?;
        if (self.is_reason)(told.status) {
            let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
            tenants.insert(tenant);
        }
        Ok(told)
    }
}

/// Longer than any failure of a scenario that does not wait for one.
const LATE: Duration = Duration::from_secs(5);

/// Tells the backend of a status that it does not try again, where the failure came late.
struct LateIsFinal;

#[async_trait]
impl Tamper for LateIsFinal {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let asked = clock::now();
        let mut told = upstream.send(&ask).await?;
        if told.status >= 400 && asked.elapsed() > LATE {
            told.status = 502;
        }
        Ok(told)
    }
}
