//! PAT-003: the index of a full-text search in step with its rows, whatever is done to them. Never takes a way of writing that the schema refuses for a gap.

use super::super::populated::Row;
use super::super::settled::Settled;
use super::super::{Broken, Outcome};
use super::ways::ways;
use super::{Case, each, word};
use crate::subject::Subject;
use crate::text::written;
use rusqlite::types::Value;

pub(super) fn stays_in_step(subject: &Subject) -> Outcome {
    let judge = |case: Case<'_>| {
        let row = case.settled.first(case.table, 0)?;
        let (first, mut repeat) = (word(0), Vec::new());
        let set = case
            .settled
            .set(&row, &[(&case.column, Value::Text(first.clone()))]);
        set.map_err(|refused| {
            Settled::unmet(
                format!(
                    "`{}` does not take a text: {}",
                    case.column, refused.message
                ),
                "[[data.search]] columns",
            )
        })?;
        if !case.is_found(&row, &first)?.0 {
            let (_, asked) = case.is_found(&row, &first)?;
            return Ok(vec![case.broken(
                "a row is found by a word that it holds",
                "it is not",
                vec![asked],
            )]);
        }
        let mut held = first;
        for (number, way) in ways(&case, &row).into_iter().enumerate() {
            let new = word(number + 1);
            let statements: Vec<(&str, Vec<Value>)> = way
                .sql
                .iter()
                .map(|sql| {
                    (
                        sql.as_str(),
                        if sql.contains("?1") {
                            vec![Value::Text(new.clone())]
                        } else {
                            Vec::new()
                        },
                    )
                })
                .collect();
            repeat.extend(statements.iter().map(|(sql, values)| written(sql, values)));
            let outcome = case.settled.world().batch(&statements);
            if outcome.is_err() && !way.is_undone {
                // The schema does not take this way of writing: then nobody can bring the index out of step by it.
                continue;
            }
            let (now, gone) = if way.holds {
                (new.clone(), held.clone())
            } else {
                (held.clone(), new.clone())
            };
            if let Some(broken) = out_of_step(&case, &row, way.name, (&now, &gone), &repeat)? {
                return Ok(vec![broken]);
            }
            held = now;
        }
        if let Some(broken) = not_entered(&case, &row, repeat.clone())? {
            return Ok(vec![broken]);
        }
        let removed = case.settled.world().run(
            &format!(
                "DELETE FROM {} WHERE {}",
                case.table.name.quoted(),
                row.found()
            ),
            &[],
        );
        if removed.is_ok() {
            repeat.push(format!(
                "DELETE FROM {} WHERE {};",
                case.table.name,
                row.found()
            ));
            let (is_found, asked) = case.is_found(&row, &held)?;
            if is_found || case.integrity().is_some() {
                repeat.push(asked);
                return Ok(vec![
                    case.broken(
                        "nothing is found of a deleted row",
                        case.integrity()
                            .unwrap_or_else(|| "it is still found".to_owned()),
                        repeat,
                    ),
                ]);
            }
        }
        Ok(Vec::new())
    };
    each(
        subject,
        "after each way of writing the right row was found, and the index passed FTS5's own check",
        |claim| claim.columns.len().max(1),
        judge,
    )
}

/// A new row beside this one, with another key: it must be found by its word. What the schema does not take is left out.
fn not_entered(
    case: &Case<'_>,
    row: &Row,
    mut repeat: Vec<String>,
) -> Result<Option<Broken>, Outcome> {
    let [key] = case.table.primary_key.as_slice() else {
        return Ok(None);
    };
    let given = case
        .table
        .columns
        .iter()
        .filter(|column| column.generated.is_none());
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for column in given {
        let held = row.value(&column.name);
        let value = match held {
            _ if column.name == case.column => Value::Text(word(900)),
            Value::Integer(number) if column.name == *key => Value::Integer(number + 1_000_000),
            Value::Text(text) if column.name == *key => Value::Text(format!("{text}-2")),
            Value::Null | Value::Integer(_) | Value::Real(_) | Value::Text(_) | Value::Blob(_) => {
                row.value(&column.name)
            }
        };
        names.push(column.name.quoted());
        values.push(value);
    }
    let marks: Vec<String> = (1..=names.len()).map(|place| format!("?{place}")).collect();
    let table = case.table.name.quoted();
    let insert = format!(
        "INSERT INTO {table} ({}) VALUES ({})",
        names.join(", "),
        marks.join(", ")
    );
    if case.settled.world().run(&insert, &values).is_err() {
        return Ok(None);
    }
    repeat.push(written(&insert, &values));
    let (found, asked) = case.found(&word(900), 0)?;
    repeat.push(asked);
    let saw = match case.integrity() {
        Some(message) => message,
        None if found.is_empty() => "it is not found".to_owned(),
        None => return Ok(None),
    };
    Ok(Some(case.broken(
        "a new row is found by a word that it holds",
        saw,
        repeat,
    )))
}

fn out_of_step(
    case: &Case<'_>,
    row: &Row,
    way: &str,
    (now, gone): (&str, &str),
    repeat: &[String],
) -> Result<Option<Broken>, Outcome> {
    let mut lines = repeat.to_vec();
    if let Some(message) = case.integrity() {
        lines.push(format!(
            "INSERT INTO {0}({0}, rank) VALUES ('integrity-check', 1);",
            case.claim.index
        ));
        return Ok(Some(case.broken(
            format!("an index in step with its rows after {way}"),
            message,
            lines,
        )));
    }
    for (word, is_meant) in [(now, true), (gone, false)] {
        let (is_found, asked) = case.is_found(row, word)?;
        if is_found != is_meant {
            lines.push(asked);
            let (expected, saw) = if is_meant {
                ("is found by the word that it holds", "it is not found")
            } else {
                (
                    "is not found by a word that it no longer holds",
                    "it is found",
                )
            };
            return Ok(Some(case.broken(
                format!("after {way} the row {expected}"),
                saw,
                lines,
            )));
        }
    }
    Ok(None)
}
