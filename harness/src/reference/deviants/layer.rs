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

/// A layer that asks once more, in another way, where the first answer is a reason to; the caller gets the second one.
pub(super) fn again(
    other: impl Fn(&Ask, &Told) -> Option<Ask> + Send + Sync + 'static,
) -> Option<Arc<dyn Tamper>> {
    Some(Arc::new(Again(other)))
}

/// A layer that sends another request ahead of some; nobody learns how that one was answered.
pub(super) fn ahead(
    other: impl Fn(&Ask) -> Option<Ask> + Send + Sync + 'static,
) -> Option<Arc<dyn Tamper>> {
    Some(Arc::new(Ahead(other)))
}

/// A layer that gives some answers itself.
pub(super) fn instead(
    own: impl Fn(&Ask) -> Option<Told> + Send + Sync + 'static,
) -> Option<Arc<dyn Tamper>> {
    Some(Arc::new(Instead(own)))
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

struct Again<F>(F);

#[async_trait]
impl<F: Fn(&Ask, &Told) -> Option<Ask> + Send + Sync> Tamper for Again<F> {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let told = upstream.send(&ask).await?;
        match (self.0)(&ask, &told) {
            Some(other) => upstream.send(&other).await,
            None => Ok(told),
        }
    }
}

struct Ahead<F>(F);

#[async_trait]
impl<F: Fn(&Ask) -> Option<Ask> + Send + Sync> Tamper for Ahead<F> {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        if let Some(other) = (self.0)(&ask) {
            upstream.send(&other).await?;
        }
        upstream.send(&ask).await
    }
}

struct Instead<F>(F);

#[async_trait]
impl<F: Fn(&Ask) -> Option<Told> + Send + Sync> Tamper for Instead<F> {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        match (self.0)(&ask) {
            Some(told) => Ok(told),
            None => upstream.send(&ask).await,
        }
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
