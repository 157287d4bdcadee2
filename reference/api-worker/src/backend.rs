//! Puts the worker together: configuration, database, application, server. Never decides what a request gets.

pub use crate::app::Ports;

use crate::app::App;
use crate::config::Config;
use crate::http;
use crate::store::{self, Store};
use crate::webhook_sender::{self, HttpSender};
use moltworker_reference::access_keys::{self, TeamDomainKeys};
use moltworker_reference::ai_gateway::{self, HttpAiGateway};
use moltworker_reference::clock::SystemClock;
use moltworker_reference::config::{AccessConfig, AiGatewayConfig};
use moltworker_reference::ports::{AccessKeys, AiGateway, Clock, LogSink};
use moltworker_reference::server::{self, ServeError};
use std::sync::Arc;

/// Where a team domain publishes its keys.
const KEY_SET_PATH: &str = "/cdn-cgi/access/certs";

/// Why a worker could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// `API_DB`.
    #[error("API_DB cannot be opened; name a file in an existing, writable directory")]
    Database(#[source] store::OpenError),
    /// The AI Gateway client.
    #[error("the AI Gateway client cannot be built")]
    AiGateway(#[source] ai_gateway::BuildError),
    /// The key set client.
    #[error("the Access key set client cannot be built")]
    AccessKeys(#[source] access_keys::BuildError),
    /// The key set's address.
    #[error("CF_ACCESS_TEAM_DOMAIN has no key set address")]
    KeySetAddress(#[source] url::ParseError),
    /// The client of webhooks.
    #[error("the client of webhooks cannot be built")]
    Webhooks(#[source] webhook_sender::BuildError),
}

/// A worker whose database is open and migrated, and that serves nobody yet.
pub struct Backend {
    /// What it was opened with.
    pub config: Config,
    /// The outside world; any part can be wrapped before [`Backend::serve`].
    pub ports: Ports,
}

impl Backend {
    /// Opens the database if it is configured and applies migrations.
    ///
    /// # Errors
    /// [`OpenError`] if something that is configured cannot be opened; what is not configured is no error.
    pub fn open(config: Config, log: Arc<dyn LogSink>) -> Result<Self, OpenError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let store = config.api_db.as_deref();
        let store = store.map(|path| Store::open(path, config.environment, clock.now_ms()));
        let sender = HttpSender::new(config.webhook_timeout, config.webhook_resolver.clone());
        let sender = sender.map_err(OpenError::Webhooks)?;
        let ports = Ports {
            store: store.transpose().map_err(OpenError::Database)?,
            gateway: open_gateway(&config.ai_gateway)?,
            keys: open_keys(&config.access, &clock)?,
            sender: Arc::new(sender),
            clock,
            log,
        };
        Ok(Self { config, ports })
    }

    /// Serves until `shutdown` is done; then finishes what is under way and closes the database.
    ///
    /// # Errors
    /// [`ServeError`] if that takes too long.
    pub async fn serve(
        self,
        listener: tokio::net::TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServeError> {
        let store = self.ports.store.clone();
        // With a clock that requests tell, a timer would live in another time than they do.
        let has_timers = store.is_some() && !self.config.test_clock;
        let app = Arc::new(App::new(self.config, self.ports));
        let timers = has_timers.then(|| {
            let (deliveries, house) = (Arc::clone(&app), Arc::clone(&app));
            [
                tokio::spawn(async move { deliveries.keep_delivering().await }),
                tokio::spawn(async move { house.keep_house().await }),
            ]
        });
        let entrance = http::Entrance::new(Arc::clone(&app));
        let unparsable = Arc::clone(&app);
        let service = server::Service {
            answer: move |request| entrance.clone().answer(request),
            refuse: Arc::new(move || http::unparsable(&unparsable)),
            clock: Arc::clone(app.clock()),
            settled: app.settle(),
        };
        let served = server::serve(service, listener, shutdown).await;
        for timer in timers.into_iter().flatten() {
            timer.abort();
        }
        if let Some(store) = store {
            store.close();
        }
        served
    }
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
        .join(KEY_SET_PATH)
        .map_err(OpenError::KeySetAddress)?;
    let keys = TeamDomainKeys::new(
        certs_url,
        config.keys_cache,
        config.keys_cooldown,
        Arc::clone(clock),
    );
    Ok(Some(Arc::new(keys.map_err(OpenError::AccessKeys)?)))
}
