//! Backends whose gateways run in, or write down, another sandbox id than their tenant's. Never changes what a tenant is told as its own.

use crate::reference::altered::Parts;
use crate::reference::deviants::answers::edit;
use crate::reference::deviants::directory::{Directory, Known};
use crate::reference::deviants::layer::after;
use crate::reference::deviants::stores::with_bucket;
use crate::reference::deviants::{Draft, deviant, held};
use crate::tamper::{Ask, Tamper, Told, Unanswered, Upstream};
use async_trait::async_trait;
use moltworker_reference::domain::sandbox_id::SandboxId;
use moltworker_reference::domain::tenant::TenantId;
use moltworker_reference::ports::{GatewayStatus, SandboxBucket, SandboxRuntime, StoreError};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// A generation behind the sandbox id, so that what was deleted is not found again.
fn generations() -> Draft {
    deviant(
        "generation-behind-the-sandbox-id",
        "The gateway of a tenant that is made again with its id is shown with a sandbox id of a second generation",
        &["ID-009"],
    )
    .parts(|parts| {
        let gone: Mutex<BTreeSet<String>> = Mutex::default();
        parts.caller = after(move |ask, told| {
            let mut named = ask.route().trim_start_matches("/api/admin/tenants/").split('/');
            let (id, of) = (named.next().unwrap_or_default().to_owned(), named.next());
            if ask.method == "DELETE" && told.status < 300 {
                held(&gone).insert(id);
            } else if of == Some("gateway") && held(&gone).contains(&id) {
                edit(told, |body| {
                    if let Some(sandbox) = body["sandbox_id"].as_str() {
                        body["sandbox_id"] = json!(format!("{sandbox}.1"));
                    }
                });
            }
        });
    })
}

pub(super) fn all() -> Vec<Draft> {
    vec![
        generations(),
        deviant(
            "sandbox-of-its-own-for-each-hostname",
            "A chat at a custom hostname wakes a sandbox of that hostname, not the tenant's",
            &["ID-005"],
        )
        .parts(by_hostname),
        deviant(
            "gateway-state-names-the-prefix",
            "The state that a gateway keeps names as its sandbox id the prefix of its objects, with the slash",
            &["ID-009"],
        )
        .parts(|parts| with_bucket(parts, |inner| Arc::new(Prefixed(inner)))),
    ]
}

/// A bucket where the state of a gateway says to which sandbox it belongs.
struct Prefixed(Arc<dyn SandboxBucket>);

#[async_trait]
impl SandboxBucket for Prefixed {
    async fn get(&self, sandbox: SandboxId, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(sandbox, key).await
    }

    async fn put(&self, sandbox: SandboxId, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let mut state: Value = serde_json::from_slice(bytes).unwrap_or_default();
        if !state.is_object() {
            return self.0.put(sandbox, key, bytes).await;
        }
        state["sandbox_id"] = json!(format!("{sandbox}/"));
        self.0.put(sandbox, key, state.to_string().as_bytes()).await
    }

    async fn clear(&self, sandbox: SandboxId) -> Result<(), StoreError> {
        self.0.clear(sandbox).await
    }
}

fn by_hostname(parts: &mut Parts) {
    let Some(inner) = parts.ports.runtime.take() else {
        return;
    };
    let visits = Arc::new(Visits::default());
    let directory = Directory::of(parts);
    parts.caller = Some(Arc::new(Visitors {
        directory,
        visits: Arc::clone(&visits),
    }));
    parts.ports.runtime = Some(Arc::new(Runtime { inner, visits }));
}

/// Who is called at which hostname, by the tenant's sandbox.
#[derive(Default)]
struct Visits {
    /// The sandbox of each hostname.
    others: Mutex<BTreeMap<(SandboxId, String), SandboxId>>,
    /// Chats at a hostname that have not been answered: the tenant's sandbox and the hostname's.
    open: Mutex<Vec<(SandboxId, SandboxId)>>,
}

impl Visits {
    fn begin(self: &Arc<Self>, tenant: &Known, host: &str) -> Visit {
        let own = SandboxId::derive(&tenant.id);
        let other = *held(&self.others)
            .entry((own, host.to_owned()))
            .or_insert_with(|| SandboxId::derive(&TenantId::random()));
        held(&self.open).push((own, other));
        let visits = Arc::clone(self);
        Visit { visits, own }
    }

    /// Where the gateway of a sandbox is looked for at the moment.
    fn meant(&self, sandbox: SandboxId) -> SandboxId {
        let open = held(&self.open);
        let visited = open.iter().find(|(own, _other)| *own == sandbox);
        visited.map_or(sandbox, |(_own, other)| *other)
    }

    /// The sandboxes of a tenant's hostnames, which are forgotten.
    fn take(&self, sandbox: SandboxId) -> Vec<SandboxId> {
        let mut others = held(&self.others);
        let is_its = |(own, _host): &(SandboxId, String)| *own == sandbox;
        let its = others.iter().filter(|(key, _)| is_its(key));
        let taken = its.map(|(_key, other)| *other).collect();
        others.retain(|key, _other| !is_its(key));
        taken
    }
}

/// A chat at a hostname, until it is answered or given up.
struct Visit {
    visits: Arc<Visits>,
    own: SandboxId,
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut open = held(&self.visits.open);
        let at = open.iter().position(|(own, _other)| *own == self.own);
        if let Some(at) = at {
            open.remove(at);
        }
    }
}

struct Visitors {
    directory: Directory,
    visits: Arc<Visits>,
}

#[async_trait]
impl Tamper for Visitors {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let host = ask.host();
        let called = self.directory.find(host);
        let is_chat = ask.route() == "/v1/chat/completions";
        let called = called.filter(|known| is_chat && known.host() != host);
        let _visit = called.map(|tenant| self.visits.begin(&tenant, host));
        upstream.send(&ask).await
    }
}

struct Runtime {
    inner: Arc<dyn SandboxRuntime>,
    visits: Arc<Visits>,
}

#[async_trait]
impl SandboxRuntime for Runtime {
    async fn start(&self, sandbox: SandboxId) -> Result<GatewayStatus, StoreError> {
        self.inner.start(self.visits.meant(sandbox)).await
    }

    async fn status(&self, sandbox: SandboxId) -> Result<GatewayStatus, StoreError> {
        self.inner.status(self.visits.meant(sandbox)).await
    }

    async fn destroy(&self, sandbox: SandboxId) -> Result<(), StoreError> {
        for other in self.visits.take(sandbox) {
            self.inner.destroy(other).await?;
        }
        self.inner.destroy(sandbox).await
    }
}
