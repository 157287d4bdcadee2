//! Rows that are told apart today and are the same in a key once a file has copied or changed them. Never looks at a key that the file brings to a
//! table that was there, unless an UPDATE of the file fills its columns.

mod risk;

use super::alike::{FORMS, liken};
use super::called;
use super::tightened::{Before, Failed, fails_on_a_key};
use super::{Step, Tightened};
use crate::catalog::{Name, Schema, Table};
use crate::engine::{Act, Engine};
use crate::rows::Filler;
use risk::{Risk, keys, risks};
use rusqlite::Connection;

/// Keys of one file that are tried.
const TRIED_MAX: usize = 6;

/// Columns of which texts are made alike for one key.
const LIKENED_MAX: usize = 2;

/// Whether a file may make rows equal that are not: it copies rows of an old table, or changes a column that a key is about.
pub(super) fn may_collide(steps: &[(usize, &Step)], before: &Schema) -> bool {
    let old = |table: &str| before.tables.get(&Name::new(table));
    steps.iter().any(|(place, step)| {
        let deeds = || step.deeds.iter().filter(|deed| deed.trigger().is_none());
        let fills = deeds().any(|deed| {
            let into = deed.table(Act::Insert);
            into.is_some_and(|into| !into.starts_with("sqlite_"))
        });
        let was_there = |table: &str| {
            let name = called::at_the_start(steps, *place, table);
            before.tables.contains_key(&name)
        };
        let reads = || deeds().any(|deed| deed.table(Act::Read).is_some_and(was_there));
        let changes = deeds().any(|deed| {
            let table = deed.table(Act::Update).and_then(old);
            let column = deed.column().map(Name::new);
            table.zip(column).is_some_and(|(table, column)| {
                table.column(&column).is_none()
                    || keys(table).iter().any(|key| key.columns.contains(&column))
            })
        });
        fills && reads() || changes
    })
}

/// Applies a file once for each key that its copies and changes may run into, to a copy of the database with such rows.
pub(super) fn look(
    with_rows: &Before<'_>,
    steps: &[(usize, &Step)],
    after: &Schema,
    filler: &mut Filler,
) -> rusqlite::Result<Vec<Tightened>> {
    let mut found: Vec<Tightened> = Vec::new();
    let mut tried = 0;
    for (place, step) in steps.iter().filter(|(_, step)| step.is_carried_out()) {
        for risk in risks(steps, (*place, step), with_rows.schema, after) {
            let is_known = found.iter().any(|one| one.table == risk.table.name);
            if tried == TRIED_MAX || is_known {
                continue;
            }
            tried += 1;
            if let Some(failure) = risk.try_out(with_rows, steps, filler)? {
                found.push(Tightened {
                    table: risk.table.name.clone(),
                    columns: risk.same,
                    is_first_check: false,
                    is_first_type: false,
                    leaves_orphans: false,
                    key: risk.key.name,
                    failure: Some(failure),
                });
            }
        }
    }
    Ok(found)
}

impl Risk<'_> {
    fn try_out(
        &self,
        with_rows: &Before<'_>,
        steps: &[(usize, &Step)],
        filler: &mut Filler,
    ) -> rusqlite::Result<Option<Failed>> {
        let equal = self.same.iter().filter(|_| self.meets).cloned();
        let equal: Vec<Name> = equal.collect();
        if !equal.is_empty()
            && let Some(engine) = self.with_twins(with_rows, &equal, filler)?
            && let Some(failure) = fails_on_a_key(with_rows, &engine, steps)?
        {
            return Ok(Some(failure));
        }
        for column in self.likened.iter().take(LIKENED_MAX) {
            // Rows differ in a key of one column, whatever else they agree in.
            let others = self.same.iter().filter(|name| *name != column);
            let others: Vec<Name> = others
                .filter(|name| !self.meets || !is_key(self.table, name))
                .cloned()
                .collect();
            let Some(alike) = self.with_twins(with_rows, &others, filler)? else {
                continue;
            };
            for form in FORMS {
                let engine = alike.copy()?;
                if !with_rows.keeps_references {
                    engine
                        .ours(|connection| connection.pragma_update(None, "foreign_keys", false))?;
                }
                let is_made =
                    engine.ours(|connection| liken(connection, self.table, &others, column, form));
                if is_made && let Some(failure) = fails_on_a_key(with_rows, &engine, steps)? {
                    return Ok(Some(failure));
                }
            }
        }
        Ok(None)
    }

    /// A copy with two rows that agree in these columns; none if the table takes no such rows.
    fn with_twins(
        &self,
        with_rows: &Before<'_>,
        columns: &[Name],
        filler: &mut Filler,
    ) -> rusqlite::Result<Option<Engine>> {
        let engine = with_rows.copy()?;
        let is_made = engine.ours(|connection| {
            let mut twin = |condition| {
                filler.twin(connection, with_rows.schema, self.table, columns, condition)
            };
            // A condition on a column that the file adds says nothing about rows of before it.
            let is_made = columns.is_empty()
                || self.key.condition.is_some() && twin(self.key.condition.as_deref())?
                || twin(None)?;
            self.leave_empty(connection);
            Ok::<_, rusqlite::Error>(is_made)
        })?;
        Ok(is_made.then_some(engine))
    }

    /// Whoever fills a column for the first time asks whether it is empty.
    fn leave_empty(&self, connection: &Connection) {
        let table = self.table;
        let filled = self.filled.as_ref().and_then(|name| table.column(name));
        if let Some(filled) = filled.filter(|filled| table.is_nullable(filled)) {
            let (table, filled) = (table.name.quoted(), filled.name.quoted());
            let empty = format!("UPDATE main.{table} SET {filled} = NULL");
            let _left_as_it_is = connection.execute(&empty, []);
        }
    }
}

/// Whether no two rows of a table can be equal in a column.
fn is_key(table: &Table, column: &Name) -> bool {
    table.is_unique(std::slice::from_ref(column))
}
