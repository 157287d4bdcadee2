//! A target described by a manifest: started as processes, or found at addresses. Never judges.

mod fault_control;
mod process;
pub mod supervisor;

use super::dialect::Dialect;
use super::manifest::placeholders::{fill, fill_all};
use super::manifest::{Launch, Manifest, Migrations, Stores, VariantEntry};
use super::need::{Need, Variant};
use super::{Disposable, Fault, Instance, Limits, Migrated, Target};
use crate::client::{Client, Request};
use crate::doubles::{AccessIssuer, AiGatewayDouble};
use crate::observe::explorer::Explorer;
use crate::observe::log_lines::LogLines;
use crate::wait::{self, Look};
use async_trait::async_trait;
use fault_control::FaultControl;
use process::{Supervised, copy_folder, run_to_end};
use std::collections::{BTreeMap, HashMap};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::{OnceCell, Semaphore};

/// What is judged under a manifest.
pub struct LaunchedTarget {
    shared: Arc<Shared>,
    instances: Mutex<HashMap<Kind, Arc<OnceCell<Running>>>>,
    dialect: Dialect,
    limits: Limits,
}

/// Which instance: a variant, or production with stores that fail on demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Plain(Variant),
    Faulty,
}

impl Kind {
    fn name(self) -> String {
        match self {
            Self::Plain(variant) => variant.name().to_owned(),
            Self::Faulty => "store-faults".to_owned(),
        }
    }

    fn variant(self) -> Variant {
        match self {
            Self::Plain(variant) => variant,
            Self::Faulty => Variant::Production,
        }
    }
}

/// What instances need beside themselves.
struct Shared {
    manifest: Manifest,
    program: PathBuf,
    client: Client,
    observer: reqwest::Client,
    folder: TempDir,
    gateway: Arc<AiGatewayDouble>,
    access: Arc<AccessIssuer>,
    rotating: Arc<AccessIssuer>,
    gateway_key: String,
    fault_control: FaultControl,
    prepared: OnceCell<PathBuf>,
    starting: Semaphore,
}

/// An instance and its process, if we started it.
struct Running {
    instance: Arc<Instance>,
    process: Mutex<Option<Supervised>>,
}

impl LaunchedTarget {
    /// Starts the doubles; instances start when they are first asked for. `program` is the `moltproof` executable.
    ///
    /// # Errors
    /// When sockets, threads or a temporary folder cannot be had.
    pub fn start(manifest: Manifest, program: PathBuf, client: Client) -> Result<Self, Fault> {
        let fault = |error: std::io::Error| Fault(format!("cannot set up the target: {error}"));
        let observer = reqwest::Client::builder()
            .no_proxy()
            .build()
            .map_err(|error| Fault(error.to_string()))?;
        let at_once = manifest
            .launch
            .as_ref()
            .map_or(1, |launch| launch.at_once.max(1));
        let (limits, dialect) = (manifest.limits(), manifest.dialect.clone());
        let shared = Shared {
            program,
            client,
            observer,
            folder: tempfile::Builder::new()
                .prefix("moltproof-")
                .tempdir()
                .map_err(fault)?,
            gateway: Arc::new(AiGatewayDouble::start().map_err(fault)?),
            access: Arc::new(AccessIssuer::start().map_err(fault)?),
            rotating: Arc::new(AccessIssuer::start().map_err(fault)?),
            gateway_key: format!("mpk-{}", uuid::Uuid::new_v4().simple()),
            fault_control: FaultControl::start().map_err(fault)?,
            prepared: OnceCell::new(),
            starting: Semaphore::new(at_once),
            manifest,
        };
        Ok(Self {
            shared: Arc::new(shared),
            instances: Mutex::default(),
            dialect,
            limits,
        })
    }

    async fn running(&self, kind: Kind) -> Result<Arc<Instance>, Fault> {
        let cell = {
            let mut instances = self
                .instances
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            Arc::clone(instances.entry(kind).or_default())
        };
        let running = cell.get_or_try_init(|| self.shared.open(kind)).await?;
        let ended = {
            let mut process = running
                .process
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            process.as_mut().is_some_and(Supervised::has_ended)
        };
        if ended {
            return Err(Fault(format!(
                "the server of variant `{}` has ended by itself",
                kind.name()
            )));
        }
        Ok(Arc::clone(&running.instance))
    }
}

impl Shared {
    fn entry(&self, kind: Kind) -> Result<VariantEntry, Fault> {
        let entry = match kind {
            Kind::Plain(variant) => self.manifest.variants.get(variant.name()),
            Kind::Faulty => self.manifest.control.store_faults.as_ref(),
        };
        entry
            .cloned()
            .ok_or_else(|| Fault(format!("the manifest has no variant `{}`", kind.name())))
    }

    async fn open(&self, kind: Kind) -> Result<Running, Fault> {
        let entry = self.entry(kind)?;
        let logs = Arc::new(LogLines::default());
        if let Some(address) = &entry.address {
            let instance = self.observed(
                kind,
                &entry,
                address.trim_end_matches('/').to_owned(),
                &logs,
            );
            return Ok(Running {
                instance: Arc::new(instance),
                process: Mutex::new(None),
            });
        }
        let state = self.fresh_state(&kind.name()).await?;
        let (base, process) = self.launch(kind, &entry, &state, &logs).await?;
        let instance = self.observed(kind, &entry, base, &logs);
        Ok(Running {
            instance: Arc::new(instance),
            process: Mutex::new(Some(process)),
        })
    }

    /// A folder for an instance's state: a copy of the one that was set up.
    async fn fresh_state(&self, name: &str) -> Result<PathBuf, Fault> {
        let template = self.prepared.get_or_try_init(|| self.prepare()).await?;
        let state = self.folder.path().join(name);
        copy_folder(template, &state)
            .map_err(|error| Fault(format!("cannot copy the state folder: {error}")))?;
        Ok(state)
    }

    /// Prepares the target and sets up the state that every instance starts from.
    async fn prepare(&self) -> Result<PathBuf, Fault> {
        let launch = self.launch_entry()?;
        let folder = self.manifest.folder.join(&launch.folder);
        let state = self.folder.path().join("template");
        std::fs::create_dir_all(&state)
            .map_err(|error| Fault(format!("cannot make a folder: {error}")))?;
        let values = self.values(&state, 0, Kind::Plain(Variant::Production));
        for step in &launch.prepare {
            if !step
                .unless
                .as_ref()
                .is_some_and(|file| folder.join(file).exists())
            {
                self.must_run(&step.run, &folder, launch, &values).await?;
            }
        }
        for command in &launch.setup {
            self.must_run(command, &folder, launch, &values).await?;
        }
        Ok(state)
    }

    async fn must_run(
        &self,
        command: &[String],
        folder: &Path,
        launch: &Launch,
        values: &BTreeMap<&str, String>,
    ) -> Result<(), Fault> {
        let command = fill_all(command, values).map_err(Fault)?;
        let (ok, said) = run_to_end(
            &self.program,
            &command,
            folder,
            &environment(launch, values)?,
        )
        .await?;
        if ok {
            Ok(())
        } else {
            Err(Fault(format!("`{}` failed:\n{said}", command.join(" "))))
        }
    }

    fn launch_entry(&self) -> Result<&Launch, Fault> {
        self.manifest
            .launch
            .as_ref()
            .ok_or_else(|| Fault("the manifest has no [launch]".to_owned()))
    }

    /// What placeholders stand for.
    fn values(&self, state: &Path, port: u16, kind: Kind) -> BTreeMap<&'static str, String> {
        let issuer = self.issuer(kind.variant());
        BTreeMap::from([
            ("port", port.to_string()),
            ("state", state.display().to_string()),
            ("app_domain", self.manifest.app_domain.clone()),
            ("team_domain", issuer.origin()),
            ("audience", issuer.audience().to_owned()),
            ("ai_gateway_base_url", self.gateway.base_url()),
            ("ai_gateway_key", self.gateway_key.clone()),
            ("fault_control_url", self.fault_control.url.clone()),
        ])
    }

    fn issuer(&self, variant: Variant) -> &Arc<AccessIssuer> {
        if variant == Variant::KeyRotation {
            &self.rotating
        } else {
            &self.access
        }
    }

    /// Starts a server and waits until it answers.
    async fn launch(
        &self,
        kind: Kind,
        entry: &VariantEntry,
        state: &Path,
        logs: &Arc<LogLines>,
    ) -> Result<(String, Supervised), Fault> {
        let launch = self.launch_entry()?;
        let turn = self
            .starting
            .acquire()
            .await
            .map_err(|error| Fault(error.to_string()))?;
        let port = free_port().map_err(|error| Fault(format!("no free port: {error}")))?;
        let values = self.values(state, port, kind);
        let mut command = fill_all(&launch.command, &values).map_err(Fault)?;
        command.extend(fill_all(&entry.arguments, &values).map_err(Fault)?);
        let mut environment = environment(launch, &values)?;
        for (name, value) in &launch.variables {
            if entry.without.contains(name) {
                continue;
            }
            let value = fill(value, &values).map_err(Fault)?;
            if launch.variable_arguments.is_empty() {
                environment.insert(name.clone(), value);
            } else {
                let pair = BTreeMap::from([("name", name.clone()), ("value", value)]);
                command.extend(fill_all(&launch.variable_arguments, &pair).map_err(Fault)?);
            }
        }
        let folder = self.manifest.folder.join(&launch.folder);
        let mut process = Supervised::start(&self.program, &command, &folder, &environment, logs)?;
        let base = format!("http://127.0.0.1:{port}");
        self.ready(
            kind,
            &base,
            &mut process,
            logs,
            Duration::from_secs(launch.ready_within_seconds),
        )
        .await?;
        drop(turn);
        Ok((base, process))
    }

    async fn ready(
        &self,
        kind: Kind,
        base: &str,
        process: &mut Supervised,
        logs: &Arc<LogLines>,
        within: Duration,
    ) -> Result<(), Fault> {
        use crate::observe::Logs as _;
        let said = || {
            logs.since(0)
                .into_iter()
                .map(|line| line.text)
                .collect::<Vec<_>>()
                .join("\n")
        };
        let probe = Request::new("GET", self.manifest.dialect.health.clone())
            .header("cf-connecting-ip", "192.0.2.1")
            .within(Duration::from_secs(5));
        let client = &self.client;
        let process = Mutex::new(process);
        let answered = wait::until(within, || async {
            if process
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .has_ended()
            {
                return Err(Fault(format!(
                    "the server of variant `{}` ended while starting:\n{}",
                    kind.name(),
                    said()
                )));
            }
            Ok(match client.send(base, &probe, 0).await {
                Ok(_any) => Look::Done(()),
                Err(error) => Look::NotYet(error.to_string()),
            })
        })
        .await?;
        answered.map_err(|error| {
            Fault(format!(
                "variant `{}` does not answer: {error}\n{}",
                kind.name(),
                said()
            ))
        })
    }

    /// What the harness can see and control of an instance.
    fn observed(
        &self,
        kind: Kind,
        entry: &VariantEntry,
        base: String,
        logs: &Arc<LogLines>,
    ) -> Instance {
        let has = |name: &str| !entry.without.iter().any(|without| without == name);
        let (variant, manifest) = (kind.variant(), &self.manifest);
        let operable = [
            "CF_ACCESS_TEAM_DOMAIN",
            "CF_ACCESS_AUD",
            "TENANT_DB",
            "TENANT_KV",
            "MOLTBOT_BUCKET",
        ];
        let stores =
            manifest
                .observe
                .stores
                .as_ref()
                .map(|Stores::Explorer { path, d1, kv, r2 }| {
                    let root = format!("{base}{path}");
                    (
                        Explorer::d1(&self.observer, &root, d1),
                        Explorer::kv(&self.observer, &root, kv),
                        Explorer::r2(&self.observer, &root, r2),
                    )
                });
        let (d1, kv, r2) = stores.map_or((None, None, None), |(d1, kv, r2)| {
            (Some(d1), Some(kv), Some(r2))
        });
        let access = manifest.control.access && operable.into_iter().all(has);
        Instance {
            variant,
            d1: d1.filter(|_| has("TENANT_DB")).map(|d1| Arc::new(d1) as _),
            kv: kv.filter(|_| has("TENANT_KV")).map(|kv| Arc::new(kv) as _),
            r2: r2
                .filter(|_| has("MOLTBOT_BUCKET"))
                .map(|r2| Arc::new(r2) as _),
            logs: manifest
                .observe
                .output_is_log
                .then(|| Arc::clone(logs) as _),
            gateway: manifest
                .control
                .ai_gateway
                .then(|| Arc::clone(&self.gateway)),
            access: access.then(|| Arc::clone(self.issuer(variant))),
            faults: (kind == Kind::Faulty).then(|| Arc::clone(&self.fault_control.faults)),
            app_domain: manifest.app_domain.clone(),
            secrets: has("CLOUDFLARE_AI_GATEWAY_API_KEY")
                .then(|| self.gateway_key.clone())
                .into_iter()
                .collect(),
            base,
        }
    }
}

fn environment(
    launch: &Launch,
    values: &BTreeMap<&str, String>,
) -> Result<BTreeMap<String, String>, Fault> {
    launch
        .environment
        .iter()
        .map(|(name, value)| Ok((name.clone(), fill(value, values).map_err(Fault)?)))
        .collect()
}

/// A port that was free a moment ago. Another process may take it first; then the server says so and the run ends in a fault.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

#[async_trait]
impl Target for LaunchedTarget {
    fn name(&self) -> String {
        self.shared.manifest.name.clone()
    }

    fn lacks(&self, need: Need) -> Option<String> {
        let manifest = &self.shared.manifest;
        let stores = manifest.observe.stores.is_some();
        let (met, where_) = match need {
            Need::Hosts => (!manifest.app_domain.is_empty(), "app_domain"),
            Need::Tenants => (
                manifest.control.access || stores,
                "[control] access or [observe] stores",
            ),
            Need::Admin | Need::Access => (manifest.control.access, "[control] access"),
            Need::AiGateway => (manifest.control.ai_gateway, "[control] ai_gateway"),
            Need::D1 | Need::D1Write | Need::Kv | Need::R2 => (stores, "[observe] stores"),
            Need::Logs => (manifest.observe.output_is_log, "[observe] output_is_log"),
            Need::StoreFaults => (
                manifest.control.store_faults.is_some(),
                "[control.store_faults]",
            ),
            Need::Restart => (manifest.launch.is_some(), "[launch]"),
            Need::Fresh => (false, "no entry does this yet"),
            Need::Migrations => (manifest.migrations.is_some(), "[migrations]"),
            Need::ClientIp => (manifest.control.client_ip, "[control] client_ip"),
            Need::ExactLimits => (manifest.limits.exact, "[limits] exact"),
            Need::Variant(variant) => {
                (manifest.variants.contains_key(variant.name()), "[variants]")
            }
        };
        (!met).then(|| format!("{} (manifest: {where_})", need.remedy()))
    }

    fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn impossible(&self, criterion: &str) -> Option<String> {
        self.shared.manifest.impossible.get(criterion).cloned()
    }

    async fn instance(&self, variant: Variant) -> Result<Arc<Instance>, Fault> {
        self.running(Kind::Plain(variant)).await
    }

    async fn faulty_instance(&self) -> Result<Arc<Instance>, Fault> {
        self.running(Kind::Faulty).await
    }

    async fn disposable(&self) -> Result<Box<dyn Disposable>, Fault> {
        let kind = Kind::Plain(Variant::Production);
        let shared = Arc::clone(&self.shared);
        let state = shared
            .fresh_state(&format!("own-{}", uuid::Uuid::new_v4().simple()))
            .await?;
        let entry = shared.entry(kind)?;
        let logs = Arc::new(LogLines::default());
        let (base, process) = shared.launch(kind, &entry, &state, &logs).await?;
        let instance = Arc::new(shared.observed(kind, &entry, base, &logs));
        Ok(Box::new(Own {
            shared,
            entry,
            state,
            logs,
            instance,
            process: Some(process),
        }))
    }

    async fn migrate(&self, folder: &Path, database: &Path) -> Result<Migrated, Fault> {
        let (shared, lacks) = (&self.shared, || Fault(Need::Migrations.remedy()));
        let entry = shared.manifest.migrations.as_ref().ok_or_else(lacks)?;
        migrate(shared, entry, folder, database).await
    }

    async fn end(&self) {
        let cells: Vec<_> = {
            let mut instances = self
                .instances
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            instances.drain().map(|(_kind, cell)| cell).collect()
        };
        let processes = cells.iter().filter_map(|cell| {
            cell.get()?
                .process
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take()
        });
        // The supervisor kills what does not end in order: there is nothing left to do about an error here.
        futures_util::future::join_all(processes.map(Supervised::stop)).await;
    }

    fn migrations(&self) -> Option<PathBuf> {
        let manifest = &self.shared.manifest;
        Some(manifest.folder.join(&manifest.migrations.as_ref()?.folder))
    }
}

async fn migrate(
    shared: &Shared,
    entry: &Migrations,
    folder: &Path,
    database: &Path,
) -> Result<Migrated, Fault> {
    let launch = shared.launch_entry()?;
    shared.prepared.get_or_try_init(|| shared.prepare()).await?;
    let fault = |error: std::io::Error| Fault(format!("cannot set up migrations: {error}"));
    let state = database.with_extension("state");
    std::fs::create_dir_all(&state).map_err(fault)?;
    let mut values = shared.values(&state, 0, Kind::Plain(Variant::Production));
    values.insert("folder", folder.display().to_string());
    if let Some(text) = &entry.config {
        let file = state.join("migrations-config.json");
        std::fs::write(&file, fill(text, &values).map_err(Fault)?).map_err(fault)?;
        values.insert("config", file.display().to_string());
    }
    let command = fill_all(&entry.command, &values).map_err(Fault)?;
    let work = shared.manifest.folder.join(&launch.folder);
    let (ok, said) = run_to_end(
        &shared.program,
        &command,
        &work,
        &environment(launch, &values)?,
    )
    .await?;
    if let Some(file) = only_database(&state.join(&entry.database)) {
        // The file may have a write-ahead log beside it: a plain copy would lose it.
        let snapshot = rusqlite::Connection::open(&file).and_then(|source| {
            drop(std::fs::remove_file(database));
            source.execute("VACUUM INTO ?1", [database.display().to_string()])
        });
        snapshot.map_err(|error| Fault(format!("cannot read the migrated database: {error}")))?;
    }
    Ok(Migrated { ok, said })
}

/// The one database file in a folder of miniflare's.
fn only_database(folder: &Path) -> Option<PathBuf> {
    let files = std::fs::read_dir(folder)
        .ok()?
        .filter_map(Result::ok)
        .map(|entry| entry.path());
    files
        .filter(|path| path.extension().is_some_and(|ending| ending == "sqlite"))
        .find(|path| {
            path.file_name()
                .is_some_and(|name| name != "metadata.sqlite")
        })
}

/// An instance that one scenario has for itself.
struct Own {
    shared: Arc<Shared>,
    entry: VariantEntry,
    state: PathBuf,
    logs: Arc<LogLines>,
    instance: Arc<Instance>,
    process: Option<Supervised>,
}

impl Own {
    fn take(&mut self) -> Result<Supervised, Fault> {
        self.process
            .take()
            .ok_or_else(|| Fault("the server is not running".to_owned()))
    }
}

#[async_trait]
impl Disposable for Own {
    fn instance(&self) -> Arc<Instance> {
        Arc::clone(&self.instance)
    }

    async fn stop(&mut self) -> Result<(), Fault> {
        self.take()?.stop().await
    }

    async fn kill(&mut self) -> Result<(), Fault> {
        self.take()?.kill().await
    }

    async fn start(&mut self) -> Result<(), Fault> {
        let kind = Kind::Plain(Variant::Production);
        let (base, process) = self
            .shared
            .launch(kind, &self.entry, &self.state, &self.logs)
            .await?;
        self.process = Some(process);
        self.instance = Arc::new(self.shared.observed(kind, &self.entry, base, &self.logs));
        Ok(())
    }
}
