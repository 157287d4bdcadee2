//! Rows that the deletions of a file are about, where none of those that are there is. Never leaves a row deleted.

use super::Step;
use crate::catalog::{Name, Schema, Table};
use crate::engine::Engine;
use crate::rows::candidates_of_deletion;
use rusqlite::Connection;
use rusqlite::types::Value;

/// Changes rows so that each `DELETE` of the file finds some that it is about, and one row at least that it is not about.
/// A deletion that cannot be done before the statements in front of it is left alone.
pub(super) fn make(engine: &Engine, steps: &[(usize, &Step)], schema: &Schema) {
    for (_, step) in steps {
        let sql = &step.statement.sql;
        let Some((table, choices)) = candidates_of_deletion(schema, sql) else {
            continue;
        };
        let _left_alone = engine.ours(|connection| met(connection, sql, table, &choices));
    }
}

fn met(
    connection: &Connection,
    sql: &str,
    table: &Table,
    choices: &[(Name, Vec<Value>)],
) -> rusqlite::Result<()> {
    let mut deleted = deleted_by(connection, sql)?;
    if deleted > 0 {
        return Ok(());
    }
    let rows = rows(connection, table)?;
    for row in &rows[..rows.len().saturating_sub(1)] {
        let sets = choices
            .iter()
            .flat_map(|(column, values)| values.iter().map(move |value| (column, value)));
        for (column, value) in sets {
            connection.execute_batch("SAVEPOINT a_row")?;
            let update = format!(
                "UPDATE {} SET {} = ?1 WHERE {row}",
                table.name.quoted(),
                column.quoted()
            );
            let is_changed = connection.execute(&update, [value]).is_ok();
            let now = if is_changed {
                deleted_by(connection, sql).unwrap_or(0)
            } else {
                0
            };
            if now > deleted {
                deleted = now;
                connection.execute_batch("RELEASE a_row")?;
                break;
            }
            connection.execute_batch("ROLLBACK TO a_row; RELEASE a_row")?;
        }
    }
    Ok(())
}

/// How many rows a deletion would remove.
fn deleted_by(connection: &Connection, sql: &str) -> rusqlite::Result<usize> {
    connection.execute_batch("SAVEPOINT a_deletion")?;
    let deleted = connection.execute(sql, []);
    connection.execute_batch("ROLLBACK TO a_deletion; RELEASE a_deletion")?;
    deleted
}

/// The conditions that find each row of a table.
pub(super) fn rows(connection: &Connection, table: &Table) -> rusqlite::Result<Vec<String>> {
    let key: Vec<String> = if table.primary_key.is_empty() {
        vec!["rowid".to_owned()]
    } else {
        table.primary_key.iter().map(Name::quoted).collect()
    };
    let found: Vec<String> = key
        .iter()
        .map(|column| {
            let start = format!("{column} IS ").replace('\'', "''");
            format!("'{start}' || quote({column})")
        })
        .collect();
    let sql = format!(
        "SELECT {} FROM main.{}",
        found.join(" || ' AND ' || "),
        table.name.quoted()
    );
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map([], |row| row.get(0))?;
    rows.collect()
}
