//! One request to the target and its answer, in the words of the contract whatever the target's are. Never retries, never follows a redirect.

use crate::outcome::{Cause, Stop};
use crate::subject::Subject;
use crate::wait;
use crate::witness::{Exchanged, Kept};
use bytes::Bytes;
use moltproof_doubles::clock;
use reqwest::header::HeaderMap;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A request that is being put together.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    method: reqwest::Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<Bytes>,
}

impl Call {
    fn new(method: reqwest::Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            headers: Vec::new(),
            body: None,
        }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(reqwest::Method::GET, path)
    }

    pub(crate) fn post(path: impl Into<String>) -> Self {
        Self::new(reqwest::Method::POST, path)
    }

    pub(crate) fn put(path: impl Into<String>) -> Self {
        Self::new(reqwest::Method::PUT, path)
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self::new(reqwest::Method::DELETE, path)
    }

    /// The same request for the head of its answer alone.
    pub(crate) fn head(mut self) -> Self {
        self.method = reqwest::Method::HEAD;
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.raw(body.to_string())
    }

    pub(crate) fn raw(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Some(body.into());
        self.header("content-type", "application/json")
    }

    /// With this credential.
    pub(crate) fn by(self, credential: &str) -> Self {
        self.header("authorization", format!("Bearer {credential}"))
    }

    /// From this client.
    pub(crate) fn from(self, ip: &str) -> Self {
        self.header("cf-connecting-ip", ip)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| *known == name)
    }

    /// Sends it to the target.
    pub(crate) async fn send(self, subject: &Subject) -> Result<Answer, Stop> {
        let words = &subject.words;
        let spoken = words.spoken(self.method.as_str(), &self.path, self.body.as_ref());
        let what = format!("{} {}", spoken.method, spoken.path);
        let witness = subject.witness.as_ref();
        if let Some(witness) = witness {
            let admitted = witness.admit(&spoken.method, &spoken.path).await;
            admitted.map_err(|why| Stop::Unmet {
                cause: Cause::Withheld,
                seen: why,
            })?;
        }
        let (sent_at, sent_at_ms) = (clock::now(), clock::epoch_ms());
        let mut request = subject
            .client
            .request(
                reqwest::Method::from_bytes(spoken.method.as_bytes()).unwrap_or_default(),
                format!("{}{}", subject.base, spoken.path),
            )
            .timeout(subject.answer_within);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if let Some(body) = spoken.body.clone() {
            request = with_body(request, body);
        }
        let fault = |error: reqwest::Error| {
            Stop::Fault(format!("{what} was not answered: {}", chain(&error)))
        };
        let response = request.send().await.map_err(fault)?;
        let head_after = sent_at.elapsed();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.map_err(fault)?;
        moltproof_doubles::lag::progress::moved();
        let kept = witness.map(|witness| {
            witness.count();
            let number = witness.keep(Exchanged {
                base: subject.base.clone(),
                method: spoken.method,
                path: spoken.path,
                headers: self.headers,
                body: spoken.body.unwrap_or_default(),
                status,
                answer_headers: headers.clone(),
                answer_body: body.clone(),
                sent_at,
                sent_at_ms,
                head_after,
                done_after: sent_at.elapsed(),
            });
            (Arc::clone(witness), number)
        });
        let read = words.read(self.method.as_str(), &self.path, status, body);
        Ok(Answer {
            asked: format!("{} {}", self.method, self.path),
            what,
            status: read.status,
            headers,
            body: read.body,
            kept: Kept(kept),
        })
    }
}

/// Bytes of a body that is larger than the contract lets any be, and what of it is sent before the answer is waited for.
const SENT_FIRST: usize = (1 << 20) + PIECE;
/// Bytes that are sent at once of such a body.
const PIECE: usize = 1 << 16;
/// How long the answer is waited for before anything of it is sent. Evidence: who refuses a body by its length does so within milliseconds.
const BEFORE_ALL: Duration = Duration::from_millis(300);
/// How long it is waited for before the rest is sent, by when more has been read than the contract allows.
const BEFORE_THE_REST: Duration = Duration::from_millis(1_500);

/// A request with a body. One that is too large is held back for a while, and so is most of it once more: who refuses it and closes the
/// connection while more is coming resets it, and the answer may be lost with it.
pub(crate) fn with_body(request: reqwest::RequestBuilder, body: Bytes) -> reqwest::RequestBuilder {
    if body.len() <= SENT_FIRST {
        return request.body(body);
    }
    let length = body.len();
    let pieces = futures_util::stream::unfold(0, move |at| {
        let body = body.clone();
        async move {
            match at {
                0 => wait::pass(BEFORE_ALL).await,
                SENT_FIRST => wait::pass(BEFORE_THE_REST).await,
                _ => {}
            }
            let end = (at + PIECE).min(body.len());
            let piece = (at < end).then(|| body.slice(at..end))?;
            Some((Ok::<_, std::convert::Infallible>(piece), end))
        }
    });
    request
        .header("content-length", length)
        .body(reqwest::Body::wrap_stream(pieces))
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        told.push_str(": ");
        told.push_str(&cause.to_string());
        source = cause.source();
    }
    told
}

/// Who shows no credential that holds.
const UNAUTHENTICATED: &str = "UNAUTHENTICATED";
/// Whose key may ask for no more chats.
const QUOTA_EXCEEDED: &str = "QUOTA_EXCEEDED";

/// What the target answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// Method and path of the request, as it was sent.
    pub(crate) what: String,
    /// The same as the contract has them.
    pub(crate) asked: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Where it is kept.
    pub(crate) kept: Kept,
}

impl Answer {
    /// Method and path, for whoever tells of it: then it is what decided.
    pub(crate) fn named(&self) -> &str {
        self.kept.point();
        &self.what
    }

    /// The body as JSON; null if it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// What stands at a JSON pointer; null if nothing does.
    pub(crate) fn at(&self, pointer: &str) -> Value {
        self.json().pointer(pointer).cloned().unwrap_or_default()
    }

    /// The text at a JSON pointer; empty if there is none.
    pub(crate) fn text(&self, pointer: &str) -> String {
        self.at(pointer).as_str().unwrap_or_default().to_owned()
    }

    /// The elements of the array at a JSON pointer; none if there is no array.
    pub(crate) fn list(&self, pointer: &str) -> Vec<Value> {
        self.at(pointer).as_array().cloned().unwrap_or_default()
    }

    /// The code of an error; empty if it tells none.
    pub(crate) fn code(&self) -> String {
        self.text("/error/code")
    }

    /// A header's first value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether it was refused so. Codes that ERR-003 does not list are the target's own: then the status tells.
    pub(crate) fn is(&self, status: u16, code: &str) -> bool {
        match code {
            UNAUTHENTICATED => self.status == status,
            QUOTA_EXCEEDED => matches!(self.status, 402 | 403 | 429),
            _ => self.status == status && self.code() == code,
        }
    }

    /// The answer, if it has this status; else `stop` by what was seen.
    pub(crate) fn expect(
        self,
        status: u16,
        stop: impl FnOnce(String) -> Stop,
    ) -> Result<Self, Stop> {
        if self.status == status {
            Ok(self)
        } else {
            Err(stop(self.to_string()))
        }
    }

    /// That it was refused, and so: otherwise a breach, or a finding of shape if it was refused in another form.
    pub(crate) fn refused(&self, status: u16, code: &str, why: &str) -> Result<(), Stop> {
        let expected = format!("{status} {code} {why}");
        match self.status {
            _ if self.is(status, code) => Ok(()),
            400..=499 => Err(Stop::shape(expected, self.to_string())),
            _ => Err(Stop::breach(expected, self.to_string())),
        }
    }
}

/// What of a body is told at most.
const TOLD_MAX: usize = 300;

impl fmt::Display for Answer {
    /// Whoever tells of an answer tells what decided.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kept.point();
        let body = String::from_utf8_lossy(&self.body);
        let told: String = body.chars().take(TOLD_MAX).collect();
        write!(f, "{} answered {}", self.what, self.status)?;
        match (self.code(), told.is_empty()) {
            (code, _) if !code.is_empty() => {
                write!(f, " {code}")?;
                let details = self.at("/error/details");
                if details
                    .as_object()
                    .is_some_and(|details| !details.is_empty())
                {
                    write!(f, " {details}")?;
                }
                Ok(())
            }
            (_, true) => Ok(()),
            (_, false) => write!(f, " {told}"),
        }
    }
}
