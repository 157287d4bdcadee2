//! The reference as a target: the only module that names its crate. Never reaches it other than over HTTP once it runs.
//!
//! Instances of the variants run in this process on a runtime of their own; an instance that is to be stopped or killed
//! runs as a process of its own, the `serve` verb of this program.

pub mod altered;
pub mod api_worker;
mod careless;
pub mod deviants;
mod faulty;
mod patterns;
mod process;
pub mod variants;

use self::altered::{Alteration, Setting, Variables, fronted};
use crate::contract::need::{Need, Variant};
use crate::contract::profile::Profile;
use crate::doubles::{AccessIssuer, AiGatewayDouble};
use crate::observe::bucket_dir::BucketDir;
use crate::observe::log_lines::LogLines;
use crate::observe::sqlite_file::{SqliteFile, SqliteKv};
use crate::scratch::Scratch;
use crate::subject::api_worker::ApiWorker;
use crate::subject::database::Database;
use crate::subject::dialect::Dialect;
use crate::subject::faults::StoreFaults;
use crate::subject::manifest::Seeding;
use crate::subject::{Disposable, Fault, Instance, Limits, Migrated, Target};
use crate::tamper::Tamper;
use crate::tamper::rule::Rules;
use async_trait::async_trait;
use moltworker_reference::config::Config;
use moltworker_reference::ports::{Level, LogSink};
use moltworker_reference::store::migrations;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OnceCell, oneshot};

pub use moltworker_reference::command::ServeArgs;

/// Serves the reference until a signal comes; returns the exit code.
#[must_use]
pub fn serve(args: &ServeArgs) -> std::process::ExitCode {
    moltworker_reference::command::run(args)
}

/// The base domain of the tenants' subdomains. `.example` is reserved: nobody owns it.
const APP_DOMAIN: &str = "moltworker.example";
/// Quota of [`Variant::SmallLimits`]: requests, seconds. Two seconds is the shortest window in which `Retry-After` can differ.
const SMALL_QUOTA: (u32, u64) = (5, 2);
/// Key set times of [`Variant::KeyRotation`]: cache and cooldown, seconds.
const KEY_SECONDS: (u64, u64) = (2, 1);

/// A file system in memory, on Linux.
pub(crate) const IN_MEMORY: &str = "/dev/shm";
/// Room that the stores may take there. Evidence: a whole run leaves 60 MB; a container has 64 MB there unless told otherwise.
const IN_MEMORY_BYTES_MIN: u64 = 1 << 30;

/// The reference implementation.
pub struct ReferenceTarget {
    runtime: Option<tokio::runtime::Runtime>,
    folder: Scratch,
    gateway: Arc<AiGatewayDouble>,
    access: Arc<AccessIssuer>,
    rotating: Arc<AccessIssuer>,
    gateway_key: String,
    program: PathBuf,
    instances: Mutex<HashMap<Variant, Arc<OnceCell<Running>>>>,
    fresh: Mutex<Vec<Running>>,
    dialect: Dialect,
    limits: Limits,
    alteration: Arc<Alteration>,
    gateway_base: OnceCell<String>,
    claims_api_worker: bool,
}

/// An instance and what ends it.
struct Running {
    instance: Arc<Instance>,
    /// Dropping it begins the orderly shutdown.
    _stop: oneshot::Sender<()>,
}

impl ReferenceTarget {
    /// The parts of the contract that it claims.
    pub const PROFILES: &[Profile] = &[Profile::Core, Profile::Data];

    /// Starts the doubles; instances start when they are first asked for. `program` is the `moltproof` executable.
    ///
    /// # Errors
    /// When sockets, threads or a temporary folder cannot be had.
    pub fn start(program: PathBuf) -> io::Result<Self> {
        Self::altered(program, Arc::default())
    }

    /// As [`Self::start`], with something else put in.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn altered(program: PathBuf, alteration: Arc<Alteration>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let limits = Limits {
            app_domain: APP_DOMAIN.to_owned(),
            small_quota: SMALL_QUOTA,
            keys_cache: Duration::from_secs(KEY_SECONDS.0),
            keys_cooldown: Duration::from_secs(KEY_SECONDS.1),
            ..Limits::default()
        };
        Ok(Self {
            runtime: Some(runtime),
            folder: scratch_folder()?,
            gateway: Arc::new(AiGatewayDouble::start()?),
            access: Arc::new(AccessIssuer::start()?),
            rotating: Arc::new(AccessIssuer::start()?),
            gateway_key: format!("mpk-{}", uuid::Uuid::new_v4().simple()),
            program,
            instances: Mutex::default(),
            fresh: Mutex::default(),
            dialect: Dialect::default(),
            limits,
            alteration,
            gateway_base: OnceCell::new(),
            claims_api_worker: false,
        })
    }

    /// Lets it claim the profile `api-worker` as well, by an API worker of its own: that is judged where it is asked for.
    #[must_use]
    pub fn claiming_api_worker(mut self, claims: bool) -> Self {
        self.claims_api_worker = claims;
        self
    }

    /// The team domain that the shared instance of a variant trusts.
    fn issuer(&self, variant: Variant) -> &Arc<AccessIssuer> {
        if variant == Variant::KeyRotation {
            &self.rotating
        } else {
            &self.access
        }
    }

    /// Where the backend finds AI Gateway: the double, or what changes its words on the way.
    async fn gateway_base(&self) -> Result<String, Fault> {
        let open = async || {
            let double = self.gateway.base_url();
            let rules = &self.alteration.gateway;
            let rules = (!rules.is_empty()).then(|| Arc::new(Rules::new(rules)) as Arc<dyn Tamper>);
            let other = self.alteration.upstream.as_ref().and_then(|make| make());
            if rules.is_none() && other.is_none() {
                return Ok(double);
            }
            let address = double.parse::<::url::Url>();
            let address = address.map_err(|error| Fault(format!("{double}: {error}")))?;
            let origin = address.origin().ascii_serialization();
            let runtime = self.runtime.as_ref();
            let runtime = runtime.ok_or_else(|| Fault("the runtime is gone".to_owned()))?;
            let both = async { fronted(fronted(origin, other).await?, rules).await };
            let started = runtime.spawn(both).await;
            let base = started.map_err(|error| Fault(error.to_string()))??;
            Ok::<_, Fault>(format!("{base}{}", address.path()))
        };
        self.gateway_base.get_or_try_init(open).await.cloned()
    }

    /// The environment of a variant whose data lies in `folder`.
    async fn variables(
        &self,
        variant: Variant,
        folder: &Path,
        issuer: &AccessIssuer,
    ) -> Result<Variables, Fault> {
        let file = |name: &str| folder.join(name).display().to_string();
        let mut all = Variables::from([
            ("TENANT_DB", file("d1.sqlite")),
            ("TENANT_KV", file("kv.sqlite")),
            ("MOLTBOT_BUCKET", file("r2")),
            ("APP_DOMAIN", APP_DOMAIN.to_owned()),
            ("CF_ACCESS_TEAM_DOMAIN", issuer.origin()),
            ("CF_ACCESS_AUD", issuer.audience().to_owned()),
            ("AI_GATEWAY_BASE_URL", self.gateway_base().await?),
            ("CLOUDFLARE_AI_GATEWAY_API_KEY", self.gateway_key.clone()),
        ]);
        for name in unset(variant) {
            all.remove(name);
        }
        match variant {
            Variant::DevMode
            | Variant::DevModeWithoutD1
            | Variant::DevModeWithoutKv
            | Variant::DevModeWithoutR2 => {
                all.insert("DEV_MODE", "true".to_owned());
            }
            Variant::DevModeFalse => {
                all.insert("DEV_MODE", "false".to_owned());
            }
            Variant::DevModeZero => {
                all.insert("DEV_MODE", "0".to_owned());
            }
            Variant::DevModeUpperCase => {
                all.insert("DEV_MODE", "TRUE".to_owned());
            }
            // The reference has no switch of its own: what others call theirs does nothing to it.
            Variant::OwnSwitches => {
                all.insert("E2E_TEST_MODE", "true".to_owned());
            }
            Variant::SmallLimits => {
                all.insert("PUBLIC_RATE_LIMIT_MAX", SMALL_QUOTA.0.to_string());
                all.insert(
                    "PUBLIC_RATE_LIMIT_WINDOW_SECONDS",
                    SMALL_QUOTA.1.to_string(),
                );
            }
            Variant::KeyRotation => {
                all.insert("CF_ACCESS_KEYS_CACHE_SECONDS", KEY_SECONDS.0.to_string());
                all.insert("CF_ACCESS_KEYS_COOLDOWN_SECONDS", KEY_SECONDS.1.to_string());
            }
            Variant::Production
            | Variant::WithoutD1
            | Variant::WithoutKv
            | Variant::WithoutR2
            | Variant::WithoutD1AndR2
            | Variant::WithoutAccessTeam
            | Variant::WithoutAccessAud
            | Variant::WithoutAccess
            | Variant::WithoutAiGateway
            | Variant::WithoutAiGatewayUrl
            | Variant::WithoutAiGatewayKey
            | Variant::WithoutAppDomain => {}
        }
        if let Some(change) = &self.alteration.variables {
            change(variant, &mut all);
        }
        Ok(all)
    }

    /// What the harness can see and control of an instance whose data lies in `folder`.
    fn observed(
        &self,
        variant: Variant,
        folder: &Path,
        base: String,
        logs: Arc<LogLines>,
        faults: Option<Arc<StoreFaults>>,
        access: &Arc<AccessIssuer>,
    ) -> Instance {
        let missing = unset(variant);
        let has = |name: &str| !missing.contains(&name);
        let operable = [
            "CF_ACCESS_TEAM_DOMAIN",
            "CF_ACCESS_AUD",
            "TENANT_DB",
            "TENANT_KV",
            "MOLTBOT_BUCKET",
        ];
        Instance {
            variant,
            base,
            d1: has("TENANT_DB").then(|| Arc::new(SqliteFile::d1(&folder.join("d1.sqlite"))) as _),
            kv: has("TENANT_KV").then(|| Arc::new(SqliteKv::new(&folder.join("kv.sqlite"))) as _),
            r2: has("MOLTBOT_BUCKET").then(|| Arc::new(BucketDir::new(folder.join("r2"))) as _),
            logs: Some(logs),
            gateway: Some(Arc::clone(&self.gateway)),
            model_calls: Some(Arc::clone(&self.gateway) as _),
            ai_gateway_key: has("CLOUDFLARE_AI_GATEWAY_API_KEY").then(|| self.gateway_key.clone()),
            access: operable.into_iter().all(has).then(|| Arc::clone(access)),
            credential: None,
            faults,
            who: None,
            app_domain: APP_DOMAIN.to_owned(),
            commands: None,
        }
    }

    async fn open(
        &self,
        variant: Variant,
        folder: &str,
        access: &Arc<AccessIssuer>,
    ) -> Result<Running, Fault> {
        let fault = |what: &str, why: String| {
            Fault(format!(
                "reference, variant `{}`: {what}: {why}",
                variant.name()
            ))
        };
        let folder = self.folder.path().join(folder);
        std::fs::create_dir_all(&folder)
            .map_err(|error| fault("cannot make its folder", error.to_string()))?;
        let variables = self.variables(variant, &folder, access).await?;
        let config = Config::from_vars(|name| variables.get(name).cloned())
            .map_err(|error| fault("misconfigured", error.to_string()))?;
        let (logs, faults) = (
            Arc::new(LogLines::default()),
            Arc::new(StoreFaults::default()),
        );
        let sink: Arc<dyn LogSink> = Arc::new(CapturedLog(Arc::clone(&logs)));
        let runtime = self
            .runtime
            .as_ref()
            .ok_or_else(|| fault("cannot start", "the runtime is gone".to_owned()))?;
        let (stop, stopped) = oneshot::channel::<()>();
        let setting = Setting {
            variant,
            config,
            sink,
            faults: Some(Arc::clone(&faults)),
            access: Some(Arc::clone(access)),
        };
        let alteration = Arc::clone(&self.alteration);
        let started = runtime.spawn(async move {
            let (backend, caller) = alteration.open(setting)?;
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
                .await
                .map_err(|error| error.to_string())?;
            let address = listener.local_addr().map_err(|error| error.to_string())?;
            let serving = backend.serve(listener, async move { drop(stopped.await) });
            tokio::spawn(serving);
            let base = alteration
                .fronted(format!("http://{address}"), caller)
                .await;
            base.map_err(|fault| fault.0)
        });
        let base = match started.await {
            Ok(Ok(base)) => base,
            Ok(Err(why)) => return Err(fault("cannot start", why)),
            Err(error) => return Err(fault("cannot start", error.to_string())),
        };
        let instance = self.observed(variant, &folder, base, logs, Some(faults), access);
        Ok(Running {
            instance: Arc::new(instance),
            _stop: stop,
        })
    }
}

/// Where the stores of a run lie: in memory where the system has room for that, since nobody judges how they survive a power cut.
fn scratch_folder() -> io::Result<Scratch> {
    let has_room = rustix::fs::statvfs(IN_MEMORY)
        .is_ok_and(|found| found.f_bavail.saturating_mul(found.f_frsize) >= IN_MEMORY_BYTES_MIN);
    // Who names a folder for temporary files wants them there.
    if std::env::var_os("TMPDIR").is_none()
        && has_room
        && let Ok(folder) = Scratch::within(Path::new(IN_MEMORY))
    {
        return Ok(folder);
    }
    Scratch::new().map_err(|error| {
        let remedy =
            "make a folder for temporary files (docker run --tmpfs /tmp), or name one in TMPDIR";
        io::Error::new(error.kind(), format!("{error}; {remedy}"))
    })
}

/// The variables that a variant does without.
fn unset(variant: Variant) -> &'static [&'static str] {
    match variant {
        Variant::WithoutD1 | Variant::DevModeWithoutD1 => &["TENANT_DB"],
        Variant::WithoutKv | Variant::DevModeWithoutKv => &["TENANT_KV"],
        Variant::WithoutR2 | Variant::DevModeWithoutR2 => &["MOLTBOT_BUCKET"],
        Variant::WithoutD1AndR2 => &["TENANT_DB", "MOLTBOT_BUCKET"],
        Variant::WithoutAccessTeam => &["CF_ACCESS_TEAM_DOMAIN"],
        Variant::WithoutAccessAud => &["CF_ACCESS_AUD"],
        Variant::WithoutAccess => &["CF_ACCESS_TEAM_DOMAIN", "CF_ACCESS_AUD"],
        Variant::WithoutAiGateway => &["AI_GATEWAY_BASE_URL", "CLOUDFLARE_AI_GATEWAY_API_KEY"],
        Variant::WithoutAiGatewayUrl => &["AI_GATEWAY_BASE_URL"],
        Variant::WithoutAiGatewayKey => &["CLOUDFLARE_AI_GATEWAY_API_KEY"],
        Variant::WithoutAppDomain => &["APP_DOMAIN"],
        Variant::Production
        | Variant::DevMode
        | Variant::DevModeFalse
        | Variant::DevModeZero
        | Variant::DevModeUpperCase
        | Variant::OwnSwitches
        | Variant::SmallLimits
        | Variant::KeyRotation => &[],
    }
}

/// Keeps log lines where the harness can look at them.
struct CapturedLog(Arc<LogLines>);

impl LogSink for CapturedLog {
    fn line(&self, _level: Level, json: &str) {
        self.0.push(json);
    }
}

#[async_trait]
impl Target for ReferenceTarget {
    fn keeps_connections(&self) -> bool {
        true
    }

    fn name(&self) -> String {
        "reference".to_owned()
    }

    fn lacks(&self, _need: Need) -> Option<String> {
        None
    }

    fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    fn profiles(&self) -> &[Profile] {
        if self.claims_api_worker {
            &Profile::ALL
        } else {
            Self::PROFILES
        }
    }

    async fn api_worker(&self) -> Result<Option<Arc<ApiWorker>>, Fault> {
        if self.claims_api_worker {
            Ok(Some(Arc::new(
                self.open_api_worker(api_worker::Changed::default()).await?,
            )))
        } else {
            Ok(None)
        }
    }

    fn database(&self) -> Result<Option<Database>, Fault> {
        patterns::database(&self.folder.path().join("patterns")).map(Some)
    }

    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn stores_folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    fn seeding(&self) -> Option<&Seeding> {
        self.alteration.seeding.as_ref()
    }

    async fn instance(&self, variant: Variant) -> Result<Arc<Instance>, Fault> {
        let cell = Arc::clone(
            self.instances
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(variant)
                .or_default(),
        );
        let running = cell
            .get_or_try_init(|| self.open(variant, variant.name(), self.issuer(variant)))
            .await?;
        Ok(Arc::clone(&running.instance))
    }

    async fn disposable(&self) -> Result<Box<dyn Disposable>, Fault> {
        let name = format!("process-{}", uuid::Uuid::new_v4().simple());
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder)
            .map_err(|error| Fault(format!("cannot make a folder: {error}")))?;
        let variables = self
            .variables(Variant::Production, &folder, &self.access)
            .await?;
        let logs = Arc::new(LogLines::default());
        let plain = self.observed(
            Variant::Production,
            &folder,
            String::new(),
            Arc::clone(&logs),
            None,
            &self.access,
        );
        let mut process = process::Process::new(
            self.program.clone(),
            &self.alteration,
            variables,
            logs,
            plain,
        );
        process.start().await?;
        Ok(Box::new(process))
    }

    async fn fresh(&self, variant: Variant) -> Result<Arc<Instance>, Fault> {
        let access = AccessIssuer::start()
            .map_err(|error| Fault(format!("cannot start a team domain: {error}")))?;
        let name = format!("{}-{}", variant.name(), uuid::Uuid::new_v4().simple());
        let running = self.open(variant, &name, &Arc::new(access)).await?;
        let instance = Arc::clone(&running.instance);
        self.fresh
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(running);
        Ok(instance)
    }

    async fn migrate(&self, folder: &Path, database: &Path) -> Result<Migrated, Fault> {
        if let Some(migrate) = &self.alteration.migrate {
            return Ok(migrate(folder, database));
        }
        let done = migrations::from_dir(folder).and_then(|list| migrations::apply(database, &list));
        Ok(match done {
            Ok(applied) => Migrated {
                ok: true,
                said: applied.names.join("\n"),
            },
            Err(error) => Migrated {
                ok: false,
                said: crate::said::chain(&error),
            },
        })
    }

    fn migrations(&self) -> Option<PathBuf> {
        let folder = self.folder.path().join("migrations");
        std::fs::create_dir_all(&folder).ok()?;
        for migration in self.alteration.migrations().ok()? {
            std::fs::write(folder.join(&migration.name), &migration.sql).ok()?;
        }
        Some(folder)
    }
}

impl Drop for ReferenceTarget {
    fn drop(&mut self) {
        // Instances hold nothing that outlives the run: their folder goes with it.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
