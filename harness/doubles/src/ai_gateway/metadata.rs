//! What the platform keeps of `cf-aig-metadata`. It never reports an error, as the platform never does.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Map, Value};

/// More entries are silently dropped.
const ENTRIES_MAX: usize = 5;

/// The entries of a JSON object in the order written, which "the first five" is about.
struct Entries(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// The metadata as stored: the first five entries without `cf.` keys.
///
/// One null or nested value makes the whole of it null (`None`), and so does, for lack of a published rule, anything
/// that is no JSON object. Whether a `cf.` key takes one of the five places is not published either; here it does.
pub(super) fn kept(raw: &str) -> Option<Map<String, Value>> {
    let Entries(entries) = serde_json::from_str(raw).ok()?;
    let is_flat =
        |value: &Value| matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_));
    if !entries.iter().all(|(_, value)| is_flat(value)) {
        return None;
    }
    Some(
        entries
            .into_iter()
            .take(ENTRIES_MAX)
            .filter(|(key, _)| !key.starts_with("cf."))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::kept;

    fn check(raw: &str, expected: &Value) {
        assert_eq!(kept(raw).map_or(Value::Null, Value::Object), *expected);
    }

    #[test]
    fn strings_numbers_and_booleans_are_kept() {
        check(
            r#"{"a":"x","b":1,"c":true}"#,
            &json!({"a": "x", "b": 1, "c": true}),
        );
    }

    #[test]
    fn the_first_five_entries_as_written_are_kept() {
        check(
            r#"{"z":"1","y":"2","x":"3","w":"4","v":"5","a":"6"}"#,
            &json!({"z": "1", "y": "2", "x": "3", "w": "4", "v": "5"}),
        );
    }

    #[test]
    fn one_null_or_nested_value_loses_everything() {
        check(r#"{"a":"x","b":null}"#, &Value::Null);
        check(r#"{"a":"x","b":{}}"#, &Value::Null);
        check(r#"{"a":"x","b":[]}"#, &Value::Null);
    }

    #[test]
    fn reserved_keys_are_dropped_alone() {
        check(r#"{"cf.x":"1","a":"x"}"#, &json!({"a": "x"}));
    }

    #[test]
    fn what_is_no_json_object_is_kept_as_nothing() {
        for raw in ["", "x", "[]", "\"a\"", "{\"a\":"] {
            check(raw, &Value::Null);
        }
    }
}
