//! Development that is relaxed in silence, or not at all. Never relaxes production.

use super::super::{Draft, deviant};
use super::is_admin;
use crate::tamper::{Ask, Tamper, Told, Unanswered, Upstream};
use crate::target::need::Variant;
use crate::target::reference::altered::Parts;
use async_trait::async_trait;
use moltworker_reference::ports::{Level, LogSink};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn all() -> Vec<Draft> {
    vec![
        deviant(
            "relaxed-in-silence",
            "Development lets requests in without a token and logs nothing of it",
            &["ACC-020"],
        )
        .parts(|parts| {
            logging(parts, |line| {
                (line["event"] != "access_relaxed").then_some(line)
            });
        }),
        deviant(
            "relaxed-below-warning",
            "That development let a request in is logged as an information, not as a warning",
            &["ACC-020"],
        )
        .parts(|parts| {
            logging(parts, |mut line| {
                if line["event"] == "access_relaxed" {
                    line["level"] = json!("info");
                }
                Some(line)
            });
        }),
        deviant(
            "relaxation-logged-in-production",
            "Each request without a token is logged as let in, a refused one too",
            &["ACC-020"],
        )
        .parts(|parts| {
            logging(parts, |mut line| {
                if line["event"] == "access_denied" {
                    line["event"] = json!("access_relaxed");
                }
                Some(line)
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

/// Passes each log line through `change`; `None` leaves it out.
fn logging(parts: &mut Parts, change: fn(Value) -> Option<Value>) {
    let inner = Arc::clone(&parts.ports.log);
    parts.ports.log = Arc::new(Changed { inner, change });
}

struct Changed {
    inner: Arc<dyn LogSink>,
    change: fn(Value) -> Option<Value>,
}

impl LogSink for Changed {
    fn line(&self, level: Level, json: &str) {
        let line = serde_json::from_str(json).unwrap_or_default();
        if let Some(line) = (self.change)(line) {
            self.inner.line(level, &line.to_string());
        }
    }
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
        let is_refused = is_admin(ask.route())
            && !ask.headers.contains_key(super::TOKEN)
            && ask.method != self.but;
        if is_refused {
            let details = json!({ "login_url": "https://team.example/cdn-cgi/access/login", "required_scope": "admin" });
            return Ok(super::super::layer::refusal(403, "ACCESS_DENIED", &details));
        }
        upstream.send(&ask).await
    }
}
