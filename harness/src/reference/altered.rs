//! The reference with something else put in: other configuration, other ports, another schema, a proxy before or behind it.
//!
//! That makes another backend of it, without a switch in its code. Never changes anything unless it is told to.

use super::faulty;
use crate::contract::need::Variant;
use crate::doubles::AccessIssuer;
use crate::subject::faults::StoreFaults;
use crate::subject::manifest::Seeding;
use crate::subject::{Fault, Migrated};
use crate::tamper::Tamper;
use crate::tamper::abuse::{self, Abuse};
use crate::tamper::proxy::Proxy;
use crate::tamper::rule::{Rule, Rules};
use crate::tamper::wire::{self, Spelling};
use moltworker_reference::app::Ports;
use moltworker_reference::backend::Backend;
use moltworker_reference::command::ServeArgs;
use moltworker_reference::config::Config;
use moltworker_reference::log::StderrSink;
use moltworker_reference::ports::LogSink;
use moltworker_reference::store::migrations::{self, Migration};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// The environment of an instance.
pub type Variables = BTreeMap<&'static str, String>;

/// What can be exchanged in one instance before it serves.
pub struct Parts {
    /// Which variant it is.
    pub variant: Variant,
    /// What it was opened with.
    pub config: Config,
    /// The outside world as the backend sees it; faults that scenarios ask for are behind it.
    pub ports: Ports,
    /// What sits between its callers and it; the rules, if there are some.
    pub caller: Option<Arc<dyn Tamper>>,
    /// The team domain it trusts; `None` in a process of its own.
    pub access: Option<Arc<AccessIssuer>>,
}

type ChangesVariables = Arc<dyn Fn(Variant, &mut Variables) + Send + Sync>;
type ChangesParts = Arc<dyn Fn(&mut Parts) + Send + Sync>;
type Upstreams = Arc<dyn Fn() -> Option<Arc<dyn Tamper>> + Send + Sync>;
type Migrates = Arc<dyn Fn(&Path, &Path) -> Migrated + Send + Sync>;

/// What is put into the reference.
#[derive(Clone, Default)]
pub struct Alteration {
    /// By which name a process of its own finds it again.
    pub name: String,
    /// Changes the environment.
    pub variables: Option<ChangesVariables>,
    /// Changes configuration and ports.
    pub parts: Option<ChangesParts>,
    /// Rules of a proxy between callers and the backend.
    pub caller: Vec<Rule>,
    /// The bytes in which its callers get their answers.
    pub spelling: Option<Arc<Spelling>>,
    /// What answers in its place; it is not asked then.
    pub instead: Option<Arc<Instead>>,
    /// Rules of a proxy between the backend and AI Gateway.
    pub gateway: Vec<Rule>,
    /// Makes what sits between the backend and AI Gateway; behind the rules, if there are some.
    pub upstream: Option<Upstreams>,
    /// Changes of the migrations.
    pub schema: Vec<Edit>,
    /// Applies migrations in the place of the reference's own tool.
    pub migrate: Option<Migrates>,
    /// How scenarios get tenants, if not by the admin route.
    pub seeding: Option<Seeding>,
}

impl fmt::Debug for Alteration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alteration")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A server that abuses HTTP in the place of a backend.
#[derive(Debug)]
pub struct Instead {
    /// What it sends.
    pub abuse: Abuse,
    /// The status that a request mostly has.
    pub usual: abuse::Usual,
}

/// Replaces a text in the migrations, where it must stand exactly once.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// What stands there.
    pub find: String,
    /// What comes in its place.
    pub put: String,
}

impl Alteration {
    /// The migrations as they are with the changes.
    ///
    /// # Errors
    /// A text to be replaced does not stand there, or more than once: which one.
    pub fn migrations(&self) -> Result<Vec<Migration>, String> {
        let mut all = migrations::embedded();
        for edit in &self.schema {
            let found: usize = all
                .iter()
                .map(|migration| migration.sql.matches(&edit.find).count())
                .sum();
            if found != 1 {
                return Err(format!(
                    "`{}` stands {found} times in the migrations, not once",
                    edit.find
                ));
            }
            for migration in &mut all {
                migration.sql = migration.sql.replace(&edit.find, &edit.put);
            }
        }
        Ok(all)
    }

    /// Opens a backend with everything that is changed in it.
    ///
    /// # Errors
    /// Why it cannot be opened.
    pub(super) fn open(
        &self,
        setting: Setting,
    ) -> Result<(Backend, Option<Arc<dyn Tamper>>), String> {
        if let (false, Some(database)) = (self.schema.is_empty(), &setting.config.tenant_db) {
            migrations::apply(database, &self.migrations()?)
                .map_err(|error| crate::said::chain(&error))?;
        }
        let mut backend = Backend::open(setting.config, setting.sink)
            .map_err(|error| crate::said::chain(&error))?;
        if let Some(faults) = &setting.faults {
            faulty::wrap(&mut backend.ports, faults);
        }
        let mut parts = Parts {
            variant: setting.variant,
            config: backend.config.clone(),
            ports: backend.ports.clone(),
            caller: (!self.caller.is_empty()).then(|| Arc::new(Rules::new(&self.caller)) as _),
            access: setting.access,
        };
        if let Some(change) = &self.parts {
            change(&mut parts);
        }
        backend.config = parts.config;
        backend.ports = parts.ports;
        Ok((backend, parts.caller))
    }

    /// Puts what is changed for callers before an address; returns the address to use.
    pub(super) async fn fronted(
        &self,
        base: String,
        caller: Option<Arc<dyn Tamper>>,
    ) -> Result<String, Fault> {
        let proxy = match (&self.instead, &self.spelling) {
            (Some(instead), _) => abuse::start(&instead.abuse, instead.usual).await,
            (None, None) => return fronted(base, caller).await,
            (None, Some(spelling)) => {
                let base = fronted(base, caller).await?;
                wire::start(&base, Arc::clone(spelling)).await
            }
        };
        proxy
            .map(|proxy| proxy.base)
            .map_err(|error| Fault(format!("cannot start a proxy: {error}")))
    }
}

/// What an instance is opened in.
pub(super) struct Setting {
    pub(super) variant: Variant,
    pub(super) config: Config,
    pub(super) sink: Arc<dyn LogSink>,
    pub(super) faults: Option<Arc<StoreFaults>>,
    pub(super) access: Option<Arc<AccessIssuer>>,
}

/// Puts a proxy before an address if there is something to change on the way; returns the address to use.
pub(super) async fn fronted(
    base: String,
    tamper: Option<Arc<dyn Tamper>>,
) -> Result<String, Fault> {
    match tamper {
        None => Ok(base),
        Some(tamper) => Proxy::start(&base, tamper)
            .await
            .map(|proxy| proxy.base)
            .map_err(|error| Fault(format!("cannot start a proxy: {error}"))),
    }
}

/// Serves an altered reference in this process until SIGINT or SIGTERM, as the reference's own `serve` does.
///
/// # Errors
/// Why it could not serve.
pub async fn serve(alteration: &Alteration, args: &ServeArgs) -> Result<(), String> {
    let config = Config::from_env().map_err(|error| error.to_string())?;
    let (backend, caller) = alteration.open(Setting {
        variant: Variant::Production,
        config,
        sink: Arc::new(StderrSink),
        faults: None,
        access: None,
    })?;
    let listener = TcpListener::bind(args.listen).await;
    let listener =
        listener.map_err(|error| format!("cannot listen on {}: {error}", args.listen))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let base = alteration
        .fronted(format!("http://{address}"), caller)
        .await;
    let base = base.map_err(|fault| fault.0)?;
    // Nobody may be reading; the server is there all the same.
    drop(writeln!(std::io::stdout(), "listening on {base}"));
    let shutdown = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    let served = backend.serve(listener, shutdown).await;
    served.map_err(|error| error.to_string())
}
