//! PAT-010: the patterns of LIKE and GLOB in declared writes, written or bound. Never counts a parameter that only an application's own key can stand for.

use super::super::settled::{Given, Settled};
use super::super::world::RefusedBy;
use super::super::{Broken, Outcome};
use super::{Key, beyond, borrowed, statements};
use crate::catalog::{Affinity, Name};
use crate::claims::Write;
use crate::subject::Subject;
use crate::tree::{self, Kind, Node};
use rusqlite::types::Value;

/// D1's limit on a pattern, in bytes.
const PATTERN_BYTES: usize = 50;
/// What a user may type: longer than any pattern.
const TYPED: &str = "a text that a user typed, in more words than a pattern of LIKE may have";

/// A write whose pattern is longer than D1 takes, or can be.
pub(super) fn refused(
    subject: &Subject,
    write: &Write,
    key: Key,
) -> Result<Option<Broken>, Outcome> {
    let settled = Settled::new(subject)?;
    for (place, sql) in write.sql.iter().enumerate() {
        let none = Vec::new();
        let roles = write.parameters.get(place).unwrap_or(&none);
        let Some(tree) = tree::parse(sql) else {
            continue;
        };
        let patterns = tree.all().into_iter().filter_map(|node| {
            let is_like = node.kind == Kind::Like && matches!(node.text.as_str(), "LIKE" | "GLOB");
            node.parts.get(1).filter(|_pattern| is_like)
        });
        let lengths = patterns.map(|pattern| bytes(&settled, pattern, roles));
        if lengths.max().is_some_and(|bytes| bytes > PATTERN_BYTES) {
            let saw = "a pattern of LIKE or GLOB can have more than 50 bytes, which D1 refuses";
            return Ok(Some(beyond(write, saw.to_owned())));
        }
    }
    let typed = Given::from([("text", typed()), ("tag", typed())]);
    let calls = statements(&settled, write, (1, 1, key))?;
    let mut calls = borrowed(&calls);
    for (place, (_, values)) in calls.iter_mut().enumerate() {
        let roles = write.parameters.get(place).into_iter().flatten();
        for (value, role) in values.iter_mut().zip(roles) {
            if let Some(typed) = typed.get(role.as_str()) {
                *value = typed.clone();
            }
        }
    }
    match settled.world().batch(&calls) {
        Err(refused) if refused.kind == RefusedBy::Limit => {
            Ok(Some(beyond(write, refused.message)))
        }
        Ok(_) | Err(_) => Ok(None),
    }
}

fn typed() -> Value {
    Value::Text(TYPED.to_owned())
}

/// How many bytes a pattern can have at least, as far as that is known.
fn bytes(settled: &Settled<'_>, pattern: &Node, roles: &[String]) -> usize {
    let node = pattern.bare();
    let parts = node.parts.iter().map(|part| bytes(settled, part, roles));
    match (node.kind, node.text.as_str()) {
        (Kind::Text, text) => text.len(),
        (Kind::Parameter, mark) => {
            let place = mark
                .strip_prefix('?')
                .and_then(|number| number.parse().ok());
            let role = place.and_then(|place: usize| roles.get(place.checked_sub(1)?));
            role.map_or(0, |role| bound(settled, role))
        }
        (Kind::Binary, "||") => parts.sum(),
        (
            Kind::Call,
            "lower" | "upper" | "trim" | "replace" | "coalesce" | "ifnull" | "printf" | "format"
            | "concat",
        ) => parts.max().unwrap_or(0),
        _ => 0,
    }
}

/// How long a bound value can be: what users type has no end, and neither has a text of a column that takes long ones.
fn bound(settled: &Settled<'_>, role: &str) -> usize {
    if let Some(text) = role
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''))
    {
        return text.len();
    }
    if matches!(role, "text" | "tag") {
        return TYPED.len();
    }
    let Some((table, column)) = role.split_once('.') else {
        return 0;
    };
    let table = settled.schema().table(table);
    let column = Name::new(column);
    let is_long = table.is_some_and(|table| {
        let is_key = table.primary_key.contains(&column);
        let is_text = table
            .column(&column)
            .is_some_and(|column| column.affinity() == Affinity::Text);
        is_text && !is_key && settled.takes(table, &column, &typed())
    });
    if is_long { TYPED.len() } else { 0 }
}
