//! Calls of models as an AI gateway saw them, whether our double did or Cloudflare's own log. Never judges one.

use super::CannotObserve;
use crate::doubles::{AiGatewayDouble, Attempt, Outcome};
use async_trait::async_trait;
use std::time::Duration;

/// Within this time after the caller's answer the double has written down how its calls ended.
const SETTLED_MAX: Duration = Duration::from_secs(2);

/// Whose calls are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whose {
    /// Token in the prompts.
    pub marker: String,
    /// Ids of the tenants that prompt, and of their sandboxes.
    pub ids: Vec<String>,
}

/// One call of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelCall {
    /// The model asked for, without a provider's prefix.
    pub model: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The metadata as JSON text: as sent where the double saw it, as kept where the platform's log tells.
    pub metadata: Option<String>,
    /// How many entries of it the platform keeps.
    pub kept: usize,
}

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SeenCalls {
    /// The calls that are theirs, in order of arrival.
    pub calls: Vec<ModelCall>,
    /// Calls of which nobody can tell whose they are: among them may be theirs.
    pub unattributed: usize,
}

/// Somebody who saw the calls.
#[async_trait]
pub trait ModelCalls: Send + Sync {
    /// Their calls, once no further one is to be expected; `least` are waited for.
    async fn of(&self, whose: &Whose, least: usize) -> Result<SeenCalls, CannotObserve>;

    /// Why not everything that was sent can be seen; `None` where it can.
    fn blind_spot(&self) -> Option<&'static str>;
}

impl From<&Attempt> for ModelCall {
    fn from(attempt: &Attempt) -> Self {
        Self {
            model: attempt.model.clone(),
            outcome: attempt.outcome,
            metadata: attempt.metadata_raw.clone(),
            kept: attempt
                .metadata_kept
                .as_ref()
                .map_or(0, serde_json::Map::len),
        }
    }
}

#[async_trait]
impl ModelCalls for AiGatewayDouble {
    async fn of(&self, whose: &Whose, _least: usize) -> Result<SeenCalls, CannotObserve> {
        // A call is in the journal before the double answers it: there is none to wait for.
        let has_ended = |attempt: &Attempt| attempt.outcome != Outcome::InProgress;
        let attempts = self
            .wait_until(&whose.marker, SETTLED_MAX, |all| all.iter().all(has_ended))
            .await;
        Ok(SeenCalls {
            calls: attempts.iter().map(ModelCall::from).collect(),
            unattributed: 0,
        })
    }

    fn blind_spot(&self) -> Option<&'static str> {
        None
    }
}
