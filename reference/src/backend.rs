//! Puts the backend together: configuration, stores, application, server. Never decides what a request gets.

pub use crate::app::Ports;
pub use crate::server::ServeError;

use crate::access_keys::{self, TeamDomainKeys};
use crate::ai_gateway::{self, HttpAiGateway};
use crate::app::App;
use crate::bucket::DirectoryBucket;
use crate::clock::SystemClock;
use crate::config::{AccessConfig, AiGatewayConfig, Config};
use crate::http;
use crate::kv::Kv;
use crate::limiter::SlidingWindow;
use crate::log::{Event, Log};
use crate::ports::{
    AccessKeys, AiGateway, Clock, LogSink, Registry, SandboxBucket, SandboxKv, TenantStore,
    UsageStore,
};
use crate::sandbox::InProcessRuntime;
use crate::store::{self, Database};
use std::sync::Arc;

/// Why a backend could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// `TENANT_DB`.
    #[error("TENANT_DB cannot be opened; name a file in an existing, writable directory")]
    TenantDb(#[source] store::OpenError),
    /// `TENANT_KV`.
    #[error("TENANT_KV cannot be opened; name a file in an existing, writable directory")]
    TenantKv(#[source] store::OpenError),
    /// `MOLTBOT_BUCKET`.
    #[error("MOLTBOT_BUCKET cannot be opened; name a writable directory")]
    Bucket(#[source] std::io::Error),
    /// The AI Gateway client.
    #[error("the AI Gateway client cannot be built")]
    AiGateway(#[source] ai_gateway::BuildError),
    /// The key set client.
    #[error("the Access key set client cannot be built")]
    AccessKeys(#[source] access_keys::BuildError),
    /// The key set's address.
    #[error("CF_ACCESS_TEAM_DOMAIN has no key set address")]
    KeySetAddress(#[source] url::ParseError),
}

/// A backend whose stores are open and migrated, and that serves nobody yet.
pub struct Backend {
    /// What it was opened with.
    pub config: Config,
    /// The outside world; any part can be wrapped before [`Backend::serve`].
    pub ports: Ports,
    database: Option<Database>,
}

impl Backend {
    /// Opens the stores that are configured and applies migrations.
    ///
    /// # Errors
    /// [`OpenError`] if something that is configured cannot be opened; what is not configured is no error.
    pub fn open(config: Config, log: Arc<dyn LogSink>) -> Result<Self, OpenError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let database = config
            .tenant_db
            .as_deref()
            .map(|path| Database::open(path, &store::migrations::embedded()));
        let database = database.transpose().map_err(OpenError::TenantDb)?;
        let kv = config
            .tenant_kv
            .as_deref()
            .map(|path| Kv::open(path, Arc::clone(&clock)));
        let kv = kv.transpose().map_err(OpenError::TenantKv)?;
        let bucket = config
            .moltbot_bucket
            .as_deref()
            .map(DirectoryBucket::open)
            .transpose()
            .map_err(OpenError::Bucket)?;
        let bucket = bucket.map(|bucket| Arc::new(bucket) as Arc<dyn SandboxBucket>);
        let runtime =
            InProcessRuntime::new(bucket.clone(), Arc::clone(&clock), log_starts(&log, &clock));
        let ports = Ports {
            tenants: database
                .clone()
                .map(|database| Arc::new(database) as Arc<dyn TenantStore>),
            usage: database
                .clone()
                .map(|database| Arc::new(database) as Arc<dyn UsageStore>),
            registry: kv.clone().map(|kv| Arc::new(kv) as Arc<dyn Registry>),
            sandbox_kv: kv.map(|kv| Arc::new(kv) as Arc<dyn SandboxKv>),
            bucket,
            gateway: open_gateway(&config.ai_gateway)?,
            keys: open_keys(&config.access, &clock)?,
            limiter: Arc::new(SlidingWindow::new(Arc::clone(&clock))),
            runtime: Some(Arc::new(runtime)),
            clock,
            log,
        };
        Ok(Self {
            config,
            ports,
            database,
        })
    }

    /// The routes alone, for an embedder that brings its own server; [`http::Peer`] must be among a request's extensions.
    pub fn router(&self) -> axum::Router {
        http::router(Arc::new(App::new(self.config.clone(), self.ports.clone())))
    }

    /// Serves until `shutdown` is done; then finishes requests in flight, writes pending usage rows and closes the stores.
    ///
    /// # Errors
    /// [`ServeError`] if the listener fails for good.
    pub async fn serve(
        self,
        listener: tokio::net::TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServeError> {
        let app = Arc::new(App::new(self.config, self.ports));
        let entrance = http::Entrance::new(Arc::clone(&app));
        let unparsable = Arc::clone(&app);
        let service = crate::server::Service {
            answer: move |request| entrance.clone().answer(request),
            refuse: Arc::new(move || http::unparsable(&unparsable)),
            clock: Arc::clone(app.ports_clock()),
            settled: app.settle(),
        };
        let served = crate::server::serve(service, listener, shutdown).await;
        drop(app);
        if let Some(database) = self.database {
            database.close();
        }
        served
    }
}

fn log_starts(log: &Arc<dyn LogSink>, clock: &Arc<dyn Clock>) -> crate::sandbox::Started {
    let log = Log::new(Arc::clone(log), Arc::clone(clock), Vec::new());
    Arc::new(move |sandbox_id, instance_id| {
        log.write(&Event::GatewayStarted {
            sandbox_id,
            instance_id,
        });
    })
}

fn open_gateway(config: &AiGatewayConfig) -> Result<Option<Arc<dyn AiGateway>>, OpenError> {
    let (Some(base), Some(key)) = (&config.base_url, &config.api_key) else {
        return Ok(None);
    };
    let gateway = HttpAiGateway::new(base.clone(), key.clone()).map_err(OpenError::AiGateway)?;
    Ok(Some(Arc::new(gateway)))
}

fn open_keys(
    config: &AccessConfig,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Arc<dyn AccessKeys>>, OpenError> {
    let Some(origin) = &config.team_origin else {
        return Ok(None);
    };
    let certs_url = origin
        .join("/cdn-cgi/access/certs")
        .map_err(OpenError::KeySetAddress)?;
    let keys = TeamDomainKeys::new(
        certs_url,
        config.keys_cache,
        config.keys_cooldown,
        Arc::clone(clock),
    );
    Ok(Some(Arc::new(keys.map_err(OpenError::AccessKeys)?)))
}
