//! PAT-008: rows that were as they should be, and are changed. Never trusts a statement that was taken: it looks at what is stored.

use super::super::Broken;
use super::super::populated::Populated;
use super::super::references::key_in;
use super::{accepted, expected, is_meant};
use crate::catalog::{Name, Table};
use crate::claims::Constraint;
use crate::rows::Statements;
use crate::text::literal;
use rusqlite::Connection;
use rusqlite::types::Value;

/// A row that takes a bad value by UPDATE, if one of those that were kept does.
pub(super) fn changed(
    populated: &Populated<'_>,
    table: &Table,
    claim: &Constraint,
    kept: &[Statements],
    bad: &[Value],
) -> Option<Broken> {
    let column = Name::new(&claim.column);
    for made in kept {
        for value in bad {
            let mut attempt = made.clone();
            attempt.push(update(table, made, &[(&column, value)]));
            if makes_bad(populated, table, claim, &attempt) {
                let shown = literal(value.into());
                return Some(accepted(
                    populated,
                    table,
                    &column,
                    &format!("an UPDATE to {shown} is accepted"),
                    &expected(claim),
                    &attempt,
                ));
            }
        }
    }
    None
}

/// The statement that changes the row which the last of these statements made.
pub(super) fn update(
    table: &Table,
    made: &Statements,
    set: &[(&Name, &Value)],
) -> (String, Vec<Value>) {
    let sets: Vec<String> = set
        .iter()
        .enumerate()
        .map(|(place, (column, _))| format!("{} = ?{}", column.quoted(), place + 1))
        .collect();
    let key = Some(&table.primary_key).filter(|key| !key.is_empty());
    let found = key.and_then(|key| Some(key.iter().zip(key_in(made, table, key)?)));
    let row = found.map_or_else(
        || "rowid = last_insert_rowid()".to_owned(),
        |pairs| {
            let pairs: Vec<String> = pairs
                .map(|(column, value)| {
                    format!("{} IS {}", column.quoted(), literal((&value).into()))
                })
                .collect();
            pairs.join(" AND ")
        },
    );
    let sql = format!(
        "UPDATE {} SET {} WHERE {row}",
        table.name.quoted(),
        sets.join(", ")
    );
    (sql, set.iter().map(|(_, value)| (*value).clone()).collect())
}

/// Whether statements are taken and leave a row behind that the claim does not allow. Nothing of them stays.
pub(super) fn makes_bad(
    populated: &Populated<'_>,
    table: &Table,
    claim: &Constraint,
    statements: &Statements,
) -> bool {
    if populated.try_out(statements).is_err() {
        return false;
    }
    // A value may be changed on its way in: 4711 becomes '4711' in a text, ' 1' a number, and a trigger may pass over the row.
    let seen = populated.world.engine().ours(|connection| {
        let before = bad_rows(connection, table, claim)?;
        connection.execute_batch("SAVEPOINT a_row")?;
        let made = statements.iter().try_for_each(|(sql, values)| {
            let values = rusqlite::params_from_iter(values);
            connection.execute(sql, values).map(|_changed| ())
        });
        let after = bad_rows(connection, table, claim);
        connection.execute_batch("ROLLBACK TO a_row; RELEASE a_row")?;
        made.and(after).map(|after| after > before)
    });
    seen.unwrap_or(false)
}

fn bad_rows(connection: &Connection, table: &Table, claim: &Constraint) -> rusqlite::Result<usize> {
    let column = Name::new(&claim.column);
    let sql = format!(
        "SELECT {} FROM main.{}",
        column.quoted(),
        table.name.quoted()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([])?;
    let mut bad = 0;
    while let Some(row) = rows.next()? {
        bad += usize::from(!is_meant(claim, &row.get(0)?));
    }
    Ok(bad)
}
