//! Backends that take from callers what they must refuse. Never breaks more than one thing at a time.

use super::super::layer::before;
use super::{Draft, deviant};
use crate::tamper::{Ask, Tamper, Told, Unanswered, Upstream};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::sync::Arc;

const WORKLOAD: &str = "x-workload";
const WORKLOADS: [&str; 3] = ["chat", "summarization", "analysis"];

pub(super) fn all() -> Vec<Draft> {
    let mut all = workloads();
    all.extend(bodies());
    all
}

fn workloads() -> Vec<Draft> {
    vec![
        deviant(
            "workload-unknown-is-chat",
            "An unknown workload is taken for chat",
            &["AIG-016"],
        )
        .parts(|parts| parts.caller = before(without_unknown_workload)),
        deviant(
            "workload-known-by-its-beginning",
            "What begins like a workload is taken for it",
            &["AIG-016"],
        )
        .parts(|parts| {
            parts.caller = before(|ask| {
                let sent = ask.header(WORKLOAD).unwrap_or_default();
                let meant = WORKLOADS.iter().find(|name| sent.starts_with(*name));
                if let Some(meant) = meant {
                    ask.set(WORKLOAD, meant);
                }
            });
        }),
        deviant(
            "workload-checked-after-the-call",
            "An unknown workload is refused when the model has been asked already",
            &["AIG-016"],
        )
        .parts(|parts| parts.caller = Some(Arc::new(AskedFirst))),
    ]
}

fn without_unknown_workload(ask: &mut Ask) {
    let is_known = |sent: &str| WORKLOADS.contains(&sent);
    if !ask.header(WORKLOAD).is_some_and(is_known) {
        ask.headers.remove(WORKLOAD);
    }
}

/// Asks the model before it looks at the workload.
struct AskedFirst;

#[async_trait]
impl Tamper for AskedFirst {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let mut lenient = ask.clone();
        without_unknown_workload(&mut lenient);
        let answered = upstream.send(&lenient).await?;
        if lenient.headers == ask.headers {
            return Ok(answered);
        }
        upstream.send(&ask).await
    }
}

/// Changes what a chat's body says, if it is JSON.
fn reading(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Option<Arc<dyn Tamper>> {
    chats(move |ask| {
        if let Ok(mut body) = serde_json::from_slice::<Value>(&ask.body) {
            change(&mut body);
            ask.body = body.to_string().into();
        }
    })
}

fn chats(change: impl Fn(&mut Ask) + Send + Sync + 'static) -> Option<Arc<dyn Tamper>> {
    before(move |ask| {
        if ask.route() == "/v1/chat/completions" {
            change(ask);
        }
    })
}

fn bodies() -> Vec<Draft> {
    let breaking = |id, breaks, layer: fn() -> Option<Arc<dyn Tamper>>| {
        deviant(id, breaks, &["AIG-018"]).parts(move |parts| parts.caller = layer())
    };
    vec![
        breaking(
            "body-that-is-no-json-is-the-prompt",
            "A body that is no JSON is taken for the prompt itself",
            || {
                chats(|ask| {
                    if serde_json::from_slice::<Value>(&ask.body).is_err() {
                        let text = String::from_utf8_lossy(&ask.body);
                        let body = json!({ "messages": [{ "role": "user", "content": text }] });
                        ask.body = body.to_string().into();
                    }
                })
            },
        ),
        breaking(
            "garbage-behind-the-body-ignored",
            "What stands behind the JSON of a body is not looked at",
            || {
                chats(|ask| {
                    let mut values = serde_json::Deserializer::from_slice(&ask.body).into_iter();
                    if let Some(Ok(first)) = values.next() {
                        let first: Value = first;
                        ask.body = first.to_string().into();
                    }
                })
            },
        ),
        breaking(
            "bytes-that-are-no-text-replaced",
            "Bytes of a body that are no UTF-8 are replaced and passed on",
            || {
                chats(|ask| {
                    let text = String::from_utf8_lossy(&ask.body).into_owned();
                    ask.body = text.into();
                })
            },
        ),
        breaking(
            "prompt-without-messages-accepted",
            "Without messages the model is greeted in the caller's name",
            || {
                reading(|body| {
                    let none = body["messages"].as_array().is_none_or(Vec::is_empty);
                    if body.is_object() && none {
                        body["messages"] = json!([{ "role": "user", "content": "Hello." }]);
                    }
                })
            },
        ),
        breaking(
            "content-turned-into-text",
            "Content that is no text is turned into one",
            || {
                reading(|body| {
                    for message in body["messages"].as_array_mut().into_iter().flatten() {
                        if message["content"].is_number() {
                            message["content"] = message["content"].to_string().into();
                        }
                    }
                })
            },
        ),
        breaking(
            "role-not-looked-at",
            "A message whose role is no text is the user's",
            || {
                reading(|body| {
                    for message in body["messages"].as_array_mut().into_iter().flatten() {
                        if message.is_object() && !message["role"].is_string() {
                            message["role"] = "user".into();
                        }
                    }
                })
            },
        ),
        breaking(
            "stream-flag-by-truth",
            "Anything in the place of the stream flag counts as true",
            || {
                reading(|body| {
                    if body.get("stream").is_some_and(|flag| !flag.is_boolean()) {
                        body["stream"] = true.into();
                    }
                })
            },
        ),
        deviant(
            "large-body-cut",
            "A message that is too large is cut and passed on",
            &["AIG-018"],
        )
        .parts(|parts| parts.caller = Some(Arc::new(CutToFit))),
    ]
}

/// Sends a shorter message where the whole one was too large.
struct CutToFit;

#[async_trait]
impl Tamper for CutToFit {
    async fn pass(&self, mut ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let told = upstream.send(&ask).await?;
        if told.status != 413 {
            return Ok(told);
        }
        let mut body = ask.json();
        for message in body["messages"].as_array_mut().into_iter().flatten() {
            if let Some(text) = message["content"].as_str() {
                message["content"] = text.chars().take(4_000).collect::<String>().into();
            }
        }
        let kept = json!({ "messages": body["messages"] });
        ask.body = kept.to_string().into();
        upstream.send(&ask).await
    }
}
