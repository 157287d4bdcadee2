//! Values in words for a finding: texts in quotes, lists by commas, rows as JSON. Never shows how the program holds them.

use serde::Serialize;
use serde_json::Value;

/// A value as a reader meets it: `nothing` for none, `none` for an empty list, `name: value` for pairs of texts such as headers.
pub(crate) fn said(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_value(value).map_or_else(
        |error| format!("what cannot be told ({error})"),
        |value| match value.as_array() {
            Some(items) if items.is_empty() => "none".to_owned(),
            Some(items) => list(items),
            None => one(&value),
        },
    )
}

fn list(items: &[Value]) -> String {
    let said: Vec<String> = items
        .iter()
        .map(|item| pair(item).unwrap_or_else(|| one(item)))
        .collect();
    said.join(", ")
}

/// Two texts that belong together.
fn pair(value: &Value) -> Option<String> {
    match value.as_array()?.as_slice() {
        [Value::String(name), Value::String(value)] => Some(format!("{name}: {value}")),
        _ => None,
    }
}

fn one(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Array(items) => format!("({})", list(items)),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            value.to_string()
        }
    }
}

/// An error with its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_told_in_words() {
        assert_eq!(said(&None::<&str>), "nothing");
        assert_eq!(said(&Some("a \"b\"")), r#""a \"b\"""#);
        assert_eq!(said(&Vec::<String>::new()), "none");
        assert_eq!(said(&["a", "b"]), r#""a", "b""#);
        assert_eq!(said(&[(1, 2), (3, 4)]), "(1, 2), (3, 4)");
        let headers = [("x-ratelimit-limit", "50"), ("allow", "GET, HEAD")];
        assert_eq!(said(&headers), "x-ratelimit-limit: 50, allow: GET, HEAD");
        assert_eq!(said(&vec![json!({"id": 1})]), r#"{"id":1}"#);
    }
}
