//! What the worker keeps, in the shapes in which callers see it. Never holds a credential or a hash.

use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// An API key as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the contract's table names the fields")]
pub struct Key {
    pub id: String,
    pub user_id: String,
    pub name: Option<String>,
    pub prefix: String,
    pub permissions: Vec<String>,
    pub expires_at: Option<i64>,
    pub quota_requests: Option<i64>,
    pub requests_used: i64,
    pub replaces: Option<String>,
    pub revoked_at: Option<i64>,
    pub created_at: i64,
}

/// A conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the contract's table names the fields")]
pub struct Conversation {
    pub id: String,
    pub title: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
    pub message_count: i64,
}

/// A message of a conversation.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the contract's table names the fields")]
pub struct Message {
    pub id: String,
    pub position: i64,
    pub role: String,
    pub content: Box<RawValue>,
    pub tool_calls: Option<Box<RawValue>>,
    pub tool_call_id: Option<String>,
    pub created_at: i64,
}

/// A row of usage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the contract's table names the fields")]
pub struct Usage {
    pub id: String,
    pub request_id: String,
    pub user_id: String,
    pub api_key_id: String,
    pub conversation_id: Option<String>,
    pub model: String,
    pub input_tokens: Option<i64>,
    pub output_tokens: Option<i64>,
    pub cost_micros: Option<i64>,
    pub latency_ms: i64,
    pub created_at: i64,
}

/// A price of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the contract's table names the fields")]
pub struct ModelPrice {
    pub id: String,
    pub model: String,
    pub input_micros_per_million: i64,
    pub output_micros_per_million: i64,
    pub valid_from: i64,
    pub valid_to: Option<i64>,
    pub created_at: i64,
}

/// A feature flag as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the contract's table names the fields")]
pub struct FlagRecord {
    pub name: String,
    pub enabled: bool,
    pub rollout_percent: Option<i64>,
    pub environments: BTreeMap<String, bool>,
    pub users: BTreeMap<String, bool>,
}

/// A webhook without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the contract's table names the fields")]
pub struct Webhook {
    pub id: String,
    pub url: String,
    pub events: Vec<String>,
    pub state: String,
    pub created_at: i64,
}

/// A delivery of one event to one webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the contract's table names the fields")]
pub struct Delivery {
    pub id: String,
    pub event_id: String,
    pub event: String,
    pub state: String,
    pub attempts: i64,
    pub last_status: Option<i64>,
    pub next_attempt_at: Option<i64>,
    pub delivered_at: Option<i64>,
    pub created_at: i64,
}

/// An entry of the audit log.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the contract's table names the fields")]
pub struct AuditEntry {
    pub id: i64,
    pub actor: String,
    pub action: String,
    pub resource: String,
    pub before: Option<Box<RawValue>>,
    pub after: Option<Box<RawValue>>,
    pub request_id: String,
    pub created_at: i64,
}

/// The sums of a day, a user and a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the contract's table names the fields")]
pub struct DayStatistics {
    pub date: String,
    pub user_id: String,
    pub model: String,
    pub requests: i64,
    pub input_tokens: i64,
    pub output_tokens: i64,
    pub cost_micros: i64,
}

/// How many days rows are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the contract's table names the fields")]
pub struct Retention {
    pub usage_logs_days: i64,
    pub user_sessions_days: i64,
    pub rate_limits_days: i64,
}

/// A metric.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the contract's table names the fields")]
pub struct Metric {
    pub name: String,
    pub value: i64,
    pub created_at: i64,
}

/// A file that was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the contract's table names the fields")]
pub struct AppliedFile {
    pub file: String,
    pub sha256: String,
    pub applied_at: i64,
    #[serde(skip)]
    pub version: i64,
    #[serde(skip)]
    pub environment: String,
}
