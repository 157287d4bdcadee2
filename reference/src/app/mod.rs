//! What the backend does with a request, gate by gate. Never speaks HTTP: no status, no header, no socket.

pub mod access;
pub mod background;
pub mod chat;
pub mod error;
pub mod gateway;
pub mod rate;
pub mod requirements;
pub mod resolve;
pub mod stream;
pub mod tenants;
pub mod upstream;
pub mod usage;

use crate::config::Config;
use crate::domain::hostname::HostName;
use crate::log::{Event, Log};
use crate::ports::{
    AccessKeys, AiGateway, Clock, LogSink, RateLimiter, Registry, SandboxBucket, SandboxKv,
    SandboxRuntime, TenantStore, UsageStore,
};
use access::AccessPolicy;
use background::Background;
use error::Error;
use requirements::Requirements;
use secrecy::SecretString;
use std::net::IpAddr;
use std::sync::Arc;
use uuid::Uuid;

/// The outside world of one backend. Public, so that an embedder can wrap any of it.
#[derive(Clone)]
pub struct Ports {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// `tenants`; `None` without `TENANT_DB`.
    pub tenants: Option<Arc<dyn TenantStore>>,
    /// Slugs and custom hosts; `None` without `TENANT_KV`.
    pub registry: Option<Arc<dyn Registry>>,
    /// KV entries of sandboxes; `None` without `TENANT_KV`.
    pub sandbox_kv: Option<Arc<dyn SandboxKv>>,
    /// R2 objects of sandboxes; `None` without `MOLTBOT_BUCKET`.
    pub bucket: Option<Arc<dyn SandboxBucket>>,
    /// `usage`; `None` without `TENANT_DB`.
    pub usage: Option<Arc<dyn UsageStore>>,
    /// AI Gateway; `None` unless its configuration is complete.
    pub gateway: Option<Arc<dyn AiGateway>>,
    /// Access keys; `None` without `CF_ACCESS_TEAM_DOMAIN`.
    pub keys: Option<Arc<dyn AccessKeys>>,
    /// Rate limits.
    pub limiter: Arc<dyn RateLimiter>,
    /// Sandboxes.
    pub runtime: Option<Arc<dyn SandboxRuntime>>,
    /// Log lines.
    pub log: Arc<dyn LogSink>,
}

/// Who asks, as far as that is known before any gate.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// Ours, never the caller's (ERR-002).
    pub request_id: Uuid,
    /// As the edge or the socket names it.
    pub client_ip: IpAddr,
}

/// The application: the contract's rules on top of the ports.
pub struct App {
    config: Config,
    ports: Ports,
    log: Log,
    requirements: Requirements,
    access: Option<AccessPolicy>,
    background: Background,
    /// Held during an operator's write.
    operator_turn: tokio::sync::Mutex<()>,
}

impl App {
    /// Puts the application together; in development missing configuration is announced (BND-006).
    #[must_use]
    pub fn new(config: Config, ports: Ports) -> Self {
        let secrets: Vec<SecretString> = config.ai_gateway.api_key.iter().cloned().collect();
        let log = Log::new(Arc::clone(&ports.log), Arc::clone(&ports.clock), secrets);
        let requirements = Requirements::of(&config, &ports);
        let missing = requirements.everything();
        if !missing.is_empty() {
            let missing = missing.as_slice();
            let banner = if config.dev_mode {
                Event::ConfigurationWarning { missing }
            } else {
                Event::ConfigurationError { missing }
            };
            log.write(&banner);
        }
        let access = AccessPolicy::of(&config.access);
        Self {
            config,
            ports,
            log,
            requirements,
            access,
            background: Background::default(),
            operator_turn: tokio::sync::Mutex::new(()),
        }
    }

    /// Where events go.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Time.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        self.ports.clock.as_ref()
    }

    pub(crate) fn ports_clock(&self) -> &Arc<dyn Clock> {
        &self.ports.clock
    }

    /// Base domain of tenant subdomains.
    #[must_use]
    pub fn app_domain(&self) -> Option<&HostName> {
        self.config.app_domain.as_ref()
    }

    /// Whether `DEV_MODE` is on.
    #[must_use]
    pub fn dev_mode(&self) -> bool {
        self.config.dev_mode
    }

    /// Returns once everything that outlives its request is done: usage rows, operators' writes (USG-015).
    pub async fn settle(&self) {
        self.background.idle().await;
    }

    fn tenant_store(&self) -> Result<&Arc<dyn TenantStore>, Error> {
        self.ports
            .tenants
            .as_ref()
            .ok_or_else(|| self.requirements.missing_bindings())
    }

    fn registry(&self) -> Result<&Arc<dyn Registry>, Error> {
        self.ports
            .registry
            .as_ref()
            .ok_or_else(|| self.requirements.missing_bindings())
    }

    fn runtime(&self) -> Result<&Arc<dyn SandboxRuntime>, Error> {
        self.ports
            .runtime
            .as_ref()
            .ok_or_else(|| self.requirements.missing_bindings())
    }
}
