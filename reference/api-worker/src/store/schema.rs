//! The schema's files: applied in order, each once, recorded with its SHA-256. Never applies a file that was edited after it was applied.

use crate::domain::credential::sha256_hex;
use crate::domain::environment::Environment;
use moltworker_reference::store::migrations::{
    Migration, MigrationError, apply_again, apply_recorded,
};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use std::path::Path;

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// A file failed.
    #[error("a file of the schema failed")]
    Migration(#[from] MigrationError),
    /// A file that was applied has another text now; nothing was applied.
    #[error("{file} was edited after it was applied; write a new migration instead")]
    Edited {
        /// Its name.
        file: String,
    },
    /// `schema_metadata` cannot be read.
    #[error("the record of applied files cannot be read")]
    Record(#[source] rusqlite::Error),
}

macro_rules! files {
    ($folder:literal, $($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../../../migrations/api-worker/", $folder, $name)))),+]
    };
}

fn migration((name, sql): (&str, &str)) -> Migration {
    Migration {
        name: name.to_owned(),
        sql: sql.to_owned(),
    }
}

/// The migrations of this repository (`migrations/api-worker/*.sql`), compiled in.
#[must_use]
pub fn embedded() -> Vec<Migration> {
    files!(
        "",
        "0001_schema_and_environment.sql",
        "0002_keys_and_sessions.sql",
        "0003_conversations.sql",
        "0004_prices_and_usage.sql",
        "0005_limits_preferences_flags.sql",
        "0006_webhooks.sql",
        "0007_audit_and_metrics.sql",
    )
    .map(migration)
    .into()
}

/// The development seed.
#[must_use]
pub fn development_seed() -> Migration {
    let [seed] = files!("seeds/", "dev_seed.sql").map(migration);
    seed
}

/// The production set-up.
#[must_use]
pub fn production_set_up() -> Migration {
    let [set_up] = files!("seeds/", "prod_setup.sql").map(migration);
    set_up
}

/// Applies what is missing, each file in one transaction with its record.
///
/// # Errors
/// [`SchemaError`]; of an edited file before anything is applied.
pub fn migrate(
    path: &Path,
    files: &[Migration],
    environment: Environment,
    now: i64,
) -> Result<(), SchemaError> {
    refuse_edited(path, files)?;
    let record = |connection: &Connection, file: &Migration| {
        record(connection, file, version(file), environment, now)
    };
    apply_recorded(path, files, record)?;
    Ok(())
}

/// Applies a seed or set-up file, which may run again, in one transaction with its record.
///
/// # Errors
/// [`SchemaError`]; then nothing of it is there.
pub fn set_up(
    path: &Path,
    file: &Migration,
    environment: Environment,
    now: i64,
) -> Result<(), SchemaError> {
    refuse_edited(path, std::slice::from_ref(file))?;
    let record_once = |connection: &Connection, file: &Migration| {
        if recorded(connection, &file.name)?.is_some() {
            return Ok(());
        }
        let newest = "SELECT coalesce(max(version), 0) FROM schema_metadata";
        let version = connection.query_row(newest, [], |row| row.get(0))?;
        record(connection, file, version, environment, now)
    };
    apply_again(path, file, record_once)?;
    Ok(())
}

fn version(file: &Migration) -> i64 {
    let digits: String = file.name.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

fn record(
    connection: &Connection,
    file: &Migration,
    version: i64,
    environment: Environment,
    now: i64,
) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO schema_metadata (file, version, environment, sha256, applied_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![file.name, version, environment.name(), sha256_hex(file.sql.as_bytes()), now],
    )?;
    Ok(())
}

fn recorded(connection: &Connection, file: &str) -> rusqlite::Result<Option<String>> {
    connection
        .query_row(
            "SELECT sha256 FROM schema_metadata WHERE file = ?1",
            [file],
            |row| row.get(0),
        )
        .optional()
}

fn refuse_edited(path: &Path, files: &[Migration]) -> Result<(), SchemaError> {
    if !path.exists() {
        return Ok(());
    }
    let read = || -> rusqlite::Result<Option<String>> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let table = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_metadata'";
        if !connection.prepare(table)?.exists([])? {
            return Ok(None);
        }
        for file in files {
            let known = recorded(&connection, &file.name)?;
            if known.is_some_and(|sha256| sha256 != sha256_hex(file.sql.as_bytes())) {
                return Ok(Some(file.name.clone()));
            }
        }
        Ok(None)
    };
    match read().map_err(SchemaError::Record)? {
        Some(file) => Err(SchemaError::Edited { file }),
        None => Ok(()),
    }
}
