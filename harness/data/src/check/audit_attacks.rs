//! Statements that would change, remove or replace an entry of an audit log. Never runs one of them.

use super::populated::Row;
use super::references::given;
use crate::catalog::{Name, Table};
use crate::text::literal;
use rusqlite::types::Value;

/// Statements that would change, remove or replace an entry, by whatever way there is.
pub(super) fn attacks(table: &Table, entry: &Row, other: Option<&Row>) -> Vec<String> {
    let name = table.name.quoted();
    let found = entry.found();
    let columns: Vec<&Name> = given(table).collect();
    let listed: Vec<String> = columns.iter().map(|column| column.quoted()).collect();
    let values: Vec<String> = columns
        .iter()
        .map(|column| literal((&entry.value(column)).into()))
        .collect();
    let mut all = vec![format!("DELETE FROM {name} WHERE {found}")];
    for column in &columns {
        let value = entry.value(column);
        let new = match value {
            Value::Null => continue,
            Value::Integer(number) => (number + 1_000).to_string(),
            Value::Text(_) | Value::Real(_) | Value::Blob(_) => other
                .map_or("'forged'".to_owned(), |other| {
                    literal((&other.value(column)).into())
                }),
        };
        for (way, new) in [
            ("UPDATE", new.as_str()),
            ("UPDATE OR REPLACE", &new),
            ("UPDATE", "NULL"),
        ] {
            all.push(format!(
                "{way} {name} SET {} = {new} WHERE {found}",
                column.quoted()
            ));
        }
    }
    // Another trigger may mind one forged value and not the next.
    let forgeries = changed(table, entry, &columns, &values);
    for replaced in &forgeries {
        all.push(format!(
            "REPLACE INTO {name} ({}) VALUES ({})",
            listed.join(", "),
            replaced.join(", ")
        ));
    }
    all.push(format!(
        "INSERT INTO {name} ({}) VALUES ({}) ON CONFLICT DO UPDATE SET {}",
        listed.join(", "),
        values.join(", "),
        set(table, entry, &columns)
    ));
    if !table.without_rowid && table.rowid_alias().is_none() {
        let fresh = changed_key(table, &columns, &values);
        all.push(format!(
            "REPLACE INTO {name} (rowid, {}) SELECT rowid, {} FROM {name} WHERE {found}",
            listed.join(", "),
            fresh.join(", ")
        ));
        all.push(format!(
            "UPDATE {name} SET rowid = rowid + 100000 WHERE {found}"
        ));
    }
    all
}

/// The values of an entry, each time another one beyond its key forged.
fn changed(table: &Table, entry: &Row, columns: &[&Name], values: &[String]) -> Vec<Vec<String>> {
    let free = columns.iter().enumerate().filter(|(_, column)| {
        is_free(table, column) && matches!(entry.value(column), Value::Text(_) | Value::Integer(_))
    });
    free.map(|(place, column)| {
        let mut values = values.to_vec();
        values[place] = forged(&entry.value(column));
        values
    })
    .collect()
}

/// The same with another key, so that only the rowid is the entry's.
fn changed_key(table: &Table, columns: &[&Name], values: &[String]) -> Vec<String> {
    let mut values = values.to_vec();
    for (column, value) in columns.iter().zip(&mut values) {
        if table.primary_key.contains(column) {
            "'moltproof-forged'".clone_into(value);
        }
    }
    values
}

fn set(table: &Table, entry: &Row, columns: &[&Name]) -> String {
    let free = columns
        .iter()
        .find(|column| is_free(table, column) && entry.value(column) != Value::Null);
    free.map_or_else(
        || "rowid = rowid".to_owned(),
        |column| format!("{} = {}", column.quoted(), forged(&entry.value(column))),
    )
}

/// A column that is in no key, no reference and under no list of words that a forged text would break.
fn is_free(table: &Table, column: &Name) -> bool {
    let mut keys = table.foreign_keys.iter();
    let is_checked = crate::rows::conditions_of(table, column) > 0;
    !table.primary_key.contains(column)
        && !is_checked
        && !keys.any(|key| key.columns.contains(column))
}

fn forged(value: &Value) -> String {
    match value {
        Value::Integer(number) => (number + 1).to_string(),
        Value::Text(_) | Value::Null | Value::Real(_) | Value::Blob(_) => "'forged'".to_owned(),
    }
}
