//! MIG-06: what a rebuild does not carry over: columns whose values no statement reads, and tables that could not be filled, whose rows were never seen to go.
//! Never judges a column that ALTER TABLE … DROP COLUMN names.

use super::rows_lost::dropped;
use super::{name_of, object_of};
use crate::catalog::{Column, Name, Table};
use crate::engine::{Act, Deed};
use crate::finding::{Finding, Level};
use crate::replay::{EffectKind, ObjectKind, Step};
use crate::subject::Subject;
use crate::text::{FileId, find_word};
use crate::tree::{self, Verb};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A table that a file drops, though it was there before, and what has its place afterwards.
pub(super) struct Rebuilt<'s> {
    /// Its name before the file.
    pub(super) name: Name,
    /// Its columns that were there before the file and until the drop.
    columns: Vec<Column>,
    /// As it was before the drop.
    pub(super) old: Arc<Table>,
    /// As it is after the file.
    pub(super) new: Arc<Table>,
    /// The statement that drops it, and its place.
    pub(super) drop: &'s Step,
    pub(super) place: usize,
    copied: Copied,
}

/// What the statements before the drop take over.
#[derive(Default)]
struct Copied {
    /// Whether one of them reads the table while it writes another one.
    is_any: bool,
    /// The columns that are read in this way, and those of the other table that get a value.
    columns: BTreeSet<Name>,
    /// Whether one takes over all of it, or may have been meant to and failed.
    is_whole: bool,
}

/// A table of before a file, on its way through the file.
struct Old {
    name: Name,
    /// As it was before the file, and as it is before the next statement.
    first: Arc<str>,
    last: Arc<str>,
    copied: Copied,
}

pub(super) fn left_behind(subject: &Subject, findings: &mut Vec<Finding>) {
    for number in 0..subject.replay.files.len() {
        let file = FileId(number);
        for rebuilt in rebuilt(subject, file) {
            if rebuilt.copied.is_whole {
                continue;
            }
            if rebuilt.copied.is_any {
                findings.extend(columns(subject, file, &rebuilt));
            } else if rebuilt.new.name != rebuilt.name || !is_judged(subject, file, &rebuilt.name) {
                findings.push(rows(subject, file, &rebuilt));
            }
        }
    }
}

/// The tables that a file drops and makes again.
pub(super) fn rebuilt(subject: &Subject, file: FileId) -> Vec<Rebuilt<'_>> {
    let steps = || subject.replay.steps_of(file);
    if !steps().any(|(_, step)| dropped(step).is_some()) {
        return Vec::new();
    }
    // By the names that the tables have at the moment.
    let named = steps().flat_map(|(_, step)| &step.deeds);
    let named: BTreeSet<Name> = named
        .filter_map(|deed| Some(Name::new(deed.act()?.1)))
        .collect();
    let tables = named.into_iter().filter_map(|name| {
        let old = old(subject, file, &name)?;
        Some((name, old))
    });
    let mut before: BTreeMap<Name, Old> = tables.collect();
    let mut made: BTreeMap<Name, Arc<str>> = BTreeMap::new();
    let mut gone: Vec<(Old, usize, &Step)> = Vec::new();
    for (place, step) in steps() {
        let tables = || {
            let changes = step.changes.iter();
            changes.filter(|change| change.kind == ObjectKind::Table)
        };
        take_over(step, &mut before);
        let renamed = tables().find(|change| change.before.is_none());
        for change in tables().filter(|change| change.before.is_some()) {
            let known = before.remove(&change.name);
            made.remove(&change.name);
            match (known, &change.after, renamed) {
                (Some(mut old), Some(after), _) => {
                    old.last = after.clone();
                    before.insert(change.name.clone(), old);
                }
                (Some(old), None, Some(to)) => {
                    before.insert(to.name.clone(), old);
                }
                (Some(old), None, None) => gone.push((old, place, step)),
                (None, _, _) => {}
            }
        }
        for change in tables().filter(|change| !before.contains_key(&change.name)) {
            if let Some(after) = &change.after {
                made.insert(change.name.clone(), after.clone());
            }
        }
    }
    let made = gone.into_iter().filter_map(|(old, place, drop)| {
        let new = made
            .get(&old.name)
            .or_else(|| called_alike(&made, &old.name))
            .or_else(|| of_the_same_columns(subject, &made, &old.last))?;
        let alone = |sql| subject.alone(sql);
        let (first, last, new) = (alone(&old.first)?, alone(&old.last)?, alone(new)?);
        let columns = last.columns.iter();
        let columns = columns.filter(|column| first.column(&column.name).is_some());
        let columns = columns.cloned().collect();
        Some(Rebuilt {
            columns,
            name: old.name,
            old: last,
            new,
            drop,
            place,
            copied: old.copied,
        })
    });
    made.filter(|rebuilt| is_the_same(&rebuilt.columns, &rebuilt.new))
        .collect()
}

/// A table as it was before a file.
fn old(subject: &Subject, file: FileId, name: &Name) -> Option<Old> {
    let first = subject.replay.files.get(file.0)?.start;
    let mut changes = subject.replay.steps[..first]
        .iter()
        .rev()
        .flat_map(|step| step.changes.iter().rev());
    let change = changes.find(|change| change.kind == ObjectKind::Table && change.name == *name)?;
    let sql = change.after.clone()?;
    Some(Old {
        name: name.clone(),
        first: sql.clone(),
        last: sql,
        copied: Copied::default(),
    })
}

/// Notes what a statement reads of these tables while it writes others.
fn take_over(step: &Step, before: &mut BTreeMap<Name, Old>) {
    let sql = &step.statement.sql;
    let dropped = dropped(step);
    for (name, old) in before
        .iter_mut()
        .filter(|(name, _)| dropped.as_ref() != Some(*name))
    {
        if step.failure.is_some() {
            let is_named = find_word(sql, name.as_str(), 0).is_some();
            old.copied.is_whole |= is_named && find_word(sql, "insert", 0).is_some();
            continue;
        }
        let writes = |deed: &Deed| matches!(deed.act(), Some((Act::Insert | Act::Update | Act::Make, table)) if *name != *table);
        let is_own = |deed: &&Deed| deed.table(Act::Read).is_some_and(|table| *name == *table);
        let mut read = step.deeds.iter().filter(is_own).peekable();
        if !step.deeds.iter().any(writes) {
            continue;
        }
        if read.peek().is_none() {
            // SQLite copies a whole table into its like without looking at a column.
            old.copied.is_whole |= find_word(sql, "from", 0)
                .is_some_and(|from| find_word(sql, name.as_str(), from.end).is_some());
            continue;
        }
        old.copied.is_any = true;
        let columns = read.filter_map(|deed| deed.column().map(Name::new));
        old.copied.columns.extend(columns);
        if let Some(tree) = tree::parse(sql).filter(|tree| tree.verb == Verb::Insert) {
            let given = tree.columns.iter().map(|column| Name::new(column));
            old.copied.columns.extend(given);
        }
    }
}

/// The statement of a table that a file makes in the place of one whose name differs by its ending alone: `user` for `users`.
fn called_alike<'m>(made: &'m BTreeMap<Name, Arc<str>>, name: &Name) -> Option<&'m Arc<str>> {
    let stem = |name: &Name| {
        let name = name.as_str().to_ascii_lowercase().replace('_', "");
        name.strip_suffix('s').map_or(name.clone(), str::to_owned)
    };
    let mut alike = made.iter().filter(|(other, _)| stem(other) == stem(name));
    alike.next().map(|(_, sql)| sql)
}

/// The statement of a table that a file makes with the columns of one that it drops, under another name: three at least, and three of four.
fn of_the_same_columns<'m>(
    subject: &Subject,
    made: &'m BTreeMap<Name, Arc<str>>,
    old: &str,
) -> Option<&'m Arc<str>> {
    let old = subject.alone(old)?;
    let mut alike = made.values().filter(|sql| {
        subject.alone(sql).is_some_and(|new| {
            let columns = new.columns.iter();
            let both = columns
                .filter(|column| old.column(&column.name).is_some())
                .count();
            let all = old.columns.len() + new.columns.len() - both;
            both >= 3 && both * 4 >= all * 3
        })
    });
    alike.next()
}

/// Whether two tables hold the same kind of rows: one half of the columns of the smaller one are in the other.
pub(super) fn is_the_same(old: &[Column], new: &Table) -> bool {
    let plain = |columns: &[Column]| -> BTreeSet<String> {
        let names = columns.iter().map(|column| column.name.as_str());
        names
            .map(|name| name.to_ascii_lowercase().replace('_', ""))
            .collect()
    };
    let (old, new) = (plain(old), plain(&new.columns));
    old.intersection(&new).count() * 2 >= old.len().min(new.len())
}

/// Whether the loss of the rows was told from what became of them, or they were seen to stay.
fn is_judged(subject: &Subject, file: FileId, table: &Name) -> bool {
    let rows = subject.replay.with_rows.get(file.0);
    rows.and_then(Option::as_ref).is_some_and(|rows| {
        let told = rows.effects.iter().any(|effect| {
            effect.table == *table && matches!(effect.kind, EffectKind::RowsGone { .. })
        });
        let is_filled = rows.unfilled.iter().all(|one| one.table != *table);
        told || is_filled && rows.failure.is_none()
    })
}

fn columns(subject: &Subject, file: FileId, rebuilt: &Rebuilt<'_>) -> Option<Finding> {
    let is_named = |column: &Column| {
        let children = subject.children(&rebuilt.name);
        let mut keys = children.flat_map(|(_, key)| &key.parent_columns);
        keys.any(|name| *name == column.name)
    };
    let alias = rebuilt.new.rowid_alias();
    let left: Vec<&Column> = rebuilt
        .columns
        .iter()
        .filter(|column| column.generated.is_none())
        .filter(|column| !rebuilt.copied.columns.contains(&column.name))
        // A number that SQLite gives and that nobody names is given anew.
        .filter(|column| alias.is_none_or(|alias| alias.name != column.name) || is_named(column))
        .collect();
    if left.is_empty() {
        return None;
    }
    let names: Vec<String> = left
        .iter()
        .map(|column| format!("`{}`", column.name))
        .collect();
    let stays = left
        .iter()
        .any(|column| rebuilt.new.column(&column.name).is_some());
    let (are, whose) = if left.len() == 1 {
        ("is", "its")
    } else {
        ("are", "their")
    };
    let then = if stays {
        format!("{whose} values give way to a default or to NULL in every old row")
    } else {
        format!("{whose} values go with the old table")
    };
    let message = format!(
        "`{}` makes `{}` anew, but {} {are} not copied: {then}",
        name_of(subject, file),
        rebuilt.name,
        names.join(", ")
    );
    let object = format!(
        "{}: table {}, columns left behind",
        object_of(subject, file),
        rebuilt.name
    );
    Some(
        Finding::new("MIG-06", Level::Warning, object, message)
            .at(Some(rebuilt.drop.statement.span.clone()), "the values go here")
            .help("copy the columns as well, into a new name where they get one, or say that they may go: -- moltproof: allow MIG-06 and the reason"),
    )
}

fn rows(subject: &Subject, file: FileId, rebuilt: &Rebuilt<'_>) -> Finding {
    let (table, new) = (&rebuilt.name, &rebuilt.new.name);
    let again = if new == table {
        "creates it again".to_owned()
    } else {
        format!("creates `{new}` in its place")
    };
    let message = format!(
        "`{}` drops `{table}` and {again}, but no statement copies its rows",
        name_of(subject, file)
    );
    let object = format!("{}: table {table}", object_of(subject, file));
    Finding::new("MIG-06", Level::Warning, object, message)
        .at(
            Some(rebuilt.drop.statement.span.clone()),
            "the rows go here",
        )
        .help("copy every row, or say that they may go: -- moltproof: allow MIG-06 and the reason")
}
