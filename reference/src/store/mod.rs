//! D1 as an SQLite file: tenants and usage. Never holds a rule of the contract.

pub mod migrations;

mod checkpoints;
pub mod file;
pub mod sqlite;
mod statements;
mod tenants;
mod usage;
mod writer;

pub use file::SqliteFile;
pub use sqlite::{Dialect, is_refusal, store_error};
pub use tenants::BY_ID as TENANT_BY_ID;
pub use usage::LIST as USAGE_OF_A_TENANT;

use migrations::{Migration, MigrationError};
use std::path::Path;

/// Why a database file could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A migration failed.
    #[error("migrations could not be applied")]
    Migration(#[from] MigrationError),
    /// SQLite refused.
    #[error("database file cannot be opened")]
    Sqlite(#[from] rusqlite::Error),
    /// The writing thread could not be started.
    #[error("writing thread cannot be started")]
    Thread(#[from] std::io::Error),
}

/// The D1 database of the backend: `tenants` and `usage`. Clones share it.
///
/// Point reads run on the calling thread (some microseconds), listings on a thread that may block.
/// Writes of all callers go through one thread and share commits; each returns once it is on the disk.
/// Dropping the last clone writes what is still queued, which blocks for as long as that takes.
#[derive(Clone)]
pub struct Database {
    file: SqliteFile,
}

impl Database {
    /// Opens the file, creating it if need be, and applies what is missing of `migrations`.
    ///
    /// # Errors
    /// [`OpenError`] if the file cannot be opened or a migration fails.
    pub fn open(path: &Path, migrations: &[Migration]) -> Result<Self, OpenError> {
        migrations::apply(path, migrations)?;
        let file = SqliteFile::open(path, Dialect::D1, |_connection| Ok(()))?;
        Ok(Self { file })
    }

    /// Writes what is queued and stops the writing thread, which blocks for as long as that takes. Later writes of other clones fail.
    pub fn close(self) {
        self.file.close();
    }
}

#[cfg(test)]
mod tests;
