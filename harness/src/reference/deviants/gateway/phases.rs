//! Backends that are wrong in one phase of a call or for one kind of call only. Never breaks more than one thing at a time.

use super::super::calls::{
    self, Body, LARGE, OtherCalls, Purpose, SMALL, is_stream, whole, with_model,
};
use super::super::layer::before;
use super::{Draft, deviant};
use crate::reference::altered::Parts;
use crate::reference::deviants::{held, lines};
use crate::tamper::Ask;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use moltworker_reference::domain::usage::TokenUsage;
use moltworker_reference::ports::{AiGateway, UpstreamAnswer, UpstreamCall, UpstreamError};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

pub(super) fn all() -> Vec<Draft> {
    let mut all = models();
    all.extend(phases());
    all
}

/// Exchanges the model for one kind of call; its stated timeout stays.
fn models() -> Vec<Draft> {
    let other = |id, breaks, expected, model: Model| {
        deviant(id, breaks, expected).parts(move |parts| calls::calls(&mut parts.ports, model))
    };
    vec![
        other(
            "free-analyses-by-the-large-model",
            "An analysis of a free tenant is made by the large model",
            &["AIG-004"],
            |purpose, workload| {
                (purpose.tier == "free" && workload == "analysis").then_some(LARGE.0)
            },
        ),
        other(
            "premium-summaries-in-a-stream-by-the-small-model",
            "A premium tenant's summary is made by the small model where it is streamed",
            &["AIG-005"],
            |purpose, workload| {
                let is_meant = purpose.tier == "premium" && purpose.streamed;
                (is_meant && workload == "summarization").then_some(SMALL.0)
            },
        ),
        other(
            "enterprise-streams-by-the-small-model",
            "What an enterprise tenant has streamed comes from the small model",
            &["AIG-006"],
            |purpose, _workload| {
                (purpose.tier == "enterprise" && purpose.streamed).then_some(SMALL.0)
            },
        ),
    ]
}

/// The model for a purpose and a workload; `None` for the contract's.
type Model = fn(&Purpose, &str) -> Option<&'static str>;

#[async_trait]
impl OtherCalls for Model {
    async fn call(
        &self,
        inner: &dyn AiGateway,
        call: UpstreamCall,
    ) -> Result<UpstreamAnswer, UpstreamError> {
        let metadata: Value = serde_json::from_str(&call.metadata_json).unwrap_or_default();
        let workload = metadata["workload"].as_str().unwrap_or_default();
        match self(&Purpose::of(&call), workload) {
            Some(model) => {
                let timeout = call.first_byte_timeout;
                inner.call(with_model(&call, (model, timeout))).await
            }
            None => inner.call(call).await,
        }
    }
}

fn phases() -> Vec<Draft> {
    vec![
        deviant(
            "leaving-before-the-first-byte-not-noticed",
            "A caller that goes away before its answer has begun does not end the call",
            &["AIG-017"],
        )
        .parts(|parts| {
            if let Some(gateway) = parts.ports.gateway.clone() {
                calls::calls(&mut parts.ports, HeardOut(gateway));
            }
        }),
        deviant(
            "timeout-ends-with-the-head",
            "The timeout covers the head of an answer; its body may stay away for ever",
            &["AIG-009"],
        )
        .parts(head_only),
        deviant(
            "crlf-streams-collected",
            "A stream whose lines end with CR LF is passed on when it is whole",
            &["AIG-017"],
        )
        .parts(|parts| calls::calls(&mut parts.ports, Collected("\r\n"))),
        deviant(
            "cr-streams-collected",
            "A stream whose lines end with CR alone is passed on when it is whole",
            &["AIG-017"],
        )
        .parts(|parts| calls::calls(&mut parts.ports, Collected("\r"))),
        deviant(
            "split-events-dropped",
            "An event of a stream that arrives in two parts does not reach the caller",
            &["AIG-017"],
        )
        .parts(|parts| calls::calls(&mut parts.ports, WholeEventsOnly)),
        deviant(
            "step-logged-with-the-bill",
            "The step is logged with what is to be billed: an answer without usage leaves none in the log",
            &["AIG-012"],
        )
        .parts(logged_with_the_bill),
        deviant(
            "very-long-prompts-at-another-provider",
            "A prompt of more than 131,072 bytes goes to another provider, whose model reads that much",
            &["AIG-014"],
        )
        .upstream(|| before(long_at_another_provider)),
    ]
}

/// What a model of the contract is taken to read.
const CONTEXT_LEN: usize = 131_072;

fn long_at_another_provider(ask: &mut Ask) {
    if ask.body.len() > CONTEXT_LEN {
        let own = "/workers-ai/v1/chat/completions";
        ask.path = ask.path.replacen(own, "/compat/chat/completions", 1);
        let mut body = ask.json();
        body["model"] = "google-ai-studio/gemini-2.0-flash".into();
        ask.body = body.to_string().into();
    }
}

/// Tenants whose last answer told no usage.
type Unbilled = Arc<Mutex<HashSet<String>>>;

/// Leaves out the line of an answer that tells no usage.
fn logged_with_the_bill(parts: &mut Parts) {
    let unbilled = Unbilled::default();
    calls::calls(&mut parts.ports, ReadsUsage(Arc::clone(&unbilled)));
    lines::change(parts, move |line| {
        let tenant = line["tenant_id"].as_str().unwrap_or_default();
        let is_left_out = line["event"] == "ai_answered" && held(&unbilled).remove(tenant);
        (!is_left_out).then(|| line.to_string())
    });
}

struct ReadsUsage(Unbilled);

#[async_trait]
impl OtherCalls for ReadsUsage {
    async fn call(
        &self,
        inner: &dyn AiGateway,
        call: UpstreamCall,
    ) -> Result<UpstreamAnswer, UpstreamError> {
        let tenant = Purpose::of(&call).tenant.map(|id| id.to_string());
        let mut answer = inner.call(call).await?;
        if let Some(tenant) = tenant.filter(|_| answer.status == 200 && !is_stream(&answer)) {
            let body: Value = serde_json::from_slice(&whole(&mut answer).await).unwrap_or_default();
            if TokenUsage::from_answer(&body).is_none() {
                held(&self.0).insert(tenant);
            } else {
                held(&self.0).remove(&tenant);
            }
        }
        Ok(answer)
    }
}

/// Waits for the first byte whether or not anybody still wants it.
struct HeardOut(Arc<dyn AiGateway>);

#[async_trait]
impl OtherCalls for HeardOut {
    async fn call(
        &self,
        _inner: &dyn AiGateway,
        call: UpstreamCall,
    ) -> Result<UpstreamAnswer, UpstreamError> {
        let gateway = Arc::clone(&self.0);
        let calling = tokio::spawn(async move { gateway.call(call).await });
        calling
            .await
            .unwrap_or_else(|error| Err(UpstreamError::Connection(Box::new(error))))
    }
}

/// Puts a client of its own in the place of the reference's.
fn head_only(parts: &mut Parts) {
    let config = &parts.config.ai_gateway;
    let (Some(base), Some(key)) = (&config.base_url, &config.api_key) else {
        return;
    };
    let endpoint = format!(
        "{}/workers-ai/v1/chat/completions",
        base.as_str().trim_end_matches('/')
    );
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build();
    let Ok(client) = client else { return };
    let key = key.clone();
    calls::calls(
        &mut parts.ports,
        HeadOnly {
            client,
            endpoint,
            key,
        },
    );
}

struct HeadOnly {
    client: reqwest::Client,
    endpoint: String,
    key: SecretString,
}

#[async_trait]
impl OtherCalls for HeadOnly {
    async fn call(
        &self,
        _inner: &dyn AiGateway,
        call: UpstreamCall,
    ) -> Result<UpstreamAnswer, UpstreamError> {
        let request = self
            .client
            .post(&self.endpoint)
            .header("content-type", "application/json")
            .header("cf-aig-metadata", call.metadata_json.as_str())
            .header(
                "cf-aig-request-timeout",
                call.first_byte_timeout.as_millis().to_string(),
            )
            .header(
                "cf-aig-authorization",
                format!("Bearer {}", self.key.expose_secret()),
            )
            .body(call.body);
        let sent = tokio::time::timeout(call.first_byte_timeout, request.send()).await;
        let response = sent
            .map_err(|_elapsed| UpstreamError::Timeout)?
            .map_err(cut)?;
        let content_type = response.headers().get("content-type");
        let content_type = content_type.and_then(|value| value.to_str().ok());
        Ok(UpstreamAnswer {
            status: response.status().as_u16(),
            content_type: content_type.unwrap_or_default().to_owned(),
            body: response
                .bytes_stream()
                .map(|part| part.map_err(cut))
                .boxed(),
        })
    }
}

fn cut(error: reqwest::Error) -> UpstreamError {
    UpstreamError::Connection(Box::new(error))
}

/// Passes a stream on when it is whole, if its events end with two of these.
struct Collected(&'static str);

#[async_trait]
impl OtherCalls for Collected {
    async fn call(
        &self,
        inner: &dyn AiGateway,
        call: UpstreamCall,
    ) -> Result<UpstreamAnswer, UpstreamError> {
        let mut answer = inner.call(call).await?;
        if answer.status == 200 && is_stream(&answer) {
            let body = calls::take_body(&mut answer);
            answer.body = collected(body, self.0).await;
        }
        Ok(answer)
    }
}

async fn collected(mut body: Body, line_end: &str) -> Body {
    let first = body.next().await;
    let is_meant = match &first {
        Some(Ok(bytes)) => String::from_utf8_lossy(bytes).ends_with(&line_end.repeat(2)),
        Some(Err(_)) | None => false,
    };
    let all = stream::iter(first).chain(body).boxed();
    if is_meant {
        stream::iter(all.collect::<Vec<_>>().await).boxed()
    } else {
        all
    }
}

/// Reads each part of a stream for itself: an event that is not whole in it is dropped.
struct WholeEventsOnly;

#[async_trait]
impl OtherCalls for WholeEventsOnly {
    async fn call(
        &self,
        inner: &dyn AiGateway,
        call: UpstreamCall,
    ) -> Result<UpstreamAnswer, UpstreamError> {
        let mut answer = inner.call(call).await?;
        if answer.status == 200 && is_stream(&answer) {
            let body = calls::take_body(&mut answer);
            answer.body = body
                .map(|part| part.map(|bytes| whole_events(&bytes)))
                .boxed();
        }
        Ok(answer)
    }
}

/// What tells of no text is left: another deviant's part is what becomes of usage.
fn whole_events(part: &Bytes) -> Bytes {
    let text = String::from_utf8_lossy(part);
    let tells_text = |event: &&str| event.contains("\"content\"");
    let events = text.split_inclusive("\n\n");
    let kept: String = events
        .filter(|event| {
            !tells_text(event) || (event.starts_with("data:") && event.ends_with("\n\n"))
        })
        .collect();
    Bytes::from(kept)
}
