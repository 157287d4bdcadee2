//! FK-03: a deletion of the parent has to find its children by an index. Never asks how many rows there are.

use super::{object, shown};
use crate::catalog::{ForeignKey, IndexColumn, Table};
use crate::finding::{Finding, Level, Patch};
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
            let Some(parent) = schema.tables.get(&key.parent) else {
                continue;
            };
            let is_told = told.iter().any(|other| other.columns == key.columns);
            if is_told
                || faulty.contains(&object(table, key))
                || is_served(subject, table, key, parent)
            {
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

fn shown_columns(key: &ForeignKey) -> String {
    let columns: Vec<String> = key.columns.iter().map(|name| format!("`{name}`")).collect();
    columns.join(" and ")
}

/// Whether children are found by an index: as the schema shows it, else as SQLite plans it.
fn is_served(subject: &Subject, table: &Table, key: &ForeignKey, parent: &Table) -> bool {
    let is_alias = table
        .rowid_alias()
        .is_some_and(|alias| key.columns == [alias.name.clone()]);
    let collations: Vec<Option<&str>> = key
        .parent_columns
        .iter()
        .map(|name| collation(parent, name.as_str()))
        .collect();
    let same = table.index_on(&key.columns).is_some_and(|index| {
        key.columns.iter().zip(&collations).all(|(name, wanted)| {
            let part = index
                .columns
                .iter()
                .find(|part| part.name.as_ref() == Some(name));
            wanted.is_none_or(|wanted| part.is_some_and(|part| part.collation == wanted))
        })
    });
    is_alias
        || same
        || is_told_apart(table, key, &collations)
        || is_planned(subject, table, key, &collations)
}

/// Whether a unique index on some columns of the reference finds one child at most, as where each tenant has one row.
fn is_told_apart(table: &Table, key: &ForeignKey, collations: &[Option<&str>]) -> bool {
    table.indexes.iter().any(|index| {
        let is_part_of_key = |part: &IndexColumn| {
            key.columns.iter().zip(collations).any(|(name, collation)| {
                part.name.as_ref() == Some(name)
                    && collation.is_none_or(|wanted| part.collation == wanted)
            })
        };
        index.unique && index.condition.is_none() && index.columns.iter().all(is_part_of_key)
    })
}

/// The collation by which the parent's column is unique.
fn collation<'t>(parent: &'t Table, column: &str) -> Option<&'t str> {
    parent
        .indexes
        .iter()
        .filter(|index| index.unique)
        .flat_map(|index| &index.columns)
        .find(|part| part.name.as_ref().is_some_and(|name| name == column))
        .map(|part| part.collation.as_str())
}

/// Whether SQLite finds the children by all columns of the reference, or by one that tells them apart better than the tenant does.
fn is_planned(
    subject: &Subject,
    table: &Table,
    key: &ForeignKey,
    collations: &[Option<&str>],
) -> bool {
    let parts: Vec<String> = key
        .columns
        .iter()
        .zip(collations)
        .map(|(name, collation)| {
            let collate = collation.map_or_else(String::new, |name| format!(" COLLATE {name}"));
            format!("{}{collate} = ?", name.quoted())
        })
        .collect();
    let sql = format!(
        "EXPLAIN QUERY PLAN SELECT 1 FROM {} WHERE {}",
        table.name.quoted(),
        parts.join(" AND ")
    );
    let plan = subject.replay.empty.ours(|connection| {
        let mut statement = connection.prepare(&sql).ok()?;
        let nulls = vec![rusqlite::types::Null; statement.parameter_count()];
        let first = statement.query_row(rusqlite::params_from_iter(nulls), |row| {
            row.get::<_, String>(3)
        });
        first.ok()
    });
    let Some(plan) = plan.filter(|plan| plan.starts_with("SEARCH")) else {
        return false;
    };
    let used = plan.matches("=?").count();
    let tenant = subject.claims.tenant_key.as_deref();
    let by_tenant = tenant.is_some_and(|tenant| plan.contains(&format!("({tenant}=?)")));
    used == key.columns.len() || used > 0 && !by_tenant
}
