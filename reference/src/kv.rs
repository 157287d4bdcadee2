//! Workers KV as an SQLite file. Never knows what a tenant's record holds.

use crate::domain::sandbox_id::SandboxId;
use crate::domain::tenant::{TenantId, TenantNames};
use crate::ports::{Clock, Registry, SandboxKv, StoreError};
use crate::store::OpenError;
use async_trait::async_trait;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A KV namespace.
#[derive(Clone)]
pub struct Kv {
    _inner: Arc<()>,
}

impl Kv {
    /// Opens the file, creating it if need be.
    ///
    /// # Errors
    /// [`OpenError`] if the file cannot be opened.
    pub fn open(_path: &Path, _clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        unimplemented!("follows")
    }
}

#[async_trait]
impl Registry for Kv {
    async fn by_slug(&self, _slug: &str) -> Result<Option<TenantId>, StoreError> {
        unimplemented!("follows")
    }
    async fn by_host(&self, _host: &str) -> Result<Option<TenantId>, StoreError> {
        unimplemented!("follows")
    }
    async fn names(&self, _tenant: TenantId) -> Result<Option<TenantNames>, StoreError> {
        unimplemented!("follows")
    }
    async fn claim(&self, _tenant: TenantId, _names: &TenantNames) -> Result<(), StoreError> {
        unimplemented!("follows")
    }
    async fn release(&self, _tenant: TenantId) -> Result<(), StoreError> {
        unimplemented!("follows")
    }
}

#[async_trait]
impl SandboxKv for Kv {
    async fn get(&self, _sandbox: SandboxId, _key: &str) -> Result<Option<String>, StoreError> {
        unimplemented!("follows")
    }
    async fn put(
        &self,
        _sandbox: SandboxId,
        _key: &str,
        _value: &str,
        _ttl: Option<Duration>,
    ) -> Result<(), StoreError> {
        unimplemented!("follows")
    }
    async fn clear(&self, _sandbox: SandboxId) -> Result<(), StoreError> {
        unimplemented!("follows")
    }
}
