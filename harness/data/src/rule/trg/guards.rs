//! TRG-04: a log that refuses UPDATE and DELETE, and is written over by REPLACE. Never reports a log that was not written over.

use crate::catalog::{Name, Table};
use crate::finding::{Finding, Level, Patch};
use crate::replay::ObjectKind;
use crate::rule::trial::{self, Row, Trial};
use crate::subject::Subject;
use crate::text::find_word;
use crate::tree;
use std::collections::{BTreeMap, BTreeSet};

pub(in crate::rule) fn replaceable(subject: &Subject, findings: &mut Vec<Finding>) {
    let schema = subject.schema();
    let mut refused: BTreeMap<&Name, BTreeSet<String>> = BTreeMap::new();
    for trigger in schema.triggers.values() {
        if find_word(&trigger.sql, "raise", 0).is_none() {
            continue;
        }
        let Some(tree) = tree::parse(&trigger.sql).filter(|tree| tree.parts.is_empty()) else {
            continue;
        };
        if let Some((_, event)) = tree.fires {
            refused.entry(&trigger.table).or_default().insert(event);
        }
    }
    for (name, events) in refused {
        let is_log = events.contains("UPDATE") && events.contains("DELETE");
        let Some(table) = schema.tables.get(name).filter(|_| is_log) else {
            continue;
        };
        let Some(key) = replaced(subject, table) else {
            continue;
        };
        let message = format!(
            "INSERT OR REPLACE changes an entry of `{name}` although its triggers refuse UPDATE and DELETE: REPLACE removes the old row without firing them"
        );
        let site = schema
            .triggers
            .values()
            .find(|trigger| &trigger.table == name);
        findings.push(
            Finding::new("TRG-04", Level::Warning, format!("table {name}"), message)
                .at(
                    site.and_then(|trigger| subject.site(ObjectKind::Trigger, &trigger.name)),
                    "is not fired by REPLACE",
                )
                .related(
                    subject.site(ObjectKind::Table, name),
                    "its entries can be replaced",
                )
                .help("refuse an INSERT whose key is there already by a BEFORE INSERT trigger")
                .patch(Patch::Migration {
                    sql: guard(table, &key),
                })
                .proof(proof(subject, table)),
        );
    }
}

/// The key by which an entry was replaced.
fn replaced(subject: &Subject, table: &Table) -> Option<String> {
    if !table.without_rowid && replaced_by(subject, table, "rowid") {
        return Some("rowid".to_owned());
    }
    let [only] = table.primary_key.as_slice() else {
        return None;
    };
    replaced_by(subject, table, only.as_str()).then(|| only.as_str().to_owned())
}

/// Inserts a row and replaces it by a key: whether that went through.
fn replaced_by(subject: &Subject, table: &Table, key: &str) -> bool {
    let attempt = || {
        let trial = Trial::begin(subject)?;
        let mut row = Row::new();
        let value = table
            .column(&Name::new(key))
            .map_or_else(|| "987654321".to_owned(), trial::value);
        row.insert(Name::new(key), value);
        let row = trial.row(table, &row)?;
        let mut other = row.clone();
        for column in &table.columns {
            // Another key, so that only the one that is meant meets the old row.
            if column.name != key
                && table.primary_key.contains(&column.name)
                && table.rowid_alias().is_none()
            {
                other.insert(column.name.clone(), different(column));
            }
        }
        let replace = trial::insert(&table.name, &other).replacen("INSERT", "INSERT OR REPLACE", 1);
        trial.run(&replace).ok()
    };
    attempt().is_some()
}

fn different(column: &crate::catalog::Column) -> String {
    match trial::value(column).as_str() {
        "987654321" => "987654322".to_owned(),
        "'moltproof-1'" => "'moltproof-2'".to_owned(),
        _ => "x'6d6f6c75'".to_owned(),
    }
}

fn guard(table: &Table, key: &str) -> String {
    let name = table.name.quoted();
    let mut columns: Vec<String> = table.primary_key.iter().map(Name::quoted).collect();
    let mut conditions: Vec<String> = Vec::new();
    if !columns.is_empty() {
        let pairs: Vec<String> = columns
            .drain(..)
            .map(|column| format!("{column} = NEW.{column}"))
            .collect();
        conditions.push(format!("({})", pairs.join(" AND ")));
    }
    if key == "rowid" && table.rowid_alias().is_none() {
        conditions.push("rowid = NEW.rowid".to_owned());
    }
    let trigger = Name::new(&format!("{}_no_replace", table.name)).quoted();
    format!(
        "CREATE TRIGGER {trigger} BEFORE INSERT ON {name} WHEN EXISTS (SELECT 1 FROM {name} WHERE {}) BEGIN\n  SELECT RAISE(ABORT, '{} is append-only');\nEND;",
        conditions.join(" OR "),
        table.name.as_str().replace('\'', "''")
    )
}

fn proof(subject: &Subject, table: &Table) -> Vec<String> {
    let columns: Vec<&Name> = table
        .columns
        .iter()
        .filter(|column| column.generated.is_none())
        .map(|column| &column.name)
        .collect();
    let mut lines = vec![trial::sketch(table, &columns, &[], &[])];
    let triggers = subject
        .schema()
        .triggers
        .values()
        .filter(|trigger| trigger.table == table.name);
    lines.extend(triggers.map(|trigger| format!("{};", trigger.sql)));
    let mut row: Row = table
        .columns
        .iter()
        .filter(|column| column.not_null || table.primary_key.contains(&column.name))
        .map(|column| (column.name.clone(), trial::value(column)))
        .collect();
    if !table.without_rowid && table.rowid_alias().is_none() {
        row.insert(Name::new("rowid"), "1".to_owned());
    }
    lines.push(trial::insert(&table.name, &row));
    lines.push(trial::insert(&table.name, &row).replacen("INSERT", "INSERT OR REPLACE", 1));
    lines.push(format!("SELECT count(*) FROM {};", table.name.quoted()));
    trial::answering(lines)
}
