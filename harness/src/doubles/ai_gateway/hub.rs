//! What the fault front and wiremock share: the journal, and each exchange on its way between them.
//!
//! It never decides or sends anything.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{
    attempt::Endpoint,
    journal::{AttemptId, Journal, Release},
    reply::Delivery,
};
use crate::doubles::wire::Received;

/// Names an exchange between front and wiremock.
pub(super) const EXCHANGE_HEADER: &str = "x-moltproof-exchange";

/// Number of an exchange.
pub(super) type ExchangeId = u64;

/// How the front sends the complete reply that wiremock gave it.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) attempt: AttemptId,
    pub(super) chunk_lengths: Vec<usize>,
    pub(super) is_stream: bool,
    pub(super) delivery: Delivery,
    pub(super) release: Release,
}

#[derive(Debug)]
pub(super) struct Hub {
    pub(super) journal: Journal,
    exchanges: Mutex<Exchanges>,
}

#[derive(Debug, Default)]
struct Exchanges {
    next: ExchangeId,
    received: BTreeMap<ExchangeId, Received>,
    plans: BTreeMap<ExchangeId, Plan>,
}

impl Hub {
    pub(super) fn new() -> Self {
        Self {
            journal: Journal::new(),
            exchanges: Mutex::default(),
        }
    }

    fn exchanges(&self) -> MutexGuard<'_, Exchanges> {
        self.exchanges
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn open(&self, received: Received) -> ExchangeId {
        let mut exchanges = self.exchanges();
        let id = exchanges.next;
        exchanges.next += 1;
        exchanges.received.insert(id, received);
        id
    }

    pub(super) fn endpoint(&self, id: ExchangeId) -> Option<Endpoint> {
        let exchanges = self.exchanges();
        let received = exchanges.received.get(&id)?;
        Some(Endpoint::of(&received.method, &received.target))
    }

    pub(super) fn take_received(&self, id: ExchangeId) -> Option<Received> {
        self.exchanges().received.remove(&id)
    }

    pub(super) fn put_plan(&self, id: ExchangeId, plan: Plan) {
        self.exchanges().plans.insert(id, plan);
    }

    pub(super) fn take_plan(&self, id: ExchangeId) -> Option<Plan> {
        self.exchanges().plans.remove(&id)
    }
}
