//! The second gate of public routes: which tenant a host stands for. Never falls back to a default tenant.

use super::error::{Error, Store};
use super::{App, Caller};
use crate::domain::hostname::{HostMeaning, HostName, InvalidHost, meaning, override_slug};
use crate::domain::names::Slug;
use crate::domain::sandbox_id::SandboxId;
use crate::domain::tenant::{TenantId, TenantRecord, Tier};
use crate::log::Event;

/// What of a request names a tenant.
#[derive(Debug)]
pub struct Target<'a> {
    /// The parsed host.
    pub host: Result<HostName, InvalidHost>,
    /// The host as it was sent, for the log.
    pub host_sent: &'a [u8],
    /// `X-Tenant-Override`, as it was sent.
    pub tenant_override: Option<&'a [u8]>,
}

/// A tenant whose sandbox id can be trusted.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// The effective tier.
    pub tier: Tier,
    /// The product surface.
    pub platform: String,
    /// Derived, and equal to the stored one.
    pub sandbox: SandboxId,
}

impl Tenant {
    /// Trusts a record, or not.
    ///
    /// # Errors
    /// [`Error::SandboxIdInvalid`] (ID-007).
    pub fn trust(record: TenantRecord) -> Result<Self, Error> {
        let sandbox = record
            .trusted_sandbox_id()
            .ok_or(Error::SandboxIdInvalid { tenant: record.id })?;
        Ok(Self {
            id: record.id,
            tier: Tier::effective(&record.tier),
            platform: record.platform,
            sandbox,
        })
    }
}

/// Who a public request is for.
#[derive(Debug)]
pub enum Resolution {
    /// A tenant, and the slug by which it was found, if it was.
    Known {
        /// Whose request it is.
        tenant: Tenant,
        /// `None` when a custom host led here.
        slug: Option<String>,
    },
    /// No tenant: 404 once the client ip has been counted.
    Unknown,
    /// Not even a host.
    Malformed,
}

impl App {
    /// Resolves a public request.
    ///
    /// # Errors
    /// [`Error::Store`] when a store failed: an outage is never an unknown tenant (RES-017).
    /// [`Error::SandboxIdInvalid`], and in development [`Error::Configuration`].
    pub async fn resolve(&self, caller: &Caller, target: &Target<'_>) -> Result<Resolution, Error> {
        let outcome = self.look_up(caller, target).await;
        let failed = match &outcome {
            Ok(Resolution::Known { .. }) => false,
            Ok(Resolution::Unknown | Resolution::Malformed) => true,
            Err(error) => matches!(error, Error::Store { .. }),
        };
        if failed {
            let sent = String::from_utf8_lossy(target.host_sent);
            let host = self.log.scrub(&sent);
            self.log.write(&Event::ResolutionFailure {
                host,
                client_ip: caller.client_ip,
                request_id: caller.request_id,
            });
        }
        outcome
    }

    async fn look_up(&self, caller: &Caller, target: &Target<'_>) -> Result<Resolution, Error> {
        if let Some(slug) = self.chosen_by_override(caller, target) {
            return self.by_slug(&slug).await;
        }
        let Ok(host) = &target.host else {
            return Ok(Resolution::Malformed);
        };
        match meaning(host, self.config.app_domain.as_ref()) {
            HostMeaning::Slug(slug) => self.by_slug(slug).await,
            HostMeaning::Custom(name) => {
                let id = self
                    .registry()?
                    .by_host(name)
                    .await
                    .map_err(Error::store(Store::Kv))?;
                self.by_id(id, None).await
            }
            HostMeaning::Nobody => Ok(Resolution::Unknown),
        }
    }

    /// The override counts in development alone (RES-002, RES-003, RES-007).
    fn chosen_by_override(&self, caller: &Caller, target: &Target<'_>) -> Option<String> {
        if !self.config.dev_mode {
            return None;
        }
        let chosen = override_slug(target.tenant_override?);
        if chosen.is_err() {
            self.log.write(&Event::OverrideIgnored {
                request_id: caller.request_id,
            });
        }
        chosen.ok()
    }

    async fn by_slug(&self, label: &str) -> Result<Resolution, Error> {
        // No tenant can have a name that is no slug: the registry need not be asked.
        if Slug::parse(label).is_err() {
            return Ok(Resolution::Unknown);
        }
        let id = self
            .registry()?
            .by_slug(label)
            .await
            .map_err(Error::store(Store::Kv))?;
        self.by_id(id, Some(label)).await
    }

    async fn by_id(&self, id: Option<TenantId>, slug: Option<&str>) -> Result<Resolution, Error> {
        let Some(id) = id else {
            return Ok(Resolution::Unknown);
        };
        let record = self
            .tenant_store()?
            .by_id(id)
            .await
            .map_err(Error::store(Store::D1))?;
        // A registry entry whose record is gone is an unknown tenant (RES-011).
        let Some(record) = record else {
            return Ok(Resolution::Unknown);
        };
        Ok(Resolution::Known {
            tenant: Tenant::trust(record)?,
            slug: slug.map(str::to_owned),
        })
    }

    /// The slug of a tenant that was found by a custom host.
    ///
    /// # Errors
    /// [`Error::Store`]; [`Error::TenantNotFound`] if the tenant lost its names meanwhile.
    pub async fn slug_of(&self, tenant: TenantId) -> Result<String, Error> {
        let names = self
            .registry()?
            .names(tenant)
            .await
            .map_err(Error::store(Store::Kv))?;
        names.map(|names| names.slug).ok_or(Error::TenantNotFound)
    }
}
