//! PAT-002: which rows of an answer come from rows that are marked as deleted. Never takes a value for another table's that looks the same.
//!
//! Every column of the marked rows is given values that stand nowhere else, one column after the other, and the answer is compared with the
//! one that is given when the marked rows are not there at all: what only the former has, and holds such a value, shows a deleted row.

use super::Outcome;
use super::settled::Settled;
use crate::catalog::{Name, Table};
use crate::claims::Query;
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
    pub(super) table: &'a Table,
    /// The column that marks a row.
    pub(super) marker: Name,
    pub(super) query: &'a Query,
    /// The places of the rows whose values are parameters, one for each.
    pub(super) at: Vec<usize>,
}

type Rows = Vec<Vec<Value>>;

impl Asking<'_, '_> {
    /// How many rows of the answer show a deleted row. Not traced, and nothing of it stays.
    pub(super) fn still_shown(&self) -> Result<usize, Outcome> {
        if self.counts()? {
            return Ok(1);
        }
        let columns = self
            .table
            .columns
            .iter()
            .filter(|column| column.generated.is_none() && column.name != self.marker);
        for column in columns {
            let still = self.by_column(&column.name)?;
            if still > 0 {
                return Ok(still);
            }
        }
        Ok(0)
    }

    /// Whether the answer has the same rows with other numbers in them where the deleted rows are not there: it counts them.
    fn counts(&self) -> Result<bool, Outcome> {
        let (with, without) = self.answers(None)?;
        let is_number =
            |value: &Value| matches!(value, Value::Integer(_) | Value::Real(_) | Value::Null);
        let is_same =
            |(one, other): (&Value, &Value)| one == other || is_number(one) && is_number(other);
        let are_same =
            |(one, other): (&Vec<Value>, &Vec<Value>)| one.iter().zip(other).all(is_same);
        let is_counted = with.len() == without.len() && with != without;
        Ok(is_counted && with.iter().zip(&without).all(are_same))
    }

    fn by_column(&self, column: &Name) -> Result<usize, Outcome> {
        let (with, without) = self.answers(Some(column))?;
        let is_shown =
            |row: &&Vec<Value>| !without.contains(row) && row.iter().any(is_of_deleted_row);
        Ok(with.iter().filter(is_shown).count())
    }

    /// The answers with the deleted rows and without them, after a column's values were told apart from all others; none where that fails.
    fn answers(&self, column: Option<&Name>) -> Result<(Rows, Rows), Outcome> {
        let engine = self.settled.world().engine();
        let changes: Vec<String> = column.map_or_else(Vec::new, |column| self.told_apart(column));
        let begun = engine.ours(|connection| {
            loosen(connection, true)?;
            connection.execute_batch("SAVEPOINT deleted_rows")?;
            changes
                .iter()
                .try_for_each(|change| connection.execute_batch(change))
        });
        let values = self.settled.parameters_from(
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
