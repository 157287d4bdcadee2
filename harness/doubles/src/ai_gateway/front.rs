//! The public address of the gateway double: takes requests, has wiremock answer them, delivers as planned.
//!
//! It never changes what is said, only how the bytes leave.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, Uri, http::HeaderMap};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use super::{
    attempt::{Attempt, Endpoint, Outcome},
    bodies, console,
    delivery::{self, Ending, Shipment},
    gateway,
    hub::{EXCHANGE_HEADER, ExchangeId, Hub, Plan},
};
use crate::{
    console::asked,
    wire::{Connection, Head, Received, RequestFault, let_descriptors_free},
};

/// Everything a connection needs.
#[derive(Debug, Clone)]
pub(super) struct Front {
    hub: Arc<Hub>,
    mocks: String,
    client: Client<HttpConnector, Empty<Bytes>>,
}

struct CompleteReply {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
    plan: Plan,
}

/// How often wiremock is asked for one reply: for some seconds.
const ASKED_MAX: usize = 300;

impl Front {
    pub(super) fn new(hub: Arc<Hub>, mocks: String) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            hub,
            mocks,
            client: Client::builder(TokioExecutor::new()).build(connector),
        }
    }

    /// Serves one connection to its end.
    pub(super) async fn serve(self, mut connection: Connection) {
        loop {
            match connection.next_request().await {
                Ok(Some(received)) => match self.exchange(connection, received).await {
                    Some(kept) => connection = kept,
                    None => return,
                },
                Ok(None) | Err(RequestFault::Io(_)) => return,
                Err(
                    fault @ (RequestFault::Truncated
                    | RequestFault::Malformed(_)
                    | RequestFault::TooLarge),
                ) => return self.refuse_unreadable(connection, &fault).await,
            }
        }
    }

    /// One request and its answer; the connection again if it may be used again.
    async fn exchange(&self, mut connection: Connection, received: Received) -> Option<Connection> {
        let keeps_alive = received.keeps_alive;
        if let (Some(alone), Some(own)) = (&self.hub.alone, asked(&received)) {
            let told = console::answer(&self.hub, alone, own, &received);
            return (told.send(&mut connection).await && keeps_alive).then_some(connection);
        }
        let has_body = received.method != "HEAD";
        let target = received.target.clone();
        let id = self.hub.open(received);
        let Some(reply) = self.ask(id, &target).await else {
            if let Some(unanswered) = self.hub.take_received(id) {
                let recorded = gateway::decide(&self.hub, Endpoint::Unknown, &unanswered);
                let journal = &self.hub.journal;
                journal.finish(recorded.attempt, Outcome::Answered(502), false);
            }
            let body = bodies::gateway_error(2002, 502, "The double could not answer").to_string();
            let head = Head::new(502).header("content-type", b"application/json");
            connection.answer(head, body.as_bytes()).await.ok()?;
            return None;
        };
        let mut head = Head::new(reply.status);
        for (name, value) in &reply.headers {
            if !is_of_the_hop(name.as_str()) {
                head.push(name.as_str(), value.as_bytes());
            }
        }
        if !keeps_alive {
            head.push("connection", b"close");
        }
        let shipment = Shipment {
            status: reply.status,
            head,
            chunks: split(reply.body, &reply.plan.chunk_lengths),
            has_body: has_body && !matches!(reply.status, 204 | 304),
        };
        let journal = &self.hub.journal;
        let attempt = reply.plan.attempt;
        let ending = delivery::deliver(&mut connection, shipment, reply.plan, journal).await;
        let outcome = match ending {
            Ending::Complete | Ending::ClientGone => Outcome::Answered(reply.status),
            Ending::Cut => Outcome::Cut,
            Ending::Reset | Ending::Garbled => Outcome::Reset,
        };
        journal.finish(attempt, outcome, ending == Ending::ClientGone);
        match ending {
            Ending::Complete => keeps_alive.then_some(connection),
            Ending::Reset => {
                // A socket that cannot be reset is closed instead: the client sees no answer either way.
                connection.reset().ok();
                None
            }
            Ending::ClientGone | Ending::Cut | Ending::Garbled => None,
        }
    }

    /// The complete reply and its plan, from wiremock.
    ///
    /// The mocks match on what was received, not on this hop: a POST stands for any method, the root for an odd target.
    async fn ask(&self, id: ExchangeId, target: &str) -> Option<CompleteReply> {
        let uri = format!("{}{target}", self.mocks)
            .parse::<Uri>()
            .ok()
            .filter(|_| target.starts_with('/'))
            .or_else(|| self.mocks.parse().ok())?;
        let request = Request::builder()
            .method("POST")
            .uri(uri)
            .header(EXCHANGE_HEADER, id)
            .body(Empty::new())
            .ok()?;
        // Between our own two ends nothing but a shortage of descriptors gets lost, and that must not look like the upstream's failure.
        let mut tries = ASKED_MAX;
        let response = loop {
            match self.client.request(request.clone()).await {
                Ok(response) => break response,
                Err(_) if tries > 0 && self.hub.holds(id) => {
                    tries -= 1;
                    let_descriptors_free().await;
                }
                Err(_) => return None,
            }
        };
        let (parts, body) = response.into_parts();
        Some(CompleteReply {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.collect().await.ok()?.to_bytes(),
            plan: self.hub.take_plan(id)?,
        })
    }

    /// Bytes that are no request are journalled too.
    async fn refuse_unreadable(&self, mut connection: Connection, fault: &RequestFault) {
        let journal = &self.hub.journal;
        let now = journal.stopwatch().elapsed();
        journal.record(Attempt {
            marker: String::new(),
            at: now,
            method: String::new(),
            path: String::new(),
            endpoint: Endpoint::Unknown,
            model: String::new(),
            stream: false,
            headers: Vec::new(),
            metadata_raw: None,
            metadata_kept: None,
            authorization: None,
            timeout_stated_ms: None,
            body: fault.to_string().into(),
            provider_took: std::time::Duration::ZERO,
            step: 0,
            fault: None,
            outcome: Outcome::Answered(400),
            finished_at: Some(now),
            chunks_sent: 0,
            client_gone: false,
        });
        let body = bodies::gateway_error(7003, 400, "Invalid request").to_string();
        let head = Head::new(400).header("content-type", b"application/json");
        // A client that speaks no HTTP may be gone already; the journal has what matters.
        connection.answer(head, body.as_bytes()).await.ok();
    }
}

/// Headers of the hop to wiremock that are not part of the reply.
fn is_of_the_hop(name: &str) -> bool {
    matches!(
        name,
        "content-length" | "transfer-encoding" | "connection" | "keep-alive"
    )
}

fn split(mut body: Bytes, lengths: &[usize]) -> Vec<Bytes> {
    lengths
        .iter()
        .map(|length| body.split_to((*length).min(body.len())))
        .collect()
}
