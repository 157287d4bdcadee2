//! Bodies of a target, made of templates and the fields of the body of `shapes.md`. Never drops what a caller smuggles in.

use serde_json::{Map, Value};

/// Fields of the creating body that the harness itself fills in; a target need not take them all.
pub(crate) const OF_A_TENANT: [&str; 5] = ["id", "slug", "tier", "platform", "domains"];

/// The body of a template; and the fields of a tenant that it has no place for.
/// Any other field that the template does not name is added where the first named one stands: what a caller smuggles in is sent.
pub(super) fn filled(template: &Value, fields: &Map<String, Value>) -> (Value, Vec<String>) {
    let mut named = Vec::new();
    let mut body = fill(template, fields, &mut named).unwrap_or(Value::Null);
    let (unsaid, smuggled): (Vec<_>, Vec<_>) = fields
        .iter()
        .filter(|(name, _)| !named.contains(name))
        .partition(|(name, _)| OF_A_TENANT.contains(&name.as_str()));
    if let Some(place) = innermost(template, &mut body) {
        for (name, value) in smuggled {
            place.insert(name.clone(), value.clone());
        }
    }
    (
        body,
        unsaid.into_iter().map(|(name, _)| name.clone()).collect(),
    )
}

pub(super) fn fill(
    template: &Value,
    fields: &Map<String, Value>,
    named: &mut Vec<String>,
) -> Option<Value> {
    match template {
        Value::String(text) => {
            let Some(name) = placeholder(text) else {
                return Some(template.clone());
            };
            named.push(name.to_owned());
            fields.get(name).cloned()
        }
        Value::Object(members) => {
            let filled = members
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), fill(value, fields, named)?)));
            Some(Value::Object(filled.collect()))
        }
        Value::Array(items) => Some(Value::Array(
            items
                .iter()
                .filter_map(|item| fill(item, fields, named))
                .collect(),
        )),
        Value::Null | Value::Bool(_) | Value::Number(_) => Some(template.clone()),
    }
}

fn placeholder(text: &str) -> Option<&str> {
    text.strip_prefix('{')?.strip_suffix('}')
}

/// The first object of the body whose template names a field.
fn innermost<'a>(template: &Value, body: &'a mut Value) -> Option<&'a mut Map<String, Value>> {
    let members = template.as_object()?;
    let names_one = members.values().any(|value| {
        value
            .as_str()
            .is_some_and(|text| placeholder(text).is_some())
    });
    if names_one {
        return body.as_object_mut();
    }
    let body = body.as_object_mut()?;
    let inner = members.iter().find(|(_, value)| value.is_object())?;
    innermost(inner.1, body.get_mut(inner.0)?)
}
