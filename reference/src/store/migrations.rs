//! Numbered migrations, applied as D1 applies them. Never changes a file that was applied.

use std::path::Path;

/// One migration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// The file's name, as `d1_migrations` records it (`0001_tenants_and_usage.sql`).
    pub name: String,
    /// Its text.
    pub sql: String,
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Names of the migrations of this run, in order; those applied earlier are not among them.
    pub names: Vec<String>,
}

/// Why a run stopped.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// A statement failed; nothing of its file is left behind.
    #[error("migration {file} failed at line {line}")]
    Statement {
        /// Name of the file.
        file: String,
        /// Line of the failing statement within the file, from 1.
        line: usize,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
}

/// The migrations of this repository, compiled in.
#[must_use]
pub fn embedded() -> Vec<Migration> {
    unimplemented!("follows")
}

/// The migrations of a directory; sub-folders and other files are ignored.
///
/// # Errors
/// [`MigrationError`] if the directory or a file cannot be read.
pub fn from_dir(_dir: &Path) -> Result<Vec<Migration>, MigrationError> {
    unimplemented!("follows")
}

/// Applies what is missing.
///
/// # Errors
/// [`MigrationError`] if a file fails: it leaves nothing behind and those after it are not applied.
pub fn apply(_path: &Path, _migrations: &[Migration]) -> Result<Applied, MigrationError> {
    unimplemented!("follows")
}
