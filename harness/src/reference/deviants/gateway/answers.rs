//! Backends that let the upstream's errors, cookies and redirects through to callers. Never breaks more than one thing at a time.

use super::super::link::{Chat, Reply};
use super::{Draft, deviant};
use crate::tamper::{Ask, Content, Tamper, Told, Unanswered, Upstream};
use async_trait::async_trait;
use hyper::header::{LOCATION, SET_COOKIE};
use serde_json::Value;
use std::sync::Arc;

const STEP: &str = "cf-aig-step";

pub(super) fn all() -> Vec<Draft> {
    let mut all = failures();
    all.extend(replies());
    all
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
    let Content::Whole(bytes) = &told.content else {
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
