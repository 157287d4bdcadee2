//! What is judged: a target and its running instances. Never judges.
//!
//! A target is reached over HTTP only. What else can be done with it (read its stores, break them, restart it) is a capability
//! that it may lack; then the scenarios that need it are not verified, with the reason.

pub mod acts;
pub mod api_worker;
pub mod build;
pub mod database;
pub mod database_target;
pub mod dialect;
pub mod faults;
pub mod launched;
pub mod layout;
pub mod manifest;
pub mod node;
pub mod operator;
pub mod program;
pub mod read_only;
pub mod registry;
pub mod run_marks;
pub mod seeding;
mod templates;
pub mod tenant;
pub mod url;

use crate::contract::need::{Need, Variant};
use crate::contract::profile::Profile;
use crate::doubles::{AccessIssuer, AiGatewayDouble, TokenKind};
use crate::observe::command::Commands;
use crate::observe::model_calls::ModelCalls;
use crate::observe::who::Who;
use crate::observe::{Bucket, D1, Kv, Logs};
use api_worker::ApiWorker;
use async_trait::async_trait;
use database::Database;
use dialect::Dialect;
use faults::StoreFaults;
use layout::Layout;
use manifest::acts::Acts;
use manifest::{Accept, LimitKey, Probe, Seeding, TierChange, Timestamps};
use operator::Operator;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The target, or the harness around it, does not work: no finding about the contract.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub String);

impl From<crate::observe::CannotObserve> for Fault {
    fn from(error: crate::observe::CannotObserve) -> Self {
        Self(error.to_string())
    }
}

/// What is judged.
#[async_trait]
pub trait Target: Send + Sync {
    /// For reports: `reference`, or the address.
    fn name(&self) -> String;
    /// Why a need is not met; `None` if it is.
    fn lacks(&self, need: Need) -> Option<String>;
    /// How the target spells what the contract leaves open.
    fn dialect(&self) -> &Dialect;
    /// Which parts of the contract it claims: what it does not claim is not judged.
    fn profiles(&self) -> &[Profile] {
        &[Profile::Core]
    }
    /// The database of the profile `data` and what it claims, if it tells.
    ///
    /// # Errors
    /// When it cannot be provided.
    fn database(&self) -> Result<Option<Database>, Fault> {
        Ok(None)
    }
    /// The API worker of the profile `api-worker`, started if need be, if there is one.
    ///
    /// # Errors
    /// When it cannot be started.
    async fn api_worker(&self) -> Result<Option<Arc<ApiWorker>>, Fault> {
        Ok(None)
    }
    /// What the target states of itself.
    fn limits(&self) -> &Limits;
    /// The running instance of a variant, started if need be; shared by all scenarios.
    async fn instance(&self, variant: Variant) -> Result<Arc<Instance>, Fault>;
    /// A production instance whose stores fail on demand; the plain one where every instance can do that.
    async fn faulty_instance(&self) -> Result<Arc<Instance>, Fault> {
        self.instance(Variant::Production).await
    }
    /// Whether it ends connections in order, so that one can be used again for the next request.
    fn keeps_connections(&self) -> bool {
        false
    }
    /// Why a scenario of a criterion cannot hold on this target's runtime, as its manifest declares; reported as declared, never hidden.
    fn impossible(&self, _criterion: &str, _scenario: &str) -> Option<String> {
        None
    }
    /// Why nobody could keep it on the runtime that the target is seen to run on, whatever its needs.
    fn beyond_runtime(&self, _criterion: &str, _scenario: &str) -> Option<String> {
        None
    }
    /// How scenarios get tenants; `None` for the default ways.
    fn seeding(&self) -> Option<&Seeding> {
        None
    }
    /// What its operator does by hand.
    fn acts(&self) -> &Acts {
        static NONE: Acts = Acts {
            create: None,
            retier: None,
            rename: None,
            replatform: None,
            move_domains: None,
            delete: None,
        };
        &NONE
    }

    /// Where it keeps tenants and usage in D1.
    fn layout(&self) -> Layout {
        Layout::default()
    }

    /// Deviations that somebody answers for.
    fn accepts(&self) -> &[Accept] {
        &[]
    }
    /// An instance of its own that can be stopped, killed and started again on the same data.
    async fn disposable(&self) -> Result<Box<dyn Disposable>, Fault>;
    /// An instance of a variant that only one scenario uses, with empty stores and a team domain of its own.
    async fn fresh(&self, variant: Variant) -> Result<Arc<Instance>, Fault> {
        Err(Fault(format!(
            "{} (variant `{}`)",
            Need::Fresh.remedy(),
            variant.name()
        )))
    }
    /// What is missing for running the target's own migration tool, where its migrations are there.
    fn lacks_migration_tool(&self) -> Option<String> {
        None
    }
    /// Applies the `*.sql` files of a folder to the database file as the target's own migration tool does.
    async fn migrate(&self, folder: &Path, database: &Path) -> Result<Migrated, Fault>;
    /// Ends everything that was started; returns when it is gone.
    async fn end(&self) {}
    /// The variants that go on after the run, with all that it left there: deployments, or servers that somebody else started.
    fn standing(&self) -> Vec<Variant> {
        Vec::new()
    }
    /// Where the harness keeps the stores of what it starts.
    fn stores_folder(&self) -> std::path::PathBuf {
        tempfile::env::temp_dir()
    }
    /// How production is started, if the harness starts it.
    fn launch_facts(&self) -> Option<LaunchFacts> {
        None
    }
    /// Whether its tenants are there beforehand: then scenarios have tenants without writing anything.
    fn has_fixed_tenants(&self) -> bool {
        matches!(self.seeding(), Some(Seeding::Fixed { .. }))
    }
    /// From here on tells `whom` what it does before it can be judged; one that does nothing of that kind tells nothing.
    fn tell_works(&self, _whom: Arc<dyn Works>) {}
    /// Where it tells about itself.
    fn probe(&self) -> Probe {
        Probe::default()
    }
    /// The folder with the target's own migrations, if it tells.
    fn migrations(&self) -> Option<std::path::PathBuf>;
}

/// Told of what a target does before it can be judged: installing, preparing, starting.
pub trait Works: Send + Sync {
    /// Something begins, such as ``starting variant `production` ``.
    fn begins(&self, what: &str);
    /// It is over, after so long.
    fn over(&self, what: &str, took: std::time::Duration);
}

/// How a server is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchFacts {
    /// The command and its arguments, placeholders as they stand.
    pub command: Vec<String>,
    /// Where it runs.
    pub folder: std::path::PathBuf,
    /// Its environment, without what holds placeholders.
    pub environment: BTreeMap<String, String>,
}

/// How a run of the migration tool ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// Whether it reported success.
    pub ok: bool,
    /// What it said.
    pub said: String,
}

/// What a target states of itself: the times and sizes that scenarios go by.
#[derive(Debug, Clone)]
pub struct Limits {
    /// `APP_DOMAIN`; empty if unknown.
    pub app_domain: String,
    /// Quota of the free tier in [`Variant::Production`]: requests and period in seconds.
    pub quota: (u32, u64),
    /// The same in [`Variant::SmallLimits`].
    pub small_quota: (u32, u64),
    /// Whose requests a quota counts.
    pub key: LimitKey,
    /// When another tier of a tenant is in force.
    pub tier_change: TierChange,
    /// How rows state times.
    pub timestamps: Timestamps,
    /// How long a change by the operator may take to be seen by resolution; zero on a strongly consistent target.
    pub registry_delay: std::time::Duration,
    /// In [`Variant::KeyRotation`]: how long a key set is trusted.
    pub keys_cache: std::time::Duration,
    /// In [`Variant::KeyRotation`]: least time between two fetches that unknown key ids cause.
    pub keys_cooldown: std::time::Duration,
    /// Largest request body in bytes.
    pub body_max: usize,
    /// Within this time after an answer its usage row is there, if the stores are healthy.
    pub usage_visible: std::time::Duration,
    /// Scenarios side by side that it can bear, unless told otherwise.
    pub concurrency: usize,
    /// The longest window of a quota that scenarios wait for.
    pub wait: std::time::Duration,
    /// Whether the runtime itself answers a request whose `Host` is no host name or whose method it does not know, before the
    /// backend is asked: workerd does, with a bare 400, 500 or 501.
    pub runtime_answers_malformed_requests: bool,
}

impl Default for Limits {
    fn default() -> Self {
        use std::time::Duration;
        Self {
            app_domain: String::new(),
            quota: (60, 60),
            small_quota: (5, 2),
            key: LimitKey::default(),
            tier_change: TierChange::default(),
            timestamps: Timestamps::default(),
            registry_delay: Duration::ZERO,
            keys_cache: Duration::from_secs(300),
            keys_cooldown: Duration::from_secs(30),
            body_max: 1024 * 1024,
            usage_visible: Duration::from_secs(2),
            // 64 hides every wait of the contract; beyond it sockets are opened faster than a listener's backlog of 128 takes them.
            concurrency: 64,
            // Without a word a run is over soon: the slowest scenario waits for some windows, one after the other.
            wait: Duration::from_secs(22),
            runtime_answers_malformed_requests: false,
        }
    }
}

/// One running backend; a clone is the same backend. A part that is `None` cannot be seen or controlled there.
#[derive(Clone)]
pub struct Instance {
    /// Which variant it is.
    pub variant: Variant,
    /// Scheme and authority, without trailing slash.
    pub base: String,
    /// Its D1.
    pub d1: Option<Arc<dyn D1>>,
    /// Its KV.
    pub kv: Option<Arc<dyn Kv>>,
    /// Its R2 bucket.
    pub r2: Option<Arc<dyn Bucket>>,
    /// Its log.
    pub logs: Option<Arc<dyn Logs>>,
    /// The AI Gateway it calls.
    pub gateway: Option<Arc<AiGatewayDouble>>,
    /// Who tells which calls of models it made: that double, or the log of Cloudflare's own gateway.
    pub model_calls: Option<Arc<dyn ModelCalls>>,
    /// The `CLOUDFLARE_AI_GATEWAY_API_KEY` it was started with.
    pub ai_gateway_key: Option<String>,
    /// The team domain it trusts.
    pub access: Option<Arc<AccessIssuer>>,
    /// The operator's credential, where the team domain is not ours.
    pub credential: Option<Operator>,
    /// Faults of its stores.
    pub faults: Option<Arc<StoreFaults>>,
    /// How it is seen which tenant answered, where that is not what the status answer says.
    pub who: Option<Who>,
    /// The base domain of tenant subdomains.
    pub app_domain: String,
    /// Runs the operator's commands, where acts by hand have some.
    pub commands: Option<Arc<dyn Commands>>,
}

impl Instance {
    /// The host of a tenant's subdomain.
    #[must_use]
    pub fn tenant_host(&self, slug: &str) -> String {
        format!("{slug}.{}", self.app_domain)
    }

    /// What makes a request an operator's: a good token of our team domain, else the credential that was given.
    #[must_use]
    pub fn operator(&self) -> Option<Operator> {
        let own = self.access.as_ref();
        own.map(|issuer| Operator::Token(issuer.token(TokenKind::Good)))
            .or_else(|| self.credential.clone())
    }
}

/// An instance that one scenario has for itself.
#[async_trait]
pub trait Disposable: Send + Sync {
    /// What runs now.
    fn instance(&self) -> Arc<Instance>;
    /// Orderly shutdown, as a deployment does it (SIGTERM); returns when the process is gone.
    async fn stop(&mut self) -> Result<(), Fault>;
    /// Sudden death (SIGKILL); returns when the process is gone.
    async fn kill(&mut self) -> Result<(), Fault>;
    /// Starts it again on the same data; `base` may change.
    async fn start(&mut self) -> Result<(), Fault>;
}

/// Which needs a target lacks, with the reason and the remedy.
#[must_use]
pub fn capabilities(target: &dyn Target) -> BTreeMap<String, Option<String>> {
    Need::all()
        .into_iter()
        .map(|need| (need.name(), target.lacks(need)))
        .collect()
}
