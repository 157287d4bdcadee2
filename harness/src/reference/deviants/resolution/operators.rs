//! Backends that mishandle the names that operators give, change and take back. Never touches a record.

use crate::clock;
use crate::reference::deviants::stores::{self, OtherRegistry};
use crate::reference::deviants::{Draft, deviant, held};
use async_trait::async_trait;
use moltworker_reference::domain::tenant::{TenantId, TenantNames};
use moltworker_reference::ports::{Registry, StoreError};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long a store that is consistent in the end only may not show what was written to it elsewhere.
const UNSEEN: Duration = Duration::from_millis(300);

pub(super) fn all() -> Vec<Draft> {
    vec![
        deviant(
            "rename-drops-the-hostnames",
            "A tenant that is renamed loses its custom hostnames",
            &["RES-015"],
        )
        .parts(|parts| stores::registry(&mut parts.ports, DroppedByRename)),
        deviant(
            "one-slug-for-all-who-ask-at-once",
            "A slug that was given a moment ago is told to be another tenant's too",
            &["RES-015"],
        )
        .parts(|parts| {
            let unseen = Unseen::of(|names| vec![names.slug.clone()]);
            stores::registry(&mut parts.ports, unseen);
        }),
        deviant(
            "one-hostname-for-all-who-ask-at-once",
            "A custom hostname that was given a moment ago is told to be another tenant's too",
            &["RES-015"],
        )
        .parts(|parts| {
            let unseen = Unseen::of(|names| names.domains.clone());
            stores::registry(&mut parts.ports, unseen);
        }),
        deviant(
            "deletion-keeps-the-hostnames",
            "The custom hostnames of a deleted tenant stay its own, and nobody can have them any more",
            &["RES-015"],
        )
        .parts(|parts| stores::registry(&mut parts.ports, HostnamesKept)),
    ]
}

struct DroppedByRename;

#[async_trait]
impl OtherRegistry for DroppedByRename {
    async fn claim(
        &self,
        inner: &dyn Registry,
        tenant: TenantId,
        names: &TenantNames,
    ) -> Result<(), StoreError> {
        let former = inner.names(tenant).await?;
        let is_renamed = former.is_some_and(|former| former.slug != names.slug);
        if !is_renamed {
            return inner.claim(tenant, names).await;
        }
        let slug = names.slug.clone();
        let domains = Vec::new();
        inner.claim(tenant, &TenantNames { slug, domains }).await
    }
}

/// What was claimed a moment ago is not seen to be taken.
struct Unseen {
    which: fn(&TenantNames) -> Vec<String>,
    claimed: Mutex<BTreeMap<String, Instant>>,
}

impl Unseen {
    fn of(which: fn(&TenantNames) -> Vec<String>) -> Self {
        let claimed = Mutex::default();
        Self { which, claimed }
    }

    fn is_fresh(&self, names: &TenantNames) -> bool {
        let claimed = held(&self.claimed);
        let fresh = |name: &String| claimed.get(name).is_some_and(|at| at.elapsed() < UNSEEN);
        (self.which)(names).iter().any(fresh)
    }
}

#[async_trait]
impl OtherRegistry for Unseen {
    async fn claim(
        &self,
        inner: &dyn Registry,
        tenant: TenantId,
        names: &TenantNames,
    ) -> Result<(), StoreError> {
        match inner.claim(tenant, names).await {
            // The entry of the one who came first is written last.
            Err(StoreError::Conflict { .. }) if self.is_fresh(names) => Ok(()),
            Err(why) => Err(why),
            Ok(()) => {
                let now = clock::now();
                let mut claimed = held(&self.claimed);
                claimed.extend((self.which)(names).into_iter().map(|name| (name, now)));
                Ok(())
            }
        }
    }
}

struct HostnamesKept;

#[async_trait]
impl OtherRegistry for HostnamesKept {
    async fn release(&self, inner: &dyn Registry, tenant: TenantId) -> Result<(), StoreError> {
        let former = inner.names(tenant).await?;
        inner.release(tenant).await?;
        match former {
            Some(TenantNames { domains, .. }) if !domains.is_empty() => {
                let slug = format!("gone-{tenant}");
                inner.claim(tenant, &TenantNames { slug, domains }).await
            }
            Some(_) | None => Ok(()),
        }
    }
}
