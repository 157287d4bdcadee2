//! Backends that remember what they once read. Never writes a store.

use super::names::Found;
use crate::reference::deviants::held;
use crate::reference::deviants::stores::{self, OtherRegistry, OtherTenants};
use crate::reference::deviants::{Draft, deviant};
use async_trait::async_trait;
use moltworker_reference::domain::tenant::{TenantId, TenantNames, TenantRecord};
use moltworker_reference::ports::{Registry, StoreError, TenantStore};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

pub(super) fn all() -> Vec<Draft> {
    vec![
        deviant(
            "slugs-remembered-for-ever",
            "A slug that was found is never looked up again",
            &["RES-015", "ISO-003"],
        )
        .parts(|parts| {
            let memory = Memory::of(|found, is_slug| found && is_slug);
            stores::registry(&mut parts.ports, memory);
        }),
        deviant(
            "hostnames-remembered-for-ever",
            "A custom hostname that was found is never looked up again",
            &["RES-005", "RES-015"],
        )
        .parts(|parts| {
            let memory = Memory::of(|found, is_slug| found && !is_slug);
            stores::registry(&mut parts.ports, memory);
        }),
        deviant(
            "absence-remembered-for-ever",
            "A name that was not found is never looked up again",
            &["RES-015", "RES-005"],
        )
        .parts(|parts| {
            stores::registry(&mut parts.ports, Memory::of(|found, _is_slug| !found));
        }),
        deviant(
            "records-remembered-for-ever",
            "A tenant's record that was read is never read again",
            &["RES-011", "AIG-022"],
        )
        .parts(|parts| stores::tenants(&mut parts.ports, Records::default())),
        deviant(
            "record-fetched-beside-the-registry",
            "The record of the tenant that last had a hostname is fetched while the registry is asked",
            &["RES-005"],
        )
        .parts(|parts| {
            if let Some(records) = parts.ports.tenants.clone() {
                let hosts = Mutex::default();
                stores::registry(&mut parts.ports, Beside { records, hosts });
            }
        }),
    ]
}

/// Keeps those answers of which `keeps` (found, is a slug) holds.
struct Memory {
    keeps: fn(bool, bool) -> bool,
    kept: Mutex<BTreeMap<(bool, String), Option<TenantId>>>,
}

impl Memory {
    fn of(keeps: fn(bool, bool) -> bool) -> Self {
        let kept = Mutex::default();
        Self { keeps, kept }
    }

    fn recall(&self, is_slug: bool, name: &str) -> Option<Found> {
        let kept = held(&self.kept);
        kept.get(&(is_slug, name.to_owned())).copied().map(Ok)
    }

    fn keep(&self, is_slug: bool, name: &str, found: Option<TenantId>) -> Option<TenantId> {
        if (self.keeps)(found.is_some(), is_slug) {
            held(&self.kept).insert((is_slug, name.to_owned()), found);
        }
        found
    }
}

#[async_trait]
impl OtherRegistry for Memory {
    async fn by_slug(&self, inner: &dyn Registry, slug: &str) -> Found {
        match self.recall(true, slug) {
            Some(kept) => kept,
            None => Ok(self.keep(true, slug, inner.by_slug(slug).await?)),
        }
    }

    async fn by_host(&self, inner: &dyn Registry, host: &str) -> Found {
        match self.recall(false, host) {
            Some(kept) => kept,
            None => Ok(self.keep(false, host, inner.by_host(host).await?)),
        }
    }
}

#[derive(Default)]
struct Records(Mutex<BTreeMap<TenantId, TenantRecord>>);

#[async_trait]
impl OtherTenants for Records {
    async fn by_id(
        &self,
        inner: &dyn TenantStore,
        id: TenantId,
    ) -> Result<Option<TenantRecord>, StoreError> {
        if let found @ Some(_) = held(&self.0).get(&id).cloned() {
            return Ok(found);
        }
        let found = inner.by_id(id).await?;
        if let Some(record) = &found {
            held(&self.0).insert(id, record.clone());
        }
        Ok(found)
    }
}

struct Beside {
    records: Arc<dyn TenantStore>,
    hosts: Mutex<BTreeMap<String, TenantId>>,
}

#[async_trait]
impl OtherRegistry for Beside {
    async fn by_host(&self, inner: &dyn Registry, host: &str) -> Found {
        let guess = held(&self.hosts).get(host).copied();
        if let Some(id) = guess {
            // Read for nothing if the registry says otherwise.
            drop(self.records.by_id(id).await);
        }
        inner.by_host(host).await
    }

    async fn claim(
        &self,
        inner: &dyn Registry,
        tenant: TenantId,
        names: &TenantNames,
    ) -> Result<(), StoreError> {
        for domain in &names.domains {
            held(&self.hosts).insert(domain.clone(), tenant);
        }
        inner.claim(tenant, names).await
    }
}
