//! Who is who, as far as the registry was told: what a deviant's own look-ups are made with. Never changes an entry.

use super::stores::{self, OtherRegistry};
use crate::reference::altered::Parts;
use async_trait::async_trait;
use moltworker_reference::domain::sandbox_id::SandboxId;
use moltworker_reference::domain::tenant::{TenantId, TenantNames};
use moltworker_reference::ports::{Registry, StoreError};
use std::sync::{Arc, Mutex, PoisonError};

/// A tenant with all that names it.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) id: TenantId,
    pub(super) sandbox_id: String,
    pub(super) slug: String,
    pub(super) domains: Vec<String>,
    app_domain: String,
}

impl Known {
    /// Its subdomain.
    pub(super) fn host(&self) -> String {
        format!("{}.{}", self.slug, self.app_domain)
    }

    /// Whether a text is its id, sandbox id, slug or one of its hosts.
    fn is(&self, text: &str) -> bool {
        self.id.to_string() == text
            || self.sandbox_id == text
            || self.slug == text
            || self.host() == text
            || self.domains.iter().any(|domain| domain == text)
    }
}

/// The tenants of one instance, the oldest first.
#[derive(Clone)]
pub(super) struct Directory {
    entries: Arc<Mutex<Vec<Known>>>,
    app_domain: String,
}

impl Directory {
    /// Learns what the registry is told from now on.
    pub(super) fn of(parts: &mut Parts) -> Self {
        let app_domain = parts.config.app_domain.as_ref();
        let directory = Self {
            entries: Arc::default(),
            app_domain: app_domain.map_or(String::new(), ToString::to_string),
        };
        stores::registry(&mut parts.ports, directory.clone());
        directory
    }

    /// Everybody.
    pub(super) fn all(&self) -> Vec<Known> {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whom a text names.
    pub(super) fn find(&self, text: &str) -> Option<Known> {
        self.all().into_iter().find(|known| known.is(text))
    }
}

#[async_trait]
impl OtherRegistry for Directory {
    async fn claim(
        &self,
        inner: &dyn Registry,
        tenant: TenantId,
        names: &TenantNames,
    ) -> Result<(), StoreError> {
        inner.claim(tenant, names).await?;
        let known = Known {
            id: tenant,
            sandbox_id: SandboxId::derive(&tenant).to_string(),
            slug: names.slug.clone(),
            domains: names.domains.clone(),
            app_domain: self.app_domain.clone(),
        };
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        match entries.iter_mut().find(|entry| entry.id == tenant) {
            Some(entry) => *entry = known,
            None => entries.push(known),
        }
        Ok(())
    }

    async fn release(&self, inner: &dyn Registry, tenant: TenantId) -> Result<(), StoreError> {
        inner.release(tenant).await?;
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|entry| entry.id != tenant);
        Ok(())
    }
}
