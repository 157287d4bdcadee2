//! The AI Gateway double: scripted replies, faults on the wire, a journal of every call.
//!
//! It never calls a model and never decides whether a backend behaved well.

mod attempt;
mod bodies;
mod reply;
mod script;

use std::{io, time::Duration};

pub use attempt::{Attempt, Endpoint, Outcome};
pub use reply::{ErrorDialect, Reply, StreamDialect};
pub use script::Script;

/// A running AI Gateway double. Dropping it stops it.
#[derive(Debug)]
pub struct AiGatewayDouble {}

impl AiGatewayDouble {
    /// Starts the double on 127.0.0.1 and a free port.
    ///
    /// # Errors
    /// When a socket or a thread cannot be had.
    pub fn start() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// What a backend takes as `AI_GATEWAY_BASE_URL`: `http://127.0.0.1:<port>/v1/acct/gw`.
    #[must_use]
    pub fn base_url(&self) -> String {
        String::new()
    }

    /// Sets the script of a marker, from its start, in place of an earlier one.
    pub fn script(&self, _marker: &str, _script: Script) {}

    /// Attempts of a marker, in arrival order.
    #[must_use]
    pub fn journal(&self, _marker: &str) -> Vec<Attempt> {
        Vec::new()
    }

    /// All attempts, in arrival order.
    #[must_use]
    pub fn journal_all(&self) -> Vec<Attempt> {
        Vec::new()
    }

    /// The marker's attempts as soon as there are `count`, or at the deadline.
    pub async fn wait_for_attempts(
        &self,
        marker: &str,
        count: usize,
        deadline: Duration,
    ) -> Vec<Attempt> {
        self.wait_until(marker, deadline, |attempts| attempts.len() >= count)
            .await
    }

    /// The marker's attempts as soon as they satisfy `condition`, or at the deadline.
    #[expect(clippy::unused_async, reason = "stub")]
    pub async fn wait_until(
        &self,
        marker: &str,
        _deadline: Duration,
        _condition: impl Fn(&[Attempt]) -> bool,
    ) -> Vec<Attempt> {
        self.journal(marker)
    }

    /// Lets the held and hanging replies of the marker's present script go on, those not yet reached included.
    pub fn release(&self, _marker: &str) {}

    /// Forgets script and journal of a marker.
    pub fn forget(&self, _marker: &str) {}

    /// Another provider's address: no backend may ever call it.
    #[must_use]
    pub fn trap_url(&self) -> String {
        String::new()
    }

    /// How often `trap_url` was called.
    #[must_use]
    pub fn trap_hits(&self) -> usize {
        0
    }
}
