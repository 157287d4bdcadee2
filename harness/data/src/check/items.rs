//! The items of a write that takes many at once, as JSON, and the keys that are fresh for them. Never runs a write.

use super::Outcome;
use super::settled::{Given, Settled};
use crate::claims::{Item, Write};
use rusqlite::types::Value;
use std::collections::BTreeMap;

/// What a fresh key looks like.
#[derive(Debug, Clone, Copy)]
pub(super) enum Key {
    Uuid,
    Integer,
    /// A number within a parent, which has few of them.
    Small,
}

impl Key {
    pub(super) const ALL: [Self; 3] = [Self::Uuid, Self::Integer, Self::Small];

    /// The key of an item; each round has keys of its own.
    pub(super) fn fresh(self, round: usize, item: usize) -> Value {
        let number = match self {
            Self::Uuid => {
                return Value::Text(format!("00000000-0000-4000-8{round:03}-{item:012}"));
            }
            Self::Integer => 1_000_000 + 1_000 * round + item,
            // The first two rounds are of one item and of 99.
            Self::Small => 100 * round.max(1) - 100 + 5 + item,
        };
        Value::Integer(i64::try_from(number).unwrap_or(0))
    }
}

/// The roles of what an item holds.
pub(super) fn roles(write: &Write) -> Vec<&String> {
    match &write.item {
        None => Vec::new(),
        Some(Item::Plain(part)) => vec![part],
        Some(Item::Named(parts)) => parts.values().collect(),
        Some(Item::InOrder(parts)) => parts.iter().collect(),
    }
}

/// A JSON array of so many items.
pub(super) fn list(
    settled: &Settled<'_>,
    write: &Write,
    (count, round, key): (usize, usize, Key),
) -> Result<Value, Outcome> {
    let mut items = Vec::new();
    for place in 0..count {
        let fresh = key.fresh(round, place);
        let given = Given::from([("new", fresh.clone()), ("item", fresh.clone())]);
        let roles: Vec<String> = roles(write).into_iter().cloned().collect();
        let values = settled.parameters(&roles, 0, &given, "[[data.write]] item")?;
        items.push(item(write, &fresh, &values));
    }
    Ok(Value::Text(serde_json::Value::from(items).to_string()))
}

/// A JSON array of one item by the values of all roles; none where it is not told what an item holds.
pub(super) fn one(write: &Write, values: &BTreeMap<String, Value>) -> Option<Value> {
    write.item.as_ref()?;
    let of = |role| values.get(role).cloned().unwrap_or(Value::Null);
    let values: Vec<Value> = roles(write).into_iter().map(of).collect();
    let items = vec![item(write, &Value::Null, &values)];
    Some(Value::Text(serde_json::Value::from(items).to_string()))
}

/// One item by the values of its roles; the fresh key where it has none.
fn item(write: &Write, fresh: &Value, values: &[Value]) -> serde_json::Value {
    let mut values = values.iter().map(json);
    match &write.item {
        None => json(fresh),
        Some(Item::Plain(_)) => values.next().unwrap_or_default(),
        Some(Item::Named(parts)) => {
            let named = parts.keys().cloned().zip(values);
            serde_json::Value::Object(named.collect())
        }
        Some(Item::InOrder(_)) => values.collect(),
    }
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Integer(number) => (*number).into(),
        Value::Real(number) => (*number).into(),
        Value::Text(text) => text.as_str().into(),
        Value::Null | Value::Blob(_) => serde_json::Value::Null,
    }
}
