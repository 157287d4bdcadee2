//! Requests to Cloudflare's REST API, and to the local explorer that speaks its envelope. Never shows the token, never repeats a request that writes.

use super::CannotObserve;
use super::budget::Budget;
use crate::evidence::cut;
use crate::wait;
use reqwest::RequestBuilder;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Where Cloudflare's API is.
pub const CLOUDFLARE: &str = "https://api.cloudflare.com/client/v4";

/// Longest time of one look.
/// Evidence: a few milliseconds at the local explorer and below a second at the API; a look that takes seconds has met the explorer's hang.
const LOOK_MS_MAX: u64 = 10_000;
/// How often a look is tried. Evidence: D1 itself retries reads twice; what three tries do not get will not come.
const TRIES_MAX: u32 = 3;
/// Pause after the first failed try; it doubles. Evidence: a D1 that moves to another machine is back within a second.
const PAUSE_MS: u64 = 200;
/// D1 failed; with status 500 for the moment, with 400 because of the statement.
const D1_FAILED: u64 = 7500;

/// An answer whole.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// Status code.
    pub(super) status: u16,
    /// Body.
    pub(super) body: bytes::Bytes,
}

impl Answer {
    /// The body as JSON, `Null` if it is none.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The first error code of the envelope.
    pub(super) fn code(&self) -> Option<u64> {
        self.json()["errors"][0]["code"].as_u64()
    }

    fn is_transient(&self) -> bool {
        self.status == 500 && self.code() == Some(D1_FAILED)
    }
}

/// A way to the API for one resource.
#[derive(Clone)]
pub(super) struct Api {
    what: &'static str,
    http: reqwest::Client,
    token: Option<String>,
    budget: Option<Arc<Budget>>,
    /// Address of the resource.
    base: String,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The token is never printed.
        f.debug_struct("Api")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

impl Api {
    /// The resource at `base`; `what` names it in errors.
    pub(super) fn new(
        what: &'static str,
        http: &reqwest::Client,
        base: String,
        token: Option<String>,
    ) -> Self {
        Self {
            what,
            http: http.clone(),
            token,
            budget: None,
            base,
        }
    }

    /// Shares the requests that may be made.
    pub(super) fn sharing(mut self, budget: &Arc<Budget>) -> Self {
        self.budget = Some(Arc::clone(budget));
        self
    }

    /// The address of a part of the resource.
    pub(super) fn url(&self, part: &str) -> String {
        format!("{}/{part}", self.base)
    }

    /// The client to make requests with.
    pub(super) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    pub(super) fn cannot(&self, why: impl Into<String>) -> CannotObserve {
        CannotObserve {
            what: self.what,
            why: self.without_token(&why.into()),
        }
    }

    /// What an answer that is no success says, with what to do about it.
    pub(super) fn refused(&self, answer: &Answer) -> CannotObserve {
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let advice = match (answer.status, answer.code()) {
            (401 | 403, _) => ": the api_token is refused, or may not do this",
            (_, Some(7404)) => ": there is no such database in this account",
            (_, Some(10_013)) => ": there is no such namespace in this account",
            (429, _) => ": the API's own rate limit is spent (1200 requests in five minutes)",
            _ => "",
        };
        self.cannot(format!(
            "status {} from {}{advice}: {}",
            answer.status,
            self.base,
            cut(text.trim(), 400)
        ))
    }

    /// Sends once.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Answer, CannotObserve> {
        let broken = |error: reqwest::Error| self.cannot(crate::said::chain(&error));
        if let Some(budget) = &self.budget {
            let turn = budget.turn().await;
            turn.map_err(|spent| self.cannot(spent.to_string()))?;
        }
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let response = request
            .timeout(Duration::from_millis(LOOK_MS_MAX))
            .send()
            .await
            .map_err(broken)?;
        Ok(Answer {
            status: response.status().as_u16(),
            body: response.bytes().await.map_err(broken)?,
        })
    }

    /// Sends a request that changes nothing, again where the network or D1 fail for the moment.
    pub(super) async fn look(&self, request: &RequestBuilder) -> Result<Answer, CannotObserve> {
        let mut tried = 1;
        loop {
            let again = request
                .try_clone()
                .ok_or_else(|| self.cannot("the request cannot be repeated"))?;
            let seen = self.send(again).await;
            let transient = seen.as_ref().map_or(true, Answer::is_transient);
            if !transient || tried == TRIES_MAX {
                return seen;
            }
            wait::pass(Duration::from_millis(PAUSE_MS << (tried - 1))).await;
            tried += 1;
        }
    }

    /// The envelope of a success.
    pub(super) fn envelope(&self, answer: &Answer) -> Result<Value, CannotObserve> {
        let value = answer.json();
        if answer.status < 300 && value["success"] == Value::Bool(true) {
            Ok(value)
        } else {
            Err(self.refused(answer))
        }
    }

    /// Every name with this prefix in a list.
    pub(super) async fn names(
        &self,
        list: &str,
        field: &str,
        prefix: &str,
    ) -> Result<Vec<String>, CannotObserve> {
        let entries = self.entries(list, field, prefix).await?;
        let names = entries.iter().filter_map(|entry| entry[field].as_str());
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Every entry whose name has this prefix in a list that comes in pages, each but the last with a cursor.
    pub(super) async fn entries(
        &self,
        list: &str,
        field: &str,
        prefix: &str,
    ) -> Result<Vec<Value>, CannotObserve> {
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let mut url =
                url::Url::parse(&self.url(list)).map_err(|error| self.cannot(error.to_string()))?;
            url.query_pairs_mut().append_pair("prefix", prefix);
            if !cursor.is_empty() {
                url.query_pairs_mut().append_pair("cursor", &cursor);
            }
            let answer = self.look(&self.http.get(url)).await?;
            let page = self.envelope(&answer)?;
            let entries = page["result"]
                .as_array()
                .ok_or_else(|| self.refused(&answer))?;
            let is_meant = |entry: &&Value| {
                let name = entry[field].as_str();
                name.is_some_and(|name| name.starts_with(prefix))
            };
            found.extend(entries.iter().filter(is_meant).cloned());
            // A page may be empty and yet not the last one: only the cursor tells.
            let next = page["result_info"]["cursor"].as_str().unwrap_or_default();
            if next.is_empty() {
                return Ok(found);
            }
            if next == cursor {
                return Err(self.cannot(format!(
                    "the list at {url_list} never ends",
                    url_list = self.url(list)
                )));
            }
            next.clone_into(&mut cursor);
        }
    }

    fn without_token(&self, text: &str) -> String {
        match &self.token {
            Some(token) if !token.is_empty() => {
                text.replace(token.as_str(), crate::scrub::REDACTED)
            }
            Some(_) | None => text.to_owned(),
        }
    }
}

/// A key as one path segment.
pub(super) fn segment(key: &str) -> String {
    url::form_urlencoded::byte_serialize(key.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}

/// A value of a row as JSON brings it: bytes come as a list of numbers.
pub(super) fn cell(value: &Value) -> Value {
    let Value::Array(numbers) = value else {
        return value.clone();
    };
    let bytes: Option<Vec<u8>> = numbers
        .iter()
        .map(|number| number.as_u64().and_then(|number| u8::try_from(number).ok()))
        .collect();
    bytes.map_or_else(
        || value.clone(),
        |bytes| Value::String(data_encoding::HEXLOWER.encode(&bytes)),
    )
}
