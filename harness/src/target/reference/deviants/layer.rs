//! Layers between callers and the backend, as functions. Never decides what a deviant does wrong.

#![expect(
    clippy::unnecessary_wraps,
    reason = "what they return is put into `Parts::caller` as it stands"
)]

use crate::clock;
use crate::tamper::{Ask, Tamper, Told, Unanswered, Upstream};
use async_trait::async_trait;
use std::sync::Arc;

/// A layer that changes requests before the backend sees them.
pub(super) fn before(change: impl Fn(&mut Ask) + Send + Sync + 'static) -> Option<Arc<dyn Tamper>> {
    Some(Arc::new(Before(change)))
}

/// A layer that changes answers before the caller sees them; it is given the request too.
pub(super) fn after(
    change: impl Fn(&Ask, &mut Told) + Send + Sync + 'static,
) -> Option<Arc<dyn Tamper>> {
    Some(Arc::new(After(change)))
}

struct Before<F>(F);

#[async_trait]
impl<F: Fn(&mut Ask) + Send + Sync> Tamper for Before<F> {
    async fn pass(&self, mut ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        (self.0)(&mut ask);
        upstream.send(&ask).await
    }
}

struct After<F>(F);

#[async_trait]
impl<F: Fn(&Ask, &mut Told) + Send + Sync> Tamper for After<F> {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let mut told = upstream.send(&ask).await?;
        (self.0)(&ask, &mut told);
        Ok(told)
    }
}

/// An error of a layer's own, in the contract's shape.
pub(super) fn refusal(status: u16, code: &str, details: &serde_json::Value) -> Told {
    let id = uuid::Uuid::new_v4().to_string();
    let body = serde_json::json!({
        "success": false,
        "error": { "code": code, "message": "The request is refused.", "details": details },
        "meta": { "request_id": id, "timestamp": clock::rfc3339(clock::epoch_ms()) },
    });
    let mut told = Told::new(status, "application/json", body.to_string());
    told.set("x-request-id", &id);
    told.set("cache-control", "no-store");
    told
}
