//! What the worker does with a request. Never speaks HTTP: no status, no header, no socket.

pub mod chat;
pub mod deliveries;
pub mod error;
pub mod event;
pub mod gates;
pub mod jobs;
pub mod stream;

use crate::config::Config;
use crate::store::{Act, Store};
use crate::webhook_sender::WebhookSender;
use deliveries::InFlight;
use error::Error;
use event::Event;
use moltworker_reference::app::access::AccessPolicy;
use moltworker_reference::app::background::Background;
use moltworker_reference::log::Log;
use moltworker_reference::ports::{AccessKeys, AiGateway, Clock, LogSink};
use std::net::IpAddr;
use std::sync::Arc;
use uuid::Uuid;

/// The outside world of one worker. Public, so that an embedder can wrap any of it.
#[derive(Clone)]
pub struct Ports {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The database; `None` without `API_DB`.
    pub store: Option<Store>,
    /// AI Gateway; `None` unless its configuration is complete.
    pub gateway: Option<Arc<dyn AiGateway>>,
    /// Access keys; `None` without `CF_ACCESS_TEAM_DOMAIN`.
    pub keys: Option<Arc<dyn AccessKeys>>,
    /// Webhooks.
    pub sender: Arc<dyn WebhookSender>,
    /// Log lines.
    pub log: Arc<dyn LogSink>,
}

/// What time it is for one request: what the request says, or what the clock says whenever it is asked.
#[derive(Clone)]
pub enum Present {
    /// Told by the request, epoch milliseconds.
    Told(i64),
    /// The clock's.
    Clock(Arc<dyn Clock>),
}

impl Present {
    /// Epoch milliseconds.
    #[must_use]
    pub fn now(&self) -> i64 {
        match self {
            Self::Told(now) => *now,
            Self::Clock(clock) => clock.now_ms(),
        }
    }
}

/// Who asks, as far as that is known before any gate.
#[derive(Clone)]
pub struct Caller {
    /// Ours, never the caller's.
    pub request_id: Uuid,
    /// As the edge or the socket names it.
    pub client_ip: IpAddr,
    /// When.
    pub present: Present,
}

impl Caller {
    /// Epoch milliseconds.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.present.now()
    }

    /// A change of an operator's.
    #[must_use]
    pub fn act(&self, operator: &str) -> Act {
        Act {
            actor: operator.to_owned(),
            request_id: self.request_id.to_string(),
            now: self.now(),
        }
    }
}

/// The application.
pub struct App {
    config: Config,
    ports: Ports,
    log: Log,
    access: Option<AccessPolicy>,
    background: Background,
    /// Deliveries that this process is sending at the moment.
    in_flight: InFlight,
}

impl App {
    /// Puts the application together.
    #[must_use]
    pub fn new(config: Config, ports: Ports) -> Self {
        let secrets = config.ai_gateway.api_key.iter().cloned().collect();
        let log = Log::new(Arc::clone(&ports.log), Arc::clone(&ports.clock), secrets);
        let access = AccessPolicy::of(&config.access);
        let app = Self {
            config,
            ports,
            log,
            access,
            background: Background::default(),
            in_flight: InFlight::default(),
        };
        let missing = app.missing_in(gates::Class::ALL);
        if !missing.is_empty() {
            Event::ConfigurationError { missing: &missing }.log(&app.log);
        }
        app
    }

    /// Where events go.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Time.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.ports.clock
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The way of webhooks into the world.
    #[must_use]
    pub fn sender(&self) -> &dyn WebhookSender {
        self.ports.sender.as_ref()
    }

    /// The database.
    ///
    /// # Errors
    /// [`Error::Configuration`] without one; the gates let nobody come so far.
    pub fn store(&self) -> Result<&Store, Error> {
        self.ports.store.as_ref().ok_or(Error::Configuration {
            missing: vec!["API_DB"],
        })
    }

    /// Returns once everything that outlives its request is done.
    pub async fn settle(&self) {
        self.background.idle().await;
    }
}
