//! MIG-02, MIG-06: what happens to rows that were there before a file. Never judges rows that a DELETE names.

use super::applying::{drops_table, failures_with_rows};
use super::copies;
use super::emptied::{Emptied, emptied};
use super::left_behind::left_behind;
use super::{name_of, object_of, repair};
use crate::catalog::Name;
use crate::engine::{Act, Deed, Failure};
use crate::finding::{Finding, Level};
use crate::replay::{Effect, EffectKind, ObjectKind, Step};
use crate::rule::proof;
use crate::subject::Subject;
use crate::text::{FileId, Span, find_word};
use crate::tree::{self, Kind};
use std::collections::BTreeSet;

pub(super) fn of_other_tables(subject: &Subject, findings: &mut Vec<Finding>) {
    for (number, with_rows) in subject.replay.with_rows.iter().enumerate() {
        let file = FileId(number);
        // One repair of a rebuild serves all tables that it hits.
        let mut repaired: BTreeSet<usize> = BTreeSet::new();
        for effect in with_rows.iter().flat_map(|file| &file.effects) {
            let step = &subject.replay.steps[effect.step];
            if let Some(parent) = replaced(step, &effect.table) {
                findings.push(lost_by_replace(subject, file, effect, parent));
                continue;
            }
            let emptied = emptied(subject, file, effect);
            let Some(parent) = dropped(step)
                .filter(|parent| effect.is_of_copy || *parent != effect.table)
                .or_else(|| emptied.as_ref().map(|(parent, _)| parent.clone()))
            else {
                continue;
            };
            let patch = if emptied.is_some() {
                None
            } else if effect.is_of_copy {
                repair::of_copy(subject, effect.step)
            } else if repaired.insert(effect.step) {
                repair::aside(subject, effect.step)
            } else {
                None
            };
            let mut finding = lost_with(
                subject,
                file,
                effect,
                (&parent, emptied.map(|(_, why)| why)),
            );
            finding.patch = patch;
            findings.push(finding);
        }
    }
    for (place, step, failure) in failures_with_rows(subject) {
        if let Some(parent) = replaces_itself(step, failure) {
            findings.push(kept_from_replace(subject, place, &parent, failure));
            continue;
        }
        if !drops_table(step) {
            continue;
        }
        let file = step.statement.span.file;
        let parent = dropped(step).unwrap_or_else(|| Name::new(""));
        let message = format!(
            "with rows in the tables that refer to `{parent}` this DROP TABLE fails: D1 deletes the rows first, and foreign keys cannot be switched off ({})",
            failure.message
        );
        let object = format!("{}: table {parent}", object_of(subject, file));
        let mut finding = Finding::new("MIG-02", Level::Error, object, message)
            .at(Some(step.statement.span.clone()), "fails here with rows in the tables")
            .help("copy the rows out, drop the table, create it again under the same name, and copy the rows back, all after PRAGMA defer_foreign_keys = ON; or use ALTER TABLE … ADD COLUMN, DROP COLUMN, RENAME COLUMN")
            .proof(proof::of_failure_with_rows(subject, place, failure));
        finding.patch = repair::aside(subject, place);
        findings.push(finding);
    }
}

/// The table into which a statement inserts by REPLACE, if it is not the one that lost rows.
fn replaced<'s>(step: &'s Step, lost: &Name) -> Option<&'s str> {
    let word = find_word(&step.statement.sql, "replace", 0)?;
    let mut own = step.deeds.iter().filter(|deed| deed.trigger().is_none());
    let into = own.find_map(|deed| deed.table(Act::Insert))?;
    (word.start < "insert or ".len() + 4 && *lost != *into).then_some(into)
}

/// The table whose own rows a statement inserts again by REPLACE, where the rows that refer to them stop it.
pub(super) fn replaces_itself(step: &Step, failure: &Failure) -> Option<Name> {
    let is_kept = matches!(
        failure.code,
        rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY | rusqlite::ffi::SQLITE_CONSTRAINT_TRIGGER
    );
    let tree = tree::parse(&step.statement.sql).filter(|tree| is_kept && tree.replaces)?;
    let into = Name::new(tree.table.as_deref()?);
    let select = tree.parts.iter().find(|part| part.kind == Kind::Select)?;
    let mut from = select.part(Kind::From)?.parts.iter();
    let is_own = from.any(|table| table.kind == Kind::Table && into == *table.text);
    is_own.then_some(into)
}

fn kept_from_replace(subject: &Subject, place: usize, parent: &Name, failure: &Failure) -> Finding {
    let step = &subject.replay.steps[place];
    let message = format!(
        "INSERT OR REPLACE into `{parent}` fails once other rows refer to its rows: REPLACE deletes each of them first, and references hold at once ({})",
        failure.message
    );
    let object = format!(
        "{}: table {parent}",
        object_of(subject, step.statement.span.file)
    );
    Finding::new("MIG-02", Level::Error, object, message)
        .at(
            Some(step.statement.span.clone()),
            "fails here with rows in the tables",
        )
        .help("write UPDATE, which changes the rows and keeps what refers to them")
        .proof(proof::of_failure_with_rows(subject, place, failure))
}

fn lost_by_replace(subject: &Subject, file: FileId, effect: &Effect, parent: &str) -> Finding {
    let (what, child) = (told(&effect.kind), &effect.table);
    let message = format!(
        "INSERT OR REPLACE into `{parent}` {what} `{child}` where the key is there already: REPLACE deletes the old row first, and its ON DELETE actions run"
    );
    let object = format!("{}: table {child}", object_of(subject, file));
    let site = subject.replay.steps[effect.step].statement.span.clone();
    // The first rows of a table replace nothing, unless the application wrote them before.
    let with_rows = subject.replay.with_rows.get(file.0);
    let with_rows = with_rows.and_then(Option::as_ref);
    let is_made_up = with_rows.is_some_and(|one| one.made_up.contains(&effect.step));
    let level = if is_made_up {
        Level::Warning
    } else {
        Level::Error
    };
    Finding::new("MIG-02", level, object, message)
        .at(Some(site), format!("{what} `{child}`"))
        .related(
            reference(subject, child, &Name::new(parent)),
            format!("`{child}` refers to it"),
        )
        .help("write INSERT … ON CONFLICT (…) DO UPDATE SET …, which changes the row and keeps what refers to it")
}

fn lost_with(
    subject: &Subject,
    file: FileId,
    effect: &Effect,
    (parent, emptied): (&Name, Option<Emptied>),
) -> Finding {
    let (what, child) = (told(&effect.kind), &effect.table);
    let copy = if effect.is_of_copy {
        "the copy of "
    } else {
        ""
    };
    let message = if let Some(why) = emptied {
        let next = match why {
            Emptied::MadeAnew => "it is made anew",
            Emptied::FilledAgain => "they are written back",
            Emptied::Replaced => "others are written",
        };
        format!(
            "deleting the old rows of `{parent}` before {next} {what} `{child}` as well, by what hangs on their deletion"
        )
    } else {
        format!(
            "dropping `{parent}` {what} {copy}`{child}`: D1 deletes the rows of a dropped table first, and the ON DELETE actions run whatever PRAGMA foreign_keys says"
        )
    };
    let object = format!("{}: table {child}", object_of(subject, file));
    let step = &subject.replay.steps[effect.step];
    let reference = reference_before(subject, effect.step, child, parent)
        .or_else(|| reference(subject, child, parent))
        .or_else(|| subject.site_of(ObjectKind::Table, child, "references"));
    // Whoever replaces all rows may well know what goes with them.
    let level = if emptied == Some(Emptied::Replaced) {
        Level::Warning
    } else {
        Level::Error
    };
    Finding::new("MIG-02", level, object, message)
        .at(
            Some(step.statement.span.clone()),
            format!("{what} {copy}`{child}`"),
        )
        .related(reference, format!("{copy}`{child}` refers to it"))
        .help(help(effect, emptied))
        .proof(proof::of_rows_lost(
            subject,
            effect,
            (
                if emptied.is_some() {
                    "DELETE FROM"
                } else {
                    "DROP TABLE"
                },
                parent,
            ),
        ))
}

fn help(effect: &Effect, emptied: Option<Emptied>) -> String {
    let child = &effect.table;
    if effect.is_of_copy {
        return format!(
            "let the copy refer to tables that stay, to itself where `{child}` refers to itself: the rename carries such references along"
        );
    }
    match emptied {
        Some(Emptied::FilledAgain) => format!(
            "write UPDATE, which changes the rows and keeps what refers to them; or copy `{child}` out before the deletion and back behind it"
        ),
        Some(Emptied::Replaced) => format!(
            "write INSERT … ON CONFLICT (…) DO UPDATE SET …, and delete by WHERE what is not wanted any more; if the rows of `{child}` are to go, say so with a DELETE of its own"
        ),
        Some(Emptied::MadeAnew) | None => format!(
            "add or rename columns with ALTER TABLE, or copy `{child}` out before the drop and back after the rename"
        ),
    }
}

/// Where a table refers to another one: the word REFERENCES in the last statement that has it with this name behind.
fn reference(subject: &Subject, child: &Name, parent: &Name) -> Option<Span> {
    let sites = subject
        .replay
        .sites
        .get(&(ObjectKind::Table, child.clone()))?;
    let mut sites = sites.iter().rev();
    sites.find_map(|span| reference_within(subject, span, parent))
}

/// The same in the table as it was at a step: a later file may have made it anew, without the reference.
fn reference_before(subject: &Subject, place: usize, child: &Name, parent: &Name) -> Option<Span> {
    let steps = subject.replay.steps.get(..place)?.iter().rev();
    let mut changing = steps.filter(|step| {
        let mut changes = step.changes.iter();
        changes.any(|one| one.kind == ObjectKind::Table && one.name == *child)
    });
    changing.find_map(|step| reference_within(subject, &step.statement.span, parent))
}

fn reference_within(subject: &Subject, span: &Span, parent: &Name) -> Option<Span> {
    let text = subject.source.file(span.file)?.text.get(span.range())?;
    let mut from = 0;
    while let Some(word) = find_word(text, "references", from) {
        let behind = text[word.end..].trim_start_matches([' ', '\n', '\r', '\t', '"', '`', '[']);
        if find_word(behind, parent.as_str(), 0).is_some_and(|name| name.start == 0) {
            return Some(Span {
                file: span.file,
                start: span.start + word.start,
                end: span.start + word.end,
            });
        }
        from = word.end;
    }
    None
}

fn told(kind: &EffectKind) -> String {
    match kind {
        EffectKind::RowsGone { before, after: 0 } if *before > 1 => "empties".to_owned(),
        EffectKind::RowsGone { .. } => "removes rows of".to_owned(),
        EffectKind::Nulled { column, .. } => format!("sets `{column}` to NULL in"),
        EffectKind::Defaulted { column, value, .. } => {
            format!("sets `{column}` to its default {value} in")
        }
    }
}

pub(super) fn of_the_table_itself(subject: &Subject, findings: &mut Vec<Finding>) {
    of_all_that_have_no_value(subject, findings);
    left_behind(subject, findings);
    copies::lossy(subject, findings);
    for (number, with_rows) in subject.replay.with_rows.iter().enumerate() {
        let file = FileId(number);
        for effect in with_rows.iter().flat_map(|file| &file.effects) {
            let step = &subject.replay.steps[effect.step];
            let EffectKind::RowsGone { before, after } = effect.kind else {
                continue;
            };
            if effect.is_of_copy || dropped(step).as_ref() != Some(&effect.table) {
                continue;
            }
            let table = &effect.table;
            let kept = if copies_some(subject, file, effect) {
                format!(
                    "only the rows that its condition or join selects, {after} of {before} here"
                )
            } else if after == 0 {
                "none of its rows".to_owned()
            } else {
                format!("only {after} of {before} rows")
            };
            let message = format!(
                "`{}` drops `{table}` and creates it again, but copies {kept}",
                name_of(subject, file)
            );
            let object = format!("{}: table {table}", object_of(subject, file));
            findings.push(
                Finding::new("MIG-06", Level::Warning, object, message)
                    .at(Some(step.statement.span.clone()), "the rows go here")
                    .help("copy every row, or say that they may go: -- moltproof: allow MIG-06 and the reason"),
            );
        }
    }
}

/// Whether a statement before the drop reads the table for a copy by a condition or a join.
fn copies_some(subject: &Subject, file: FileId, effect: &Effect) -> bool {
    let steps = subject.replay.steps_of(file);
    let mut before = steps.take_while(|(place, _)| *place < effect.step);
    before.any(|(_, step)| {
        let has = |word| find_word(&step.statement.sql, word, 0).is_some();
        let mut deeds = step.deeds.iter();
        let reads =
            deeds.any(|deed| matches!(deed, Deed::Read(table, _) if effect.table == **table));
        let mut deeds = step.deeds.iter();
        let copies =
            deeds.any(|deed| matches!(deed, Deed::Insert(table, _) if effect.table != **table));
        reads && copies && (has("where") || has("join"))
    })
}

fn of_all_that_have_no_value(subject: &Subject, findings: &mut Vec<Finding>) {
    for (number, with_rows) in subject.replay.with_rows.iter().enumerate() {
        let file = FileId(number);
        for effect in with_rows.iter().flat_map(|file| &file.effects) {
            let EffectKind::RowsGone { before, after } = effect.kind else {
                continue;
            };
            let step = &subject.replay.steps[effect.step];
            let Some(group) = find_word(&step.statement.sql, "group", 0) else {
                continue;
            };
            let steps = subject.replay.steps_of(file);
            let mut added = steps.take_while(|(place, _)| *place < effect.step);
            let fresh = added.find_map(|(_, step)| {
                let (table, column) = added_column(step)?;
                let grouped = find_word(
                    &subject.replay.steps[effect.step].statement.sql,
                    column.as_str(),
                    group.end,
                );
                (table == effect.table && grouped.is_some()).then_some(column)
            });
            let Some(column) = fresh else { continue };
            let table = &effect.table;
            let remain = if after == 1 { "remains" } else { "remain" };
            let message = format!(
                "`{column}` was added just before and is NULL in every row of `{table}`, so all rows form one group, and only {after} of {before} rows {remain}"
            );
            let object = format!("{}: table {table}", object_of(subject, file));
            findings.push(
                Finding::new("MIG-06", Level::Warning, object, message)
                    .at(Some(step.statement.span.clone()), "the rows go here")
                    .help(format!("leave out the DELETE: a unique index on `{column}` takes any number of NULLs")),
            );
        }
    }
}

/// The table that a statement drops.
pub(super) fn dropped(step: &Step) -> Option<Name> {
    step.deeds.iter().find_map(|deed| {
        if let Deed::DropTable(table) = deed {
            Some(Name::new(table))
        } else {
            None
        }
    })
}

/// The table and column that `ALTER TABLE … ADD COLUMN` adds without a default: NULL in every row, which no unique index minds.
pub(super) fn added_column(step: &Step) -> Option<(Name, Name)> {
    let sql = &step.statement.sql;
    let add = find_word(sql, "add", 0)?;
    let table = step.deeds.iter().find_map(|deed| {
        if let Deed::AlterTable(table) = deed {
            Some(Name::new(table))
        } else {
            None
        }
    })?;
    let mut words = sql[add.end..].split_whitespace();
    let mut column = words.next()?;
    if column.eq_ignore_ascii_case("column") {
        column = words.next()?;
    }
    let column = column.trim_matches(['"', '`', '[', ']', '\'']);
    Some((table, Name::new(column)))
}
