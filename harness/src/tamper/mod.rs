//! A proxy that changes what passes through it: between a caller and a backend, or between a backend and its AI Gateway.
//!
//! It never judges, and knows no rule of the contract: what it changes is told to it, as data ([`rule`]) or as a [`Tamper`].

pub mod abuse;
mod conversation;
pub mod proxy;
pub mod rule;
mod template;
pub mod wire;

pub use conversation::{Ask, Content, Told, Unanswered, Upstream};

use async_trait::async_trait;

/// Changes requests and answers. One value serves one proxy: what it remembers, it remembers of one backend.
#[async_trait]
pub trait Tamper: Send + Sync {
    /// Sees a request and gives its answer: changed or not, from the backend behind the proxy or of its own making.
    ///
    /// # Errors
    /// [`Unanswered`]: the connection is closed without an answer.
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered>;
}
