//! Prepares a described target and knows what its instances are made of. Never keeps track of what runs: its callers do.

use super::certificate::identity;
use super::fault_control::FaultControl;
use super::observers::only_database;
use super::process::{Supervised, copy_folder, run_to_end, supervised};
use super::works::Told;
use crate::client::not_the_worker::Surroundings;
use crate::client::{Client, Whereabouts, trust};
use crate::contract::need::Variant;
use crate::doubles::tls::{CA_FILE, Identity};
use crate::doubles::{AccessIssuer, AiGatewayDouble, Place};
use crate::observe::ai_gateway_logs::AiGatewayLogs;
use crate::observe::budget::Budget;
use crate::observe::log_lines::LogLines;
use crate::scratch::Scratch;
use crate::subject::api_worker::Known;
use crate::subject::manifest::placeholders::{fill, fill_all};
use crate::subject::manifest::{D1Source, Launch, Manifest, VariantEntry};
use crate::subject::{Fault, Instance};
use moltproof_api_worker::receiver::Receiver;
use moltproof_api_worker::resolver::Resolver;
use moltproof_api_worker::words::Words;
use moltproof_api_worker::{Applied, Runner, tool};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OnceCell, Semaphore};

/// Which instance: a variant, or production with stores that fail on demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// A variant as it is.
    Plain(Variant),
    /// Production whose stores ask before each operation.
    Faulty,
}

impl Kind {
    /// For folders and complaints.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain(variant) => variant.name(),
            Self::Faulty => "store-faults",
        }
    }

    fn variant(self) -> Variant {
        match self {
            Self::Plain(variant) => variant,
            Self::Faulty => Variant::Production,
        }
    }
}

/// What all instances share.
pub(super) struct Workshop {
    pub(super) manifest: Manifest,
    pub(super) program: PathBuf,
    pub(super) client: Client,
    /// For what runs here.
    pub(super) observer: reqwest::Client,
    /// For Cloudflare's API, by the proxy that the environment names.
    pub(super) remote: reqwest::Client,
    pub(super) budget: Arc<Budget>,
    gateway_log: Option<Arc<AiGatewayLogs>>,
    tails: Mutex<Vec<Supervised>>,
    folder: Scratch,
    tls: Option<Identity>,
    gateway: Arc<AiGatewayDouble>,
    pub(super) access: Arc<AccessIssuer>,
    rotating: Arc<AccessIssuer>,
    gateway_key: String,
    fault_control: FaultControl,
    receiver: Option<Arc<Receiver>>,
    resolver: Option<Arc<Resolver>>,
    prepared: OnceCell<Result<PathBuf, Fault>>,
    pub(super) starting: Semaphore,
    pub(super) told: Told,
    /// Ports of the servers of this run.
    pub(super) ports: Mutex<HashSet<u16>>,
}

/// What one instance is made of.
pub(super) struct Blueprint {
    pub(super) kind: Kind,
    pub(super) entry: VariantEntry,
    pub(super) issuer: Arc<AccessIssuer>,
    pub(super) state: PathBuf,
    pub(super) logs: Arc<LogLines>,
}

impl Workshop {
    /// Starts the doubles.
    pub(super) fn open(
        manifest: Manifest,
        program: PathBuf,
        client: Client,
    ) -> Result<Self, Fault> {
        let fault = |error: std::io::Error| Fault(format!("cannot set up the target: {error}"));
        // No connection is used twice: workerd closes one without notice when a body was not read to its end.
        let alone = || {
            reqwest::Client::builder()
                .no_proxy()
                .pool_max_idle_per_host(0)
        };
        let observer = trust::client(alone).map_err(|error| Fault(error.to_string()))?;
        let folder = Scratch::new().map_err(fault)?;
        // Cloudflare's API is far away: by the proxy that the environment names.
        let remote = trust::client(reqwest::Client::builder);
        let remote = remote.map_err(|error| Fault(error.to_string()))?;
        let budget = Arc::new(Budget::default());
        let tls = manifest.control.tls.then(|| identity(folder.path()));
        let tls = tls.transpose()?;
        let place = Place::with(tls.clone());
        Ok(Self {
            program,
            client,
            gateway_log: Self::open_gateway_log(&manifest.observe, &remote, &budget),
            remote,
            budget,
            observer,
            tails: Mutex::default(),
            folder,
            tls,
            gateway: Arc::new(AiGatewayDouble::start_at(&place).map_err(fault)?),
            access: Arc::new(AccessIssuer::start_at(&place).map_err(fault)?),
            rotating: Arc::new(AccessIssuer::start_at(&place).map_err(fault)?),
            gateway_key: format!("mpk-{}", uuid::Uuid::new_v4().simple()),
            fault_control: FaultControl::start(&manifest.layout).map_err(fault)?,
            receiver: match &manifest.api_worker {
                Some(entry) if entry.webhooks => Some(Arc::new(Receiver::start().map_err(fault)?)),
                Some(_) | None => None,
            },
            resolver: match &manifest.api_worker {
                Some(entry) if entry.resolver => Some(Arc::new(Resolver::start().map_err(fault)?)),
                Some(_) | None => None,
            },
            prepared: OnceCell::new(),
            told: Told::default(),
            ports: Mutex::default(),
            starting: Semaphore::new(
                manifest
                    .launch
                    .as_ref()
                    .map_or(1, |launch| launch.at_once.max(1)),
            ),
            manifest,
        })
    }

    /// A team domain for an instance that has one for itself.
    pub(super) fn own_issuer(&self) -> Result<AccessIssuer, Fault> {
        AccessIssuer::start_at(&Place::with(self.tls.clone()))
            .map_err(|error| Fault(format!("cannot start a team domain: {error}")))
    }

    /// The blueprint of a shared instance.
    pub(super) async fn blueprint(&self, kind: Kind) -> Result<Blueprint, Fault> {
        let rotating = kind == Kind::Plain(Variant::KeyRotation);
        let issuer = if rotating {
            &self.rotating
        } else {
            &self.access
        };
        self.drawn(kind, Arc::clone(issuer), kind.name().to_owned())
            .await
    }

    /// The blueprint of an instance that one scenario has for itself, on a state of its own.
    pub(super) async fn own_blueprint(
        &self,
        variant: Variant,
        issuer: Arc<AccessIssuer>,
    ) -> Result<Blueprint, Fault> {
        let name = format!("own-{}", uuid::Uuid::new_v4().simple());
        self.drawn(Kind::Plain(variant), issuer, name).await
    }

    async fn drawn(
        &self,
        kind: Kind,
        issuer: Arc<AccessIssuer>,
        name: String,
    ) -> Result<Blueprint, Fault> {
        let entry = match kind {
            Kind::Plain(variant) => self.manifest.variants.get(variant.name()),
            Kind::Faulty => self.manifest.control.store_faults.as_ref(),
        };
        let entry = entry
            .cloned()
            .ok_or_else(|| Fault(format!("the manifest has no variant `{}`", kind.name())))?;
        let state = self.folder.path().join(name);
        if entry.address.is_none() {
            let template = self.prepared().await?;
            copy_folder(template, &state)
                .map_err(|error| Fault(format!("cannot copy the state folder: {error}")))?;
        }
        Ok(Blueprint {
            kind,
            entry,
            issuer,
            state,
            logs: Arc::default(),
        })
    }

    /// Starts the instance, unless it has an address; returns it with its process.
    pub(super) async fn build(
        &self,
        blueprint: &Blueprint,
    ) -> Result<(Arc<Instance>, Option<Supervised>), Fault> {
        let (base, process) = if let Some(address) = &blueprint.entry.address {
            (address.trim_end_matches('/').to_owned(), None)
        } else {
            let what = format!("starting variant `{}`", blueprint.kind.name());
            let (base, process) = self.telling(what, self.launch(blueprint)).await?;
            (base, Some(process))
        };
        self.client
            .know(&base, self.place(blueprint.entry.address.is_some()));
        Ok((Arc::new(self.observed(blueprint, base)?), process))
    }

    /// What is known of the place of an instance; `found` where somebody else started it.
    fn place(&self, found: bool) -> Whereabouts {
        let Manifest {
            dialect, operator, ..
        } = &self.manifest;
        Whereabouts {
            around: if found || operator.edge {
                Surroundings::Address
            } else {
                Surroundings::Launched
            },
            public: dialect.public_paths(),
            direct: operator
                .direct_address
                .as_ref()
                .map(|address| address.trim_end_matches('/').to_owned()),
        }
    }

    /// The state folder that every instance starts from; set up at the first call. What failed once is not tried again:
    /// every scenario would wait for the same failure.
    pub(super) async fn prepared(&self) -> Result<&PathBuf, Fault> {
        let prepared = self.prepared.get_or_init(|| self.prepare()).await;
        prepared.as_ref().map_err(Clone::clone)
    }

    async fn prepare(&self) -> Result<PathBuf, Fault> {
        let launch = self.launch_entry()?;
        let state = self.folder.path().join("template");
        std::fs::create_dir_all(&state)
            .map_err(|error| Fault(format!("cannot make a folder: {error}")))?;
        let values = self.values(&state, 0, &self.access);
        for step in &launch.prepare {
            let done = step
                .unless
                .as_ref()
                .is_some_and(|file| self.launch_folder(launch).join(file).exists());
            if !done {
                self.must_run(&step.run, &step.folder, &values).await?;
            }
        }
        self.keep_without_routes(launch)?;
        for command in &launch.setup {
            self.must_run(command, Path::new(""), &values).await?;
        }
        Ok(state)
    }

    async fn must_run(
        &self,
        command: &[String],
        below: &Path,
        values: &BTreeMap<&str, String>,
    ) -> Result<(), Fault> {
        let what = format!("running `{}`", command.join(" "));
        let running = self.run_below(command, below, values);
        let (ok, said) = self.telling(what, running).await?;
        if ok {
            Ok(())
        } else {
            Err(Fault(format!("`{}` failed:\n{said}", command.join(" "))))
        }
    }

    /// Runs a command of the manifest in the launch folder; whether it succeeded, and what it said.
    pub(super) async fn run(
        &self,
        command: &[String],
        values: &BTreeMap<&str, String>,
    ) -> Result<(bool, String), Fault> {
        self.run_below(command, Path::new(""), values).await
    }

    async fn run_below(
        &self,
        command: &[String],
        below: &Path,
        values: &BTreeMap<&str, String>,
    ) -> Result<(bool, String), Fault> {
        let launch = self.launch_entry()?;
        let command = fill_all(command, values).map_err(Fault)?;
        let said = run_to_end(
            &self.program,
            &command,
            &self.launch_folder(launch).join(below),
            &environment(launch, values)?,
        )
        .await?;
        let output = String::from_utf8_lossy(&said.output);
        Ok((said.ok, format!("{output}{}", said.errors)))
    }

    /// Where commands that observe run: with the server's, or beside the manifest.
    pub(super) fn command_folder(&self) -> PathBuf {
        let launch = self.manifest.launch.as_ref();
        launch.map_or_else(
            || self.manifest.folder.clone(),
            |launch| self.launch_folder(launch),
        )
    }

    /// Environment of commands that observe.
    pub(super) fn command_environment(
        &self,
        values: &BTreeMap<&str, String>,
    ) -> Result<BTreeMap<String, String>, Fault> {
        let launch = self.manifest.launch.as_ref();
        launch.map_or_else(|| Ok(BTreeMap::new()), |launch| environment(launch, values))
    }

    /// Keeps a tail until the run ends.
    pub(super) fn keep_tail(&self, tail: Supervised) {
        self.tails
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(tail);
    }

    /// Every tail that was started, for whoever ends them.
    pub(super) fn take_tails(&self) -> Vec<Supervised> {
        std::mem::take(&mut *self.tails.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn launch_entry(&self) -> Result<&Launch, Fault> {
        self.manifest
            .launch
            .as_ref()
            .ok_or_else(|| Fault("the manifest has no [launch]".to_owned()))
    }

    pub(super) fn launch_folder(&self, launch: &Launch) -> PathBuf {
        self.manifest.folder.join(&launch.folder)
    }

    /// What placeholders stand for.
    pub(super) fn values(
        &self,
        state: &Path,
        port: u16,
        issuer: &AccessIssuer,
    ) -> BTreeMap<&'static str, String> {
        let mut values = BTreeMap::from([
            ("port", port.to_string()),
            ("state", state.display().to_string()),
            ("app_domain", self.manifest.app_domain.clone()),
            ("team_domain", issuer.origin()),
            ("team_host", issuer.authority().to_owned()),
            ("audience", issuer.audience().to_owned()),
            ("ai_gateway_base_url", self.gateway.base_url()),
            ("ai_gateway_key", self.gateway_key.clone()),
            ("fault_control_url", self.fault_control.url.clone()),
        ]);
        if self.tls.is_some() {
            let file = self.folder.path().join(CA_FILE);
            values.insert("ca_file", file.display().to_string());
        }
        if let Some(receiver) = &self.receiver {
            values.insert("webhook_address", receiver.authority().to_owned());
        }
        if let Some(resolver) = &self.resolver {
            values.insert("webhook_resolver_url", resolver.url().to_owned());
        }
        if let Some(config) = self.without_routes() {
            values.insert("config", config);
        }
        values
    }

    /// What is known of the API worker that is the variant `production`, beside its instance.
    pub(super) fn api_worker(&self) -> Result<Known, Fault> {
        let entry = self.manifest.api_worker.clone().unwrap_or_default();
        let dialect = &self.manifest.dialect;
        let words = Words {
            error_code: dialect.error_code.clone(),
            error_details: dialect.error_details.clone(),
            codes: dialect.error_codes.clone(),
            ..entry.words()
        };
        let state = self.folder.path().join(Variant::Production.name());
        let database = self.api_database(&state)?;
        let migrate = entry.migrate.as_ref();
        Ok(Known {
            words: Arc::new(words),
            columns: Arc::new(entry.columns()),
            documented: entry.documented(),
            environment: entry.environment,
            is_clock_told: entry.clock,
            receiver: self.receiver.clone(),
            resolver: self.resolver.clone(),
            database,
            files: entry
                .migrations
                .map(|folder| self.manifest.folder.join(folder)),
            runner: migrate.map(|entry| self.applying(entry.command.clone(), &entry.database)),
            seeder: migrate.and_then(|entry| {
                let words = entry.seed.clone()?;
                Some(self.applying(words, &entry.database))
            }),
            own: None,
        })
    }

    /// The SQLite file of the API worker whose state lies there.
    pub(super) fn api_database(&self, state: &Path) -> Result<Option<PathBuf>, Fault> {
        let values = self.values(state, 0, &self.access);
        Ok(match &self.manifest.observe.d1 {
            Some(D1Source::Sqlite { file, .. }) => {
                let place = fill(file, &values).map_err(Fault)?;
                only_database(&self.manifest.folder.join(place))
            }
            Some(D1Source::Explorer { .. } | D1Source::Rest { .. } | D1Source::Command { .. })
            | None => None,
        })
    }

    /// The target's own way of applying migrations or seeds, by a command that leaves its database at `made`.
    fn applying(&self, command: Vec<String>, made: &str) -> Runner {
        let launch = self.manifest.launch.as_ref();
        let words = supervised(&self.program, command);
        let within = launch.map_or_else(
            || self.manifest.folder.clone(),
            |launch| self.launch_folder(launch),
        );
        let run = tool::command(words, within, None);
        let made = made.to_owned();
        Arc::new(move |migrations, folder, environment| {
            let applied = run(migrations, folder, environment)?;
            let place = folder.join(&made);
            let database = only_database(&place).unwrap_or(place);
            Ok(Applied {
                database,
                ..applied
            })
        })
    }

    /// What the harness can see and control of an instance.
    fn observed(&self, blueprint: &Blueprint, base: String) -> Result<Instance, Fault> {
        let Blueprint {
            kind,
            entry,
            issuer,
            ..
        } = blueprint;
        let manifest = &self.manifest;
        let has = |name: &str| entry.has(name, &manifest.dialect.variables);
        let operable = [
            "CF_ACCESS_TEAM_DOMAIN",
            "CF_ACCESS_AUD",
            "TENANT_DB",
            "TENANT_KV",
            "MOLTBOT_BUCKET",
        ];
        let access = manifest.control.access && operable.into_iter().all(has);
        let key = manifest.control.ai_gateway && has("CLOUDFLARE_AI_GATEWAY_API_KEY");
        let key = key.then(|| self.gateway_key.clone());
        let gateway = manifest
            .control
            .ai_gateway
            .then(|| Arc::clone(&self.gateway));
        let logged = self.gateway_log.clone().map(|log| log as _);
        Ok(Instance {
            variant: kind.variant(),
            d1: if has("TENANT_DB") {
                self.d1(blueprint, &base)?
            } else {
                None
            },
            kv: if has("TENANT_KV") {
                self.kv(blueprint, &base)?
            } else {
                None
            },
            r2: if has("MOLTBOT_BUCKET") {
                self.r2(blueprint, &base)?
            } else {
                None
            },
            logs: self.logs(blueprint)?,
            model_calls: gateway.clone().map(|double| double as _).or(logged),
            gateway,
            ai_gateway_key: key,
            access: access.then(|| Arc::clone(issuer)),
            credential: manifest
                .operator
                .credential()
                .filter(|_| operable.into_iter().all(has)),
            faults: (*kind == Kind::Faulty).then(|| Arc::clone(&self.fault_control.faults)),
            who: self.who(blueprint)?,
            app_domain: manifest.app_domain.clone(),
            commands: if manifest.operator.acts.is_empty() {
                None
            } else {
                Some(self.commands(self.values_of(blueprint))?)
            },
            base,
        })
    }
}

pub(super) fn environment(
    launch: &Launch,
    values: &BTreeMap<&str, String>,
) -> Result<BTreeMap<String, String>, Fault> {
    launch
        .environment
        .iter()
        .map(|(name, value)| Ok((name.clone(), fill(value, values).map_err(Fault)?)))
        .collect()
}
