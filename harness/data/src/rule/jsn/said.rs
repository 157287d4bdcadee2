//! What comments and names say of JSON, those of older definitions included: a rebuild seldom repeats a comment. Never looks at what a column is used for.

use super::is_said_above;
use crate::catalog::{Column, Name, Table};
use crate::replay::{ObjectKind, Step};
use crate::rule::repair;
use crate::subject::Subject;
use crate::words::words;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The columns, by their tables.
pub(super) fn columns(subject: &Subject) -> BTreeSet<(Name, Name)> {
    let tables = &subject.schema().tables;
    let mut said = BTreeSet::new();
    let mut add = |table: &Table, column: &Column| {
        said.insert((table.name.clone(), column.name.clone()));
    };
    for step in subject
        .replay
        .steps
        .iter()
        .filter(|step| step.failure.is_none())
    {
        for change in &step.changes {
            let table = tables.get(&change.name);
            let (ObjectKind::Table, Some(table), Some(sql)) = (change.kind, table, &change.after)
            else {
                continue;
            };
            if !table.is_ordinary() {
                continue;
            }
            if change.before.is_some() {
                if let Some(column) = added(subject, step, table) {
                    add(table, column);
                }
            } else if *sql != table.sql && mentions_json(sql) && sql.contains("--") {
                let older = Table {
                    sql: Arc::clone(sql),
                    ..table.clone()
                };
                let columns = table
                    .columns
                    .iter()
                    .filter(|column| is_said(&older, column));
                for column in columns {
                    add(table, column);
                }
            }
        }
    }
    said
}

fn mentions_json(text: &str) -> bool {
    let mut windows = text.as_bytes().windows(4);
    windows.any(|four| four.eq_ignore_ascii_case(b"json"))
}

fn is_said(table: &Table, column: &Column) -> bool {
    let behind = repair::comment_of(table, column);
    behind.is_some_and(has_json_first) || is_said_above(table, column)
}

/// The column that `ALTER TABLE … ADD COLUMN` adds, if the comment behind it begins with JSON, or the one above speaks of it.
fn added<'t>(subject: &Subject, step: &Step, table: &'t Table) -> Option<&'t Column> {
    let span = &step.statement.span;
    let text = &subject.source.file(span.file)?.text;
    let sql = &step.statement.sql;
    let mut columns = table.columns.iter();
    let column = columns.find(|column| {
        let mut words = sql
            .split_whitespace()
            .skip_while(|word| !word.eq_ignore_ascii_case("add"))
            .skip(1);
        let first = words.next().unwrap_or_default();
        let name = if first.eq_ignore_ascii_case("column") {
            words.next().unwrap_or_default()
        } else {
            first
        };
        column.name == *name.trim_matches(['"', '`', '[', ']'])
    })?;
    let behind = text.get(span.end..)?.lines().next().unwrap_or_default();
    let behind = behind
        .trim_start_matches([';', ' ', '\t'])
        .strip_prefix("--");
    let above: Vec<&str> = text
        .get(..span.start)?
        .lines()
        .rev()
        .map(str::trim)
        .skip_while(|line| line.is_empty())
        .take_while(|line| line.starts_with("--"))
        .collect();
    let is_above = speaks_of_json(&above.join(" "));
    (behind.is_some_and(|comment| has_json_first(comment.trim())) || is_above).then_some(column)
}

/// Whether a column has one of the names that are given to a text of JSON more often than to any other.
pub(super) fn is_called_like_json(column: &Column) -> bool {
    let words = words(column.name.as_str());
    let last = words.last().map(String::as_str).unwrap_or_default();
    matches!(
        last,
        "metadata"
            | "payload"
            | "preferences"
            | "attributes"
            | "properties"
            | "params"
            | "headers"
            | "settings"
            | "config"
            | "options"
            | "permissions"
            | "scopes"
            | "tags"
    )
}

/// How many words may stand before it: `optional JSON blob`, `stored as JSON`.
const WORDS_BEFORE: usize = 2;

/// Whether a comment begins with JSON, or nearly so.
pub(super) fn has_json_first(comment: &str) -> bool {
    let lower = comment.to_ascii_lowercase();
    let mut words = lower
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty());
    let is_there = words
        .by_ref()
        .take(WORDS_BEFORE + 1)
        .any(|word| word == "json");
    // `path to the JSON file` speaks of something else.
    let is_elsewhere = words
        .next()
        .is_some_and(|word| matches!(word, "file" | "files" | "path" | "schema" | "key" | "field"));
    is_there && !is_elsewhere && speaks_of_json(comment)
}

/// Whether a comment speaks of JSON, and does not deny it.
pub(super) fn speaks_of_json(comment: &str) -> bool {
    let is_denied = [
        "not json",
        "no json",
        "than json",
        "non-json",
        "instead of json",
    ];
    let lower = comment.to_ascii_lowercase();
    let mut words = lower.split(|letter: char| !letter.is_ascii_alphanumeric());
    words.any(|word| word == "json") && !is_denied.iter().any(|denied| lower.contains(denied))
}
