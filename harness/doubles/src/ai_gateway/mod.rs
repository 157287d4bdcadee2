//! The AI Gateway double: scripted replies, faults on the wire, a journal of every call.
//!
//! A front on the bare socket takes each request, wiremock answers it from the script book, the front delivers
//! the answer with the faults the script asks for.
//! It never calls a model and never decides whether a backend behaved well.

mod attempt;
mod bodies;
mod console;
mod delivery;
mod fault_words;
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

use std::{fmt, io, sync::Arc, time::Duration};

use crate::lag::Patience;

pub use attempt::{Attempt, Endpoint, Outcome};
pub use fault_words::{FAULT_WORDS, FaultWord};
pub use hub::Alone;
pub use reply::{ErrorDialect, Reply, StreamDialect};
pub use script::Script;

use self::{front::Front, hub::Hub, trap::Trap};
use super::{place::Place, thread::OwnThread, wire};

/// A running AI Gateway double. Dropping it stops it.
pub struct AiGatewayDouble {
    hub: Arc<Hub>,
    trap: Trap,
    origin: String,
    trap_origin: String,
    thread: OwnThread,
}

impl fmt::Debug for AiGatewayDouble {
    /// Without the journal, which holds keys: a world's debug text may be printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AiGatewayDouble")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl AiGatewayDouble {
    /// Starts the double on 127.0.0.1 and a free port.
    ///
    /// # Errors
    /// When a socket or a thread cannot be had.
    pub fn start() -> io::Result<Self> {
        Self::start_at(&Place::default())
    }

    /// Starts the double.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_at(place: &Place) -> io::Result<Self> {
        Self::open(place, None)
    }

    /// Starts a double that is to run alone: callers may ask for faults, and its journal is read at
    /// `/__moltproof/journal`.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_alone(place: &Place, alone: Alone) -> io::Result<Self> {
        Self::open(place, Some(alone))
    }

    fn open(place: &Place, alone: Option<Alone>) -> io::Result<Self> {
        let hub = Arc::new(Hub::new(alone));
        let trap = Trap::default();
        let taken = place.take()?;
        let trapped = Place::default().take()?;
        let (hub_there, trap_there) = (Arc::clone(&hub), trap.clone());
        let (listener, acceptor) = (taken.listener, taken.acceptor);
        let thread = OwnThread::spawn("ai-gateway-double", move || async move {
            let mocks = responder::start(&hub_there).await;
            let front = Front::new(hub_there, mocks.uri());
            tokio::join!(
                wire::serve(listener, acceptor, move |connection| front
                    .clone()
                    .serve(connection)),
                wire::serve(trapped.listener, None, move |connection| trap_there
                    .clone()
                    .serve(connection)),
            );
        })?;
        Ok(Self {
            hub,
            trap,
            origin: taken.origin,
            trap_origin: trapped.origin,
            thread,
        })
    }

    /// Whether it still serves: a double that has stopped is a fault of the harness, and no call or its absence shows anything then.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.thread.is_up()
    }

    /// Stops it for good while others still hold it: for tests of what depends on it.
    pub fn stop(&self) {
        self.thread.stop();
    }

    /// Scheme, host and port.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// What a backend takes as `AI_GATEWAY_BASE_URL`: such as `http://127.0.0.1:<port>/v1/acct/gw`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("{}/v1/acct/gw", self.origin)
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

    /// When it began to count the time that attempts are dated with.
    #[must_use]
    pub fn began(&self) -> std::time::Instant {
        self.hub.journal.stopwatch().began()
    }

    /// What `look` makes of each attempt whose marker begins so, in arrival order. Nothing else is told to the double meanwhile: be quick.
    #[must_use]
    pub fn look<T>(&self, beginning: &str, look: impl FnMut(&Attempt) -> T) -> Vec<T> {
        self.hub.journal.look(beginning, look)
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
    /// Of the deadline only that time counts in which everybody came to his turn.
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
        Patience::of(deadline)
            .with(satisfied)
            .await
            .unwrap_or_else(|| journal.of_marker(marker))
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
        self.trap_origin.clone()
    }

    /// How often `trap_url` was called by requests whose target or body holds this word.
    #[must_use]
    pub fn trap_hits_with(&self, word: &str) -> usize {
        self.trap.hits_with(word)
    }

    /// How often `trap_url` was called.
    #[must_use]
    pub fn trap_hits(&self) -> usize {
        self.trap.hits()
    }
}
