//! What a configuration error names, and that it shows nothing else. Never looks at other errors.

use crate::contract::need::Variant;
use crate::evidence::Exchange;
use crate::run::book::Book;
use crate::run::scene::{Scene, breach, describe, misshapen};
use crate::said::said;
use crate::verdict::{Check, Finding, OrUnmet as _, Stop};

use regex::Regex;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r"each answer names what is missing and shows nothing else of the configuration",
        |s, _a| Box::pin(names_only(s)),
    );
}

/// The names in a list such as `A, B`.
pub(super) fn listed(text: &str) -> BTreeSet<String> {
    text.split(',').map(|name| name.trim().to_owned()).collect()
}

/// What the names of bindings and variables look like, and no kind of theirs (`D1`, `var`) does.
static NAME: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new("^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$").ok());

fn is_name(text: &str) -> bool {
    NAME.as_ref().is_some_and(|name| name.is_match(text))
}

/// Where an object about one that is missing may have its name; its kind beside it may look like a name.
const NAME_OF_ONE: [&str; 5] = ["name", "binding", "variable", "key", "id"];

/// The names that stand in a text, whatever parts them; the text itself where there are none.
fn words(text: &str) -> BTreeSet<String> {
    let parts = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let names: BTreeSet<String> = parts
        .filter(|part| is_name(part))
        .map(str::to_owned)
        .collect();
    if names.is_empty() {
        listed(text)
    } else {
        names
    }
}

/// The names that a value gives: a text that holds some, or an array of texts or of objects; by kind, or by name.
fn named(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Array(list) => list.iter().flat_map(named_by_one).collect(),
        Value::String(text) => words(text),
        Value::Object(fields) if fields.keys().any(|name| is_name(name)) => fields
            .keys()
            .filter(|name| is_name(name))
            .cloned()
            .collect(),
        Value::Object(fields) => fields
            .values()
            .filter(|value| value.is_array() || value.is_object())
            .flat_map(named)
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => BTreeSet::new(),
    }
}

fn named_by_one(item: &Value) -> BTreeSet<String> {
    let Value::Object(fields) = item else {
        let text = item
            .as_str()
            .map_or_else(|| item.to_string(), str::to_owned);
        return BTreeSet::from([text]);
    };
    let own = NAME_OF_ONE
        .iter()
        .find_map(|place| fields.get(*place)?.as_str());
    if let Some(own) = own {
        return BTreeSet::from([own.to_owned()]);
    }
    let mut shown = Vec::new();
    texts(item, &mut shown);
    shown.into_iter().filter(|text| is_name(text)).collect()
}

/// What a missing thing may be said to be beside its name, in any case; several of these words make a kind such as `kv_namespace`.
const KINDS: [&str; 28] = [
    "ai",
    "binding",
    "bindings",
    "bucket",
    "config",
    "configuration",
    "d1",
    "database",
    "empty",
    "env",
    "environment",
    "gateway",
    "key",
    "kv",
    "missing",
    "namespace",
    "plain",
    "r2",
    "required",
    "secret",
    "setting",
    "string",
    "text",
    "unbound",
    "unset",
    "url",
    "var",
    "variable",
];

/// Whether a text is a name, several, or the kind of what is named: anything else may be a value.
fn is_name_or_kind(text: &str) -> bool {
    let is_name = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_uppercase())
            && word
                .chars()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    let is_kind = |word: &str| {
        let word = word.to_ascii_lowercase();
        word.split(['_', '-']).all(|part| KINDS.contains(&part))
    };
    let mut words = text.split([',', ' ']).filter(|word| !word.is_empty());
    words.all(|word| is_name(word) || is_kind(word))
}

/// Where models are called is said by the first of these, or by the other two.
const GATEWAY: [&str; 3] = [
    "AI_GATEWAY_BASE_URL",
    "CF_AI_GATEWAY_ACCOUNT_ID",
    "CF_AI_GATEWAY_GATEWAY_ID",
];

/// Whether the names that an answer gives are these: of the gateway's address either way to say it, or both.
fn says(seen: &BTreeSet<String>, names: &BTreeSet<String>) -> bool {
    let [base, account, gateway] = GATEWAY;
    if !names.contains(base) {
        return seen == names;
    }
    let rest = |all: &BTreeSet<String>| -> BTreeSet<String> {
        let others = all.iter().filter(|name| !GATEWAY.contains(&name.as_str()));
        others.cloned().collect()
    };
    let is_told = seen.contains(base) || (seen.contains(account) && seen.contains(gateway));
    is_told && rest(seen) == rest(names)
}

/// Asserts a configuration error that names exactly these.
pub(super) fn expect_missing(
    s: &mut Scene,
    answer: &Exchange,
    status: u16,
    code: &str,
    names: &BTreeSet<String>,
) -> Check {
    let which = format!("{} {}", answer.request.method, answer.request.path);
    let expected = format!(
        "{status} {code} that names exactly {names} from {which}",
        names = said(&names)
    );
    // Refused in a form that somebody answers for: what it names stands in no promise.
    if answer.status != status || !answer.has_code(code) {
        return s
            .expect_error(answer, status, code)
            .map_err(|stop| match stop {
                Stop::Violation(finding) => Stop::Violation(Finding {
                    expected: expected.clone(),
                    ..finding
                }),
                other @ (Stop::Unmet(_)
                | Stop::NotVerified(_)
                | Stop::NotApplicable(_)
                | Stop::Fault(_)) => other,
            });
    }
    let seen = answer
        .at(&s.dialect().configuration_missing)
        .map(|value| named(&value))
        .unwrap_or_default();
    if says(&seen, names) {
        s.checks += 1;
        return Ok(());
    }
    // Named somewhere else in the answer is told apart from not named.
    let text = answer.text();
    if seen.is_empty() && names.iter().all(|name| text.contains(name.as_str())) {
        return Err(misshapen(expected, describe(answer)));
    }
    Err(breach(expected, describe(answer)))
}

/// What no answer about configuration may hold: values that the harness itself gave the target.
async fn values(s: &mut Scene) -> Result<Vec<String>, Stop> {
    let mut values = Vec::new();
    for variant in [None, Some(Variant::Production)] {
        let instance = match variant {
            Some(variant) => s.run.target.instance(variant).await?,
            None => s.instance().await?,
        };
        if let Some(access) = &instance.access {
            values.extend([access.origin(), access.audience().to_owned()]);
        }
        if let Some(gateway) = &instance.gateway {
            values.push(gateway.base_url());
        }
    }
    let secrets = s
        .run
        .secrets
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .clone();
    values.extend(secrets);
    values.retain(|value| !value.is_empty());
    Ok(values)
}

/// What only the inside of a Worker says: places in code and files, statements, errors of its runtime, tokens.
const INTERNAL: &str = r"(?i)\bat\s+\S+:\d+|\bstack\b|panicked|backtrace|\.(rs|ts|js|mjs|sqlite|db)\b|/(home|usr|tmp|var|src|work|opt)/|node_modules|\b(select|insert|update)\s|eyJ[A-Za-z0-9_-]{8}|undefined|TypeError";

fn constant(pattern: &str) -> Result<Regex, Stop> {
    Regex::new(pattern).map_err(|error| Stop::Fault(error.to_string()))
}

/// Whether an error or the headers around it show what only the inside of a Worker says. Headers may link to pages, name other sites, and
/// say by which scheme a caller authenticates; an error has no reason to.
fn shows_internals(error: &str, head: &str) -> Result<bool, Stop> {
    let internal = constant(INTERNAL)?;
    let credential = constant(r"(?i)\bbearer\s")?;
    let of_headers = constant(r"(?i)https?://[^\s<>;,]*|\bbearer\s+[a-z_]+=")?;
    let rest = of_headers.replace_all(head, "");
    let shows = |text: &str| internal.is_match(text) || credential.is_match(text);
    Ok(shows(error) || of_headers.is_match(error) || shows(&rest))
}

async fn names_only(s: &mut Scene) -> Check {
    let values = values(s).await?;
    for answer in super::routes::probed(s)? {
        let which = format!("{} {}", answer.request.method, answer.request.path);
        s.expect_error(&answer, 503, "CONFIGURATION_ERROR")
            .or_unmet(told_by(s))?;
        let details = answer.at("/error/details").unwrap_or_default();
        let mut shown = Vec::new();
        texts(&details, &mut shown);
        let names_some = shown
            .iter()
            .any(|text| text.starts_with(|c: char| c.is_ascii_uppercase()));
        s.expect(names_some, format!("names from {which}"), || {
            describe(&answer)
        })
        .or_unmet(told_by(s))?;
        s.expect(
            shown.iter().all(|text| is_name_or_kind(text)),
            format!("details of names only, from {which}"),
            || describe(&answer),
        )?;
        let error = answer.at("/error").unwrap_or_default().to_string();
        let head = said(&answer.headers);
        let leaked = |text: &str| values.iter().any(|value| text.contains(value.as_str()));
        s.expect(
            !shows_internals(&error, &head)? && !leaked(&error) && !leaked(&head),
            format!("no value, secret, path or stack in the answer of {which}"),
            || format!("{error}, with the headers {head}"),
        )?;
    }
    Ok(())
}

/// The criterion that promises the error whose details are looked at.
fn told_by(s: &Scene) -> &'static str {
    let variant = s.opened().map(|instance| instance.variant);
    if variant == Some(Variant::WithoutAppDomain) {
        "BND-010"
    } else if matches!(
        variant,
        Some(Variant::WithoutAiGatewayUrl | Variant::WithoutAiGatewayKey)
    ) {
        "BND-009"
    } else if variant == Some(Variant::WithoutD1AndR2) {
        "BND-004"
    } else {
        "BND-008"
    }
}

/// Every text in a value, and the names by which it has others.
fn texts(value: &Value, list: &mut Vec<String>) {
    match value {
        Value::String(text) => list.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, list)),
        Value::Object(fields) => {
            list.extend(fields.keys().filter(|name| is_name(name)).cloned());
            fields.values().for_each(|item| texts(item, list));
        }
        Value::Number(number) => list.push(number.to_string()),
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_address_of_the_gateway_is_missing_under_either_of_its_names() {
        let wanted = listed("AI_GATEWAY_BASE_URL, CLOUDFLARE_AI_GATEWAY_API_KEY");
        for (seen, is_right) in [
            ("AI_GATEWAY_BASE_URL, CLOUDFLARE_AI_GATEWAY_API_KEY", true),
            (
                "CF_AI_GATEWAY_ACCOUNT_ID, CF_AI_GATEWAY_GATEWAY_ID, CLOUDFLARE_AI_GATEWAY_API_KEY",
                true,
            ),
            (
                "AI_GATEWAY_BASE_URL, CF_AI_GATEWAY_ACCOUNT_ID, CF_AI_GATEWAY_GATEWAY_ID, CLOUDFLARE_AI_GATEWAY_API_KEY",
                true,
            ),
            ("CLOUDFLARE_AI_GATEWAY_API_KEY", false),
            ("AI_GATEWAY_BASE_URL", false),
            (
                "CF_AI_GATEWAY_ACCOUNT_ID, CLOUDFLARE_AI_GATEWAY_API_KEY",
                false,
            ),
            (
                "AI_GATEWAY_BASE_URL, CLOUDFLARE_AI_GATEWAY_API_KEY, TENANT_DB",
                false,
            ),
        ] {
            assert_eq!(says(&listed(seen), &wanted), is_right, "{seen}");
        }
        let key = listed("CLOUDFLARE_AI_GATEWAY_API_KEY");
        assert!(!says(&wanted, &key), "what is there is not missing");
    }

    #[test]
    fn a_text_lists_names_whatever_parts_them() {
        let wanted = listed("TENANT_DB, MOLTBOT_BUCKET");
        for text in [
            "TENANT_DB,MOLTBOT_BUCKET",
            "MOLTBOT_BUCKET TENANT_DB",
            "TENANT_DB; MOLTBOT_BUCKET",
            "TENANT_DB and MOLTBOT_BUCKET",
        ] {
            assert_eq!(named(&json!(text)), wanted, "{text}");
        }
        assert_ne!(named(&json!("TENANT_DB")), wanted);
        assert_ne!(named(&json!("TENANT_DB TENANT_KV MOLTBOT_BUCKET")), wanted);
    }

    #[test]
    fn what_headers_may_say_is_no_secret_there_and_one_in_an_error() {
        let shows = |error: &str, head: &str| shows_internals(error, head).unwrap();
        let harmless = r#"[["link", "<https://docs.example/errors>; rel=\"help\""], ["www-authenticate", "Bearer realm=\"api\""]]"#;
        assert!(!shows("the binding TENANT_DB is missing", harmless));
        assert!(shows("see https://internal.example/", ""));
        assert!(shows("", r#"[["x-debug", "Bearer s3cret"]]"#));
        assert!(shows("", r#"[["x-debug", "TypeError at /src/index.ts"]]"#));
    }

    #[test]
    fn names_are_read_from_a_list_or_a_text() {
        assert_eq!(named(&json!(["B", "A"])), listed("A, B"));
        assert_eq!(named(&json!("A,B")), listed("A, B"));
        assert!(named(&json!(null)).is_empty());
    }

    #[test]
    fn names_are_read_from_objects_whatever_stands_beside_them() {
        let wanted = listed("TENANT_DB, MOLTBOT_BUCKET");
        for value in [
            json!([{ "name": "TENANT_DB", "kind": "D1" }, { "kind": "R2_BUCKET", "name": "MOLTBOT_BUCKET" }]),
            json!([{ "env": "TENANT_DB", "what": "d1" }, { "env": "MOLTBOT_BUCKET" }]),
            json!({ "TENANT_DB": "D1", "MOLTBOT_BUCKET": "R2" }),
            json!({ "bindings": ["TENANT_DB"], "others": [{ "MOLTBOT_BUCKET": "unbound" }], "count": 2 }),
        ] {
            assert_eq!(named(&value), wanted, "{value}");
        }
        assert!(named(&json!([{ "kind": "D1" }, { "kind": "var" }])).is_empty());
    }

    #[test]
    fn a_kind_beside_names_shows_nothing_and_a_value_does() {
        for text in [
            "TENANT_DB",
            "D1",
            "kv_namespace",
            "d1-database",
            "var",
            "R2 bucket",
            "",
            "TENANT_DB, TENANT_KV",
        ] {
            assert!(is_name_or_kind(text), "{text}");
        }
        for text in [
            "60",
            "acme",
            "team.example",
            "moltbot-prod",
            "s3cret",
            "TENANT_DB=db",
            "TENANT_DB is acme",
            "at /src/index.ts:1",
        ] {
            assert!(!is_name_or_kind(text), "{text}");
        }
    }
}
