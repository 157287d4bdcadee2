//! Applies the files of a source one by one as D1 does, to an empty database and to one with rows, and keeps what each statement did.
//! Never touches a database of the user's.

use crate::catalog::{Name, Schema};
use crate::engine::{Deed, Engine, Refusal};
use crate::rows::Unfilled;
use crate::text::{FileId, Span, Statement};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A replayed source.
#[derive(Debug)]
pub struct Replay {
    /// Every statement in order, those behind a failure left out.
    pub steps: Vec<Step>,
    /// The files that did not apply to the empty database. Later files were applied nevertheless.
    pub failed: BTreeMap<FileId, usize>,
    /// The schema at the end, on the empty database.
    pub schema: Schema,
    /// The empty database at the end.
    pub empty: Engine,
    /// The statement that made each object, or changed it last, by kind and name (`("table", users)`).
    pub sites: BTreeMap<(ObjectKind, Name), Span>,
}

/// Kinds of objects in `sqlite_schema`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// A table, virtual ones included.
    Table,
    /// An index.
    Index,
    /// A trigger.
    Trigger,
    /// A view.
    View,
}

/// One statement and what became of it.
#[derive(Debug)]
pub struct Step {
    /// The statement.
    pub statement: Statement,
    /// What it did, as far as SQLite prepared it.
    pub deeds: Vec<Deed>,
    /// What it changed in `sqlite_schema`.
    pub changes: Vec<Change>,
    /// Why it failed on the empty database, if it did.
    pub empty: Option<Failure>,
    /// What happened on the database with rows; none where rows cannot matter, or where the empty database failed.
    pub filled: Option<Filled>,
}

/// An object before and after a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its name.
    pub name: Name,
    /// The table that it belongs to; itself for a table.
    pub table: Name,
    /// Its statement before; none if it was not there.
    pub before: Option<Arc<str>>,
    /// Its statement after; none if it is gone.
    pub after: Option<Arc<str>>,
}

/// A statement on the database with rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filled {
    /// Why it failed.
    pub failure: Option<Failure>,
    /// Rows that went, came to hold NULL, or changed, in tables that the statement does not name.
    pub effects: Vec<Effect>,
    /// Tables that could not be filled before this file; nothing is known of them.
    pub unfilled: Vec<Unfilled>,
}

/// What a statement did to rows of a table that it does not name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Rows are gone.
    RowsGone {
        /// The table.
        table: Name,
        /// How many there were.
        before: u64,
        /// How many are left.
        after: u64,
    },
    /// A column holds NULL or its default where it held a value.
    Reset {
        /// The table.
        table: Name,
        /// The column.
        column: Name,
        /// In how many rows.
        rows: u64,
    },
}

/// Why a statement failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// D1's refusal, if it was that; otherwise SQLite's error.
    pub refusal: Option<Refusal>,
    /// What SQLite says.
    pub message: String,
    /// SQLite's extended result code.
    pub code: i32,
    /// The byte of the statement that SQLite points at.
    pub offset: Option<usize>,
}
