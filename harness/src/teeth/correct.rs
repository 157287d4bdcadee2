//! Backends that keep every promise, each in another way than the reference. Never changes what the contract fixes.

use super::{Front, Other};
use crate::tamper::{Ask, Tamper, Told, Unanswered, Upstream};
use crate::target::reference::altered::{Alteration, Parts};
use crate::target::reference::variants;
use crate::wait;
use async_trait::async_trait;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Every correct variant, those that wait longest first.
#[must_use]
pub fn all() -> Vec<Other> {
    let fronts = fronts(LATE_MS).into_iter();
    let mut all: Vec<Other> = fronts
        .map(|front| front.before_the_reference(Alteration::default()))
        .collect();
    all.extend(ports());
    all
}

/// How many milliseconds late answers are.
const LATE_MS: u64 = 100;

/// Those that are made by what stands before a backend, those that answer late so many milliseconds, or up to twice as many.
#[must_use]
pub fn fronts(late_ms: u64) -> Vec<Front> {
    let mut all = times(late_ms);
    all.extend(forms());
    all
}

/// Answers in another form.
fn forms() -> Vec<Front> {
    vec![
        answering(
            "headers-in-another-order",
            "Sends its headers in the opposite order",
            reverse_headers,
        ),
        answering(
            "headers-of-the-edge",
            "Sends the headers and the cookie that Cloudflare's edge adds, and states the charset of its JSON",
            |told| {
                let cookie = "__cf_bm=opaque; Path=/; HttpOnly; Secure; SameSite=None";
                told.set("set-cookie", cookie);
                told.set("server", "cloudflare");
                told.set("cf-ray", "8f1e2d3c4b5a6978-FRA");
                told.set("cf-cache-status", "DYNAMIC");
                told.set("alt-svc", "h3=\":443\"; ma=86400");
                told.set("strict-transport-security", "max-age=63072000");
                if told.header("content-type") == Some("application/json") {
                    told.set("content-type", "application/json; charset=UTF-8");
                }
            },
        ),
        answering(
            "closes-after-each-answer",
            "Closes the connection after each answer, as HTTP/1.0 did",
            |told| told.set("connection", "close"),
        ),
        Front::new("indented-json", "Indents its JSON", || {
            Arc::new(Json(|_status, value| {
                serde_json::to_string_pretty(&value).ok()
            }))
        }),
        Front::new(
            "further-fields",
            "Adds a field of its own to every JSON object of a success",
            || {
                Arc::new(Json(|status, mut value| {
                    // The shape of errors is closed: there a further field is a mistake.
                    let object = value.as_object_mut().filter(|_| status < 400)?;
                    object.insert("x_build".to_owned(), "2026.11".into());
                    Some(value.to_string())
                }))
            },
        ),
        Front::new(
            "errors-in-other-words",
            "Words the messages of its errors in another way",
            || {
                Arc::new(Json(|_status, mut value| {
                    let message = value.pointer_mut("/error/message")?;
                    *message = "This cannot be done.".into();
                    Some(value.to_string())
                }))
            },
        ),
    ]
}

/// Answers at another time.
fn times(late_ms: u64) -> Vec<Front> {
    let late = |id, does: String, least_ms, more_ms| {
        Front::new(id, &does, move || Arc::new(Late { least_ms, more_ms }))
    };
    vec![
        late("slower", format!("Answers {late_ms} ms later"), late_ms, 0),
        late(
            "jitter",
            format!("Answers up to {} ms later", 2 * late_ms),
            0,
            2 * late_ms,
        ),
    ]
}

/// Other ports than the reference's own.
fn ports() -> Vec<Other> {
    let fixed = Other {
        unmet: vec!["RL-010".to_owned()],
        ..parted(
            "fixed-window",
            "Counts quotas in windows that begin at fixed moments, which breaks a SHOULD and no MUST",
            variants::fixed_window,
        )
    };
    vec![
        fixed,
        parted(
            "cautious-retry-after",
            "Tells whoever is refused to come back after a whole period",
            variants::cautious_retry_after,
        ),
        parted(
            "late-usage",
            "Writes usage half a second after the answer",
            variants::late_usage,
        ),
    ]
}

fn parted(id: &str, does: &str, change: fn(&mut Parts)) -> Other {
    Other::new(
        id,
        does,
        Alteration {
            parts: Some(Arc::new(change)),
            ..Alteration::default()
        },
    )
}

fn answering(id: &str, does: &str, change: fn(&mut Told)) -> Front {
    Front::new(id, does, move || Arc::new(Answer(change)))
}

fn reverse_headers(told: &mut Told) {
    let headers = told.headers.iter();
    let mut lines: Vec<_> = headers
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    lines.reverse();
    told.headers = lines.into_iter().collect();
}

/// Changes answers.
struct Answer(fn(&mut Told));

#[async_trait]
impl Tamper for Answer {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let mut told = upstream.send(&ask).await?;
        (self.0)(&mut told);
        Ok(told)
    }
}

/// Writes JSON in another way: given status and value, the new text, or `None` to leave it.
struct Json(fn(u16, Value) -> Option<String>);

#[async_trait]
impl Tamper for Json {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let mut told = upstream.send(&ask).await?;
        let is_json = told
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/json"));
        if is_json && let Some(text) = (self.0)(told.status, told.json().await?) {
            told.put(text);
        }
        Ok(told)
    }
}

/// Answers late.
struct Late {
    least_ms: u64,
    more_ms: u64,
}

#[async_trait]
impl Tamper for Late {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let told = upstream.send(&ask).await?;
        let late = self.least_ms + fastrand::u64(0..=self.more_ms);
        wait::pass(Duration::from_millis(late)).await;
        Ok(told)
    }
}
