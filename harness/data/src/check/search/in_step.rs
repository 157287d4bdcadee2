//! PAT-003: the index of a full-text search in step with its rows, whatever is done to them. Never takes a way of writing that the schema refuses for a gap.

use super::super::populated::Row;
use super::super::settled::Settled;
use super::super::{Broken, Outcome};
use super::ways::{After, ways};
use super::{Case, each, new_rows, older_rows, sequences, word};
use crate::catalog::ForeignKey;
use crate::subject::Subject;
use crate::text::{literal, written};
use rusqlite::types::Value;

pub(super) fn stays_in_step(subject: &Subject) -> Outcome {
    let judge = |case: Case<'_>| {
        if let Some(broken) = older_rows::not_entered(subject, &case)? {
            return Ok(vec![broken]);
        }
        let row = case.settled.first(case.table, 0)?;
        let copy = case.settled.copy();
        let untouched = case.again(copy.map_err(|error| Outcome::not_judged(&error))?);
        let mut repeat = Vec::new();
        let held = match by_each_way(&case, &row, &mut repeat)? {
            Ok(held) => held,
            Err(broken) => return Ok(vec![broken]),
        };
        let rows = case.settled.rows(case.table, 0);
        let now = rows.into_iter().find(|now| now.key == row.key);
        let row = now.unwrap_or(row);
        if let Some(broken) = new_rows::out_of_step(&case, &row, repeat.clone())? {
            return Ok(vec![broken]);
        }
        if let Some(held) = held
            && let Some(broken) = still_found(&case, &row, &held, repeat)?
        {
            return Ok(vec![broken]);
        }
        let broken = match gone_with_a_parent(&case)? {
            Some(broken) => Some(broken),
            None => sequences::out_of_step(&untouched)?,
        };
        Ok(broken.into_iter().collect())
    };
    each(
        subject,
        "after each way of writing, and after sequences of them, the right row was found, and the index passed FTS5's own check",
        |claim| claim.columns.len().max(1),
        judge,
    )
}

/// The word that a row holds in the end, or the first way of writing after which the wrong one is found.
type Written = Result<Option<String>, Broken>;

fn by_each_way(case: &Case<'_>, row: &Row, repeat: &mut Vec<String>) -> Result<Written, Outcome> {
    let first = word(0);
    let set = case
        .settled
        .set(row, &[(&case.column, Value::Text(first.clone()))]);
    set.map_err(|refused| {
        Settled::unmet(
            format!(
                "`{}` does not take a text: {}",
                case.column, refused.message
            ),
            "[[data.search]] columns",
        )
    })?;
    let (is_found, asked) = case.is_found(row, &first)?;
    if !is_found {
        let expected = "a row is found by a word that it holds";
        return Ok(Err(case.broken(expected, "it is not", vec![asked])));
    }
    let mut held = Some(first);
    for (number, way) in ways(case, row).into_iter().enumerate() {
        let new = word(number + 1);
        let values = |sql: &str| {
            let is_given = sql.contains("?1");
            is_given
                .then(|| Value::Text(new.clone()))
                .into_iter()
                .collect()
        };
        let statements: Vec<(&str, Vec<Value>)> = way
            .sql
            .iter()
            .map(|sql| (sql.as_str(), values(sql)))
            .collect();
        repeat.extend(statements.iter().map(|(sql, values)| written(sql, values)));
        let outcome = case.settled.world().batch(&statements);
        if outcome.is_err() && !way.is_undone {
            // The schema does not take this way of writing: then nobody can bring the index out of step by it.
            continue;
        }
        let (now, gone) = match way.after {
            After::New => (Some(new), held),
            After::Same => (held, Some(new)),
            After::Nothing => (None, held),
        };
        let words = (now.as_deref(), gone.as_deref());
        if let Some(broken) = out_of_step(case, row, way.name, words, repeat)? {
            return Ok(Err(broken));
        }
        held = now;
    }
    Ok(Ok(held))
}

/// What is found of a row by its word once it is deleted.
fn still_found(
    case: &Case<'_>,
    row: &Row,
    held: &str,
    mut repeat: Vec<String>,
) -> Result<Option<Broken>, Outcome> {
    let delete = format!(
        "DELETE FROM {} WHERE {}",
        case.table.name.quoted(),
        row.found()
    );
    if case.settled.world().run(&delete, &[]).is_err() {
        return Ok(None);
    }
    repeat.push(format!("{delete};"));
    let (is_found, asked) = case.is_found(row, held)?;
    let unsound = case.integrity();
    if !is_found && unsound.is_none() {
        return Ok(None);
    }
    repeat.push(asked);
    Ok(Some(case.broken(
        "nothing is found of a deleted row",
        unsound.unwrap_or_else(|| "it is still found".to_owned()),
        repeat,
    )))
}

/// A row whose parent is deleted: where it goes along, nothing is found of it.
fn gone_with_a_parent(case: &Case<'_>) -> Result<Option<Broken>, Outcome> {
    let world = case.settled.world();
    let mut keys: Vec<&ForeignKey> = case.table.foreign_keys.iter().collect();
    // With the tenant everything goes: it comes last.
    keys.sort_by_key(|key| case.settled.is_tenants(&key.parent));
    for (number, key) in keys.into_iter().enumerate() {
        let mut rows = case.settled.rows(case.table, 0).into_iter();
        let Some(row) = rows.find(|row| !row.values_of(&key.columns).contains(&Value::Null)) else {
            continue;
        };
        let held = word(800 + number);
        let set = case
            .settled
            .set(&row, &[(&case.column, Value::Text(held.clone()))]);
        if set.is_err() || !case.is_found(&row, &held)?.0 {
            continue;
        }
        let pairs = key.parent_columns.iter().zip(row.values_of(&key.columns));
        let parent: Vec<String> = pairs
            .map(|(column, value)| format!("{} IS {}", column.quoted(), literal((&value).into())))
            .collect();
        let delete = format!(
            "DELETE FROM {} WHERE {}",
            key.parent.quoted(),
            parent.join(" AND ")
        );
        let is_deleted = world.run(&delete, &[]).is_ok();
        let mut left = case.settled.rows(case.table, 0).into_iter();
        if !is_deleted || left.any(|one| one.key == row.key) {
            continue;
        }
        let (is_found, asked) = case.is_found(&row, &held)?;
        let unsound = case.integrity();
        if is_found || unsound.is_some() {
            return Ok(Some(case.broken(
                format!(
                    "nothing is found of a row that goes with its `{}`",
                    key.parent
                ),
                unsound.unwrap_or_else(|| "it is still found".to_owned()),
                vec![format!("{delete};"), asked],
            )));
        }
    }
    Ok(None)
}

fn out_of_step(
    case: &Case<'_>,
    row: &Row,
    way: &str,
    (now, gone): (Option<&str>, Option<&str>),
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
    let words = now.map(|word| (word, true)).into_iter();
    for (word, is_meant) in words.chain(gone.map(|word| (word, false))) {
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
