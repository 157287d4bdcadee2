//! A SQLite database, with what its write-ahead log holds. Never writes to it, nor beside it.

use super::{Kind, Source, Unusable, schema};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long another process may hold the database.
const PATIENCE: Duration = Duration::from_secs(2);

/// The largest database with a log that is copied when it cannot be read where it lies: 1 GiB.
const COPY_MAX: u64 = 1 << 30;

/// Reads the schema of a database.
///
/// # Errors
/// [`Unusable::Database`], [`Unusable::Locked`], [`Unusable::Unreadable`].
pub(super) fn open(path: &Path) -> Result<Source, Unusable> {
    let has = |ending: &str| {
        beside(path, ending)
            .metadata()
            .is_ok_and(|file| file.len() > 0)
    };
    let (has_log, has_index) = (has("-wal"), has("-shm"));
    if has_log && !has_index || has("-journal") {
        return from_copy(path);
    }
    let read = if has_log {
        connect(&path.display().to_string(), false)
    } else {
        // Nothing stands beside it, and nothing shall: a plain opening of a database in WAL mode makes two files.
        connect(&immutable(path), true)
    };
    match read.and_then(|connection| source(&connection, path)) {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::CannotOpen) && has_log => {
            from_copy(path)
        }
        outcome => outcome.map_err(|error| unusable(path, error)),
    }
}

/// A copy of the database and its log, in a folder that goes with this call.
fn from_copy(path: &Path) -> Result<Source, Unusable> {
    let unreadable = |source| Unusable::Unreadable {
        path: path.to_owned(),
        source,
    };
    let size = path.metadata().map_err(unreadable)?.len();
    if size > COPY_MAX {
        return Err(Unusable::NotSql {
            path: path.to_owned(),
            reason: format!(
                "has {} MiB and a log that was not taken over; open it once with `sqlite3 FILE .schema`, then it can be read where it lies",
                size >> 20
            ),
        });
    }
    let folder = tempfile::tempdir().map_err(unreadable)?;
    let copy = folder.path().join("copy.sqlite");
    for ending in ["", "-wal", "-journal"] {
        let from = beside(path, ending);
        if from.is_file() {
            std::fs::copy(&from, beside(&copy, ending)).map_err(unreadable)?;
        }
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(&copy, flags)
        .and_then(|connection| source(&connection, path))
        .map_err(|error| unusable(path, error))
}

fn connect(name: &str, is_uri: bool) -> rusqlite::Result<Connection> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags.set(OpenFlags::SQLITE_OPEN_URI, is_uri);
    let connection = Connection::open_with_flags(name, flags)?;
    connection.busy_timeout(PATIENCE)?;
    Ok(connection)
}

/// The database as a URI by which SQLite makes no file beside it.
fn immutable(path: &Path) -> String {
    let path = path.display().to_string();
    let escaped = path
        .replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23");
    let root = if escaped.starts_with('/') { "//" } else { "" };
    format!("file:{root}{escaped}?immutable=1")
}

fn source(connection: &Connection, path: &Path) -> rusqlite::Result<Source> {
    let mut statement = connection.prepare(
        "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid",
    )?;
    let objects = statement.query_map([], |row| {
        Ok(schema::Object {
            kind: row.get(0)?,
            name: row.get(1)?,
            sql: row.get(2)?,
        })
    })?;
    let objects: Vec<schema::Object> = objects.collect::<rusqlite::Result<_>>()?;
    Ok(Source {
        shown: path.display().to_string(),
        files: vec![schema::file(path, &objects)],
        kind: Kind::Database,
        applied: applied(connection)?,
        ..Source::default()
    })
}

/// What wrangler has applied, in order.
fn applied(connection: &Connection) -> rusqlite::Result<Option<Vec<String>>> {
    let known: Option<i64> = connection
        .query_row(
            "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'd1_migrations'",
            [],
            |row| row.get(0),
        )
        .optional()?;
    if known.is_none() {
        return Ok(None);
    }
    let mut statement = connection.prepare("SELECT name FROM d1_migrations ORDER BY id")?;
    let names = statement.query_map([], |row| row.get(0))?;
    names.collect::<rusqlite::Result<_>>().map(Some)
}

fn unusable(path: &Path, source: rusqlite::Error) -> Unusable {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Unusable::Locked { path },
        _ => Unusable::Database { path, source },
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}
