//! Stores of the reference that fail on demand: ports around ports. Never changes an answer that no fault was set for.

use crate::subject::faults::{Calls, LOST, StoreFault, StoreFaults};
use crate::wait;
use async_trait::async_trait;
use moltworker_reference::app::Ports;
use moltworker_reference::domain::sandbox_id::SandboxId;
use moltworker_reference::domain::tenant::{TenantId, TenantNames, TenantRecord};
use moltworker_reference::domain::usage::UsageRow;
use moltworker_reference::ports::{
    Page, Registry, StoreError, TenantChange, TenantStore, UsageRange, UsageStore,
};
use moltworker_reference::store::{TENANT_BY_ID, USAGE_OF_A_TENANT};
use std::sync::Arc;

/// Puts a failing port around each store.
pub(super) fn wrap(ports: &mut Ports, faults: &Arc<StoreFaults>) {
    faults.will_tell();
    let around = |faults: &Arc<StoreFaults>| Arc::clone(faults);
    ports.tenants = ports.tenants.take().map(|inner| {
        Arc::new(Faulty {
            inner,
            faults: around(faults),
        }) as _
    });
    ports.usage = ports.usage.take().map(|inner| {
        Arc::new(Faulty {
            inner,
            faults: around(faults),
        }) as _
    });
    ports.registry = ports.registry.take().map(|inner| {
        Arc::new(Faulty {
            inner,
            faults: around(faults),
        }) as _
    });
}

struct Faulty<S: ?Sized> {
    inner: Arc<S>,
    faults: Arc<StoreFaults>,
}

impl<S: ?Sized> Faulty<S> {
    /// What happens before the call: nothing, a delay or a failure. In the words that it returns the answer will be lost.
    async fn before(&self, calls: Calls, scope: &str) -> Result<Option<&'static str>, StoreError> {
        match self.faults.meet(calls, scope) {
            None => Ok(None),
            Some(StoreFault::Slow(delay)) => {
                wait::pass(delay).await;
                Ok(None)
            }
            Some(StoreFault::Busy) => Err(StoreError::Busy(
                "D1 DB is overloaded. Requests queued for too long.".into(),
            )),
            Some(StoreFault::BusySaying(message)) => Err(StoreError::Busy(message.into())),
            Some(StoreFault::Unavailable) => Err(StoreError::Unavailable(LOST.into())),
            Some(StoreFault::AnswerLost(message)) => Ok(Some(message)),
        }
    }

    /// Loses an answer. A lost connection is worth another try: the same write is idempotent.
    fn lose<T>(lost: Option<&'static str>, answer: T) -> Result<T, StoreError> {
        match lost {
            Some(message) => Err(StoreError::Busy(message.into())),
            None => Ok(answer),
        }
    }
}

#[async_trait]
impl TenantStore for Faulty<dyn TenantStore> {
    async fn by_id(&self, id: TenantId) -> Result<Option<TenantRecord>, StoreError> {
        let scope = id.to_string();
        self.faults.hear(TENANT_BY_ID, [scope.as_str()]);
        let lost = self.before(Calls::TenantRead, &scope).await?;
        Self::lose(lost, self.inner.by_id(id).await?)
    }

    async fn by_sandbox_id(&self, id: SandboxId) -> Result<Option<TenantRecord>, StoreError> {
        self.inner.by_sandbox_id(id).await
    }

    async fn insert(&self, record: &TenantRecord) -> Result<(), StoreError> {
        self.inner.insert(record).await
    }

    async fn update(
        &self,
        id: TenantId,
        change: &TenantChange,
    ) -> Result<Option<TenantRecord>, StoreError> {
        self.inner.update(id, change).await
    }

    async fn delete(&self, id: TenantId) -> Result<bool, StoreError> {
        self.inner.delete(id).await
    }

    async fn list(
        &self,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<TenantRecord>, StoreError> {
        self.inner.list(cursor, limit).await
    }
}

#[async_trait]
impl UsageStore for Faulty<dyn UsageStore> {
    async fn insert(&self, row: &UsageRow) -> Result<(), StoreError> {
        let scope = row.tenant_id.to_string();
        let lost = self.before(Calls::UsageWrite, &scope).await?;
        self.inner.insert(row).await?;
        self.faults.is_through(Calls::UsageWrite, &scope);
        Self::lose(lost, ())
    }

    async fn list(
        &self,
        tenant: TenantId,
        range: &UsageRange,
    ) -> Result<Page<UsageRow>, StoreError> {
        self.faults
            .hear(USAGE_OF_A_TENANT, [tenant.to_string().as_str()]);
        self.inner.list(tenant, range).await
    }
}

#[async_trait]
impl Registry for Faulty<dyn Registry> {
    async fn by_slug(&self, slug: &str) -> Result<Option<TenantId>, StoreError> {
        let lost = self.before(Calls::RegistryRead, slug).await?;
        Self::lose(lost, self.inner.by_slug(slug).await?)
    }

    async fn by_host(&self, host: &str) -> Result<Option<TenantId>, StoreError> {
        let lost = self.before(Calls::RegistryRead, host).await?;
        Self::lose(lost, self.inner.by_host(host).await?)
    }

    async fn names(&self, tenant: TenantId) -> Result<Option<TenantNames>, StoreError> {
        self.inner.names(tenant).await
    }

    async fn claim(&self, tenant: TenantId, names: &TenantNames) -> Result<(), StoreError> {
        self.inner.claim(tenant, names).await
    }

    async fn release(&self, tenant: TenantId) -> Result<(), StoreError> {
        self.inner.release(tenant).await
    }
}
