//! Backends that leave a deleted tenant's things to the one that has its name next. Never delays anything but a deletion.

use crate::reference::deviants::layer::after;
use crate::reference::deviants::stores::{self, OtherRegistry, OtherUsage};
use crate::reference::deviants::{Draft, deviant, held};
use crate::tamper::{Ask, Tamper, Told, Unanswered, Upstream};
use crate::{clock, wait};
use async_trait::async_trait;
use moltworker_reference::domain::tenant::{TenantId, TenantNames};
use moltworker_reference::domain::usage::UsageRow;
use moltworker_reference::ports::{Registry, StoreError, UsageStore};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub(super) fn all() -> Vec<Draft> {
    vec![
        deviant(
            "names-left-after-deletion",
            "Deleting a tenant leaves its names in the registry",
            &["ISO-003"],
        )
        .parts(|parts| stores::registry(&mut parts.ports, NeverReleased)),
        deviant(
            "names-removed-once-more",
            "A second after a deletion the names of the tenant that is gone are removed once more, whoever has them by then",
            &["ISO-003"],
        )
        .parts(|parts| stores::registry(&mut parts.ports, OnceMore::default())),
        deviant(
            "deletion-told-before-it-is-done",
            "A deletion is told to be done when it begins",
            &["ISO-003", "RES-015"],
        )
        .parts(|parts| parts.caller = Some(Arc::new(DeletedLater))),
        deviant(
            "bill-goes-to-the-successor",
            "A usage row of a tenant that is gone goes to the one that has its slug now",
            &["ISO-003"],
        )
        .parts(|parts| {
            let slugs: Slugs = Arc::default();
            stores::registry(&mut parts.ports, Succession(Arc::clone(&slugs)));
            stores::usage(&mut parts.ports, ToSuccessor(slugs));
        }),
        deviant(
            "bill-goes-to-the-first-of-a-slug",
            "Usage is kept under the tenant that had a slug first",
            &["ISO-003"],
        )
        .parts(|parts| {
            let slugs: Slugs = Arc::default();
            stores::registry(&mut parts.ports, Succession(Arc::clone(&slugs)));
            stores::usage(&mut parts.ports, ToFirst(slugs));
        }),
        deviant(
            "gateway-state-remembered-by-host",
            "That a gateway runs is remembered by host and told to the next tenant of that host",
            &["ISO-003"],
        )
        .parts(|parts| {
            let seen: Mutex<BTreeMap<String, String>> = Mutex::default();
            // The gateway's state is remembered by host, and outlives the tenant.
            parts.caller = after(move |ask, told| {
                if ask.route() != "/api/status" || told.status != 200 {
                    return;
                }
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                let body = crate::reference::deviants::answers::json_of(told);
                let state = body["gateway"]["state"].as_str().unwrap_or_default();
                if state == "running" {
                    seen.insert(ask.host().to_owned(), state.to_owned());
                } else if let Some(former) = seen.get(ask.host()).cloned() {
                    crate::reference::deviants::answers::edit(told, |body| {
                        body["gateway"]["state"] = former.into();
                    });
                }
            });
        }),
    ]
}

struct NeverReleased;

#[async_trait]
impl OtherRegistry for NeverReleased {
    async fn release(&self, _inner: &dyn Registry, _tenant: TenantId) -> Result<(), StoreError> {
        Ok(())
    }
}

/// As long as a deletion over several stores may well take.
const DELETION: Duration = Duration::from_millis(400);

struct DeletedLater;

#[async_trait]
impl Tamper for DeletedLater {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let tenant = ask.path.strip_prefix("/api/admin/tenants/");
        let is_deletion =
            ask.method == hyper::Method::DELETE && tenant.is_some_and(|id| !id.contains('/'));
        if !is_deletion {
            return upstream.send(&ask).await;
        }
        let mut look = ask.clone();
        look.method = hyper::Method::GET;
        let found = upstream.send(&look).await?;
        if found.status != 200 {
            return upstream.send(&ask).await;
        }
        let upstream = upstream.clone();
        tokio::spawn(async move {
            wait::pass(DELETION).await;
            drop(upstream.send(&ask).await);
        });
        let mut told = Told::new(204, "application/json", "");
        told.headers = found.headers;
        told.headers.remove("content-type");
        Ok(told)
    }
}

/// All tenants that a slug has led to, in order.
type Slugs = Arc<Mutex<BTreeMap<String, Vec<TenantId>>>>;

struct Succession(Slugs);

#[async_trait]
impl OtherRegistry for Succession {
    async fn claim(
        &self,
        inner: &dyn Registry,
        tenant: TenantId,
        names: &TenantNames,
    ) -> Result<(), StoreError> {
        inner.claim(tenant, names).await?;
        let mut slugs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slugs.entry(names.slug.clone()).or_default().push(tenant);
        Ok(())
    }
}

/// The tenants of the first slug that a tenant had.
fn line_of(slugs: &Slugs, tenant: TenantId) -> Option<Vec<TenantId>> {
    let slugs = slugs.lock().unwrap_or_else(PoisonError::into_inner);
    slugs.values().find(|line| line.contains(&tenant)).cloned()
}

struct ToSuccessor(Slugs);

#[async_trait]
impl OtherUsage for ToSuccessor {
    async fn insert(&self, inner: &dyn UsageStore, row: &UsageRow) -> Result<(), StoreError> {
        match inner.insert(row).await {
            Err(StoreError::MissingReference) => {
                let mut row = row.clone();
                let line = line_of(&self.0, row.tenant_id);
                row.tenant_id = line
                    .and_then(|line| line.last().copied())
                    .unwrap_or(row.tenant_id);
                inner.insert(&row).await
            }
            other => other,
        }
    }
}

struct ToFirst(Slugs);

#[async_trait]
impl OtherUsage for ToFirst {
    async fn insert(&self, inner: &dyn UsageStore, row: &UsageRow) -> Result<(), StoreError> {
        let mut other = row.clone();
        let line = line_of(&self.0, row.tenant_id);
        other.tenant_id = line
            .and_then(|line| line.first().copied())
            .unwrap_or(row.tenant_id);
        inner.insert(&other).await
    }
}

/// Between a deletion and the second time that its names are removed.
const ONCE_MORE_AFTER: Duration = Duration::from_secs(1);

/// When each name was given up, until it is taken after that.
#[derive(Default)]
struct OnceMore(Mutex<BTreeMap<String, Instant>>);

impl OnceMore {
    fn is_removed(&self, name: &str) -> bool {
        let freed = held(&self.0);
        freed
            .get(name)
            .is_some_and(|at| at.elapsed() > ONCE_MORE_AFTER)
    }
}

#[async_trait]
impl OtherRegistry for OnceMore {
    async fn by_slug(
        &self,
        inner: &dyn Registry,
        slug: &str,
    ) -> Result<Option<TenantId>, StoreError> {
        if self.is_removed(slug) {
            return Ok(None);
        }
        inner.by_slug(slug).await
    }

    async fn by_host(
        &self,
        inner: &dyn Registry,
        host: &str,
    ) -> Result<Option<TenantId>, StoreError> {
        if self.is_removed(host) {
            return Ok(None);
        }
        inner.by_host(host).await
    }

    async fn claim(
        &self,
        inner: &dyn Registry,
        tenant: TenantId,
        names: &TenantNames,
    ) -> Result<(), StoreError> {
        inner.claim(tenant, names).await?;
        // What is taken after the second removal stays.
        held(&self.0).retain(|_name, at| at.elapsed() <= ONCE_MORE_AFTER);
        Ok(())
    }

    async fn release(&self, inner: &dyn Registry, tenant: TenantId) -> Result<(), StoreError> {
        let names = inner.names(tenant).await?;
        inner.release(tenant).await?;
        let freed = names.map(|names| names.domains.into_iter().chain([names.slug]));
        let now = clock::now();
        held(&self.0).extend(freed.into_iter().flatten().map(|name| (name, now)));
        Ok(())
    }
}
