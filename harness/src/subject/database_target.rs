//! A target that is nothing but a database. Never reaches anything over HTTP.

use super::database::Database;
use super::dialect::Dialect;
use super::manifest::{Accept, Manifest};
use super::{Disposable, Fault, Instance, Limits, Migrated, Target};
use crate::contract::need::{Need, Variant};
use crate::contract::profile::Profile;
use async_trait::async_trait;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why nothing but the database can be looked at.
const NO_WORKER: &str =
    "the target is a database and nothing else (manifest: it claims no profile but data)";

/// A target that is a database and nothing else.
pub struct DatabaseTarget {
    manifest: Manifest,
    dialect: Dialect,
    limits: Limits,
}

impl DatabaseTarget {
    /// The database that this manifest describes; nothing is started.
    #[must_use]
    pub fn new(manifest: Manifest) -> Self {
        Self {
            dialect: manifest.dialect.clone(),
            limits: Limits::default(),
            manifest,
        }
    }
}

#[async_trait]
impl Target for DatabaseTarget {
    fn name(&self) -> String {
        self.manifest.name.clone()
    }

    fn lacks(&self, _need: Need) -> Option<String> {
        Some(NO_WORKER.to_owned())
    }

    fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    fn profiles(&self) -> &[Profile] {
        &self.manifest.profiles
    }

    fn database(&self) -> Result<Option<Database>, Fault> {
        Ok(self.manifest.database())
    }

    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn impossible(&self, criterion: &str, scenario: &str) -> Option<String> {
        self.manifest.impossible(criterion, scenario)
    }

    fn accepts(&self) -> &[Accept] {
        &self.manifest.accept
    }

    async fn instance(&self, _variant: Variant) -> Result<Arc<Instance>, Fault> {
        Err(Fault(NO_WORKER.to_owned()))
    }

    async fn disposable(&self) -> Result<Box<dyn Disposable>, Fault> {
        Err(Fault(NO_WORKER.to_owned()))
    }

    async fn migrate(&self, _folder: &Path, _database: &Path) -> Result<Migrated, Fault> {
        Err(Fault(NO_WORKER.to_owned()))
    }

    fn migrations(&self) -> Option<PathBuf> {
        None
    }
}
