//! The rule of audit trails, and of what else is kept when its owner goes. Never judges what an entry says: that is PAT-005's.

use super::Judge;
use super::words::{has_any, words};
use crate::catalog::{Action, ForeignKey, Name, Table};
use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::subject::Subject;
use crate::tree::{self, Verb};
use std::collections::BTreeSet;

/// The judges of this family.
pub(super) const JUDGES: &[(&str, Judge)] = &[("AUD-01", dies_with_its_owner)];

fn dies_with_its_owner(subject: &Subject, findings: &mut Vec<Finding>) {
    cleared_by_a_trigger(subject, findings);
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

/// Trails from which a trigger deletes when a row of another table is deleted.
fn cleared_by_a_trigger(subject: &Subject, findings: &mut Vec<Finding>) {
    let schema = subject.schema();
    for trigger in schema.triggers.values() {
        let Some(tree) = tree::parse(&trigger.sql) else {
            continue;
        };
        let fires = tree
            .fires
            .as_ref()
            .is_some_and(|(_, event)| event == "DELETE");
        let mut body = tree
            .body
            .iter()
            .filter(|statement| statement.verb == Verb::Delete);
        let cleared = body.find_map(|statement| {
            let table = schema.table(statement.table.as_deref()?)?;
            (table.name != trigger.table && is_log(subject, table)).then_some(table)
        });
        let Some(table) = cleared.filter(|_table| fires) else {
            continue;
        };
        let message = format!(
            "the trigger `{}` deletes entries of `{}` when a row of `{}` is deleted: whoever deletes leaves no trace of it",
            trigger.name, table.name, trigger.table
        );
        findings.push(
            Finding::new(
                "AUD-01",
                Level::Warning,
                format!("table {}", table.name),
                message,
            )
            .at(
                subject.site(ObjectKind::Trigger, &trigger.name),
                "clears the trail",
            )
            .related(subject.site(ObjectKind::Table, &table.name), "the trail")
            .help("leave the entries; they keep the id as a plain value"),
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

/// Declared as an audit log, called one, or one by what it holds.
fn is_log(subject: &Subject, table: &Table) -> bool {
    let mut claimed = subject.claims.audit.iter();
    claimed.any(|claim| table.name == claim.log.as_str())
        || has_any(
            table.name.as_str(),
            &["audit", "audits", "auditlog", "auditlogs", "auditing"],
        )
        || is_a_record(table)
            && (tells_of_changes(table)
                || tells_of_deeds(table)
                || is_called_so_in_a_comment(subject, table))
}

/// Whether each row tells what somebody did, and to what or from where: of actions, of those who administer, or of who came in.
fn tells_of_deeds(table: &Table) -> bool {
    let has = |wanted: &[&str]| {
        let mut columns = table.columns.iter();
        columns.any(|column| wanted.contains(&words(column.name.as_str()).join("_").as_str()))
    };
    let name = table.name.as_str();
    let is_of_security = has_any(
        name,
        &[
            "security",
            "admin",
            "auth",
            "login",
            "access",
            "moderation",
            "system",
        ],
    );
    let is_log = has_any(
        name,
        &[
            "log",
            "logs",
            "history",
            "trail",
            "activity",
            "activities",
            "journal",
        ],
    );
    let tells_action = has(&["action", "action_type", "operation", "event", "event_type"]);
    let tells_what = has(&[
        "entity",
        "entity_id",
        "entity_type",
        "target",
        "target_id",
        "target_type",
        "resource",
        "resource_id",
        "resource_type",
        "object_id",
        "object_type",
        "ip",
        "ip_address",
        "user_agent",
        "details",
        "detail",
        "metadata",
        "changes",
    ]);
    tells_action && (is_of_security || is_log && tells_what)
        || is_of_security && is_log && has(&["ip", "ip_address", "user_agent"])
}

/// Whether a table is called like one that is only ever added to.
fn is_a_record(table: &Table) -> bool {
    has_any(
        table.name.as_str(),
        &[
            "event",
            "events",
            "log",
            "logs",
            "history",
            "histories",
            "activity",
            "activities",
            "trail",
            "trails",
            "change",
            "changes",
            "changelog",
            "journal",
            "timeline",
            "ledger",
            "ledgers",
            "action",
            "actions",
            "attempt",
            "attempts",
        ],
    )
}

/// Whether each row tells who did what: an actor, and either an action in words or the values before and after.
fn tells_of_changes(table: &Table) -> bool {
    let has = |wanted: &[&str]| {
        let mut columns = table.columns.iter();
        columns.any(|column| wanted.contains(&words(column.name.as_str()).join("_").as_str()))
    };
    let has_actor = has(&[
        "actor",
        "actor_id",
        "actor_user_id",
        "changed_by",
        "changed_by_id",
        "performed_by",
        "done_by",
        "modified_by",
        "admin_id",
    ]);
    let has_user = has_actor || has(&["user_id", "member_id", "by_user_id", "user"]);
    let pairs = [
        ("old_value", "new_value"),
        ("old_values", "new_values"),
        ("old", "new"),
        ("from_value", "to_value"),
        ("from_status", "to_status"),
        ("old_status", "new_status"),
        ("previous_value", "new_value"),
        ("before", "after"),
        ("old_data", "new_data"),
    ];
    let has_pair = pairs.iter().any(|(old, new)| has(&[old]) && has(&[new]));
    has_user && has_pair
        || has(&["created_by", "triggered_by", "initiated_by"]) && has(&["action", "operation"])
        || has_actor && has(&["action", "operation", "event", "event_type"])
}

/// Whether the comment above its CREATE TABLE calls it an audit trail, or one that is only added to.
fn is_called_so_in_a_comment(subject: &Subject, table: &Table) -> bool {
    let comment = || {
        let span = subject.site(ObjectKind::Table, &table.name)?;
        let before = subject.source.file(span.file)?.text.get(..span.start)?;
        let lines = before.trim_end_matches([' ', '\t']).lines().rev();
        let lines = lines
            .map(str::trim)
            .take_while(|line| line.starts_with("--"));
        Some(lines.collect::<Vec<&str>>().join(" ").to_ascii_lowercase())
    };
    comment().is_some_and(|comment| {
        let is_denied = ["no audit", "not an audit", "not audit", "unlike the audit"];
        ["audit", "append-only", "append only"]
            .iter()
            .any(|word| comment.contains(word))
            && !is_denied.iter().any(|word| comment.contains(word))
    })
}
