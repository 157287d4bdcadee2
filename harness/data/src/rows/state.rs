//! What a table holds, and what a plan for it hangs on. Never changes a row.

use super::plan::Plan;
use super::world::World;
use crate::catalog::{ForeignKey, Name, Schema, Table};
use rusqlite::Connection;
use rusqlite::types::Value;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

/// How many rows of a table meet a condition (on `t`), up to a limit; none if it cannot be read.
pub(super) fn count(
    connection: &Connection,
    table: &Name,
    condition: Option<&str>,
    limit: usize,
) -> rusqlite::Result<Option<usize>> {
    // This is asked of every table before every file: SQLite prepares it in half the time of a count(*) of such a list.
    let mut sql = format!("SELECT 1 FROM main.{} AS t", table.quoted());
    if let Some(condition) = condition {
        sql.push_str(" WHERE ");
        sql.push_str(condition);
    }
    sql.push_str(" LIMIT ?1");
    let Ok(mut statement) = connection.prepare_cached(&sql) else {
        return Ok(None);
    };
    let mut rows = statement.query([i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let mut count = 0;
    while rows.next()?.is_some() {
        count += 1;
    }
    Ok(Some(count))
}

/// The greatest integer key, so that new ones follow it.
pub(super) fn greatest_key(
    connection: &Connection,
    schema: &Schema,
    plan: &Plan,
) -> rusqlite::Result<usize> {
    let alias = schema.tables.get(&plan.name).and_then(Table::rowid_alias);
    let Some(alias) = alias else { return Ok(0) };
    let sql = format!(
        "SELECT max({}) FROM main.{}",
        alias.name.quoted(),
        plan.name.quoted()
    );
    let greatest: Option<i64> = connection
        .prepare_cached(&sql)?
        .query_row([], |row| row.get(0))?;
    // Keys far up are somebody's own numbering.
    Ok(greatest
        .filter(|key| *key < 1_000_000)
        .and_then(|key| usize::try_from(key).ok())
        .unwrap_or(0))
}

/// The condition on `t` under which a row refers to a parent.
pub(super) fn refers(key: &ForeignKey) -> String {
    let held = key.columns.iter();
    let held: Vec<String> = held
        .map(|name| format!("t.{} IS NOT NULL", name.quoted()))
        .collect();
    held.join(" AND ")
}

/// Keys of parents to which no row of a child refers; a few of them.
pub(super) fn childless(
    connection: &Connection,
    child: &Name,
    key: &ForeignKey,
) -> rusqlite::Result<Vec<Vec<Value>>> {
    let of = key
        .parent_columns
        .iter()
        .map(|name| format!("p.{}", name.quoted()));
    let of: Vec<String> = of.collect();
    let pairs = key.columns.iter().zip(&of);
    let joined: Vec<String> = pairs
        .map(|(column, of)| format!("c.{} = {of}", column.quoted()))
        .collect();
    let sql = format!(
        "SELECT {} FROM main.{} AS p WHERE NOT EXISTS (SELECT 1 FROM main.{} AS c WHERE {}) LIMIT 3",
        of.join(", "),
        key.parent.quoted(),
        child.quoted(),
        joined.join(" AND ")
    );
    let Ok(mut statement) = connection.prepare_cached(&sql) else {
        return Ok(Vec::new());
    };
    let rows = statement.query_map([], |row| {
        (0..of.len())
            .map(|at| row.get(at))
            .collect::<rusqlite::Result<Vec<Value>>>()
    })?;
    let keys: Vec<Vec<Value>> = rows.collect::<rusqlite::Result<_>>()?;
    Ok(keys
        .into_iter()
        .filter(|key| !key.contains(&Value::Null))
        .collect())
}

/// Whether a reference of these tables has no parent.
pub(super) fn is_dangling(connection: &Connection, tables: &[Name]) -> rusqlite::Result<bool> {
    for table in tables {
        let mut check = connection.prepare("SELECT 1 FROM pragma_foreign_key_check(?1)")?;
        if check.exists([table.as_str()])? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What a plan hangs on: the table, its triggers, and what it will be.
pub(super) fn fingerprint(table: &Table, world: &World<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    table.sql.hash(&mut hasher);
    let indexes = |table: &Table, hasher: &mut DefaultHasher| {
        for index in table.indexes.iter().filter(|index| index.unique) {
            index.sql.hash(hasher);
        }
    };
    indexes(table, &mut hasher);
    if let Some(later) = world.later.tables.get(&table.name) {
        later.sql.hash(&mut hasher);
        indexes(later, &mut hasher);
    }
    let triggers = world.schema.triggers.values();
    for trigger in triggers.filter(|trigger| trigger.table == table.name) {
        trigger.sql.hash(&mut hasher);
    }
    for key in &table.foreign_keys {
        world
            .schema
            .tables
            .contains_key(&key.parent)
            .hash(&mut hasher);
    }
    hasher.finish()
}
