//! What operators do with tenants. Never leaves half of a change behind.

use super::App;
use super::error::{Error, Store};
use crate::domain::names::{CustomDomains, Platform, Slug};
use crate::domain::routing::Routing;
use crate::domain::sandbox_id::SandboxId;
use crate::domain::tenant::{TenantId, TenantNames, TenantRecord, Tier};
use crate::ports::{Page, Registry, StoreError, TenantChange, TenantStore};
use std::sync::Arc;

/// A tenant to be created; valid by construction.
#[derive(Debug)]
pub struct NewTenant {
    /// Fresh, or given by the operator.
    pub id: TenantId,
    /// Subdomain label.
    pub slug: Slug,
    /// Product surface.
    pub platform: Platform,
    /// Service level.
    pub tier: Tier,
    /// Custom hosts.
    pub domains: CustomDomains,
}

/// What changes of a tenant; at least one field is set.
#[derive(Debug, Default)]
pub struct TenantEdit {
    /// New subdomain label.
    pub slug: Option<Slug>,
    /// New product surface.
    pub platform: Option<Platform>,
    /// New service level.
    pub tier: Option<Tier>,
    /// New custom hosts, in place of the former ones.
    pub domains: Option<CustomDomains>,
}

/// A tenant with its names.
#[derive(Debug, Clone)]
pub struct NamedTenant {
    /// The row in D1.
    pub record: TenantRecord,
    /// The entry in KV; `None` for a row that somebody else wrote.
    pub names: Option<TenantNames>,
}

/// The two stores that hold a tenant. A write into both is undone in the first when the second refuses.
struct TenantStores {
    records: Arc<dyn TenantStore>,
    registry: Arc<dyn Registry>,
}

impl TenantStores {
    /// The record comes first: its unique key stops a second tenant of the same id before it can touch names.
    async fn create(&self, record: TenantRecord, names: TenantNames) -> Result<NamedTenant, Error> {
        match self.records.insert(&record).await {
            Ok(()) => {}
            Err(StoreError::Conflict { .. }) => {
                return Err(self.insert_conflict(record.id).await?);
            }
            Err(source) => {
                return Err(Error::Store {
                    store: Store::D1,
                    source,
                });
            }
        }
        if let Err(source) = self.registry.claim(record.id, &names).await {
            self.records
                .delete(record.id)
                .await
                .map_err(Error::store(Store::D1))?;
            return Err(claim_error(source));
        }
        Ok(NamedTenant {
            record,
            names: Some(names),
        })
    }

    /// A database may report either unique column when both are taken.
    async fn insert_conflict(&self, id: TenantId) -> Result<Error, Error> {
        let same_id = self
            .records
            .by_id(id)
            .await
            .map_err(Error::store(Store::D1))?;
        Ok(if same_id.is_some() {
            Error::Conflict { field: "id" }
        } else {
            Error::SandboxIdConflict
        })
    }

    async fn edit(
        &self,
        id: TenantId,
        edit: TenantEdit,
        updated_at: i64,
    ) -> Result<NamedTenant, Error> {
        let former = self.read(id).await?;
        let slug = edit
            .slug
            .map(Slug::into_string)
            .or_else(|| former.names.as_ref().map(|names| names.slug.clone()));
        let domains = edit.domains.map(CustomDomains::into_vec);
        let domains = domains
            .or_else(|| former.names.as_ref().map(|names| names.domains.clone()))
            .unwrap_or_default();
        let names = slug.map(|slug| TenantNames { slug, domains });
        if let Some(names) = names
            .as_ref()
            .filter(|names| Some(*names) != former.names.as_ref())
        {
            self.registry.claim(id, names).await.map_err(claim_error)?;
        }
        let change = TenantChange {
            platform: edit.platform.map(Platform::into_string),
            tier: edit.tier.map(|tier| tier.name().to_owned()),
            updated_at,
        };
        match self.records.update(id, &change).await {
            Ok(Some(record)) => Ok(NamedTenant { record, names }),
            outcome => {
                self.restore_names(id, former.names.as_ref()).await?;
                Err(outcome
                    .err()
                    .map_or(Error::TenantNotFound, Error::store(Store::D1)))
            }
        }
    }

    async fn restore_names(&self, id: TenantId, names: Option<&TenantNames>) -> Result<(), Error> {
        let restored = match names {
            Some(names) => self.registry.claim(id, names).await,
            None => self.registry.release(id).await,
        };
        restored.map_err(Error::store(Store::Kv))
    }

    async fn read(&self, id: TenantId) -> Result<NamedTenant, Error> {
        let record = self
            .records
            .by_id(id)
            .await
            .map_err(Error::store(Store::D1))?
            .ok_or(Error::TenantNotFound)?;
        self.with_names(record).await
    }

    async fn with_names(&self, record: TenantRecord) -> Result<NamedTenant, Error> {
        let names = self
            .registry
            .names(record.id)
            .await
            .map_err(Error::store(Store::Kv))?;
        Ok(NamedTenant { record, names })
    }
}

fn claim_error(source: StoreError) -> Error {
    match source {
        StoreError::Conflict { column } if column == "domain" => {
            Error::Conflict { field: "domains" }
        }
        StoreError::Conflict { .. } => Error::Conflict { field: "slug" },
        source @ (StoreError::Busy(_)
        | StoreError::MissingReference
        | StoreError::Unavailable(_)) => Error::Store {
            store: Store::Kv,
            source,
        },
    }
}

impl App {
    /// Creates a tenant in D1 and registry, or nothing at all.
    ///
    /// # Errors
    /// [`Error::Conflict`], [`Error::SandboxIdConflict`], [`Error::Store`].
    pub async fn create_tenant(self: Arc<Self>, new: NewTenant) -> Result<NamedTenant, Error> {
        let now = self.ports.clock.now_ms();
        let record = TenantRecord {
            id: new.id,
            platform: new.platform.into_string(),
            tier: new.tier.name().to_owned(),
            sandbox_id: SandboxId::derive(&new.id).to_string(),
            created_at: now,
            updated_at: now,
        };
        let names = TenantNames {
            slug: new.slug.into_string(),
            domains: new.domains.into_vec(),
        };
        let app = Arc::clone(&self);
        self.write_as_operator(async move { app.stores()?.create(record, names).await })
            .await
    }

    /// Changes a tenant, or nothing at all.
    ///
    /// # Errors
    /// [`Error::TenantNotFound`], [`Error::Conflict`], [`Error::Store`].
    pub async fn edit_tenant(
        self: Arc<Self>,
        id: TenantId,
        edit: TenantEdit,
    ) -> Result<NamedTenant, Error> {
        let app = Arc::clone(&self);
        self.write_as_operator(async move {
            app.stores()?.edit(id, edit, app.ports.clock.now_ms()).await
        })
        .await
    }

    /// Deletes a tenant and everything that is kept for it. The record goes last, so that a failed deletion can be repeated.
    ///
    /// # Errors
    /// [`Error::TenantNotFound`], [`Error::Store`].
    pub async fn delete_tenant(self: Arc<Self>, id: TenantId) -> Result<(), Error> {
        let app = Arc::clone(&self);
        self.write_as_operator(async move {
            let stores = app.stores()?;
            stores.read(id).await?;
            stores
                .registry
                .release(id)
                .await
                .map_err(Error::store(Store::Kv))?;
            app.clear_sandbox(id).await?;
            let deleted = stores
                .records
                .delete(id)
                .await
                .map_err(Error::store(Store::D1))?;
            // A request that was admitted before may have started the gateway again meanwhile.
            app.clear_sandbox(id).await?;
            if deleted {
                Ok(())
            } else {
                Err(Error::TenantNotFound)
            }
        })
        .await
    }

    /// Whatever the stored sandbox id says, what is cleared is the derived one's.
    async fn clear_sandbox(&self, id: TenantId) -> Result<(), Error> {
        let sandbox = SandboxId::derive(&id);
        if let Some(runtime) = &self.ports.runtime {
            runtime
                .destroy(sandbox)
                .await
                .map_err(Error::store(Store::R2))?;
        }
        if let Some(kv) = &self.ports.sandbox_kv {
            kv.clear(sandbox).await.map_err(Error::store(Store::Kv))?;
        }
        if let Some(bucket) = &self.ports.bucket {
            bucket
                .clear(sandbox)
                .await
                .map_err(Error::store(Store::R2))?;
        }
        Ok(())
    }

    /// One tenant.
    ///
    /// # Errors
    /// [`Error::TenantNotFound`], [`Error::Store`].
    pub async fn tenant(&self, id: TenantId) -> Result<NamedTenant, Error> {
        self.stores()?.read(id).await
    }

    /// Tenants by id.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn tenants(
        &self,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<NamedTenant>, Error> {
        let stores = self.stores()?;
        let page = stores
            .records
            .list(cursor, limit)
            .await
            .map_err(Error::store(Store::D1))?;
        let mut items = Vec::with_capacity(page.items.len());
        for record in page.items {
            items.push(stores.with_names(record).await?);
        }
        Ok(Page {
            items,
            next_cursor: page.next_cursor,
        })
    }

    /// How a tenant's model calls are routed (AIG-015).
    ///
    /// # Errors
    /// [`Error::TenantNotFound`], [`Error::Store`].
    pub async fn routing_of(&self, id: TenantId) -> Result<(Tier, Routing), Error> {
        let tier = Tier::effective(&self.tenant_record(id).await?.tier);
        Ok((tier, Routing::of(tier)))
    }

    pub(super) async fn tenant_record(&self, id: TenantId) -> Result<TenantRecord, Error> {
        let record = self
            .tenant_store()?
            .by_id(id)
            .await
            .map_err(Error::store(Store::D1))?;
        record.ok_or(Error::TenantNotFound)
    }

    fn stores(&self) -> Result<TenantStores, Error> {
        Ok(TenantStores {
            records: Arc::clone(self.tenant_store()?),
            registry: Arc::clone(self.registry()?),
        })
    }

    /// Runs a write to its end even when the operator hangs up, one at a time: writes into two stores must not cross.
    async fn write_as_operator<T: Send + 'static>(
        self: Arc<Self>,
        write: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let app = Arc::clone(&self);
        let task = self.background.spawn(async move {
            let _turn = app.operator_turn.lock().await;
            write.await
        });
        task.await.unwrap_or(Err(Error::Internal))
    }
}
