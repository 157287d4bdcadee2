//! The target's database: read where it lies, and copied into memory where something has to be tried. Never writes into the file.

use crate::outcome::{Need, Stop};
use crate::words::{Columns, is_id, is_instant};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use moltproof_doubles::clock;
use rusqlite::backup::Backup;
use rusqlite::types::{Value as Sql, ValueRef};
use rusqlite::{Connection, OpenFlags, params_from_iter};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a look waits for a lock. Evidence: the target's transactions take a few milliseconds.
const LOCK_MS_MAX: u64 = 5_000;

/// Pages that are copied in one step: all of a small database at once, so that no write comes in between.
const PAGES_A_STEP: i32 = -1;

/// What belongs to a SQLite database, and how the names of the files end.
const BESIDE: [(&str, &str); 3] = [
    ("the file", ""),
    ("the write-ahead log", "-wal"),
    ("the journal", "-journal"),
];

/// The folder in which a local wrangler keeps what its bindings hold.
const WRANGLER_STATE: &str = "v3";

/// Reads every file below a folder, by its path within the state. What goes away meanwhile is not there.
fn read_all(
    state: &Path,
    folder: &Path,
    files: &mut Vec<(String, Vec<u8>)>,
) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read_all(state, &path, files)?;
            continue;
        }
        let name = path.strip_prefix(state).unwrap_or(&path);
        match std::fs::read(&path) {
            Ok(bytes) => files.push((name.display().to_string(), bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A row: names of columns and values; a BLOB is `{"blob": base64}`.
pub(crate) type Row = Map<String, Value>;

/// The database of a target that lets it be read.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    path: PathBuf,
    /// What its columns are called.
    pub(crate) columns: Arc<Columns>,
}

/// One value somewhere in the database.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    /// `table.column`.
    pub(crate) place: String,
    /// Its text or bytes.
    pub(crate) bytes: Vec<u8>,
}

impl Database {
    /// The one in this file, if it is told where that is.
    pub(crate) fn at(path: Option<PathBuf>, columns: Arc<Columns>) -> Result<Self, Stop> {
        let path = path.ok_or(Stop::lacking(Need::Database))?;
        Ok(Self { path, columns })
    }

    /// Runs `work` on a connection that can only read, on a thread where blocking is allowed. Where the target calls columns
    /// otherwise, a view stands in the place of the table: whoever asks how a table is declared takes [`Self::with_copy`].
    pub(crate) async fn with<T, F>(&self, work: F) -> Result<T, Stop>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (path, columns) = (self.path.clone(), Arc::clone(&self.columns));
        blocking(move || {
            let connection = open(&path)?;
            columns.show(&connection)?;
            work(&connection)
        })
        .await
    }

    /// Runs `work` on a connection that finds the columns called as the target calls them.
    pub(crate) async fn with_theirs<T, F>(&self, work: F) -> Result<T, Stop>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let path = self.path.clone();
        blocking(move || work(&open(&path)?)).await
    }

    /// Runs `work` on a copy in memory with foreign keys on, in which anything may be tried.
    pub(crate) async fn with_copy<T, F>(&self, work: F) -> Result<T, Stop>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (path, columns) = (self.path.clone(), Arc::clone(&self.columns));
        blocking(move || {
            let mut copy = copied(&open(&path)?)?;
            columns.to_ours(&copy)?;
            copy.pragma_update(None, "foreign_keys", true)?;
            work(&mut copy)
        })
        .await
    }

    /// The rows of a query.
    pub(crate) async fn rows(&self, sql: &str, values: Vec<Value>) -> Result<Vec<Row>, Stop> {
        let sql = sql.to_owned();
        self.with(move |connection| rows(connection, &sql, &values))
            .await
    }

    /// The bytes of the file and of what lies beside it (write-ahead log, journal), by name; of a local wrangler's state every file, so that
    /// KV, R2 and caches are among them.
    pub(crate) async fn bytes(&self) -> Result<Vec<(String, Vec<u8>)>, Stop> {
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || {
            let mut files = Vec::new();
            let mut above = path.ancestors();
            if let Some(state) = above.find(|folder| folder.ends_with(WRANGLER_STATE)) {
                read_all(state, state, &mut files)?;
                return Ok(files);
            }
            for (name, ending) in BESIDE {
                let mut file = path.clone().into_os_string();
                file.push(ending);
                match std::fs::read(&file) {
                    Ok(bytes) => files.push((name.to_owned(), bytes)),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(files)
        });
        let fault = |why: String| Stop::Fault(format!("the database's file cannot be read: {why}"));
        read.await
            .map_err(|error| fault(error.to_string()))?
            .map_err(|error| fault(error.to_string()))
    }

    /// Every row that names something in one of its values, with its table, but for those of one table.
    pub(crate) async fn naming(&self, text: &str, but: &str) -> Result<Vec<String>, Stop> {
        let (text, but) = (text.to_owned(), but.to_owned());
        self.with_theirs(move |connection| naming(connection, &text, &but))
            .await
    }

    /// Every value of every table that is text or bytes.
    pub(crate) async fn cells(&self) -> Result<Vec<Cell>, Stop> {
        self.with_theirs(cells).await
    }
}

async fn blocking<T, F>(work: F) -> Result<T, Stop>
where
    T: Send + 'static,
    F: FnOnce() -> rusqlite::Result<T> + Send + 'static,
{
    let fault = |why: String| Stop::Fault(format!("the target's database cannot be read: {why}"));
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| fault(error.to_string()))?
        .map_err(|error| fault(error.to_string()))
}

fn copied(source: &Connection) -> rusqlite::Result<Connection> {
    let mut copy = Connection::open_in_memory()?;
    Backup::new(source, &mut copy)?.step(PAGES_A_STEP)?;
    Ok(copy)
}

fn open(path: &std::path::Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(path, flags)?;
    opened.busy_timeout(Duration::from_millis(LOCK_MS_MAX))?;
    Ok(opened)
}

/// The rows of a query on any connection.
pub(crate) fn rows(
    connection: &Connection,
    sql: &str,
    values: &[Value],
) -> rusqlite::Result<Vec<Row>> {
    let mut statement = connection.prepare(sql)?;
    let names: Vec<String> = statement
        .column_names()
        .into_iter()
        .map(str::to_owned)
        .collect();
    let read = statement.query_map(params_from_iter(values.iter().map(bound)), |row| {
        names
            .iter()
            .enumerate()
            .map(|(at, name)| Ok((name.clone(), read_value(name, told(row.get_ref(at)?)))))
            .collect()
    })?;
    read.collect()
}

fn bound(value: &Value) -> Sql {
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

/// A value as the judges read it, whatever the target keeps: a time in words is one of milliseconds, and an id that is a number is a text.
fn read_value(column: &str, value: Value) -> Value {
    match &value {
        Value::String(text) if is_instant(column) => {
            clock::epoch_ms_of(text).map_or(value, Value::from)
        }
        Value::Number(id) if is_id(column) => json!(id.to_string()),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => value,
    }
}

fn told(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => json!(number),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned().into(),
        ValueRef::Blob(bytes) => json!({"blob": STANDARD.encode(bytes)}),
    }
}

/// The application's tables.
fn tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let mut statement = connection.prepare(sql)?;
    let tables = statement.query_map([], |row| row.get(0))?;
    tables.collect()
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn naming(connection: &Connection, text: &str, but: &str) -> rusqlite::Result<Vec<String>> {
    let mut found = Vec::new();
    for table in tables(connection)?.iter().filter(|table| *table != but) {
        let all = format!("SELECT * FROM {}", quoted(table));
        let columns = connection.prepare(&all)?;
        let names = columns.column_names().into_iter().map(quoted);
        let names: Vec<String> = names.map(|name| format!("instr({name}, ?1) > 0")).collect();
        let sql = format!("{all} WHERE {}", names.join(" OR "));
        for row in rows(connection, &sql, &[Value::String(text.to_owned())])? {
            found.push(format!("{table}: {}", json!(row)));
        }
    }
    found.sort();
    Ok(found)
}

fn cells(connection: &Connection) -> rusqlite::Result<Vec<Cell>> {
    let mut all = Vec::new();
    for table in tables(connection)? {
        let mut statement = connection.prepare(&format!("SELECT * FROM {}", quoted(&table)))?;
        let names: Vec<String> = statement
            .column_names()
            .into_iter()
            .map(str::to_owned)
            .collect();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for (at, name) in names.iter().enumerate() {
                if let ValueRef::Text(bytes) | ValueRef::Blob(bytes) = row.get_ref(at)? {
                    all.push(Cell {
                        place: format!("{table}.{name}"),
                        bytes: bytes.to_vec(),
                    });
                }
            }
        }
    }
    Ok(all)
}
