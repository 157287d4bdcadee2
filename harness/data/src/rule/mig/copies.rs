//! MIG-06: copies of a table that leave rows out or put values into other columns, and tables that a later file makes again. Never judges a DELETE, which says what it does.

use super::chosen;
use super::left_behind::{Rebuilt, is_the_same, rebuilt};
use super::rows_lost::dropped;
use super::{name_of, object_of};
use crate::catalog::{Name, Table};
use crate::engine::{Act, Deed};
use crate::finding::{Finding, Level};
use crate::replay::{ObjectKind, Step};
use crate::subject::Subject;
use crate::text::{FileId, find_word};
use crate::tree::{self, Kind, Node, Tree, Verb};

pub(super) const HELP: &str =
    "copy every row, or say that they may go: -- moltproof: allow MIG-06 and the reason";

pub(super) fn lossy(subject: &Subject, findings: &mut Vec<Finding>) {
    for number in 0..subject.replay.files.len() {
        let file = FileId(number);
        for rebuilt in rebuilt(subject, file) {
            for (step, tree) in copies(subject, file, &rebuilt) {
                let merged = leaves_out(subject, file, &rebuilt, step, &tree);
                let chosen = || chosen::by_condition(subject, file, &rebuilt, (step, &tree));
                findings.extend(merged.or_else(chosen));
                let Some(pairs) = pairs(&rebuilt, &tree) else {
                    continue;
                };
                findings.extend(crossed(subject, file, &rebuilt, step, &pairs));
                findings.extend(chosen::made_numbers(subject, file, &rebuilt, step, &pairs));
            }
        }
        findings.extend(made_again_later(subject, file));
        findings.extend(copies_nothing(subject, file));
    }
}

/// The statements before the drop that copy the old table into another one.
fn copies<'s>(subject: &'s Subject, file: FileId, rebuilt: &Rebuilt<'_>) -> Vec<(&'s Step, Tree)> {
    let steps = subject.replay.steps_of(file);
    let before = steps.take_while(|(place, _)| *place < rebuilt.place);
    before
        .filter(|(_, step)| step.failure.is_none() && writes(step))
        .filter_map(|(_, step)| {
            let tree = tree::parse(&step.statement.sql)?;
            let select = tree.parts.iter().find(|part| part.kind == Kind::Select)?;
            let from = select.part(Kind::From)?;
            let is_read =
                |node: &Node| node.kind == Kind::Table && is_called(&node.text, step, rebuilt);
            let is_copy = tree.verb == Verb::Insert && from.parts.iter().any(is_read);
            is_copy.then_some((step, tree))
        })
        .collect()
}

fn writes(step: &Step) -> bool {
    let mut deeds = step.deeds.iter();
    deeds.any(|deed| matches!(deed, Deed::Insert(..)))
}

/// Whether a table in FROM is the old one: by its name, or by the one that it has when it is dropped.
fn is_called(name: &str, step: &Step, rebuilt: &Rebuilt<'_>) -> bool {
    let into = step.deeds.iter().find_map(|deed| deed.table(Act::Insert));
    let is_other = into.is_none_or(|into| !into.eq_ignore_ascii_case(name));
    is_other && (rebuilt.name == *name || dropped(rebuilt.drop).is_some_and(|drop| drop == *name))
}

/// A copy by LIMIT, or one that drops rows which are equal in a new key.
fn leaves_out(
    subject: &Subject,
    file: FileId,
    rebuilt: &Rebuilt<'_>,
    step: &Step,
    tree: &Tree,
) -> Option<Finding> {
    let select = tree.parts.iter().find(|part| part.kind == Kind::Select)?;
    let limit = select.part(Kind::Limit);
    let limit = limit.and_then(|limit| limit.parts.first());
    let (how, label) = if let Some(limit) = limit.filter(|limit| limit.kind == Kind::Number) {
        let how = format!("at most {} rows of it", limit.text);
        (how, "LIMIT leaves the others out")
    } else {
        let sorted_out = sorted_out(subject, file, rebuilt)?;
        let sql = &step.statement.sql;
        let merges = tree.replaces
            || select.part(Kind::Group).is_some()
            || ["ignore", "distinct"]
                .iter()
                .any(|word| find_word(sql, word, 0).is_some());
        if !merges {
            return None;
        }
        (
            format!("only one of several rows that agree in {sorted_out}"),
            "the others are left out without a word",
        )
    };
    let message = format!(
        "`{}` makes `{}` anew, but copies {how}",
        name_of(subject, file),
        rebuilt.name
    );
    let object = format!("{}: table {}", object_of(subject, file), rebuilt.name);
    Some(
        Finding::new("MIG-06", Level::Warning, object, message)
            .at(Some(step.statement.span.clone()), label)
            .help(HELP),
    )
}

/// The columns of a key that the new table has, where the file was seen to live through rows that agree in it.
fn sorted_out(subject: &Subject, file: FileId, rebuilt: &Rebuilt<'_>) -> Option<String> {
    let rows = subject.replay.with_rows.get(file.0)?.as_ref()?;
    let deletes = subject.replay.steps_of(file).any(|(place, step)| {
        let is_before = place < rebuilt.place;
        is_before && find_word(&step.statement.sql, "delete", 0).is_some_and(|word| word.start == 0)
    });
    let mut all = rows.tightened.iter();
    let one = all.find(|one| {
        one.table == rebuilt.name && one.key.is_some() && one.failure.is_none() && !deletes
    })?;
    let names: Vec<String> = one
        .columns
        .iter()
        .map(|column| format!("`{column}`"))
        .collect();
    Some(names.join(", "))
}

/// The columns of the old table whose values come as they are, each with the one of the new table that it comes into.
fn pairs(rebuilt: &Rebuilt<'_>, tree: &Tree) -> Option<Vec<(Name, Name)>> {
    let select = tree.parts.iter().find(|part| part.kind == Kind::Select)?;
    let row = select.part(Kind::Columns)?;
    let from: Vec<Option<Name>> = match row.parts.as_slice() {
        [only] if only.kind == Kind::Star => {
            let columns = plain(&rebuilt.old);
            columns.into_iter().map(Some).collect()
        }
        parts => parts
            .iter()
            .map(|part| part.column().map(Name::new))
            .collect(),
    };
    let is_into_the_new = tree.table.is_some() && select.part(Kind::From)?.parts.len() == 1;
    let into: Vec<Name> = if tree.columns.is_empty() {
        plain(&rebuilt.new)
    } else {
        tree.columns.iter().map(|name| Name::new(name)).collect()
    };
    if !is_into_the_new || from.len() != into.len() {
        return None;
    }
    let pairs = from.into_iter().zip(into);
    Some(
        pairs
            .filter_map(|(from, into)| Some((from?, into)))
            .collect(),
    )
}

/// A copy by position that puts the values of a column into another one, though both tables have both.
fn crossed(
    subject: &Subject,
    file: FileId,
    rebuilt: &Rebuilt<'_>,
    step: &Step,
    pairs: &[(Name, Name)],
) -> Option<Finding> {
    let (wrong, right) = pairs.iter().find(|(from, into)| {
        from != into && rebuilt.new.column(from).is_some() && rebuilt.old.column(into).is_some()
    })?;
    let message = format!(
        "`{}` copies by position, and `{wrong}` of the old `{}` comes into `{right}` of the new one",
        name_of(subject, file),
        rebuilt.name
    );
    let object = format!(
        "{}: table {}, columns crossed",
        object_of(subject, file),
        rebuilt.name
    );
    Some(
        Finding::new("MIG-06", Level::Warning, object, message)
            .at(
                Some(step.statement.span.clone()),
                "the columns stand in another order",
            )
            .help("name the columns on both sides: INSERT INTO … (a, b) SELECT a, b FROM …"),
    )
}

/// The names of the columns that hold values of their own.
fn plain(table: &Table) -> Vec<Name> {
    let columns = table.columns.iter();
    columns
        .filter(|column| column.generated.is_none())
        .map(|column| column.name.clone())
        .collect()
}

/// Tables that a file drops, of which nothing was copied before, and that a later file makes again.
fn made_again_later(subject: &Subject, file: FileId) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (place, step) in subject.replay.steps_of(file) {
        let Some(table) = dropped(step).filter(|_| step.failure.is_none()) else {
            continue;
        };
        let first = subject.replay.files[file.0].start;
        let last_of_file = subject.replay.files[file.0].end;
        let is_table = |kind: ObjectKind, name: &Name| kind == ObjectKind::Table && *name == table;
        let steps = &subject.replay.steps;
        let old = steps[..first].iter().rev().find_map(|step| {
            let mut changes = step.changes.iter();
            changes
                .find(|change| is_table(change.kind, &change.name))?
                .after
                .clone()
        });
        let made = |step: &Step| {
            let mut changes = step.changes.iter();
            let change = changes
                .find(|change| is_table(change.kind, &change.name) && change.before.is_none())?;
            change.after.clone()
        };
        let is_made_here = steps[first..last_of_file]
            .iter()
            .any(|step| made(step).is_some());
        let later = steps[last_of_file..]
            .iter()
            .find_map(|step| Some((step, made(step)?)));
        let (Some(old), Some((again, new)), false) = (old, later, is_made_here) else {
            continue;
        };
        let (Some(old), Some(new)) = (subject.alone(&old), subject.alone(&new)) else {
            continue;
        };
        if !is_the_same(&old.columns, &new) || is_copied(&steps[..place], &table) {
            continue;
        }
        let message = format!(
            "`{}` drops `{table}`, and `{}` creates it again: none of its rows is copied",
            name_of(subject, file),
            name_of(subject, again.statement.span.file)
        );
        let object = format!("{}: table {table}", object_of(subject, file));
        findings.push(
            Finding::new("MIG-06", Level::Warning, object, message)
                .at(Some(step.statement.span.clone()), "the rows go here")
                .related(Some(again.statement.span.clone()), "is made again here")
                .help(HELP),
        );
    }
    findings
}

/// Tables that a file drops after a copy whose condition never holds.
fn copies_nothing(subject: &Subject, file: FileId) -> Vec<Finding> {
    let mut findings = Vec::new();
    let steps = || subject.replay.steps_of(file);
    for (place, step) in steps() {
        let Some(table) = dropped(step) else { continue };
        let is_made_here = steps().any(|(_, step)| {
            let mut changes = step.changes.iter();
            changes.any(|change| {
                change.kind == ObjectKind::Table && change.name == table && change.before.is_none()
            })
        });
        let mut before = steps().take_while(|(at, _)| *at < place);
        let copy = before.find(|(_, step)| {
            let inserts =
                find_word(&step.statement.sql, "insert", 0).is_some_and(|word| word.start == 0);
            inserts
                && is_copied(std::slice::from_ref(step), &table)
                && never_holds(&step.statement.sql)
        });
        let Some((_, copy)) = copy.filter(|_| !is_made_here) else {
            continue;
        };
        let message = format!(
            "`{}` drops `{table}` after a copy whose condition never holds: none of its rows is copied",
            name_of(subject, file)
        );
        let object = format!("{}: table {table}", object_of(subject, file));
        findings.push(
            Finding::new("MIG-06", Level::Warning, object, message)
                .at(Some(copy.statement.span.clone()), "copies no row")
                .related(Some(step.statement.span.clone()), "the rows go here")
                .help(HELP),
        );
    }
    findings
}

/// Whether the last WHERE of a statement is a comparison of numbers that is false: `WHERE 1=0`.
fn never_holds(sql: &str) -> bool {
    let mut condition = None;
    let mut from = 0;
    while let Some(word) = find_word(sql, "where", from) {
        condition = Some(sql[word.end..].trim().trim_end_matches(';'));
        from = word.end;
    }
    let Some(condition) = condition else {
        return false;
    };
    let plain: String = condition
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .collect();
    let sides = plain
        .split_once('=')
        .map(|(left, right)| (left.parse::<i64>(), right.parse::<i64>()));
    matches!(sides, Some((Ok(left), Ok(right))) if left != right)
        || plain == "0"
        || plain.eq_ignore_ascii_case("false")
}

/// Whether any statement before reads a table while it writes another one.
pub(super) fn is_copied(steps: &[Step], table: &Name) -> bool {
    steps.iter().any(|step| {
        let writes = |deed: &Deed| {
            let written = deed.act();
            matches!(written, Some((Act::Insert | Act::Update | Act::Make, other)) if *table != *other)
        };
        let from = find_word(&step.statement.sql, "from", 0);
        let names = |from: std::ops::Range<usize>| {
            find_word(&step.statement.sql, table.as_str(), from.end).is_some()
        };
        step.deeds.iter().any(writes) && from.is_some_and(names)
    })
}
