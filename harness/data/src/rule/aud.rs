//! The rule of audit trails, and of what else is kept when its owner goes. Never judges what an entry says: that is PAT-005's.

use super::Judge;
use super::words::words;
use crate::catalog::{Action, ForeignKey, Name, Table};
use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::subject::Subject;
use std::collections::BTreeSet;

/// The judges of this family.
pub(super) const JUDGES: &[(&str, Judge)] = &[("AUD-01", dies_with_its_owner)];

fn dies_with_its_owner(subject: &Subject, findings: &mut Vec<Finding>) {
    let schema = subject.schema();
    let gone_with_tenants = gone_with_tenants(subject);
    for table in schema.tables.values() {
        let (is_log, outlives) = (is_log(subject, table), outlives(subject, table));
        let mut keys = table.foreign_keys.iter().filter(|key| {
            let is_another = key.on_delete == Action::Cascade && key.parent != table.name;
            is_another && (is_log || outlives && gone_with_tenants.contains(&key.parent))
        });
        let Some(key) = keys.next() else {
            continue;
        };
        let message = if is_log {
            format!(
                "deleting a row of `{}` deletes its entries in `{}` as well: whoever deletes leaves no trace of it",
                key.parent, table.name
            )
        } else {
            format!(
                "deleting a row of `{}` deletes its rows in `{}` as well, which are declared to outlive their tenant",
                key.parent, table.name
            )
        };
        let mut column = key.columns[0].as_str();
        if table.column(&key.columns[0]).is_none() {
            column = table.name.as_str();
        }
        findings.push(
            Finding::new(
                "AUD-01",
                Level::Warning,
                format!("table {}", table.name),
                message,
            )
            .at(
                subject.site_of(ObjectKind::Table, &table.name, column),
                "goes with its parent",
            )
            .related(
                subject.site(ObjectKind::Table, &key.parent),
                "its deletion takes the trail along",
            )
            .help("keep the id as a plain value without a reference, or use ON DELETE SET NULL"),
        );
    }
}

/// Declared to keep the rows of a deleted tenant.
fn outlives(subject: &Subject, table: &Table) -> bool {
    let mut names = subject.claims.outlives_tenant.keys();
    names.any(|name| table.name == name.as_str())
}

/// The table of tenants, and all whose rows a deletion there can take along.
fn gone_with_tenants(subject: &Subject) -> BTreeSet<Name> {
    let tables = &subject.schema().tables;
    let tenants = subject.claims.tenants.as_deref().map(Name::new);
    let mut gone: BTreeSet<Name> = tenants.into_iter().collect();
    loop {
        let goes = |table: &&Table| {
            let mut keys = table.foreign_keys.iter();
            let is_gone =
                |key: &ForeignKey| key.on_delete == Action::Cascade && gone.contains(&key.parent);
            !gone.contains(&table.name) && keys.any(is_gone)
        };
        let more: Vec<Name> = tables
            .values()
            .filter(goes)
            .map(|table| table.name.clone())
            .collect();
        if more.is_empty() {
            return gone;
        }
        gone.extend(more);
    }
}

/// Declared as an audit log, or called one.
fn is_log(subject: &Subject, table: &Table) -> bool {
    let mut claimed = subject.claims.audit.iter();
    claimed.any(|claim| table.name == claim.log.as_str())
        || words(table.name.as_str())
            .iter()
            .any(|word| matches!(word.as_str(), "audit" | "audits" | "auditlog" | "auditlogs"))
}
