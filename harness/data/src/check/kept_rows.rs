//! PAT-016, PAT-017: what files do to rows that were there before them, and what rebuilds of tables lose. Never judges what a file names itself.

use super::{Aspect, Broken, Outcome, counted};
use crate::catalog::{self, ForeignKey, Name, Schema, Table};
use crate::engine::Deed;
use crate::replay::{Change, Effect, EffectKind, ObjectKind, Step};
use crate::subject::Subject;
use crate::text::{FileId, find_word};
use rusqlite::Connection;

/// The aspects of this family.
pub(super) const ASPECTS: &[Aspect] = &[
    Aspect {
        criterion: "PAT-016",
        sentence: "with rows in every table no migration fails that applies to the empty database",
        judge: applies_with_rows,
    },
    Aspect {
        criterion: "PAT-016",
        sentence: "no migration removes or nulls a row that it does not name",
        judge: keeps_rows,
    },
    Aspect {
        criterion: "PAT-017",
        sentence: "a rebuild keeps the columns and references of its table, unless the file names the loss",
        judge: keeps_shape,
    },
    Aspect {
        criterion: "PAT-017",
        sentence: "a rebuild keeps the indexes and triggers of its table, unless the file names the loss",
        judge: keeps_objects,
    },
];

/// The name of a file.
fn name_of(subject: &Subject, file: FileId) -> String {
    let file = subject.source.file(file);
    file.map_or_else(String::new, |file| file.name.clone())
}

/// Tables of which nothing is known, because no row could be made; the first one tells why.
fn unfilled(subject: &Subject) -> Option<Outcome> {
    let mut files = subject.replay.with_rows.iter().enumerate();
    files
        .find_map(|(number, rows)| Some((number, rows.as_ref()?.unfilled.first()?)))
        .map(|(number, unfilled)| Outcome::NotVerified {
            reason: format!(
                "`{}` was not seen with rows in `{}`: no row could be made for it: {}",
                name_of(subject, FileId(number)),
                unfilled.table,
                unfilled.reason
            ),
            key: None,
        })
}

fn applies_with_rows(subject: &Subject) -> Outcome {
    let mut broken = Vec::new();
    let mut seen = 0;
    for rows in subject.replay.with_rows.iter().flatten() {
        seen += 1;
        for (place, failure) in rows.failure.iter().chain(&rows.more_failures) {
            let step = &subject.replay.steps[*place];
            broken.push(Broken {
                object: format!("file {}", name_of(subject, step.statement.span.file)),
                expected: "it applies to tables with rows as it does to empty ones".to_owned(),
                saw: format!("with rows in the tables it fails: {}", failure.message),
                repeat: vec![format!("{};", step.statement.sql)],
            });
        }
    }
    if let (true, Some(outcome)) = (broken.is_empty(), unfilled(subject)) {
        return outcome;
    }
    Outcome::of(
        broken,
        format!("{} applied to tables with rows", counted(seen, "file")),
    )
}

fn keeps_rows(subject: &Subject) -> Outcome {
    let mut broken = Vec::new();
    let mut seen = 0;
    for (number, rows) in subject.replay.with_rows.iter().enumerate() {
        let Some(rows) = rows else { continue };
        seen += 1;
        let unnamed = rows
            .effects
            .iter()
            .filter(|effect| !names_rows(subject, FileId(number), effect));
        broken.extend(unnamed.map(|effect| lost(subject, FileId(number), effect)));
    }
    if let (true, Some(outcome)) = (broken.is_empty(), unfilled(subject)) {
        return outcome;
    }
    Outcome::of(
        broken,
        format!(
            "{} applied to tables with rows, and every row that none of them names stayed",
            counted(seen, "file")
        ),
    )
}

/// Whether the file says itself that rows of this table go or change: by DELETE, UPDATE or DROP TABLE of it, or by what it copies.
fn names_rows(subject: &Subject, file: FileId, effect: &Effect) -> bool {
    let table = &effect.table;
    let is_nulled = matches!(effect.kind, EffectKind::Nulled { .. });
    effect.is_of_copy
        || subject.replay.steps_of(file).any(|(_, step)| {
            step.deeds.iter().any(|deed| match deed {
                // The actions of references are told as if the statement itself had done them; its text tells them apart.
                Deed::Delete(of, None) | Deed::DropTable(of) => {
                    *table == of.as_str() && !replaces(step) && is_written(step, table)
                }
                Deed::Update(of, ..) => is_nulled && *table == of.as_str() && is_own(step, deed),
                Deed::Delete(_, Some(_))
                | Deed::CreateTable(_)
                | Deed::AlterTable(_)
                | Deed::CreateIndex(..)
                | Deed::DropIndex(..)
                | Deed::CreateTrigger(..)
                | Deed::DropTrigger(..)
                | Deed::CreateView(_)
                | Deed::DropView(_)
                | Deed::Insert(..)
                | Deed::Read(..)
                | Deed::Pragma(..)
                | Deed::Function(_) => false,
            })
        })
}

fn is_written(step: &Step, table: &Name) -> bool {
    find_word(&step.statement.sql, table.as_str(), 0).is_some()
}

/// REPLACE deletes what is in its way without a word of it.
fn replaces(step: &Step) -> bool {
    let starts =
        |word: &str| find_word(&step.statement.sql, word, 0).is_some_and(|found| found.start == 0);
    starts("replace") || starts("insert")
}

/// Whether the statement itself does it, no trigger.
fn is_own(step: &Step, deed: &Deed) -> bool {
    matches!(deed, Deed::Update(_, _, None))
        && find_word(&step.statement.sql, "update", 0).is_some()
}

fn lost(subject: &Subject, file: FileId, effect: &Effect) -> Broken {
    let step = &subject.replay.steps[effect.step];
    let what = match &effect.kind {
        EffectKind::RowsGone { before, after } => {
            format!(
                "of {} in `{}` {after} are left",
                counted(*before as usize, "row"),
                effect.table
            )
        }
        EffectKind::Nulled { column, rows } => {
            format!(
                "`{}.{column}` is NULL in {} where it was not",
                effect.table,
                counted(*rows as usize, "row")
            )
        }
    };
    Broken {
        object: format!("file {}", name_of(subject, file)),
        expected: format!("the rows of `{}` stay as they are", effect.table),
        saw: what,
        repeat: vec![format!("{};", step.statement.sql)],
    }
}

/// A table that a file drops and makes again.
struct Rebuilt {
    file: FileId,
    table: Name,
    before: Table,
    after: Table,
}

/// What a file drops and makes again under the same name, read from the statements alone.
fn rebuilt(subject: &Subject) -> Vec<Rebuilt> {
    let mut all = Vec::new();
    for number in 0..subject.replay.files.len() {
        let file = FileId(number);
        let changes: Vec<&Change> = subject
            .replay
            .steps_of(file)
            .flat_map(|(_, step)| &step.changes)
            .collect();
        let tables = || {
            changes
                .iter()
                .filter(|change| change.kind == ObjectKind::Table)
        };
        for gone in tables().filter(|change| change.after.is_none()) {
            let mut came =
                tables().filter(|change| change.name == gone.name && change.before.is_none());
            let last = came.next_back().and_then(|change| change.after.as_deref());
            let (Some(before), Some(after)) = (gone.before.as_deref(), last) else {
                continue;
            };
            // A table that the file itself made before is nobody's loss.
            let is_own = changes
                .iter()
                .take_while(|change| !std::ptr::eq(**change, *gone))
                .any(|change| {
                    change.kind == ObjectKind::Table
                        && change.name == gone.name
                        && change.before.is_none()
                });
            if let (false, Some(before), Some(after)) =
                (is_own, read(before, &gone.name), read(after, &gone.name))
            {
                all.push(Rebuilt {
                    file,
                    table: gone.name.clone(),
                    before,
                    after,
                });
            }
        }
    }
    all
}

/// A table by its statement.
fn read(sql: &str, name: &Name) -> Option<Table> {
    let connection = Connection::open_in_memory().ok()?;
    connection.execute_batch(sql).ok()?;
    let mut schema: Schema = catalog::read(&connection).ok()?;
    schema.tables.remove(name)
}

fn keeps_shape(subject: &Subject) -> Outcome {
    let all = rebuilt(subject);
    let mut broken = Vec::new();
    for one in &all {
        let text = subject.source.file(one.file).map_or("", |file| &*file.text);
        let is_named = |name: &Name| find_word(text, name.as_str(), 0).is_some();
        let object = format!("file {}", name_of(subject, one.file));
        let mut tell = |what: String| {
            broken.push(Broken {
                object: object.clone(),
                expected: format!("the new `{}` has all that the old one had", one.table),
                saw: what,
                repeat: vec![
                    format!("PRAGMA table_xinfo({});", one.table.quoted()),
                    format!("PRAGMA foreign_key_list({});", one.table.quoted()),
                ],
            });
        };
        for column in &one.before.columns {
            if one.after.column(&column.name).is_none() && !is_named(&column.name) {
                tell(format!("the column `{}` is gone", column.name));
            }
        }
        for key in one
            .before
            .foreign_keys
            .iter()
            .filter(|key| !is_kept(key, &one.after))
        {
            if key
                .columns
                .iter()
                .all(|name| one.after.column(name).is_some())
                && !is_named(&key.parent)
            {
                tell(format!("the reference to `{}` is gone", key.parent));
            }
        }
    }
    Outcome::of(
        broken,
        format!(
            "{}, each with the columns and references that it had",
            counted(all.len(), "rebuilt table")
        ),
    )
}

fn is_kept(key: &ForeignKey, after: &Table) -> bool {
    // A wider reference to the same parent says more, not less.
    let mut keys = after.foreign_keys.iter();
    keys.any(|new| {
        new.parent == key.parent && key.columns.iter().all(|name| new.columns.contains(name))
    })
}

fn keeps_objects(subject: &Subject) -> Outcome {
    let all = rebuilt(subject);
    let mut broken = Vec::new();
    for one in &all {
        for (kind, name) in gone_with(subject, one) {
            broken.push(Broken {
                object: format!("file {}", name_of(subject, one.file)),
                expected: format!(
                    "the new `{}` has every index and trigger of the old one",
                    one.table
                ),
                saw: format!("the {kind} `{name}` goes with the old table and does not come back"),
                repeat: vec![format!(
                    "SELECT type, name FROM sqlite_schema WHERE tbl_name = '{}';",
                    one.table
                )],
            });
        }
    }
    Outcome::of(
        broken,
        format!(
            "{}, each with the indexes and triggers that it had",
            counted(all.len(), "rebuilt table")
        ),
    )
}

/// Indexes and triggers that went with the dropped table and that the file neither names nor makes again in other words.
fn gone_with<'s>(subject: &'s Subject, one: &Rebuilt) -> Vec<(&'static str, &'s Name)> {
    let steps: Vec<&Step> = subject
        .replay
        .steps_of(one.file)
        .map(|(_, step)| step)
        .collect();
    let is_drop = |step: &&&Step| {
        step.deeds
            .iter()
            .any(|deed| matches!(deed, Deed::DropTable(table) if one.table == table.as_str()))
    };
    let changes: Vec<&Change> = steps.iter().flat_map(|step| &step.changes).collect();
    let came: Vec<&Change> = changes
        .iter()
        .copied()
        .filter(|change| change.after.is_some() && change.kind != ObjectKind::Table)
        .collect();
    let text = subject.source.file(one.file).map_or("", |file| &*file.text);
    let dropped = steps.iter().filter(is_drop).flat_map(|step| &step.changes);
    dropped
        .filter(|change| change.after.is_none() && change.table == one.table)
        .filter(|change| {
            !came.iter().any(|new| {
                new.name == change.name
                    || tail(new.after.as_deref()) == tail(change.before.as_deref())
            })
        })
        .filter(|change| find_word(text, change.name.as_str(), 0).is_none())
        .filter_map(|change| match change.kind {
            ObjectKind::Index => Some(("index", &change.name)),
            ObjectKind::Trigger => Some(("trigger", &change.name)),
            ObjectKind::Table | ObjectKind::View => None,
        })
        .collect()
}

/// What a statement says behind the name of its object, blanks and quotes left out.
fn tail(sql: Option<&str>) -> String {
    let sql = sql.unwrap_or_default();
    let start = find_word(sql, "on", 0).map_or(0, |word| word.start);
    let letters = sql[start..]
        .chars()
        .filter(|letter| !letter.is_whitespace() && !"\"`[]".contains(*letter));
    letters.collect::<String>().to_ascii_lowercase()
}
