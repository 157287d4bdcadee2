//! PAT-003: the index of a full-text search in step with its rows, whatever is done to them. Never takes a way of writing that the schema refuses for a gap.

use super::super::populated::Row;
use super::super::settled::Settled;
use super::super::{Broken, Outcome};
use super::ways::ways;
use super::{Case, each, new_rows, older_rows, word};
use crate::subject::Subject;
use crate::text::written;
use rusqlite::types::Value;

pub(super) fn stays_in_step(subject: &Subject) -> Outcome {
    let judge = |case: Case<'_>| {
        if let Some(broken) = older_rows::not_entered(subject, &case)? {
            return Ok(vec![broken]);
        }
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
        if let Some(broken) = new_rows::out_of_step(&case, &row, repeat.clone())? {
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
