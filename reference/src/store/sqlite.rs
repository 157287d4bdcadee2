//! How connections are opened and what SQLite's errors mean to the ports. Never runs a statement of the application.

use crate::ports::StoreError;
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};
use std::path::Path;
use std::time::Duration;

/// How long a statement waits for another process's lock.
/// Long enough for a seeding transaction of a test (a few ms), short enough that a caller still gets its 503 within a breath.
const BUSY_TIMEOUT: Duration = Duration::from_millis(250);

/// Memory for pages of the writing connection, in KiB as SQLite wants it (negative).
/// A full batch of usage rows changes some hundreds of pages; with SQLite's default of 2,000 KiB they would be written out before the commit and read again.
const WRITING_CACHE_KIB: i64 = -32_768;

/// Address space a reading connection may map: with it a page of a large file costs no system call.
const MAPPED_BYTES_MAX: i64 = 1 << 30;

/// Whose rules a file follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// D1: its limits apply.
    D1,
    /// SQLite as it is.
    Plain,
}

/// A connection that reads and writes; creates the file. Commits are durable when they return.
/// Nothing but its end brings them from the log into the file: see [`super::checkpoints`].
pub(crate) fn open_writing(path: &Path, dialect: Dialect) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    prepare(&connection, dialect)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Else some commit would have to do it, before its callers are answered.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    // A statement that fires a trigger keeps what it may have to undo: by default in a piece of 64 KiB each, and beyond that in a file.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", WRITING_CACHE_KIB)?;
    Ok(connection)
}

/// A connection that can only read.
pub(crate) fn open_reading(path: &Path, dialect: Dialect) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    prepare(&connection, dialect)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "mmap_size", MAPPED_BYTES_MAX)?;
    Ok(connection)
}

fn prepare(connection: &Connection, dialect: Dialect) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    match dialect {
        // The statements are fixed: what D1 refuses beyond limits is asked where migrations are applied.
        Dialect::D1 => d1_platform::set_limits(connection),
        Dialect::Plain => Ok(()),
    }
}

/// Whether the error concerns one statement only: SQLite undid that statement and left the transaction open.
#[must_use]
pub fn is_refusal(error: &rusqlite::Error) -> bool {
    // An error without SQLite's code arose on this side of the call: a value that could not be bound or read.
    error.sqlite_error().is_none_or(|ffi| {
        matches!(
            ffi.code,
            ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch
        )
    })
}

/// The port's word for an error of SQLite.
#[must_use]
pub fn store_error(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error() {
        Some(ffi) if is_busy(ffi.code) => StoreError::Busy(Box::new(error)),
        Some(ffi) if is_duplicate(ffi.extended_code) => match conflicting_column(&error) {
            Some(column) => StoreError::Conflict { column },
            None => StoreError::Unavailable(Box::new(error)),
        },
        Some(ffi) if ffi.extended_code == ffi::SQLITE_CONSTRAINT_FOREIGNKEY => {
            StoreError::MissingReference
        }
        Some(_) | None => StoreError::Unavailable(Box::new(error)),
    }
}

/// Whether the file is held by somebody else.
pub(crate) fn is_busy(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
}

fn is_duplicate(extended_code: i32) -> bool {
    [
        ffi::SQLITE_CONSTRAINT_UNIQUE,
        ffi::SQLITE_CONSTRAINT_PRIMARYKEY,
    ]
    .contains(&extended_code)
}

/// `tenants.id` of `UNIQUE constraint failed: tenants.id`: SQLite tells the column in its message only.
fn conflicting_column(error: &rusqlite::Error) -> Option<String> {
    let rusqlite::Error::SqliteFailure(_, Some(message)) = error else {
        return None;
    };
    let (_, column) = message.split_once("constraint failed: ")?;
    Some(column.to_owned())
}
