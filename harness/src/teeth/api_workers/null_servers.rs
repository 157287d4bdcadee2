//! Servers that keep no promise of an API worker: those of Workers, with what an API worker once answered. Never lets a request through.

use crate::catalogue::{Front, null_servers};
use crate::tamper::{Ask, Tamper, Told, Unanswered, Upstream};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::sync::Arc;

/// The one whose answers are those of another kind of backend.
const PAST: &str = "answers-from-the-past";

/// An id that was given once.
const ID: &str = "0d9f6f0c-7c52-4f0e-9f5e-6c1d52a3f001";
/// An instant that is over.
const THEN: i64 = 1_750_000_000_000;

pub(super) fn all() -> Vec<Front> {
    let fronts = null_servers::fronts().into_iter();
    fronts
        .map(|front| match front.id.as_str() {
            PAST => Front::new(&front.id, &front.does, || Arc::new(Past)),
            _ => front,
        })
        .collect()
}

/// Answers every route as an API worker did once.
struct Past;

#[async_trait]
impl Tamper for Past {
    async fn pass(&self, ask: Ask, _upstream: &Upstream) -> Result<Told, Unanswered> {
        let (status, body) = past(&ask);
        let body = if status == 204 {
            String::new()
        } else {
            body.to_string()
        };
        let mut told = Told::new(status, "application/json", body);
        told.set("x-request-id", ID);
        told.set("cache-control", "no-store");
        Ok(told)
    }
}

/// What an API worker once answered to such a request.
fn past(ask: &Ask) -> (u16, Value) {
    let route = ask.route();
    match (ask.method.as_str(), route) {
        ("DELETE", _) => (204, Value::Null),
        ("POST", "/v1/chat/completions") => (200, chat()),
        ("POST", "/v1/conversations") => (201, conversation()),
        ("POST", "/v1/sessions") => (
            201,
            json!({"id": ID, "token": credential("mps"), "expires_at": THEN, "created_at": THEN}),
        ),
        ("POST", "/api/admin/prices") => (201, price()),
        ("POST", "/api/admin/webhooks") => (201, webhook()),
        ("POST", route) if route.starts_with("/api/admin/keys") => (201, key()),
        ("POST", "/api/admin/jobs/statistics") => (200, json!({"days": 1})),
        ("POST", "/api/admin/jobs/retention") => (
            200,
            json!({"removed": {"usage_logs": 1, "user_sessions": 1, "rate_limits": 1}, "done": true}),
        ),
        ("POST", "/api/admin/jobs/deliveries") => (
            200,
            json!({"attempted": 1, "delivered": 1, "failed": 0, "pending": 0}),
        ),
        (_, "/api/admin/retention") => (
            200,
            json!({"usage_logs_days": 90, "user_sessions_days": 30, "rate_limits_days": 7}),
        ),
        (_, route) => (200, told(route)),
    }
}

/// Everything that such routes told, whichever is asked for.
fn told(route: &str) -> Value {
    let name = route.rsplit('/').next().unwrap_or_default();
    let usage = json!({
        "id": ID, "request_id": ID, "key_id": ID, "user_id": "alice", "conversation_id": null, "model": "a-model",
        "input_tokens": 5, "output_tokens": 2, "cost_micros": 7, "status": 200, "created_at": THEN,
    });
    json!({
        "keys": [key()], "prices": [price()], "conversations": [conversation()],
        "messages": [{"id": ID, "role": "user", "content": "Hello.", "created_at": THEN}],
        "usage": [usage], "preferences": {"theme": "dark"}, "flags": {"beta": true},
        "webhooks": [webhook()], "deliveries": [], "entries": [], "metrics": [],
        "days": [{"date": "2025-06-15", "user_id": "alice", "model": "a-model", "requests": 1, "input_tokens": 5, "output_tokens": 2, "cost_micros": 7}],
        "version": 6, "environment": "production",
        "history": [{"file": "0001_schema_metadata.sql", "sha256": "0".repeat(64), "applied_at": THEN}],
        "id": ID, "name": name, "value": true, "enabled": true, "source": "default", "state": "active", "next_cursor": null,
    })
}

fn credential(prefix: &str) -> String {
    format!("{prefix}_{}", "A".repeat(43))
}

fn chat() -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_750_000_000, "model": "a-model",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    })
}

fn conversation() -> Value {
    json!({"id": ID, "title": null, "created_at": THEN, "updated_at": THEN})
}

fn key() -> Value {
    json!({
        "id": ID, "prefix": "mpk_AAAAAAAA", "key": credential("mpk"), "user_id": "alice", "name": null,
        "permissions": ["chat", "read", "write"], "expires_at": null, "revoked_at": null, "replaces": ID,
        "quota_requests": null, "requests_used": 0, "last_used_at": null, "created_at": THEN,
    })
}

fn price() -> Value {
    json!({
        "id": ID, "model": "a-model", "input_micros_per_million": 1, "output_micros_per_million": 1,
        "valid_from": THEN, "valid_to": null, "created_at": THEN,
    })
}

fn webhook() -> Value {
    json!({
        "id": ID, "url": "https://hooks.example/", "events": ["key.created"], "state": "active",
        "secret": format!("whsec_{}=", "A".repeat(43)), "created_at": THEN,
    })
}
