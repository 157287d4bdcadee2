//! TRG-02: views and triggers that SQLite cannot prepare, which it notices only when they are used. Never trusts a name: each one is prepared.

use super::deaf;
use crate::catalog::{Name, Schema, Trigger};
use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::rule::fk::was_to_be_made;
use crate::rule::trial::{self, Trial};
use crate::subject::Subject;
use crate::text::find_word;
use crate::tree;
use std::collections::{BTreeMap, BTreeSet};

pub(in crate::rule) fn broken(subject: &Subject, findings: &mut Vec<Finding>) {
    deaf::to_their_columns(subject, findings);
    for view in subject.schema().views.values() {
        let select = format!("SELECT * FROM {}", view.name.quoted());
        let Some(why) = why(subject, &select) else {
            continue;
        };
        if waits_for_a_failed_statement(subject, &why) {
            continue;
        }
        let message = format!(
            "every query of the view `{}` fails ({why}), and while it is there RENAME and DROP COLUMN fail on other tables as well",
            view.name
        );
        let proof = proof(subject.schema(), &view.sql, &select, &why, None);
        findings.push(
            Finding::new(
                "TRG-02",
                Level::Error,
                format!("view {}", view.name),
                message,
            )
            .at(
                subject.site_of(ObjectKind::View, &view.name, last_word(&why)),
                why.clone(),
            )
            .help("mend the view, or drop it; SQLite looks at it only when it is used")
            .proof(proof),
        );
    }
    let mut by_table: BTreeMap<&Name, Vec<&Trigger>> = BTreeMap::new();
    for trigger in subject.schema().triggers.values() {
        by_table.entry(&trigger.table).or_default().push(trigger);
    }
    for (table, triggers) in by_table {
        let suspects: Vec<(&Trigger, String)> = triggers
            .iter()
            .filter_map(|trigger| Some((*trigger, uses(subject, table, trigger)?)))
            .filter(|(_, sql)| why(subject, sql).is_some())
            .collect();
        for (trigger, sql) in suspects {
            let why = alone(subject, &triggers, trigger, &sql);
            if let Some(why) = why.filter(|why| !waits_for_a_failed_statement(subject, why)) {
                report(subject, table, trigger, &sql, &why, findings);
            }
        }
    }
}

/// Why a statement cannot be prepared, by SQLite or on D1.
fn why(subject: &Subject, sql: &str) -> Option<String> {
    trial::prepared(subject, sql).or_else(|| trial::refused(subject, sql))
}

/// Whether what is missing is a table that a statement was to make that failed: that failure is told.
fn waits_for_a_failed_statement(subject: &Subject, why: &str) -> bool {
    why.starts_with("no such table: ") && was_to_be_made(subject, &Name::new(last_word(why)))
}

fn last_word(why: &str) -> &str {
    why.rsplit([' ', '.', ':']).next().unwrap_or(why)
}

fn report(
    subject: &Subject,
    table: &Name,
    trigger: &Trigger,
    sql: &str,
    why: &str,
    findings: &mut Vec<Finding>,
) {
    let verb = sql.split(' ').next().unwrap_or("INSERT");
    let message = format!(
        "every {verb} on `{table}` fails ({why}), because the trigger `{}` cannot be prepared; RENAME and DROP COLUMN fail on other tables as well",
        trigger.name
    );
    findings.push(
        Finding::new(
            "TRG-02",
            Level::Error,
            format!("trigger {}", trigger.name),
            message,
        )
        .at(
            subject.site_of(ObjectKind::Trigger, &trigger.name, last_word(why)),
            why.to_owned(),
        )
        .related(subject.site(ObjectKind::Table, table), "cannot be written")
        .help("mend the trigger, or drop it; SQLite looks at it only when it fires")
        .proof(proof(subject.schema(), &trigger.sql, sql, why, Some(table))),
    );
}

/// A statement that fires the trigger, as far as preparing goes.
pub(in crate::rule) fn uses(subject: &Subject, table: &Name, trigger: &Trigger) -> Option<String> {
    let tree = tree::parse(&trigger.sql)?;
    let (_, event) = tree.fires?;
    let name = table.quoted();
    match event.as_str() {
        "INSERT" => {
            let column = column(subject, table)?.quoted();
            Some(format!("INSERT INTO {name} ({column}) VALUES (NULL)"))
        }
        "DELETE" => Some(format!("DELETE FROM {name}")),
        _ => {
            let columns = columns(subject, table);
            let sets: Vec<String> = columns
                .iter()
                .map(|column| format!("{0} = {0}", column.quoted()))
                .collect();
            (!sets.is_empty()).then(|| format!("UPDATE {name} SET {}", sets.join(", ")))
        }
    }
}

fn columns(subject: &Subject, table: &Name) -> Vec<Name> {
    if let Some(table) = subject.schema().tables.get(table) {
        let columns = table
            .columns
            .iter()
            .filter(|column| column.generated.is_none());
        return columns.map(|column| column.name.clone()).collect();
    }
    let select = format!("SELECT * FROM {}", table.quoted());
    subject.replay.empty.ours(|connection| {
        let statement = connection.prepare(&select);
        statement.map_or_else(
            |_| Vec::new(),
            |statement| {
                statement
                    .column_names()
                    .into_iter()
                    .map(Name::new)
                    .collect()
            },
        )
    })
}

fn column(subject: &Subject, table: &Name) -> Option<Name> {
    columns(subject, table).into_iter().next()
}

/// What SQLite says with this trigger as the only one of its table, if it says nothing without it.
fn alone(subject: &Subject, triggers: &[&Trigger], suspect: &Trigger, sql: &str) -> Option<String> {
    let trial = Trial::begin(subject)?;
    for other in triggers.iter().filter(|other| other.name != suspect.name) {
        trial
            .run(&format!("DROP TRIGGER {};", other.name.quoted()))
            .ok()?;
    }
    let told = why(subject, sql)?;
    trial
        .run(&format!("DROP TRIGGER {};", suspect.name.quoted()))
        .ok()?;
    // Without its trigger a view takes no write at all.
    let without = why(subject, sql);
    without
        .is_none_or(|without| without.starts_with("cannot modify"))
        .then_some(told)
}

/// The tables that the object names, in small, the object, and the statement that fails as it did.
fn proof(schema: &Schema, object: &str, sql: &str, why: &str, own: Option<&Name>) -> Vec<String> {
    let named = |name: &Name| Some(name) == own || find_word(object, name.as_str(), 0).is_some();
    let tables: BTreeSet<&Name> = schema.tables.keys().filter(|name| named(name)).collect();
    let mut lines = Vec::new();
    for table in tables.iter().filter_map(|name| schema.tables.get(*name)) {
        if !table.is_ordinary() || tables.len() > 4 {
            return Vec::new();
        }
        let columns: Vec<&Name> = table
            .columns
            .iter()
            .filter(|column| column.generated.is_none())
            .map(|column| &column.name)
            .collect();
        lines.push(trial::sketch(table, &columns, &[], &[]));
    }
    lines.push(format!("{object};"));
    lines.push(format!("{sql};"));
    trial::failing_with(lines, why)
}
