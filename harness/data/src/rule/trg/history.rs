//! TRG-01: a trigger that writes when a row was made, or its key, whenever the row changes. Never calls it an error that was not seen on a row.

use crate::catalog::{Affinity, Column, Name, Table, Trigger};
use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::rule::trial::{self, Row, Trial};
use crate::rule::words::words;
use crate::subject::Subject;
use crate::tree::{self, Verb};

pub(in crate::rule) fn falsified(subject: &Subject, findings: &mut Vec<Finding>) {
    let schema = subject.schema();
    for trigger in schema.triggers.values() {
        let Some(table) = schema.tables.get(&trigger.table) else {
            continue;
        };
        let Some(column) = written(table, trigger) else {
            continue;
        };
        let level = match is_changed(subject, table, trigger, column) {
            Some(true) => Level::Error,
            Some(false) => continue,
            None => Level::Warning,
        };
        let name = &column.name;
        let is_key = table.primary_key.contains(name);
        let lost = if is_key {
            "so nothing that knows the row by its key finds it any more"
        } else {
            "so the time at which the row was created is lost"
        };
        let message = format!(
            "each UPDATE of a row of `{}` overwrites `{name}`, {lost}",
            table.name
        );
        findings.push(
            Finding::new(
                "TRG-01",
                level,
                format!("trigger {}", trigger.name),
                message,
            )
            .at(
                subject.site_of(ObjectKind::Trigger, &trigger.name, name.as_str()),
                "written at each change",
            )
            .related(
                subject.site_of(ObjectKind::Table, &table.name, name.as_str()),
                if is_key {
                    "is the key"
                } else {
                    "says when the row was made"
                },
            )
            .help(if is_key {
                "leave the key as it is"
            } else {
                "write a column of its own, `updated_at`"
            })
            .proof(proof(table, trigger, name)),
        );
    }
}

/// The column for the time of making, or of the key, that an UPDATE trigger sets in its own table.
fn written<'t>(table: &'t Table, trigger: &Trigger) -> Option<&'t Column> {
    let tree = tree::parse(&trigger.sql)?;
    let (_, event) = tree.fires.as_ref()?;
    if event != "UPDATE" {
        return None;
    }
    let mut sets = tree
        .body
        .iter()
        .filter(|statement| statement.verb == Verb::Update)
        .filter(|statement| {
            statement
                .table
                .as_deref()
                .is_some_and(|name| table.name == name)
        })
        .flat_map(|statement| &statement.sets);
    sets.find_map(|(name, _)| {
        let column = table
            .columns
            .iter()
            .find(|column| column.name == name.as_str())?;
        let is_key = table.primary_key.contains(&column.name);
        (is_key || is_creation(column.name.as_str())).then_some(column)
    })
}

fn is_creation(name: &str) -> bool {
    let words = words(name);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    matches!(
        words.as_slice(),
        ["created" | "inserted", "at" | "on" | "time"]
            | ["created" | "createdat"]
            | ["date", "created"]
    )
}

/// A time that no clock gives.
fn old(column: &Column) -> String {
    let is_number = matches!(column.affinity(), Affinity::Integer | Affinity::Real);
    if is_number {
        "1".to_owned()
    } else {
        "'2001-01-01 00:00:00'".to_owned()
    }
}

/// Inserts a row, changes it, and looks; none if that cannot be done.
fn is_changed(
    subject: &Subject,
    table: &Table,
    trigger: &Trigger,
    column: &Column,
) -> Option<bool> {
    let trial = Trial::begin(subject)?;
    // What other triggers do or refuse is no matter of this one.
    for other in subject.schema().triggers.values() {
        if other.table == table.name && other.name != trigger.name {
            trial
                .run(&format!("DROP TRIGGER {};", other.name.quoted()))
                .ok()?;
        }
    }
    let given = Row::from([(column.name.clone(), old(column))]);
    trial.row(table, &given)?;
    let (name, made) = (table.name.quoted(), column.name.quoted());
    let change = |set: &str| {
        trial.run(&format!(
            "UPDATE {name} SET {set} WHERE {made} = {};",
            old(column)
        ))
    };
    change(&others(table, &column.name).join(", ")).ok()?;
    // The trigger may ask whether anything is new: each column gets another value, if the table takes one.
    for set in new_values(table, &column.name) {
        let _refused = change(&set);
    }
    let sql = format!("SELECT count(*) FROM {name} WHERE {made} = {}", old(column));
    let left = subject
        .replay
        .empty
        .ours(|connection| connection.query_row(&sql, [], |row| row.get::<_, i64>(0)));
    left.ok().map(|left| left == 0)
}

/// `column = column` for all that an UPDATE may set.
fn others(table: &Table, made: &Name) -> Vec<String> {
    let columns = table.columns.iter();
    columns
        .filter(|column| column.generated.is_none() && &column.name != made)
        .map(|column| format!("{0} = {0}", column.name.quoted()))
        .collect()
}

/// `column = another value` for each column that may have any.
fn new_values(table: &Table, made: &Name) -> Vec<String> {
    let is_bound = |name: &Name| {
        table.primary_key.contains(name)
            || table
                .foreign_keys
                .iter()
                .any(|key| key.columns.contains(name))
    };
    let columns = table.columns.iter();
    columns
        .filter(|column| column.generated.is_none() && &column.name != made)
        .filter(|column| !is_bound(&column.name))
        .map(|column| {
            let is_text = matches!(column.affinity(), Affinity::Text | Affinity::Blob);
            let value = if is_text { "'another'" } else { "2" };
            format!("{} = {value}", column.name.quoted())
        })
        .collect()
}

fn proof(table: &Table, trigger: &Trigger, made: &Name) -> Vec<String> {
    let columns: Vec<&Name> = table
        .columns
        .iter()
        .filter(|column| column.generated.is_none())
        .map(|column| &column.name)
        .collect();
    let Some(column) = table.column(made) else {
        return Vec::new();
    };
    let mut row: Row = table
        .columns
        .iter()
        .filter(|column| {
            column.generated.is_none()
                && (column.not_null || table.primary_key.contains(&column.name))
        })
        .map(|column| (column.name.clone(), trial::value(column)))
        .collect();
    row.insert(made.clone(), old(column));
    let name = table.name.quoted();
    trial::answering(vec![
        trial::sketch(table, &columns, &[], &[]),
        format!("{};", trigger.sql),
        trial::insert(&table.name, &row),
        format!("UPDATE {name} SET {};", others(table, made).join(", ")),
        format!(
            "SELECT count(*) FROM {name} WHERE {} = {};",
            made.quoted(),
            old(column)
        ),
    ])
}
