//! A file whose DROP fails for the rows of children, tried once more with rows that refer to nothing where they need not. Never tries rows that a table does not take.

use super::watch::Watch;
use super::{Effect, EffectKind, Step, empty};
use crate::catalog::{Name, Schema};
use crate::engine::{Deed, Engine, Failure};

/// What the file does to rows where no child keeps the table from being dropped: then it passes, and takes other rows along.
pub(super) fn effects(
    before: &Engine,
    schema: &Schema,
    steps: &[(usize, &Step)],
    parent: &Name,
) -> rusqlite::Result<Vec<Effect>> {
    let engine = before.copy()?;
    let mut is_changed = false;
    for table in schema.tables.values().filter(|table| table.is_ordinary()) {
        for key in table
            .foreign_keys
            .iter()
            .filter(|key| key.parent == *parent)
        {
            let open = key.columns.iter().find(|name| {
                let column = table.column(name);
                column.is_some_and(|column| table.is_nullable(column) && column.generated.is_none())
            });
            let keeps = !matches!(
                key.on_delete,
                crate::catalog::Action::Cascade | crate::catalog::Action::SetNull
            );
            if let Some(column) = open.filter(|_| keeps) {
                let sql = format!(
                    "UPDATE {} SET {} = NULL",
                    table.name.quoted(),
                    column.quoted()
                );
                let outcome = engine.ours(|connection| connection.execute(&sql, []));
                is_changed |= outcome.is_ok_and(|rows| rows > 0);
            }
        }
    }
    if !is_changed {
        return Ok(Vec::new());
    }
    let tables = schema.tables.keys().cloned().collect();
    let mut watch = Watch::new(&engine, schema, tables);
    engine.ours(|connection| connection.execute_batch("BEGIN"))?;
    for (place, step) in steps {
        if step.is_trimmed || step.failure.is_some() {
            continue;
        }
        watch.look_before(&engine, step);
        if engine.run(&step.statement.sql).is_err() {
            return Ok(Vec::new());
        }
        if step.deeds.iter().any(super::filled::may_remove) {
            watch.look(&engine, *place, step);
        }
    }
    if empty::commit(&engine).is_err() {
        return Ok(Vec::new());
    }
    let mut effects = watch.effects(&engine);
    effects.retain(|effect| matches!(effect.kind, EffectKind::RowsGone { .. }));
    Ok(effects)
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
