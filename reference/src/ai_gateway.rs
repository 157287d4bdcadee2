//! Calls to Cloudflare AI Gateway. Never retries, never follows a redirect, never passes a caller's header on.

use crate::ports::{AiGateway, UpstreamAnswer, UpstreamCall, UpstreamError};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;
use url::Url;

const METADATA: HeaderName = HeaderName::from_static("cf-aig-metadata");
const REQUEST_TIMEOUT: HeaderName = HeaderName::from_static("cf-aig-request-timeout");
const GATEWAY_AUTHORIZATION: HeaderName = HeaderName::from_static("cf-aig-authorization");

/// OpenAI-shaped chat with Workers AI models, below the gateway's address (Cloudflare's documentation).
const CHAT_PATH: [&str; 4] = ["workers-ai", "v1", "chat", "completions"];

/// How long an answer that has begun may pause: as long as the most patient tier waits for its first byte (AIG-009).
/// Models send a part every few hundredths of a second; what is silent for this long does not come back.
const PAUSE_MAX: Duration = Duration::from_secs(20);

/// An answer stopped half-way. It is no timeout to be tried again: a part of it may be with the caller already.
#[derive(Debug, thiserror::Error)]
#[error("the answer stopped half-way")]
struct Stalled;

/// Why a client could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The HTTP client refused its settings, or no root certificates could be loaded.
    #[error("http client cannot be built")]
    Client(#[source] reqwest::Error),
    /// The address is not `http` or `https`.
    #[error("not an http address")]
    Address,
    /// The key holds characters that no header can.
    #[error("the key cannot be sent in a header")]
    Key,
}

/// AI Gateway over HTTP.
pub struct HttpAiGateway {
    client: reqwest::Client,
    endpoint: Url,
    authorization: HeaderValue,
}

impl HttpAiGateway {
    /// A client of the gateway at `base` (`https://gateway.ai.cloudflare.com/v1/<account>/<gateway>`).
    /// It connects to nobody else: no proxy of the environment, no redirect.
    ///
    /// # Errors
    /// [`BuildError`].
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the secret's copy of the caller ends here, wiped from memory"
    )]
    pub fn new(base: Url, key: SecretString) -> Result<Self, BuildError> {
        let endpoint = endpoint(base)?;
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", key.expose_secret()))
            .map_err(|_would_show_the_key| BuildError::Key)?;
        // Keeps it out of `Debug` and out of HTTP/2's header table.
        authorization.set_sensitive(true);
        let client =
            crate::upstream_client::client(|builder| builder).map_err(BuildError::Client)?;
        Ok(Self {
            client,
            endpoint,
            authorization,
        })
    }

    fn headers(&self, call: &UpstreamCall) -> Result<HeaderMap, UpstreamError> {
        let metadata = HeaderValue::try_from(ascii_json(&call.metadata_json))
            .map_err(|error| UpstreamError::Connection(Box::new(error)))?;
        let timeout_ms = u64::try_from(call.first_byte_timeout.as_millis()).unwrap_or(u64::MAX);
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (
                ACCEPT,
                HeaderValue::from_static("application/json, text/event-stream"),
            ),
            (METADATA, metadata),
            (REQUEST_TIMEOUT, HeaderValue::from(timeout_ms)),
            (GATEWAY_AUTHORIZATION, self.authorization.clone()),
        ];
        Ok(headers.into_iter().collect())
    }

    async fn first_byte(&self, call: UpstreamCall) -> Result<UpstreamAnswer, UpstreamError> {
        let headers = self.headers(&call)?;
        let request = self
            .client
            .post(self.endpoint.clone())
            .headers(headers)
            .body(call.body);
        let response = request.send().await.map_err(connection)?;
        let status = response.status().as_u16();
        let content_type = content_type(response.headers());
        let body = with_first_byte(
            response
                .bytes_stream()
                .map(|part| part.map_err(connection))
                .boxed(),
        )
        .await?;
        Ok(UpstreamAnswer {
            status,
            content_type,
            body: without_long_pauses(body),
        })
    }
}

#[async_trait]
impl AiGateway for HttpAiGateway {
    async fn call(&self, call: UpstreamCall) -> Result<UpstreamAnswer, UpstreamError> {
        let limit: Duration = call.first_byte_timeout;
        // Dropping the unfinished call closes its connection.
        tokio::time::timeout(limit, self.first_byte(call))
            .await
            .unwrap_or(Err(UpstreamError::Timeout))
    }
}

/// Waits for the first byte of a body, which is then the stream's first part. An empty body is an answer too.
async fn with_first_byte(
    mut body: BoxStream<'static, Result<Bytes, UpstreamError>>,
) -> Result<BoxStream<'static, Result<Bytes, UpstreamError>>, UpstreamError> {
    while let Some(part) = body.next().await {
        let part = part?;
        if !part.is_empty() {
            return Ok(stream::iter([Ok(part)]).chain(body).boxed());
        }
    }
    Ok(stream::empty().boxed())
}

/// The same body, given up when its next part does not come. Only waiting for the gateway counts, not a caller who is slow to read.
fn without_long_pauses(
    body: BoxStream<'static, Result<Bytes, UpstreamError>>,
) -> BoxStream<'static, Result<Bytes, UpstreamError>> {
    let parts = stream::unfold(Some(body), |body| async {
        let mut body = body?;
        match tokio::time::timeout(PAUSE_MAX, body.next()).await {
            Ok(part) => part.map(|part| (part, Some(body))),
            // Dropping the body closes its connection.
            Err(_elapsed) => Some((Err(UpstreamError::Connection(Box::new(Stalled))), None)),
        }
    });
    parts.boxed()
}

fn endpoint(mut base: Url) -> Result<Url, BuildError> {
    if !["http", "https"].contains(&base.scheme()) {
        return Err(BuildError::Address);
    }
    base.path_segments_mut()
        .map_err(|()| BuildError::Address)?
        .pop_if_empty()
        .extend(CHAT_PATH);
    Ok(base)
}

/// The error without the address, which may hold an account.
fn connection(error: reqwest::Error) -> UpstreamError {
    UpstreamError::Connection(Box::new(error.without_url()))
}

/// The media type alone, lower-case.
fn content_type(headers: &HeaderMap) -> String {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default();
    media_type.trim().to_ascii_lowercase()
}

/// The same JSON with every character that a header cannot carry safely as `\u` escape: only inside of strings can there be one.
fn ascii_json(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() && !character.is_ascii_control() {
            ascii.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                ascii.extend(["\\u".to_owned(), format!("{unit:04x}")]);
            }
        }
    }
    ascii
}

#[cfg(test)]
#[path = "ai_gateway_tests.rs"]
mod tests;
