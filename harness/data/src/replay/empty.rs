//! The first pass: every file on an empty database. Never stops at a failure: it is kept, and what stands behind it is tried.

use super::added::{Added, Alone};
use super::objects::Objects;
use super::{Replay, Step, bulk};
use crate::catalog;
use crate::engine::{Engine, Failure};
use crate::progress::{Progress, Work};
use crate::source::Source;
use crate::text::{FileId, Statement, statements};

/// Applies all files; [`Replay::with_rows`] is left empty.
pub(super) fn replay(source: &Source, progress: &dyn Progress) -> rusqlite::Result<Replay> {
    progress.hear(Work::Files, 0, source.files.len());
    match bulk::replay(source)? {
        Some(replay) => Ok(replay),
        None => one_by_one(source, progress, Some(Added::new()?)),
    }
}

/// The same, statement by statement; columns are added to their tables alone if there is where to.
pub(super) fn one_by_one(
    source: &Source,
    progress: &dyn Progress,
    mut added: Option<Added>,
) -> rusqlite::Result<Replay> {
    let engine = Engine::in_memory()?;
    let mut objects = Objects::default();
    let mut steps: Vec<Step> = Vec::new();
    let mut files = Vec::new();
    let mut failed = None;
    for (number, file) in source.files.iter().enumerate() {
        let id = FileId(number);
        let first = steps.len();
        let statements = statements(id, file);
        let trimmed = trimmed(&file.text, &statements);
        engine.ours(|connection| connection.execute_batch("BEGIN"))?;
        if let Some(added) = &mut added {
            added.begin();
        }
        for (place, statement) in statements.into_iter().enumerate() {
            let is_trimmed = trimmed.contains(&place);
            if let Some(added) = &mut added {
                let sql = (&*statement.sql, &statement.span);
                if let Some(alone) = added.add(&engine, &mut objects, sql)? {
                    steps.push(done_alone(statement, alone));
                    continue;
                }
                added.tell_before(&engine, &objects, &statement.sql)?;
            }
            steps.push(step(&engine, &mut objects, statement, is_trimmed)?);
        }
        if let Err(failure) = commit(&engine) {
            // Deferred references that nothing mended: D1 undoes the file; here its last statement bears the failure.
            if let Some(added) = &mut added {
                added.undo(&engine)?;
            }
            if let Some(last) = steps.get_mut(first..).and_then(<[Step]>::last_mut) {
                objects.resume(&engine, &last.statement.span)?;
                last.failure.get_or_insert(failure);
            }
        }
        let refused = (first..steps.len()).find(|place| steps[*place].failure.is_some());
        failed = failed.or(refused.map(|place| (id, place)));
        files.push(first..steps.len());
        progress.hear(Work::Files, files.len(), source.files.len());
    }
    if let Some(added) = &mut added {
        added.tell(&engine)?;
    }
    engine.take_deeds();
    let schema = engine.ours(catalog::read)?;
    Ok(Replay {
        with_rows: vec![None; files.len()],
        sites: objects.sites(),
        steps,
        files,
        failed,
        schema,
        empty: engine,
    })
}

fn done_alone(statement: Statement, alone: Alone) -> Step {
    Step {
        statement,
        deeds: alone.deeds,
        changes: alone.changes,
        failure: alone.outcome.err(),
        is_trimmed: false,
        is_unreferenced: false,
    }
}

/// Ends the transaction of a file. Where references are still broken, what it did is undone.
pub(super) fn commit(engine: &Engine) -> Result<(), Failure> {
    let outcome = engine.ours(|connection| connection.execute_batch("COMMIT"));
    let Err(error) = outcome else { return Ok(()) };
    let message = error.to_string();
    engine.ours(|connection| {
        // The transaction stays open after a failed COMMIT; what it did is undone, as D1 does.
        let _undone = connection.execute_batch("ROLLBACK");
    });
    Err(Failure {
        refusal: None,
        message,
        code: error.sqlite_error().map_or(0, |code| code.extended_code),
        offset: None,
    })
}

/// Tries one statement on the empty database.
pub(super) fn step(
    engine: &Engine,
    objects: &mut Objects,
    statement: Statement,
    is_trimmed: bool,
) -> rusqlite::Result<Step> {
    let outcome = if is_trimmed {
        Ok(())
    } else {
        engine.run(&statement.sql)
    };
    let (mut deeds, _) = engine.take_deeds();
    let is_unreferenced = outcome.as_ref().is_err_and(is_about_references)
        && engine.run_without_references(&statement.sql).is_ok();
    if is_unreferenced {
        deeds = engine.take_deeds().0;
    }
    let changes = objects.follow(engine, &deeds, &statement.span)?;
    Ok(Step {
        statement,
        deeds,
        changes,
        failure: outcome.err(),
        is_trimmed,
        is_unreferenced,
    })
}

/// Whether SQLite complains of a reference: it fits no key of its parent, or its parent is not there.
pub(super) fn is_about_references(failure: &Failure) -> bool {
    is_a_mismatch(&failure.message)
}

/// The same by what SQLite says.
pub(super) fn is_a_mismatch(message: &str) -> bool {
    message.contains("foreign key mismatch") || message.contains("no such table: main.")
}

/// The places of the statements that wrangler takes out: the first `BEGIN TRANSACTION;` and the first `COMMIT;`, in just this spelling
/// (`trimmer.ts` of wrangler), where the file has the former.
fn trimmed(text: &str, statements: &[Statement]) -> Vec<usize> {
    if !text.contains("BEGIN TRANSACTION;") {
        return Vec::new();
    }
    let first = |sql: &str| {
        statements
            .iter()
            .position(|statement| &*statement.sql == sql)
    };
    ["BEGIN TRANSACTION", "COMMIT"]
        .into_iter()
        .filter_map(first)
        .collect()
}
