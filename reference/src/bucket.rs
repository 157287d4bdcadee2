//! R2 as a directory. Never reads or writes outside of it.

use crate::domain::sandbox_id::SandboxId;
use crate::ports::{SandboxBucket, StoreError};
use async_trait::async_trait;
use std::path::{Path, PathBuf};

/// A bucket whose objects are files at `<sandbox_id>/<key>`.
#[derive(Debug, Clone)]
pub struct DirectoryBucket {
    _root: PathBuf,
}

impl DirectoryBucket {
    /// Opens the directory, creating it if need be.
    ///
    /// # Errors
    /// If the directory cannot be created.
    pub fn open(dir: &Path) -> std::io::Result<Self> {
        Ok(Self {
            _root: dir.to_owned(),
        })
    }
}

#[async_trait]
impl SandboxBucket for DirectoryBucket {
    async fn get(&self, _sandbox: SandboxId, _key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        unimplemented!("follows")
    }
    async fn put(&self, _sandbox: SandboxId, _key: &str, _bytes: &[u8]) -> Result<(), StoreError> {
        unimplemented!("follows")
    }
    async fn clear(&self, _sandbox: SandboxId) -> Result<(), StoreError> {
        unimplemented!("follows")
    }
}
