//! TRG-04: a log that refuses UPDATE and DELETE, and is written over by REPLACE. Never reports a log that was not written over.

use crate::catalog::{Name, Table};
use crate::finding::{Finding, Level, Patch};
use crate::replay::ObjectKind;
use crate::rule::trial::{self, Row, Trial};
use crate::subject::Subject;
use crate::text::find_word;
use crate::tree::{self, Kind, Tree};
use std::collections::{BTreeMap, BTreeSet};

pub(in crate::rule) fn replaceable(subject: &Subject, findings: &mut Vec<Finding>) {
    let schema = subject.schema();
    // What a table's triggers refuse in any case, and what they refuse under a condition.
    let mut refused: BTreeMap<&Name, (BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
    for trigger in schema.triggers.values() {
        if find_word(&trigger.sql, "raise", 0).is_none() {
            continue;
        }
        let Some(tree) = tree::parse(&trigger.sql) else {
            continue;
        };
        if let Some((_, event)) = tree.fires {
            let (always, sometimes) = refused.entry(&trigger.table).or_default();
            let is_always = tree.parts.is_empty() && tree.body.iter().any(refuses);
            let events = if is_always { always } else { sometimes };
            events.insert(event);
        }
    }
    for (name, (always, sometimes)) in refused {
        let both = |has: &dyn Fn(&str) -> bool| has("UPDATE") && has("DELETE");
        let Some(table) = schema.tables.get(name) else {
            continue;
        };
        let is_log = both(&|event| always.contains(event))
            || both(&|event| always.contains(event) || sometimes.contains(event))
                && refuses_all(subject, table);
        let Some(key) = is_log.then(|| replaced(subject, table)).flatten() else {
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

/// Whether a statement of a trigger is nothing but RAISE: within CASE or behind WHERE it refuses some rows only.
fn refuses(statement: &Tree) -> bool {
    let select = statement
        .parts
        .iter()
        .find(|part| part.kind == Kind::Select);
    select.is_some_and(|select| {
        let columns = select.part(Kind::Columns);
        let is_plain = select.part(Kind::From).is_none() && select.part(Kind::Where).is_none();
        is_plain
            && columns.is_some_and(|columns| {
                columns
                    .parts
                    .iter()
                    .any(|part| part.bare().kind == Kind::Raise)
            })
    })
}

/// Whether a row of the table can neither be deleted nor changed in any of its columns: a guard may let one change through, such as an actor who is gone.
fn refuses_all(subject: &Subject, table: &Table) -> bool {
    let attempt = || {
        let trial = Trial::begin(subject)?;
        trial.row(table, &Row::new())?;
        let name = table.name.quoted();
        let is_refused = |sql: String| trial.run(&sql).is_err();
        let changes = table
            .columns
            .iter()
            .filter(|column| column.generated.is_none())
            .map(|column| {
                let (column, value) = (column.name.quoted(), different(column));
                format!("UPDATE {name} SET {column} = {value};")
            });
        let mut all = std::iter::once(format!("DELETE FROM {name};")).chain(changes);
        Some(all.all(is_refused))
    };
    attempt() == Some(true)
}

/// The unique keys of a table, the primary one among them; those of some rows only are left out.
fn unique_keys(table: &Table) -> Vec<Vec<Name>> {
    let mut keys = vec![table.primary_key.clone()];
    let of_all = table
        .unique_keys()
        .filter(|(index, _)| index.condition.is_none());
    keys.extend(of_all.map(|(_, key)| key));
    keys.retain(|key| !key.is_empty());
    keys.dedup();
    keys
}

/// The key by which an entry was replaced.
fn replaced(subject: &Subject, table: &Table) -> Option<Vec<Name>> {
    let rowid = vec![Name::new("rowid")];
    let by_rowid = (!table.without_rowid).then_some(rowid);
    let mut keys = by_rowid.into_iter().chain(unique_keys(table));
    keys.find(|key| replaced_by(subject, table, key))
}

/// Inserts a row and replaces it by a key: whether that went through.
fn replaced_by(subject: &Subject, table: &Table, key: &[Name]) -> bool {
    let attempt = || {
        let trial = Trial::begin(subject)?;
        let mut row = Row::new();
        let others: BTreeSet<Name> = unique_keys(table).into_iter().flatten().collect();
        for name in key.iter().chain(&others) {
            let value = table
                .column(name)
                .map_or_else(|| "987654321".to_owned(), trial::value);
            row.insert(name.clone(), value);
        }
        let row = trial.row(table, &row)?;
        let mut other = row.clone();
        let is_rowid = |name: &Name| {
            let alias = table.rowid_alias();
            *name == "rowid" && alias.is_some() || alias.is_some_and(|alias| alias.name == *name)
        };
        let by_rowid = key.iter().any(is_rowid);
        for column in &table.columns {
            // Another value in all other keys, so that only the one that is meant meets the old row.
            let is_same = key.contains(&column.name) || by_rowid && is_rowid(&column.name);
            if others.contains(&column.name) && !is_same {
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

fn guard(table: &Table, key: &[Name]) -> String {
    let name = table.name.quoted();
    let mut conditions: Vec<String> = unique_keys(table)
        .iter()
        .map(|key| {
            let pairs: Vec<String> = key
                .iter()
                .map(Name::quoted)
                .map(|column| format!("{column} = NEW.{column}"))
                .collect();
            format!("({})", pairs.join(" AND "))
        })
        .collect();
    if key.iter().any(|column| *column == "rowid") && table.rowid_alias().is_none() {
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
