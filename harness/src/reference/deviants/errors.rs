//! Backends that answer errors in another way. Never breaks more than one thing at a time.

use super::directory::Directory;
use super::layer::{after, instead, refusal};
use super::{Draft, deviant};
use crate::clock;
use crate::reference::altered::Parts;
use crate::tamper::{Ask, Content, Told};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use moltworker_reference::ports::{AiGateway, UpstreamAnswer, UpstreamCall, UpstreamError};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

pub(super) fn all() -> Vec<Draft> {
    let mut all = ids();
    all.extend(order());
    all.push(
        deviant(
            "errors-in-the-form-that-the-caller-accepts",
            "A caller that accepts application/problem+json is told an error in that media type",
            &["ERR-001"],
        )
        .parts(|parts| {
            parts.caller = after(|ask, told| {
                const PROBLEM: &str = "application/problem+json";
                let accepts = ask
                    .header("accept")
                    .is_some_and(|all| all.contains(PROBLEM));
                if told.status >= 400 && accepts {
                    told.set("content-type", PROBLEM);
                }
            });
        }),
    );
    all.push(
        deviant(
            "upstream-body-passed-on",
            "A model call that failed is answered with what the upstream said",
            &["ERR-004"],
        )
        .parts(|parts| {
            let said = Arc::default();
            parts.ports.gateway = parts.ports.gateway.take().map(|inner| {
                Arc::new(Overheard {
                    inner,
                    said: Arc::clone(&said),
                }) as _
            });
            parts.caller = after(move |_ask, told| {
                if told.status == 502 {
                    let said = said.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    set(told, "/error/details", "upstream", &json!(said));
                }
            });
        }),
    );
    all
}

/// Sets a member of a JSON body that is here whole.
fn set(told: &mut Told, parent: &str, name: &str, value: &Value) {
    let Content::Whole(bytes) = &told.content else {
        return;
    };
    let mut body: Value = serde_json::from_slice(bytes).unwrap_or_default();
    if let Some(Value::Object(parent)) = body.pointer_mut(parent) {
        parent.insert(name.to_owned(), value.clone());
        told.put(body.to_string());
    }
}

/// Gives an answer another request id, in header and body.
fn identify(told: &mut Told, id: &str) {
    told.set("x-request-id", id);
    set(told, "/meta", "request_id", &json!(id));
}

/// Changes an answer.
type Change = fn(&Ask, &mut Told);

fn ids() -> Vec<Draft> {
    let all: [(_, _, Change); 3] = [
        (
            "request-id-of-the-caller",
            "A caller's X-Request-Id is taken for the request's",
            |ask, told| {
                if let Some(id) = ask.header("x-request-id") {
                    identify(told, id);
                }
            },
        ),
        (
            "request-id-after-the-callers",
            "The request id begins with the caller's X-Request-Id",
            |ask, told| {
                let sent = ask.header("x-request-id");
                let own = told.header("x-request-id").unwrap_or_default();
                if let Some(id) = sent.map(|sent| format!("{sent}.{own}")) {
                    identify(told, &id);
                }
            },
        ),
        (
            "request-id-of-the-second",
            "The request id is the time, in seconds",
            |_ask, told| identify(told, &(clock::epoch_ms() / 1000).to_string()),
        ),
    ];
    let mut all: Vec<Draft> = all
        .into_iter()
        .map(|(id, breaks, change)| {
            deviant(id, breaks, &["ERR-002"]).parts(move |parts| parts.caller = after(change))
        })
        .collect();
    all.push(
        deviant(
            "request-id-counted-from-the-start",
            "The request id counts the requests of an instance: another one gives the same ids",
            &["ERR-002"],
        )
        .parts(|parts| {
            let count = AtomicU64::new(0);
            parts.caller = after(move |_ask, told| {
                identify(told, &count.fetch_add(1, Ordering::Relaxed).to_string());
            });
        }),
    );
    all
}

/// The public routes and the method of each.
const PUBLIC: [(&str, &str); 3] = [
    ("/sandbox-health", "GET"),
    ("/api/status", "GET"),
    ("/v1/chat/completions", "POST"),
];

/// What routing alone says of a public request: no such route, another method, or nothing.
fn routed(ask: &Ask) -> Option<Told> {
    if ask.route().starts_with("/api/admin") || ask.route().starts_with("/_admin") {
        return None;
    }
    let known = PUBLIC.iter().find(|(route, _)| *route == ask.route());
    match known {
        None => Some(refusal(404, "NOT_FOUND", &json!({}))),
        Some((_, method)) if ask.method == *method => None,
        Some((_, method)) => {
            let mut told = refusal(405, "METHOD_NOT_ALLOWED", &json!({}));
            told.set("allow", method);
            Some(told)
        }
    }
}

fn order() -> Vec<Draft> {
    let all: [(&'static str, &'static str, &'static [&'static str], u16); 3] = [
        (
            "route-before-tenant",
            "Routes are looked at before the tenant: a stranger's unknown route is one, whatever the host",
            &["ERR-005"],
            404,
        ),
        (
            "route-before-limit",
            "Routes are looked at before the quota: an unknown one is never too many",
            &["ERR-005"],
            429,
        ),
        (
            "route-before-bindings",
            "Routes are looked at before the configuration: an unknown one is a 404 while a binding is missing",
            &["ERR-005"],
            503,
        ),
    ];
    let mut all: Vec<Draft> = all
        .into_iter()
        .map(|(id, breaks, expected, gate)| {
            deviant(id, breaks, expected).parts(move |parts| first(parts, gate))
        })
        .collect();
    all.push(
        deviant(
            "method-of-the-chat-before-limit",
            "A wrong method on the chat route is told before the quota is asked, and uses none of it",
            &["ERR-005"],
        )
        .parts(|parts| {
            let directory = Directory::of(parts);
            parts.caller = instead(move |ask| {
                let is_wrong = ask.route() == "/v1/chat/completions" && ask.method != "POST";
                directory.find(ask.host()).filter(|_| is_wrong)?;
                let mut told = refusal(405, "METHOD_NOT_ALLOWED", &json!({}));
                told.set("allow", "POST");
                Some(told)
            });
        }),
    );
    all.push(
        deviant(
            "unknown-route-is-the-app",
            "An unknown route is answered with the application's page",
            &["ERR-005"],
        )
        .parts(|parts| {
            parts.caller = after(|ask, told| {
                let is_page = ask.method == "GET" && told.status == 404;
                if is_page && routed(ask).is_some_and(|own| own.status == 404) {
                    *told = Told::new(200, "text/html", "<!doctype html><title>App</title>");
                }
            });
        }),
    );
    all
}

/// Lets routing speak before a gate that refuses with this status.
fn first(parts: &mut Parts, gate: u16) {
    parts.caller = after(move |ask, told| {
        if told.status == gate
            && let Some(own) = routed(ask)
        {
            *told = own;
        }
    });
}

/// Keeps what the upstream says when it fails.
struct Overheard {
    inner: Arc<dyn AiGateway>,
    said: Arc<Mutex<String>>,
}

#[async_trait]
impl AiGateway for Overheard {
    async fn call(&self, call: UpstreamCall) -> Result<UpstreamAnswer, UpstreamError> {
        let mut answer = self.inner.call(call).await?;
        if answer.status < 400 {
            return Ok(answer);
        }
        let mut whole = BytesMut::new();
        while let Some(Ok(chunk)) = answer.body.next().await {
            whole.extend_from_slice(&chunk);
        }
        let whole: Bytes = whole.freeze();
        let text = String::from_utf8_lossy(&whole).into_owned();
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = text;
        answer.body = Box::pin(futures_util::stream::once(async { Ok(whole) }));
        Ok(answer)
    }
}
