//! The worker's D1 database as an SQLite file. Never holds a rule of the contract but those that the schema has.
//!
//! Reads of a row or two run on the calling thread, listings on a thread that may block; writes of all callers go through one thread and
//! share commits, each in a savepoint of its own.

pub mod audit;
pub mod chats;
pub mod conversations;
pub mod deliveries;
pub mod flags;
pub mod gate;
pub mod jobs;
pub mod keys;
pub mod preferences;
pub mod prices;
pub mod reports;
pub mod schema;
pub mod sessions;
mod usage_rows;
pub mod webhooks;

use crate::domain::environment::Environment;
use moltworker_reference::ports::StoreError;
use moltworker_reference::store::{Dialect, SqliteFile};
use rusqlite::{Connection, Row};
use schema::SchemaError;
use serde_json::value::RawValue;
use std::path::Path;
use std::sync::Arc;

/// Statements that are kept prepared: more than there are.
const STATEMENTS_KEPT: usize = 128;

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A migration failed, or a file was edited after it was applied.
    #[error("the schema cannot be brought up to date")]
    Schema(#[from] SchemaError),
    /// The file cannot be opened.
    #[error("the database file cannot be opened")]
    File(#[from] moltworker_reference::store::OpenError),
}

/// Who changes something, and when.
#[derive(Debug, Clone)]
pub struct Act {
    /// The operator's name.
    pub actor: String,
    /// The request's id.
    pub request_id: String,
    /// Epoch milliseconds.
    pub now: i64,
}

/// What a change that may not be made runs into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such thing.
    NotFound,
    /// It is in the way of something else, or not in the state for it.
    Conflict,
}

/// The database. Clones share it.
#[derive(Clone)]
pub struct Store {
    file: SqliteFile,
    waiting: Arc<usage_rows::Waiting>,
}

impl Store {
    /// Opens the file, creating it if need be, and applies what is missing of the migrations.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(path: &Path, environment: Environment, now: i64) -> Result<Self, OpenError> {
        schema::migrate(path, &schema::embedded(), environment, now)?;
        let file = SqliteFile::open(path, Dialect::D1, |connection| {
            connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
            Ok(())
        })?;
        let waiting = Arc::default();
        Ok(Self { file, waiting })
    }

    /// Writes what is queued and stops the writing thread.
    pub fn close(&self) {
        self.file.close();
    }

    /// Changes something, whole or not at all.
    async fn change<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let change = self.try_change(|connection| work(connection).map(Ok::<T, Refusal>));
        // `work` refuses nothing.
        change.await?.map_err(|_never| StoreError::MissingReference)
    }

    /// Changes something, or finds that it may not; then nothing is changed.
    async fn try_change<T, F>(&self, work: F) -> Result<Result<T, Refusal>, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<Result<T, Refusal>> + Send + 'static,
    {
        self.file
            .write(|connection| in_savepoint(connection, work))
            .await
    }

    /// As [`Self::change`], for what changes the database by one statement at most.
    async fn change_once<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.file.write(|connection| work(connection)).await
    }

    /// Counts something: whole or not at all, and for good unless the power fails before the next change.
    async fn count<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let work = |connection: &Connection| work(connection).map(Ok::<T, Refusal>);
        let count = self
            .file
            .write_unflushed(|connection| in_savepoint(connection, work));
        // `work` refuses nothing.
        count.await?.map_err(|_never| StoreError::MissingReference)
    }

    /// Lists rows.
    async fn list<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.file.read_list(read).await
    }
}

/// Does something whole or not at all: beside what others do in the same transaction, and whatever it runs into.
fn in_savepoint<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<Result<T, Refusal>>,
) -> rusqlite::Result<Result<T, Refusal>> {
    run(connection, "SAVEPOINT change")?;
    let outcome = work(connection);
    // A full disk, for example, has ended the whole transaction already.
    if connection.is_autocommit() {
        return outcome;
    }
    if !matches!(outcome, Ok(Ok(_))) {
        run(connection, "ROLLBACK TO change")?;
    }
    run(connection, "RELEASE change")?;
    outcome
}

fn run(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

/// A JSON text of the database.
fn json_column(row: &Row<'_>, name: &str) -> rusqlite::Result<Box<RawValue>> {
    let text: String = row.get(name)?;
    RawValue::from_string(text).map_err(|_source| rusqlite::Error::InvalidQuery)
}

/// The same where it may be null.
fn json_column_or_null(row: &Row<'_>, name: &str) -> rusqlite::Result<Option<Box<RawValue>>> {
    let text: Option<String> = row.get(name)?;
    let value = text.map(RawValue::from_string).transpose();
    value.map_err(|_source| rusqlite::Error::InvalidQuery)
}

/// A list of words that is kept as JSON.
fn words_column(row: &Row<'_>, name: &str) -> rusqlite::Result<Vec<String>> {
    let text: String = row.get(name)?;
    serde_json::from_str(&text).map_err(|_source| rusqlite::Error::InvalidQuery)
}

/// The JSON of something of ours, whose keys are texts.
fn json_text(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|_source| rusqlite::Error::InvalidQuery)
}

#[cfg(test)]
mod tests;
