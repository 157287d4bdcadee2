//! PAT-019: nothing in the schema fails later. Never judges what a constraint refuses on purpose.

use super::populated::{Populated, Row};
use super::world::RefusedBy;
use super::{Aspect, Broken, Outcome};
use crate::catalog::{Action, Name, Table, Trigger};
use crate::references::{circles, has_default_parent};
use crate::subject::Subject;
use crate::text::counted;
use rusqlite::Connection;

/// The aspects of this family.
pub(super) const ASPECTS: &[Aspect] = &[
    Aspect {
        criterion: "PAT-019",
        sentence: "every view and every trigger prepares",
        judge: prepares,
    },
    Aspect {
        criterion: "PAT-019",
        sentence: "every reference has a table, columns and a unique parent",
        judge: references,
    },
    Aspect {
        criterion: "PAT-019",
        sentence: "every table takes an insert and a delete",
        judge: takes_rows,
    },
];

fn prepares(subject: &Subject) -> Outcome {
    let schema = subject.schema();
    let mut broken = Vec::new();
    for view in schema.views.keys() {
        let sql = format!("SELECT * FROM {}", view.quoted());
        if let Some(message) = fault(subject, &sql) {
            broken.push(Broken {
                object: format!("view {view}"),
                expected: "it can be read".to_owned(),
                saw: message,
                repeat: vec![format!("{sql};")],
            });
        }
    }
    for trigger in schema.triggers.values() {
        for sql in firing(subject, trigger) {
            if let Some(message) = alone(subject, trigger, &sql) {
                broken.push(Broken {
                    object: format!("trigger {}", trigger.name),
                    expected: format!(
                        "the statements on `{}` that it watches can be run",
                        trigger.table
                    ),
                    saw: message,
                    repeat: vec![format!("{sql};")],
                });
                break;
            }
        }
    }
    let saw = format!(
        "{} and {} prepared",
        counted(schema.views.len(), "view"),
        counted(schema.triggers.len(), "trigger")
    );
    Outcome::of(broken, saw)
}

/// Why a statement cannot be prepared on the empty database.
fn fault(subject: &Subject, sql: &str) -> Option<String> {
    subject
        .replay
        .empty
        .ours(|connection| not_prepared(connection, sql))
}

fn not_prepared(connection: &Connection, sql: &str) -> Option<String> {
    let error = connection.prepare(sql).err()?;
    if let rusqlite::Error::SqlInputError { msg, .. } = error {
        return Some(msg);
    }
    if let rusqlite::Error::SqliteFailure(_, Some(message)) = error {
        return Some(message);
    }
    Some(error.to_string())
}

/// Statements that fire a trigger on a table, of each kind that there is.
fn firing(subject: &Subject, trigger: &Trigger) -> Vec<String> {
    let name = trigger.table.quoted();
    let table = subject.schema().tables.get(&trigger.table);
    let mut columns = table
        .into_iter()
        .flat_map(|table| &table.columns)
        .filter(|column| column.generated.is_none());
    let Some(first) = columns.next().map(|column| column.name.quoted()) else {
        return Vec::new();
    };
    let set: Vec<String> = std::iter::once(first.clone())
        .chain(columns.map(|column| column.name.quoted()))
        .map(|column| format!("{column} = {column}"))
        .collect();
    vec![
        format!("INSERT INTO {name} ({first}) VALUES (NULL)"),
        format!("UPDATE {name} SET {}", set.join(", ")),
        format!("DELETE FROM {name}"),
    ]
}

/// Why a statement cannot be prepared because of this trigger: with it, but not without it.
fn alone(subject: &Subject, trigger: &Trigger, sql: &str) -> Option<String> {
    let message = fault(subject, sql)?;
    let copy = subject.replay.at_the_end().ok()?;
    copy.ours(|connection| {
        let others = subject.schema().triggers.values();
        for other in
            others.filter(|other| other.table == trigger.table && other.name != trigger.name)
        {
            connection
                .execute_batch(&format!("DROP TRIGGER {}", other.name.quoted()))
                .ok()?;
        }
        let with = not_prepared(connection, sql)?;
        connection
            .execute_batch(&format!("DROP TRIGGER {}", trigger.name.quoted()))
            .ok()?;
        not_prepared(connection, sql)
            .is_none()
            .then_some(if with.is_empty() { message } else { with })
    })
}

fn references(subject: &Subject) -> Outcome {
    let schema = subject.schema();
    let mut broken = Vec::new();
    let mut seen = 0;
    for table in schema.tables.values() {
        for key in &table.foreign_keys {
            seen += 1;
            let saw = match schema.tables.get(&key.parent) {
                None => format!("there is no table `{}`", key.parent),
                Some(parent) if key.parent_columns.len() != key.columns.len() => {
                    format!("`{}` has no primary key of as many columns", parent.name)
                }
                Some(parent) => {
                    let missing = key
                        .parent_columns
                        .iter()
                        .find(|name| parent.column(name).is_none());
                    match missing {
                        Some(column) => format!("`{}` has no column `{column}`", parent.name),
                        None if !parent.is_unique(&key.parent_columns) => {
                            let names: Vec<&str> =
                                key.parent_columns.iter().map(Name::as_str).collect();
                            format!("`{}({})` is not unique", parent.name, names.join(", "))
                        }
                        None => continue,
                    }
                }
            };
            broken.push(Broken {
                object: format!("table {}", table.name),
                expected: format!("the reference to `{}` can be kept", key.parent),
                saw,
                repeat: vec![format!("PRAGMA foreign_key_list({});", table.name.quoted())],
            });
        }
    }
    Outcome::of(
        broken,
        format!("{}, each with a unique parent", counted(seen, "reference")),
    )
}

fn takes_rows(subject: &Subject) -> Outcome {
    let populated = match Populated::of_anybody(subject) {
        Ok(populated) => populated,
        Err(outcome) => return outcome,
    };
    let (mut broken, mut unseen, mut seen) = (Vec::new(), None, 0);
    for table in subject
        .schema()
        .tables
        .values()
        .filter(|table| table.is_ordinary())
    {
        let rows = populated.rows_where(table, "1");
        let Some(row) = rows.last() else {
            match no_insert(&populated, table) {
                Ok(way) => broken.push(way),
                Err(why) => unseen = Some(why),
            }
            continue;
        };
        seen += 1;
        broken.extend(no_delete(&populated, table, row));
    }
    broken.extend(
        circles(subject)
            .iter()
            .map(|circle| no_first_row(subject, circle)),
    );
    broken.extend(defaults_without_parent(subject));
    if let (true, Some(reason)) = (broken.is_empty(), unseen) {
        return Outcome::NotVerified { reason, key: None };
    }
    Outcome::of(
        broken,
        format!(
            "{}, each with rows that could be made and removed",
            counted(seen, "table")
        ),
    )
}

/// Why a table holds no row: it is broken if an INSERT cannot even be prepared.
fn no_insert(populated: &Populated<'_>, table: &Table) -> Result<Broken, String> {
    let mut columns = table
        .columns
        .iter()
        .filter(|column| column.generated.is_none());
    let column = columns
        .next()
        .map_or_else(|| "rowid".to_owned(), |column| column.name.quoted());
    let sql = format!(
        "INSERT INTO {} ({column}) VALUES (NULL)",
        table.name.quoted()
    );
    let connection = populated.world.engine();
    if let Some(message) = connection.ours(|connection| not_prepared(connection, &sql)) {
        return Ok(Broken {
            object: format!("table {}", table.name),
            expected: "it takes an insert".to_owned(),
            saw: message,
            repeat: vec![format!("{sql};")],
        });
    }
    let mut unfilled = populated.tenants.unfilled.iter();
    let why = unfilled.find(|unfilled| unfilled.table == table.name);
    let why = why.map_or("nobody knows why", |unfilled| &unfilled.reason);
    Err(format!("no row could be made for `{}`: {why}", table.name))
}

/// A deletion that neither a constraint nor a trigger refuses on purpose, and that fails nevertheless.
fn no_delete(populated: &Populated<'_>, table: &Table, row: &Row) -> Option<Broken> {
    let sql = format!("DELETE FROM {} WHERE {}", table.name.quoted(), row.found());
    let refused = populated.try_out(&vec![(sql.clone(), Vec::new())]).err()?;
    // No schema forbids a deletion by a value that it wants to write itself: SET NULL meets NOT NULL.
    let is_nulled = refused.message.starts_with("NOT NULL");
    let is_meant = !is_nulled && matches!(refused.kind, RefusedBy::Constraint | RefusedBy::Trigger);
    let mut repeat = populated.script(&[&table.name]);
    repeat.push(format!("{sql};"));
    (!is_meant).then(|| Broken {
        object: format!("table {}", table.name),
        expected: "it takes a delete".to_owned(),
        saw: refused.message,
        repeat,
    })
}

/// Tables none of which can hold a first row, since each demands one of the next.
fn no_first_row(subject: &Subject, circle: &[&Name]) -> Broken {
    let names: Vec<String> = circle.iter().map(|name| format!("`{name}`")).collect();
    let makes = circle
        .iter()
        .filter_map(|name| subject.schema().tables.get(*name));
    Broken {
        object: format!(
            "table {}",
            circle.iter().min().map_or("", |name| name.as_str())
        ),
        expected: "it takes a first row".to_owned(),
        saw: format!(
            "{} need a row of each other, no column of the references may be NULL, and none waits for the end of the transaction",
            names.join(" and ")
        ),
        repeat: makes.map(|table| format!("{};", table.sql)).collect(),
    }
}

/// References that a deletion sets to a default which no row of the parent has: the deletion fails.
fn defaults_without_parent(subject: &Subject) -> Vec<Broken> {
    let schema = subject.schema();
    let keys = schema.tables.values().flat_map(|table| {
        let keys = table.foreign_keys.iter();
        keys.filter_map(move |key| Some((table, key, schema.tables.get(&key.parent)?)))
    });
    let failing = keys.filter(|(table, key, parent)| {
        key.on_delete == Action::SetDefault && !has_default_parent(subject, table, key, parent)
    });
    let failing = failing.map(|(table, key, parent)| {
        let columns: Vec<String> = key.columns.iter().map(|name| format!("`{name}`")).collect();
        Broken {
            object: format!("table {}", parent.name),
            expected: "a row with children takes a delete".to_owned(),
            saw: format!(
                "the deletion sets {} of `{}` to its default, and `{}` has no such row",
                columns.join(" and "),
                table.name,
                parent.name
            ),
            repeat: vec![
                format!("{};", table.sql),
                format!("DELETE FROM {};", parent.name.quoted()),
            ],
        }
    });
    failing.collect()
}
