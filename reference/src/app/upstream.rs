//! A model call's outcome, as every backend of ours takes it: what counts as a failure, and what an answer says. Never decides what is tried next.

use crate::domain::completion::{CompletionHead, from_native};
use crate::domain::routing::CallFailure;
use crate::domain::usage::{TokenUsage, says_failure};
use crate::ports::{UpstreamAnswer, UpstreamError};
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::Value;
use std::time::Duration;

/// Before each further attempt: long enough for a momentary overload to pass, short against any model's answer.
pub const RETRY_PAUSE: Duration = Duration::from_millis(25);
/// Largest answer that is taken in when it is not streamed.
const ANSWER_LEN_MAX: usize = 8 << 20;

/// An answer that is a completion.
pub struct Completion {
    /// In OpenAI's shape, whatever the provider's was.
    pub value: Value,
    /// The same as the caller gets it: byte for byte what came, where that was in this shape.
    pub body: Bytes,
    /// Its tokens, if it told them.
    pub usage: Option<TokenUsage>,
}

/// Takes in an answer that is not streamed.
///
/// # Errors
/// [`CallFailure`] if it stops half-way, is too large, or is no completion.
pub async fn take_in(
    answer: UpstreamAnswer,
    head: &CompletionHead,
) -> Result<Completion, CallFailure> {
    let body = collect(answer).await?;
    let value: Value = serde_json::from_slice(&body).map_err(|_source| CallFailure::Payload)?;
    if says_failure(&value) || !value.is_object() {
        return Err(CallFailure::Payload);
    }
    let usage = TokenUsage::from_answer(&value);
    Ok(match from_native(&value, head) {
        Some(value) => Completion {
            body: Bytes::from(value.to_string()),
            value,
            usage,
        },
        None => Completion { value, body, usage },
    })
}

async fn collect(mut answer: UpstreamAnswer) -> Result<Bytes, CallFailure> {
    let mut collected = Vec::new();
    while let Some(chunk) = answer.body.next().await {
        let chunk = chunk.map_err(|error| call_failure(&error))?;
        if collected.len() + chunk.len() > ANSWER_LEN_MAX {
            return Err(CallFailure::Payload);
        }
        collected.extend_from_slice(&chunk);
    }
    Ok(Bytes::from(collected))
}

/// What a call that brought no answer counts as.
#[must_use]
pub fn call_failure(error: &UpstreamError) -> CallFailure {
    match error {
        UpstreamError::Timeout => CallFailure::Timeout,
        UpstreamError::Connection(_) => CallFailure::Connection,
    }
}

/// The word for an attempt's outcome in the log.
#[must_use]
pub fn outcome_text(failure: Option<CallFailure>) -> String {
    match failure {
        None => "ok".to_owned(),
        Some(CallFailure::Timeout) => "timeout".to_owned(),
        Some(CallFailure::Status(status)) => format!("status_{status}"),
        Some(CallFailure::Connection) => "connection".to_owned(),
        Some(CallFailure::Payload) => "payload".to_owned(),
    }
}
