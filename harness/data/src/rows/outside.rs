//! Values that a table takes until it gets a CHECK that it had not. Never writes one that the table refuses as it is.

use super::term::{Term, checks};
use crate::catalog::{Affinity, Name, Table};
use rusqlite::Connection;
use rusqlite::types::Value;
use std::collections::BTreeSet;

/// The columns of a table on which its later form has a CHECK that it has not yet.
pub(crate) fn restricted(old: &Table, new: &Table) -> Vec<Name> {
    if !has_checks(new) || old.sql == new.sql {
        return Vec::new();
    }
    let known: Vec<Term> = checks(&old.sql)
        .into_iter()
        .map(|check| check.term)
        .collect();
    let fresh = checks(&new.sql).into_iter().map(|check| check.term);
    let mut named: BTreeSet<Name> = BTreeSet::new();
    for term in fresh.filter(|term| !known.contains(term)) {
        term.visit(&mut |part| {
            if let Term::Column(_, name) = part {
                named.insert(name.clone());
            }
        });
    }
    let columns = old.columns.iter().filter(|column| {
        let mut keys = old.foreign_keys.iter();
        let is_key = keys.any(|key| key.columns.contains(&column.name))
            || old.primary_key.contains(&column.name);
        column.generated.is_none() && !is_key && named.contains(&column.name)
    });
    let columns = columns.map(|column| column.name.clone());
    columns.filter(|name| new.column(name).is_some()).collect()
}

/// Whether a CHECK of a table says what a column may hold.
pub(crate) fn is_checked(table: &Table, column: &Name) -> bool {
    let is_named = |term: &Term| {
        let mut is_named = false;
        term.visit(&mut |part| {
            is_named |= matches!(part, Term::Column(_, name) if name == column);
        });
        is_named
    };
    has_checks(table) && checks(&table.sql).iter().any(|check| is_named(&check.term))
}

/// Writes values into a column, each into a row of its own, that its table takes and that are far from what rows hold; whether one was taken.
pub(crate) fn put_outside(connection: &Connection, table: &Table, column: &Name) -> bool {
    if table.without_rowid {
        return false;
    }
    let name = table.name.quoted();
    let update = format!(
        "UPDATE main.{name} SET {} = ?1 WHERE rowid = (SELECT rowid FROM main.{name} ORDER BY rowid LIMIT 1 OFFSET ?2)",
        column.quoted()
    );
    // A table that cannot be written at all is told elsewhere.
    let Ok(mut statement) = connection.prepare(&update) else {
        return false;
    };
    let mut taken = 0_i64;
    for value in values(table, column) {
        let written = statement.execute((value, taken));
        taken += i64::from(written.is_ok_and(|rows| rows > 0));
    }
    taken > 0
}

/// Writes a value into a column of one row that its table takes as it is, whatever its declared type; whether it did.
pub(crate) fn put_value(
    connection: &Connection,
    table: &Table,
    column: &Name,
    value: &Value,
) -> bool {
    let (name, column) = (table.name.quoted(), column.quoted());
    let key = if table.without_rowid {
        table
            .primary_key
            .first()
            .map_or_else(String::new, Name::quoted)
    } else {
        "rowid".to_owned()
    };
    let update = format!(
        "UPDATE main.{name} SET {column} = ?1 WHERE {key} = (SELECT min({key}) FROM main.{name})"
    );
    let written = connection.execute(&update, [value]);
    written.is_ok_and(|rows| rows > 0)
}

/// What the CHECKs of the table itself name for the column, and values that nobody names.
fn values(table: &Table, column: &Name) -> Vec<Value> {
    let mut values = Vec::new();
    if has_checks(table) {
        for check in checks(&table.sql) {
            let (mut is_about, mut named) = (false, Vec::new());
            check.term.visit(&mut |part| match part {
                Term::Column(_, name) => is_about |= name == column,
                Term::Literal(value) => named.push(value.clone()),
                Term::Of(..) => {}
            });
            // The last ones of a list are the likelier ones to have been struck off.
            values.extend(named.into_iter().rev().filter(|_| is_about));
        }
    }
    let affinity = table.column(column).map(crate::catalog::Column::affinity);
    values.push(match affinity {
        Some(Affinity::Text) => Value::Text("moltproof outside".to_owned()),
        Some(Affinity::Blob) => Value::Blob(b"moltproof outside".to_vec()),
        Some(Affinity::Integer | Affinity::Numeric | Affinity::Real) | None => {
            Value::Integer(-987_654_321)
        }
    });
    values
}

fn has_checks(table: &Table) -> bool {
    table.sql.to_ascii_lowercase().contains("check")
}
