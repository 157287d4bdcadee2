//! PAT-009: declared writes that worked on the rows of the version before, tried again behind a file. Never tries what was refused before.

use super::Broken;
use super::own_values::{bound, choices};
use super::ownership::another;
use super::settled::Settled;
use crate::catalog::Name;
use crate::claims::Write;
use crate::engine::Engine;
use crate::replay::{ObjectKind, Step};
use crate::subject::Subject;
use crate::text::{FileId, find_word, written};
use rusqlite::types::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Ways in which a write is done before a file, of which one has to go through behind it.
const WAYS: usize = 12;

/// The writes that a file ends.
pub(super) fn ended(subject: &Subject) -> rusqlite::Result<Vec<Broken>> {
    let mut broken = Vec::new();
    let mut tables: BTreeSet<Name> = BTreeSet::new();
    for number in 0..subject.replay.files.len() {
        let file = FileId(number);
        if subject
            .replay
            .failed
            .is_some_and(|(failed, _)| failed <= file)
        {
            break;
        }
        let steps: Vec<&Step> = subject
            .replay
            .steps_of(file)
            .map(|(_, step)| step)
            .collect();
        let bound = newly_bound(&steps, &tables);
        let names = |write: &&Write| {
            let mut pairs = write
                .sql
                .iter()
                .flat_map(|sql| bound.iter().map(move |table| (sql, table)));
            pairs.any(|(sql, table)| find_word(sql, table.as_str(), 0).is_some())
                && !write.sql.iter().any(|sql| sql.contains("/*items*/"))
        };
        let writes: Vec<&Write> = subject.claims.write.iter().filter(names).collect();
        if !writes.is_empty() {
            broken.extend(ended_by(subject, file, &writes)?);
        }
        follow(&mut tables, &steps);
    }
    Ok(broken)
}

/// Tables that were there before a file and for whose rows it changes what holds: a trigger, a unique index, or the table made anew.
fn newly_bound(steps: &[&Step], before: &BTreeSet<Name>) -> BTreeSet<Name> {
    let changes = steps.iter().flat_map(|step| &step.changes);
    let binding = changes.filter(|change| match change.kind {
        ObjectKind::Trigger => true,
        // A column more binds nobody who does not name it, unless it comes with a CHECK.
        ObjectKind::Table => match (&change.before, &change.after) {
            (Some(before), Some(after)) => checks(after) > checks(before),
            (None, _) | (_, None) => true,
        },
        ObjectKind::Index => change
            .after
            .as_ref()
            .is_some_and(|sql| find_word(sql, "unique", 0).is_some()),
        ObjectKind::View => false,
    });
    binding
        .map(|change| change.table.clone())
        .filter(|table| before.contains(table))
        .collect()
}

fn checks(sql: &str) -> usize {
    sql.to_ascii_lowercase().matches("check").count()
}

fn follow(tables: &mut BTreeSet<Name>, steps: &[&Step]) {
    for change in steps.iter().flat_map(|step| &step.changes) {
        if change.kind == ObjectKind::Table {
            if change.after.is_some() {
                tables.insert(change.name.clone());
            } else {
                tables.remove(&change.name);
            }
        }
    }
}

/// The writes that worked before a file and do not behind it, with the same rows.
fn ended_by(subject: &Subject, file: FileId, writes: &[&Write]) -> rusqlite::Result<Vec<Broken>> {
    let before = subject.before(file)?;
    // What cannot be filled there cannot be judged there; at the end others tell why.
    let Ok(settled) = Settled::new(&before) else {
        return Ok(Vec::new());
    };
    let engine = settled.world().engine();
    let after = engine.copy()?;
    if !subject.replay.apply(&after, file)? {
        return Ok(Vec::new());
    }
    let mut broken = Vec::new();
    for write in writes {
        let mut ways = worked(&settled, engine, write).into_iter();
        let Some(first) = ways.next() else { continue };
        let Err(why) = run(&after, &first) else {
            continue;
        };
        if ways.any(|way| run(&after, &way).is_ok()) {
            continue;
        }
        let name = subject
            .source
            .file(file)
            .map_or("", |file| file.name.as_str());
        broken.push(Broken {
            object: format!("statement {}", write.name),
            expected: "works after each file, until a file says otherwise".to_owned(),
            saw: format!("after `{name}`, with the rows that were there before it: {why}"),
            repeat: first
                .iter()
                .map(|(sql, values)| written(sql.trim(), values))
                .collect(),
        });
    }
    Ok(broken)
}

type Way<'w> = Vec<(&'w str, Vec<Value>)>;

/// Ways in which a write writes something: twice, with another fresh key, where it can be done twice.
fn worked<'w>(settled: &Settled<'_>, engine: &Engine, write: &'w Write) -> Vec<Way<'w>> {
    let mut tried: Vec<BTreeMap<String, Value>> = Vec::new();
    let (mut once, mut twice) = (Vec::new(), Vec::new());
    for values in choices(settled, write) {
        if tried.contains(&values) {
            continue;
        }
        let way = bound(write, &values);
        tried.push(values.clone());
        if run(engine, &way).is_err() {
            continue;
        }
        let mut again = values;
        for role in ["new", "item"] {
            if let Some(value) = again.get_mut(role) {
                *value = another(value);
            }
        }
        let both = [way.clone(), bound(write, &again)].concat();
        if run(engine, &both).is_ok() {
            twice.push(both);
        }
        once.push(way);
        if once.len() == WAYS {
            break;
        }
    }
    if twice.is_empty() { once } else { twice }
}

/// Runs a write and undoes it; what refuses it, or that it writes nothing.
fn run(engine: &Engine, way: &Way<'_>) -> Result<(), String> {
    engine.ours(|connection| {
        let before = connection.total_changes();
        connection
            .execute_batch("SAVEPOINT a_write")
            .map_err(|error| error.to_string())?;
        let outcome = way.iter().try_for_each(|(sql, values)| {
            let mut statement = connection.prepare(sql)?;
            let mut rows = statement.query(rusqlite::params_from_iter(values))?;
            while rows.next()?.is_some() {}
            Ok::<(), rusqlite::Error>(())
        });
        let has_written = connection.total_changes() > before;
        connection
            .execute_batch("ROLLBACK TO a_write; RELEASE a_write")
            .map_err(|error| error.to_string())?;
        match outcome {
            Err(error) => Err(error.to_string()),
            Ok(()) if has_written => Ok(()),
            Ok(()) => Err("it writes nothing".to_owned()),
        }
    })
}
