//! The entries of an audit log, held against the rows that went and came. Never takes an entry for one that was there before.

use super::populated::{Populated, Row};
use crate::catalog::{Name, Table};
use crate::claims::Audit;
use crate::subject::Subject;
use crate::text::literal;
use rusqlite::types::Value;

/// A declared log with its tables.
pub(super) struct Log<'s> {
    pub(super) claim: &'s Audit,
    pub(super) table: &'s Table,
    pub(super) tracks: Vec<&'s Table>,
}

/// The tables of a declared log.
pub(super) fn log_of<'s>(subject: &'s Subject, claim: &'s Audit) -> Result<Log<'s>, String> {
    let find = |name: &String| {
        let table = subject.schema().table(name);
        table.ok_or_else(|| format!("there is no table `{name}`"))
    };
    let table = find(&claim.log)?;
    let named = [
        Some(&claim.action),
        Some(&claim.resource),
        claim.actor.as_ref(),
        claim.old.as_ref(),
        claim.new.as_ref(),
        claim.resource_type.as_ref(),
    ];
    if let Some(missing) = named
        .into_iter()
        .flatten()
        .find(|name| table.column(&Name::new(name)).is_none())
    {
        return Err(format!("`{}` has no column `{missing}`", claim.log));
    }
    let tracks = claim.tracks.iter().map(find).collect::<Result<_, _>>()?;
    Ok(Log {
        claim,
        table,
        tracks,
    })
}

/// The entries that name an actor.
pub(super) fn logs(populated: &Populated<'_>, log: &Log<'_>, actor: &Name) -> Vec<Row> {
    populated.rows_where(log.table, &format!("t.{} IS NOT NULL", actor.quoted()))
}

/// What is wrong with new entries, if rows went and came.
pub(super) fn complaint(
    log: &Log<'_>,
    removed: &[&Row],
    made: &[&Row],
    new: &[Row],
) -> Option<String> {
    let with_key = |rows: &[&'_ Row], key: &Row| rows.iter().any(|row| row.key == key.key);
    let gone: Vec<&Row> = removed
        .iter()
        .copied()
        .filter(|row| !with_key(made, row))
        .collect();
    let came: Vec<&Row> = made
        .iter()
        .copied()
        .filter(|row| !with_key(removed, row))
        .collect();
    // A row whose key changes may be told under either key.
    if let ([old], [now]) = (gone.as_slice(), came.as_slice()) {
        let moved = |row: &Row| about(log, (Some(old), Some(now)), row, new);
        if moved(old).is_none() || moved(now).is_none() {
            return None;
        }
    }
    let changed = removed.iter().filter_map(|old| {
        let now = made.iter().find(|row| row.key == old.key)?;
        Some((Some(*old), Some(*now)))
    });
    let gone = gone.into_iter().map(|old| (Some(old), None));
    let came = came.into_iter().map(|now| (None, Some(now)));
    let mut all = changed.chain(gone).chain(came);
    all.find_map(|(old, now)| about(log, (old, now), now.or(old)?, new))
}

/// What is wrong with the entries that name a row as their resource.
fn about(
    log: &Log<'_>,
    (old, came): (Option<&Row>, Option<&Row>),
    row: &Row,
    new: &[Row],
) -> Option<String> {
    let actions = &log.claim.actions;
    let action = match (old, came) {
        (Some(_), Some(_)) => &actions.update,
        (None, _) => &actions.create,
        (Some(_), None) => &actions.delete,
    };
    // What goes along with the row leaves entries of its own.
    let of_row: Vec<&Row> = new.iter().filter(|entry| is_of(log, entry, row)).collect();
    // A row that is replaced may be told as one that went and one that came.
    if let (Some(old), Some(came)) = (old, came) {
        let gone = |entry: &Row| wrong(log, entry, &actions.delete, Some(old), None).is_none();
        let made = |entry: &Row| wrong(log, entry, &actions.create, None, Some(came)).is_none();
        let has = |is_it: &dyn Fn(&Row) -> bool| of_row.iter().any(|entry| is_it(entry));
        if of_row.len() == 2 && has(&gone) && has(&made) {
            return None;
        }
    }
    let kind = log.claim.resource_type.as_deref().map(Name::new);
    let kind_of = |entry: &Row| kind.as_ref().map(|kind| entry.value(kind));
    let is_right = |entry: &&&Row| wrong(log, entry, action, old, came).is_none();
    match (of_row.iter().find(is_right), of_row.first()) {
        (Some(right), _) => {
            let same = of_row
                .iter()
                .filter(|entry| kind_of(entry) == kind_of(right))
                .count();
            (same > 1).then(|| format!("it left {same} entries"))
        }
        (None, Some(first)) => wrong(log, first, action, old, came),
        (None, None) if new.is_empty() => Some("it left no entry".to_owned()),
        (None, None) => Some("it left no entry that names the row as its resource".to_owned()),
    }
}

/// Whether an entry is about a row.
pub(super) fn is_of(log: &Log<'_>, entry: &Row, row: &Row) -> bool {
    let resource = text(&entry.value(&Name::new(&log.claim.resource)));
    row.key.iter().any(|(_, key)| text(key) == resource)
}

/// What an entry tells otherwise than it was.
fn wrong(
    log: &Log<'_>,
    entry: &Row,
    action: &str,
    old: Option<&Row>,
    new: Option<&Row>,
) -> Option<String> {
    let claim = log.claim;
    let told = entry.value(&Name::new(&claim.action));
    if told != Value::Text(action.to_owned()) {
        return Some(format!(
            "the entry's action is {}, not '{action}'",
            literal((&told).into())
        ));
    }
    for (column, row, what) in [(&claim.old, old, "before"), (&claim.new, new, "after")] {
        let Some(column) = column else { continue };
        let value = entry.value(&Name::new(column));
        let complaint = match (row, &value) {
            (None, _) => None,
            (Some(row), Value::Text(json)) => differing(json, row),
            (Some(_), Value::Null | Value::Integer(_) | Value::Real(_) | Value::Blob(_)) => {
                Some("nothing".to_owned())
            }
        };
        if let Some(complaint) = complaint {
            return Some(format!("the values {what} in `{column}` are {complaint}"));
        }
    }
    None
}

/// How values in JSON differ from a row; keys that are no columns are left aside.
fn differing(json: &str, row: &Row) -> Option<String> {
    let Ok(serde_json::Value::Object(values)) = serde_json::from_str(json) else {
        return Some("no JSON object".to_owned());
    };
    let mut known = 0;
    for (key, told) in &values {
        let Some(value) = row.values.get(&Name::new(key)) else {
            continue;
        };
        known += 1;
        let is_same = match (value, told) {
            (Value::Null, told) => told.is_null(),
            (Value::Integer(number), told) => {
                told.as_i64() == Some(*number) || told.as_bool() == Some(*number != 0)
            }
            (Value::Real(number), told) => told.as_f64() == Some(*number),
            (Value::Text(text), serde_json::Value::String(told)) => text == told,
            // JSON in a text may be told as JSON.
            (Value::Text(text), told) => {
                serde_json::from_str::<serde_json::Value>(text).is_ok_and(|json| json == *told)
            }
            (Value::Blob(_), _) => true,
        };
        if !is_same {
            return Some(format!("wrong: `{key}` is told as {told}"));
        }
    }
    (known == 0).then(|| "without any column of the row".to_owned())
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Null | Value::Integer(_) | Value::Real(_) | Value::Blob(_) => literal(value.into()),
    }
}
