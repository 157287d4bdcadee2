//! D1 and KV as SQLite files that a running target has open. Never holds a lock for longer than one statement, unless asked to.

use super::{CannotObserve, D1, Kv, Row, WritesHeld};
use async_trait::async_trait;
use rusqlite::types::{Value as Sql, ValueRef};
use rusqlite::{Connection, OpenFlags, params_from_iter};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a look waits for a lock. Evidence: the target's transactions take a few milliseconds; a fault that locks for longer is not made by lock.
const LOCK_MS_MAX: u64 = 5_000;

/// A SQLite file, opened at the first look and kept open.
#[derive(Debug, Clone)]
pub struct SqliteFile {
    what: &'static str,
    path: PathBuf,
    also: Vec<PathBuf>,
    connection: Arc<Mutex<Option<Connection>>>,
}

impl SqliteFile {
    /// The file of a D1 database.
    #[must_use]
    pub fn d1(path: &Path) -> Self {
        Self {
            what: "D1",
            path: path.to_owned(),
            also: Vec::new(),
            connection: Arc::default(),
        }
    }

    /// The same with a further file: a table that is not in the first one is looked for there.
    #[must_use]
    pub fn with(mut self, path: &Path) -> Self {
        self.also.push(path.to_owned());
        self
    }

    async fn run<T, F>(&self, work: F) -> Result<T, CannotObserve>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let Self {
            what,
            path,
            also,
            connection,
        } = self.clone();
        let cannot = move |why: String| CannotObserve { what, why };
        tokio::task::spawn_blocking(move || {
            let mut slot = connection.lock().unwrap_or_else(PoisonError::into_inner);
            if slot.is_none() {
                let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let opened = Connection::open_with_flags(&path, flags)?;
                opened.busy_timeout(Duration::from_millis(LOCK_MS_MAX))?;
                // A row deleted behind the target's back takes its usage with it, as D1 would have it.
                opened.pragma_update(None, "foreign_keys", true)?;
                for (number, file) in also.iter().enumerate() {
                    let file = file.to_string_lossy().into_owned();
                    opened.execute(&format!("ATTACH DATABASE ?1 AS further{number}"), [file])?;
                }
                *slot = Some(opened);
            }
            slot.as_ref()
                .map_or(Err(rusqlite::Error::InvalidQuery), work)
        })
        .await
        .map_err(|error| cannot(error.to_string()))?
        .map_err(|error| cannot(error.to_string()))
    }
}

fn bind(value: &Value) -> Sql {
    match value {
        Value::Null => Sql::Null,
        Value::Bool(flag) => Sql::Integer(i64::from(*flag)),
        Value::Number(number) => number.as_i64().map_or_else(
            || Sql::Real(number.as_f64().unwrap_or_default()),
            Sql::Integer,
        ),
        Value::String(text) => Sql::Text(text.clone()),
        Value::Array(_) | Value::Object(_) => Sql::Text(value.to_string()),
    }
}

fn read(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => json!(number),
        ValueRef::Real(number) => json!(number),
        ValueRef::Text(text) => json!(String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => json!(data_encoding::HEXLOWER.encode(bytes)),
    }
}

fn rows(connection: &Connection, sql: &str, params: &[Sql]) -> rusqlite::Result<Vec<Row>> {
    let mut statement = connection.prepare_cached(sql)?;
    let names: Vec<String> = statement
        .column_names()
        .into_iter()
        .map(str::to_owned)
        .collect();
    let mut found = statement.query(params_from_iter(params))?;
    let mut list = Vec::new();
    while let Some(row) = found.next()? {
        let mut object = Row::new();
        for (index, name) in names.iter().enumerate() {
            object.insert(name.clone(), read(row.get_ref(index)?));
        }
        list.push(object);
    }
    Ok(list)
}

#[async_trait]
impl D1 for SqliteFile {
    async fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, CannotObserve> {
        let (sql, params) = (sql.to_owned(), params.iter().map(bind).collect::<Vec<_>>());
        self.run(move |connection| rows(connection, &sql, &params))
            .await
    }

    async fn execute(&self, sql: &str, params: &[Value]) -> Result<usize, CannotObserve> {
        let (sql, params) = (sql.to_owned(), params.iter().map(bind).collect::<Vec<_>>());
        self.run(move |connection| {
            connection
                .prepare_cached(&sql)?
                .execute(params_from_iter(params))
        })
        .await
    }

    async fn hold_writes(&self) -> Result<Option<WritesHeld>, CannotObserve> {
        let path = self.path.clone();
        self.run(move |_observer| {
            // A connection of its own: closing it ends the transaction, and the observer can look meanwhile.
            let holder = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            holder.busy_timeout(Duration::from_millis(LOCK_MS_MAX))?;
            holder.execute_batch("BEGIN IMMEDIATE")?;
            Ok(Some(Box::new(holder) as WritesHeld))
        })
        .await
    }
}

/// A KV namespace in a SQLite file with a table `kv(key, value, expires_at)`.
#[derive(Debug, Clone)]
pub struct SqliteKv(SqliteFile);

impl SqliteKv {
    /// The file of a KV namespace.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(SqliteFile {
            what: "KV",
            path: path.to_owned(),
            also: Vec::new(),
            connection: Arc::default(),
        })
    }
}

#[async_trait]
impl Kv for SqliteKv {
    async fn get(&self, key: &str) -> Result<Option<String>, CannotObserve> {
        let found = self
            .0
            .query("SELECT value FROM kv WHERE key = ?1", &[json!(key)])
            .await?;
        Ok(found
            .first()
            .and_then(|row| row.get("value")?.as_str().map(str::to_owned)))
    }

    async fn metadata(&self, _key: &str) -> Result<Option<Value>, CannotObserve> {
        // Such a file has no place for any.
        Ok(None)
    }

    async fn put_with_metadata(
        &self,
        _key: &str,
        _value: &str,
        _metadata: &Value,
    ) -> Result<(), CannotObserve> {
        Err(CannotObserve {
            what: "KV",
            why: "the table has no column for metadata".to_owned(),
        })
    }

    async fn put(&self, key: &str, value: &str) -> Result<(), CannotObserve> {
        let sql = "INSERT INTO kv (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2, expires_at = NULL";
        self.0
            .execute(sql, &[json!(key), json!(value)])
            .await
            .map(drop)
    }

    async fn delete(&self, key: &str) -> Result<(), CannotObserve> {
        self.0
            .execute("DELETE FROM kv WHERE key = ?1", &[json!(key)])
            .await
            .map(drop)
    }

    async fn keys(&self, prefix: &str) -> Result<Vec<String>, CannotObserve> {
        let sql = "SELECT key FROM kv WHERE substr(key, 1, length(?1)) = ?1 ORDER BY key";
        let found = self.0.query(sql, &[json!(prefix)]).await?;
        Ok(found
            .iter()
            .filter_map(|row| row.get("key")?.as_str().map(str::to_owned))
            .collect())
    }
}
