//! Webhook deliveries: tried at once beside the caller, and again when they are due. Never keeps a caller waiting, but the one who asks for a run.

use super::error::Error;
use super::event::Event;
use super::{App, Present};
use crate::domain::address::Endpoint;
use crate::domain::webhook::signature;
use crate::store::Act;
use crate::store::deliveries::{Claimed, State};
use crate::webhook_sender::Signed;
use futures_util::{StreamExt, stream};
use moltworker_reference::log::causes;
use serde::Serialize;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Deliveries that are under way at the same time in one run.
const AT_ONCE: usize = 16;
/// Between two looks at what is due: short against the first pause of 30 seconds.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// What became of the deliveries of one run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// How many were tried.
    pub attempted: u64,
    /// Of these: answered 2xx.
    pub delivered: u64,
    /// Of these: given up.
    pub failed: u64,
    /// Of these: to be tried again.
    pub pending: u64,
}

impl App {
    /// Tries deliveries that were just announced, in the background.
    pub fn deliver_soon(self: &Arc<Self>, ids: Vec<String>, present: Present) {
        if ids.is_empty() {
            return;
        }
        let app = Arc::clone(self);
        // The handle is not needed: the task is counted, and reports its own failure.
        drop(self.background.spawn(async move {
            let outcome = async {
                let claimed = app.store()?.claim(ids, present.now()).await?;
                app.try_all(claimed, &present).await
            };
            if let Err(error) = outcome.await {
                app.log_job_failure(&error);
            }
        }));
    }

    /// Tries everything that is due.
    ///
    /// # Errors
    /// [`Error::Store`]; what was claimed is free again after a minute.
    pub async fn deliver_due(&self, present: &Present, act: Option<Act>) -> Result<Tally, Error> {
        let mut tally = Tally::default();
        let mut act = act;
        loop {
            let claimed = self
                .store()?
                .claim_due(present.now(), self.busy(), act.take())
                .await?;
            if claimed.is_empty() {
                return Ok(tally);
            }
            let more = self.try_all(claimed, present).await?;
            tally.attempted += more.attempted;
            tally.delivered += more.delivered;
            tally.failed += more.failed;
            tally.pending += more.pending;
        }
    }

    /// Looks for what is due for ever.
    pub async fn keep_delivering(&self) {
        let present = Present::Clock(Arc::clone(&self.ports.clock));
        loop {
            self.ports.clock.sleep(LOOK_PAUSE).await;
            if let Err(error) = self.deliver_due(&present, None).await {
                self.log_job_failure(&error);
            }
        }
    }

    async fn try_all(&self, claimed: Vec<Claimed>, present: &Present) -> Result<Tally, Error> {
        let attempts = claimed
            .into_iter()
            .map(|delivery| self.try_one(delivery, present));
        let states: Vec<Result<State, Error>> = stream::iter(attempts)
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut tally = Tally::default();
        for state in states {
            tally.attempted += 1;
            match state? {
                State::Delivered => tally.delivered += 1,
                State::Failed => tally.failed += 1,
                State::Pending => tally.pending += 1,
            }
        }
        Ok(tally)
    }

    async fn try_one(&self, delivery: Claimed, present: &Present) -> Result<State, Error> {
        let sending = Sending::begin(&self.in_flight, &delivery.id);
        let status = self.send(&delivery, present.now()).await;
        Event::WebhookAttempt {
            delivery_id: &delivery.id,
            status,
            attempt: delivery.attempts,
        }
        .log(&self.log);
        Ok(self
            .store()?
            .conclude(delivery, status, present.now(), sending)
            .await?)
    }

    async fn send(&self, delivery: &Claimed, now: i64) -> Option<u16> {
        // What the address leads to may have changed since the webhook was made.
        let endpoint = Endpoint::parse(&delivery.url, &self.config.webhook_allowed)?;
        let timestamp_s = now.div_euclid(1000);
        let signed = Signed {
            id: delivery.event_id.clone(),
            timestamp_s,
            signature: signature(
                &delivery.secret,
                &delivery.event_id,
                timestamp_s,
                &delivery.body,
            )?,
            body: delivery.body.clone(),
        };
        self.ports.sender.send(&endpoint, &signed).await
    }

    /// Whether this process sends a delivery, asked when it is to be claimed.
    fn busy(&self) -> impl Fn(&str) -> bool + Send + 'static {
        let in_flight = Arc::clone(&self.in_flight);
        move |id| {
            let in_flight = in_flight.lock().unwrap_or_else(PoisonError::into_inner);
            in_flight.contains(id)
        }
    }

    pub(super) fn log_job_failure(&self, error: &Error) {
        let cause = causes(error);
        Event::StoreUnavailable {
            store: "API_DB",
            cause: self.log.scrub(&cause),
            request_id: None,
        }
        .log(&self.log);
    }
}

/// The ids of the deliveries that this process is sending.
pub(super) type InFlight = Arc<Mutex<HashSet<String>>>;

/// A delivery that this process is sending: whatever the clock is told, it is not sent a second time meanwhile.
/// It is given up in the transaction that writes what became of the attempt, so that whoever reads that may claim it.
struct Sending {
    in_flight: InFlight,
    id: String,
}

impl Sending {
    fn begin(in_flight: &InFlight, id: &str) -> Self {
        let mut ids = in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        ids.insert(id.to_owned());
        Self {
            in_flight: Arc::clone(in_flight),
            id: id.to_owned(),
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let mut ids = self
            .in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        ids.remove(&self.id);
    }
}
