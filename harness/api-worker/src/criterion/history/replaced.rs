//! What REPLACE does to history: it takes a row away without a word, by whichever of its keys it meets it. Never takes a row beside those that are there for a rewriting.

use super::said::HISTORY;
use super::{ANOTHER_TIME, HistoryTable, TIME, columns, rows, tables_of_history, timed};
use crate::outcome::{Judged, Stop};
use crate::scripts::trial::{Trial, told_row};
use crate::subject::Subject;
use moltproof_data::catalog::{Affinity, Name, Table};
use rusqlite::types::Value;
use std::collections::BTreeMap;

/// Statements on a table, each with the columns that it must leave as they are.
type Statement = (String, String, String);

/// What a statement puts in the place of columns, by their names.
type Instead = BTreeMap<String, String>;

/// Whether the rows of a table stay for good, so that to put one over another is to rewrite it. A preference or flag may be removed and set anew.
fn stays(table: &Table) -> bool {
    let name = table.name.as_str();
    name == "api_keys" || HISTORY.iter().any(|(known, _)| *known == name)
}

/// A statement that puts a row over one of a table, some columns of which say something else.
fn replacement(table: &Table, row: &str, instead: &Instead) -> String {
    let names: Vec<&str> = table
        .columns
        .iter()
        .filter(|column| column.generated.is_none())
        .map(|column| column.name.as_str())
        .collect();
    let quoted = |name: &&str| format!("\"{name}\"");
    let into: Vec<String> = names.iter().map(quoted).collect();
    let from: Vec<String> = names
        .iter()
        .map(|name| instead.get(*name).cloned().unwrap_or_else(|| quoted(name)))
        .collect();
    let table = table.name.quoted();
    format!(
        "INSERT OR REPLACE INTO {table} ({}) SELECT {} FROM {table} AS old{row} LIMIT 1",
        into.join(", "),
        from.join(", ")
    )
}

/// The keys by which rows of a table are told apart, the primary one first.
fn keys(table: &Table) -> Vec<Vec<Name>> {
    let mut keys = vec![table.primary_key.clone()];
    for (index, key) in table.unique_keys() {
        if index.condition.is_none() && !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys.retain(|key| !key.is_empty());
    keys
}

/// A value of a key's column that no row has yet, in the place that comes next where it is a number.
fn fresh(table: &Table, key: &[Name], column: &Name) -> String {
    let quoted = column.quoted();
    let is_number = table
        .column(column)
        .is_some_and(|column| column.affinity() == Affinity::Integer);
    if !is_number {
        // In the same form: a column may take nothing but hexadecimal digits, or so many of them.
        return format!(
            "substr({quoted}, 1, length({quoted}) - 1) || iif(substr({quoted}, -1) = '0', '1', '0')"
        );
    }
    let same = key.iter().filter(|name| *name != column);
    let same: Vec<String> = same
        .map(|name| format!("other.{0} = old.{0}", name.quoted()))
        .chain(["1".to_owned()])
        .collect();
    format!(
        "(SELECT 1 + max(other.{quoted}) FROM {} AS other WHERE {})",
        table.name.quoted(),
        same.join(" AND ")
    )
}

/// What a row has otherwise that meets one that is there by one of its keys alone: in each other key a column that refers to nothing.
fn by_one_key(table: &Table, kept: &[Name]) -> Instead {
    let refers = |name: &Name| {
        let mut references = table.foreign_keys.iter();
        references.any(|reference| reference.columns.contains(name))
    };
    let mut instead = Instead::new();
    for other in keys(table) {
        let mut free = other.iter().rev();
        let free = free.find(|name| !kept.contains(name) && !refers(name));
        if let Some(column) = free {
            let value = fresh(table, &other, column);
            instead.insert(column.as_str().to_owned(), value);
        }
    }
    instead
}

/// Replacements of rows with another value of one column: with all their keys as they are, and with one of them alone.
fn replacements(
    trial: &Trial,
    table: &Table,
    (column, value): (&str, &str),
    says: &str,
) -> Result<Vec<Statement>, Stop> {
    let own = Instead::from([(column.to_owned(), value.to_owned())]);
    let keys = keys(table);
    let mut all = vec![own.clone()];
    for key in keys.iter().filter(|_| keys.len() > 1) {
        if !key.iter().any(|name| name.as_str() == column) {
            let mut instead = by_one_key(table, key);
            instead.extend(own.clone());
            all.push(instead);
        }
    }
    let mut statements = Vec::new();
    for row in rows(trial, table)? {
        statements.extend(all.iter().map(|instead| {
            let sql = replacement(table, &row, instead);
            (table.name.as_str().to_owned(), says.to_owned(), sql)
        }));
    }
    Ok(statements)
}

/// The first row that is not there any more, counting those that say the same.
fn gone<'r>(before: &'r [Vec<Value>], after: &[Vec<Value>]) -> Option<&'r Vec<Value>> {
    let count = |rows: &[Vec<Value>], row| rows.iter().filter(|other| *other == row).count();
    let mut rows = before.iter();
    rows.find(|row| count(after, *row) < count(before, *row))
}

/// That after each of these statements what was said before still stands there.
fn kept(trial: &Trial, expected: &str, statements: Vec<Statement>) -> Judged {
    if statements.is_empty() {
        return Err(Stop::unmet("API-001", "no table of history is there"));
    }
    let count = statements.len();
    for (table, of, sql) in statements {
        let before = columns(trial, &table, &of)?;
        let after = trial.tried(|trial| {
            drop(trial.run(&sql));
            columns(trial, &table, &of)
        })??;
        if let Some(gone) = gone(&before, &after) {
            let seen = format!(
                "after `{sql}` {} is gone from {table} ({of})",
                told_row(gone)
            );
            return Err(Stop::breach(expected, seen));
        }
    }
    Ok(format!("{count} statements replaced nothing"))
}

pub(super) async fn of_time(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let trial = scripts.filled()?;
            let mut statements = Vec::new();
            for table in timed(&trial)?.into_iter().filter(stays) {
                statements.extend(replacements(&trial, &table, (TIME, ANOTHER_TIME), TIME)?);
            }
            kept(&trial, "a created_at that no REPLACE changes", statements)
        })
        .await
}

pub(super) async fn of_history(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let trial = scripts.filled()?;
            let tables = timed(&trial)?;
            let mut statements = Vec::new();
            for HistoryTable { table, says, all } in tables_of_history(&tables) {
                for said in says {
                    statements.extend(replacements(&trial, table, said, &all)?);
                }
            }
            kept(&trial, "history that no REPLACE changes", statements)
        })
        .await
}
