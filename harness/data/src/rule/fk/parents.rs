//! FK-01, FK-02, FK-07: the parent of a reference is missing, cannot be found by its columns, or is of another type. Never trusts the catalog alone.

use super::{object, passing, shown};
use crate::catalog::{Affinity, Column, ForeignKey, Name, Schema, Table};
use crate::finding::{Finding, Level, Patch};
use crate::replay::ObjectKind;
use crate::rule::{new_index, trial};
use crate::subject::Subject;
use crate::text::find_word;

/// What is wrong with a parent.
pub(super) enum Fault {
    Missing,
    View,
    Width(usize),
    NoColumn(Name),
    NotUnique,
}

/// Each reference whose parent does not serve, as SQLite itself tells it when it prepares an INSERT into the child.
pub(super) fn faults(subject: &Subject) -> Vec<(&Table, &ForeignKey, Fault)> {
    let schema = subject.schema();
    let mut found = Vec::new();
    for table in schema.tables.values() {
        if table.foreign_keys.is_empty() {
            continue;
        }
        let insert = format!("INSERT INTO {} DEFAULT VALUES", table.name.quoted());
        let Some(message) = trial::prepared(subject, &insert) else {
            continue;
        };
        if !message.starts_with("foreign key mismatch") && !message.starts_with("no such table") {
            continue;
        }
        for key in &table.foreign_keys {
            let named = message.ends_with(&format!("referencing \"{}\"", key.parent));
            if let Some(fault) = fault(schema, key, named) {
                found.push((table, key, fault));
            }
        }
    }
    found
}

fn fault(schema: &Schema, key: &ForeignKey, is_named: bool) -> Option<Fault> {
    let Some(parent) = schema.tables.get(&key.parent) else {
        return Some(if schema.views.contains_key(&key.parent) {
            Fault::View
        } else {
            Fault::Missing
        });
    };
    if key.parent_columns.len() != key.columns.len() {
        return Some(Fault::Width(key.parent_columns.len()));
    }
    let absent = key
        .parent_columns
        .iter()
        .find(|name| parent.column(name).is_none());
    if let Some(absent) = absent {
        return Some(Fault::NoColumn(absent.clone()));
    }
    (is_named || !parent.is_unique(&key.parent_columns)).then_some(Fault::NotUnique)
}

/// Whether a statement that failed was to make this table: that failure is told, and the table is not missing for a reason of its own.
pub(in crate::rule) fn was_to_be_made(subject: &Subject, table: &Name) -> bool {
    let steps = &subject.replay.steps;
    let mut failed = steps.iter().filter(|step| step.failure.is_some());
    failed.any(|step| {
        let sql = &step.statement.sql;
        let place = |word, from| find_word(sql, word, from).map(|found| found.end);
        let make = place("create", 0).and_then(|from| place("table", from));
        let rename = place("alter", 0).and_then(|from| place("to", from));
        make.or(rename)
            .and_then(|from| find_word(sql, table.as_str(), from))
            .is_some_and(|name| !sql[..name.start].contains('('))
    })
}

pub(in crate::rule) fn missing(subject: &Subject, findings: &mut Vec<Finding>) {
    for (table, key, fault) in faults(subject) {
        if !matches!(fault, Fault::Missing) || was_to_be_made(subject, &key.parent) {
            continue;
        }
        let message = format!(
            "`{}` refers to `{}`, which does not exist, so every INSERT into `{}` and every DELETE from it fails",
            shown(table, key),
            key.parent,
            table.name
        );
        let columns: Vec<&Name> = key.columns.iter().collect();
        let row = key
            .columns
            .iter()
            .filter_map(|name| Some((name.clone(), trial::value(table.column(name)?))))
            .collect();
        let proof = vec![
            trial::sketch(table, &columns, &[key], &[]),
            trial::insert(&table.name, &row),
        ];
        let site = subject.site_of(ObjectKind::Table, &table.name, key.parent.as_str());
        findings.push(
            Finding::new("FK-01", Level::Error, object(table, key), message)
                .at(site, "this table does not exist")
                .help(format!(
                    "create `{}` before `{}`, or remove the reference",
                    key.parent, table.name
                ))
                .proof(trial::failing(proof)),
        );
    }
}

pub(in crate::rule) fn not_unique(subject: &Subject, findings: &mut Vec<Finding>) {
    passing::for_a_while(subject, findings);
    for (table, key, fault) in faults(subject) {
        let parent = subject.schema().tables.get(&key.parent);
        let columns = super::super::columns_of(&key.parent, &key.parent_columns);
        let (reason, help) = match fault {
            Fault::Missing => continue,
            Fault::View => (
                format!("`{}` is a view", key.parent),
                "refer to the table behind the view".to_owned(),
            ),
            Fault::Width(0) => (
                format!("`{}` has no primary key to refer to", key.parent),
                format!("name unique columns of `{}` behind REFERENCES", key.parent),
            ),
            Fault::Width(width) => (
                format!(
                    "it has {} of its own and names {width} of `{}`",
                    counted(key.columns.len()),
                    key.parent
                ),
                "name as many columns on both sides".to_owned(),
            ),
            Fault::NoColumn(name) => (
                format!("`{}` has no column `{name}`", key.parent),
                "name a column that is there and unique".to_owned(),
            ),
            Fault::NotUnique => (
                format!("`{columns}` is neither the primary key nor unique by its own collation"),
                format!("make `{columns}` unique"),
            ),
        };
        let message = format!(
            "`{}` cannot find its parent, because {reason}: every INSERT into `{}` and every DELETE from `{}` fails with \"foreign key mismatch\"",
            shown(table, key),
            table.name,
            key.parent
        );
        let site = subject.site_of(ObjectKind::Table, &table.name, key.columns[0].as_str());
        let at_parent = key.parent_columns.first().unwrap_or(&key.parent).as_str();
        let mut finding = Finding::new("FK-02", Level::Error, object(table, key), message)
            .at(site, "this reference has no parent")
            .related(
                subject.site_of(ObjectKind::Table, &key.parent, at_parent),
                "what it refers to",
            )
            .help(help)
            .proof(mismatch(table, key, parent));
        if let Some(parent) = parent.filter(|parent| is_repaired_by_an_index(parent, key)) {
            finding = finding.patch(Patch::Migration {
                sql: new_index(subject, parent, &key.parent_columns, true),
            });
        }
        findings.push(finding);
    }
}

fn counted(columns: usize) -> String {
    if columns == 1 {
        "1 column".to_owned()
    } else {
        format!("{columns} columns")
    }
}

fn is_repaired_by_an_index(parent: &Table, key: &ForeignKey) -> bool {
    key.columns.len() == key.parent_columns.len()
        && key
            .parent_columns
            .iter()
            .all(|name| parent.column(name).is_some())
        && !parent.is_unique(&key.parent_columns)
}

fn mismatch(table: &Table, key: &ForeignKey, parent: Option<&Table>) -> Vec<String> {
    let Some(parent) = parent else {
        return Vec::new();
    };
    let mut wanted = super::all(&[&parent.primary_key, &key.parent_columns]);
    wanted.retain(|name| parent.column(name).is_some());
    if wanted.is_empty() {
        wanted.extend(parent.columns.first().map(|column| &column.name));
    }
    let own: Vec<&Name> = key.columns.iter().collect();
    trial::failing(vec![
        trial::sketch(parent, &wanted, &[], &[]),
        trial::sketch(table, &own, &[key], &[]),
        format!("DELETE FROM {};", parent.name.quoted()),
    ])
}

pub(in crate::rule) fn other_affinity(subject: &Subject, findings: &mut Vec<Finding>) {
    let schema = subject.schema();
    for table in schema.tables.values() {
        for key in &table.foreign_keys {
            let Some(parent) = schema.tables.get(&key.parent) else {
                continue;
            };
            for (own, other) in key.columns.iter().zip(&key.parent_columns) {
                let (Some(child), Some(target)) = (table.column(own), parent.column(other)) else {
                    continue;
                };
                if !is_lost_between(child, target) {
                    continue;
                }
                let message = format!(
                    "`{}.{own}` is {} and `{}.{other}`, which it refers to, is {}: the same id is stored as two different values, and the row is refused",
                    table.name,
                    told(child),
                    parent.name,
                    told(target)
                );
                findings.push(
                    Finding::new(
                        "FK-07",
                        Level::Warning,
                        format!("table {}: {own}", table.name),
                        message,
                    )
                    .at(
                        subject.site_of(ObjectKind::Table, &table.name, own.as_str()),
                        told(child),
                    )
                    .related(
                        subject.site_of(ObjectKind::Table, &parent.name, other.as_str()),
                        told(target),
                    )
                    .help("declare both columns with the same type"),
                );
            }
        }
    }
}

fn told(column: &Column) -> String {
    if column.declared_type.is_empty() {
        "of no type".to_owned()
    } else {
        column.declared_type.to_string()
    }
}

/// Whether one id can be kept as two values. A column of no type keeps a value as it comes, so it loses nothing by itself.
fn is_lost_between(child: &Column, parent: &Column) -> bool {
    let class = |column: &Column| match column.affinity() {
        Affinity::Text => Some(0),
        Affinity::Integer | Affinity::Numeric | Affinity::Real => Some(1),
        Affinity::Blob if column.declared_type.is_empty() => None,
        Affinity::Blob => Some(2),
    };
    let any = |column: &Column| column.declared_type.eq_ignore_ascii_case("any");
    match (class(child), class(parent)) {
        (Some(child_class), Some(parent_class)) => {
            child_class != parent_class && !any(child) && !any(parent)
        }
        (None, _) | (_, None) => false,
    }
}
