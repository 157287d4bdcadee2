//! A target described by a manifest: started as processes, or found at addresses. Never judges.

mod certificate;
mod fault_control;
mod migrate;
mod observers;
mod process;
mod serving;
mod start;
pub mod supervisor;
pub mod why;
mod without_routes;
mod works;

use super::api_worker::{ApiWorker, ForItself, Known};
use super::database::Database;
use super::database_target::DatabaseTarget;
use super::dialect::Dialect;
use super::layout::Layout;
use super::manifest::acts::Acts;
use super::manifest::{Accept, Manifest, Probe, Seeding};
use super::{Disposable, Fault, Instance, LaunchFacts, Limits, Migrated, Target, Works};
use crate::client::Client;
use crate::contract::need::{Need, Variant};
use crate::contract::profile::Profile;
use async_trait::async_trait;
use moltproof_api_worker::{OwnInstance, OwnInstances};
use process::Supervised;
use start::{Blueprint, Kind, Workshop};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OnceCell;

/// What is judged under a manifest.
pub struct LaunchedTarget {
    workshop: Arc<Workshop>,
    shared: Mutex<HashMap<Kind, Arc<Starting>>>,
    fresh: Mutex<Vec<Supervised>>,
    dialect: Dialect,
    limits: Limits,
}

/// What could not be started once is not started again: every scenario would wait for the same failure.
type Starting = OnceCell<Result<Running, Fault>>;

/// An instance and its process, if we started it.
struct Running {
    instance: Arc<Instance>,
    process: Mutex<Option<Supervised>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a manifest describes: a Worker, or a database and nothing else.
///
/// # Errors
/// As [`LaunchedTarget::start`].
pub fn described(
    manifest: Manifest,
    program: PathBuf,
    client: Client,
) -> Result<Arc<dyn Target>, Fault> {
    if manifest.has_worker() {
        Ok(Arc::new(LaunchedTarget::start(manifest, program, client)?))
    } else {
        Ok(Arc::new(DatabaseTarget::new(manifest)))
    }
}

impl LaunchedTarget {
    /// Starts the doubles; instances start when they are first asked for. `program` is the `moltproof` executable.
    ///
    /// # Errors
    /// When sockets, threads or a temporary folder cannot be had.
    pub fn start(manifest: Manifest, program: PathBuf, client: Client) -> Result<Self, Fault> {
        let (limits, dialect) = (
            manifest.limits.of(&manifest.app_domain),
            manifest.dialect.clone(),
        );
        let workshop = Arc::new(Workshop::open(manifest, program, client)?);
        Ok(Self {
            workshop,
            shared: Mutex::default(),
            fresh: Mutex::default(),
            dialect,
            limits,
        })
    }

    async fn running(&self, kind: Kind) -> Result<Arc<Instance>, Fault> {
        let cell = Arc::clone(lock(&self.shared).entry(kind).or_default());
        let start = || async {
            let blueprint = self.workshop.blueprint(kind).await?;
            let (instance, process) = self.workshop.build(&blueprint).await?;
            Ok::<_, Fault>(Running {
                instance,
                process: Mutex::new(process),
            })
        };
        let running = cell.get_or_init(start).await;
        let running = running.as_ref().map_err(Clone::clone)?;
        let end = lock(&running.process).as_mut().and_then(Supervised::end);
        if let Some(how) = end {
            return Err(Fault(format!(
                "the server of variant `{}` has ended by itself ({how}): start it by hand, as `launch.command` does, to see why",
                kind.name()
            )));
        }
        Ok(Arc::clone(&running.instance))
    }
}

impl LaunchedTarget {
    /// Starts instances that are killed; none where production is not started here.
    fn own_instances(&self) -> Option<OwnInstances> {
        let production = self
            .workshop
            .manifest
            .variants
            .get(Variant::Production.name())?;
        if self.lacks(Need::Restart).is_some() || production.address.is_some() {
            return None;
        }
        let workshop = Arc::clone(&self.workshop);
        Some(Arc::new(move || {
            let workshop = Arc::clone(&workshop);
            Box::pin(async move {
                let own = Own::of(workshop).await.map_err(|fault| fault.0)?;
                let database = own.workshop.api_database(&own.blueprint.state);
                let database = database.map_err(|fault| fault.0)?;
                let disposable = Box::new(own);
                Ok(Box::new(ForItself {
                    disposable,
                    database,
                }) as Box<dyn OwnInstance>)
            })
        }))
    }
}

#[async_trait]
impl Target for LaunchedTarget {
    fn name(&self) -> String {
        self.workshop.manifest.name.clone()
    }

    fn lacks(&self, need: Need) -> Option<String> {
        let manifest = &self.workshop.manifest;
        let withheld = manifest.withheld.why(need);
        // The files of migrations are read, whatever would apply them.
        if let Some(why) = withheld.filter(|_| need != Need::Migrations) {
            return Some(why);
        }
        let meets = |need| observers::meets(&manifest.observe, need);
        let looks = |need| meets(need).unwrap_or((false, "[observe]"));
        let operator = manifest.control.access || manifest.operator.credential().is_some();
        let stores_writable = looks(Need::D1Write).0 && looks(Need::KvWrite).0;
        let (met, place) = match need {
            Need::Hosts => (!manifest.app_domain.is_empty(), "app_domain"),
            Need::Tenants => (
                match &manifest.seeding {
                    Some(Seeding::Admin) => operator,
                    Some(Seeding::Stores { .. }) => stores_writable,
                    Some(Seeding::Fixed { .. }) => true,
                    None => operator || stores_writable,
                },
                "[control] access, [operator], [observe] d1 and kv, both writable, or [seeding]",
            ),
            Need::Admin => (operator, "[control] access or [operator]"),
            Need::Access => (manifest.control.access, "[control] access"),
            Need::AiGateway => (manifest.control.ai_gateway, "[control] ai_gateway"),
            Need::AiGatewayLog => (
                manifest.control.ai_gateway || manifest.observe.ai_gateway.is_some(),
                "[control] ai_gateway, or [observe] ai_gateway",
            ),
            Need::D1 | Need::D1Write | Need::Kv | Need::KvWrite | Need::R2 | Need::Logs => {
                looks(need)
            }
            Need::StoreFaults => (
                manifest.control.store_faults.is_some(),
                "[control.store_faults]",
            ),
            Need::Restart | Need::Fresh => (manifest.launch.is_some(), "[launch]"),
            Need::Migrations => (manifest.migrations.is_some(), "[migrations]"),
            Need::ClientIp => (manifest.control.client_ip, "[control] client_ip"),
            Need::ExactLimits => (manifest.limits.exact, "[limits] exact"),
            Need::Variant(variant) => {
                (manifest.variants.contains_key(variant.name()), "[variants]")
            }
        };
        (!met).then(|| format!("{} (manifest: {place})", need.remedy()))
    }

    fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    fn profiles(&self) -> &[Profile] {
        &self.workshop.manifest.profiles
    }

    fn database(&self) -> Result<Option<Database>, Fault> {
        Ok(self.workshop.manifest.database())
    }

    async fn api_worker(&self) -> Result<Option<Arc<ApiWorker>>, Fault> {
        if !self.workshop.manifest.claims(Profile::ApiWorker) {
            return Ok(None);
        }
        let instance = self.instance(Variant::Production).await?;
        let known = Known {
            own: self.own_instances(),
            ..self.workshop.api_worker()?
        };
        Ok(Some(Arc::new(ApiWorker::of(&instance, known)?)))
    }

    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn beyond_runtime(&self, criterion: &str, scenario: &str) -> Option<String> {
        self.workshop.manifest.beyond_runtime(criterion, scenario)
    }

    fn impossible(&self, criterion: &str, scenario: &str) -> Option<String> {
        self.workshop.manifest.impossible(criterion, scenario)
    }

    fn seeding(&self) -> Option<&Seeding> {
        self.workshop.manifest.seeding.as_ref()
    }

    fn acts(&self) -> &Acts {
        &self.workshop.manifest.operator.acts
    }

    fn layout(&self) -> Layout {
        self.workshop.manifest.layout.clone()
    }

    fn accepts(&self) -> &[Accept] {
        &self.workshop.manifest.accept
    }

    async fn instance(&self, variant: Variant) -> Result<Arc<Instance>, Fault> {
        self.running(Kind::Plain(variant)).await
    }

    async fn faulty_instance(&self) -> Result<Arc<Instance>, Fault> {
        self.running(Kind::Faulty).await
    }

    async fn disposable(&self) -> Result<Box<dyn Disposable>, Fault> {
        Ok(Box::new(Own::of(Arc::clone(&self.workshop)).await?))
    }

    async fn fresh(&self, variant: Variant) -> Result<Arc<Instance>, Fault> {
        let issuer = self.workshop.own_issuer()?;
        let blueprint = self
            .workshop
            .own_blueprint(variant, Arc::new(issuer))
            .await?;
        let (instance, process) = self.workshop.build(&blueprint).await?;
        lock(&self.fresh).extend(process);
        Ok(instance)
    }

    fn lacks_migration_tool(&self) -> Option<String> {
        let manifest = &self.workshop.manifest;
        // The command runs in the launch folder, with what is prepared there.
        manifest.withheld.why(Need::Migrations).or_else(|| {
            manifest
                .launch
                .is_none()
                .then(|| format!("{} (manifest: [launch])", Need::Migrations.remedy()))
        })
    }

    async fn migrate(&self, folder: &Path, database: &Path) -> Result<Migrated, Fault> {
        let entry = self
            .workshop
            .manifest
            .migrations
            .as_ref()
            .ok_or_else(|| Fault(Need::Migrations.remedy()))?;
        migrate::migrate(&self.workshop, entry, folder, database).await
    }

    async fn end(&self) {
        let cells: Vec<_> = lock(&self.shared)
            .drain()
            .map(|(_kind, cell)| cell)
            .collect();
        let shared = cells
            .iter()
            .filter_map(|cell| lock(&cell.get()?.as_ref().ok()?.process).take());
        let processes: Vec<_> = shared
            .chain(lock(&self.fresh).drain(..))
            .chain(self.workshop.take_tails())
            .collect();
        // The supervisor kills what does not end in order: there is nothing left to do about an error here.
        futures_util::future::join_all(processes.into_iter().map(Supervised::stop)).await;
    }

    fn standing(&self) -> Vec<Variant> {
        let variants = &self.workshop.manifest.variants;
        let standing = |variant: &Variant| {
            let entry = variants.get(variant.name());
            entry.is_some_and(|entry| entry.address.is_some())
        };
        Variant::ALL.into_iter().filter(standing).collect()
    }

    fn launch_facts(&self) -> Option<LaunchFacts> {
        let manifest = &self.workshop.manifest;
        let production = manifest.variants.get(Variant::Production.name())?;
        let launch = manifest.launch.as_ref();
        let launch = launch.filter(|_| production.address.is_none())?;
        let plain = |(_, value): &(&String, &String)| !value.contains('{');
        Some(LaunchFacts {
            command: launch.command.clone(),
            folder: manifest.folder.join(&launch.folder),
            environment: launch
                .environment
                .iter()
                .filter(plain)
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        })
    }

    fn tell_works(&self, whom: Arc<dyn Works>) {
        self.workshop.tell_works(whom);
    }

    fn probe(&self) -> Probe {
        self.workshop.manifest.probe.clone()
    }

    fn migrations(&self) -> Option<PathBuf> {
        let manifest = &self.workshop.manifest;
        Some(manifest.folder.join(&manifest.migrations.as_ref()?.folder))
    }
}

/// An instance that one scenario has for itself.
struct Own {
    workshop: Arc<Workshop>,
    blueprint: Blueprint,
    instance: Arc<Instance>,
    process: Option<Supervised>,
}

impl Own {
    async fn of(workshop: Arc<Workshop>) -> Result<Self, Fault> {
        let access = Arc::clone(&workshop.access);
        let blueprint = workshop.own_blueprint(Variant::Production, access).await?;
        let (instance, process) = workshop.build(&blueprint).await?;
        Ok(Self {
            workshop,
            blueprint,
            instance,
            process,
        })
    }

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
        (self.instance, self.process) = self.workshop.build(&self.blueprint).await?;
        Ok(())
    }
}
