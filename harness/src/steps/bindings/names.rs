//! What a configuration error names, and that it shows nothing else. Never looks at other errors.

use crate::evidence::Exchange;
use crate::run::scene::{Scene, breach, describe, misshapen};
use crate::said::said;
use crate::steps::book::{Args, Book};
use crate::steps::operating::LOG_SOON;
use crate::target::need::Variant;
use crate::verdict::{Check, Stop};

use regex::Regex;
use serde_json::Value;
use std::collections::BTreeSet;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"a banner in the log warns of exactly "([A-Z0-9_, ]+)""#,
        |s, a| Box::pin(banner(s, a)),
    );
    book.step(
        r"no banner in the log warns of anything missing",
        |s, _a| Box::pin(no_banner(s)),
    );
    book.step(
        r"each answer names what is missing and shows nothing else of the configuration",
        |s, _a| Box::pin(names_only(s)),
    );
}

/// The names in a list such as `A, B`.
pub(super) fn listed(text: &str) -> BTreeSet<String> {
    text.split(',').map(|name| name.trim().to_owned()).collect()
}

/// The names that a value gives: an array of texts, or a text with commas.
fn named(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Array(list) => list
            .iter()
            .map(|name| {
                name.as_str()
                    .map_or_else(|| name.to_string(), str::to_owned)
            })
            .collect(),
        Value::String(text) => listed(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => BTreeSet::new(),
    }
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
    if answer.status < 400 {
        return Err(breach(expected, describe(answer)));
    }
    s.expect_error(answer, status, code)?;
    let seen = answer
        .at(&s.dialect().configuration_missing)
        .map(|value| named(&value))
        .unwrap_or_default();
    if seen == *names {
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

/// Every configuration warning that the instance has logged since it was started.
async fn warnings(s: &mut Scene) -> Result<Vec<Value>, Stop> {
    Ok(s.all_log_lines()
        .await?
        .iter()
        .filter_map(crate::observe::LogLine::json)
        .filter(|line| line["event"] == "configuration_warning")
        .collect())
}

async fn banner(s: &mut Scene, a: Args) -> Check {
    let names = listed(a.text(1));
    let is_warning = |line: &Value| line["event"] == "configuration_warning";
    let line = s
        .wait_for_log_since_start("a log line `configuration_warning`", LOG_SOON, |line| {
            line.json().as_ref().is_some_and(is_warning)
        })
        .await?;
    let line = line.json().unwrap_or_default();
    let seen = named(&line["missing"]);
    s.expect(
        seen == names && line["level"] == "warn",
        format!(
            "a banner at level warn that names exactly {names}",
            names = said(&names)
        ),
        || line.to_string(),
    )?;
    let message = line["message"].as_str().unwrap_or_default();
    s.expect(
        !message.trim().is_empty(),
        "a banner with a message for people",
        || line.to_string(),
    )
}

async fn no_banner(s: &mut Scene) -> Check {
    let warnings = warnings(s).await?;
    s.expect(
        warnings.is_empty(),
        "no configuration warning while nothing is missing",
        || said(&warnings),
    )
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

async fn names_only(s: &mut Scene) -> Check {
    let constant =
        |pattern: &str| Regex::new(pattern).map_err(|error| Stop::Fault(error.to_string()));
    let name = constant("^[A-Z][A-Z0-9_]*$")?;
    let internal = constant(
        r"(?i)\bat\s+\S+:\d+|\bstack\b|panicked|backtrace|\.(rs|ts|js|mjs|sqlite|db)\b|/(home|usr|tmp|var|src|work|opt)/|node_modules|\b(select|insert|update)\s|bearer\s|eyJ[A-Za-z0-9_-]{8}|https?://|undefined|TypeError",
    )?;
    let values = values(s).await?;
    for answer in super::routes::probed(s)? {
        let which = format!("{} {}", answer.request.method, answer.request.path);
        s.expect_error(&answer, 503, "CONFIGURATION_ERROR")?;
        let details = answer.at("/error/details").unwrap_or_default();
        let mut shown = Vec::new();
        texts(&details, &mut shown);
        s.expect(
            !shown.is_empty() && shown.iter().all(|text| name.is_match(text)),
            format!("details of names only, from {which}"),
            || describe(&answer),
        )?;
        let error = answer.at("/error").unwrap_or_default().to_string();
        let head = said(&answer.headers);
        for text in [&error, &head] {
            let leaked = values.iter().find(|value| text.contains(value.as_str()));
            s.expect(
                leaked.is_none() && !internal.is_match(text),
                format!("no value, secret, path or stack in the answer of {which}"),
                || text.clone(),
            )?;
        }
    }
    Ok(())
}

/// Every text in a value.
fn texts(value: &Value, list: &mut Vec<String>) {
    match value {
        Value::String(text) => list.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, list)),
        Value::Object(fields) => fields.values().for_each(|item| texts(item, list)),
        Value::Number(number) => list.push(number.to_string()),
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_read_from_a_list_or_a_text() {
        assert_eq!(named(&json!(["B", "A"])), listed("A, B"));
        assert_eq!(named(&json!("A,B")), listed("A, B"));
        assert!(named(&json!(null)).is_empty());
    }
}
