//! Changes of tracked tables and the entries that they leave. Never takes an entry for one that was there before.

use super::Broken;
use super::populated::{Populated, Row};
use super::references::given;
use crate::catalog::{Name, Table};
use crate::claims::Audit;
use crate::rows::{Statements, candidates};
use crate::subject::Subject;
use crate::text::{literal, written};
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

/// Ways to change a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Insert,
    /// Of one column, by its place among those that can be changed.
    Update(usize),
    Delete,
    Replace,
    Upsert,
}

impl Change {
    /// Every way to change a row of a table, an UPDATE of each column that can be changed among them: a trigger may look at some alone.
    pub(super) fn all(populated: &Populated<'_>, tracked: &Table) -> Vec<Self> {
        let row = populated.rows_where(tracked, "1").into_iter().next();
        let count = row.map_or(0, |row| changes(populated, tracked, &row).len());
        let mut all = vec![Self::Insert, Self::Delete, Self::Replace, Self::Upsert];
        all.extend((0..count.max(1)).map(Self::Update));
        all
    }

    fn word(self) -> &'static str {
        match self {
            Self::Insert => "an INSERT",
            Self::Update(_) => "an UPDATE",
            Self::Delete => "a DELETE",
            Self::Replace => "a REPLACE",
            Self::Upsert => "an UPSERT",
        }
    }

    /// Makes the change in a world of its own; what is wrong with the entries that it leaves.
    pub(super) fn seen(
        self,
        populated: &Populated<'_>,
        log: &Log<'_>,
        tracked: &Table,
    ) -> Result<Option<Broken>, String> {
        let Some(row) = populated.rows_where(tracked, "1").into_iter().next() else {
            return Err(format!("no row could be made for `{}`", tracked.name));
        };
        let tenant = (0..populated.tenants.keys.len())
            .find(|tenant| populated.rows(tracked, *tenant).contains(&row))
            .unwrap_or(0);
        let spare = populated.spare(&tracked.name, tenant);
        let Some(statements) = self.statements(populated, tracked, &row, spare.as_ref()) else {
            return Err(format!(
                "{} of `{}` could not be thought of",
                self.word(),
                tracked.name
            ));
        };
        // New parents may leave entries of their own.
        let (last, before) = statements.split_last().ok_or("there is nothing to do")?;
        populated
            .batch(&before.to_vec())
            .map_err(|refused| refused.message)?;
        let entries = populated.rows_where(log.table, "1");
        let rows = populated.rows_where(tracked, "1");
        if let Err(refused) = populated.world.run(&last.0, &last.1) {
            // What is refused needs no entry; plain changes have to be seen.
            return match self {
                Self::Insert | Self::Update(_) | Self::Delete => Err(format!(
                    "{} of `{}` is refused ({})",
                    self.word(),
                    tracked.name,
                    refused.message
                )),
                Self::Replace | Self::Upsert => Ok(None),
            };
        }
        let now = populated.rows_where(tracked, "1");
        let known: Vec<String> = entries.iter().map(Row::found).collect();
        let mut new = populated.rows_where(log.table, "1");
        new.retain(|entry| !known.contains(&entry.found()));
        let removed: Vec<&Row> = rows.iter().filter(|row| !now.contains(row)).collect();
        let made: Vec<&Row> = now.iter().filter(|row| !rows.contains(row)).collect();
        if removed.is_empty() && made.is_empty() {
            return Err(format!(
                "{} of `{}` changes nothing",
                self.word(),
                tracked.name
            ));
        }
        let complaint = complaint(log, &removed, &made, &new);
        let mut repeat = populated.script(&[&tracked.name, &log.table.name]);
        repeat.extend(statements.iter().map(|(sql, values)| written(sql, values)));
        repeat.push(format!("SELECT * FROM {};", log.table.name.quoted()));
        Ok(complaint.map(|saw| Broken {
            object: format!("table {}", log.table.name),
            expected: format!(
                "{} of `{}` leaves one entry with its action, resource and values",
                self.word(),
                tracked.name
            ),
            saw,
            repeat,
        }))
    }

    fn statements(
        self,
        populated: &Populated<'_>,
        tracked: &Table,
        row: &Row,
        spare: Option<&Statements>,
    ) -> Option<Statements> {
        let name = tracked.name.quoted();
        let place = if let Self::Update(place) = self {
            place
        } else {
            0
        };
        let changed = changes(populated, tracked, row).into_iter().nth(place);
        let columns: Vec<String> = given(tracked).map(Name::quoted).collect();
        let marks: Vec<String> = (1..=columns.len())
            .map(|place| format!("?{place}"))
            .collect();
        let insert = format!(
            "INTO {name} ({}) VALUES ({})",
            columns.join(", "),
            marks.join(", ")
        );
        let (column, value) = changed?;
        let mut values: Vec<Value> = given(tracked).map(|column| row.value(column)).collect();
        let place = given(tracked).position(|name| *name == column)?;
        values[place] = value.clone();
        Some(match self {
            Self::Insert => spare?.clone(),
            Self::Update(_) => vec![(
                format!(
                    "UPDATE {name} SET {} = ?1 WHERE {}",
                    column.quoted(),
                    row.found()
                ),
                vec![value],
            )],
            Self::Delete => vec![(
                format!("DELETE FROM {name} WHERE {}", row.found()),
                Vec::new(),
            )],
            Self::Replace => vec![(format!("REPLACE {insert}"), values)],
            Self::Upsert => vec![(
                format!(
                    "INSERT {insert} ON CONFLICT DO UPDATE SET {} = excluded.{}",
                    column.quoted(),
                    column.quoted()
                ),
                values,
            )],
        })
    }
}

/// Columns beyond keys and references, each with another value that it takes, and with NULL where it takes that.
fn changes(populated: &Populated<'_>, tracked: &Table, row: &Row) -> Vec<(Name, Value)> {
    let is_bound = |name: &Name| {
        let in_reference = tracked
            .foreign_keys
            .iter()
            .any(|key| key.columns.contains(name));
        let is_parent = populated
            .schema
            .references_to(&tracked.name)
            .any(|(_, key)| key.parent_columns.contains(name));
        let is_unique = tracked.indexes.iter().any(|index| {
            index.unique
                && index
                    .columns
                    .iter()
                    .any(|part| part.name.as_ref() == Some(name))
        });
        in_reference || is_parent || is_unique || tracked.primary_key.contains(name)
    };
    let takes = |name: &Name, value: &Value| {
        let sql = format!(
            "UPDATE {} SET {} = ?1 WHERE {}",
            tracked.name.quoted(),
            name.quoted(),
            row.found()
        );
        populated.try_out(&vec![(sql, vec![value.clone()])]).is_ok()
    };
    let mut all = Vec::new();
    for name in given(tracked).filter(|name| !is_bound(name)) {
        let before = row.value(name);
        let mut values: Vec<Value> = match &before {
            Value::Integer(number) => vec![Value::Integer(number + 1)],
            Value::Text(text) => vec![Value::Text(format!("{text} changed"))],
            Value::Null | Value::Real(_) | Value::Blob(_) => Vec::new(),
        };
        let condition = format!("{} IS NULL", name.quoted());
        let pools = candidates(populated.schema, tracked, &condition);
        values.extend(pools.into_iter().flat_map(|(_, values)| values));
        values.retain(|value| *value != before && *value != Value::Null);
        let other = values.into_iter().find(|value| takes(name, value));
        all.extend(other.map(|value| (name.clone(), value)));
        if before != Value::Null && takes(name, &Value::Null) {
            all.push((name.clone(), Value::Null));
        }
    }
    all
}

/// What is wrong with new entries, if rows went and came.
fn complaint(log: &Log<'_>, removed: &[&Row], made: &[&Row], new: &[Row]) -> Option<String> {
    let (old, came) = (removed.first().copied(), made.first().copied());
    let actions = &log.claim.actions;
    let action = match (old, came) {
        (Some(_), Some(_)) => &actions.update,
        (None, _) => &actions.create,
        (Some(_), None) => &actions.delete,
    };
    // What goes along with the row leaves entries of its own.
    let row = came.or(old)?;
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
fn is_of(log: &Log<'_>, entry: &Row, row: &Row) -> bool {
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
