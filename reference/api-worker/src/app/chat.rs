//! Chats: what goes upstream, how often it is tried, and what is kept of the answer. Never answers before that is kept.

use super::error::Error;
use super::event::Event;
use super::stream::AnswerStream;
use super::{App, Caller, Present};
use crate::domain::answer::AnswerMessage;
use crate::domain::fields::Model;
use crate::domain::money::TOKENS_MAX;
use crate::domain::records::Usage;
use crate::store::chats::Answered;
use crate::store::conversations::NewMessage;
use crate::store::gate::Principal;
use bytes::Bytes;
use moltworker_reference::app::upstream::{
    self, Completion, RETRY_PAUSE, call_failure, outcome_text,
};
use moltworker_reference::domain::chat::{ChatRequest, InvalidChat};
use moltworker_reference::domain::completion::CompletionHead;
use moltworker_reference::domain::routing::{CallFailure, Leg, Routing};
use moltworker_reference::domain::tenant::Tier;
use moltworker_reference::domain::usage::TokenUsage;
use moltworker_reference::ports::{AiGateway, UpstreamCall};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const ROLES: [&str; 5] = ["system", "developer", "user", "assistant", "tool"];

/// What the caller gets.
pub enum ChatAnswer {
    /// A JSON chat completion.
    Json(Bytes),
    /// Server-sent events.
    Events(AnswerStream),
}

impl From<InvalidChat> for Error {
    fn from(invalid: InvalidChat) -> Self {
        match invalid {
            InvalidChat::Json(_) | InvalidChat::Syntax(_) => {
                Self::invalid("The body must be a JSON object with distinct keys.")
            }
            InvalidChat::Messages => Self::field(
                "messages",
                "messages must be a non-empty array of objects with a string role, and content that is a string, an array of parts or null.",
            ),
            InvalidChat::Stream => Self::field("stream", "stream must be a boolean."),
        }
    }
}

/// A chat that is under way: what is needed to keep its answer.
#[derive(Clone)]
pub(super) struct UnderWay {
    pub(super) caller: Caller,
    user_id: String,
    key_id: String,
    key_created_at: i64,
    model: String,
    /// The conversation, and what it is to keep before the answer.
    conversation: Option<(String, Vec<NewMessage>)>,
    /// On the clock's monotonic time.
    pub(super) called_at: Duration,
}

impl UnderWay {
    /// Whether the answer's message is wanted.
    pub(super) fn keeps_messages(&self) -> bool {
        self.conversation.is_some()
    }
}

/// A chat as the caller sends it.
struct Asked {
    request: ChatRequest,
    model: String,
    conversation: Option<(String, Vec<NewMessage>)>,
}

impl App {
    /// Answers a chat.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::NotFound`] or [`Error::QuotaExceeded`] before any call; [`Error::UpstreamFailed`] or
    /// [`Error::UpstreamTimeout`] when all attempts failed; [`Error::Store`] when the answer could not be kept.
    pub async fn chat(
        self: &Arc<Self>,
        caller: &Caller,
        principal: &Principal,
        body: &[u8],
    ) -> Result<ChatAnswer, Error> {
        let gateway = self.ports.gateway.clone().ok_or(Error::Internal)?;
        let asked = self.read_chat(&principal.user_id, body).await?;
        if !self.store()?.use_quota(principal.key_id.clone()).await? {
            return Err(Error::QuotaExceeded);
        }
        let under_way = UnderWay {
            caller: caller.clone(),
            user_id: principal.user_id.clone(),
            key_id: principal.key_id.clone(),
            key_created_at: principal.key_created_at,
            model: asked.model,
            conversation: asked.conversation,
            called_at: Duration::ZERO,
        };
        let leg = Routing::of(Tier::Free).primary;
        let upstream_body = Bytes::from(asked.request.body_for(&under_way.model));
        let mut attempts = 0;
        loop {
            attempts += 1;
            let called_at = self.ports.clock.monotonic();
            let under_way = UnderWay {
                called_at,
                ..under_way.clone()
            };
            let outcome = self
                .attempt(gateway.as_ref(), &leg, &upstream_body, under_way)
                .await?;
            let text = outcome_text(outcome.as_ref().err().copied());
            Event::AiAttempt {
                api_key_id: &principal.key_id,
                outcome: self.log.scrub(&text),
                attempt: attempts,
                request_id: caller.request_id,
            }
            .log(&self.log);
            match outcome {
                Ok(answer) => return Ok(answer),
                Err(failure) if failure.is_retryable() && attempts <= leg.retries => {
                    self.ports.clock.sleep(RETRY_PAUSE).await;
                }
                Err(failure) => return Err(upstream_error(failure, attempts)),
            }
        }
    }

    async fn read_chat(&self, user: &str, body: &[u8]) -> Result<Asked, Error> {
        let request = ChatRequest::parse(body)?;
        let model = request
            .field("model")
            .and_then(|text| serde_json::from_str::<Model>(text).ok());
        let model = model
            .ok_or_else(|| Error::field("model", "model must be a text of 1 to 200 characters."))?;
        let model = model.as_str().to_owned();
        let Some(id) = request.field("conversation_id") else {
            return Ok(Asked {
                request,
                model,
                conversation: None,
            });
        };
        let id: String = serde_json::from_str(id).map_err(|_source| {
            Error::field("conversation_id", "conversation_id must be a text.")
        })?;
        let own = own_messages(&request)?;
        let history = self
            .store()?
            .history(user.to_owned(), id.clone())
            .await?
            .ok_or(Error::NotFound)?;
        let request = with_history(request.without("conversation_id"), &history)?;
        Ok(Asked {
            request,
            model,
            conversation: Some((id, own)),
        })
    }

    async fn attempt(
        self: &Arc<Self>,
        gateway: &dyn AiGateway,
        leg: &Leg,
        body: &Bytes,
        under_way: UnderWay,
    ) -> Result<Result<ChatAnswer, CallFailure>, Error> {
        let metadata = json!({"platform": "api", "tier": "free", "workload": "chat", "api_key_id": under_way.key_id});
        let call = UpstreamCall {
            metadata_json: metadata.to_string(),
            body: body.clone(),
            first_byte_timeout: leg.first_byte_timeout,
        };
        let answer = match gateway.call(call).await {
            Ok(answer) => answer,
            Err(error) => return Ok(Err(call_failure(&error))),
        };
        if let Some(failure) = CallFailure::of_status(answer.status) {
            return Ok(Err(failure));
        }
        let head = CompletionHead {
            id: format!("chatcmpl-{}", Uuid::new_v4().simple()),
            created: under_way.caller.now() / 1000,
            model: under_way.model.clone().into(),
        };
        if answer.content_type == "text/event-stream" {
            let stream = AnswerStream::new(Arc::clone(self), answer.body, head, under_way);
            return Ok(Ok(ChatAnswer::Events(stream)));
        }
        match upstream::take_in(answer, &head).await {
            Ok(completion) => self.take_in(completion, under_way).await,
            Err(failure) => Ok(Err(failure)),
        }
    }

    async fn take_in(
        self: &Arc<Self>,
        completion: Completion,
        under_way: UnderWay,
    ) -> Result<Result<ChatAnswer, CallFailure>, Error> {
        let message = AnswerMessage::of_completion(&completion.value);
        if under_way.keeps_messages() && message.is_none() {
            return Ok(Err(CallFailure::Payload));
        }
        self.keep(under_way, completion.usage, message).await?;
        Ok(Ok(ChatAnswer::Json(completion.body)))
    }

    /// Keeps what an answered chat leaves, and tells webhooks.
    pub(super) async fn keep(
        self: &Arc<Self>,
        under_way: UnderWay,
        usage: Option<TokenUsage>,
        message: Option<AnswerMessage>,
    ) -> Result<(), Error> {
        let latency = self
            .ports
            .clock
            .monotonic()
            .saturating_sub(under_way.called_at);
        let told = |count: i64| Some(count).filter(|count| *count <= TOKENS_MAX);
        let (conversation_id, mut messages) = under_way.conversation.unzip();
        if let (Some(messages), Some(message)) = (&mut messages, message) {
            messages.push(NewMessage {
                role: "assistant".to_owned(),
                name: None,
                content: message.content.to_string(),
                tool_calls: message.tool_calls.map(|calls| calls.to_string()),
                tool_call_id: None,
            });
        }
        let present = under_way.caller.present.clone();
        let usage = Usage {
            id: Uuid::now_v7().to_string(),
            request_id: under_way.caller.request_id.to_string(),
            user_id: under_way.user_id,
            api_key_id: under_way.key_id,
            conversation_id,
            model: under_way.model,
            input_tokens: usage.and_then(|usage| told(usage.tokens_in)),
            output_tokens: usage.and_then(|usage| told(usage.tokens_out)),
            cost_micros: None,
            latency_ms: i64::try_from(latency.as_millis()).unwrap_or(i64::MAX),
            created_at: usage_time(&present, under_way.key_created_at),
        };
        let messages = messages.unwrap_or_default();
        let kept = self
            .store()?
            .complete_chat(Answered { usage, messages })
            .await?;
        self.deliver_soon(kept.deliveries, present);
        Ok(())
    }
}

/// A machine's clock that was put back makes no usage from before its key; a time that is told is taken as it is told.
fn usage_time(present: &Present, key_created_at: i64) -> i64 {
    match present {
        Present::Told(now) => *now,
        Present::Clock(clock) => clock.now_ms().max(key_created_at),
    }
}

/// The caller's messages, as a conversation keeps them.
fn own_messages(request: &ChatRequest) -> Result<Vec<NewMessage>, Error> {
    let malformed = || {
        Error::field(
            "messages",
            "a message of a conversation has a role of system, developer, user, assistant or tool.",
        )
    };
    let messages: Vec<Value> = request
        .field("messages")
        .and_then(|text| serde_json::from_str(text).ok())
        .ok_or_else(malformed)?;
    let text =
        |message: &Value, name: &str| message.get(name).and_then(Value::as_str).map(str::to_owned);
    let message = |message: &Value| {
        let role = text(message, "role")
            .filter(|role| ROLES.contains(&role.as_str()))
            .ok_or_else(malformed)?;
        let calls = message.get("tool_calls").filter(|calls| !calls.is_null());
        if calls.is_some_and(|calls| !calls.is_array()) {
            return Err(Error::field("messages", "tool_calls must be an array."));
        }
        Ok(NewMessage {
            role,
            name: text(message, "name"),
            content: message.get("content").unwrap_or(&Value::Null).to_string(),
            tool_calls: calls.map(Value::to_string),
            tool_call_id: text(message, "tool_call_id"),
        })
    };
    messages.iter().map(message).collect()
}

/// The request with the conversation's messages before its own, which go as they came.
fn with_history(request: ChatRequest, history: &[NewMessage]) -> Result<ChatRequest, Error> {
    let own = request.field("messages").ok_or(Error::Internal)?;
    let own: Vec<Box<RawValue>> = serde_json::from_str(own).map_err(|_source| Error::Internal)?;
    let mut all = Vec::with_capacity(history.len() + own.len());
    for message in history {
        let mut fields = vec![format!(r#""role":{}"#, Value::from(message.role.as_str()))];
        fields.extend(
            message
                .name
                .as_deref()
                .map(|name| format!(r#""name":{}"#, Value::from(name))),
        );
        fields.push(format!(r#""content":{}"#, message.content));
        fields.extend(
            message
                .tool_calls
                .as_ref()
                .map(|calls| format!(r#""tool_calls":{calls}"#)),
        );
        let answered = message.tool_call_id.as_deref();
        fields.extend(answered.map(|id| format!(r#""tool_call_id":{}"#, Value::from(id))));
        all.push(format!("{{{}}}", fields.join(",")));
    }
    all.extend(own.iter().map(|message| message.get().to_owned()));
    let all =
        RawValue::from_string(format!("[{}]", all.join(","))).map_err(|_source| Error::Internal)?;
    Ok(request.replaced("messages", &all))
}

fn upstream_error(failure: CallFailure, attempts: u32) -> Error {
    match failure {
        CallFailure::Timeout => Error::UpstreamTimeout { attempts },
        CallFailure::Status(_) | CallFailure::Connection | CallFailure::Payload => {
            Error::UpstreamFailed { attempts }
        }
    }
}
