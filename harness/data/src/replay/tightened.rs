//! The third look: rows that the schema before a file takes, and a key, a NOT NULL or a CHECK that the file brings does not. Never blames a file that sorts them out.

use super::{Step, Tightened, collisions, orphans, typed};
use crate::catalog::{self, Index, Name, Schema, Table};
use crate::engine::{Act, Engine, Failure};
use crate::rows::{Filler, is_checked, put_outside, restricted};
use crate::text::find_word;
use std::collections::BTreeMap;

/// Keys and columns of one file that are tried.
const TRIED_MAX: usize = 8;

/// Whether a file may bring keys to tables that were there before it.
pub(super) fn may_tighten(steps: &[(usize, &Step)], before: &Schema) -> bool {
    let is_old = |table: &str| before.tables.contains_key(&Name::new(table));
    steps.iter().any(|(_, step)| {
        step.deeds.iter().any(|deed| {
            let is_unique = || find_word(&step.statement.sql, "unique", 0).is_some();
            deed.table(Act::Drop).is_some_and(is_old)
                || deed.table(Act::Index).is_some_and(is_old) && is_unique()
        })
    })
}

/// A database with rows before a file.
pub(super) struct Before<'e> {
    pub(super) engine: &'e Engine,
    /// What it is made of.
    pub(super) schema: &'e Schema,
    /// Whether references are to hold while the file is applied. Where they alone stop it, they are left out for the time being.
    pub(super) keeps_references: bool,
    /// Copies that fail for what they leave out, as they will be mended.
    pub(super) mended: &'e BTreeMap<usize, String>,
}

impl Before<'_> {
    /// The same database once more.
    pub(super) fn copy(&self) -> rusqlite::Result<Engine> {
        let engine = self.engine.copy()?;
        if !self.keeps_references {
            engine.ours(|connection| connection.pragma_update(None, "foreign_keys", false))?;
        }
        Ok(engine)
    }

    /// A statement, as it will be mended if it has to be.
    fn as_mended<'s>(&'s self, place: usize, step: &'s Step) -> &'s str {
        let mended = self.mended.get(&place);
        mended.map_or(&*step.statement.sql, String::as_str)
    }

    /// What it is made of behind a file that fails.
    pub(super) fn after(&self, steps: &[(usize, &Step)]) -> rusqlite::Result<Schema> {
        let engine = self.copy()?;
        for (place, step) in steps {
            if step.is_carried_out() {
                let _seen_before = step.run_as(&engine, self.as_mended(*place, step));
            }
        }
        engine.ours(catalog::read)
    }
}

/// Applies a file once for each key, each NOT NULL and each column with a new CHECK that it brings, to a copy of the database with rows in which that does not hold yet.
pub(super) fn look(
    with_rows: &Before<'_>,
    steps: &[(usize, &Step)],
    after: &Schema,
    filler: &mut Filler,
) -> rusqlite::Result<Vec<Tightened>> {
    let before = with_rows.schema;
    let mut all: Vec<(&Table, Vec<Name>, Brings<'_>)> = Vec::new();
    for table in before.tables.values().filter(|table| table.is_ordinary()) {
        let Some(new) = after.tables.get(&table.name) else {
            continue;
        };
        if table.sql == new.sql && table.indexes == new.indexes {
            continue;
        }
        for index in new.indexes.iter().filter(|index| is_new(table, index)) {
            let columns = looked_at(table, index);
            all.push((table, columns, Brings::Key(index)));
        }
        all.extend(
            closed(table, new)
                .into_iter()
                .map(|column| (table, vec![column], Brings::NotNull)),
        );
        let checked = restricted(table, new).into_iter();
        all.extend(checked.map(|column| (table, vec![column], Brings::Check)));
        all.extend(
            orphans::referring(table, new, before)
                .map(|fresh| (table, fresh.key.columns.clone(), Brings::Reference(fresh))),
        );
    }
    let mut tried = Vec::new();
    for (table, columns, brings) in all.into_iter().take(TRIED_MAX) {
        let engine = with_rows.copy()?;
        let is_made = engine.ours(|connection| match brings {
            Brings::Key(index) => {
                let condition = index.condition.as_deref();
                filler.twin(connection, before, table, &columns, condition)
            }
            Brings::NotNull => filler.null(connection, before, table, &columns[0]),
            Brings::Check => Ok(put_outside(connection, table, &columns[0])),
            Brings::Reference(fresh) => {
                if fresh.is_turned() {
                    // What the new parent asks of them is just what these rows need not meet.
                    let own = std::slice::from_ref(&table.name);
                    filler.fill(connection, before, before, own, 1)?;
                }
                Ok(orphans::put(connection, before, table, fresh))
            }
            Brings::Type => Ok(false),
        })?;
        if is_made {
            let failure = failure(with_rows, &engine, steps, &brings)?;
            let is_left =
                || engine.ours(|connection| orphans::has_orphans(connection, Some(&table.name)));
            let leaves_orphans = matches!(brings, Brings::Reference(_))
                && with_rows.keeps_references
                && failure.is_none()
                && is_left() == Some(true);
            tried.push(Tightened {
                failure,
                leaves_orphans,
                is_first_check: match brings {
                    Brings::Check => !is_checked(table, &columns[0]),
                    Brings::Key(_) | Brings::NotNull | Brings::Reference(_) | Brings::Type => false,
                },
                is_first_type: false,
                table: table.name.clone(),
                columns,
                key: if let Brings::Key(index) = brings {
                    Some(index.name.clone())
                } else {
                    None
                },
            });
        }
    }
    tried.extend(typed::look(with_rows, steps, after)?);
    let collided = collisions::look(with_rows, steps, after, filler)?;
    tried.extend(collided);
    Ok(tried)
}

/// What a file brings to a table that was there before it.
pub(super) enum Brings<'s> {
    Key(&'s Index),
    NotNull,
    Check,
    Reference(orphans::Fresh<'s>),
    /// The type of a column of a STRICT table; see [`typed`].
    Type,
}

/// The columns that a key is about, those of its expressions as well: rows that agree in them agree in the key.
fn looked_at(table: &Table, index: &Index) -> Vec<Name> {
    let is_named = |name: &Name| {
        let mut parts = index.columns.iter();
        parts.any(|part| part.name.as_ref() == Some(name))
    };
    let has_expression = index.columns.iter().any(|part| part.name.is_none());
    let terms = index.sql.as_deref().filter(|_sql| has_expression);
    let terms = terms.and_then(|sql| Some(&sql[sql.find('(')?..]));
    let columns = table.columns.iter().map(|column| &column.name);
    columns
        .filter(|name| {
            is_named(name)
                || terms.is_some_and(|terms| find_word(terms, name.as_str(), 0).is_some())
        })
        .cloned()
        .collect()
}

/// Whether a key forbids what no key of the table forbade.
fn is_new(table: &Table, index: &Index) -> bool {
    let columns = looked_at(table, index);
    let parts = index.columns.iter().filter_map(|part| part.name.as_ref());
    let is_there = !columns.is_empty() && parts.clone().all(|name| columns.contains(name));
    let is_held = table
        .rowid_alias()
        .is_some_and(|alias| parts.clone().any(|name| *name == alias.name))
        || table.indexes.iter().any(|old| {
            let is_whole = old.condition.is_none() || old.condition == index.condition;
            let is_within = old
                .columns
                .iter()
                .all(|part| part.name.is_some() && index.columns.contains(part));
            old.unique && is_whole && (is_within || old.sql.is_some() && old.sql == index.sql)
        });
    index.unique && is_there && !is_held
}

/// Columns that could hold NULL and no longer can. Nobody leaves a key without a value, though SQLite would let him.
fn closed(table: &Table, new: &Table) -> Vec<Name> {
    let columns = table.columns.iter();
    columns
        .filter(|column| column.generated.is_none() && table.is_nullable(column))
        .filter(|column| !table.primary_key.contains(&column.name))
        .filter(|column| {
            let later = new.column(&column.name);
            later.is_some_and(|later| later.generated.is_none() && !new.is_nullable(later))
        })
        .map(|column| column.name.clone())
        .collect()
}

/// A step that failed, and why.
pub(super) type Failed = (usize, Failure);

/// Where a file fails because rows are equal in a key.
pub(super) fn fails_on_a_key(
    with_rows: &Before<'_>,
    engine: &Engine,
    steps: &[(usize, &Step)],
) -> rusqlite::Result<Option<Failed>> {
    let failed = failure(with_rows, engine, steps, &Brings::Check)?;
    Ok(failed.filter(|(_, why)| {
        matches!(
            why.code,
            rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY
        )
    }))
}

/// Where a file fails because a key, a NOT NULL, a CHECK or a type does not hold.
pub(super) fn failure(
    with_rows: &Before<'_>,
    engine: &Engine,
    steps: &[(usize, &Step)],
    brings: &Brings<'_>,
) -> rusqlite::Result<Option<Failed>> {
    let is_reference = matches!(brings, Brings::Reference(_));
    engine.ours(|connection| connection.execute_batch("BEGIN"))?;
    for (place, step) in steps {
        if !step.is_carried_out() {
            continue;
        }
        if let Err(why) = step.run_as(engine, with_rows.as_mended(*place, step)) {
            let is_meant = matches!(
                why.code,
                rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE
                    | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY
                    | rusqlite::ffi::SQLITE_CONSTRAINT_NOTNULL
                    | rusqlite::ffi::SQLITE_CONSTRAINT_CHECK
            ) || is_reference
                && why.code == rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY
                || matches!(brings, Brings::Type)
                    && why.code == rusqlite::ffi::SQLITE_CONSTRAINT_DATATYPE;
            return Ok(is_meant.then_some((*place, why)));
        }
    }
    let outcome = super::empty::commit(engine);
    let last = steps.last().map(|(place, _)| *place);
    let deferred = outcome.err().filter(|_why| is_reference);
    Ok(last.zip(deferred))
}
