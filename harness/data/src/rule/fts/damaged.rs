//! FTS-02: a file behind which an index does not hold what its table holds, though it did before. Never blames a file for an index that was out of step already.

use super::unbuilt::{filled_before, level, stays_behind};
use super::{Index, external};
use crate::engine::{Act, Engine};
use crate::finding::{Finding, Level, Patch};
use crate::replay::{ObjectKind, Step};
use crate::rule::trial;
use crate::subject::Subject;
use crate::text::FileId;

/// Trying a file means making the database before it; an index that is written by more files than this is looked at behind the first of them.
const FILES: usize = 12;

pub(super) fn by_files(subject: &Subject, findings: &mut Vec<Finding>) {
    for index in external(subject.schema()) {
        let Some(maker) = subject.replay.maker(&index.table.name) else {
            continue;
        };
        let later = (maker.0 + 1..subject.replay.files.len()).map(FileId);
        let suspects = later.filter_map(|file| Some((file, suspect(subject, &index, file)?)));
        for (file, step) in suspects.take(FILES) {
            if let Some(level) = damages(subject, &index, file) {
                findings.push(told(subject, &index, file, step, level));
            }
        }
    }
}

/// The statement that may put the index out of step: it writes the index itself, makes its table anew, or writes the table behind a trigger that is gone.
fn suspect<'s>(subject: &'s Subject, index: &Index<'_>, file: FileId) -> Option<&'s Step> {
    let mut steps = subject.replay.steps_of(file).map(|(_, step)| step);
    let mut is_trigger_gone = false;
    steps.find(|step| {
        let mut changes = step.changes.iter();
        is_trigger_gone |=
            changes.any(|change| change.kind == ObjectKind::Trigger && change.after.is_none());
        let of = |act| step.deeds.iter().filter_map(move |deed| deed.table(act));
        let writes = || {
            let mut written = of(Act::Insert)
                .chain(of(Act::Update))
                .chain(of(Act::Delete));
            written.any(|table| {
                index.table.name == *table || is_trigger_gone && index.content.name == *table
            })
        };
        let drops = || of(Act::Drop).any(|table| index.content.name == *table);
        step.failure.is_none() && step.changes.is_empty() && writes() || drops()
    })
}

/// How bad it is that the index does not match its table behind the file; none if it does, or if it did not before, or if a later file builds it.
fn damages(subject: &Subject, index: &Index<'_>, file: FileId) -> Option<Level> {
    let engine = filled_before(subject, index, file)?;
    if !in_step(&engine, index) {
        return None;
    }
    // An error where the deletion of all rows fails, or leaves something of them in the index.
    let (content, name) = (index.content.name.quoted(), index.table.name.quoted());
    let delete = format!(
        "DELETE FROM {content}; INSERT INTO {name} ({name}, rank) VALUES ('integrity-check', 1);"
    );
    stays_behind(subject, &engine, index, file)?.then(|| level(&engine, &delete))
}

/// Builds the index, for the application may have kept it, and whether it holds then what its table holds.
fn in_step(engine: &Engine, index: &Index<'_>) -> bool {
    let name = index.table.name.quoted();
    let build = format!(
        "INSERT INTO {name} ({name}) VALUES ('rebuild'); INSERT INTO {name} ({name}, rank) VALUES ('integrity-check', 1);"
    );
    engine.ours(|connection| connection.execute_batch(&build).is_ok())
}

fn told(subject: &Subject, index: &Index<'_>, file: FileId, step: &Step, level: Level) -> Finding {
    let (table, content) = (&index.table.name, &index.content.name);
    let file_name = subject
        .source
        .file(file)
        .map_or("", |file| file.name.as_str());
    let message = format!(
        "behind `{file_name}` the index `{table}` does not hold what `{content}` holds, though it did before: searches find texts that are gone, or SQLite says that the database is malformed"
    );
    let name = table.quoted();
    let build = format!("INSERT INTO {name} ({name}) VALUES ('rebuild');");
    Finding::new(
        "FTS-02",
        level,
        format!("table {table}: file {file_name}"),
        message,
    )
    .at(
        Some(step.statement.span.clone()),
        "puts the index out of step",
    )
    .related(subject.site(ObjectKind::Table, table), "is the index")
    .help(format!(
        "end the file with {build} A text that is in the index already must not be added again"
    ))
    .patch(Patch::Migration { sql: build })
    .proof(proof(index, step))
}

fn proof(index: &Index<'_>, step: &Step) -> Vec<String> {
    let mut texts = super::sync::texts(index, "words");
    let key = index.content.rowid_alias();
    if let Some(key) = key {
        texts.insert(key.name.clone(), "1".to_owned());
    }
    let columns: Vec<_> = texts.keys().collect();
    let name = index.table.name.quoted();
    let words: Vec<&str> = step.statement.sql.split_whitespace().collect();
    trial::failing(vec![
        trial::sketch(index.content, &columns, &[], &[]),
        trial::insert(&index.content.name, &texts),
        format!("{};", index.table.sql),
        format!("INSERT INTO {name} ({name}) VALUES ('rebuild');"),
        format!("{};", words.join(" ")),
        format!("INSERT INTO {name} ({name}, rank) VALUES ('integrity-check', 1);"),
    ])
}
