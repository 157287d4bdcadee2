//! Backends that fail the smoke test. Never breaks more than one thing at a time.

use super::directory::Directory;
use super::layer::after;
use super::stores::{self, OtherRegistry};
use super::{Draft, deviant, held};
use crate::reference::altered::Parts;
use crate::{clock, wait};
use async_trait::async_trait;
use moltworker_reference::domain::sandbox_id::SandboxId;
use moltworker_reference::domain::tenant::{TenantId, TenantNames};
use moltworker_reference::ports::{
    GatewayState, GatewayStatus, Level, LogSink, Registry, SandboxRuntime, StoreError,
};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

pub(super) fn all() -> Vec<Draft> {
    let mut all = gateways();
    all.extend(beside());
    all
}

fn gateways() -> Vec<Draft> {
    let runtime = |id, breaks, expected, manner: Manner| {
        deviant(id, breaks, expected).parts(move |parts| other_runtime(parts, manner))
    };
    vec![
        runtime(
            "gateway-state-not-kept",
            "A started gateway is looked for in vain",
            &["SMK-001", "SMK-004"],
            Manner::Forgets,
        ),
        runtime(
            "gateway-started-by-every-call",
            "Every start and every cold request names a run of its own",
            &["SMK-004"],
            Manner::Renames,
        ),
        runtime(
            "gateway-started-twice-in-parallel",
            "Two starts at once both find the gateway stopped, and each starts it",
            &["SMK-004"],
            Manner::Races,
        ),
        runtime(
            "gateway-run-made-by-every-caller",
            "Whoever waits for a start makes a run of its own, and drops it when there is one already",
            &["SMK-004"],
            Manner::Logs,
        ),
        runtime(
            "gateway-renewed-after-two-seconds",
            "A gateway that has run for two seconds is made anew when it is looked for",
            &["SMK-004"],
            Manner::Renews(2_000),
        ),
        runtime(
            "gateway-renewed-after-ten-seconds",
            "A gateway that has run for ten seconds is taken for dead when it is looked for, and a new one is made",
            &["SMK-004"],
            Manner::Renews(10_000),
        ),
        runtime(
            "destroyed-sandboxes-stay-so",
            "A sandbox that was destroyed is never started again: a tenant that is made anew under its id has no gateway",
            &["SMK-001"],
            Manner::StaysDestroyed,
        ),
        runtime(
            "gateway-starting-forever",
            "A gateway that runs is told to be starting",
            &["SMK-001"],
            Manner::Starting,
        ),
    ]
}

/// What is wrong beside how a gateway is started.
fn beside() -> Vec<Draft> {
    vec![
        deviant(
            "names-entered-one-by-one",
            "A tenant's names are entered one after the other, each with a pause of a quarter of a second",
            &["SMK-002"],
        )
        .parts(|parts| stores::registry(&mut parts.ports, OneByOne)),
        deviant(
            "gateway-of-its-own-for-each-hostname",
            "A chat at a custom hostname starts a gateway of that hostname beside the sandbox's",
            &["SMK-004"],
        )
        .parts(|parts| {
            let (directory, log) = (Directory::of(parts), Arc::clone(&parts.ports.log));
            let started: Mutex<HashSet<String>> = Mutex::default();
            parts.caller = after(move |ask, told| {
                let is_chat = ask.route() == "/v1/chat/completions" && told.status == 200;
                let host = ask.host();
                let tenant = directory.find(host).filter(|known| known.host() != host);
                let mut started = started.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(tenant) = tenant.filter(|_| is_chat && started.insert(host.to_owned())) {
                    let sandbox = SandboxId::derive(&tenant.id);
                    log_start(log.as_ref(), sandbox, Some(Uuid::new_v4()));
                }
            });
        }),
        deviant(
            "freed-names-cool-off",
            "Names that were given up are given out again only three seconds later",
            &["SMK-002"],
        )
        .parts(|parts| stores::registry(&mut parts.ports, CoolsOff::default())),
        deviant(
            "custom-domain-mapped-late",
            "A custom domain is found when its absence is no longer cached, a minute after its tenant was created",
            &["SMK-002"],
        )
        .parts(|parts| stores::registry(&mut parts.ports, Late::default())),
    ]
}

#[derive(Clone, Copy)]
enum Manner {
    Forgets,
    Renames,
    Races,
    Logs,
    Starting,
    StaysDestroyed,
    /// After so many milliseconds.
    Renews(i64),
}

fn other_runtime(parts: &mut Parts, manner: Manner) {
    let log = Arc::clone(&parts.ports.log);
    parts.ports.runtime = parts.ports.runtime.take().map(|inner| {
        Arc::new(Other {
            inner,
            log,
            manner,
            runs: Mutex::default(),
            destroyed: Mutex::default(),
        }) as _
    });
}

struct Other {
    inner: Arc<dyn SandboxRuntime>,
    log: Arc<dyn LogSink>,
    manner: Manner,
    /// The last run of each gateway, where two may have been made.
    runs: Mutex<HashMap<String, GatewayStatus>>,
    /// The sandboxes that were destroyed.
    destroyed: Mutex<HashSet<String>>,
}

fn log_start(log: &dyn LogSink, sandbox: SandboxId, run: Option<Uuid>) {
    let line = serde_json::json!({
        "level": "info", "event": "gateway_started",
        "sandbox_id": sandbox.as_str(), "instance_id": run.map(|run| run.to_string()),
    });
    log.line(Level::Info, &line.to_string());
}

fn running() -> GatewayStatus {
    GatewayStatus {
        state: GatewayState::Running,
        instance_id: Some(Uuid::new_v4()),
        started_at: Some(clock::epoch_ms()),
    }
}

fn stopped() -> GatewayStatus {
    GatewayStatus {
        state: GatewayState::Stopped,
        instance_id: None,
        started_at: None,
    }
}

impl Other {
    fn run(&self, sandbox: SandboxId) -> Option<GatewayStatus> {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.get(sandbox.as_str()).cloned()
    }

    /// The run that counts: what has run for too long is taken for dead, and another run made in its place.
    fn renewed(&self, sandbox: SandboxId, found: GatewayStatus, after_ms: i64) -> GatewayStatus {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let made = runs.get(sandbox.as_str());
        let is_later = |run: &&GatewayStatus| run.started_at >= found.started_at;
        let counts = match made.filter(is_later) {
            Some(made) if found.started_at.is_some() => made.clone(),
            Some(_) | None => found,
        };
        let has_run_for = |since: i64| clock::epoch_ms() - since;
        let since = counts.started_at;
        if since.is_none_or(|since| has_run_for(since) <= after_ms) {
            return counts;
        }
        let run = running();
        log_start(self.log.as_ref(), sandbox, run.instance_id);
        runs.insert(sandbox.as_str().to_owned(), run.clone());
        run
    }

    /// Looks, and starts a moment later what it has not found.
    async fn race(&self, sandbox: SandboxId) -> GatewayStatus {
        if let Some(run) = self.run(sandbox) {
            return run;
        }
        wait::pass(Duration::from_millis(30)).await;
        let status = running();
        log_start(self.log.as_ref(), sandbox, status.instance_id);
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.insert(sandbox.as_str().to_owned(), status.clone());
        status
    }
}

#[async_trait]
impl SandboxRuntime for Other {
    async fn start(&self, sandbox: SandboxId) -> Result<GatewayStatus, StoreError> {
        if matches!(self.manner, Manner::Races) {
            return Ok(self.race(sandbox).await);
        }
        let is_gone = held(&self.destroyed).contains(sandbox.as_str());
        if is_gone && matches!(self.manner, Manner::StaysDestroyed) {
            return Err(StoreError::Unavailable("the sandbox was destroyed".into()));
        }
        let mut status = self.inner.start(sandbox).await?;
        match self.manner {
            Manner::Renames => status.instance_id = Some(Uuid::new_v4()),
            Manner::Logs => log_start(self.log.as_ref(), sandbox, Some(Uuid::new_v4())),
            Manner::Starting => status.state = GatewayState::Starting,
            Manner::Renews(after_ms) => status = self.renewed(sandbox, status, after_ms),
            Manner::Forgets | Manner::Races | Manner::StaysDestroyed => {}
        }
        Ok(status)
    }

    async fn status(&self, sandbox: SandboxId) -> Result<GatewayStatus, StoreError> {
        let mut status = self.inner.status(sandbox).await?;
        match self.manner {
            Manner::Forgets => status = stopped(),
            Manner::Renews(after_ms) => status = self.renewed(sandbox, status, after_ms),
            Manner::Races => status = self.run(sandbox).unwrap_or_else(stopped),
            Manner::Starting if status.state == GatewayState::Running => {
                status.state = GatewayState::Starting;
            }
            Manner::Starting | Manner::Renames | Manner::Logs | Manner::StaysDestroyed => {}
        }
        Ok(status)
    }

    async fn destroy(&self, sandbox: SandboxId) -> Result<(), StoreError> {
        self.inner.destroy(sandbox).await?;
        held(&self.destroyed).insert(sandbox.as_str().to_owned());
        Ok(())
    }
}

/// The least time for which KV caches.
const MAPPED_AFTER: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Late(Mutex<HashMap<String, Instant>>);

#[async_trait]
impl OtherRegistry for Late {
    async fn by_host(
        &self,
        inner: &dyn Registry,
        host: &str,
    ) -> Result<Option<TenantId>, StoreError> {
        let mapped = {
            let claimed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            claimed.get(host).copied()
        };
        if mapped.is_some_and(|mapped| mapped.elapsed() < MAPPED_AFTER) {
            return Ok(None);
        }
        inner.by_host(host).await
    }

    async fn claim(
        &self,
        inner: &dyn Registry,
        tenant: TenantId,
        names: &TenantNames,
    ) -> Result<(), StoreError> {
        inner.claim(tenant, names).await?;
        let mut claimed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock::now();
        claimed.extend(names.domains.iter().map(|domain| (domain.clone(), now)));
        Ok(())
    }
}

/// How long a name rests that was given up.
const COOL_OFF: Duration = Duration::from_secs(3);

/// When each name was given up.
#[derive(Default)]
struct CoolsOff(Mutex<HashMap<String, Instant>>);

#[async_trait]
impl OtherRegistry for CoolsOff {
    async fn claim(
        &self,
        inner: &dyn Registry,
        tenant: TenantId,
        names: &TenantNames,
    ) -> Result<(), StoreError> {
        let rests = {
            let freed = held(&self.0);
            let asked = names.domains.iter().chain([&names.slug]);
            let since = asked.filter_map(|name| freed.get(name.as_str()));
            since.map(|at| COOL_OFF.saturating_sub(at.elapsed())).max()
        };
        wait::pass(rests.unwrap_or_default()).await;
        inner.claim(tenant, names).await
    }

    async fn release(&self, inner: &dyn Registry, tenant: TenantId) -> Result<(), StoreError> {
        let names = inner.names(tenant).await?;
        inner.release(tenant).await?;
        let now = clock::now();
        if let Some(names) = names {
            let freed = names.domains.into_iter().chain([names.slug]);
            held(&self.0).extend(freed.map(|name| (name, now)));
        }
        Ok(())
    }
}

/// Takes its time for each name.
struct OneByOne;

#[async_trait]
impl OtherRegistry for OneByOne {
    async fn claim(
        &self,
        inner: &dyn Registry,
        tenant: TenantId,
        names: &TenantNames,
    ) -> Result<(), StoreError> {
        for _name in &names.domains {
            wait::pass(Duration::from_millis(250)).await;
        }
        inner.claim(tenant, names).await
    }
}
