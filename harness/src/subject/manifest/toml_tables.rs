//! Lists that stand where the manifest has a table: read field by field in their order, they would mean something else. Never reads a file.

use schemars::JsonSchema;
use serde_json::{Map, Value};

/// What is wrong with the first list that stands where `T` has a table with keys.
pub(super) fn list_for_a_table<T: JsonSchema>(document: &toml::Table) -> Option<String> {
    let schema = schemars::schema_for!(T).to_value();
    let document = serde_json::to_value(document).ok()?;
    let definitions = schema.get("$defs").and_then(Value::as_object);
    Looked { definitions }.at(&document, &schema, "")
}

struct Looked<'a> {
    definitions: Option<&'a Map<String, Value>>,
}

impl Looked<'_> {
    fn at(&self, value: &Value, schema: &Value, path: &str) -> Option<String> {
        let schema = self.definition(schema);
        let keys = schema.get("properties").and_then(Value::as_object);
        match value {
            Value::Array(_) => keys.map(|keys| refusal(path, keys)).or_else(|| {
                let items = schema.get("items")?;
                let mut values = value.as_array()?.iter();
                values.find_map(|value| self.at(value, items, path))
            }),
            Value::Object(members) => members.iter().find_map(|(name, value)| {
                let own = keys.and_then(|keys| keys.get(name));
                let schema = own.or_else(|| schema.get("additionalProperties"))?;
                self.at(
                    value,
                    schema,
                    format!("{path}.{name}").trim_start_matches('.'),
                )
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        }
    }

    /// The schema itself, behind a reference or beside nothing but `null`.
    fn definition<'s>(&'s self, schema: &'s Value) -> &'s Value {
        let referred = |schema: &'s Value| {
            let name = schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/")?;
            self.definitions?.get(name)
        };
        let only = || match schema.get("anyOf")?.as_array()?.as_slice() {
            [only, null] if null["type"] == "null" => referred(only),
            _ => None,
        };
        referred(schema).or_else(only).unwrap_or(schema)
    }
}

fn refusal(path: &str, keys: &Map<String, Value>) -> String {
    let names: Vec<String> = keys.keys().map(|key| format!("`{key}`")).collect();
    format!(
        "`{path}` is a list, and must be a table `{{ … }}` with some of the keys {}",
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::super::Manifest;
    use super::*;

    fn told(text: &str) -> Option<String> {
        list_for_a_table::<Manifest>(&toml::from_str(text).unwrap())
    }

    #[test]
    fn a_list_is_no_table() {
        let faults = told("[control]\nstore_faults = ['--env', 'chaos']").unwrap();
        assert!(
            faults.starts_with("`control.store_faults` is a list"),
            "{faults}"
        );
        assert!(faults.contains("`arguments`"), "{faults}");
        let spelling = told("[dialect]\ncreate_tenant = ['PUT', '/t/{slug}']").unwrap();
        assert!(
            spelling.starts_with("`dialect.create_tenant`"),
            "{spelling}"
        );
        let variant = told("[variants]\ndev-mode = ['--env', 'dev']").unwrap();
        assert!(variant.starts_with("`variants.dev-mode`"), "{variant}");
        let prepare = told("[launch]\nprepare = [['npm', 'ci']]").unwrap();
        assert!(prepare.starts_with("`launch.prepare`"), "{prepare}");
    }

    #[test]
    fn lists_and_tables_in_their_places_are_right() {
        let right = "[launch]\ncommand = ['a']\nsetup = [['b', 'c']]\nprepare = [{ run = ['d'] }]\n[control]\nstore_faults = { arguments = ['--env', 'chaos'] }";
        assert_eq!(told(right), None);
    }
}
