//! Backends that keep every promise, each in another way than the reference. Never changes what the contract fixes.

use super::{Front, Other};
use crate::clock;
use crate::reference::altered::{Alteration, Parts};
use crate::reference::variants;
use crate::tamper::{Ask, Tamper, Told, Unanswered, Upstream};
use crate::wait;
use async_trait::async_trait;
use hyper::Method;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// Every correct variant, those that wait longest first.
#[must_use]
pub fn all() -> Vec<Other> {
    let fronts = fronts(LATE_MS).into_iter().chain(of_core());
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
        Front::new(
            "closed-where-no-chat-can-be-answered",
            "Reports on every route what a chat lacks, to operators as well",
            || Arc::new(ClosedWithoutChats::default()),
        ),
        Front::new(
            "every-name-of-the-gateway-s-address",
            "Names all three variables that could say where models are called, where none is set",
            || Arc::new(Json(every_name)),
        ),
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

/// Ways of which only Workers of the contract's core know anything.
fn of_core() -> Vec<Front> {
    vec![
        answering(
            "resets-as-moments",
            "Tells when a window ends as a moment, in seconds of the epoch",
            |told| {
                let wait = told
                    .header("x-ratelimit-reset")
                    .and_then(|text| text.parse().ok());
                if let Some(wait) = wait.map(|wait: i64| wait + clock::epoch_ms() / 1_000) {
                    told.set("x-ratelimit-reset", &wait.to_string());
                }
            },
        ),
        Front::new(
            "what-is-missing-with-its-kind",
            "Names what is missing in objects, beside its kind",
            || Arc::new(Json(with_kinds)),
        ),
        Front::new(
            "made-and-changed-without-a-body",
            "Answers creations and changes of tenants without a body, and tells where a new tenant is",
            || Arc::new(Bodiless),
        ),
        Front::new(
            "starts-in-the-background",
            "Answers a gateway's start while it comes up, which takes half a second",
            || Arc::new(InBackground::default()),
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
            "keeps-no-entries-of-sandboxes",
            "Keeps nothing of a sandbox in KV, and so has nothing to take away there",
            variants::keeps_no_entries,
        ),
        parted(
            "late-usage",
            "Writes usage a second after the answer",
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

/// Where a chat of nobody lacks configuration, every request is answered as that chat is.
#[derive(Default)]
struct ClosedWithoutChats(OnceCell<bool>);

impl ClosedWithoutChats {
    fn chat_of_nobody(ask: &Ask) -> Ask {
        let mut chat = ask.clone();
        chat.method = Method::POST;
        "/v1/chat/completions".clone_into(&mut chat.path);
        chat.set("host", "nobody.example");
        chat
    }

    /// Whether it is told that a variable is missing; bindings are another thing, and in development nothing is closed for want of one.
    async fn lacks_a_variable(told: &mut Told) -> Result<bool, Unanswered> {
        let missing = told.json().await?["error"]["details"]["missing"].to_string();
        let names = ["AI_GATEWAY", "APP_DOMAIN"];
        Ok(told.status == 503 && names.iter().any(|name| missing.contains(name)))
    }
}

#[async_trait]
impl Tamper for ClosedWithoutChats {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let chat = Self::chat_of_nobody(&ask);
        let is_closed = self.0.get_or_try_init(|| async {
            // One more request of a caller's would be one of its quota.
            let mut chat = chat.clone();
            chat.headers.remove("cf-connecting-ip");
            Self::lacks_a_variable(&mut upstream.send(&chat).await?).await
        });
        let asked = if *is_closed.await? { &chat } else { &ask };
        upstream.send(asked).await
    }
}

/// The address is said by a base URL, or by account and gateway.
fn every_name(status: u16, mut body: Value) -> Option<String> {
    let missing = body.pointer_mut("/error/details/missing")?.as_array_mut()?;
    if status != 503 || !missing.iter().any(|name| name == "AI_GATEWAY_BASE_URL") {
        return None;
    }
    let others = ["CF_AI_GATEWAY_ACCOUNT_ID", "CF_AI_GATEWAY_GATEWAY_ID"];
    missing.extend(others.map(Value::from));
    Some(body.to_string())
}

/// Names as objects: `[{"name", "kind"}]`.
fn with_kinds(status: u16, mut body: Value) -> Option<String> {
    let missing = body.pointer_mut("/error/details/missing")?.as_array_mut()?;
    if status != 503 {
        return None;
    }
    for name in missing {
        let kind = match name.as_str()? {
            "TENANT_DB" => "D1",
            "TENANT_KV" => "kv_namespace",
            "MOLTBOT_BUCKET" => "R2",
            _variable => "var",
        };
        *name = json!({ "name": name.clone(), "kind": kind });
    }
    Some(body.to_string())
}

/// Where operators make and change tenants.
const TENANTS: &str = "/api/admin/tenants";

/// Tells nothing of a tenant that was made or changed, but where it is.
struct Bodiless;

#[async_trait]
impl Tamper for Bodiless {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let mut told = upstream.send(&ask).await?;
        let is_made = ask.method == Method::POST && ask.path == TENANTS && told.status == 201;
        let is_changed =
            ask.method == Method::PATCH && ask.path.starts_with(TENANTS) && told.status == 200;
        if is_made {
            let id = told.json().await?["id"].clone();
            told.set(
                "location",
                &format!("{TENANTS}/{}", id.as_str().unwrap_or_default()),
            );
        }
        if is_made || is_changed {
            told.headers.remove("content-type");
            told.put(Vec::new());
        }
        Ok(told)
    }
}

/// How long a gateway comes up.
const COMES_UP: Duration = Duration::from_millis(500);

/// Says of a gateway that it is starting, for so long after its first start by an operator.
#[derive(Default)]
struct InBackground(Mutex<HashMap<String, Instant>>);

#[async_trait]
impl Tamper for InBackground {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let mut told = upstream.send(&ask).await?;
        let place = ask.path.strip_suffix("/start").unwrap_or(&ask.path);
        if told.status != 200 || !place.ends_with("/gateway") {
            return Ok(told);
        }
        let mut body = told.json().await?;
        let is_start = place != ask.path;
        let is_coming_up = {
            let mut started = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if is_start {
                started.entry(place.to_owned()).or_insert_with(clock::now);
            }
            started.get(place).is_some_and(|at| at.elapsed() < COMES_UP)
        };
        if is_coming_up && body["state"] == "running" {
            body["state"] = "starting".into();
            told.put(body.to_string());
        }
        Ok(told)
    }
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
