//! Stores that do one thing in another way: what a deviation leaves out is passed on. Never adds a call of its own.

use crate::reference::altered::Parts;
use async_trait::async_trait;
use moltworker_reference::app::Ports;
use moltworker_reference::domain::sandbox_id::SandboxId;
use moltworker_reference::domain::tenant::{TenantId, TenantNames, TenantRecord};
use moltworker_reference::domain::usage::UsageRow;
use moltworker_reference::log::{Event, Log};
use moltworker_reference::ports::{
    Page, Registry, SandboxBucket, StoreError, TenantChange, TenantStore, UsageRange, UsageStore,
};
use moltworker_reference::sandbox::InProcessRuntime;
use std::sync::Arc;

/// Another way to keep usage.
#[async_trait]
pub(in crate::reference) trait OtherUsage: Send + Sync {
    async fn insert(&self, inner: &dyn UsageStore, row: &UsageRow) -> Result<(), StoreError> {
        inner.insert(row).await
    }

    async fn list(
        &self,
        inner: &dyn UsageStore,
        tenant: TenantId,
        range: &UsageRange,
    ) -> Result<Page<UsageRow>, StoreError> {
        inner.list(tenant, range).await
    }
}

/// Another way to keep tenants.
#[async_trait]
pub(in crate::reference) trait OtherTenants: Send + Sync {
    async fn by_id(
        &self,
        inner: &dyn TenantStore,
        id: TenantId,
    ) -> Result<Option<TenantRecord>, StoreError> {
        inner.by_id(id).await
    }

    async fn by_sandbox_id(
        &self,
        inner: &dyn TenantStore,
        id: SandboxId,
    ) -> Result<Option<TenantRecord>, StoreError> {
        inner.by_sandbox_id(id).await
    }

    async fn insert(
        &self,
        inner: &dyn TenantStore,
        record: &TenantRecord,
    ) -> Result<(), StoreError> {
        inner.insert(record).await
    }

    async fn update(
        &self,
        inner: &dyn TenantStore,
        id: TenantId,
        change: &TenantChange,
    ) -> Result<Option<TenantRecord>, StoreError> {
        inner.update(id, change).await
    }

    async fn delete(&self, inner: &dyn TenantStore, id: TenantId) -> Result<bool, StoreError> {
        inner.delete(id).await
    }

    async fn list(
        &self,
        inner: &dyn TenantStore,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<TenantRecord>, StoreError> {
        inner.list(cursor, limit).await
    }
}

/// Another way to keep names.
#[async_trait]
pub(in crate::reference) trait OtherRegistry: Send + Sync {
    async fn by_slug(
        &self,
        inner: &dyn Registry,
        slug: &str,
    ) -> Result<Option<TenantId>, StoreError> {
        inner.by_slug(slug).await
    }

    async fn by_host(
        &self,
        inner: &dyn Registry,
        host: &str,
    ) -> Result<Option<TenantId>, StoreError> {
        inner.by_host(host).await
    }

    async fn names(
        &self,
        inner: &dyn Registry,
        tenant: TenantId,
    ) -> Result<Option<TenantNames>, StoreError> {
        inner.names(tenant).await
    }

    async fn claim(
        &self,
        inner: &dyn Registry,
        tenant: TenantId,
        names: &TenantNames,
    ) -> Result<(), StoreError> {
        inner.claim(tenant, names).await
    }

    async fn release(&self, inner: &dyn Registry, tenant: TenantId) -> Result<(), StoreError> {
        inner.release(tenant).await
    }
}

/// Puts another way around `usage`, if there is one.
pub(in crate::reference) fn usage(ports: &mut Ports, other: impl OtherUsage + 'static) {
    ports.usage = ports
        .usage
        .take()
        .map(|inner| Arc::new(Around { inner, other }) as _);
}

/// Puts another way around `tenants`, if there is one.
pub(in crate::reference) fn tenants(ports: &mut Ports, other: impl OtherTenants + 'static) {
    ports.tenants = ports
        .tenants
        .take()
        .map(|inner| Arc::new(Around { inner, other }) as _);
}

/// Puts another way around the registry, if there is one.
pub(in crate::reference) fn registry(ports: &mut Ports, other: impl OtherRegistry + 'static) {
    ports.registry = ports
        .registry
        .take()
        .map(|inner| Arc::new(Around { inner, other }) as _);
}

struct Around<S: ?Sized, O> {
    inner: Arc<S>,
    other: O,
}

#[async_trait]
impl<O: OtherUsage> UsageStore for Around<dyn UsageStore, O> {
    async fn insert(&self, row: &UsageRow) -> Result<(), StoreError> {
        self.other.insert(self.inner.as_ref(), row).await
    }

    async fn list(
        &self,
        tenant: TenantId,
        range: &UsageRange,
    ) -> Result<Page<UsageRow>, StoreError> {
        self.other.list(self.inner.as_ref(), tenant, range).await
    }
}

#[async_trait]
impl<O: OtherTenants> TenantStore for Around<dyn TenantStore, O> {
    async fn by_id(&self, id: TenantId) -> Result<Option<TenantRecord>, StoreError> {
        self.other.by_id(self.inner.as_ref(), id).await
    }

    async fn by_sandbox_id(&self, id: SandboxId) -> Result<Option<TenantRecord>, StoreError> {
        self.other.by_sandbox_id(self.inner.as_ref(), id).await
    }

    async fn insert(&self, record: &TenantRecord) -> Result<(), StoreError> {
        self.other.insert(self.inner.as_ref(), record).await
    }

    async fn update(
        &self,
        id: TenantId,
        change: &TenantChange,
    ) -> Result<Option<TenantRecord>, StoreError> {
        self.other.update(self.inner.as_ref(), id, change).await
    }

    async fn delete(&self, id: TenantId) -> Result<bool, StoreError> {
        self.other.delete(self.inner.as_ref(), id).await
    }

    async fn list(
        &self,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<TenantRecord>, StoreError> {
        self.other.list(self.inner.as_ref(), cursor, limit).await
    }
}

#[async_trait]
impl<O: OtherRegistry> Registry for Around<dyn Registry, O> {
    async fn by_slug(&self, slug: &str) -> Result<Option<TenantId>, StoreError> {
        self.other.by_slug(self.inner.as_ref(), slug).await
    }

    async fn by_host(&self, host: &str) -> Result<Option<TenantId>, StoreError> {
        self.other.by_host(self.inner.as_ref(), host).await
    }

    async fn names(&self, tenant: TenantId) -> Result<Option<TenantNames>, StoreError> {
        self.other.names(self.inner.as_ref(), tenant).await
    }

    async fn claim(&self, tenant: TenantId, names: &TenantNames) -> Result<(), StoreError> {
        self.other.claim(self.inner.as_ref(), tenant, names).await
    }

    async fn release(&self, tenant: TenantId) -> Result<(), StoreError> {
        self.other.release(self.inner.as_ref(), tenant).await
    }
}

/// Puts another bucket under gateways and operators alike.
pub(super) fn with_bucket(
    parts: &mut Parts,
    other: impl FnOnce(Arc<dyn SandboxBucket>) -> Arc<dyn SandboxBucket>,
) {
    let Some(bucket) = parts.ports.bucket.take().map(other) else {
        return;
    };
    let clock = Arc::clone(&parts.ports.clock);
    let log = Log::new(Arc::clone(&parts.ports.log), Arc::clone(&clock), Vec::new());
    let started = Arc::new(move |sandbox_id, instance_id| {
        log.write(&Event::GatewayStarted {
            sandbox_id,
            instance_id,
        });
    });
    let runtime = InProcessRuntime::new(Some(Arc::clone(&bucket)), clock, started);
    parts.ports.runtime = Some(Arc::new(runtime));
    parts.ports.bucket = Some(bucket);
}
