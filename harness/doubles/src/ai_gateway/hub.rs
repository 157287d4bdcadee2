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
use crate::wire::Received;

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

/// How a double behaves that no scenario scripts: people call it from their own Workers.
#[derive(Clone)]
pub struct Alone {
    /// The key that a backend is told.
    pub key: String,
    /// The gateway has authentication on: calls without the key are answered 401, code 2009.
    pub authenticated: bool,
}

impl std::fmt::Debug for Alone {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alone")
            .field("authenticated", &self.authenticated)
            .finish_non_exhaustive()
    }
}

impl Alone {
    /// Whether the value of an authorization header is the key.
    pub(super) fn is_key(&self, value: &str) -> bool {
        let (scheme, token) = value.trim().split_once(' ').unwrap_or_default();
        scheme.eq_ignore_ascii_case("bearer") && token.trim() == self.key
    }
}

/// Calls that a double keeps which runs alone, for days perhaps: an agent's busy afternoon, and bodies of a few kilobytes.
const CALLS_KEPT: usize = 2000;

#[derive(Debug)]
pub(super) struct Hub {
    pub(super) journal: Journal,
    /// Set when nobody scripts this double.
    pub(super) alone: Option<Alone>,
    exchanges: Mutex<Exchanges>,
}

#[derive(Debug, Default)]
struct Exchanges {
    next: ExchangeId,
    received: BTreeMap<ExchangeId, Received>,
    plans: BTreeMap<ExchangeId, Plan>,
}

impl Hub {
    pub(super) fn new(alone: Option<Alone>) -> Self {
        Self {
            journal: Journal::new(alone.as_ref().map(|_| CALLS_KEPT)),
            alone,
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
        let endpoint = Endpoint::of(&received.method, &received.target);
        if endpoint == Endpoint::Unknown
            && self.alone.is_some()
            && Endpoint::is_other_provider(&received.method, &received.target)
        {
            return Some(Endpoint::OtherProvider);
        }
        Some(endpoint)
    }

    pub(super) fn take_received(&self, id: ExchangeId) -> Option<Received> {
        self.exchanges().received.remove(&id)
    }

    /// Whether nobody has taken what was received.
    pub(super) fn holds(&self, id: ExchangeId) -> bool {
        self.exchanges().received.contains_key(&id)
    }

    pub(super) fn put_plan(&self, id: ExchangeId, plan: Plan) {
        self.exchanges().plans.insert(id, plan);
    }

    pub(super) fn take_plan(&self, id: ExchangeId) -> Option<Plan> {
        self.exchanges().plans.remove(&id)
    }
}
