//! The rules of `cf-aig-metadata` (AIG-001 to AIG-003). Never repairs what it reads: what the platform drops silently is a fault here.

use crate::said::said;
use serde_json::Value;
use std::collections::BTreeMap;

/// Most keys that the platform keeps.
pub const KEYS_MAX: usize = 5;
/// Longest value in characters.
pub const VALUE_CHARS_MAX: usize = 64;
/// The keys that every call carries.
pub const REQUIRED: [&str; 3] = ["platform", "tier", "workload"];
/// The keys that may be there besides.
pub const FURTHER: [&str; 2] = ["tenant_id", "sandbox_id"];

/// The entries of a header value that is a flat JSON object with string values for [`REQUIRED`].
///
/// # Errors
/// In words, what is wrong.
pub fn entries(raw: Option<&str>) -> Result<BTreeMap<String, String>, String> {
    let entries = pairs(raw)?;
    let raw = raw.unwrap_or_default();
    let value: Value = serde_json::from_str(raw).unwrap_or_default();
    if let Some(key) = REQUIRED
        .iter()
        .find(|key| value[**key].is_number() || value[**key].is_boolean())
    {
        return Err(format!("`{key}` of cf-aig-metadata `{raw}` is no string"));
    }
    match REQUIRED.iter().find(|key| !entries.contains_key(**key)) {
        Some(missing) => Err(format!("cf-aig-metadata `{raw}` lacks `{missing}`")),
        None => Ok(entries),
    }
}

/// The entries of a header value that is a flat JSON object without nulls, whichever they are.
///
/// # Errors
/// In words, what is wrong.
pub fn pairs(raw: Option<&str>) -> Result<BTreeMap<String, String>, String> {
    let raw = raw.ok_or("no cf-aig-metadata")?;
    let value: Value = serde_json::from_str(raw)
        .map_err(|error| format!("cf-aig-metadata `{raw}` is no JSON: {error}"))?;
    let object = value
        .as_object()
        .ok_or_else(|| format!("cf-aig-metadata `{raw}` is no object"))?;
    let mut entries = BTreeMap::new();
    for (key, value) in object {
        match value {
            Value::String(text) => {
                entries.insert(key.clone(), text.clone());
            }
            Value::Null | Value::Array(_) | Value::Object(_) => {
                return Err(format!(
                    "`{key}` of cf-aig-metadata `{raw}` is null or nested"
                ));
            }
            Value::Bool(_) | Value::Number(_) => {
                entries.insert(key.clone(), value.to_string());
            }
        }
    }
    Ok(entries)
}

/// Whether the platform keeps all of it: AIG-002.
///
/// # Errors
/// In words, what would be dropped, or breaks the contract's own limit.
pub fn within_limits(entries: &BTreeMap<String, String>) -> Result<(), String> {
    if entries.len() > KEYS_MAX {
        return Err(format!(
            "{} keys: {entries}",
            entries.len(),
            entries = said(&entries)
        ));
    }
    for (key, value) in entries {
        if key.starts_with("cf.") {
            return Err(format!("the reserved key `{key}`"));
        }
        let length = value.chars().count();
        if length > VALUE_CHARS_MAX {
            return Err(format!("`{key}` has {length} characters"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_flat_object_with_the_required_strings_passes() {
        let good = r#"{"platform":"web","tier":"free","workload":"chat","n":1}"#;
        assert_eq!(entries(Some(good)).unwrap().len(), 4);
        for bad in [
            r#"{"platform":"web","tier":"free"}"#,
            r#"{"platform":"web","tier":null,"workload":"chat"}"#,
            r#"{"platform":"web","tier":1,"workload":"chat"}"#,
            r#"{"platform":"web","tier":"free","workload":"chat","x":{}}"#,
            "[]",
            "x",
        ] {
            assert!(entries(Some(bad)).is_err(), "{bad}");
        }
        assert!(entries(None).is_err());
    }

    #[test]
    fn sixty_four_characters_five_keys_and_no_reserved_name() {
        let with = |pairs: &[(&str, usize)]| -> BTreeMap<String, String> {
            pairs
                .iter()
                .map(|(key, length)| ((*key).to_owned(), "ü".repeat(*length)))
                .collect()
        };
        assert!(within_limits(&with(&[("a", 64), ("b", 0)])).is_ok());
        assert!(within_limits(&with(&[("a", 65)])).is_err());
        assert!(within_limits(&with(&[("cf.a", 1)])).is_err());
        assert!(
            within_limits(&with(&[
                ("a", 1),
                ("b", 1),
                ("c", 1),
                ("d", 1),
                ("e", 1),
                ("f", 1)
            ]))
            .is_err()
        );
    }
}
