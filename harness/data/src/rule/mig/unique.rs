//! MIG-16: unique indexes on tables that may hold duplicates by then. Never judges a key that a rebuild brings, which is MIG-17's.

use super::applying::{creates_index, failures_with_rows};
use super::derived;
use super::rows_lost::added_column;
use crate::catalog::{IndexColumn, Name};
use crate::engine::{Deed, Failure};
use crate::finding::{Finding, Level};
use crate::replay::{ObjectKind, Step, Tightened};
use crate::rule::proof;
use crate::subject::Subject;
use crate::text::{FileId, find_word, normal};
use std::collections::BTreeSet;

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
            let tried = tried(subject, file, &index);
            // A table that the file made holds the rows of an old one where it takes its place.
            let stops = |tried: &Tightened| matches!(tried.failure, Some((at, _)) if at == place);
            let is_stopped = tried.is_some_and(stops);
            let is_safe = is_all_null && !is_stopped
                || holds_a_key(subject, &table, &index, &made_behind(subject, file, place))
                || gone.iter().any(|was| is_narrowed(was, &step.statement.sql));
            let is_sorted_out = tried.is_some_and(|tried| tried.failure.is_none())
                || tried.is_none() && merges_before(subject, file, place, &table);
            let is_fresh = fresh.contains(&table) && !is_stopped;
            if is_fresh || (is_safe && failure.is_none()) {
                continue;
            }
            let failure = failure.map(|(_, _, failure)| failure);
            let made = Made {
                file,
                place,
                table: &table,
                index: &index,
                columns: &columns,
                tried,
                is_sorted_out,
            };
            let finding = made.finding(subject, failure);
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

/// A unique index on a table that may hold rows.
struct Made<'s> {
    file: FileId,
    place: usize,
    table: &'s Name,
    index: &'s Name,
    columns: &'s [Name],
    tried: Option<&'s Tightened>,
    is_sorted_out: bool,
}

impl Made<'_> {
    /// What is said of it, which hangs on whether it failed with rows.
    fn finding(&self, subject: &Subject, failure: Option<&Failure>) -> Finding {
        let (table, columns) = (self.table, self.columns);
        let (level, message) = if let Some(failure) = failure {
            let is_made = derived::is_key_of_rows(subject, self.file, self.place, table, columns);
            let (level, when) = if is_made {
                (
                    Level::Warning,
                    "where two rows agree in what the file makes their key of",
                )
            } else {
                (Level::Error, "once it has two rows")
            };
            let message = format!(
                "this unique index of `{table}` cannot be created {when}: {}",
                failure.message
            );
            (level, message)
        } else if self.is_sorted_out {
            let message = format!(
                "`{table}` may hold duplicates by now; this file sorts them out before the index is made"
            );
            (Level::Info, message)
        } else if let Some(made_of) = self.tried.and_then(|one| derived::made_of(one, columns)) {
            let message = format!(
                "`{table}` may hold rows that become equal in this index, whose key the file makes of {made_of}: it then fails in production and nowhere else"
            );
            (Level::Warning, message)
        } else {
            let message = format!(
                "`{table}` may contain duplicates by now, in which case this file fails in production and nowhere else"
            );
            (Level::Warning, message)
        };
        let finding = Finding::new("MIG-16", level, format!("index {}", self.index), message);
        match failure {
            Some(failure) => {
                finding.proof(proof::of_failure_with_rows(subject, self.place, failure))
            }
            None => finding,
        }
    }
}

/// Whether a DELETE before the index keeps one row of each group, where no rows could be made to see it do so.
fn merges_before(subject: &Subject, file: FileId, place: usize, table: &Name) -> bool {
    let steps = subject.replay.steps_of(file);
    let mut before = steps.take_while(|(at, _)| *at < place);
    before.any(|(_, step)| {
        let sql = &step.statement.sql;
        let has = |word: &str| find_word(sql, word, 0).is_some();
        let deletes = |deed: &Deed| matches!(deed, Deed::Delete(of, _) if *table == **of);
        step.deeds.iter().any(deletes)
            && has("delete")
            && (has("row_number") || has("group") || has("exists") || has("min") || has("max"))
    })
}

/// What became of the file with rows that agree in the columns of an index, if such rows could be made.
fn tried<'s>(subject: &'s Subject, file: FileId, index: &Name) -> Option<&'s Tightened> {
    let rows = subject.replay.with_rows.get(file.0)?.as_ref()?;
    let all = || {
        rows.tightened
            .iter()
            .filter(|one| one.key.as_ref() == Some(index))
    };
    // Rows that are equal may be sorted out, and rows that become so not.
    all()
        .find(|one| one.failure.is_some())
        .or_else(|| all().next())
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
    // Rows that differ in some columns differ in more of them as well.
    let terms = |key: &str| -> Option<(String, BTreeSet<String>)> {
        let (table, rest) = key.split_once(" ( ")?;
        let (terms, _) = rest.rsplit_once(" )")?;
        let terms = terms.split(" , ").map(str::to_owned).collect();
        Some((table.to_owned(), terms))
    };
    let is_wider = match (terms(&was), terms(&new)) {
        (Some((table, old)), Some((of, new))) => table == of && old.is_subset(&new),
        _ => false,
    };
    !was.contains(" where ") && is_wider && !new.contains(" where ")
        || !was.contains(" where ") && (new == was || new.starts_with(&format!("{was} where ")))
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

/// The indexes that the file makes behind a step.
fn made_behind(subject: &Subject, file: FileId, place: usize) -> Vec<Name> {
    let steps = subject.replay.steps_of(file);
    let changes = steps
        .filter(|(at, _)| *at > place)
        .flat_map(|(_, step)| &step.changes);
    let made = changes.filter(|change| change.kind == ObjectKind::Index && change.before.is_none());
    made.map(|change| change.name.clone()).collect()
}

/// Whether the columns of an index hold a key that the table has anyway, compared in the same way: then no two rows are equal in them.
fn holds_a_key(subject: &Subject, table: &Name, index: &Name, behind: &[Name]) -> bool {
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
            let is_there = key.name != new.name && !behind.contains(&key.name);
            let is_other = key.unique && key.condition.is_none() && is_there;
            is_other && key.columns.iter().all(compares)
        })
}
