//! Rows whose parents a new reference does not find. Never leaves a row that the old references do not take.

use crate::catalog::{Affinity, ForeignKey, Name, Schema, Table};
use rusqlite::Connection;

/// Columns that refer, alone, to a table or a column of it from this file on, and referred to nothing or to another one before.
pub(super) fn referring<'s>(
    table: &'s Table,
    new: &'s Table,
    before: &'s Schema,
) -> impl Iterator<Item = (Name, Option<&'s ForeignKey>)> {
    let keys = new.foreign_keys.iter().filter(|key| key.columns.len() == 1);
    keys.filter_map(|key| {
        let column = &key.columns[0];
        let is_plain = table
            .column(column)
            .is_some_and(|column| column.generated.is_none());
        let is_old = before.tables.contains_key(&key.parent);
        if !is_old || !is_plain {
            return None;
        }
        let mut old = table.foreign_keys.iter();
        let Some(old) = old.find(|old| old.columns.contains(column)) else {
            let is_free = !table.primary_key.contains(column);
            return is_free.then(|| (column.clone(), None));
        };
        let is_same = old.parent == key.parent && old.parent_columns == key.parent_columns;
        let is_alone = old.columns.len() == 1 && old.parent_columns.len() == 1;
        (!is_same && is_alone && old.parent != table.name).then(|| (column.clone(), Some(old)))
    })
}

/// Puts a value that the new parent has not into one row; whether the table took it, and its old parent has it.
pub(super) fn put(
    connection: &Connection,
    before: &Schema,
    (table, column): (&Table, &Name),
    old: Option<&ForeignKey>,
) -> bool {
    let Some(old) = old else {
        return write(connection, table, column, None);
    };
    let Some(parent) = before.tables.get(&old.parent) else {
        return false;
    };
    let of = &old.parent_columns[0];
    let first = format!(
        "SELECT p.{} FROM main.{} AS p JOIN main.{} AS t ON t.{} = p.{} LIMIT 1",
        of.quoted(),
        parent.name.quoted(),
        table.name.quoted(),
        column.quoted(),
        of.quoted()
    );
    let moved = || -> rusqlite::Result<bool> {
        let first: rusqlite::types::Value = connection.query_row(&first, [], |row| row.get(0))?;
        // Whoever refers to the row is changed along with it.
        connection.pragma_update(None, "foreign_keys", false)?;
        let mut goes = write(connection, parent, of, Some(&first));
        for (child, key) in before.tables.values().flat_map(|child| {
            let keys = child.foreign_keys.iter().map(move |key| (child, key));
            keys.filter(|(_, key)| key.parent == parent.name)
        }) {
            let is_by_it = key.columns.len() == 1 && key.parent_columns == old.parent_columns;
            if goes && is_by_it {
                write(connection, child, &key.columns[0], Some(&first));
            }
        }
        goes &= has_orphans(connection, None) == Some(false);
        connection.pragma_update(None, "foreign_keys", true)?;
        Ok(goes)
    };
    moved().unwrap_or(false)
}

/// Writes the value that no parent has in the place of another one, or of the least one; whether a row was changed.
fn write(
    connection: &Connection,
    table: &Table,
    column: &Name,
    was: Option<&rusqlite::types::Value>,
) -> bool {
    let is_text = table
        .column(column)
        .is_some_and(|column| column.affinity() == Affinity::Text);
    let value = if is_text {
        "'moltproof-orphan'"
    } else {
        "987654321"
    };
    let (name, column) = (table.name.quoted(), column.quoted());
    let update = format!("UPDATE main.{name} SET {column} = {value} WHERE {column} =");
    let changed = match was {
        Some(was) => connection.execute(&format!("{update} ?1"), [was]),
        None => connection.execute(
            &format!("{update} (SELECT min({column}) FROM main.{name})"),
            [],
        ),
    };
    changed.is_ok_and(|rows| rows > 0)
}

/// Whether a row, of one table or of any, refers to a parent that is not there; none where a reference fits no key, so that SQLite cannot say.
pub(super) fn has_orphans(connection: &Connection, table: Option<&Name>) -> Option<bool> {
    let of = table.map_or(String::new(), |table| format!("({})", table.quoted()));
    let check = format!("PRAGMA main.foreign_key_check{of}");
    connection.prepare(&check).ok()?.exists([]).ok()
}
