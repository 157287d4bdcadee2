//! A file whose DROP fails for the rows of children, tried again without the rows that keep the table. Never tries rows that a table does not take.

use super::watch::Watch;
use super::{Effect, EffectKind, Step, empty, orphans};
use crate::catalog::{Action, Name, Schema};
use crate::engine::{Deed, Engine, Failure};
use rusqlite::Connection;
use std::collections::BTreeSet;

/// The place of a step that failed, and why.
type Failed = (usize, Failure);

/// How often a file is tried again without the rows that keep one more table.
const TRIES_MAX: usize = 4;

/// What a file does where no row of another table stops it.
#[derive(Default)]
pub(super) struct Bare {
    /// What it does to rows.
    pub(super) effects: Vec<Effect>,
    /// The tables that cannot be dropped for rows of their own children, behind the first one.
    pub(super) failures: Vec<(usize, Failure)>,
}

/// Applies the file where nothing keeps the table from being dropped: then it passes, and takes other rows along, or fails at another table.
pub(super) fn look(
    before: &Engine,
    schema: &Schema,
    steps: &[(usize, &Step)],
    parent: &Name,
) -> rusqlite::Result<Bare> {
    let mut parents = BTreeSet::from([parent.clone()]);
    let mut failures = Vec::new();
    for _ in 0..TRIES_MAX {
        let engine = before.copy()?;
        if !engine.ours(|connection| let_go(connection, schema, &parents))? {
            break;
        }
        match run(&engine, schema, steps)? {
            Ok(effects) => return Ok(Bare { effects, failures }),
            Err(Some((place, failure))) => {
                let step = steps.iter().find(|(at, _)| *at == place);
                let next = step.filter(|(_, step)| drops_a_parent(step, &failure));
                let next = next.and_then(|(_, step)| step.deeds.iter().find_map(dropped));
                failures.push((place, failure));
                if !next.is_some_and(|next| parents.insert(next)) {
                    failures.pop();
                    break;
                }
            }
            Err(None) => break,
        }
    }
    Ok(Bare {
        effects: Vec::new(),
        failures,
    })
}

fn dropped(deed: &Deed) -> Option<Name> {
    if let Deed::DropTable(table) = deed {
        Some(Name::new(table))
    } else {
        None
    }
}

/// What the file does to rows, or where it fails; nothing where its end fails.
fn run(
    engine: &Engine,
    schema: &Schema,
    steps: &[(usize, &Step)],
) -> rusqlite::Result<Result<Vec<Effect>, Option<Failed>>> {
    let tables = schema.tables.keys().cloned().collect();
    let mut watch = Watch::new(engine, schema, tables);
    engine.ours(|connection| connection.execute_batch("BEGIN"))?;
    for (place, step) in steps {
        if !step.is_carried_out() {
            continue;
        }
        watch.look_before(engine, step);
        if let Err(failure) = step.run(engine) {
            return Ok(Err(Some((*place, failure))));
        }
        if step.deeds.iter().any(super::filled::may_remove) {
            watch.look(engine, *place, step);
        }
    }
    if empty::commit(engine).is_err() {
        return Ok(Err(None));
    }
    let mut effects = watch.effects(engine, steps);
    effects.retain(|effect| matches!(effect.kind, EffectKind::RowsGone { .. }));
    Ok(Ok(effects))
}

/// Takes away what keeps rows of these tables, and those that go with them: references that may be NULL are, and tables whose references
/// may not be are emptied. Whether anything was changed, and every reference holds.
fn let_go(
    connection: &Connection,
    schema: &Schema,
    parents: &BTreeSet<Name>,
) -> rusqlite::Result<bool> {
    connection.pragma_update(None, "foreign_keys", false)?;
    let mut going: Vec<(&Name, bool)> = parents.iter().map(|name| (name, false)).collect();
    let mut seen: BTreeSet<&Name> = parents.iter().collect();
    let mut is_changed = false;
    while let Some((parent, is_emptied)) = going.pop() {
        for (table, key) in schema.tables.values().flat_map(|table| {
            let keys = table.foreign_keys.iter().map(move |key| (table, key));
            keys.filter(|(table, key)| key.parent == *parent && table.is_ordinary())
        }) {
            let is_open = |name: &&Name| {
                let column = table.column(name);
                column.is_some_and(|column| table.is_nullable(column) && column.generated.is_none())
            };
            let follows = matches!(key.on_delete, Action::Cascade | Action::SetNull) && !is_emptied;
            let name = table.name.quoted();
            let sql = match key.columns.iter().find(is_open) {
                _ if follows => None,
                Some(column) => Some(format!("UPDATE {name} SET {} = NULL", column.quoted())),
                None if parents.contains(&table.name) => None,
                None => Some(format!("DELETE FROM {name}")),
            };
            let is_cleared = sql.as_ref().is_some_and(|sql| sql.starts_with("DELETE"));
            if let Some(sql) = sql {
                is_changed |= connection.execute(&sql, []).is_ok_and(|rows| rows > 0);
            }
            let goes_along = key.on_delete == Action::Cascade || is_cleared;
            if goes_along && seen.insert(&table.name) {
                going.push((&table.name, is_cleared));
            }
        }
    }
    let holds = orphans::has_orphans(connection, None) == Some(false);
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(is_changed && holds)
}

/// The step that drops a table of which children still hold rows, where SQLite counts them as broken until the end of the file though every reference
/// holds again: a rename brings no parent back. None if some row refers to nothing, which is a reason of its own.
pub(super) fn dropped_for_good(
    engine: &Engine,
    schema: &Schema,
    steps: &[(usize, &Step)],
) -> Option<usize> {
    let is_kept = |parent: &Name| {
        let mut tables = schema.tables.values();
        tables.any(|child| {
            let mut keys = child.foreign_keys.iter();
            child.name != *parent
                && keys.any(|key| {
                    let stays = matches!(
                        key.on_delete,
                        Action::NoAction | Action::Restrict | Action::SetDefault
                    );
                    stays && key.parent == *parent
                })
        })
    };
    let mut drops = steps.iter().filter_map(|(place, step)| {
        let parent = step.deeds.iter().find_map(dropped)?;
        is_kept(&parent).then_some(*place)
    });
    let place = drops.next()?;
    let is_whole = engine.ours(|connection| orphans::has_orphans(connection, None));
    (is_whole == Some(false)).then_some(place)
}

/// Whether a table could not be dropped because others refer to its rows.
pub(super) fn drops_a_parent(step: &Step, failure: &Failure) -> bool {
    let drops = |deed: &Deed| matches!(deed, Deed::DropTable(_));
    // RESTRICT is a trigger within SQLite, and a table that is dropped fires no others.
    let is_kept = matches!(
        failure.code,
        rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY | rusqlite::ffi::SQLITE_CONSTRAINT_TRIGGER
    );
    is_kept && step.deeds.iter().any(drops)
}
