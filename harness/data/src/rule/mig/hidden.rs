//! MIG-12: IF NOT EXISTS over something that is there in another shape. Never compares texts where SQLite can tell what they mean.

use super::object_of;
use crate::catalog::{Column, ForeignKey, Name, Table};
use crate::finding::{Finding, Level};
use crate::replay::{Change, ObjectKind, Step};
use crate::subject::Subject;
use crate::text::{FileId, find_word, normal, tokens};
use crate::tree;
use std::collections::BTreeSet;

pub(super) fn exists_in_another_shape(subject: &Subject, findings: &mut Vec<Finding>) {
    for number in 0..subject.replay.files.len() {
        let file = FileId(number);
        for (place, step) in subject.replay.steps_of(file) {
            if step.failure.is_some() || !step.changes.is_empty() {
                continue;
            }
            if let Some(hidden) = hidden(subject, place, step) {
                findings.push(finding(subject, file, step, &hidden));
            }
        }
    }
}

/// What a statement finds in the place of what it wants to make.
struct Hidden {
    kind: ObjectKind,
    name: Name,
    /// In which way that is something else, to be read behind "already exists, but".
    how: String,
}

fn finding(subject: &Subject, file: FileId, step: &Step, hidden: &Hidden) -> Finding {
    let (kind, help) = match hidden.kind {
        ObjectKind::Table => (
            "table",
            "add what is missing with ALTER TABLE … ADD COLUMN, or rebuild the table",
        ),
        ObjectKind::Index => (
            "index",
            "give the index a name of its own, or drop the old one first",
        ),
        ObjectKind::Trigger => ("trigger", "drop the old one first"),
        ObjectKind::View => ("view", "drop the old one first"),
    };
    let message = format!(
        "`{}` already exists, but {}: this statement silently changes nothing",
        hidden.name, hidden.how
    );
    let object = format!("{}: {kind} {}", object_of(subject, file), hidden.name);
    Finding::new("MIG-12", Level::Warning, object, message)
        .at(Some(step.statement.span.clone()), "does nothing")
        .related(subject.site(hidden.kind, &hidden.name), "was made here")
        .help(help)
}

/// What stands in the place of the object that a `CREATE … IF NOT EXISTS` is to make, if it is something else.
fn hidden(subject: &Subject, place: usize, step: &Step) -> Option<Hidden> {
    let sql = &step.statement.sql;
    let (kind, name) = wanted(sql)?;
    let there = there(subject, place, kind, &name)?;
    let how = match kind {
        ObjectKind::Table => table_differs(subject, sql, there.after.as_deref()?)?,
        ObjectKind::Index | ObjectKind::Trigger | ObjectKind::View => {
            let (own, other) = (behind_name(sql)?, behind_name(there.after.as_deref()?)?);
            if own == other {
                return None;
            }
            let table = || Some(Name::new(&tree::parse(sql)?.table?));
            if let Some(table) = table().filter(|table| *table != there.table) {
                format!(
                    "on `{}`, and `{table}` gets nothing of the kind",
                    there.table
                )
            } else {
                "as something else".to_owned()
            }
        }
    };
    Some(Hidden { kind, name, how })
}

/// The kind and the name of what `CREATE … IF NOT EXISTS` is to make.
fn wanted(sql: &str) -> Option<(ObjectKind, Name)> {
    find_word(sql, "create", 0).filter(|word| word.start == 0)?;
    let head: Vec<String> = tokens(sql)
        .into_iter()
        .take(9)
        .map(|token| token.form)
        .collect();
    let exists = head.iter().position(|word| word == "exists")?;
    let kinds = head[..exists].iter();
    let kind = kinds.into_iter().find_map(|word| match word.as_str() {
        "table" => Some(ObjectKind::Table),
        "index" => Some(ObjectKind::Index),
        "trigger" => Some(ObjectKind::Trigger),
        "view" => Some(ObjectKind::View),
        _ => None,
    })?;
    let is_virtual = head[..exists].iter().any(|word| word == "virtual");
    let mut names = head[exists + 1..].iter();
    let mut name = names.next()?;
    if names.next().is_some_and(|dot| dot == ".") {
        name = names.next()?;
    }
    (!is_virtual).then(|| (kind, Name::new(name)))
}

/// The last change of an object before a statement.
fn there<'s>(
    subject: &'s Subject,
    place: usize,
    kind: ObjectKind,
    name: &Name,
) -> Option<&'s Change> {
    let steps = subject.replay.steps[..place].iter().rev();
    let mut changes = steps.flat_map(|step| step.changes.iter().rev());
    changes.find(|change| change.kind == kind && change.name == *name)
}

/// The tokens of a statement behind the name of what it makes, with UNIQUE where that stands before.
fn behind_name(sql: &str) -> Option<String> {
    let text = normal(sql);
    let unique = if text.starts_with("create unique ") {
        "unique "
    } else {
        ""
    };
    let words = [
        "on", "as", "before", "after", "instead", "insert", "update", "delete",
    ];
    let mut from = text.split(' ').skip(3);
    from.find(|word| words.contains(word)).map(|word| {
        let rest: Vec<&str> = from.collect();
        format!("{unique}{word} {}", rest.join(" "))
    })
}

/// How a table that is there differs from the one that a statement would make. Columns that came later are no difference.
fn table_differs(subject: &Subject, wanted: &str, there: &str) -> Option<String> {
    if normal(wanted) == normal(there) {
        return None;
    }
    let (wanted, there) = (subject.alone(wanted)?, subject.alone(there)?);
    let missing: Vec<String> = wanted
        .columns
        .iter()
        .filter(|column| there.column(&column.name).is_none())
        .map(|column| format!("`{}`", column.name))
        .collect();
    if !missing.is_empty() {
        let plural = if missing.len() == 1 { "" } else { "s" };
        return Some(format!("without the column{plural} {}", missing.join(", ")));
    }
    let mut columns = wanted.columns.iter();
    let other = columns.find_map(|column| {
        let how = column_differs(column, &wanted, there.column(&column.name)?, &there)?;
        Some(format!("`{}` {how} there", column.name))
    });
    other.or_else(|| constraints_differ(&wanted, &there))
}

fn column_differs(
    wanted: &Column,
    table: &Table,
    there: &Column,
    other: &Table,
) -> Option<&'static str> {
    if table.is_nullable(wanted) != other.is_nullable(there) {
        return Some(if other.is_nullable(there) {
            "may be NULL"
        } else {
            "may not be NULL"
        });
    }
    if wanted.affinity() != there.affinity() || wanted.generated != there.generated {
        return Some("is of another type");
    }
    let default = |column: &Column| column.default.as_deref().map(normal);
    (default(wanted) != default(there)).then_some("has another default")
}

/// What keys and references one table has and the other has not.
fn constraints_differ(wanted: &Table, there: &Table) -> Option<String> {
    if wanted.primary_key != there.primary_key {
        return Some("with another primary key".to_owned());
    }
    let uniques = |table: &Table| -> BTreeSet<Vec<Option<Name>>> {
        let keys = table.indexes.iter().filter(|index| index.unique);
        keys.map(|index| index.columns.iter().map(|part| part.name.clone()).collect())
            .collect()
    };
    if uniques(wanted) != uniques(there) {
        return Some("with other unique keys".to_owned());
    }
    let is_in = |key: &ForeignKey, table: &Table| table.foreign_keys.contains(key);
    let mut missing = wanted.foreign_keys.iter();
    if let Some(key) = missing.find(|key| !is_in(key, there)) {
        return Some(format!("without this reference to `{}`", key.parent));
    }
    let is_known = |key: &&ForeignKey| {
        let mut columns = key.columns.iter();
        columns.all(|column| wanted.column(column).is_some())
    };
    let mut others = there.foreign_keys.iter().filter(is_known);
    if others.any(|key| !is_in(key, wanted)) {
        return Some("with other references".to_owned());
    }
    let later: Vec<&Name> = there
        .columns
        .iter()
        .map(|column| &column.name)
        .filter(|name| wanted.column(name).is_none())
        .collect();
    let checks = |table: &Table| -> BTreeSet<String> {
        let tree = tree::parse(&table.sql);
        let checks = tree.into_iter().flat_map(|tree| tree.checks);
        let is_of_both = |text: &String| {
            let mut later = later.iter();
            later.all(|name| find_word(text, name.as_str(), 0).is_none())
        };
        let checks = checks.map(|(_, text)| normal(&text));
        checks.filter(is_of_both).collect()
    };
    if checks(wanted) != checks(there) {
        return Some("with other CHECKs".to_owned());
    }
    (wanted.strict != there.strict || wanted.without_rowid != there.without_rowid)
        .then(|| "of another kind (STRICT, WITHOUT ROWID)".to_owned())
}
