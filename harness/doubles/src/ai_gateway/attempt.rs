//! What the AI Gateway double saw of one upstream call. It never holds what the caller of the backend saw.

use std::time::Duration;

use serde_json::{Map, Value};

/// One call to a model as the gateway saw it: one request, or one try of one element of a Universal request.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// Token of the `[[mp-<token>]]` marker in the body; empty when there was none.
    pub marker: String,
    /// Arrival, since the double started.
    pub at: Duration,
    /// HTTP method.
    pub method: String,
    /// Request target as sent, query included.
    pub path: String,
    /// Which of the gateway's endpoints the path names.
    pub endpoint: Endpoint,
    /// Model asked for, without the `workers-ai/` prefix; empty when the request names none.
    pub model: String,
    /// Whether the body asked for a stream.
    pub stream: bool,
    /// Request headers, names in lower case, in the order sent; a Universal element's own, which take precedence, follow.
    pub headers: Vec<(String, String)>,
    /// `cf-aig-metadata` as sent; several are joined by `, ` as HTTP has it, which is no JSON any more.
    pub metadata_raw: Option<String>,
    /// What the platform would have kept of it; `None` when it would have stored null or nothing.
    pub metadata_kept: Option<Map<String, Value>>,
    /// `cf-aig-authorization` as sent.
    pub authorization: Option<String>,
    /// Timeout stated for this attempt (header, or a Universal element's `config.requestTimeout`), in milliseconds.
    pub timeout_stated_ms: Option<u64>,
    /// Request body; for a Universal element its `query`. A body that is no JSON is kept as a string.
    pub body: Value,
    /// How long the provider took in virtual time.
    pub provider_took: Duration,
    /// Position of the Universal element, 0 elsewhere.
    pub step: usize,
    /// The caller's own words for a fault, to a double that runs alone.
    pub fault: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// When it ended, since the double started.
    pub finished_at: Option<Duration>,
    /// Body chunks written to the socket.
    pub chunks_sent: usize,
    /// Whether the backend closed the connection before the reply was complete.
    pub client_gone: bool,
}

impl Attempt {
    /// First value of a request header; `name` in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header_values(name).first().copied()
    }

    /// Every value of a request header; `name` in lower case.
    #[must_use]
    pub fn header_values(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// An answer with this status; with `client_gone` it was left unread.
    Answered(u16),
    /// The provider took longer, in virtual time, than the timeout stated for the attempt.
    TimedOut,
    /// Left without an end: no byte sent, or stalled after `chunks_sent` chunks.
    Hung,
    /// No HTTP answer went out: the connection was reset, or closed after bytes that are no HTTP.
    Reset,
    /// The connection was closed inside the body.
    Cut,
    /// Not decided yet.
    InProgress,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Answered(status) => write!(f, "answered with {status}"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Hung => f.write_str("left without an end"),
            Self::Reset => f.write_str("reset"),
            Self::Cut => f.write_str("cut inside the body"),
            Self::InProgress => f.write_str("not ended yet"),
        }
    }
}

/// The gateway's endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `POST …/workers-ai/@cf/<model>`: native Workers AI body.
    WorkersAiNative,
    /// `POST …/workers-ai/v1/chat/completions`: `OpenAI` body, model without prefix.
    WorkersAiOpenAi,
    /// `POST …/compat/chat/completions`: `OpenAI` body, model with provider prefix or `dynamic/<route>`.
    Compat,
    /// `POST /v1/{account}/{gateway}`: an array of elements, each a provider call.
    Universal,
    /// `POST …/{provider}/…/chat/completions` of a provider other than Workers AI: only a double that runs alone plays any.
    OtherProvider,
    /// Anything else; answered 404 or 405.
    Unknown,
}
