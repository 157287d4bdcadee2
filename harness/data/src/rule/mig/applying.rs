//! MIG-01, MIG-05, MIG-17: a file that does not apply, to an empty database or to one with rows. Never judges what it does when it applies.

use super::{dialect, mended, name_of, object_of, one_key, orphaned, references, rows_lost};
use crate::catalog::{self, Name};
use crate::engine::{Act, Deed, Failure};
use crate::finding::{Finding, Level};
use crate::replay::{ObjectKind, Step};
use crate::rows;
use crate::rule::proof;
use crate::subject::Subject;
use crate::text::{Span, find_word};

/// What a failed statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// D1 does not let it pass, or it is no SQL at all but a command of some shell.
    Refused,
    /// SQLite cannot carry it out.
    Failed,
}

pub(super) fn does_not_apply(subject: &Subject, findings: &mut Vec<Finding>) {
    for (place, step, failure) in failures(subject) {
        if why(step, failure) == Why::Failed {
            let file = step.statement.span.file;
            let message = format!(
                "`{}` does not apply to a new database: {}",
                name_of(subject, file),
                failure.message
            );
            findings.push(
                Finding::new("MIG-01", Level::Error, object_of(subject, file), message)
                    .at(Some(point(step, failure)), "fails here")
                    .related(earlier(subject, place), "was made here")
                    .help(dialect::advice(&step.statement.sql, &failure.message).unwrap_or_else(|| {
                        "whoever sets up a new environment stops at this file; mend it, for nobody can have applied it as it stands".to_owned()
                    }))
                    .proof(proof::of_failure(subject, place, failure)),
            );
        }
    }
}

pub(super) fn added_column_needs_an_empty_table(subject: &Subject, findings: &mut Vec<Finding>) {
    let with_rows = failures_with_rows(subject);
    let seen = with_rows.map(|(place, step, failure)| (place, step, failure.clone()));
    let alone = subject.replay.steps.iter().enumerate();
    let alone =
        alone.filter_map(|(place, step)| Some((place, step, fails_alone(subject, place, step)?)));
    for (place, step, failure) in seen.chain(alone) {
        if !adds_column(step) {
            continue;
        }
        let table = altered(step).unwrap_or_default();
        let message = format!(
            "this column can be added to an empty table only: with rows in `{table}` the file fails ({})",
            failure.message
        );
        let object = format!(
            "{}: table {table}, {}",
            object_of(subject, step.statement.span.file),
            first_words(added(step))
        );
        findings.push(
            Finding::new("MIG-05", Level::Error, object, message)
                .at(Some(step.statement.span.clone()), "")
                .help("give it a constant default, or let it be NULL and fill it with an UPDATE in the same file")
                .patched(mended::added_column(step, table, &failure))
                .proof(proof::of_failure_with_rows(subject, place, &failure)),
        );
    }
}

/// Whether a column cannot be added to a table with a row, where the replay could not put rows into the table: there it is tried without references.
fn fails_alone(subject: &Subject, place: usize, step: &Step) -> Option<Failure> {
    if step.failure.is_some() || !adds_column(step) {
        return None;
    }
    let table = Name::new(altered(step)?);
    let file = step.statement.span.file;
    let first = subject.replay.files.get(file.0)?.start;
    let is_older = subject.replay.steps[..first].iter().any(|step| {
        let mut changes = step.changes.iter();
        changes.any(|change| change.kind == ObjectKind::Table && change.name == table)
    });
    if !is_older || subject.replay.had_rows(file, &table) {
        return None;
    }
    let engine = subject.replay.before(place).ok()?;
    let filled = engine.ours(|connection| {
        connection.pragma_update(None, "foreign_keys", false)?;
        let mut schema = catalog::read(connection)?;
        if let Some(table) = schema.tables.get_mut(&table) {
            table.foreign_keys.clear();
        }
        rows::fill(
            connection,
            &schema,
            &schema,
            std::slice::from_ref(&table),
            1,
            1,
        )
    });
    if filled.is_ok_and(|unfilled| unfilled.is_empty()) {
        engine.run(&step.statement.sql).err()
    } else {
        None
    }
}

/// What stands behind ADD in `ALTER TABLE … ADD COLUMN …`.
fn added(step: &Step) -> &str {
    let sql = &step.statement.sql;
    find_word(sql, "add", 0).map_or("", |word| &sql[word.start..])
}

pub(super) fn fails_with_rows(subject: &Subject, findings: &mut Vec<Finding>) {
    fails_with_older_rows(subject, findings);
    orphaned::left(subject, findings);
    for (place, step, failure) in failures_with_rows(subject) {
        if adds_column(step) || drops_table(step) || creates_index(step) {
            continue;
        }
        if rows_lost::replaces_itself(step, failure).is_some() {
            continue;
        }
        let file = step.statement.span.file;
        // No row can give what the statement does not, or refer to what is not there; whatever else fails may hang on the rows that were
        // made up.
        let is_certain = subject.replay.with_rows[file.0]
            .as_ref()
            .is_some_and(|rows| {
                let is_first = rows.failure.as_ref().is_some_and(|(at, _)| *at == place);
                rows.is_certain && is_first
            });
        let level = if is_certain || leaves_out(step, failure) || one_key::is_given(step, failure) {
            Level::Error
        } else {
            Level::Warning
        };
        let message = format!(
            "`{}` works on empty tables but fails once they hold rows: {}",
            name_of(subject, file),
            failure.message
        );
        findings.push(
            Finding::new("MIG-17", level, object_of(subject, file), message)
                .at(Some(step.statement.span.clone()), "fails here with rows in the tables")
                .help("let the statement give every column that the new table demands, and sort out beforehand the rows that it refuses")
                .proof(proof::of_failure_with_rows(subject, place, failure)),
        );
    }
}

/// Files that fail with rows which their tables took until then: a rebuild that brings a key, a NOT NULL or a CHECK. Whether there are such rows, nobody knows.
fn fails_with_older_rows(subject: &Subject, findings: &mut Vec<Finding>) {
    for rows in subject.replay.with_rows.iter().flatten() {
        let mut all: Vec<_> = rows.tightened.iter().collect();
        all.sort_by_key(|one| one.is_first_check);
        let failed = all.into_iter().filter_map(|one| {
            let (place, failure) = one.failure.as_ref()?;
            let step = &subject.replay.steps[*place];
            (!creates_index(step)).then_some((one, step, failure))
        });
        let mut told: Vec<&Name> = Vec::new();
        for (one, step, failure) in failed {
            if told.contains(&&one.table) {
                continue;
            }
            told.push(&one.table);
            let file = step.statement.span.file;
            let level = if one.is_first_check {
                Level::Info
            } else {
                Level::Warning
            };
            let message = format!(
                "`{}` fails if `{}` holds rows that it took until now: {}",
                name_of(subject, file),
                one.table,
                failure.message
            );
            let mut object = object_of(subject, file);
            if told.len() > 1 {
                object = format!("{object}: table {}", one.table);
            }
            findings.push(
            Finding::new("MIG-17", level, object, message)
                .at(Some(step.statement.span.clone()), "fails here with such rows")
                .help("sort these rows out in the file before they are copied, or look for them before the deployment"),
        );
        }
    }
}

/// Whether an INSERT that names its columns does not name the one that must not be NULL.
fn leaves_out(step: &Step, failure: &Failure) -> bool {
    let column = failure.message.strip_prefix("NOT NULL constraint failed: ");
    let Some((_, column)) = column.and_then(|column| column.rsplit_once('.')) else {
        return false;
    };
    let sql = &step.statement.sql;
    let Some(into) = find_word(sql, "into", 0) else {
        return false;
    };
    let list = sql[into.end..].split_once('(').and_then(|(table, rest)| {
        let is_name =
            find_word(table, "select", 0).is_none() && find_word(table, "values", 0).is_none();
        is_name.then(|| rest.split_once(')'))?
    });
    list.is_some_and(|(columns, _)| {
        let mut columns = columns
            .split(',')
            .map(|one| one.trim().trim_matches(['"', '`', '[', ']']));
        columns.all(|one| !one.eq_ignore_ascii_case(column))
    })
}

/// The failures on the empty database that stand for themselves: those of the first file that fails, at which D1 stops, and in later files
/// those that no mended file before them would mend.
pub(super) fn failures(subject: &Subject) -> impl Iterator<Item = (usize, &Step, &Failure)> {
    let first = subject.replay.failed;
    let steps = subject.replay.steps.iter().enumerate();
    steps.filter_map(move |(place, step)| {
        let failure = step.failure.as_ref()?;
        let is_first = first.is_some_and(|(_, first)| first == place);
        let stands_alone = failure.refusal.is_some()
            || is_syntax(failure)
            || failure.message.starts_with("no such function")
            || is_about_a_name(&subject.replay.steps[..place], step, failure)
            || references::is_at_fault(&subject.replay.steps[..place], step);
        (is_first || stands_alone).then_some((place, step, failure))
    })
}

fn is_syntax(failure: &Failure) -> bool {
    ["syntax error", "unrecognized token", "incomplete input"]
        .iter()
        .any(|words| failure.message.contains(words))
}

/// Whether the name that a statement wants to give is taken, or one that it uses is given to nothing, no statement before it failed that
/// could have changed that, and it is the first of its file to fail.
fn is_about_a_name(earlier: &[Step], step: &Step, failure: &Failure) -> bool {
    let Some((name, is_taken)) = name_at_fault(&failure.message) else {
        return false;
    };
    let mut failed = earlier.iter().filter(|earlier| earlier.failure.is_some());
    failed.all(|failed| {
        let has = |word| find_word(&failed.statement.sql, word, 0).is_some();
        let would_change_it = has(name) && (!is_taken || has("drop") || has("rename"));
        failed.statement.span.file != step.statement.span.file && !would_change_it
    })
}

/// The name that SQLite complains of, and whether it is taken rather than missing.
fn name_at_fault(message: &str) -> Option<(&str, bool)> {
    if let Some(column) = message.strip_prefix("duplicate column name: ") {
        return Some((column, true));
    }
    if let Some(object) = message.strip_suffix(" already exists") {
        return Some((object.rsplit(' ').next()?, true));
    }
    if let Some(broken) = message.strip_prefix("error in ") {
        // `view v: no such column: c`: whoever made the view is at fault, not who stumbles over it.
        return Some((broken.split_once(':')?.0.rsplit(' ').next()?, false));
    }
    let missing = if let Some((_, column)) = message.split_once(" has no column named ") {
        column
    } else {
        message.strip_prefix("no such ")?.split_once(": ")?.1
    };
    let name = missing.split(" - ").next()?.rsplit('.').next()?;
    Some((name.trim_matches('"'), false))
}

pub(super) fn why(step: &Step, failure: &Failure) -> Why {
    let is_shell = step.statement.sql.starts_with(['\\', '.']);
    if failure.refusal.is_some() || is_shell || mended::is_vacuum(failure) {
        Why::Refused
    } else {
        Why::Failed
    }
}

/// The failures on the database with rows.
pub(super) fn failures_with_rows(
    subject: &Subject,
) -> impl Iterator<Item = (usize, &Step, &Failure)> {
    let files = subject.replay.with_rows.iter().flatten();
    files.flat_map(|file| {
        let failures = file.failure.iter().chain(&file.more_failures);
        failures.map(|(place, failure)| (*place, &subject.replay.steps[*place], failure))
    })
}

fn adds_column(step: &Step) -> bool {
    altered(step).is_some() && find_word(&step.statement.sql, "add", 0).is_some()
}

pub(super) fn drops_table(step: &Step) -> bool {
    step.deeds
        .iter()
        .any(|deed| matches!(deed, Deed::DropTable(_)))
}

pub(super) fn creates_index(step: &Step) -> bool {
    step.deeds
        .iter()
        .any(|deed| matches!(deed, Deed::CreateIndex(..)))
}

fn altered(step: &Step) -> Option<&str> {
    step.deeds.iter().find_map(|deed| deed.table(Act::Alter))
}

/// Where SQLite points at, as the word there; the statement where it does not.
pub(super) fn point(step: &Step, failure: &Failure) -> Span {
    let sql = &step.statement.sql;
    let Some(start) = failure.offset.filter(|start| *start < sql.len()) else {
        return step.statement.span.clone();
    };
    let length = sql[start..].find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let end = start + length.unwrap_or(sql.len() - start).max(1);
    if sql.is_char_boundary(start) && sql.is_char_boundary(end) {
        step.statement.part(start..end)
    } else {
        step.statement.span.clone()
    }
}

/// The statement that made what the failed one wants to make.
fn earlier(subject: &Subject, place: usize) -> Option<Span> {
    let failure = subject.replay.steps[place].failure.as_ref()?;
    let mut words = failure.message.strip_suffix(" already exists")?.split(' ');
    let name = words.next_back()?;
    let steps = subject.replay.steps[..place].iter().rev();
    let mut makers = steps.filter(|step| {
        let mut changes = step.changes.iter();
        changes.any(|change| change.before.is_none() && change.name == name)
    });
    makers.next().map(|step| step.statement.span.clone())
}

pub(super) fn first_words(sql: &str) -> String {
    let words: Vec<&str> = sql.split_whitespace().take(3).collect();
    words.join(" ")
}
