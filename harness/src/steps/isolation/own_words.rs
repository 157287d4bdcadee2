//! The names under which a target's own routes take a tenant: whoever reads them on operators' routes may read them elsewhere. Never sends a request.

use crate::subject::dialect::Dialect;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// What a tenant is named by, in the words of the features.
const IDENTIFIERS: [&str; 2] = ["{id}", "{slug}"];
/// Names that every target may have, whatever its manifest says.
const USUAL: [(&str, &str); 2] = [("id", "{id}"), ("slug", "{slug}")];
/// So many names are tried at most: each costs every tenant several requests of its quota.
const NAMES_MAX: usize = 5;

/// How a request may name another tenant in the words of the target's own routes: `query NAME={id}`, `header X-Name: {id}`,
/// `body {…}`, a JSON object, and `status /…` or `chat /…`, a path, where the target's are its own.
pub(super) fn lines(dialect: &Dialect) -> Vec<String> {
    let mut names = BTreeSet::new();
    let spellings = [
        &dialect.create_tenant,
        &dialect.read_tenant,
        &dialect.change_tenant,
        &dialect.delete_tenant,
        &dialect.read_usage,
        &dialect.read_routing,
        &dialect.read_gateway,
        &dialect.start_gateway,
    ];
    let own_paths = spellings.into_iter().flatten();
    let own_paths = own_paths.filter_map(|spelling| spelling.path.as_ref());
    let paths = [
        &dialect.tenant,
        &dialect.usage,
        &dialect.routing,
        &dialect.gateway,
        &dialect.gateway_start,
    ];
    for path in paths.into_iter().chain(own_paths) {
        names.extend(in_query(path));
    }
    let template = dialect
        .create_tenant
        .as_ref()
        .and_then(|own| own.body.as_ref());
    let identified = template.and_then(|template| only_identifiers(template, &mut names));
    let own = names.into_iter();
    let usual = USUAL.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut lines = Vec::new();
    for (name, value) in own.chain(usual).take(NAMES_MAX) {
        lines.push(format!("query {name}={value}"));
        lines.push(format!("header X-{name}: {value}"));
        lines.push(format!("body {}", json!({ name: value })));
    }
    lines.extend(identified.map(|body| format!("body {body}")));
    lines.extend(paths_below(dialect));
    lines
}

/// Paths below the target's own public ones. Below the usual ones they stand in a scenario of their own.
fn paths_below(dialect: &Dialect) -> Vec<String> {
    let usual = Dialect::default();
    let routes = [
        (&dialect.status, &usual.status, "status"),
        (&dialect.chat, &usual.chat, "chat"),
    ];
    let own = routes.into_iter().filter(|(own, usual, _)| own != usual);
    own.flat_map(|(own, _, route)| {
        let path = own
            .split('?')
            .next()
            .unwrap_or_default()
            .trim_end_matches('/');
        IDENTIFIERS.map(|identifier| format!("{route} {path}/{identifier}"))
    })
    .collect()
}

/// The parameters of a path's query that hold an identifier.
fn in_query(path: &str) -> Vec<(String, String)> {
    let query = path.split_once('?').map_or("", |(_, query)| query);
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .filter(|(_, value)| IDENTIFIERS.contains(value))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// A template with nothing but the members that hold an identifier; their names are added to the others.
fn only_identifiers(template: &Value, names: &mut BTreeSet<(String, String)>) -> Option<Value> {
    let Value::Object(members) = template else {
        return None;
    };
    let mut kept = Map::new();
    for (name, value) in members {
        match value {
            Value::String(text) if IDENTIFIERS.contains(&text.as_str()) => {
                names.insert((name.clone(), text.clone()));
                kept.insert(name.clone(), value.clone());
            }
            Value::Object(_) => {
                let below = only_identifiers(value, names);
                kept.extend(below.map(|below| (name.clone(), below)));
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => {}
        }
    }
    (!kept.is_empty()).then_some(Value::Object(kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_queries_and_bodies_of_the_targets_own_routes() {
        let own: Dialect = toml::from_str(
            r#"
            usage = "/_admin/ledger?customer={id}&since=0"
            create_tenant = { body = { customer = { label = "{slug}", uuid = "{id}", surface = "{platform}" } } }
            "#,
        )
        .unwrap();
        let lines = lines(&own);
        for line in [
            "query customer={id}",
            "header X-customer: {id}",
            r#"body {"label":"{slug}"}"#,
            r#"body {"customer":{"label":"{slug}","uuid":"{id}"}}"#,
        ] {
            assert!(lines.iter().any(|own| own == line), "{line}: {lines:?}");
        }
        assert!(!lines.iter().any(|line| line.contains("platform")));
    }

    #[test]
    fn paths_below_the_targets_own_ones_name_a_tenant() {
        let own = Dialect {
            status: "/whoami".into(),
            ..Dialect::default()
        };
        let lines = lines(&own);
        for line in ["status /whoami/{id}", "status /whoami/{slug}"] {
            assert!(lines.iter().any(|own| own == line), "{line}: {lines:?}");
        }
        assert!(!lines.iter().any(|line| line.starts_with("chat ")));
    }

    #[test]
    fn a_target_in_the_words_of_the_shapes_has_the_usual_names() {
        let lines = lines(&Dialect::default());
        assert_eq!(lines.len(), 3 * USUAL.len());
        assert!(lines.contains(&"query slug={slug}".to_owned()));
    }
}
