//! What was exchanged with the target, kept once and redacted at capture. Never sends anything.

mod curl;

use crate::clock;
use crate::scrub;
use serde_json::Value;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};
use time::PrimitiveDateTime;
use time::macros::format_description;

/// Body bytes kept of an exchange; the rest is counted only.
/// Evidence: the largest legitimate answer of the core contract is below 16 KiB; a flood must not fill memory.
pub const BODY_KEPT_MAX: usize = 64 * 1024;

/// Body bytes kept of a request.
/// Evidence: the longest request of the contract that a finding can turn on, and that is not long for its own sake, is a chat of 2 KiB.
pub const SENT_BODY_MAX: usize = 4096;

/// Headers whose values are secrets, lower-case.
const SECRET_HEADERS: [&str; 9] = [
    "authorization",
    "cf-access-jwt-assertion",
    "cf-aig-authorization",
    "cookie",
    "set-cookie",
    "cf-access-client-secret",
    "proxy-authorization",
    "x-api-key",
    "x-auth-token",
];

/// Reads a target's answers in the words of `shapes.md`. Implemented where it is known how the target speaks.
pub trait Interpreter: fmt::Debug + Send + Sync + UnwindSafe + RefUnwindSafe {
    /// The answer's JSON with every field where `shapes.md` has it; what else is there stays.
    fn read(&self, status: u16, body: Option<Value>) -> Option<Value>;

    /// The status as `shapes.md` has it: what the manifest declares to mean success means that.
    fn status(&self, sent: u16) -> u16;

    /// Whether the target's errors have codes at all.
    fn has_codes(&self) -> bool;

    /// Whether an error's code, as the target has it, is what it calls one of the contract's.
    fn says(&self, sent: Option<&Value>, code: &str) -> bool;

    /// Notes a look for what the target does not show in such an answer.
    fn look(&self, status: u16, pointer: &str);
}

/// One request and what came back.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Running number within the scenario, from 1.
    pub number: usize,
    /// What was sent, secrets redacted.
    pub request: SentRequest,
    /// Status code.
    pub status: u16,
    /// Header names in lower case and values, in order.
    pub headers: Vec<(String, String)>,
    /// The body, cut at [`BODY_KEPT_MAX`].
    pub body: bytes::Bytes,
    /// The body's true length in bytes.
    pub body_len: usize,
    /// When the request was sent.
    pub sent_at: Instant,
    /// Wall time of that, epoch milliseconds.
    pub sent_at_ms: i64,
    /// From sending to the connection, TLS included; `None` on one that was used before, or where it cannot be told.
    pub connected_after: Option<Duration>,
    /// From sending to the response head.
    pub head_after: Duration,
    /// From sending to the last byte of the body.
    pub done_after: Duration,
    /// How it is read; `None` where the target speaks as `shapes.md` does.
    pub reading: Option<Arc<dyn Interpreter>>,
    /// The answer to a look at the tenant that an operator has made or changed, where this one does not tell of it.
    pub told_later: Option<Arc<Exchange>>,
}

/// The request half of an exchange.
#[derive(Debug, Clone)]
pub struct SentRequest {
    /// Method.
    pub method: String,
    /// Scheme and authority of the connection.
    pub base: String,
    /// Path and query as sent.
    pub path: String,
    /// Value of the `Host` header.
    pub host: String,
    /// Further headers; secret values are replaced by `[redacted]`.
    pub headers: Vec<(String, String)>,
    /// The body as text, cut at [`SENT_BODY_MAX`], secrets redacted.
    pub body: String,
    /// The body's true length in bytes.
    pub body_len: usize,
    /// The body as sent; `None` if it was cut or holds a secret.
    pub whole: Option<bytes::Bytes>,
}

impl SentRequest {
    /// The path without its query, which may hold a marker of the harness's.
    #[must_use]
    pub fn route(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }
}

/// Text without the byte order mark that may stand before it.
fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)
}

/// Bytes of a host and of a path in a line about a request: some scenarios send thousands.
const LINE_PART_MAX: usize = 200;

impl Exchange {
    /// The first value of a header; `name` in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The media type of its body in lower case, without parameters: names of types have no case (RFC 9110, section 8.3.1).
    #[must_use]
    pub fn media_type(&self) -> String {
        let stated = self.header("content-type").unwrap_or_default();
        let essence = stated.split(';').next().unwrap_or_default();
        essence.trim().to_ascii_lowercase()
    }

    /// Every value of a header; `name` in lower case.
    #[must_use]
    pub fn header_all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// By how many seconds the clock of who answered is ahead of ours, by the header `Date`; `None` without one.
    #[must_use]
    pub fn skew_seconds(&self) -> Option<i64> {
        let format = format_description!(
            "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
        );
        let theirs = self
            .header("date")
            .and_then(|text| PrimitiveDateTime::parse(text, format).ok())
            .map(|date| date.assume_utc().unix_timestamp())?;
        let half_way = i64::try_from(self.head_after.as_millis() / 2).unwrap_or(0);
        Some(theirs - (self.sent_at_ms + half_way) / 1000)
    }

    /// The body as text, invalid UTF-8 replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Everything that the answer shows: its body and its headers, for searches.
    #[must_use]
    pub fn shown(&self) -> String {
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}"));
        std::iter::once(self.text())
            .chain(headers)
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// The body as JSON, every field where the target sent it. A byte order mark before it is no part of it, as for every `fetch`.
    #[must_use]
    pub fn sent_json(&self) -> Option<Value> {
        serde_json::from_slice(without_mark(&self.body)).ok()
    }

    /// The body as JSON, every field where `shapes.md` has it.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        let sent = self.sent_json();
        match &self.reading {
            None => sent,
            Some(reading) => reading.read(self.status, sent),
        }
    }

    /// The JSON value where `shapes.md` has it, `None` if the body is no JSON or has nothing there.
    #[must_use]
    pub fn at(&self, pointer: &str) -> Option<Value> {
        if let Some(reading) = &self.reading {
            reading.look(self.status, pointer);
        }
        let own = self.json().and_then(|body| body.pointer(pointer).cloned());
        let Some(later) = &self.told_later else {
            return own;
        };
        own.filter(|value| !value.is_null())
            .or_else(|| later.at(pointer))
    }

    /// Whether it is an error with this code of the contract, in the target's own words for it.
    #[must_use]
    pub fn has_code(&self, code: &str) -> bool {
        match &self.reading {
            None => self.text_at("/error/code").as_deref() == Some(code),
            Some(reading) => !reading.has_codes() || reading.says(self.sent_json().as_ref(), code),
        }
    }

    /// The JSON text at a pointer.
    #[must_use]
    pub fn text_at(&self, pointer: &str) -> Option<String> {
        self.at(pointer)?.as_str().map(str::to_owned)
    }

    /// One line for people: method, host, path, status, time.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "{} {}{} -> {} in {:.1} ms",
            self.request.method,
            cut(&self.request.host, LINE_PART_MAX),
            cut(&self.request.path, LINE_PART_MAX),
            self.status,
            clock::ms(self.done_after)
        )
    }

    /// A `curl` line that repeats the request, safe to paste into a POSIX shell. Secrets stand as variables without which it fails,
    /// and so does a body that was not kept whole.
    #[must_use]
    pub fn curl(&self) -> String {
        curl::line(&self.request, None)
    }

    /// The same where the address is there no more: it stands as a variable, too. `gone` says how to have its like again, in words that
    /// mean nothing to a shell inside double quotes.
    #[must_use]
    pub fn curl_without_address(&self, gone: &str) -> String {
        curl::line(&self.request, Some(gone))
    }
}

/// A header's value as it may be kept.
#[must_use]
pub fn redact(name: &str, value: &str) -> String {
    if SECRET_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
        scrub::REDACTED.to_owned()
    } else {
        value.to_owned()
    }
}

/// The body of a request as text for people, and as bytes where it was kept whole and holds no secret.
pub(crate) fn sent_body(body: &bytes::Bytes) -> (String, Option<bytes::Bytes>) {
    // Twice as much is looked at as is shown: a secret that begins before the cut ends before that.
    let text = String::from_utf8_lossy(&body[..body.len().min(2 * SENT_BODY_MAX)]);
    let clean = scrub::clean_report(&text);
    if body.len() <= SENT_BODY_MAX {
        let whole = (clean == text).then(|| body.clone());
        return (clean, whole);
    }
    let end = boundary(&clean, SENT_BODY_MAX);
    (format!("{}… ({} bytes)", &clean[..end], body.len()), None)
}

/// The last place up to `max` where a text can be cut.
fn boundary(text: &str, max: usize) -> usize {
    let places = (0..=max.min(text.len())).rev();
    places
        .into_iter()
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(0)
}

/// The first `max` bytes of a text, cut at a character. Secrets go before the cut: half of one would not be known any more.
#[must_use]
pub fn cut(text: &str, max: usize) -> String {
    let text = &scrub::clean_report(text);
    if text.len() <= max {
        return text.to_owned();
    }
    let end = boundary(text, max);
    format!("{}… ({} bytes)", &text[..end], text.len())
}

/// Answers for the unit tests of this crate.
#[cfg(test)]
pub(crate) mod samples {
    use super::{Exchange, SentRequest};
    use crate::clock;
    use std::time::Duration;

    /// An answer to a plain `GET`, sent at the beginning of the epoch.
    pub(crate) fn answer(status: u16, content_type: &str, body: &str) -> Exchange {
        Exchange {
            number: 1,
            request: SentRequest {
                method: "GET".to_owned(),
                base: "http://127.0.0.1:1".to_owned(),
                path: "/".to_owned(),
                host: "a.example".to_owned(),
                headers: Vec::new(),
                body: String::new(),
                body_len: 0,
                whole: None,
            },
            status,
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body: bytes::Bytes::copy_from_slice(body.as_bytes()),
            body_len: body.len(),
            sent_at: clock::now(),
            sent_at_ms: 0,
            connected_after: None,
            head_after: Duration::ZERO,
            done_after: Duration::ZERO,
            reading: None,
            told_later: None,
        }
    }

    /// An answer in plain text to a `GET` of this path.
    pub(crate) fn answer_to(path: &str, status: u16, body: &str) -> Exchange {
        let mut answer = answer(status, "text/plain", body);
        path.clone_into(&mut answer.request.path);
        answer
    }
}
