//! Lines of SQL that show a failure in a fresh database with foreign keys on. Never tells lines that were not run: what does not show the failure is left out.

use crate::catalog::{Name, Schema, Table};
use crate::engine::{Engine, Failure};
use crate::replay::Effect;
use crate::rows;
use crate::subject::Subject;
use crate::text::literal;
use rusqlite::Connection;
use std::collections::BTreeSet;

/// The statements without which a failed one fails otherwise, and the failed one.
#[must_use]
pub fn of_failure(subject: &Subject, place: usize, failure: &Failure) -> Vec<String> {
    let step = &subject.replay.steps[place];
    let mut lines: Vec<String> = Vec::new();
    let words: BTreeSet<String> = words(&step.statement.sql);
    for earlier in &subject.replay.steps[..place] {
        let makes = earlier
            .changes
            .iter()
            .any(|change| words.contains(&change.name.as_str().to_ascii_lowercase()));
        if makes && earlier.failure.is_none() {
            lines.push(line(&earlier.statement.sql));
        }
    }
    if lines.len() > 5 {
        return Vec::new();
    }
    lines.push(line(&step.statement.sql));
    shown(lines, |message| message == failure.message)
}

/// The table as it was before a failed statement, a row, and the statement.
#[must_use]
pub fn of_failure_with_rows(subject: &Subject, place: usize, failure: &Failure) -> Vec<String> {
    let step = &subject.replay.steps[place];
    let words = words(&step.statement.sql);
    let Some((mut lines, _)) = world(subject, place, |name| {
        words.contains(&name.as_str().to_ascii_lowercase())
    }) else {
        return Vec::new();
    };
    lines.push(line(&step.statement.sql));
    shown(lines, |message| message == failure.message)
}

/// Parent and child with a row each, the `DROP TABLE` or `DELETE FROM`, and what is left of the child.
#[must_use]
pub fn of_rows_lost(
    subject: &Subject,
    effect: &Effect,
    (verb, parent): (&str, &Name),
) -> Vec<String> {
    let wanted = |name: &Name| name == parent || name == &effect.table;
    let Some((mut lines, schema)) = world(subject, effect.step, wanted) else {
        return Vec::new();
    };
    if schema.tables.is_empty() {
        return Vec::new();
    }
    lines.push(format!("{verb} {};", parent.quoted()));
    let is_shown = shown_by(&lines, |connection| {
        let left = format!("SELECT count(*) FROM {}", effect.table.quoted());
        connection
            .query_row(&left, [], |row| row.get::<_, i64>(0))
            .is_ok_and(|left| left == 0)
    });
    if !is_shown {
        return Vec::new();
    }
    lines.push(format!(
        "SELECT count(*) FROM {}; -- 0",
        effect.table.quoted()
    ));
    lines
}

/// A table whose parent is gone, and a row that it does not take.
#[must_use]
pub fn of_dangling_reference(_subject: &Subject, table: &Table) -> Vec<String> {
    let columns: Vec<String> = table
        .columns
        .iter()
        .filter(|column| column.generated.is_none())
        .map(|column| column.name.quoted())
        .collect();
    let values: Vec<&str> = columns.iter().map(|_| "1").collect();
    let lines = vec![
        line(&table.sql),
        format!(
            "INSERT INTO {} ({}) VALUES ({});",
            table.name.quoted(),
            columns.join(", "),
            values.join(", ")
        ),
    ];
    shown(lines, |message| message.starts_with("no such table"))
}

/// The tables that are wanted, and the parents that their rows need, as they were before a step, with a row each: as lines, and as they are.
fn world(
    subject: &Subject,
    place: usize,
    wanted: impl Fn(&Name) -> bool,
) -> Option<(Vec<String>, Schema)> {
    let engine = subject.replay.before(place).ok()?;
    let all = engine.ours(crate::catalog::read).ok()?;
    let mut names: Vec<Name> = all
        .tables
        .keys()
        .filter(|name| wanted(name))
        .cloned()
        .collect();
    let mut next = 0;
    while let Some(name) = names.get(next).cloned() {
        for key in all
            .tables
            .get(&name)
            .iter()
            .flat_map(|table| &table.foreign_keys)
        {
            if !names.contains(&key.parent) && all.tables.contains_key(&key.parent) {
                names.push(key.parent.clone());
            }
        }
        next += 1;
    }
    if names.len() > 6 {
        return None;
    }
    let small = Engine::in_memory().ok()?;
    let mut lines = Vec::new();
    for name in names.iter().rev() {
        let table = all.tables.get(name)?;
        small.run(&table.sql).ok()?;
        lines.push(line(&table.sql));
    }
    let schema = small.ours(crate::catalog::read).ok()?;
    let unfilled = small
        .ours(|connection| rows::fill(connection, &schema, &schema, &names, 1, 1))
        .ok()?;
    if !unfilled.is_empty() {
        return None;
    }
    for name in names.iter().rev() {
        lines.extend(
            small
                .ours(|connection| inserts(connection, schema.tables.get(name)?))
                .into_iter()
                .flatten(),
        );
    }
    Some((lines, schema))
}

/// The rows of a table as INSERT statements.
fn inserts(connection: &Connection, table: &Table) -> Option<Vec<String>> {
    let columns: Vec<String> = table
        .columns
        .iter()
        .filter(|column| column.generated.is_none())
        .map(|column| column.name.quoted())
        .collect();
    let columns = columns.join(", ");
    let mut statement = connection
        .prepare(&format!("SELECT {columns} FROM {}", table.name.quoted()))
        .ok()?;
    let count = statement.column_count();
    let lines = statement.query_map([], |row| {
        let values: rusqlite::Result<Vec<String>> =
            (0..count).map(|at| row.get_ref(at).map(literal)).collect();
        Ok(format!(
            "INSERT INTO {} ({columns}) VALUES ({});",
            table.name.quoted(),
            values?.join(", ")
        ))
    });
    lines.ok()?.collect::<rusqlite::Result<_>>().ok()
}

/// The lines, if the last one fails with such a message on a fresh database and those before it do not.
fn shown(lines: Vec<String>, is_meant: impl Fn(&str) -> bool) -> Vec<String> {
    let Ok(engine) = Engine::in_memory() else {
        return Vec::new();
    };
    let Some((last, before)) = lines.split_last() else {
        return Vec::new();
    };
    let prepared = before
        .iter()
        .all(|line| engine.run(line.trim_end_matches(';')).is_ok());
    let outcome = engine.run(last.trim_end_matches(';'));
    if prepared && outcome.is_err_and(|failure| is_meant(&failure.message)) {
        lines
    } else {
        Vec::new()
    }
}

/// Whether all lines run and something holds after them.
fn shown_by(lines: &[String], holds: impl Fn(&Connection) -> bool) -> bool {
    let Ok(engine) = Engine::in_memory() else {
        return false;
    };
    lines
        .iter()
        .all(|line| engine.run(line.trim_end_matches(';')).is_ok())
        && engine.ours(holds)
}

/// A statement on one line where that changes nothing: comments and strings over lines stay as they are.
fn line(sql: &str) -> String {
    let is_plain = !sql.contains("--") && !sql.contains("/*") && !sql.contains('\'');
    if is_plain {
        let words: Vec<&str> = sql.split_whitespace().collect();
        format!("{};", words.join(" "))
    } else {
        format!("{sql};")
    }
}

fn words(sql: &str) -> BTreeSet<String> {
    let words = sql.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    words
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect()
}
