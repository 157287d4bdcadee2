//! PAT-012: rows that move to another tenant, and what they leave behind or take with them. Never judges a move that is refused.

use super::populated::{Populated, Row};
use super::references::{given, key_in};
use super::{Broken, Outcome};
use crate::catalog::{Name, Table};
use crate::rows::{Owner, Statements, Wanted};
use crate::subject::Subject;
use crate::text::written;
use rusqlite::Connection;
use rusqlite::types::Value;
use std::collections::BTreeSet;

/// References from a row of one tenant to a row of another that a move makes, a way for each table whose rows can move.
pub(super) fn left_behind(subject: &Subject) -> Result<Vec<Broken>, Outcome> {
    let populated = Populated::new(subject)?;
    let mut broken = Vec::new();
    for table in populated.scoped() {
        broken.extend(moved(subject, &populated, table)?);
    }
    Ok(broken)
}

/// A move of one of the first tenant's rows of a table that tears a reference.
fn moved(
    subject: &Subject,
    populated: &Populated<'_>,
    table: &Table,
) -> Result<Option<Broken>, Outcome> {
    let mut is_blocked = false;
    let hanging = hanging(populated, table);
    for row in populated.rows(table, 0) {
        let Some(attack) = attack(populated, table, &row) else {
            return Ok(None);
        };
        match populated.try_out(&vec![attack.clone()]) {
            Ok(()) => {}
            Err(refused) => {
                is_blocked |= refused.message.starts_with("UNIQUE");
                continue;
            }
        }
        let torn = populated.world.engine().ours(|connection| {
            connection.execute_batch("SAVEPOINT a_move").ok()?;
            let values = rusqlite::params_from_iter(&attack.1);
            let moved = connection.execute(&attack.0, values).is_ok();
            let torn = torn(connection, populated, &hanging).filter(|_torn| moved);
            connection
                .execute_batch("ROLLBACK TO a_move; RELEASE a_move")
                .ok()?;
            torn
        });
        // A reference may be looked at when the transaction ends only, so it is ended once.
        if torn.is_some()
            && let Some(way) = ended(&Populated::new(subject)?, table, &Vec::new(), &attack)
        {
            return Ok(Some(way));
        }
    }
    // The other tenant's rows may be in the way of all that are there, but not of a new one.
    if is_blocked {
        anew(subject, table)
    } else {
        Ok(None)
    }
}

/// The statement that moves a row to the second tenant: by its tenant key, or by the parent through which it belongs to one.
fn attack(populated: &Populated<'_>, table: &Table, row: &Row) -> Option<(String, Vec<Value>)> {
    let tenants = populated.tenants;
    let (columns, values) = match tenants.tenancy.scoped.get(&table.name)? {
        Owner::Tenant => return None,
        Owner::Key(column) => (vec![column], vec![tenants.keys.get(1)?.clone()]),
        Owner::Through(key) => {
            let parent = populated.schema.tables.get(&key.parent)?;
            let strange = populated.rows(parent, 1).into_iter().next()?;
            (
                key.columns.iter().collect(),
                strange.values_of(&key.parent_columns),
            )
        }
    };
    let sets: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(place, column)| format!("{} = ?{}", column.quoted(), place + 1))
        .collect();
    let sql = format!(
        "UPDATE {} SET {} WHERE {}",
        table.name.quoted(),
        sets.join(", "),
        row.found()
    );
    Some((sql, values))
}

/// A table, and all that refer to it or to one of these: what a move can change.
fn hanging(populated: &Populated<'_>, table: &Table) -> BTreeSet<Name> {
    let mut all = BTreeSet::from([table.name.clone()]);
    let mut next = vec![table.name.clone()];
    while let Some(name) = next.pop() {
        for (child, _) in populated.schema.references_to(&name) {
            if all.insert(child.name.clone()) {
                next.push(child.name.clone());
            }
        }
    }
    all
}

/// The two tables of the first reference from a row of one tenant, in one of these tables, to a row of another.
fn torn(
    connection: &Connection,
    populated: &Populated<'_>,
    children: &BTreeSet<Name>,
) -> Option<(Name, Name)> {
    let tenancy = &populated.tenants.tenancy;
    for child in populated
        .scoped()
        .filter(|child| children.contains(&child.name))
    {
        let own = match tenancy.scoped.get(&child.name)? {
            Owner::Through(key) => Some(key),
            Owner::Tenant | Owner::Key(_) => None,
        };
        let keys = child.foreign_keys.iter().filter(|key| {
            Some(*key) != own
                && key.parent != tenancy.tenants
                && tenancy.scoped.contains_key(&key.parent)
        });
        for key in keys {
            let pairs = key.columns.iter().zip(&key.parent_columns);
            let pairs: Vec<String> = pairs
                .map(|(column, of)| format!("p.{} = t.{}", of.quoted(), column.quoted()))
                .collect();
            for tenant in &populated.tenants.keys {
                let sql = format!(
                    "SELECT EXISTS (SELECT 1 FROM main.{} AS t JOIN main.{} AS p ON {} WHERE {} AND NOT {})",
                    child.name.quoted(),
                    key.parent.quoted(),
                    pairs.join(" AND "),
                    tenancy.condition(&child.name, "t", tenant)?,
                    tenancy.condition(&key.parent, "p", tenant)?
                );
                let is_torn = connection.query_row(&sql, [], |row| row.get(0));
                if is_torn.unwrap_or(false) {
                    return Some((child.name.clone(), key.parent.clone()));
                }
            }
        }
    }
    None
}

/// The move as a transaction of its own, behind what makes the row that moves.
fn ended(
    populated: &Populated<'_>,
    table: &Table,
    before: &Statements,
    attack: &(String, Vec<Value>),
) -> Option<Broken> {
    let hanging = hanging(populated, table);
    let look = || {
        populated
            .world
            .engine()
            .ours(|connection| torn(connection, populated, &hanging))
    };
    if look().is_some() {
        return None;
    }
    populated.batch(&vec![attack.clone()]).ok()?;
    let (child, parent) = look()?;
    let mut repeat = populated.script(&[&table.name, &child, &parent]);
    let lines = before.iter().chain([attack]);
    repeat.extend(lines.map(|(sql, values)| written(sql, values)));
    Some(Broken {
        object: format!("table {}", table.name),
        expected: format!(
            "a row of `{}` stays with its tenant, or takes with it all that it refers to and that refers to it",
            table.name
        ),
        saw: format!(
            "it can be moved to another tenant, and then a row of `{child}` refers to another tenant's row of `{parent}`"
        ),
        repeat,
    })
}

/// The same with a new row, and new rows that refer to it.
fn anew(subject: &Subject, table: &Table) -> Result<Option<Broken>, Outcome> {
    let populated = Populated::new(subject)?;
    let Some(made) = populated.spare(&table.name, 0) else {
        return Ok(None);
    };
    if populated.batch(&made).is_err() {
        return Ok(None);
    }
    let mut before: Statements = made.clone();
    for (child, key) in populated.schema.references_to(&table.name) {
        let Some(values) = key_in(&made, table, &key.parent_columns) else {
            continue;
        };
        let pinned = key.columns.iter().cloned().zip(values).collect();
        let wanted = Wanted {
            pinned,
            ..populated.wanted(&child.name, 0)
        };
        let row = populated.spares(&[wanted]).pop().flatten();
        if let Some(row) = row.filter(|row| populated.batch(row).is_ok()) {
            before.extend(row);
        }
    }
    let columns: Vec<Name> = given(table).cloned().collect();
    let values = made.last().map(|(_, values)| values.clone());
    let mut rows = populated.rows(table, 0).into_iter();
    let row = rows.find(|row| {
        let known = row
            .values_of(&columns)
            .into_iter()
            .zip(values.iter().flatten());
        known
            .into_iter()
            .all(|(is, was)| is == *was || *was == Value::Null)
    });
    let attack = row.and_then(|row| attack(&populated, table, &row));
    Ok(attack.and_then(|attack| ended(&populated, table, &before, &attack)))
}
