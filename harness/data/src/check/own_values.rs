//! Values of a declared write's parameters with which it writes something for its own tenant. Never takes a value of another tenant's.

use super::Outcome;
use super::items;
use super::populated::{Row, rows_of};
use super::settled::Settled;
use crate::catalog::Name;
use crate::claims::{Items, Write};
use crate::text::find_word;
use rusqlite::types::Value;
use std::collections::BTreeMap;

const KEY: &str = "[[data.write]]";

/// Rows of the tenant that are combined until a write writes something.
const COMBINATIONS: usize = 27;

/// The whole content of a world.
pub(super) fn content(settled: &Settled<'_>) -> BTreeMap<Name, Vec<Row>> {
    let tables = settled
        .schema()
        .tables
        .values()
        .filter(|table| table.is_ordinary());
    tables
        .map(|table| (table.name.clone(), rows_of(settled.world(), table, "1")))
        .collect()
}

/// The statements of a write with the values of its parameters.
pub(super) fn bound<'w>(
    write: &'w Write,
    values: &BTreeMap<String, Value>,
) -> Vec<(&'w str, Vec<Value>)> {
    let statements = write.sql.iter().enumerate();
    statements
        .map(|(at, sql)| {
            let roles = write.parameters.get(at).into_iter().flatten();
            let value = |role: &String| match items::one(write, values) {
                Some(items) if role == "item" => items,
                _ => values.get(role).cloned().unwrap_or(Value::Null),
            };
            let values = roles.map(value);
            (sql.as_str(), values.collect())
        })
        .collect()
}

/// Values of all roles with which the write writes something for the first tenant.
pub(super) fn own(
    settled: &Settled<'_>,
    write: &Write,
) -> Result<BTreeMap<String, Value>, Outcome> {
    let mut why = "it writes nothing".to_owned();
    for given in givens(settled, write) {
        for combination in 0..COMBINATIONS {
            let values = chosen(settled, write, &given, combination)?;
            let statements = bound(write, &values);
            let before = content(settled);
            match settled.world().batch(&statements) {
                Ok(_) if content(settled) != before => return Ok(values),
                Ok(_) => {}
                Err(refused) => {
                    why = refused.message;
                }
            }
        }
    }
    Err(Outcome::NotVerified {
        reason: format!(
            "the write \"{}\" is not seen to write for its own tenant: {why}",
            write.name
        ),
        key: Some("[[data.write]] parameters".to_owned()),
    })
}

/// Values of all roles that a write can be tried with for the first tenant, as far as anything is known to stand for them.
pub(super) fn choices<'s>(
    settled: &'s Settled<'_>,
    write: &'s Write,
) -> impl Iterator<Item = BTreeMap<String, Value>> + 's {
    let givens = givens(settled, write).into_iter();
    givens.flat_map(move |given| {
        (0..COMBINATIONS)
            .filter_map(move |combination| chosen(settled, write, &given, combination).ok())
    })
}

/// What `new`, `id` and `item` may stand for, one after the other.
fn givens(settled: &Settled<'_>, write: &Write) -> Vec<BTreeMap<&'static str, Value>> {
    let fresh = [
        Value::Text("moltproof-new".to_owned()),
        Value::Integer(900_001),
        Value::Blob(vec![0xaa; 16]),
        Value::Text("2026-12-24".to_owned()),
        Value::Integer(97),
    ];
    let keys = written_keys(settled, write);
    let mut all = Vec::new();
    for new in &fresh {
        for id in keys.iter().chain([new]) {
            let item = if write.items == Items::Json {
                let json = match id {
                    Value::Integer(number) => serde_json::json!([number]),
                    Value::Text(text) => serde_json::json!([text]),
                    Value::Null | Value::Real(_) | Value::Blob(_) => serde_json::json!([1]),
                };
                Value::Text(json.to_string())
            } else {
                new.clone()
            };
            all.push(BTreeMap::from([
                ("new", new.clone()),
                ("id", id.clone()),
                ("item", item),
            ]));
        }
    }
    all
}

/// Keys of the first tenant's rows in the tables that the write names.
fn written_keys(settled: &Settled<'_>, write: &Write) -> Vec<Value> {
    let mut keys = Vec::new();
    for table in settled
        .schema()
        .tables
        .values()
        .filter(|table| table.is_ordinary())
    {
        let names = |sql: &String| {
            ["into", "update", "from"].iter().any(|word| {
                let behind = find_word(sql, word, 0).map(|found| &sql[found.end..]);
                behind.is_some_and(|rest| {
                    let name = rest.trim_start().trim_start_matches(['"', '`', '[']);
                    find_word(name, table.name.as_str(), 0).is_some_and(|found| found.start == 0)
                })
            })
        };
        if write.sql.iter().any(names)
            && let Some(key) = table.primary_key.last()
        {
            keys.extend(settled.rows(table, 0).first().map(|row| row.value(key)));
        }
    }
    keys
}

/// The values of all roles, those of rows from one combination of the tenant's rows.
fn chosen(
    settled: &Settled<'_>,
    write: &Write,
    given: &BTreeMap<&'static str, Value>,
    combination: usize,
) -> Result<BTreeMap<String, Value>, Outcome> {
    let mut rest = combination;
    let mut values: BTreeMap<String, Value> = BTreeMap::new();
    let roles = write.parameters.iter().flatten();
    for role in roles.chain(items::roles(write)) {
        if values.contains_key(role) {
            continue;
        }
        let row = if role.contains('.') && !role.starts_with('\'') {
            let row = rest % 3;
            rest /= 3;
            row
        } else {
            0
        };
        let value = settled
            .parameters_at(std::slice::from_ref(role), (0, row), given, KEY)?
            .remove(0);
        values.insert(role.clone(), value);
    }
    Ok(values)
}
