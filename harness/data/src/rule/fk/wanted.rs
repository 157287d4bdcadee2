//! FK-04, FK-08: references that say nothing of deletions, and columns that look like references and are none. Never more than informs.

use super::{object, shown};
use crate::catalog::{Action, Column, Name, Table};
use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::subject::Subject;
use std::collections::BTreeMap;

pub(in crate::rule) fn no_action_stated(subject: &Subject, findings: &mut Vec<Finding>) {
    for table in subject.schema().tables.values() {
        let silent = table
            .foreign_keys
            .iter()
            .filter(|key| key.on_delete == Action::NoAction);
        // Where NO ACTION is written out for one reference, the author knows of it.
        if table.foreign_keys.is_empty() || states_no_action(&table.sql) {
            continue;
        }
        for key in silent {
            let message = format!(
                "a row of `{}` cannot be deleted while `{}` refers to it, and the reference does not say whether this is intended",
                key.parent,
                shown(table, key)
            );
            findings.push(
                Finding::new("FK-04", Level::Info, object(table, key), message)
                    .at(
                        subject.site_of(ObjectKind::Table, &table.name, key.columns[0].as_str()),
                        "no ON DELETE",
                    )
                    .help("write ON DELETE CASCADE, SET NULL, or RESTRICT"),
            );
        }
    }
}

fn states_no_action(sql: &str) -> bool {
    let words: Vec<String> = sql
        .split_whitespace()
        .map(str::to_ascii_lowercase)
        .collect();
    let words = words.join(" ");
    words.contains("on delete no action")
}

pub(in crate::rule) fn looks_like_a_reference(subject: &Subject, findings: &mut Vec<Finding>) {
    let tables = &subject.schema().tables;
    let mut by_name: BTreeMap<String, &Table> = BTreeMap::new();
    for table in tables.values().filter(|table| table.is_ordinary()) {
        by_name.insert(plain(table.name.as_str()), table);
    }
    for table in tables.values().filter(|table| table.is_ordinary()) {
        if subject
            .claims
            .outlives_tenant
            .keys()
            .any(|name| table.name == name.as_str())
        {
            continue;
        }
        for column in &table.columns {
            let Some(target) = target(&by_name, column) else {
                continue;
            };
            let is_reference = table
                .foreign_keys
                .iter()
                .any(|key| key.columns.contains(&column.name));
            if is_reference || target.name == table.name || !fits(column, target) {
                continue;
            }
            let name = &column.name;
            let message = format!(
                "`{}.{name}` looks like a reference to `{}` but is not declared as one, so its rows stay behind when a row of `{}` is deleted",
                table.name, target.name, target.name
            );
            findings.push(
                Finding::new(
                    "FK-08",
                    Level::Info,
                    format!("table {}: {name}", table.name),
                    message,
                )
                .at(
                    subject.site_of(ObjectKind::Table, &table.name, name.as_str()),
                    "no REFERENCES",
                )
                .related(
                    subject.site(ObjectKind::Table, &target.name),
                    "the table of this name",
                )
                .help(format!(
                    "add REFERENCES {} when the table is next rebuilt, or leave it if rows are meant to outlive it",
                    target.name.quoted()
                )),
            );
        }
    }
}

/// Lower case, without underscores.
fn plain(name: &str) -> String {
    name.chars()
        .filter(|letter| *letter != '_')
        .map(|letter| letter.to_ascii_lowercase())
        .collect()
}

/// The table that a column is named after: `user_id` or `userId` beside `user`, `users`.
fn target<'s>(by_name: &BTreeMap<String, &'s Table>, column: &Column) -> Option<&'s Table> {
    let name = column.name.as_str();
    let stem = name
        .strip_suffix("_id")
        .or_else(|| name.strip_suffix("Id"))
        .filter(|stem| !stem.is_empty())?;
    let stem = plain(stem);
    let many = stem.strip_suffix('y').map(|stem| format!("{stem}ies"));
    [
        Some(stem.clone()),
        Some(format!("{stem}s")),
        Some(format!("{stem}es")),
        many,
    ]
    .into_iter()
    .flatten()
    .find_map(|name| by_name.get(&name).copied())
}

/// Whether the target has a key of one column and the same affinity.
fn fits(column: &Column, target: &Table) -> bool {
    let [only] = target.primary_key.as_slice() else {
        return false;
    };
    let key: Option<&Column> = target.column(&Name::new(only.as_str()));
    key.is_some_and(|key| key.affinity() == column.affinity())
}
