//! The AI Gateway double: scripted replies, faults on the wire, a journal of every call.
//!
//! A front on the bare socket takes each request, wiremock answers it from the script book, the front delivers
//! the answer with the faults the script asks for.
//! It never calls a model and never decides whether a backend behaved well.

mod attempt;
mod bodies;
mod delivery;
mod front;
mod gateway;
mod hub;
mod journal;
mod metadata;
mod render;
mod reply;
mod request;
mod responder;
mod script;
mod trap;

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

pub use attempt::{Attempt, Endpoint, Outcome};
pub use reply::{ErrorDialect, Reply, StreamDialect};
pub use script::Script;

use self::{front::Front, hub::Hub, trap::Trap};
use super::{
    thread::{OwnThread, listen_on_loopback},
    wire,
};

/// A running AI Gateway double. Dropping it stops it.
pub struct AiGatewayDouble {
    hub: Arc<Hub>,
    trap: Trap,
    address: SocketAddr,
    trap_address: SocketAddr,
    _thread: OwnThread,
}

impl fmt::Debug for AiGatewayDouble {
    /// Without the journal, which holds keys: a world's debug text may be printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AiGatewayDouble")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl AiGatewayDouble {
    /// Starts the double on 127.0.0.1 and a free port.
    ///
    /// # Errors
    /// When a socket or a thread cannot be had.
    pub fn start() -> io::Result<Self> {
        let hub = Arc::new(Hub::new());
        let trap = Trap::default();
        let listener = listen_on_loopback()?;
        let trap_listener = listen_on_loopback()?;
        let address = listener.local_addr()?;
        let trap_address = trap_listener.local_addr()?;
        let (hub_there, trap_there) = (Arc::clone(&hub), trap.clone());
        let thread = OwnThread::spawn("ai-gateway-double", move || async move {
            let mocks = responder::start(&hub_there).await;
            let front = Front::new(hub_there, mocks.uri());
            tokio::join!(
                wire::serve(listener, move |connection| front.clone().serve(connection)),
                wire::serve(trap_listener, move |connection| trap_there
                    .clone()
                    .serve(connection)),
            );
        })?;
        Ok(Self {
            hub,
            trap,
            address,
            trap_address,
            _thread: thread,
        })
    }

    /// What a backend takes as `AI_GATEWAY_BASE_URL`: `http://127.0.0.1:<port>/v1/acct/gw`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1/acct/gw", self.address)
    }

    /// Sets the script of a marker, from its start, in place of an earlier one, whose held replies go on.
    pub fn script(&self, marker: &str, script: Script) {
        self.hub.journal.script(marker, script);
    }

    /// Attempts of a marker, in arrival order.
    #[must_use]
    pub fn journal(&self, marker: &str) -> Vec<Attempt> {
        self.hub.journal.of_marker(marker)
    }

    /// All attempts not forgotten, in arrival order.
    #[must_use]
    pub fn journal_all(&self) -> Vec<Attempt> {
        self.hub.journal.all()
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
    ///
    /// Woken by each change of the marker's journal, never by a timer; needs a tokio runtime with time.
    pub async fn wait_until(
        &self,
        marker: &str,
        deadline: Duration,
        condition: impl Fn(&[Attempt]) -> bool,
    ) -> Vec<Attempt> {
        let journal = &self.hub.journal;
        let satisfied = async {
            let mut changes = journal.changes(marker);
            loop {
                let attempts = journal.of_marker(marker);
                if condition(&attempts) {
                    return attempts;
                }
                if changes.changed().await.is_err() {
                    changes = journal.changes(marker);
                }
            }
        };
        tokio::time::timeout(deadline, satisfied)
            .await
            .unwrap_or_else(|_| journal.of_marker(marker))
    }

    /// Lets the held and hanging replies of the marker's present script go on, those not yet reached included.
    pub fn release(&self, marker: &str) {
        self.hub.journal.release(marker);
    }

    /// Forgets script and journal of a marker.
    pub fn forget(&self, marker: &str) {
        self.hub.journal.forget(marker);
    }

    /// Another provider's address: no backend may ever call it.
    #[must_use]
    pub fn trap_url(&self) -> String {
        format!("http://{}", self.trap_address)
    }

    /// How often `trap_url` was called.
    #[must_use]
    pub fn trap_hits(&self) -> usize {
        self.trap.hits()
    }
}
