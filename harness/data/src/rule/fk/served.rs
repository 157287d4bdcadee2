//! FK-03: a deletion of the parent has to find its children by an index. Never asks how many rows there are.

use super::{object, shown};
use crate::catalog::{ForeignKey, Table};
use crate::finding::{Finding, Level, Patch};
use crate::references::is_served;
use crate::replay::ObjectKind;
use crate::rule::new_index;
use crate::subject::Subject;
use std::collections::BTreeSet;

pub(in crate::rule) fn child_not_indexed(subject: &Subject, findings: &mut Vec<Finding>) {
    let schema = subject.schema();
    let faulty = findings.iter().filter(|finding| finding.rule == "FK-02");
    let faulty: BTreeSet<String> = faulty.map(|finding| finding.object.clone()).collect();
    for table in schema.tables.values() {
        let mut told: Vec<&ForeignKey> = Vec::new();
        for key in &table.foreign_keys {
            let parent = schema.tables.get(&key.parent);
            let parent = parent.filter(|_| !faulty.contains(&object(table, key)));
            let is_served = parent.map_or_else(
                || has_index(table, key),
                |parent| is_served(subject, table, key, parent),
            );
            if is_served || told.iter().any(|other| other.columns == key.columns) {
                continue;
            }
            if parent.is_none() {
                told.push(key);
                findings.push(behind_a_fault(subject, table, key));
                continue;
            }
            told.push(key);
            let message = format!(
                "each DELETE of a row of `{}` reads all of `{}`, because no index begins with {}",
                key.parent,
                table.name,
                shown_columns(key)
            );
            findings.push(
                Finding::new("FK-03", Level::Warning, object(table, key), message)
                    .at(
                        subject.site_of(ObjectKind::Table, &table.name, key.columns[0].as_str()),
                        format!("`{}` is not indexed", shown(table, key)),
                    )
                    .related(
                        subject.site(ObjectKind::Table, &key.parent),
                        "each deletion here is paid there",
                    )
                    .help("index the column; D1 bills every row that is read")
                    .patch(Patch::Migration {
                        sql: new_index(subject, table, &key.columns, false),
                    }),
            );
        }
    }
}

/// A reference that does not work yet: told so that it need not be mended twice.
fn behind_a_fault(subject: &Subject, table: &Table, key: &ForeignKey) -> Finding {
    let columns = shown_columns(key);
    let message = format!(
        "as soon as the reference of {columns} is mended, each DELETE of a row that it names reads all of `{}`, because no index begins with {columns}",
        table.name
    );
    Finding::new("FK-03", Level::Info, object(table, key), message)
        .at(
            subject.site_of(ObjectKind::Table, &table.name, key.columns[0].as_str()),
            format!("`{}` is not indexed", shown(table, key)),
        )
        .help("index the column in the migration that mends the reference")
        .patch(Patch::Migration {
            sql: new_index(subject, table, &key.columns, false),
        })
}

/// Whether an index, or the rowid, begins with the columns of a reference.
fn has_index(table: &Table, key: &ForeignKey) -> bool {
    let alias = table.rowid_alias();
    alias.is_some_and(|alias| key.columns == [alias.name.clone()])
        || table.index_on(&key.columns).is_some()
}

fn shown_columns(key: &ForeignKey) -> String {
    let columns: Vec<String> = key.columns.iter().map(|name| format!("`{name}`")).collect();
    columns.join(" and ")
}
