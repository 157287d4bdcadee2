//! Model calls that are made in another way, and what of a call tells for whom it is. Never decides what a deviant does wrong.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use moltworker_reference::app::Ports;
use moltworker_reference::domain::tenant::TenantId;
use moltworker_reference::ports::{AiGateway, UpstreamAnswer, UpstreamCall, UpstreamError};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// The contract's model of the free tier, and its timeout.
pub(super) const SMALL: (&str, Duration) = (
    "@cf/meta/llama-3.1-8b-instruct-fp8-fast",
    Duration::from_secs(8),
);
/// The contract's model of the premium tier, and its timeout.
pub(super) const LARGE: (&str, Duration) = (
    "@cf/meta/llama-3.3-70b-instruct-fp8-fast",
    Duration::from_secs(20),
);

/// The body of an answer, as it comes.
pub(super) type Body = BoxStream<'static, Result<Bytes, UpstreamError>>;

/// Another way to call models.
#[async_trait]
pub(super) trait OtherCalls: Send + Sync {
    async fn call(
        &self,
        inner: &dyn AiGateway,
        call: UpstreamCall,
    ) -> Result<UpstreamAnswer, UpstreamError>;
}

/// Puts another way around the AI Gateway, if there is one.
pub(super) fn calls(ports: &mut Ports, other: impl OtherCalls + 'static) {
    ports.gateway = ports
        .gateway
        .take()
        .map(|inner| Arc::new(Around { inner, other }) as _);
}

struct Around<O> {
    inner: Arc<dyn AiGateway>,
    other: O,
}

#[async_trait]
impl<O: OtherCalls> AiGateway for Around<O> {
    async fn call(&self, call: UpstreamCall) -> Result<UpstreamAnswer, UpstreamError> {
        self.other.call(self.inner.as_ref(), call).await
    }
}

/// For whom a call is, and what it asks.
pub(super) struct Purpose {
    pub(super) tier: String,
    pub(super) tenant: Option<TenantId>,
    pub(super) model: String,
    pub(super) streamed: bool,
}

impl Purpose {
    pub(super) fn of(call: &UpstreamCall) -> Self {
        let metadata: Value = serde_json::from_str(&call.metadata_json).unwrap_or_default();
        let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            tier: text(&metadata["tier"]),
            tenant: TenantId::parse(&text(&metadata["tenant_id"])).ok(),
            model: text(&body["model"]),
            streamed: body["stream"] == true,
        }
    }

    /// Whether the call is a fallback.
    pub(super) fn is_fallback(&self) -> bool {
        self.tier != "free" && self.model == SMALL.0
    }
}

/// The same call to another model.
pub(super) fn with_model(call: &UpstreamCall, (model, timeout): (&str, Duration)) -> UpstreamCall {
    let mut body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    body["model"] = model.into();
    UpstreamCall {
        body: body.to_string().into(),
        first_byte_timeout: timeout,
        ..call.clone()
    }
}

/// Whether an answer is a stream of events.
pub(super) fn is_stream(answer: &UpstreamAnswer) -> bool {
    answer.content_type == "text/event-stream"
}

/// The body of an answer, which has none afterwards.
pub(super) fn take_body(answer: &mut UpstreamAnswer) -> Body {
    std::mem::replace(&mut answer.body, stream::empty().boxed())
}

/// Reads a whole body, up to where it breaks off if it does; the answer has it again afterwards.
pub(super) async fn whole(answer: &mut UpstreamAnswer) -> Bytes {
    let mut collected = Vec::new();
    let mut cut = None;
    let mut body = take_body(answer);
    while let Some(part) = body.next().await {
        match part {
            Ok(bytes) => collected.extend_from_slice(&bytes),
            Err(error) => cut = Some(Err(error)),
        }
    }
    let bytes = Bytes::from(collected);
    answer.body = stream::iter([Ok(bytes.clone())])
        .chain(stream::iter(cut))
        .boxed();
    bytes
}
