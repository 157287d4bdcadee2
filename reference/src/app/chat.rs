//! Model calls of a tenant: attempts, retries, fallback. Never sends a caller's header or model upstream.

use super::error::Error;
use super::resolve::Tenant;
use super::stream::AnswerStream;
use super::upstream::{self, RETRY_PAUSE, call_failure, outcome_text};
use super::usage::UsageRecorder;
use super::{App, Caller};
use crate::domain::chat::{ChatRequest, InvalidChat};
use crate::domain::completion::CompletionHead;
use crate::domain::metadata::metadata_json;
use crate::domain::routing::{CallFailure, Leg, Routing, Workload};
use crate::log::Event;
use crate::ports::{AiGateway, UpstreamAnswer, UpstreamCall};
use bytes::Bytes;
use uuid::Uuid;

/// What the caller gets.
pub struct ChatAnswer {
    /// `cf-aig-step`: 0 for the primary, 1 for the fallback.
    pub step: u8,
    /// The completion.
    pub body: AnswerBody,
}

/// A completion, whole or as it is produced.
pub enum AnswerBody {
    /// A JSON chat completion.
    Json(Bytes),
    /// Server-sent events.
    Events(Box<AnswerStream>),
}

impl From<InvalidChat> for Error {
    fn from(invalid: InvalidChat) -> Self {
        match invalid {
            InvalidChat::Json(_) | InvalidChat::Syntax(_) => {
                Self::invalid("The body must be a JSON object with distinct keys.")
            }
            InvalidChat::Messages => Self::Invalid {
                message: "messages must be a non-empty array of objects with a string role, and content that is a string, an array of parts or null.",
                field: Some("messages"),
            },
            InvalidChat::Stream => Self::Invalid {
                message: "stream must be a boolean.",
                field: Some("stream"),
            },
        }
    }
}

/// One attempt: what is sent, and where it stands in the row of attempts.
struct Attempt<'a> {
    caller: &'a Caller,
    tenant: &'a Tenant,
    leg: &'a Leg,
    number: u32,
    metadata_json: &'a str,
    body: Bytes,
}

impl App {
    /// Answers a chat request (AIG-001 to AIG-022).
    ///
    /// # Errors
    /// [`Error::Invalid`] before any call; [`Error::UpstreamFailed`] or [`Error::UpstreamTimeout`] when all attempts failed.
    pub async fn chat(
        &self,
        caller: &Caller,
        tenant: &Tenant,
        workload: Workload,
        body: &[u8],
    ) -> Result<ChatAnswer, Error> {
        let gateway = self
            .ports
            .gateway
            .as_deref()
            .ok_or_else(|| self.requirements.missing_ai_gateway())?;
        let request = ChatRequest::parse(body)?;
        self.ensure_gateway(tenant.sandbox).await?;
        let metadata_json = metadata_json(
            &tenant.platform,
            tenant.tier,
            workload,
            tenant.id,
            tenant.sandbox,
        );
        let mut attempts = 0;
        let mut failure = CallFailure::Payload;
        for leg in Routing::of(tenant.tier).legs() {
            let body = Bytes::from(request.body_for(leg.model));
            for _ in 0..=leg.retries {
                if attempts > 0 {
                    self.ports.clock.sleep(RETRY_PAUSE).await;
                }
                attempts += 1;
                let attempt = Attempt {
                    caller,
                    tenant,
                    leg,
                    number: attempts,
                    metadata_json: &metadata_json,
                    body: body.clone(),
                };
                match self.attempt(gateway, &attempt).await? {
                    Ok(body) => {
                        let (tenant_id, request_id) = (tenant.id, caller.request_id);
                        self.log.write(&Event::AiAnswered {
                            tenant_id,
                            model: leg.model,
                            step: leg.step,
                            attempts,
                            request_id,
                        });
                        return Ok(ChatAnswer {
                            step: leg.step,
                            body,
                        });
                    }
                    Err(last) if last.is_retryable() => failure = last,
                    Err(last) => return Err(upstream_error(last, attempts)),
                }
            }
        }
        Err(upstream_error(failure, attempts))
    }

    async fn attempt(
        &self,
        gateway: &dyn AiGateway,
        attempt: &Attempt<'_>,
    ) -> Result<Result<AnswerBody, CallFailure>, Error> {
        let recorder = self.usage_recorder(
            attempt.tenant.id,
            attempt.leg.model,
            self.ports.clock.monotonic(),
        )?;
        let call = UpstreamCall {
            metadata_json: attempt.metadata_json.to_owned(),
            body: attempt.body.clone(),
            first_byte_timeout: attempt.leg.first_byte_timeout,
        };
        let outcome = match gateway.call(call).await {
            Ok(answer) => self.take_in(answer, recorder).await,
            Err(error) => Err(call_failure(&error)),
        };
        let text = outcome_text(outcome.as_ref().err().copied());
        self.log.write(&Event::AiAttempt {
            tenant_id: attempt.tenant.id,
            model: attempt.leg.model,
            outcome: self.log.scrub(&text),
            attempt: attempt.number,
            request_id: attempt.caller.request_id,
        });
        Ok(outcome)
    }

    async fn take_in(
        &self,
        answer: UpstreamAnswer,
        recorder: UsageRecorder,
    ) -> Result<AnswerBody, CallFailure> {
        if let Some(failure) = CallFailure::of_status(answer.status) {
            return Err(failure);
        }
        let head = CompletionHead {
            id: format!("chatcmpl-{}", Uuid::new_v4().simple()),
            created: self.ports.clock.now_ms() / 1000,
            model: recorder.model.into(),
        };
        if answer.content_type == "text/event-stream" {
            return Ok(AnswerBody::Events(Box::new(AnswerStream::new(
                answer.body,
                head,
                recorder,
            ))));
        }
        let completion = upstream::take_in(answer, &head).await?;
        if let Some(usage) = completion.usage {
            recorder.record(usage, self.ports.clock.monotonic());
        }
        Ok(AnswerBody::Json(completion.body))
    }
}

fn upstream_error(failure: CallFailure, attempts: u32) -> Error {
    match failure {
        CallFailure::Timeout => Error::UpstreamTimeout { attempts },
        CallFailure::Status(_) | CallFailure::Connection | CallFailure::Payload => {
            Error::UpstreamFailed { attempts }
        }
    }
}
