//! Rows that refer to those which a file inserts by REPLACE, where none of those that are there does. Never leaves a row replaced.

use super::Step;
use super::swept::rows;
use crate::catalog::{Action, ForeignKey, Name, Schema, Table};
use crate::engine::Engine;
use crate::text::find_word;
use crate::tree::{self, Verb};
use rusqlite::Connection;

/// Rows of a parent that a child is made to refer to, one after the other.
const TRIED_MAX: usize = 16;

/// Changes rows so that each INSERT OR REPLACE of the file finds its keys in use: some row refers to one of those that it names, where the deletion
/// of that one does something to it. A statement that cannot be done before those in front of it is left alone.
///
/// Which steps name keys that were not there before: the rows that hold them are made up.
pub(super) fn make(engine: &Engine, steps: &[(usize, &Step)], schema: &Schema) -> Vec<usize> {
    let mut made_up = Vec::new();
    for (place, step) in steps {
        let sql = &step.statement.sql;
        let Some(parent) = replaced(sql, schema) else {
            continue;
        };
        let children = children(schema, parent);
        if children.is_empty() {
            continue;
        }
        let new = engine.ours(|connection| used(connection, sql, parent, &children));
        if new.is_ok_and(|is_new| is_new) {
            made_up.push(*place);
        }
    }
    made_up
}

/// The table whose rows a statement replaces.
fn replaced<'s>(sql: &str, schema: &'s Schema) -> Option<&'s Table> {
    find_word(sql, "replace", 0)?;
    let tree = tree::parse(sql)?;
    let is_replacing = tree.verb == Verb::Insert && tree.replaces;
    schema.table(tree.table.as_deref().filter(|_| is_replacing)?)
}

/// The references to a table that do something to their rows when the row that they refer to is deleted.
fn children<'s>(schema: &'s Schema, parent: &Table) -> Vec<(&'s Table, &'s ForeignKey)> {
    let tables = schema.tables.values();
    let keys = tables.flat_map(|child| child.foreign_keys.iter().map(move |key| (child, key)));
    keys.filter(|(child, key)| {
        let acts = matches!(
            key.on_delete,
            Action::Cascade | Action::SetNull | Action::SetDefault
        );
        acts && key.parent == parent.name && child.name != parent.name
    })
    .collect()
}

/// Makes a row of each child refer to a row that the statement replaces. Whether the rows that it replaces had to be inserted for that.
fn used(
    connection: &Connection,
    sql: &str,
    parent: &Table,
    children: &[(&Table, &ForeignKey)],
) -> rusqlite::Result<bool> {
    let mut left: Vec<&(&Table, &ForeignKey)> = Vec::new();
    for child in children {
        if !is_hit(connection, sql, child)? && !refer(connection, sql, parent, child)? {
            left.push(child);
        }
    }
    if left.len() < children.len() {
        return Ok(false);
    }
    connection.execute_batch("SAVEPOINT the_keys")?;
    let inserts = connection.execute_batch(sql).is_ok();
    let mut is_used = false;
    for child in left.into_iter().filter(|_| inserts) {
        is_used |= refer(connection, sql, parent, child)?;
    }
    connection.execute_batch(if is_used {
        "RELEASE the_keys"
    } else {
        "ROLLBACK TO the_keys; RELEASE the_keys"
    })?;
    Ok(is_used)
}

/// Makes a row of a child refer to a row that the statement replaces; whether there is one.
fn refer(
    connection: &Connection,
    sql: &str,
    parent: &Table,
    child: &(&Table, &ForeignKey),
) -> rusqlite::Result<bool> {
    let (table, key) = *child;
    let named: &[Name] = if key.parent_columns.is_empty() {
        &parent.primary_key
    } else {
        &key.parent_columns
    };
    let parents = rows(connection, parent)?;
    let own = rows(connection, table)?;
    for at in parents.iter().rev().take(TRIED_MAX) {
        for row in &own {
            connection.execute_batch("SAVEPOINT a_child")?;
            let sets: Vec<String> = key
                .columns
                .iter()
                .zip(named)
                .map(|(column, of)| {
                    format!(
                        "{} = (SELECT {} FROM main.{} WHERE {at})",
                        column.quoted(),
                        of.quoted(),
                        parent.name.quoted()
                    )
                })
                .collect();
            let update = format!(
                "UPDATE {} SET {} WHERE {row}",
                table.name.quoted(),
                sets.join(", ")
            );
            let is_changed = connection.execute_batch(&update).is_ok();
            if is_changed && is_hit(connection, sql, child)? {
                connection.execute_batch("RELEASE a_child")?;
                return Ok(true);
            }
            connection.execute_batch("ROLLBACK TO a_child; RELEASE a_child")?;
            if is_changed {
                break;
            }
        }
    }
    Ok(false)
}

/// Whether the statement takes rows or references out of a child.
fn is_hit(
    connection: &Connection,
    sql: &str,
    (table, key): &(&Table, &ForeignKey),
) -> rusqlite::Result<bool> {
    let column = key.columns.first().map_or_else(String::new, Name::quoted);
    let counted = format!("SELECT count({column}) FROM main.{}", table.name.quoted());
    let count = || connection.query_row(&counted, [], |row| row.get::<_, i64>(0));
    let before = count()?;
    connection.execute_batch("SAVEPOINT a_replacement")?;
    let runs = connection.execute_batch(sql).is_ok();
    let after = count();
    connection.execute_batch("ROLLBACK TO a_replacement; RELEASE a_replacement")?;
    Ok(runs && after? < before)
}
