//! Servers that do nothing of what the contract promises. They stand before a healthy but idle reference, so that every store, log and
//! double is there to be looked at; no MUST may pass. Never lets a request through to it.

use super::{Front, Other};
use crate::reference::altered::{Alteration, Edit};
use crate::subject::Migrated;
use crate::subject::manifest::Seeding;
use crate::subject::manifest::kv_template::Template;
use crate::tamper::{Ask, Tamper, Told, Unanswered, Upstream};
use async_trait::async_trait;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What its migrations leave out.
const RULES: [&str; 2] = [
    "CREATE UNIQUE INDEX tenants_sandbox_id ON tenants (sandbox_id);",
    "CREATE INDEX usage_tenant_created ON usage (tenant_id, created_at);",
];

/// How a null server answers.
#[derive(Debug, Clone, Copy)]
enum Nothing {
    /// Always this status, with an empty JSON object where a body may be.
    Status(u16),
    /// 200 and what was sent.
    Echo,
    /// 200 without a body.
    Empty,
    /// 200 with a page, as a host that is parked.
    Page,
    /// The status that is mostly right for such a request, with an empty JSON object.
    RightStatus,
    /// What a backend once answered to such a request, whoever asks.
    Past,
    /// No answer, the connection stays open.
    Hangs,
    /// No answer, the connection is closed.
    Closes,
}

/// Every null server. Tenants are written into its stores: by its own admin route it has none, and scenarios would end there.
#[must_use]
pub fn all() -> Vec<Other> {
    let servers = fronts().into_iter();
    servers
        .map(|front| front.before_the_reference(idle()))
        .collect()
}

/// A backend that is there to be looked at and does nothing.
pub(super) fn idle() -> Alteration {
    Alteration {
        // Its tables have neither rules nor indexes.
        schema: RULES
            .map(|find| Edit {
                find: find.to_owned(),
                put: String::new(),
            })
            .into(),
        // Its way to apply migrations does nothing either.
        migrate: Some(Arc::new(|_folder, _database| Migrated {
            ok: true,
            said: String::new(),
        })),
        seeding: Some(stores()),
        ..Alteration::default()
    }
}

/// What stands before an idle backend in each of them.
#[must_use]
pub fn fronts() -> Vec<Front> {
    let statuses = [200, 204, 302, 401, 403, 404, 429, 500, 503];
    let always = statuses.map(|status| {
        (
            format!("always-{status}"),
            format!("Answers everything {status}"),
            Nothing::Status(status),
        )
    });
    // What takes longest comes first.
    let rest = [
        ("hangs", "Never answers", Nothing::Hangs),
        ("echo", "Answers 200 with what it was sent", Nothing::Echo),
        ("empty-body", "Answers 200 with nothing", Nothing::Empty),
        ("parked-page", "Answers 200 with a page", Nothing::Page),
        (
            "wrong-body",
            "Answers with the right status and an empty object",
            Nothing::RightStatus,
        ),
        (
            "answers-from-the-past",
            "Answers every route as a backend did once, whoever asks",
            Nothing::Past,
        ),
        (
            "closes",
            "Closes every connection without an answer",
            Nothing::Closes,
        ),
    ];
    let rest = rest.map(|(id, does, how)| (id.to_owned(), does.to_owned(), how));
    let made = rest.into_iter().chain(always);
    made.map(|(id, does, how)| Front::new(&id, &does, move || Arc::new(NullServer(how))))
        .collect()
}

/// Tenants written where the reference keeps them, so that scenarios get further than to an admin route that is none.
fn stores() -> Seeding {
    Seeding::Stores {
        sql: vec![
            "INSERT INTO tenants (id, platform, tier, sandbox_id, created_at, updated_at) VALUES ('{id}', '{platform}', '{tier}', '{sandbox_id}', {now_ms}, {now_ms})".to_owned(),
        ],
        kv: BTreeMap::from([
            ("slug:{slug}".to_owned(), Template::Value("{id}".to_owned())),
            ("host:{domain}".to_owned(), Template::Value("{id}".to_owned())),
        ]),
    }
}

struct NullServer(Nothing);

#[async_trait]
impl Tamper for NullServer {
    async fn pass(&self, ask: Ask, _upstream: &Upstream) -> Result<Told, Unanswered> {
        let json = "application/json";
        Ok(match self.0 {
            Nothing::Status(status) => {
                let mut told = Told::new(status, json, if status == 204 { "" } else { "{}" });
                if status == 302 {
                    told.set("location", "/");
                }
                told
            }
            Nothing::Echo => {
                let kind = ask.header("content-type").unwrap_or(json).to_owned();
                Told::new(200, &kind, ask.body)
            }
            Nothing::Empty => Told::new(200, "text/plain", ""),
            Nothing::Page => Told::new(200, "text/html", "<!doctype html><title>Parked</title>"),
            Nothing::RightStatus => Told::new(usual_status(&ask), json, "{}"),
            Nothing::Past => past(&ask),
            Nothing::Hangs => std::future::pending().await,
            Nothing::Closes => return Err(Unanswered("this server closes".to_owned())),
        })
    }
}

/// The status that such a request has on a backend that works, by its looks alone.
pub(super) fn usual_status(ask: &Ask) -> u16 {
    let has_token = ask.headers.contains_key("cf-access-jwt-assertion");
    match (ask.method.as_str(), ask.route()) {
        (_, route) if route.starts_with("/api/admin/") && !has_token => 403,
        ("POST", "/api/admin/tenants") => 201,
        ("DELETE", _) => 204,
        (_, route) if route.starts_with("/api/admin/tenants") => 200,
        ("GET", "/sandbox-health" | "/api/status") | ("POST", "/v1/chat/completions") => 200,
        _ => 404,
    }
}

/// What a backend once answered to such a request.
fn past(ask: &Ask) -> Told {
    let id = "0d9f6f0c-7c52-4f0e-9f5e-6c1d52a3f001";
    let (status, body) = match (ask.method.as_str(), ask.route()) {
        ("GET", "/sandbox-health") => (200, json!({ "status": "ok" })),
        ("GET", "/api/status") => (
            200,
            json!({ "tenant": id, "slug": "acme", "sandbox_id": "moltworker-0123456789abcdef", "tier": "free", "platform": "web" }),
        ),
        ("POST", "/v1/chat/completions") => (
            200,
            json!({
                "id": "chatcmpl-1", "object": "chat.completion", "created": 1_750_000_000, "model": "a-model",
                "choices": [{ "index": 0, "message": { "role": "assistant", "content": "Hello." }, "finish_reason": "stop" }],
                "usage": { "prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7 },
            }),
        ),
        ("POST", "/api/admin/tenants") => (
            201,
            json!({ "id": id, "slug": "acme", "sandbox_id": "moltworker-0123456789abcdef", "tier": "free", "platform": "web", "domains": [] }),
        ),
        ("GET", "/api/admin/tenants") => (200, json!({ "items": [], "next_cursor": null })),
        (_, route) if route.starts_with("/api/admin/tenants/") => (
            200,
            json!({ "id": id, "slug": "acme", "sandbox_id": "moltworker-0123456789abcdef", "tier": "free", "platform": "web", "domains": [] }),
        ),
        _ => (
            404,
            json!({ "error": { "code": "not_found", "message": "There is no such route.", "request_id": id } }),
        ),
    };
    let mut told = Told::new(status, "application/json", body.to_string());
    told.set("x-request-id", id);
    told.set("cache-control", "no-store");
    told.set("age", "86400");
    told
}
