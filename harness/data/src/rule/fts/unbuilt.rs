//! FTS-02: an index that is made over a table with rows and not built from them. Never calls one unbuilt that was not seen to miss a row.

use super::{Index, external, full_text, option, own_text};
use crate::catalog::{self, Name, Schema, Table};
use crate::engine::Engine;
use crate::finding::{Finding, Level, Patch};
use crate::replay::{ObjectKind, Step};
use crate::rows;
use crate::subject::Subject;
use crate::text::{FileId, find_word};

pub(super) fn over_rows(subject: &Subject, findings: &mut Vec<Finding>) {
    for index in external(subject.schema()) {
        let Some(file) = subject.replay.maker(&index.table.name) else {
            continue;
        };
        // What cannot be built at all is told as such. Without triggers the application keeps the index, and may build it as well.
        if super::unreadable::missing(subject, index.table).is_some()
            || super::sync::triggers(subject, &index).is_empty()
        {
            continue;
        }
        let Some(level) = misses_rows(subject, &index, file) else {
            continue;
        };
        let (table, content) = (&index.table.name, &index.content.name);
        let message = format!(
            "`{table}` is made over `{content}`, which may hold rows by then, and is not built from them: no search finds them, and their UPDATE or DELETE takes out of the index what is not in it, which damages it"
        );
        let name = table.quoted();
        let build = format!("INSERT INTO {name} ({name}) VALUES ('rebuild');");
        findings.push(
            Finding::new(
                "FTS-02",
                level,
                format!("table {table}: older rows"),
                message,
            )
            .at(
                subject.site(ObjectKind::Table, table),
                "holds no row of before",
            )
            .related(
                subject.site(ObjectKind::Table, content),
                "was made by an earlier file",
            )
            .help(format!("build it in the same file: {build}"))
            .patch(Patch::Migration { sql: build })
            .proof(proof(&index)),
        );
    }
}

/// Indexes that hold their own text and get it from a trigger, over a table that is older.
pub(super) fn own_text_over_rows(subject: &Subject, findings: &mut Vec<Finding>) {
    for index in full_text(subject.schema()) {
        if option(&index.sql, "content").is_some() {
            continue;
        }
        let Some(file) = subject.replay.maker(&index.name) else {
            continue;
        };
        for (content, by_event) in own_text::followed(subject, index) {
            let is_filled = by_event.contains_key("INSERT");
            if !is_filled || finds_older_rows(subject, index, content, file) != Some(false) {
                continue;
            }
            let message = format!(
                "`{}` gets the text of what comes into `{content}` from now on; the rows that are there by then are found by no search until they are written again",
                index.name
            );
            findings.push(
                Finding::new(
                    "FTS-02",
                    Level::Warning,
                    format!("table {}: older rows of {content}", index.name),
                    message,
                )
                .at(
                    subject.site(ObjectKind::Table, &index.name),
                    "holds no row of before",
                )
                .related(
                    subject.site(ObjectKind::Table, content),
                    "was made by an earlier file",
                )
                .help(format!(
                    "copy them in the same file: INSERT INTO {} (…) SELECT … FROM {};",
                    index.name.quoted(),
                    content.quoted()
                )),
            );
        }
    }
}

/// Whether an index holds something of the rows that were there before the file that makes it; none if there can be none, or if none of later
/// rows comes into it either.
fn finds_older_rows(
    subject: &Subject,
    index: &Table,
    content: &Name,
    file: FileId,
) -> Option<bool> {
    let first = subject.replay.files.get(file.0)?.start;
    let engine = subject.replay.before(first).ok()?;
    let schema = engine.ours(catalog::read).ok()?;
    schema.tables.get(content)?;
    let later = subject.schema();
    let fill = |schema: &Schema, rows: usize| {
        let names = with_parents(schema, content);
        let unfilled =
            engine.ours(|connection| rows::fill(connection, schema, later, &names, rows, 1));
        unfilled
            .is_ok_and(|unfilled| unfilled.is_empty())
            .then_some(())
    };
    let count = |table: &Name| {
        let sql = format!("SELECT count(*) FROM {}", table.quoted());
        engine.ours(|connection| {
            connection
                .query_row(&sql, [], |row| row.get::<_, i64>(0))
                .ok()
        })
    };
    fill(&schema, 3)?;
    if count(content)? == 0
        || !subject.replay.apply(&engine, file).ok()?
        || !subject.replay.go_on(&engine, FileId(file.0 + 1)).ok()?
    {
        return None;
    }
    let before = count(&index.name)?;
    if before > 0 {
        return Some(true);
    }
    let schema = engine.ours(catalog::read).ok()?;
    fill(&schema, 6)?;
    (count(&index.name)? > 0).then_some(false)
}

/// How certain it is that rows of before are missing; none if they are there, or if no row could be made.
fn misses_rows(subject: &Subject, index: &Index<'_>, file: FileId) -> Option<Level> {
    let engine = filled_before(subject, index, file)?;
    let delete = format!("DELETE FROM {};", index.content.name.quoted());
    stays_behind(subject, &engine, index, file)?.then(|| level(&engine, &delete))
}

/// The database before a file, with rows in the table of an index; none if no row can be made.
pub(super) fn filled_before(subject: &Subject, index: &Index<'_>, file: FileId) -> Option<Engine> {
    let first = subject.replay.files.get(file.0)?.start;
    let engine = subject.replay.before(first).ok()?;
    let schema = engine.ours(catalog::read).ok()?;
    schema.tables.get(&index.content.name)?;
    let names = with_parents(&schema, &index.content.name);
    let later = subject.schema();
    let unfilled = engine.ours(|connection| rows::fill(connection, &schema, later, &names, 3, 1));
    unfilled.ok()?.is_empty().then_some(engine)
}

/// Whether the index lacks something behind the file, and no later one builds it; none if the file fails.
pub(super) fn stays_behind(
    subject: &Subject,
    engine: &Engine,
    index: &Index<'_>,
    file: FileId,
) -> Option<bool> {
    if !subject.replay.apply(engine, file).ok()? || !lacks(engine, index) {
        return None;
    }
    if subject.replay.go_on(engine, FileId(file.0 + 1)).ok()? {
        return Some(lacks(engine, index));
    }
    // A later file fails, perhaps for what is missing; one of those behind it may build the index.
    let last = subject.replay.files.get(file.0)?.end;
    let is_named =
        |step: &Step| find_word(&step.statement.sql, index.table.name.as_str(), 0).is_some();
    Some(!subject.replay.steps[last..].iter().any(is_named))
}

/// An error where rows were seen to be locked in: their deletion fails.
pub(super) fn level(engine: &Engine, deletion: &str) -> Level {
    let outcome = engine.ours(|connection| connection.execute_batch(deletion));
    if outcome.is_err_and(|error| error.to_string().contains("malformed")) {
        Level::Error
    } else {
        Level::Warning
    }
}

/// Whether FTS5 itself finds that the index does not hold what its table holds.
pub(super) fn lacks(engine: &Engine, index: &Index<'_>) -> bool {
    let name = index.table.name.quoted();
    let content = index.content.name.quoted();
    let has_rows = format!("SELECT EXISTS (SELECT 1 FROM {content})");
    let check = format!("INSERT INTO {name} ({name}, rank) VALUES ('integrity-check', 1);");
    engine.ours(|connection| {
        let has_rows: bool = connection
            .query_row(&has_rows, [], |row| row.get(0))
            .unwrap_or(false);
        has_rows && connection.execute_batch(&check).is_err()
    })
}

/// A table and those that its rows have to refer to, the parents first.
pub(super) fn with_parents(schema: &Schema, table: &Name) -> Vec<Name> {
    let mut names = vec![table.clone()];
    let mut next = 0;
    while let Some(name) = names.get(next).cloned() {
        let tables = schema.tables.get(&name).into_iter();
        for key in tables.flat_map(|table| &table.foreign_keys) {
            if !names.contains(&key.parent) && schema.tables.contains_key(&key.parent) {
                names.push(key.parent.clone());
            }
        }
        next += 1;
    }
    names.reverse();
    names
}

fn proof(index: &Index<'_>) -> Vec<String> {
    let texts = super::sync::texts(index, "old words");
    let mut columns: Vec<&Name> = texts.keys().collect();
    let key = index.content.rowid_alias().map(|key| &key.name);
    columns.extend(key.filter(|name| !texts.contains_key(*name)));
    let name = index.table.name.quoted();
    crate::rule::trial::failing(vec![
        crate::rule::trial::sketch(index.content, &columns, &[], &[]),
        crate::rule::trial::insert(&index.content.name, &texts),
        format!("{};", index.table.sql),
        format!("INSERT INTO {name} ({name}, rank) VALUES ('integrity-check', 1);"),
    ])
}
