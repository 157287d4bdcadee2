//! What a scenario makes use of at a target that keeps the contract, noted while it runs there. Never judges, and never guesses it from a step's words.

use crate::evidence::Exchange;
use crate::subject::dialect::Dialect;
use crate::subject::dialect::OF_A_TENANT;
use crate::subject::dialect::operation::Operation;
use crate::subject::tenant::Tenant;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// What each scenario used on the reference: feature, name, words. Written by `harness/examples/uses.rs`.
const NOTED: &str = include_str!("../../../fixtures/uses.tsv");

/// So many requests are told: they may use up a quota. Evidence: the smallest quota of a style that exists is 60 in a minute.
const MANY: usize = 30;

/// Words by feature, then by name.
static BY_PLACE: LazyLock<BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>>> = LazyLock::new(|| {
    let mut by_place: BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for line in NOTED.lines() {
        let mut parts = line.split('\t');
        if let (Some(feature), Some(name), Some(words)) = (parts.next(), parts.next(), parts.next())
        {
            let words = words.split(' ').collect();
            by_place.entry(feature).or_default().insert(name, words);
        }
    }
    by_place
});

/// What a scenario used on the reference, if that was noted.
#[must_use]
pub fn noted(feature: &str, name: &str) -> Option<&'static BTreeSet<&'static str>> {
    BY_PLACE.get(feature)?.get(name)
}

/// What one scenario has used so far.
///
/// A word is a store or a double (`d1`, `kv`, `r2`, `logs`, `journal`, `model-calls`), an operation that succeeded (`chat`), one that
/// was asked for (`asks.chat`), a criterion that must hold (`because.ERR-001`), many requests (`requests.240`), a field that an operator's own request says (`says.id`), `alters` for such a request, and `tenants`
/// with what kind of tenants, and how many (`fixed.free.web.2`).
#[derive(Debug, Default)]
pub struct Uses {
    words: Mutex<BTreeSet<String>>,
    tenants: Mutex<BTreeMap<String, usize>>,
    /// Whether it tried every admin route that there is: then it can do without any of them.
    sweeps: Arc<AtomicBool>,
}

impl Uses {
    /// Notes a word.
    pub(super) fn note(&self, word: impl Into<String>) {
        let mut words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        words.insert(word.into());
    }

    /// Where it is noted that every admin route was asked for.
    pub(super) fn sweeps(&self) -> &Arc<AtomicBool> {
        &self.sweeps
    }

    /// Notes an operation that is asked for, and what an operator's request says.
    pub(super) fn ask(&self, operation: Operation, body: &[u8]) {
        self.note(format!("asks.{}", word(operation)));
        if !operation.alters_tenants() {
            return;
        }
        self.note("alters");
        let said: Option<serde_json::Value> = serde_json::from_slice(body).ok();
        let said = said.as_ref().and_then(|said| said.as_object());
        let names = said.into_iter().flat_map(serde_json::Map::keys);
        for name in names.filter(|name| OF_A_TENANT.contains(&name.as_str())) {
            self.note(format!("says.{}.{name}", word(operation)));
        }
    }

    /// Notes a tenant that every scenario gets as the target is seeded; `is_special` if name or hosts are of the scenario's choice.
    pub(super) fn tenant(&self, tenant: &Tenant, is_special: bool) {
        self.note("tenants");
        let usual = ["web", "telegram", "slack", "discord"].contains(&tenant.platform.as_str());
        let kind = if is_special || !usual {
            "special".to_owned()
        } else {
            format!("{}.{}", tenant.tier, tenant.platform)
        };
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        *tenants.entry(kind).or_default() += 1;
    }

    /// All of it, with the operations that succeeded in these exchanges.
    pub(super) fn words(&self, exchanges: &[Arc<Exchange>], dialect: &Dialect) -> BTreeSet<String> {
        let mut words = self
            .words
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if self.sweeps.load(Ordering::Relaxed) {
            words.retain(|word| PUBLIC.contains(&word.as_str()) || !is_asked(word));
        }
        let tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        words.extend(
            tenants
                .iter()
                .map(|(kind, count)| format!("fixed.{kind}.{count}")),
        );
        if exchanges.len() >= MANY {
            words.insert(format!("requests.{}", exchanges.len()));
        }
        for answer in exchanges
            .iter()
            .filter(|one| (200..300).contains(&one.status))
        {
            let Some((operation, _)) =
                dialect.operation(&answer.request.method, &answer.request.path)
            else {
                continue;
            };
            let kind = answer.header("content-type").unwrap_or_default();
            let streamed = operation == Operation::Chat && kind.starts_with("text/event-stream");
            words.insert(if streamed { "stream" } else { word(operation) }.to_owned());
        }
        words
    }
}

/// What a sweep over the admin routes asks for nothing of.
const PUBLIC: [&str; 3] = ["asks.health", "asks.status", "asks.chat"];

fn is_asked(word: &str) -> bool {
    word == "alters" || word.starts_with("asks.") || word.starts_with("says.")
}

/// The word for an operation.
#[must_use]
pub fn word(operation: Operation) -> &'static str {
    match operation {
        Operation::Health => "health",
        Operation::Status => "status",
        Operation::Chat => "chat",
        Operation::CreateTenant => "create",
        Operation::ListTenants => "list",
        Operation::ReadTenant => "read",
        Operation::ChangeTenant => "change",
        Operation::DeleteTenant => "delete",
        Operation::Routing => "routing",
        Operation::Usage => "usage",
        Operation::StartGateway => "start-gateway",
        Operation::Gateway => "gateway",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Contract;
    use crate::contract::profile::Profile;

    #[test]
    fn what_nearly_every_scenario_of_a_worker_uses_is_noted() {
        let contract = Contract::embedded().unwrap();
        let of_workers = contract
            .scenarios
            .iter()
            .filter(|planned| planned.profile == Profile::Core);
        let unnoted: Vec<_> = of_workers
            .clone()
            .filter(|planned| noted(&planned.feature, &planned.name).is_none())
            .map(|planned| planned.name.as_str())
            .collect();
        assert!(
            unnoted.len() * 20 < of_workers.count(),
            "note them again (harness/examples/uses.rs): {unnoted:?}"
        );
    }

    #[test]
    fn a_scenario_that_tries_every_admin_route_needs_none_of_them() {
        let uses = Uses::default();
        uses.ask(Operation::ChangeTenant, br#"{"tier":"premium"}"#);
        uses.ask(Operation::Status, b"");
        let words = |uses: &Uses| {
            uses.words(&[], &Dialect::default())
                .into_iter()
                .collect::<Vec<_>>()
        };
        assert_eq!(
            words(&uses),
            ["alters", "asks.change", "asks.status", "says.change.tier"]
        );
        uses.sweeps().store(true, Ordering::Relaxed);
        assert_eq!(words(&uses), ["asks.status"]);
    }
}
