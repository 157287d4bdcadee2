//! What the worker logs. Never holds a credential: free text comes scrubbed.

use moltworker_reference::log::{Log, Scrubbed};
use moltworker_reference::ports::Level;
use serde::Serialize;
use uuid::Uuid;

/// What can be logged.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Event<'a> {
    /// An admin request was refused.
    AccessDenied {
        reason: &'static str,
        request_id: Uuid,
    },
    /// A request was refused for missing configuration.
    ConfigurationError { missing: &'a [&'static str] },
    /// After each upstream call.
    AiAttempt {
        api_key_id: &'a str,
        outcome: Scrubbed<'a>,
        attempt: u32,
        request_id: Uuid,
    },
    /// After each attempt of a delivery.
    WebhookAttempt {
        delivery_id: &'a str,
        status: Option<u16>,
        attempt: i64,
    },
    /// The database failed.
    StoreUnavailable {
        store: &'static str,
        cause: Scrubbed<'a>,
        request_id: Option<Uuid>,
    },
    /// A handler broke off: a defect.
    Panicked { request_id: Uuid },
    /// After each request.
    Request {
        request_id: Uuid,
        method: Scrubbed<'a>,
        path: Scrubbed<'a>,
        status: u16,
        duration_ms: u64,
    },
}

impl Event<'_> {
    /// Writes it.
    pub fn log(&self, log: &Log) {
        let (level, message) = match self {
            Self::AccessDenied { .. } => (Level::Warn, "an admin request was refused"),
            Self::ConfigurationError { .. } => (
                Level::Error,
                "configuration is missing; requests that need it are refused",
            ),
            Self::AiAttempt { .. } => (Level::Info, "the AI Gateway was called"),
            Self::WebhookAttempt { .. } => (Level::Info, "a webhook was called"),
            Self::StoreUnavailable { .. } => (Level::Error, "the database failed"),
            Self::Panicked { .. } => (Level::Error, "a request handler broke off"),
            Self::Request { .. } => (Level::Info, "a request was answered"),
        };
        log.write_as(level, message, self);
    }
}
