//! A target of which nothing is known but its address. Never starts or stops anything.

use super::dialect::Dialect;
use super::{Disposable, Fault, Instance, Limits, Migrated, Target};
use crate::client::not_the_worker::Surroundings;
use crate::client::{Client, Whereabouts};
use crate::contract::need::{Need, Variant};
use async_trait::async_trait;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A running backend, given by its address.
pub struct UrlTarget {
    instance: Arc<Instance>,
    dialect: Dialect,
    limits: Limits,
}

impl UrlTarget {
    /// The backend at this address (scheme and authority, no trailing slash).
    #[must_use]
    pub fn new(base: String, client: &Client) -> Self {
        let dialect = Dialect::default();
        let place = Whereabouts {
            around: Surroundings::Address,
            public: dialect.public_paths(),
            direct: None,
        };
        client.know(&base, place);
        let instance = Instance {
            variant: Variant::Production,
            base,
            d1: None,
            kv: None,
            r2: None,
            logs: None,
            gateway: None,
            model_calls: None,
            ai_gateway_key: None,
            access: None,
            credential: None,
            commands: None,
            faults: None,
            who: None,
            app_domain: String::new(),
        };
        Self {
            instance: Arc::new(instance),
            dialect,
            limits: Limits::default(),
        }
    }
}

#[async_trait]
impl Target for UrlTarget {
    fn name(&self) -> String {
        self.instance.base.clone()
    }

    fn lacks(&self, need: Need) -> Option<String> {
        match need {
            Need::Variant(Variant::Production) => None,
            Need::Hosts
            | Need::Tenants
            | Need::Admin
            | Need::Access
            | Need::AiGateway
            | Need::AiGatewayLog
            | Need::D1
            | Need::D1Write
            | Need::Kv
            | Need::KvWrite
            | Need::R2
            | Need::Logs
            | Need::StoreFaults
            | Need::Restart
            | Need::Fresh
            | Need::Migrations
            | Need::ClientIp
            | Need::ExactLimits
            | Need::Variant(_) => Some(need.remedy()),
        }
    }

    fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    fn limits(&self) -> &Limits {
        &self.limits
    }

    async fn instance(&self, variant: Variant) -> Result<Arc<Instance>, Fault> {
        if variant == Variant::Production {
            Ok(Arc::clone(&self.instance))
        } else {
            Err(Fault(Need::Variant(variant).remedy()))
        }
    }

    async fn disposable(&self) -> Result<Box<dyn Disposable>, Fault> {
        Err(Fault(Need::Restart.remedy()))
    }

    async fn migrate(&self, _folder: &Path, _database: &Path) -> Result<Migrated, Fault> {
        Err(Fault(Need::Migrations.remedy()))
    }

    fn standing(&self) -> Vec<Variant> {
        vec![Variant::Production]
    }

    fn migrations(&self) -> Option<PathBuf> {
        None
    }
}
