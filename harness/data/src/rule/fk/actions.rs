//! FK-05, FK-06: what a deletion of the parent writes into its children. Never calls a deletion impossible that it has not tried.

use super::{all, object, shown};
use crate::catalog::{Action, ForeignKey, Name, Table};
use crate::finding::{Finding, Level};
use crate::references::has_default_parent;
use crate::replay::ObjectKind;
use crate::rule::trial::{self, Row, Trial};
use crate::subject::Subject;
use crate::tree::{self, Kind};

pub(in crate::rule) fn set_null_on_not_null(subject: &Subject, findings: &mut Vec<Finding>) {
    set_null_on_update(subject, findings);
    let schema = subject.schema();
    for table in schema.tables.values() {
        for key in &table.foreign_keys {
            let Some(parent) = schema.tables.get(&key.parent) else {
                continue;
            };
            let closed = key.columns.iter().find(|name| {
                table
                    .column(name)
                    .is_some_and(|column| !table.is_nullable(column))
            });
            let checked = || key.columns.iter().find(|name| is_checked(table, name));
            let Some(closed) = closed
                .or_else(checked)
                .filter(|_| key.on_delete == Action::SetNull)
            else {
                continue;
            };
            let why = if is_checked(table, closed) {
                "which a CHECK keeps from being NULL"
            } else {
                "which is NOT NULL"
            };
            let level = if fails(subject, table, key, parent) {
                Level::Error
            } else {
                Level::Warning
            };
            let message = format!(
                "a row of `{}` that has children in `{}` can never be deleted: ON DELETE SET NULL writes NULL into `{}.{closed}`, {why}",
                parent.name, table.name, table.name
            );
            let help = if key.columns.len() > 1 {
                "SET NULL writes NULL into every column of the reference; use CASCADE, or refer by the nullable column alone"
            } else {
                "drop NOT NULL, or use ON DELETE CASCADE or RESTRICT"
            };
            findings.push(
                Finding::new("FK-05", level, object(table, key), message)
                    .at(
                        subject.site_of(ObjectKind::Table, &table.name, closed.as_str()),
                        format!("`{}` refers to `{}`", shown(table, key), parent.name),
                    )
                    .related(
                        subject.site(ObjectKind::Table, &parent.name),
                        "its rows cannot be deleted",
                    )
                    .help(help)
                    .proof(proof(table, key, parent)),
            );
        }
    }
}

/// The same for ON UPDATE, where the deletion is not refused anyway.
fn set_null_on_update(subject: &Subject, findings: &mut Vec<Finding>) {
    let schema = subject.schema();
    for table in schema.tables.values() {
        for key in &table.foreign_keys {
            let closed = key.columns.iter().find(|name| {
                let column = table.column(name);
                column.is_some_and(|column| !table.is_nullable(column))
            });
            let is_told = key.on_delete == Action::SetNull;
            let (Some(parent), Some(closed)) = (
                schema.tables.get(&key.parent),
                closed.filter(|_| key.on_update == Action::SetNull && !is_told),
            ) else {
                continue;
            };
            let level = if update_fails(subject, table, key, parent) {
                Level::Error
            } else {
                Level::Warning
            };
            let of = trial::plain(&key.parent_columns);
            let message = format!(
                "the `{of}` of a row of `{}` that has children in `{}` can never be changed: ON UPDATE SET NULL writes NULL into `{}.{closed}`, which is NOT NULL",
                parent.name, table.name, table.name
            );
            findings.push(
                Finding::new("FK-05", level, object(table, key), message)
                    .at(
                        subject.site_of(ObjectKind::Table, &table.name, closed.as_str()),
                        format!("`{}` refers to `{}`", shown(table, key), parent.name),
                    )
                    .related(
                        subject.site(ObjectKind::Table, &parent.name),
                        "its keys cannot be changed",
                    )
                    .help(
                        "use ON UPDATE CASCADE, which writes the new key, or leave ON UPDATE out",
                    ),
            );
        }
    }
}

/// Changes the key of a parent with a child on the copy.
fn update_fails(subject: &Subject, table: &Table, key: &ForeignKey, parent: &Table) -> bool {
    let attempt = || {
        let trial = Trial::begin(subject)?;
        let made = trial.row(parent, &parent_row(parent, key))?;
        trial.row(table, &child_row(key, &made))?;
        let of = key.parent_columns.first()?;
        let (name, column, value) = (parent.name.quoted(), of.quoted(), made.get(of)?);
        let other = if value.starts_with('\'') {
            "'moltproof-2'"
        } else {
            "987654322"
        };
        trial
            .run(&format!(
                "UPDATE {name} SET {column} = {other} WHERE {column} = {value};"
            ))
            .err()
    };
    attempt().is_some_and(|message| message.starts_with("NOT NULL constraint failed"))
}

/// Whether a CHECK of this column alone refuses NULL.
fn is_checked(table: &Table, name: &Name) -> bool {
    let checks = tree::parse(&table.sql).map_or_else(Vec::new, |tree| tree.parts);
    checks.iter().any(|check| {
        let terms = check.chain("AND");
        terms.into_iter().any(|term| {
            let is_null = |part: &tree::Node| part.kind == Kind::Constant && part.text == "NULL";
            let by_is = term.kind == Kind::Binary
                && term.text == "IS NOT"
                && term.parts.iter().any(is_null);
            let column = term.parts.first().and_then(|part| part.column());
            (term.kind == Kind::NotNull || by_is) && column.is_some_and(|column| *name == *column)
        })
    })
}

/// Deletes a parent with a child on the copy.
fn fails(subject: &Subject, table: &Table, key: &ForeignKey, parent: &Table) -> bool {
    let attempt = || {
        let trial = Trial::begin(subject)?;
        let row = parent_row(parent, key);
        let made = trial.row(parent, &row)?;
        trial.row(table, &child_row(key, &made))?;
        trial.run("PRAGMA ignore_check_constraints=OFF;").ok()?;
        trial.run(&delete(parent, &made)).err()
    };
    attempt().is_some_and(|message| {
        message.starts_with("NOT NULL constraint failed")
            || message.starts_with("CHECK constraint failed")
            || message.contains("datatype mismatch")
    })
}

fn parent_row(parent: &Table, key: &ForeignKey) -> Row {
    let columns = all(&[&key.parent_columns]);
    let column = |name: &&Name| Some(((*name).clone(), trial::value(parent.column(name)?)));
    columns.iter().filter_map(column).collect()
}

fn child_row(key: &ForeignKey, parent: &Row) -> Row {
    let pairs = key.columns.iter().zip(&key.parent_columns);
    pairs
        .filter_map(|(own, other)| Some((own.clone(), parent.get(other)?.clone())))
        .collect()
}

/// `DELETE FROM parent WHERE …`, by the columns of a row.
pub(super) fn delete(parent: &Table, row: &Row) -> String {
    let conditions: Vec<String> = row
        .iter()
        .map(|(name, value)| format!("{} = {value}", name.quoted()))
        .collect();
    format!(
        "DELETE FROM {} WHERE {};",
        parent.name.quoted(),
        conditions.join(" AND ")
    )
}

fn proof(table: &Table, key: &ForeignKey, parent: &Table) -> Vec<String> {
    let parent_columns = all(&[&key.parent_columns]);
    let own = all(&[&key.columns]);
    let row = parent_row(parent, key);
    trial::failing(vec![
        trial::sketch(parent, &parent_columns, &[], &key.parent_columns),
        trial::sketch(table, &own, &[key], &[]),
        trial::insert(&parent.name, &row),
        trial::insert(&table.name, &child_row(key, &row)),
        format!("DELETE FROM {};", parent.name.quoted()),
    ])
}

pub(in crate::rule) fn set_default_without_parent(subject: &Subject, findings: &mut Vec<Finding>) {
    let schema = subject.schema();
    for table in schema.tables.values() {
        for key in &table.foreign_keys {
            let Some(parent) = schema.tables.get(&key.parent) else {
                continue;
            };
            if key.on_delete != Action::SetDefault
                || has_default_parent(subject, table, key, parent)
            {
                continue;
            }
            let message = format!(
                "deleting a row of `{}` writes the default into `{}`, but no migration inserts a row of `{}` with that key, so the deletion fails",
                parent.name,
                shown(table, key),
                parent.name
            );
            findings.push(
                Finding::new("FK-06", Level::Warning, object(table, key), message)
                    .at(
                        subject.site_of(ObjectKind::Table, &table.name, key.columns[0].as_str()),
                        "its default has no parent",
                    )
                    .related(
                        subject.site(ObjectKind::Table, &parent.name),
                        "the row of the default is missing here",
                    )
                    .help("insert the default's parent in a migration, or use ON DELETE SET NULL"),
            );
        }
    }
}
