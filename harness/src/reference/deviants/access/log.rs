//! Development that is relaxed in silence, or not at all. Never relaxes production.

use super::super::{Draft, deviant, lines};
use super::{TOKEN, is_admin, opens};
use crate::contract::need::Variant;
use crate::reference::altered::Parts;
use crate::tamper::{Ask, Tamper, Told, Unanswered, Upstream};
use async_trait::async_trait;
use serde_json::json;
use std::sync::Arc;

/// The event of a request that development let in.
const RELAXED: &str = "access_relaxed";

pub(super) fn all() -> Vec<Draft> {
    vec![
        deviant(
            "relaxed-in-silence",
            "Development lets requests in without a token and logs nothing of it",
            &["ACC-020"],
        )
        .parts(|parts| {
            lines::without(parts, RELAXED);
        }),
        deviant(
            "bad-tokens-relaxed-in-silence",
            "Development warns of requests without a token; one with a bad token passes in silence",
            &["ACC-020"],
        )
        .parts(|parts| {
            if parts.variant == Variant::DevMode {
                opens(parts, |ask| {
                    is_admin(ask.route()) && ask.headers.contains_key(TOKEN)
                });
            }
        }),
        deviant(
            "relaxed-below-warning",
            "That development let a request in is logged as an information, not as a warning",
            &["ACC-020"],
        )
        .parts(|parts| {
            lines::edit(parts, RELAXED, |line| line["level"] = json!("info"));
        }),
        deviant(
            "relaxation-logged-in-production",
            "Each request without a token is logged as let in, a refused one too",
            &["ACC-020"],
        )
        .parts(|parts| {
            lines::edit(parts, "access_denied", |line| {
                line["event"] = json!(RELAXED);
            });
        }),
        deviant(
            "development-not-relaxed",
            "Development asks for a token too, which nobody has on his own machine",
            &["ACC-020"],
        )
        .parts(|parts| parts.caller = strict(parts, "")),
    ]
}

fn strict(parts: &Parts, but: &'static str) -> Option<Arc<dyn Tamper>> {
    (parts.variant == Variant::DevMode).then(|| Arc::new(Strict { but }) as _)
}

/// Refuses admin requests without a token, but for one method.
struct Strict {
    but: &'static str,
}

#[async_trait]
impl Tamper for Strict {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let is_refused =
            is_admin(ask.route()) && !ask.headers.contains_key(TOKEN) && ask.method != self.but;
        if is_refused {
            let details = json!({ "login_url": "https://team.example/cdn-cgi/access/login", "required_scope": "admin" });
            return Ok(super::super::layer::refusal(403, "ACCESS_DENIED", &details));
        }
        upstream.send(&ask).await
    }
}
