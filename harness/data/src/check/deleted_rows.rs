//! PAT-002: which rows of an answer come from rows that are marked as deleted. Never takes a value for another table's that looks the same.
//!
//! The answer is compared with the one that is given when the marked rows are not there at all, and with the one before they were marked. A row that
//! the marking left as it was, and that is gone with the marked rows, comes from one of them. Then every column of the marked rows is given values
//! that stand nowhere else, one column after the other: what holds such a value shows a deleted row. All of it is done once more for each value that
//! the query and the schema let one think of in a column that the query names: an exception may hang on it.

use super::Outcome;
use super::settled::Settled;
use crate::catalog::{Name, Table};
use crate::claims::Query;
use crate::rows::candidates_of_query;
use crate::text::{find_word, literal};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::types::Value;

/// What is added to numbers: more than any number or time that rows hold, and small enough for a REAL to hold it exactly.
const SHIFT: i64 = 7_000_000_000_000_000;
/// What is added to texts.
const MARK: &str = "quixmark";

/// A query that is asked about rows of a table that are all marked as deleted.
pub(super) struct Asking<'a, 's> {
    pub(super) settled: &'a Settled<'s>,
    /// The same rows before they were marked.
    pub(super) active: &'a Settled<'s>,
    pub(super) table: &'a Table,
    /// The column that marks a row.
    pub(super) marker: Name,
    pub(super) query: &'a Query,
    /// The places of the rows whose values are parameters, one for each.
    pub(super) at: Vec<usize>,
}

type Rows = Vec<Vec<Value>>;

/// Rows that are shown although they are deleted.
pub(super) struct Still {
    pub(super) rows: usize,
    /// The statement that gave the rows what it takes, if it takes something.
    pub(super) shape: Option<String>,
}

/// Values that are tried in a column that the query names.
const VALUES: usize = 4;

impl Asking<'_, '_> {
    /// Rows of the answer that show a deleted row. Not traced, and nothing of it stays.
    pub(super) fn still_shown(&self) -> Result<Option<Still>, Outcome> {
        if self.counts()? {
            return Ok(Some(Still {
                rows: 1,
                shape: None,
            }));
        }
        for shape in std::iter::once(None).chain(self.shapes().into_iter().map(Some)) {
            let rows = self.shown_with(shape.as_slice())?;
            if rows > 0 {
                return Ok(Some(Still { rows, shape }));
            }
        }
        Ok(None)
    }

    /// How many rows are shown where other columns hold what these statements set.
    fn shown_with(&self, shape: &[String]) -> Result<usize, Outcome> {
        let (with, without) = self.answers(self.settled, shape, None)?;
        if with.is_empty() {
            return Ok(0);
        }
        let (before, _) = self.answers(self.active, shape, None)?;
        // Where a value is left out of a row of a deleted one, NULL may have stood there before.
        let is_kept = |row: &&Vec<Value>| {
            before.contains(row) && !without.contains(row) && !row.contains(&Value::Null)
        };
        let kept = with.iter().filter(is_kept).count();
        if kept > 0 {
            return Ok(kept);
        }
        let columns = self
            .table
            .columns
            .iter()
            .filter(|column| column.generated.is_none() && column.name != self.marker);
        for column in columns {
            let (with, without) = self.answers(self.settled, shape, Some(&column.name))?;
            let is_shown =
                |row: &&Vec<Value>| !without.contains(row) && row.iter().any(is_of_deleted_row);
            let still = with.iter().filter(is_shown).count();
            if still > 0 {
                return Ok(still);
            }
        }
        Ok(0)
    }

    /// Statements that give a column of all rows a value, for each that the query names and that says neither which row it is nor whose.
    fn shapes(&self) -> Vec<String> {
        let schema = self.settled.schema();
        let is_read = |table: &&Table| {
            table.is_ordinary() && find_word(&self.query.sql, table.name.as_str(), 0).is_some()
        };
        let mut all = Vec::new();
        for table in schema.tables.values().filter(is_read) {
            for (column, values) in candidates_of_query(schema, table, &self.query.sql) {
                let mut keys = table.foreign_keys.iter();
                let is_fixed = table.primary_key.contains(&column)
                    || keys.any(|key| key.columns.contains(&column))
                    || table.name == self.table.name && column == self.marker;
                if is_fixed {
                    continue;
                }
                let mut taken = values;
                taken.retain(|value| self.settled.takes(table, &column, value));
                all.extend(taken.iter().take(VALUES).map(|value| {
                    format!(
                        "UPDATE {} SET {} = {};",
                        table.name.quoted(),
                        column.quoted(),
                        literal(value.into())
                    )
                }));
            }
        }
        all
    }

    /// Whether the answer has the same rows with other numbers in them where the deleted rows are not there: it counts them.
    fn counts(&self) -> Result<bool, Outcome> {
        let (with, without) = self.answers(self.settled, &[], None)?;
        let is_number =
            |value: &Value| matches!(value, Value::Integer(_) | Value::Real(_) | Value::Null);
        let is_same =
            |(one, other): (&Value, &Value)| one == other || is_number(one) && is_number(other);
        let are_same =
            |(one, other): (&Vec<Value>, &Vec<Value>)| one.iter().zip(other).all(is_same);
        let is_counted = with.len() == without.len() && with != without;
        Ok(is_counted && with.iter().zip(&without).all(are_same))
    }

    /// The answers with the rows of the table and without them, among rows that hold what these statements set, and after a column's values were told
    /// apart from all others; none where that fails.
    fn answers(
        &self,
        settled: &Settled<'_>,
        shape: &[String],
        column: Option<&Name>,
    ) -> Result<(Rows, Rows), Outcome> {
        let engine = settled.world().engine();
        let told_apart = column.map_or_else(Vec::new, |column| self.told_apart(column));
        let begun = engine.ours(|connection| {
            loosen(connection, true)?;
            connection.execute_batch("SAVEPOINT deleted_rows")?;
            shape
                .iter()
                .chain(&told_apart)
                .try_for_each(|change| connection.execute_batch(change))
        });
        let values = settled.parameters_from(
            &self.query.parameters,
            &self.at,
            "[[data.query]] parameters",
        );
        let answers = engine.ours(|connection| {
            let both = begun.and_then(|()| match &values {
                Ok(values) => self.both(connection, values),
                Err(_) => Ok(<(Rows, Rows)>::default()),
            });
            let _undone = connection
                .execute_batch("ROLLBACK TO deleted_rows; RELEASE deleted_rows")
                .and_then(|()| loosen(connection, false));
            // A column whose values cannot be told apart shows nothing by them.
            both.unwrap_or_default()
        });
        // Whose rows the tenant has no more shows nothing by the tenant's key.
        match values {
            Err(unknown) if column.is_none() => Err(unknown),
            Ok(_) | Err(_) => Ok(answers),
        }
    }

    fn both(
        &self,
        connection: &Connection,
        parameters: &[Value],
    ) -> rusqlite::Result<(Rows, Rows)> {
        let with = answer(connection, &self.query.sql, parameters)?;
        connection.execute_batch(&format!("DELETE FROM {}", self.table.name.quoted()))?;
        Ok((with, answer(connection, &self.query.sql, parameters)?))
    }

    /// Statements that give a column values that stand nowhere else, in what refers to it as well.
    fn told_apart(&self, column: &Name) -> Vec<String> {
        let children = self.settled.schema().references_to(&self.table.name);
        let referring = children.flat_map(|(child, key)| {
            let pairs = key.columns.iter().zip(&key.parent_columns);
            let named = pairs.filter(|(_, parent)| *parent == column);
            named.map(|(own, _)| (&child.name, own))
        });
        let mut cells = vec![(&self.table.name, column)];
        cells.extend(referring.filter(|(table, _)| **table != self.table.name));
        cells.dedup();
        cells
            .into_iter()
            .map(|(table, column)| {
                let name = column.quoted();
                format!(
                    "UPDATE {} SET {name} = CASE typeof({name}) WHEN 'integer' THEN {name} + {SHIFT} WHEN 'real' THEN {name} + {SHIFT} \
                     WHEN 'text' THEN {name} || '{MARK}' ELSE {name} END",
                    table.quoted()
                )
            })
            .collect()
    }
}

/// Takes references, triggers and CHECKs out of the way, or puts them back.
fn loosen(connection: &Connection, is_loose: bool) -> rusqlite::Result<()> {
    connection.pragma_update(None, "foreign_keys", !is_loose)?;
    connection.pragma_update(None, "ignore_check_constraints", is_loose)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, !is_loose)?;
    Ok(())
}

fn answer(connection: &Connection, sql: &str, values: &[Value]) -> rusqlite::Result<Rows> {
    let mut statement = connection.prepare(sql)?;
    let columns = statement.column_count();
    let rows = statement.query_map(rusqlite::params_from_iter(values), |row| {
        (0..columns).map(|at| row.get(at)).collect()
    })?;
    rows.collect()
}

/// Whether a value is one that only a deleted row was given.
fn is_of_deleted_row(value: &Value) -> bool {
    let shift: f64 = 7e15;
    match value {
        Value::Integer(number) => *number >= SHIFT,
        Value::Real(number) => *number >= shift,
        Value::Text(text) => text.to_ascii_lowercase().contains(MARK),
        Value::Null | Value::Blob(_) => false,
    }
}
