//! Which tables a file touches, and which ones can lose rows with them. Never looks at a row.

use super::{ObjectKind, Step};
use crate::catalog::{Name, Schema};
use crate::engine::{Act, Deed};
use crate::text::find_word;
use std::collections::{BTreeMap, BTreeSet};

/// The tables that are there before the file and whose rows it can fail on, change or read for a change.
pub(super) fn touched(steps: &[(usize, &Step)], before: &BTreeSet<Name>) -> BTreeSet<Name> {
    let mut names = BTreeSet::new();
    for (_, step) in steps {
        let writes = step.deeds.iter().any(writes_rows);
        for deed in &step.deeds {
            let table = match deed.act() {
                Some((Act::Make, _)) | None => None,
                Some((Act::Read, table)) => Some(table).filter(|_table| writes),
                Some((
                    Act::Drop | Act::Alter | Act::Index | Act::Insert | Act::Update | Act::Delete,
                    table,
                )) => Some(table),
            };
            names.extend(table.map(Name::new));
        }
    }
    names.retain(|name| before.contains(name));
    names
}

/// Whether the statement writes rows of the user's. Every change of the schema writes `sqlite_schema`, which does not count.
pub(super) fn writes_rows(deed: &Deed) -> bool {
    let written = [Act::Insert, Act::Update, Act::Delete];
    let table = written.into_iter().find_map(|act| deed.table(act));
    table.is_some_and(|table| !table.starts_with("sqlite_"))
}

/// The tables, and those whose rows can go or be refused with theirs: all that refer to a table of which the file removes rows or changes
/// keys, directly or through others. A new column, a new index and a new row hit no child.
pub(super) fn with_children(
    mut tables: BTreeSet<Name>,
    steps: &[(usize, &Step)],
    schema: &Schema,
) -> BTreeSet<Name> {
    let mut children: BTreeMap<&Name, Vec<&Name>> = BTreeMap::new();
    let mut keys: BTreeSet<(&Name, &Name)> = BTreeSet::new();
    for table in schema.tables.values() {
        for key in &table.foreign_keys {
            children.entry(&key.parent).or_default().push(&table.name);
            keys.extend(
                key.parent_columns
                    .iter()
                    .map(|column| (&key.parent, column)),
            );
        }
    }
    let is_key = |table: &Name, column: &Name| keys.contains(&(table, column));
    let mut waiting: Vec<Name> = removed_from(steps, schema, &is_key)
        .into_iter()
        .filter(|name| tables.contains(name))
        .collect();
    while let Some(parent) = waiting.pop() {
        for child in children.get(&parent).into_iter().flatten() {
            if tables.insert((*child).clone()) {
                waiting.push((*child).clone());
            }
        }
    }
    tables
}

/// The tables of which the file removes rows, or changes what others refer to.
fn removed_from(
    steps: &[(usize, &Step)],
    schema: &Schema,
    is_key: &dyn Fn(&Name, &Name) -> bool,
) -> BTreeSet<Name> {
    let mut names = BTreeSet::new();
    for (_, step) in steps {
        for deed in &step.deeds {
            let Some((act, table)) = deed.act() else {
                continue;
            };
            let table = Name::new(table);
            let by = deed.trigger();
            let is_removed = match act {
                Act::Drop | Act::Delete => true,
                Act::Update => {
                    let changes_key = |column| is_key(&table, &Name::new(column));
                    deed.column().is_some_and(changes_key) || replaces(step, &table, by, schema)
                }
                Act::Insert => replaces(step, &table, by, schema),
                Act::Make | Act::Alter | Act::Index | Act::Read => false,
            };
            if is_removed {
                names.insert(table);
            }
        }
    }
    names
}

/// Whether rows may go because others take their keys: by the statement's own words, by a trigger's, or by the table's. A table or a trigger
/// that the file makes itself may hold the word as well.
fn replaces(step: &Step, table: &Name, by: Option<&str>, schema: &Schema) -> bool {
    let says = |sql: &str| find_word(sql, "replace", 0).is_some();
    let trigger = by.map(|name| schema.triggers.get(&Name::new(name)));
    says(&step.statement.sql)
        || schema
            .tables
            .get(table)
            .is_none_or(|table| says(&table.sql))
        || trigger.is_some_and(|trigger| trigger.is_none_or(|trigger| says(&trigger.sql)))
}

/// Brings the tables that there are up to date behind a file.
pub(super) fn follow(tables: &mut BTreeSet<Name>, steps: &[(usize, &Step)]) {
    let changes = steps.iter().flat_map(|(_, step)| &step.changes);
    for change in changes.filter(|change| change.kind == ObjectKind::Table) {
        if change.after.is_some() {
            tables.insert(change.name.clone());
        } else {
            tables.remove(&change.name);
        }
    }
}
