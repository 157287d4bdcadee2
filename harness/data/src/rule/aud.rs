//! The rule of audit trails in the schema. Never judges what an entry says: that is PAT-005's.

use super::Judge;
use super::words::words;
use crate::catalog::{Action, Table};
use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::subject::Subject;

/// The judges of this family.
pub(super) const JUDGES: &[(&str, Judge)] = &[("AUD-01", dies_with_its_owner)];

fn dies_with_its_owner(subject: &Subject, findings: &mut Vec<Finding>) {
    for table in subject
        .schema()
        .tables
        .values()
        .filter(|table| is_log(subject, table))
    {
        let mut keys = table.foreign_keys.iter();
        let Some(key) =
            keys.find(|key| key.on_delete == Action::Cascade && key.parent != table.name)
        else {
            continue;
        };
        let message = format!(
            "deleting a row of `{}` deletes its entries in `{}` as well: whoever deletes leaves no trace of it",
            key.parent, table.name
        );
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

/// Declared as an audit log, or called one.
fn is_log(subject: &Subject, table: &Table) -> bool {
    let mut claimed = subject.claims.audit.iter();
    claimed.any(|claim| table.name == claim.log.as_str())
        || words(table.name.as_str())
            .iter()
            .any(|word| matches!(word.as_str(), "audit" | "audits" | "auditlog" | "auditlogs"))
}
