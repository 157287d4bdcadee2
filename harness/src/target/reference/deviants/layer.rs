//! Layers between callers and the backend, as functions. Never decides what a deviant does wrong.

#![expect(
    clippy::unnecessary_wraps,
    reason = "what they return is put into `Parts::caller` as it stands"
)]

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
