//! Backends that keep another timeout than they state, or tell it as something else. Never breaks more than one thing at a time.

use super::super::answers::{is_error, refuse};
use super::super::calls::{self, LARGE, OtherCalls, Purpose, SMALL};
use super::super::layer::{after, before};
use super::rubric::failure;
use super::{Draft, deviant};
use crate::clock;
use crate::reference::altered::Parts;
use crate::reference::deviants::{held, lines};
use crate::tamper::Ask;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use moltworker_reference::ports::{AiGateway, UpstreamAnswer, UpstreamCall, UpstreamError};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Where the timeout is stated.
const TIMEOUT: &str = "cf-aig-request-timeout";

pub(super) fn all() -> Vec<Draft> {
    vec![
        deviant(
            "timeout-enforced-too-late",
            "The backend gives a call of the small model half as long again as it states",
            &["AIG-009"],
        )
        .parts(|parts| calls::calls(&mut parts.ports, Patient))
        .upstream(|| before(|ask| ask.set(TIMEOUT, &stated(ask)))),
        deviant(
            "fallback-waited-for-as-the-primary",
            "A fallback states 8 s and is waited for as long as the model before it, 20 s",
            &["AIG-009"],
        )
        .parts(|parts| calls::calls(&mut parts.ports, PatientFallback))
        .upstream(|| before(small_as_contracted)),
        deviant(
            "timeout-of-the-whole-answer",
            "The timeout covers the whole answer, not its first byte",
            &["AIG-009"],
        )
        .parts(|parts| calls::calls(&mut parts.ports, WholeAnswer)),
        deviant(
            "timeout-of-all-tries-together",
            "The whole seconds that a call took are taken from the timeout of the next try",
            &["AIG-009"],
        )
        .parts(|parts| calls::calls(&mut parts.ports, AllTogether::default())),
        deviant(
            "fallback-of-streams-has-the-timeout-of-the-primary",
            "The fallback of a stream states 20 s, where the free timeout is 8 s",
            &["AIG-010"],
        )
        .parts(|parts| calls::calls(&mut parts.ports, LongFallback)),
        deviant(
            "timeout-told-as-failure",
            "A timeout of the backend's own is told as any failure",
            &["AIG-013"],
        )
        .parts(|parts| calls::calls(&mut parts.ports, TimeoutIsFailure)),
        deviant(
            "timeout-told-though-a-refusal-came-after",
            "Where a try is refused after one that timed out, the caller is told of the timeout",
            &["AIG-013"],
        )
        .parts(first_reason),
    ]
}

/// How the tries of each request ended, as the log has it: the last two.
type Endings = Arc<Mutex<HashMap<String, [String; 2]>>>;

/// The reason of the try before a final one is what the caller is told.
fn first_reason(parts: &mut Parts) {
    let endings = Endings::default();
    let noted = Arc::clone(&endings);
    lines::edit(parts, "ai_attempt", move |line| {
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let mut all = held(&noted);
        let [_, last] = all.remove(&text("request_id")).unwrap_or_default();
        all.insert(text("request_id"), [last, text("outcome")]);
    });
    parts.caller = after(move |_ask, told| {
        let request = told.header("x-request-id").unwrap_or_default();
        let [before, last] = held(&endings).remove(request).unwrap_or_default();
        let is_meant = before == "timeout" && last.starts_with("status_");
        if is_meant && is_error(told, "AI_UPSTREAM_FAILED") {
            refuse(told, 504, "AI_UPSTREAM_TIMEOUT");
        }
    });
}

/// States what the contract has for the small model.
fn small_as_contracted(ask: &mut Ask) {
    if ask.json()["model"] == SMALL.0 {
        ask.set(TIMEOUT, "8000");
    }
}

/// Waits for a fallback longer than it is stated.
struct PatientFallback;

#[async_trait]
impl OtherCalls for PatientFallback {
    async fn call(
        &self,
        inner: &dyn AiGateway,
        mut call: UpstreamCall,
    ) -> Result<UpstreamAnswer, UpstreamError> {
        if Purpose::of(&call).is_fallback() {
            call.first_byte_timeout = LARGE.1;
        }
        inner.call(call).await
    }
}

/// What the tier has, however long is waited.
fn stated(ask: &Ask) -> String {
    match ask.header(TIMEOUT) {
        Some("12000") | None => "8000".to_owned(),
        Some(other) => other.to_owned(),
    }
}

/// Waits longer than it states.
struct Patient;

#[async_trait]
impl OtherCalls for Patient {
    async fn call(
        &self,
        inner: &dyn AiGateway,
        call: UpstreamCall,
    ) -> Result<UpstreamAnswer, UpstreamError> {
        let longer = if call.first_byte_timeout == SMALL.1 {
            call.first_byte_timeout * 3 / 2
        } else {
            call.first_byte_timeout
        };
        inner
            .call(UpstreamCall {
                first_byte_timeout: longer,
                ..call
            })
            .await
    }
}

struct WholeAnswer;

#[async_trait]
impl OtherCalls for WholeAnswer {
    async fn call(
        &self,
        inner: &dyn AiGateway,
        call: UpstreamCall,
    ) -> Result<UpstreamAnswer, UpstreamError> {
        let deadline = clock::now() + call.first_byte_timeout;
        let mut answer = inner.call(call).await?;
        let bounded = stream::unfold(Some(answer.body), move |body| async move {
            let mut body = body?;
            let left = deadline.saturating_duration_since(clock::now());
            match tokio::time::timeout(left, body.next()).await {
                Ok(part) => part.map(|part| (part, Some(body))),
                Err(_elapsed) => Some((Err(UpstreamError::Timeout), None)),
            }
        });
        answer.body = bounded.boxed();
        Ok(answer)
    }
}

struct LongFallback;

#[async_trait]
impl OtherCalls for LongFallback {
    async fn call(
        &self,
        inner: &dyn AiGateway,
        mut call: UpstreamCall,
    ) -> Result<UpstreamAnswer, UpstreamError> {
        let metadata: Value = serde_json::from_str(&call.metadata_json).unwrap_or_default();
        let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let is_fallback = metadata["tier"] != "free" && call.first_byte_timeout == SMALL.1;
        if is_fallback && body["stream"] == true {
            call.first_byte_timeout = LARGE.1;
        }
        inner.call(call).await
    }
}

/// When a body was first sent.
#[derive(Default)]
struct AllTogether(Mutex<HashMap<Bytes, Instant>>);

#[async_trait]
impl OtherCalls for AllTogether {
    async fn call(
        &self,
        inner: &dyn AiGateway,
        mut call: UpstreamCall,
    ) -> Result<UpstreamAnswer, UpstreamError> {
        let first = {
            let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *first.entry(call.body.clone()).or_insert_with(clock::now)
        };
        let spent = Duration::from_secs(first.elapsed().as_secs());
        if spent < call.first_byte_timeout {
            call.first_byte_timeout -= spent;
        }
        inner.call(call).await
    }
}

struct TimeoutIsFailure;

#[async_trait]
impl OtherCalls for TimeoutIsFailure {
    async fn call(
        &self,
        inner: &dyn AiGateway,
        call: UpstreamCall,
    ) -> Result<UpstreamAnswer, UpstreamError> {
        match inner.call(call).await {
            Err(UpstreamError::Timeout) => Ok(UpstreamAnswer {
                status: 500,
                ..failure()
            }),
            other => other,
        }
    }
}
