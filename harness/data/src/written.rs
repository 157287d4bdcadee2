//! How many rows a statement writes, as D1 bills them, counted on a copy of the database. Never judges the figure, and never changes what it is given.
//!
//! D1 counts each row that is inserted, updated or deleted, by triggers and references too, and each entry that an insertion or an update makes in
//! an index (workerd's `0001-row-counts-plain.patch`); the SQLite that is built in counts neither. Triggers of our own on the copy therefore hear
//! of every row. Which indexes an update writes anew, SQLite itself says: the program of `UPDATE t SET c = c` names them for each column.
//! `fixtures/d1/written.tsv` holds statements with what D1 billed for them, and `ci/d1-probe` asks real workerd for the same figures.

mod counters;

use crate::catalog::{Name, Schema, Table};
use crate::engine::{Deed, Engine, Failure};
use counters::Counter;
use rusqlite::functions::FunctionFlags;
use rusqlite::limits::Limit;
use rusqlite::types::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// The function by which the triggers of the copy tell what was written: place of the table, rows, entries in indexes.
const TELL: &str = "moltproof_written";

/// What was written to one table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Part {
    /// Rows that were inserted, updated or deleted.
    pub rows: u64,
    /// Entries that were made in its indexes.
    pub entries: u64,
}

/// What a statement wrote, table by table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// The tables that were written to.
    pub tables: BTreeMap<Name, Part>,
}

impl Written {
    /// What D1 bills: rows and entries of indexes together.
    #[must_use]
    pub fn billed(&self) -> u64 {
        let parts = self.tables.values();
        parts.map(|part| part.rows + part.entries).sum()
    }

    /// Adds what another statement wrote.
    pub fn add(&mut self, other: &Self) {
        for (table, part) in &other.tables {
            let own = self.tables.entry(table.clone()).or_default();
            own.rows += part.rows;
            own.entries += part.entries;
        }
    }
}

/// Why nothing can be said of what a statement writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Uncounted {
    /// It fails.
    #[error("{0}")]
    Failed(String),
    /// It is of a kind that is not counted, or writes to what is not.
    #[error("{0}")]
    Beyond(String),
}

impl From<Failure> for Uncounted {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure.message)
    }
}

impl From<rusqlite::Error> for Uncounted {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// A copy of a database on which what is written is counted.
pub(crate) struct Meter<'s> {
    /// The database without counters, as it was: statements are prepared here to learn what they do.
    plain: &'s Engine,
    schema: &'s Schema,
    engine: Engine,
    told: Arc<Mutex<Vec<Part>>>,
    tables: Vec<Name>,
    /// Triggers that already tell what they write to virtual tables.
    telling: BTreeSet<Name>,
}

impl<'s> Meter<'s> {
    /// A copy of a database with this schema; a transaction is open on it.
    pub(crate) fn on(plain: &'s Engine, schema: &'s Schema) -> Result<Self, Uncounted> {
        let engine = plain.copy()?;
        let told = Arc::new(Mutex::new(Vec::<Part>::new()));
        let heard = Arc::clone(&told);
        engine.ours(|connection| {
            // A counter is a level below what it counts.
            let depth = connection.limit(Limit::SQLITE_LIMIT_TRIGGER_DEPTH)?;
            connection.set_limit(Limit::SQLITE_LIMIT_TRIGGER_DEPTH, depth + 1)?;
            let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
            connection.create_scalar_function(TELL, 3, flags, move |call| {
                let number = |at| call.get(at).map(i64::unsigned_abs);
                let (place, rows, entries) = (number(0)?, number(1)?, number(2)?);
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                let part = usize::try_from(place).ok();
                if let Some(part) = part.and_then(|place| heard.get_mut(place)) {
                    part.rows += rows;
                    part.entries += entries;
                }
                Ok(0)
            })?;
            connection.execute_batch("BEGIN")
        })?;
        Ok(Self {
            plain,
            schema,
            engine,
            told,
            tables: Vec::new(),
            telling: BTreeSet::new(),
        })
    }

    /// Runs one statement behind those that ran before, and counts what it writes.
    pub(crate) fn run(&mut self, sql: &str, parameters: &[Value]) -> Result<Written, Uncounted> {
        if is_about_references(sql) {
            self.engine.ours(|_| self.engine.query(sql, parameters))?;
            return Ok(Written::default());
        }
        only_rows(sql)?;
        let _of_others = self.plain.take_deeds();
        self.plain.only_prepare(sql)?;
        let (deeds, _) = self.plain.take_deeds();
        // Written to by the statement itself, not by a trigger: its own changes are the rows.
        let mut itself = None;
        let mut counts_up = false;
        for deed in &deeds {
            let Some(name) = written_to(deed) else {
                continue;
            };
            let Some(table) = self.schema.table(name) else {
                self.leave_out(name)?;
                continue;
            };
            counts_up |= table.autoincrement;
            if table.is_ordinary() {
                self.watch(table, deed)?;
            } else if let Some(trigger) = deed.trigger() {
                self.let_tell(&Name::new(trigger))?;
            } else {
                itself = Some(table.name.clone());
            }
        }
        self.counted(sql, parameters, itself.as_ref(), counts_up)
    }

    /// Ends the transaction: references that are still broken fail here.
    pub(crate) fn end(self) -> Result<(), Uncounted> {
        let commit = |connection: &rusqlite::Connection| connection.execute_batch("COMMIT");
        Ok(self.engine.ours(commit)?)
    }

    /// Runs it, with everything in place that tells what it writes.
    fn counted(
        &mut self,
        sql: &str,
        parameters: &[Value],
        itself: Option<&Name>,
        counts_up: bool,
    ) -> Result<Written, Uncounted> {
        self.heard().fill(Part::default());
        let numbers = |engine: &Engine| -> Result<BTreeMap<String, i64>, Uncounted> {
            if counts_up {
                Ok(engine.ours(counters::numbers)?)
            } else {
                Ok(BTreeMap::new())
            }
        };
        let before = numbers(&self.engine)?;
        let seen = self.engine.ours(|_| self.engine.query(sql, parameters))?;
        let mut written = Written::default();
        for (table, part) in self.tables.iter().zip(self.heard().iter()) {
            if *part != Part::default() {
                written.tables.insert(table.clone(), *part);
            }
        }
        let after = numbers(&self.engine)?.into_iter();
        let counted = after.filter(|(table, number)| before.get(table) != Some(number));
        for (rows, table) in counted
            .map(|_| (1, Name::new("sqlite_sequence")))
            .chain(itself.map(|table| (seen.changes, table.clone())))
        {
            written.tables.entry(table).or_default().rows += rows;
        }
        Ok(written)
    }

    fn heard(&self) -> std::sync::MutexGuard<'_, Vec<Part>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of a table among those that are counted, and whether it is new there.
    fn place(&mut self, table: &Name) -> (usize, bool) {
        if let Some(place) = self.tables.iter().position(|known| known == table) {
            return (place, false);
        }
        self.tables.push(table.clone());
        self.heard().push(Part::default());
        (self.tables.len() - 1, true)
    }

    /// Lets a table tell of every row that is written to it.
    fn watch(&mut self, table: &Table, deed: &Deed) -> Result<(), Uncounted> {
        let column = deed.column().map(Name::new);
        if let (Deed::Update(..), Some(column)) = (deed, column)
            && table.column(&column).is_none()
        {
            return Err(Uncounted::Beyond(format!(
                "it sets the rowid of `{}`, which no column names",
                table.name
            )));
        }
        let (place, is_new) = self.place(&table.name);
        if is_new {
            let anew = self
                .plain
                .ours(|connection| counters::written_anew(connection, table))?;
            let counter = Counter { table, place };
            let sql = counter.triggers(&anew)?;
            self.engine
                .ours(|connection| connection.execute_batch(&sql))?;
        }
        Ok(())
    }

    /// Lets a trigger tell what it writes to virtual tables.
    fn let_tell(&mut self, name: &Name) -> Result<(), Uncounted> {
        let Some(trigger) = self.schema.triggers.get(name) else {
            return Err(Uncounted::Beyond(format!("there is no trigger `{name}`")));
        };
        if self.telling.contains(name) {
            return Ok(());
        }
        // All triggers of the table are made again, in their order: SQLite runs them in the order in which they were made.
        let ordered = self
            .engine
            .ours(|connection| counters::triggers_of(connection, &trigger.table))?;
        let dropped = ordered.iter();
        let mut script: String = dropped
            .flat_map(|(name, _)| ["DROP TRIGGER ".to_owned(), name.quoted(), ";\n".to_owned()])
            .collect();
        for (name, sql) in ordered {
            let virtual_tables = self.schema.tables.values();
            let virtual_tables: Vec<Name> = virtual_tables
                .filter(|table| !table.is_ordinary())
                .map(|table| table.name.clone())
                .collect();
            let sql = if self.telling.insert(name) {
                counters::telling(&sql, |target| {
                    let table = virtual_tables.iter().find(|table| *table == target)?;
                    Some(self.place(table).0)
                })
            } else {
                sql
            };
            script.push_str(&sql);
            script.push_str(";\n");
        }
        self.engine
            .ours(|connection| connection.execute_batch(&script))?;
        Ok(())
    }

    /// A view is written to by its triggers, which tell what they write; nothing else may be left out.
    fn leave_out(&self, name: &str) -> Result<(), Uncounted> {
        if self.schema.views.contains_key(&Name::new(name)) {
            return Ok(());
        }
        Err(Uncounted::Beyond(format!(
            "it writes to `{name}`, which is not a table of the schema"
        )))
    }
}

/// `PRAGMA defer_foreign_keys`, which writes nothing and decides what the rest of a batch may do.
fn is_about_references(sql: &str) -> bool {
    let tokens = crate::text::tokens(sql);
    let mut forms = tokens.iter().map(|token| token.form.as_str());
    forms.next() == Some("pragma") && forms.next() == Some("defer_foreign_keys")
}

/// Statements about rows are counted, those about the schema are not.
fn only_rows(sql: &str) -> Result<(), Uncounted> {
    const VERBS: [&str; 7] = [
        "insert", "replace", "update", "delete", "with", "select", "values",
    ];
    let tokens = crate::text::tokens(sql);
    let verb = tokens.first().map_or("", |token| token.form.as_str());
    if VERBS.contains(&verb) {
        return Ok(());
    }
    Err(Uncounted::Beyond(
        "only INSERT, REPLACE, UPDATE, DELETE and SELECT are counted".to_owned(),
    ))
}

/// The table to whose rows something is done.
fn written_to(deed: &Deed) -> Option<&str> {
    if let Deed::Insert(table, _) | Deed::Update(table, ..) | Deed::Delete(table, _) = deed {
        Some(table)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
