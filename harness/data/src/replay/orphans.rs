//! Rows whose parents a new reference does not find. Never leaves a row that the old references do not take.

use crate::catalog::{Affinity, ForeignKey, Name, Schema, Table};
use rusqlite::Connection;

/// A reference that a table has from a file on.
#[derive(Clone, Copy)]
pub(super) struct Fresh<'s> {
    /// The reference.
    pub(super) key: &'s ForeignKey,
    /// The one that its only column had before, to another table or column.
    old: Option<&'s ForeignKey>,
}

impl Fresh<'_> {
    /// Whether the column referred to something before.
    pub(super) fn is_turned(&self) -> bool {
        self.old.is_some()
    }
}

/// References that a table has from this file on, to tables that are there before it.
pub(super) fn referring<'s>(
    table: &'s Table,
    new: &'s Table,
    before: &'s Schema,
) -> impl Iterator<Item = Fresh<'s>> {
    new.foreign_keys.iter().filter_map(|key| {
        let is_plain = key.columns.iter().all(|column| {
            let own = table.column(column);
            own.is_some_and(|column| column.generated.is_none())
        });
        let is_old = before.tables.contains_key(&key.parent);
        let is_there = |old: &&ForeignKey| {
            old.columns == key.columns
                && old.parent == key.parent
                && old.parent_columns == key.parent_columns
        };
        if !is_old || !is_plain || table.foreign_keys.iter().any(|old| is_there(&old)) {
            return None;
        }
        let [column] = key.columns.as_slice() else {
            let is_other = key.parent != table.name;
            return is_other.then_some(Fresh { key, old: None });
        };
        let mut old = table.foreign_keys.iter();
        let Some(old) = old.find(|old| old.columns.contains(column)) else {
            let is_free = !table.primary_key.contains(column);
            return is_free.then_some(Fresh { key, old: None });
        };
        let is_alone = old.columns.len() == 1 && old.parent_columns.len() == 1;
        (is_alone && old.parent != table.name).then_some(Fresh {
            key,
            old: Some(old),
        })
    })
}

/// Makes one row refer to nothing by the new reference, and to what it did by all others; whether that could be done.
pub(super) fn put(
    connection: &Connection,
    before: &Schema,
    table: &Table,
    fresh: Fresh<'_>,
) -> bool {
    let made = || -> rusqlite::Result<bool> {
        // Within a transaction no pragma would switch them off.
        connection.pragma_update(None, "foreign_keys", false)?;
        let tries: [&dyn Fn() -> rusqlite::Result<bool>; 2] =
            [&|| without_parent(connection, table, fresh.key), &|| {
                another_value(connection, before, table, fresh)
            }];
        let mut is_made = false;
        for attempt in tries {
            connection.execute_batch("SAVEPOINT an_orphan")?;
            is_made = attempt().unwrap_or(false) && has_orphans(connection, None) == Some(false);
            if is_made {
                connection.execute_batch("RELEASE an_orphan")?;
                break;
            }
            connection.execute_batch("ROLLBACK TO an_orphan; RELEASE an_orphan")?;
        }
        connection.pragma_update(None, "foreign_keys", true)?;
        Ok(is_made)
    };
    made().unwrap_or(false)
}

/// Deletes the row that one row will have to refer to.
fn without_parent(
    connection: &Connection,
    table: &Table,
    key: &ForeignKey,
) -> rusqlite::Result<bool> {
    if key.parent == table.name || key.parent_columns.len() != key.columns.len() {
        return Ok(false);
    }
    let list = |names: &[Name]| {
        names
            .iter()
            .map(Name::quoted)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let delete = format!(
        "DELETE FROM main.{} WHERE ({}) IN (SELECT {} FROM main.{} LIMIT 1)",
        key.parent.quoted(),
        list(&key.parent_columns),
        list(&key.columns),
        table.name.quoted()
    );
    connection.execute(&delete, []).map(|rows| rows > 0)
}

/// Writes a value that no row of the new parent has into one row, and into its old parent and all that refer to that.
fn another_value(
    connection: &Connection,
    before: &Schema,
    table: &Table,
    fresh: Fresh<'_>,
) -> rusqlite::Result<bool> {
    let [column] = fresh.key.columns.as_slice() else {
        return Ok(false);
    };
    let Some(old) = fresh.old else {
        return Ok(write(connection, table, column, None));
    };
    let Some(parent) = before.tables.get(&old.parent) else {
        return Ok(false);
    };
    let of = &old.parent_columns[0];
    let first = format!(
        "SELECT p.{0} FROM main.{1} AS p JOIN main.{2} AS t ON t.{3} = p.{0} LIMIT 1",
        of.quoted(),
        parent.name.quoted(),
        table.name.quoted(),
        column.quoted()
    );
    let first: rusqlite::types::Value = connection.query_row(&first, [], |row| row.get(0))?;
    let goes = write(connection, parent, of, Some(&first));
    for (child, key) in before.tables.values().flat_map(|child| {
        let keys = child.foreign_keys.iter().map(move |key| (child, key));
        keys.filter(|(_, key)| key.parent == parent.name)
    }) {
        let is_by_it = key.columns.len() == 1 && key.parent_columns == old.parent_columns;
        if goes && is_by_it {
            write(connection, child, &key.columns[0], Some(&first));
        }
    }
    Ok(goes)
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
