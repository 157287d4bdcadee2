//! MIG-02, MIG-06, MIG-16: what happens to rows that were there before a file. Never judges rows that a DELETE names.

use super::applying::{creates_index, drops_table, failures_with_rows};
use super::left_behind::left_behind;
use super::{name_of, object_of, repair};
use crate::catalog::{IndexColumn, Name};
use crate::engine::Deed;
use crate::finding::{Finding, Level};
use crate::replay::{Effect, EffectKind, ObjectKind, Step, Tightened};
use crate::rule::proof;
use crate::subject::Subject;
use crate::text::{FileId, Span, find_word, normal};
use std::collections::BTreeSet;

pub(super) fn of_other_tables(subject: &Subject, findings: &mut Vec<Finding>) {
    for (number, with_rows) in subject.replay.with_rows.iter().enumerate() {
        let file = FileId(number);
        // One repair of a rebuild serves all tables that it hits.
        let mut repaired: BTreeSet<usize> = BTreeSet::new();
        for effect in with_rows.iter().flat_map(|file| &file.effects) {
            let step = &subject.replay.steps[effect.step];
            let Some(parent) =
                dropped(step).filter(|parent| effect.is_of_copy || *parent != effect.table)
            else {
                continue;
            };
            let patch = if effect.is_of_copy {
                repair::of_copy(subject, effect.step)
            } else if repaired.insert(effect.step) {
                repair::aside(subject, effect.step)
            } else {
                None
            };
            let mut finding = lost_with(subject, file, effect, &parent);
            finding.patch = patch;
            findings.push(finding);
        }
    }
    for (place, step, failure) in failures_with_rows(subject) {
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

fn lost_with(subject: &Subject, file: FileId, effect: &Effect, parent: &Name) -> Finding {
    let (what, child) = (told(&effect.kind), &effect.table);
    let copy = if effect.is_of_copy {
        "the copy of "
    } else {
        ""
    };
    let message = format!(
        "dropping `{parent}` {what} {copy}`{child}`: D1 deletes the rows of a dropped table first, and the ON DELETE actions run whatever PRAGMA foreign_keys says"
    );
    let object = format!("{}: table {child}", object_of(subject, file));
    let step = &subject.replay.steps[effect.step];
    let help = if effect.is_of_copy {
        format!(
            "let the copy refer to tables that stay, to itself where `{child}` refers to itself: the rename carries such references along"
        )
    } else {
        format!(
            "add or rename columns with ALTER TABLE, or copy `{child}` out before the drop and back after the rename"
        )
    };
    let reference = reference(subject, child, parent)
        .or_else(|| subject.site_of(ObjectKind::Table, child, "references"));
    Finding::new("MIG-02", Level::Error, object, message)
        .at(
            Some(step.statement.span.clone()),
            format!("{what} {copy}`{child}`"),
        )
        .related(reference, format!("{copy}`{child}` refers to it"))
        .help(help)
        .proof(proof::of_rows_lost(subject, effect, parent))
}

/// Where a table refers to another one: the word REFERENCES in the last statement that has it with this name behind.
fn reference(subject: &Subject, child: &Name, parent: &Name) -> Option<Span> {
    let sites = subject
        .replay
        .sites
        .get(&(ObjectKind::Table, child.clone()))?;
    sites.iter().rev().find_map(|span| {
        let text = subject.source.file(span.file)?.text.get(span.range())?;
        let mut from = 0;
        while let Some(word) = find_word(text, "references", from) {
            let behind =
                text[word.end..].trim_start_matches([' ', '\n', '\r', '\t', '"', '`', '[']);
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
    })
}

fn told(kind: &EffectKind) -> String {
    match kind {
        EffectKind::RowsGone { before, after: 0 } if *before > 1 => "empties".to_owned(),
        EffectKind::RowsGone { .. } => "removes rows of".to_owned(),
        EffectKind::Nulled { column, .. } => format!("sets `{column}` to NULL in"),
    }
}

pub(super) fn of_the_table_itself(subject: &Subject, findings: &mut Vec<Finding>) {
    of_all_that_have_no_value(subject, findings);
    left_behind(subject, findings);
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

pub(super) fn unique_index_on_old_rows(subject: &Subject, findings: &mut Vec<Finding>) {
    for number in 0..subject.replay.files.len() {
        let file = FileId(number);
        let mut fresh: BTreeSet<Name> = BTreeSet::new();
        let mut added: BTreeSet<(Name, Name)> = BTreeSet::new();
        let mut gone: Vec<&str> = Vec::new();
        for (place, step) in subject.replay.steps_of(file) {
            for change in &step.changes {
                if change.kind == ObjectKind::Table && change.before.is_none() {
                    fresh.insert(change.name.clone());
                }
                if change.kind == ObjectKind::Index && change.after.is_none() {
                    gone.extend(change.before.as_deref());
                }
            }
            added.extend(added_column(step));
            let Some((index, table)) = unique_index(step) else {
                continue;
            };
            let columns = indexed_columns(subject, &table, &index);
            let is_all_null = columns
                .iter()
                .any(|column| added.contains(&(table.clone(), column.clone())));
            let failure = failures_with_rows(subject).find(|(failed, ..)| *failed == place);
            let is_safe = is_all_null
                || holds_a_key(subject, &table, &index)
                || gone.iter().any(|was| is_narrowed(was, &step.statement.sql));
            let tried = tried(subject, file, &index);
            let is_sorted_out = tried.is_some_and(|tried| tried.failure.is_none());
            // A table that the file made holds the rows of an old one where it takes its place.
            let stops = |tried: &Tightened| matches!(tried.failure, Some((at, _)) if at == place);
            let is_fresh = fresh.contains(&table) && !tried.is_some_and(stops);
            if is_fresh || (is_safe && failure.is_none()) {
                continue;
            }
            let object = format!("index {index}");
            let finding = if let Some((_, _, failure)) = failure {
                let message = format!(
                    "this unique index cannot be created once `{table}` has two rows: {}",
                    failure.message
                );
                Finding::new("MIG-16", Level::Error, object, message)
                    .proof(proof::of_failure_with_rows(subject, place, failure))
            } else if is_sorted_out {
                let message = format!(
                    "`{table}` may hold duplicates by now; this file was seen to sort them out before the index is made"
                );
                Finding::new("MIG-16", Level::Info, object, message)
            } else {
                let message = format!(
                    "`{table}` may contain duplicates by now, in which case this file fails in production and nowhere else"
                );
                Finding::new("MIG-16", Level::Warning, object, message)
            };
            let (label, help) = if finding.level == Level::Info {
                (
                    "holds, whatever was there",
                    "nothing is to be done but to know what becomes of the duplicates",
                )
            } else {
                (
                    "fails if there are duplicates",
                    "look for duplicates before the deployment, or merge them in this file before the index is made",
                )
            };
            findings.push(
                finding
                    .at(Some(step.statement.span.clone()), label)
                    .related(subject.site(ObjectKind::Table, &table), "was made here")
                    .help(help),
            );
        }
    }
}

/// What became of the file with rows that agree in the columns of an index, if such rows could be made.
fn tried<'s>(subject: &'s Subject, file: FileId, index: &Name) -> Option<&'s Tightened> {
    let rows = subject.replay.with_rows.get(file.0)?.as_ref()?;
    let mut all = rows.tightened.iter();
    all.find(|one| one.key.as_ref() == Some(index))
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

/// The unique index that a statement makes, and its table.
fn unique_index(step: &Step) -> Option<(Name, Name)> {
    if !creates_index(step)
        || find_word(&step.statement.sql, "unique", 0).is_none_or(|word| word.start > 12)
    {
        return None;
    }
    step.deeds.iter().find_map(|deed| {
        if let Deed::CreateIndex(index, table) = deed {
            (!index.starts_with("sqlite_")).then(|| (Name::new(index), Name::new(table)))
        } else {
            None
        }
    })
}

/// The table and column that `ALTER TABLE … ADD COLUMN` adds without a default: NULL in every row, which no unique index minds.
fn added_column(step: &Step) -> Option<(Name, Name)> {
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

/// Whether a unique index that was there refused all that the new one refuses: the same columns of the same table, without a condition.
fn is_narrowed(was: &str, new: &str) -> bool {
    let on = |sql: &str| {
        let text = normal(sql);
        let rest = text.strip_prefix("create unique index ")?;
        let (_, key) = rest.split_once(" on ")?;
        Some(key.to_owned())
    };
    let (Some(was), Some(new)) = (on(was), on(new)) else {
        return false;
    };
    !was.contains(" where ") && (new == was || new.starts_with(&format!("{was} where ")))
}

fn indexed_columns(subject: &Subject, table: &Name, index: &Name) -> Vec<Name> {
    let tables = &subject.schema().tables;
    let index = tables
        .get(table)
        .and_then(|table| table.indexes.iter().find(|one| &one.name == index));
    index.map_or_else(Vec::new, |index| {
        index
            .columns
            .iter()
            .filter_map(|part| part.name.clone())
            .collect()
    })
}

/// Whether the columns of an index hold a key that the table has anyway, compared in the same way: then no two rows are equal in them.
fn holds_a_key(subject: &Subject, table: &Name, index: &Name) -> bool {
    let Some(table) = subject.schema().tables.get(table) else {
        return false;
    };
    let Some(new) = table.indexes.iter().find(|one| &one.name == index) else {
        return false;
    };
    let has = |name: &Name| {
        new.columns
            .iter()
            .any(|part| part.name.as_ref() == Some(name))
    };
    let compares = |key: &IndexColumn| {
        let same = |part: &IndexColumn| part.name == key.name && part.collation == key.collation;
        key.name.is_some() && new.columns.iter().any(same)
    };
    table.rowid_alias().is_some_and(|alias| has(&alias.name))
        || table.indexes.iter().any(|key| {
            let is_other = key.unique && key.condition.is_none() && key.name != new.name;
            is_other && key.columns.iter().all(compares)
        })
}
