//! The mocks on the wiremock server: one per endpoint, answering from the script book.
//!
//! They never see a client: requests come from the fault front, complete replies go back to it.

use std::sync::Arc;

use bytes::BytesMut;
use wiremock::{Match, Mock, MockServer, Request, Respond, ResponseTemplate};

use super::{
    attempt::Endpoint,
    gateway,
    hub::{EXCHANGE_HEADER, ExchangeId, Hub, Plan},
};

/// Starts a wiremock server that answers every endpoint. The journal is ours, so it records nothing.
pub(super) async fn start(hub: &Arc<Hub>) -> MockServer {
    let server = MockServer::builder()
        .disable_request_recording()
        .start()
        .await;
    for endpoint in [
        Endpoint::WorkersAiOpenAi,
        Endpoint::WorkersAiNative,
        Endpoint::Compat,
        Endpoint::Universal,
        Endpoint::OtherProvider,
        Endpoint::Unknown,
    ] {
        let hub = Arc::clone(hub);
        Mock::given(AsksFor {
            endpoint,
            hub: Arc::clone(&hub),
        })
        .respond_with(Scripted { endpoint, hub })
        .mount(&server)
        .await;
    }
    server
}

struct AsksFor {
    endpoint: Endpoint,
    hub: Arc<Hub>,
}

impl Match for AsksFor {
    fn matches(&self, request: &Request) -> bool {
        exchange_of(request).and_then(|id| self.hub.endpoint(id)) == Some(self.endpoint)
    }
}

struct Scripted {
    endpoint: Endpoint,
    hub: Arc<Hub>,
}

impl Respond for Scripted {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let exchange = exchange_of(request)
            .and_then(|id| self.hub.take_received(id).map(|received| (id, received)));
        let Some((id, received)) = exchange else {
            return ResponseTemplate::new(500);
        };
        let decision = gateway::decide(&self.hub, self.endpoint, &received);
        let rendered = decision.rendered;
        let mut body = BytesMut::new();
        for chunk in &rendered.chunks {
            body.extend_from_slice(chunk);
        }
        let mut template = ResponseTemplate::new(rendered.status).set_body_bytes(body);
        for (name, value) in &rendered.headers {
            template = template.append_header(name.as_str(), value.as_bytes());
        }
        self.hub.put_plan(
            id,
            Plan {
                attempt: decision.attempt,
                chunk_lengths: rendered.chunks.iter().map(bytes::Bytes::len).collect(),
                is_stream: rendered.is_stream,
                delivery: decision.delivery,
                release: decision.release,
            },
        );
        template
    }
}

fn exchange_of(request: &Request) -> Option<ExchangeId> {
    let value = request.headers.get(EXCHANGE_HEADER)?;
    value.to_str().ok()?.parse().ok()
}
