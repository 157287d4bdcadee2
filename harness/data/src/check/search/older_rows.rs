//! PAT-003: rows that are older than the index of a search. Never judges a row that the search would not find in any case.

use super::super::populated::{Row, rows_of};
use super::super::references::given;
use super::super::settled::Settled;
use super::super::world::World;
use super::super::{Broken, Outcome};
use super::{Case, word};
use crate::catalog::{Name, Schema};
use crate::subject::Subject;
use rusqlite::types::Value;

/// What the words of rows begin with that the search has to know.
const OLDER: usize = 5_000;

/// Rows that were there before the file that makes the index: each is found by its word, unless it is not even found once it is written anew.
pub(super) fn not_entered(subject: &Subject, case: &Case<'_>) -> Result<Option<Broken>, Outcome> {
    let Some(file) = subject.replay.maker(&Name::new(&case.claim.index)) else {
        return Ok(None);
    };
    let told = |world: &World<'_>, schema: &Schema| tell_apart(case, world, schema);
    let older = Settled::older(subject, file, told).ok().flatten();
    // Without rows, or with a later file that fails with rows, nothing can be seen; the latter is PAT-016's.
    let Some(older) = older.and_then(|older| Case::around(older, case.claim, case.place).ok())
    else {
        return Ok(None);
    };
    let name = subject.source.file(file).map_or("", |file| &file.name);
    if let Some(unsound) = older.integrity() {
        let index = &older.claim.index;
        return Ok(Some(older.broken(
            format!("behind `{name}` the index is in step with the rows that were there before it"),
            unsound,
            vec![
                format!(
                    "-- `{}` holds rows before {name} is applied",
                    older.table.name
                ),
                format!("INSERT INTO {index}({index}, rank) VALUES ('integrity-check', 1);"),
            ],
        )));
    }
    for tenant in 0..older.settled.tenants() {
        for row in older.settled.rows(older.table, tenant) {
            let Value::Text(held) = row.value(&older.column) else {
                continue;
            };
            let (is_found, asked) = older.is_found_by(&row, &held, tenant)?;
            if is_found || !held.starts_with("quixword") {
                continue;
            }
            // A row that is not found now either is one that the search leaves out on purpose.
            if let Some(how) = found_anew(&older, &row, tenant)? {
                return Ok(Some(older.broken(
                    format!(
                        "a row that was there before `{name}` is found by a word that it holds"
                    ),
                    format!("it is found only once it is {how}"),
                    vec![
                        format!(
                            "-- `{}` holds a row with the text '{held}' before {name} is applied",
                            older.table.name
                        ),
                        asked,
                    ],
                )));
            }
        }
    }
    Ok(None)
}

/// What makes a row be found that was not: that its text is written anew, or the whole row, or nothing.
fn found_anew(older: &Case<'_>, row: &Row, tenant: usize) -> Result<Option<&'static str>, Outcome> {
    let anew = word(2 * OLDER);
    let text = Value::Text(anew.clone());
    if older
        .settled
        .set(row, &[(&older.column, text.clone())])
        .is_ok()
        && older.is_found_by(row, &anew, tenant)?.0
    {
        return Ok(Some("written anew"));
    }
    let table = older.table.name.quoted();
    let columns: Vec<&Name> = given(older.table).collect();
    let names: Vec<String> = columns.iter().map(|name| name.quoted()).collect();
    let marks: Vec<String> = (1..=columns.len())
        .map(|place| format!("?{place}"))
        .collect();
    let values = columns.iter().map(|name| {
        if **name == older.column {
            text.clone()
        } else {
            row.value(name)
        }
    });
    let delete = format!("DELETE FROM {table} WHERE {}", row.found());
    let insert = format!(
        "INSERT INTO {table} ({}) VALUES ({})",
        names.join(", "),
        marks.join(", ")
    );
    let both = [
        (delete.as_str(), Vec::new()),
        (insert.as_str(), values.collect()),
    ];
    let is_made = older.settled.world().batch(&both).is_ok();
    Ok((is_made && older.is_found_by(row, &anew, tenant)?.0)
        .then_some("removed and inserted once more"))
}

/// Gives every row a word of its own.
fn tell_apart(case: &Case<'_>, world: &World<'_>, schema: &Schema) {
    let Some(table) = schema.tables.get(&case.table.name) else {
        return;
    };
    for (number, row) in rows_of(world, table, "1").iter().enumerate() {
        let sql = format!(
            "UPDATE {} SET {} = ?1 WHERE {}",
            table.name.quoted(),
            case.column.quoted(),
            row.found()
        );
        let _kept_where_refused = world.run(&sql, &[Value::Text(word(OLDER + number))]);
    }
}
