//! PAT-011: declared writes that name what does not exist, or what belongs to another tenant. Never counts a refusal where the own row is refused too.

use super::items;
use super::own_values::{bound, content, own};
use super::populated::Row;
use super::settled::{Given, Settled};
use super::{Aspect, Broken, Outcome};
use crate::catalog::{Name, Table};
use crate::claims::Write;
use crate::rows::Tenancy;
use crate::subject::Subject;
use crate::text::counted;
use crate::text::{find_word, written};
use rusqlite::types::Value;
use std::collections::BTreeMap;

/// The aspects of this family.
pub(super) const ASPECTS: &[Aspect] = &[
    Aspect {
        criterion: "PAT-011",
        sentence: "a declared write that names a tenant, user or parent of another tenant writes nothing",
        judge: foreign,
    },
    Aspect {
        criterion: "PAT-011",
        sentence: "a declared write that names a tenant, user or parent that does not exist writes nothing",
        judge: missing,
    },
];

const KEY: &str = "[[data.write]]";

/// What is put in the place of a parameter's own value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attack {
    Foreign,
    Missing,
}

fn foreign(subject: &Subject) -> Outcome {
    if let Err((key, reason)) = Tenancy::of(subject.schema(), &subject.claims) {
        return Outcome::NotVerified {
            reason,
            key: Some(format!("data.{key}")),
        };
    }
    judge(subject, Attack::Foreign)
}

fn missing(subject: &Subject) -> Outcome {
    judge(subject, Attack::Missing)
}

fn judge(subject: &Subject, attack: Attack) -> Outcome {
    if subject.claims.write.is_empty() {
        return Outcome::undeclared("no write is declared", KEY);
    }
    let tenancy =
        Tenancy::of(subject.schema(), &subject.claims).unwrap_or_else(|_none| Tenancy::nobody());
    let (mut broken, mut unseen, mut seen) = (Vec::new(), None, 0);
    for write in &subject.claims.write {
        let owning = owning(subject, &tenancy, write, attack);
        // Whoever names nothing but themselves writes for themselves.
        if owning.is_empty() || attack == Attack::Foreign && owning.len() < 2 {
            continue;
        }
        for role in &owning {
            match attacked(subject, write, role, attack) {
                Ok(None) => seen += 1,
                Ok(Some(way)) => broken.push(way),
                Err(Outcome::NotVerified { reason, key }) => unseen = Some((reason, key)),
                Err(other) => return other,
            }
        }
    }
    if let (true, Some((reason, key))) = (broken.is_empty(), unseen) {
        return Outcome::NotVerified { reason, key };
    }
    if seen == 0 && broken.is_empty() {
        return Outcome::Held {
            saw: "no declared write names anything beside what it writes for".to_owned(),
        };
    }
    Outcome::of(
        broken,
        format!(
            "{}, each of which wrote nothing; with the tenant's own rows it wrote",
            counted(seen, "attempt")
        ),
    )
}

/// The roles of parameters that say for whom or to what a write goes; for an attack by another tenant's rows, those that belong to tenants.
fn owning(subject: &Subject, tenancy: &Tenancy, write: &Write, attack: Attack) -> Vec<String> {
    let schema = subject.schema();
    let is_scoped =
        |table: &Table| attack == Attack::Missing || tenancy.scoped.contains_key(&table.name);
    let is_owning = |role: &str| match role {
        "tenant" => !tenancy.scoped.is_empty(),
        "user" => {
            let users = subject.claims.users.as_deref();
            users
                .and_then(|users| schema.table(users))
                .is_some_and(is_scoped)
        }
        _ => role.split_once('.').is_some_and(|(table, column)| {
            let (table, column) = (schema.table(table), Name::new(column));
            table.is_some_and(|table| {
                is_scoped(table) && is_key(subject, table, &column)
                    || parents(subject, table, &column).any(is_scoped)
            })
        }),
    };
    let mut roles: Vec<String> = Vec::new();
    for (sql, parameters) in write.sql.iter().zip(&write.parameters) {
        for (place, role) in parameters.iter().enumerate() {
            // Whoever inserts a row under a key that nobody has makes that row.
            let is_own_key =
                attack == Attack::Missing && is_key_of_insert(tenancy, sql, place, role);
            if is_owning(role) && !is_own_key && !roles.contains(role) {
                roles.push(role.clone());
            }
        }
    }
    for role in items::roles(write) {
        if is_owning(role) && !roles.contains(role) {
            roles.push(role.clone());
        }
    }
    roles
}

/// Whether a parameter is the key of the very row that a statement inserts.
fn is_key_of_insert(tenancy: &Tenancy, sql: &str, place: usize, role: &str) -> bool {
    let (table, column) = match role.split_once('.') {
        Some(pair) => pair,
        None => (tenancy.tenants.as_str(), tenancy.key.as_str()),
    };
    let Some(into) = find_word(sql, "into", 0) else {
        return false;
    };
    let Some((name, rest)) = sql[into.end..].split_once('(') else {
        return false;
    };
    let plain = |text: &str| {
        let quotes = ['"', '`', '[', ']'];
        text.trim().trim_matches(quotes).to_ascii_lowercase()
    };
    let columns = rest.split_once(')').map_or("", |(columns, _)| columns);
    plain(name) == plain(table)
        && columns
            .split(',')
            .nth(place)
            .is_some_and(|named| plain(named) == plain(column))
}

/// Whether a column identifies a row: it is in the primary key, or something refers to it.
fn is_key(subject: &Subject, table: &Table, column: &Name) -> bool {
    let mut references = subject.schema().references_to(&table.name);
    table.primary_key.contains(column)
        || references.any(|(_, key)| key.parent_columns.contains(column))
}

/// The tables that a column refers to, alone or with others.
fn parents<'s>(
    subject: &'s Subject,
    table: &'s Table,
    column: &Name,
) -> impl Iterator<Item = &'s Table> {
    let keys = table.foreign_keys.iter();
    let of_column = keys.filter(move |key| key.columns.contains(column));
    of_column.filter_map(|key| subject.schema().tables.get(&key.parent))
}

/// What came of a write with one role's value replaced.
fn attacked(
    subject: &Subject,
    write: &Write,
    role: &str,
    attack: Attack,
) -> Result<Option<Broken>, Outcome> {
    let after = Settled::new(subject)?;
    let own = own(&after, write)?;
    let fresh = Settled::new(subject)?;
    let mut values = own.clone();
    let replaced = match attack {
        Attack::Foreign => {
            let mut foreign = fresh.parameters(&[role.to_owned()], 1, &Given::new(), KEY)?;
            foreign.remove(0)
        }
        Attack::Missing => nothing(own.get(role).unwrap_or(&Value::Null)),
    };
    values.insert(role.to_owned(), replaced);
    let statements = bound(write, &values);
    let own_content = kept(subject, &after);
    if has_written(subject, &fresh, &statements) != Some(true) {
        return Ok(None);
    }
    let is_as_own = kept(subject, &fresh) == own_content;
    // A batch may tidy up after itself and so remove what an earlier one left: behind the own write there is nothing left to tidy.
    if let Some(value) = values.get_mut("new") {
        *value = another(value);
    }
    if !is_as_own && has_written(subject, &after, &bound(write, &values)) == Some(false) {
        return Ok(None);
    }
    let what = match attack {
        Attack::Foreign => "belongs to another tenant",
        Attack::Missing => "does not exist",
    };
    Ok(Some(Broken {
        object: format!("write {}", write.name),
        expected: format!("nothing is written where `{role}` {what}"),
        saw: format!("it wrote although its `{role}` {what}"),
        repeat: repeat(subject, &statements),
    }))
}

/// The whole content of a world, what outlives tenants left out, for that refers to nothing.
fn kept(subject: &Subject, settled: &Settled<'_>) -> BTreeMap<Name, Vec<Row>> {
    let mut all = content(settled);
    all.retain(|name, _| !super::tenancy::outlives(subject, name));
    all
}

/// Whether statements changed anything of it; none if they are refused.
fn has_written(
    subject: &Subject,
    settled: &Settled<'_>,
    statements: &[(&str, Vec<Value>)],
) -> Option<bool> {
    let before = kept(subject, settled);
    settled.world().batch(statements).ok()?;
    Some(kept(subject, settled) != before)
}

/// A value like a fresh one, and another.
pub(super) fn another(value: &Value) -> Value {
    match value {
        Value::Integer(number) => Value::Integer(number + 1),
        Value::Text(text) if text.starts_with("2026-") => Value::Text("2026-12-23".to_owned()),
        Value::Text(text) => Value::Text(format!("{text}-2")),
        Value::Blob(bytes) => Value::Blob(vec![0xab; bytes.len()]),
        Value::Null | Value::Real(_) => value.clone(),
    }
}

fn repeat(subject: &Subject, statements: &[(&str, Vec<Value>)]) -> Vec<String> {
    let made = subject
        .rows()
        .map(|tenants| tenants.statements.clone())
        .unwrap_or_default();
    let made = made.iter().map(|(sql, values)| written(sql, values));
    made.chain(
        statements
            .iter()
            .map(|(sql, values)| written(sql.trim(), values)),
    )
    .collect()
}

/// A value of the same type that no row has.
fn nothing(own: &Value) -> Value {
    match own {
        Value::Integer(_) | Value::Real(_) => Value::Integer(987_654_321),
        Value::Blob(bytes) => Value::Blob(vec![0xee; bytes.len()]),
        Value::Text(_) | Value::Null => Value::Text("moltproof: nobody".to_owned()),
    }
}
