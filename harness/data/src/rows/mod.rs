//! Makes rows for any table: types, NOT NULL, references, CHECK, UNIQUE and JSON are heeded. Never makes a row that the schema refuses.

#[cfg(test)]
mod any_schema;
mod attempt;
mod candidate;
mod depends;
mod filler;
#[cfg(test)]
mod full;
mod look;
mod many;
mod order;
mod outside;
mod parent;
mod pattern;
mod plan;
mod reference;
mod search;
mod spare;
mod state;
mod tenancy;
mod tenants;
mod term;
#[cfg(test)]
mod tests;
mod twin;
mod value;
mod virtual_table;
mod wish;
mod world;

pub use candidate::{
    Choices, candidates, candidates_of_deletion, candidates_of_query, candidates_of_trigger,
    conditions_of,
};
pub use filler::Filler;
pub use many::{Many, fill_many};
pub(crate) use outside::{is_checked, put_outside, put_value, restricted};
pub use spare::{Effort, Statements, Wanted, spares};
pub use tenancy::{Owner, Tenancy};
pub use tenants::{Tenants, fill_one_tenant, fill_tenants};

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
/// Returns the tables that could not be filled. A table whose constraints have room for fewer rows, but for one at least, counts as filled.
///
/// # Errors
/// What SQLite says where the database itself cannot be used.
pub fn fill(
    connection: &Connection,
    schema: &Schema,
    later: &Schema,
    tables: &[Name],
    rows: usize,
    seed: u64,
) -> rusqlite::Result<Vec<Unfilled>> {
    Filler::new(seed)?.fill(connection, schema, later, tables, rows)
}
