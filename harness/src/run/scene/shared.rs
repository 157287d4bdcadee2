//! What all scenarios of a run share: target, client, what was exchanged and handed out. Never judges.

use super::{api_worker, database, vitals};
use crate::client::Client;
use crate::client::meter::Spent;
use crate::evidence::Exchange;
use crate::subject::{Instance, Target};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// What all scenarios of a run share.
pub struct Run {
    /// What is judged.
    pub target: Arc<dyn Target>,
    /// Sends every request.
    pub client: Client,
    /// Names this run in tenants and markers: six characters of `[a-z0-9]`.
    pub id: String,
    /// Every exchange of the run, for what is judged over the whole of it.
    pub exchanges: Mutex<Vec<Arc<Exchange>>>,
    /// Every secret that the harness handed out; none may appear in an answer or a log.
    pub secrets: Mutex<Vec<String>>,
    /// Every instance that a scenario talked to.
    pub instances: Mutex<Vec<Arc<Instance>>>,
    /// Locks for what only one scenario at a time may do to the target, by name.
    pub alone: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// Which of the target's accepted deviations were met, by their number.
    pub accepted: Mutex<BTreeSet<usize>>,
    /// Whether evidence is captured beside the exchanges; it is, but for measuring what that costs.
    pub captures: bool,
    pub(super) vitals: vitals::Vitals,
    pub(super) prepared: database::Prepared,
    pub(super) api_worker: api_worker::Opened,
}

impl Run {
    /// A run on this target.
    #[must_use]
    pub fn new(target: Arc<dyn Target>, client: Client, id: String) -> Self {
        client.meter.count_chats_at(&target.dialect().chat);
        let client = if target.keeps_connections() {
            client.reusing_connections()
        } else {
            client
        };
        Self {
            target,
            client,
            id,
            exchanges: Mutex::default(),
            secrets: Mutex::default(),
            instances: Mutex::default(),
            alone: Mutex::default(),
            accepted: Mutex::default(),
            captures: true,
            vitals: vitals::Vitals::default(),
            prepared: database::Prepared::default(),
            api_worker: api_worker::Opened::default(),
        }
    }

    /// The same run without evidence beside the exchanges.
    #[must_use]
    pub fn without_evidence(mut self) -> Self {
        self.captures = false;
        self
    }

    pub(super) fn note_accepted(&self, number: usize) {
        self.accepted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(number);
    }

    /// Which of the target's accepted deviations were met so far, by their number.
    #[must_use]
    pub fn accepted(&self) -> BTreeSet<usize> {
        self.accepted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Every exchange so far.
    #[must_use]
    pub fn all_exchanges(&self) -> Vec<Arc<Exchange>> {
        self.exchanges
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Remembers a secret that was handed to the target: it may appear nowhere.
    pub fn remember_secret(&self, secret: &str) {
        let mut known = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.iter().any(|own| own == secret) {
            known.push(secret.to_owned());
        }
    }

    /// Every secret handed out so far, the instances' keys of AI Gateway among them.
    #[must_use]
    pub fn all_secrets(&self) -> Vec<String> {
        let instances = self.instances.lock();
        let instances = instances.unwrap_or_else(PoisonError::into_inner);
        let keys = instances
            .iter()
            .filter_map(|one| one.ai_gateway_key.clone());
        let handed_out = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        handed_out.iter().cloned().chain(keys).collect()
    }

    /// What the run has spent so far.
    #[must_use]
    pub fn spent(&self) -> Spent {
        let instances = self
            .instances
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // All instances of a target call one AI Gateway.
        let gateway = instances
            .iter()
            .find_map(|instance| instance.gateway.clone())
            .or_else(|| self.api_worker.gateway());
        self.client
            .meter
            .spent(gateway.map(|gateway| gateway.journal_all().len()))
    }

    pub(super) fn remember_instance(&self, instance: &Arc<Instance>) {
        let mut known = self
            .instances
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !known.iter().any(|other| Arc::ptr_eq(other, instance)) {
            known.push(Arc::clone(instance));
        }
    }

    pub(super) fn lock_named(&self, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(locks.entry(name.to_owned()).or_default())
    }
}
