//! Backends whose override of developers selects too much or too little. Never touches another variant than the one it names.

use crate::contract::need::Variant;
use crate::reference::altered::Parts;
use crate::reference::deviants::answers::is_error;
use crate::reference::deviants::layer::{again, before, instead, refusal};
use crate::reference::deviants::{Draft, deviant, lines};
use crate::tamper::{Ask, Tamper, Told, Unanswered, Upstream};
use async_trait::async_trait;
use serde_json::json;
use std::sync::Arc;

const OVERRIDE: &str = "x-tenant-override";

pub(super) fn all() -> Vec<Draft> {
    let mut all = selecting();
    all.extend(malformed());
    all
}

fn in_development(parts: &Parts) -> bool {
    parts.variant == Variant::DevMode
}

fn without_override(ask: &Ask) -> Ask {
    let mut other = ask.clone();
    other.headers.remove(OVERRIDE);
    other
}

fn selecting() -> Vec<Draft> {
    vec![
        deviant(
            "development-mode-left-on",
            "DEV_MODE is on in production",
            &["RES-002", "ACC-020"],
        )
        .variables(|variant, variables| {
            if variant == Variant::Production {
                variables.insert("DEV_MODE", "true".to_owned());
            }
        }),
        deviant(
            "override-counts-for-unknown-hosts-only",
            "In development the override counts only where the host is no tenant",
            &["RES-003"],
        )
        .parts(|parts| {
            if in_development(parts) {
                parts.caller = Some(Arc::new(HostFirst));
            }
        }),
        deviant(
            "unknown-override-falls-back-to-the-host",
            "In development an override that names nobody leaves the host to decide",
            &["RES-003"],
        )
        .parts(|parts| {
            if in_development(parts) {
                parts.caller = again(|ask, told| {
                    let nobody = is_error(told, "TENANT_NOT_FOUND");
                    (nobody && ask.header(OVERRIDE).is_some()).then(|| without_override(ask))
                });
            }
        }),
        deviant(
            "override-without-warning",
            "A malformed override is ignored without a word in the log",
            &["RES-007"],
        )
        .parts(|parts| lines::without(parts, "override_ignored")),
        deviant(
            "override-warning-is-for-information",
            "A malformed override is logged as information, not as a warning",
            &["RES-007"],
        )
        .parts(|parts| {
            lines::edit(parts, "override_ignored", |line| {
                line["level"] = json!("info");
            });
        }),
    ]
}

/// Asks as the host first, then with the override.
struct HostFirst;

#[async_trait]
impl Tamper for HostFirst {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let told = upstream.send(&without_override(&ask)).await?;
        if is_error(&told, "TENANT_NOT_FOUND") {
            return upstream.send(&ask).await;
        }
        Ok(told)
    }
}

fn malformed() -> Vec<Draft> {
    vec![
        deviant(
            "malformed-override-selects-nobody",
            "A malformed override is looked up like any other, and names nobody",
            &["RES-007"],
        )
        .parts(|parts| on_malformed(parts, |_sent| "nobody-has-this-slug".to_owned())),
        deviant(
            "malformed-override-is-purged",
            "What must not be in an override is taken out of it, and the rest selects",
            &["RES-007", "SEC-004"],
        )
        .parts(|parts| {
            on_malformed(parts, |sent| {
                sent.chars()
                    .filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-')
                    .collect()
            });
        }),
        deviant(
            "override-checked-at-its-beginning-only",
            "The pattern of an override has no end: its well-formed beginning selects",
            &["RES-007", "SEC-004"],
        )
        .parts(|parts| {
            on_malformed(parts, |sent| {
                sent.chars()
                    .take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '-')
                    .collect()
            });
        }),
        deviant(
            "malformed-override-is-refused",
            "A malformed override is refused with 400 instead of being ignored",
            &["RES-007"],
        )
        .parts(|parts| {
            if in_development(parts) {
                parts.caller = instead(|ask| {
                    let sent = sent(ask)?;
                    is_malformed(&sent).then(|| refusal(400, "INVALID_REQUEST", &json!({})))
                });
            }
        }),
    ]
}

/// The override as text, whatever its bytes.
fn sent(ask: &Ask) -> Option<String> {
    let value = ask.headers.get(OVERRIDE)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn is_malformed(value: &str) -> bool {
    !value
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// In development a malformed override is taken for another one.
fn on_malformed(parts: &mut Parts, taken_for: impl Fn(&str) -> String + Send + Sync + 'static) {
    if !in_development(parts) {
        return;
    }
    parts.caller = before(move |ask| {
        if let Some(value) = sent(ask).filter(|value| is_malformed(value)) {
            ask.set(OVERRIDE, &taken_for(&value));
        }
    });
}
