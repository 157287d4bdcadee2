//! TEN-01, TEN-04, TEN-05: the tenant key itself. Never judges tables that are declared to be nobody's.

use super::{Tenancy, recognised};
use crate::catalog::{Index, IndexOrigin, Name, Table};
use crate::finding::{Finding, Level, Patch};
use crate::replay::ObjectKind;
use crate::rows::{self, Owner};
use crate::rule::trial::{self, Row, Trial};
use crate::rule::unq::site;
use crate::rule::{columns_of, new_index};
use crate::subject::Subject;
use crate::text::Span;
use crate::words::is_machine_made;

pub(in crate::rule) fn not_indexed(subject: &Subject, findings: &mut Vec<Finding>) {
    let Some(tenancy) = Tenancy::of(subject) else {
        return;
    };
    for table in tenancy.tables() {
        let Some(key) = tenancy.key_of(table) else {
            continue;
        };
        let is_alias = table
            .rowid_alias()
            .is_some_and(|alias| alias.name == key.name);
        if is_alias || table.index_on(std::slice::from_ref(&key.name)).is_some() {
            continue;
        }
        let message = format!(
            "every query for one tenant reads all of `{}`, because no index begins with `{}`",
            table.name, key.name
        );
        findings.push(
            Finding::new("TEN-01", Level::Warning, format!("table {}", table.name), message)
                .at(subject.site_of(ObjectKind::Table, &table.name, key.name.as_str()), "no index begins with it")
                .help("begin an index with the tenant key; the one that serves the most frequent query is the best")
                .patch(Patch::Migration { sql: new_index(subject, table, std::slice::from_ref(&key.name), false) }),
        );
    }
}

pub(in crate::rule) fn unique_for_all(subject: &Subject, findings: &mut Vec<Finding>) {
    let Some(tenancy) = Tenancy::of(subject) else {
        recognised::unique_for_all(subject, findings);
        return;
    };
    let Ok(owners) = rows::Tenancy::of(subject.schema(), &subject.claims) else {
        return;
    };
    let is_scoped = |table: &Name| owners.scoped.contains_key(table);
    for table in tenancy.tables().filter(|table| is_scoped(&table.name)) {
        for (index, columns) in all_keys(table) {
            let holds_key = columns.len() > table.primary_key.len()
                && !table.primary_key.is_empty()
                && table.primary_key.iter().all(|name| columns.contains(name));
            let says_whose = columns.contains(&tenancy.key)
                || table.foreign_keys.iter().any(|key| {
                    is_scoped(&key.parent) && key.columns.iter().all(|name| columns.contains(name))
                });
            let is_free = holds_key
                || says_whose
                || columns
                    .iter()
                    .any(|name| is_machine_made(table.name.as_str(), name.as_str()))
                || is_accepted(subject, table, &columns);
            if is_free {
                continue;
            }
            let names = trial::plain(&columns);
            let message = format!(
                "a tenant cannot use a `{names}` that another tenant already has in `{}`, and finds out that it exists",
                table.name
            );
            findings.push(
                Finding::new(
                    "TEN-04",
                    Level::Warning,
                    format!("table {}: unique {names}", table.name),
                    message,
                )
                .at(
                    place(subject, table, index, &columns[0]),
                    format!("unique without `{}`", tenancy.key),
                )
                .help(help(&owners, &tenancy, table, &columns)),
            );
        }
    }
}

fn help(owners: &rows::Tenancy, tenancy: &Tenancy<'_>, table: &Table, columns: &[Name]) -> String {
    let whose = match owners.scoped.get(&table.name) {
        Some(Owner::Through(key)) => trial::plain(&key.columns),
        Some(Owner::Key(column)) => column.to_string(),
        Some(Owner::Tenant) | None => tenancy.key.to_string(),
    };
    format!(
        "make ({whose}, {}) unique instead; if it is meant for all tenants, say so: unique_for_all = {{ \"{}\" = \"why\" }}",
        trial::plain(columns),
        declared(table, columns)
    )
}

pub(super) fn place(
    subject: &Subject,
    table: &Table,
    index: Option<&Index>,
    column: &Name,
) -> Option<Span> {
    let in_table = || subject.site_of(ObjectKind::Table, &table.name, column.as_str());
    index.map_or_else(in_table, |index| site(subject, table, index, column))
}

/// The unique keys of a table, the primary one and those with expressions among them.
pub(super) fn all_keys(table: &Table) -> impl Iterator<Item = (Option<&Index>, Vec<Name>)> {
    let key = table.primary_key.clone();
    let primary = (!key.is_empty() && table.rowid_alias().is_none()).then_some((None, key));
    let others = table
        .indexes
        .iter()
        .filter(|index| index.unique && index.origin != IndexOrigin::PrimaryKey)
        .map(|index| (Some(index), index.key_columns(table)));
    let others = others.filter(|(_, columns)| !columns.is_empty());
    primary.into_iter().chain(others)
}

fn declared(table: &Table, columns: &[Name]) -> String {
    format!("{}({})", table.name, trial::plain(columns))
}

fn is_accepted(subject: &Subject, table: &Table, columns: &[Name]) -> bool {
    let plain = |text: &str| text.replace([' ', '"', '`'], "").to_ascii_lowercase();
    let own = [
        plain(&declared(table, columns)),
        plain(&columns_of(&table.name, columns)),
    ];
    let mut declared = subject.claims.unique_for_all.keys();
    declared.any(|name| own.contains(&plain(name)))
}

pub(in crate::rule) fn nullable(subject: &Subject, findings: &mut Vec<Finding>) {
    let Some(tenancy) = Tenancy::of(subject) else {
        recognised::nullable(subject, findings);
        return;
    };
    for table in tenancy.tables().filter(|table| !tenancy.outlives(table)) {
        let Some(key) = tenancy.key_of(table).filter(|key| table.is_nullable(key)) else {
            continue;
        };
        let takes_null = Trial::begin(subject).is_some_and(|trial| {
            let row = Row::from([(key.name.clone(), "NULL".to_owned())]);
            trial.row(table, &row).is_some()
        });
        let level = if takes_null {
            Level::Error
        } else {
            Level::Warning
        };
        let message = format!(
            "`{}` accepts rows whose `{}` is NULL: they belong to nobody, and no deletion of a tenant removes them",
            table.name, key.name
        );
        findings.push(
            Finding::new("TEN-05", level, format!("table {}", table.name), message)
                .at(subject.site_of(ObjectKind::Table, &table.name, key.name.as_str()), "may be NULL")
                .help(format!(
                    "add NOT NULL when the table is next rebuilt; if the table is nobody's, say so: global = {{ \"{}\" = \"why\" }}",
                    table.name
                ))
                .proof(trial::answering(vec![
                    trial::sketch(table, &[&key.name], &[], &[]),
                    format!("INSERT INTO {} ({}) VALUES (NULL);", table.name.quoted(), key.name.quoted()),
                    format!("SELECT count(*) FROM {} WHERE {} IS NULL;", table.name.quoted(), key.name.quoted()),
                ])),
        );
    }
}
