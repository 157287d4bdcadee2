//! D1 as an SQLite file: tenants and usage. Never holds a rule of the contract.

pub mod migrations;

use crate::domain::sandbox_id::SandboxId;
use crate::domain::tenant::{TenantId, TenantRecord};
use crate::domain::usage::UsageRow;
use crate::ports::{Page, StoreError, TenantChange, TenantStore, UsageRange, UsageStore};
use async_trait::async_trait;
use migrations::{Migration, MigrationError};
use std::path::Path;
use std::sync::Arc;

/// Why a database file could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A migration failed.
    #[error(transparent)]
    Migration(#[from] MigrationError),
    /// SQLite refused.
    #[error("database file cannot be opened")]
    Sqlite(#[from] rusqlite::Error),
    /// The writer thread could not be started.
    #[error("writer thread cannot be started")]
    Thread(#[from] std::io::Error),
}

/// The D1 database of the backend. Clones share it.
#[derive(Clone)]
pub struct Database {
    _inner: Arc<()>,
}

impl Database {
    /// Opens the file, creating it if need be, and applies what is missing of `migrations`.
    ///
    /// # Errors
    /// [`OpenError`] if the file cannot be opened or a migration fails.
    pub fn open(_path: &Path, _migrations: &[Migration]) -> Result<Self, OpenError> {
        unimplemented!("follows")
    }

    /// Writes what is queued and stops the writer. Later writes fail.
    pub fn close(self) {}
}

#[async_trait]
impl TenantStore for Database {
    async fn by_id(&self, _id: TenantId) -> Result<Option<TenantRecord>, StoreError> {
        unimplemented!("follows")
    }
    async fn by_sandbox_id(&self, _id: SandboxId) -> Result<Option<TenantRecord>, StoreError> {
        unimplemented!("follows")
    }
    async fn insert(&self, _record: &TenantRecord) -> Result<(), StoreError> {
        unimplemented!("follows")
    }
    async fn update(
        &self,
        _id: TenantId,
        _change: &TenantChange,
    ) -> Result<Option<TenantRecord>, StoreError> {
        unimplemented!("follows")
    }
    async fn delete(&self, _id: TenantId) -> Result<bool, StoreError> {
        unimplemented!("follows")
    }
    async fn list(
        &self,
        _cursor: Option<&str>,
        _limit: u32,
    ) -> Result<Page<TenantRecord>, StoreError> {
        unimplemented!("follows")
    }
}

#[async_trait]
impl UsageStore for Database {
    async fn insert(&self, _row: &UsageRow) -> Result<(), StoreError> {
        unimplemented!("follows")
    }
    async fn list(
        &self,
        _tenant: TenantId,
        _range: &UsageRange,
    ) -> Result<Page<UsageRow>, StoreError> {
        unimplemented!("follows")
    }
}
