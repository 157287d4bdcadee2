//! PAT-003: rows that are older than the index of a search. Never judges a row that the search would not find in any case.

use super::super::populated::rows_of;
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
    for tenant in 0..older.settled.tenants() {
        for row in older.settled.rows(older.table, tenant) {
            let Value::Text(held) = row.value(&older.column) else {
                continue;
            };
            let (is_found, asked) = older.is_found_by(&row, &held, tenant)?;
            if is_found || !held.starts_with("quixword") {
                continue;
            }
            let anew = word(2 * OLDER);
            let set = (&older.column, Value::Text(anew.clone()));
            if older.settled.set(&row, &[set]).is_err() {
                continue;
            }
            // A row that is not found now is one that the search leaves out on purpose.
            if older.is_found_by(&row, &anew, tenant)?.0 {
                return Ok(Some(older.broken(
                    format!(
                        "a row that was there before `{name}` is found by a word that it holds"
                    ),
                    "it is found only once it is written anew",
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
