//! A request and its answer on their way through the proxy. Never changes either by itself.

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use http_body_util::{BodyExt as _, BodyStream, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
    TRANSFER_ENCODING,
};
use hyper::{Method, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use std::io;

/// There is no answer: the connection is to be closed.
#[derive(Debug, thiserror::Error)]
#[error("no answer: {0}")]
pub struct Unanswered(pub String);

/// A request, its body whole.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Method.
    pub method: Method,
    /// Path and query, as sent.
    pub path: String,
    /// Header lines, `host` among them.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Ask {
    /// A header's value, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Sets a header; a value that cannot be one leaves the request as it is.
    pub fn set(&mut self, name: &str, value: &str) {
        set(&mut self.headers, name, value);
    }

    /// The `Host` header.
    #[must_use]
    pub fn host(&self) -> &str {
        self.header("host").unwrap_or_default()
    }

    /// The path without its query.
    #[must_use]
    pub fn route(&self) -> &str {
        self.path
            .split_once('?')
            .map_or(self.path.as_str(), |(route, _query)| route)
    }

    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// The body of an answer.
pub enum Content {
    /// All of it.
    Whole(Bytes),
    /// As it comes.
    Stream(BoxStream<'static, io::Result<Bytes>>),
}

/// An answer.
pub struct Told {
    /// Status.
    pub status: u16,
    /// Header lines; what frames the body is set anew when it is sent.
    pub headers: HeaderMap,
    /// The body.
    pub content: Content,
}

impl Told {
    /// An answer of one's own.
    #[must_use]
    pub fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        set(&mut headers, CONTENT_TYPE.as_str(), content_type);
        Self {
            status,
            headers,
            content: Content::Whole(body.into()),
        }
    }

    /// A header's value, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Sets a header; a value that cannot be one leaves the answer as it is.
    pub fn set(&mut self, name: &str, value: &str) {
        set(&mut self.headers, name, value);
    }

    /// Whether it is a stream of events.
    #[must_use]
    pub fn is_of_events(&self) -> bool {
        self.header(CONTENT_TYPE.as_str())
            .is_some_and(|kind| kind.starts_with("text/event-stream"))
    }

    /// Waits for the whole body, which is then no longer a stream.
    ///
    /// # Errors
    /// [`Unanswered`] when it does not come to its end.
    pub async fn whole(&mut self) -> Result<Bytes, Unanswered> {
        let bytes = match std::mem::replace(&mut self.content, Content::Whole(Bytes::new())) {
            Content::Whole(bytes) => bytes,
            Content::Stream(mut stream) => {
                let mut all = bytes::BytesMut::new();
                while let Some(chunk) = stream.next().await {
                    let chunk = chunk.map_err(|error| Unanswered(error.to_string()))?;
                    all.extend_from_slice(&chunk);
                }
                all.freeze()
            }
        };
        self.content = Content::Whole(bytes.clone());
        Ok(bytes)
    }

    /// The whole body as JSON; null if it is none.
    ///
    /// # Errors
    /// As [`Self::whole`].
    pub async fn json(&mut self) -> Result<serde_json::Value, Unanswered> {
        Ok(serde_json::from_slice(&self.whole().await?).unwrap_or_default())
    }

    /// Puts another body in the place of the present one.
    pub fn put(&mut self, body: impl Into<Bytes>) {
        self.content = Content::Whole(body.into());
    }

    pub(super) fn into_response(self) -> hyper::Response<UnsyncBoxBody<Bytes, io::Error>> {
        let body = match self.content {
            Content::Whole(bytes) => {
                UnsyncBoxBody::new(Full::new(bytes).map_err(|never| match never {}))
            }
            Content::Stream(stream) => {
                UnsyncBoxBody::new(StreamBody::new(stream.map(|chunk| chunk.map(Frame::data))))
            }
        };
        let mut response = hyper::Response::new(body);
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        *response.headers_mut() = self.headers;
        response.headers_mut().remove(CONTENT_LENGTH);
        response.headers_mut().remove(TRANSFER_ENCODING);
        response
    }
}

pub(super) fn set(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (
        HeaderName::from_bytes(name.as_bytes()),
        HeaderValue::from_str(value),
    ) {
        headers.insert(name, value);
    }
}

/// Where the proxy passes requests on to.
#[derive(Clone)]
pub struct Upstream {
    base: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Upstream {
    pub(super) fn new(base: String, client: Client<HttpConnector, Full<Bytes>>) -> Self {
        Self { base, client }
    }

    /// The same way to another address: scheme and authority.
    #[must_use]
    pub fn elsewhere(&self, base: &str) -> Self {
        Self {
            base: base.trim_end_matches('/').to_owned(),
            client: self.client.clone(),
        }
    }

    /// Host and port.
    pub(super) fn authority(&self) -> &str {
        crate::client::authority(&self.base)
    }

    /// Sends a request on and returns at the head of its answer. A stream of events stays one; any other body is read whole.
    ///
    /// # Errors
    /// [`Unanswered`] when no answer comes, or none that is complete.
    pub async fn send(&self, ask: &Ask) -> Result<Told, Unanswered> {
        let uri: Uri = format!("{}{}", self.base, ask.path)
            .parse()
            .map_err(|error| Unanswered(format!("{}: {error}", ask.path)))?;
        let mut request = hyper::Request::new(Full::new(ask.body.clone()));
        *request.method_mut() = ask.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = ask.headers.clone();
        for name in [CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH] {
            request.headers_mut().remove(name);
        }
        if !ask.body.is_empty() {
            request
                .headers_mut()
                .insert(CONTENT_LENGTH, HeaderValue::from(ask.body.len()));
        }
        if !ask.headers.contains_key(HOST) {
            // Only an HTTP/1.0 caller may leave it out, and the client would then put in the backend's own address.
            request
                .headers_mut()
                .insert(HOST, HeaderValue::from_static(""));
        }
        let response = self
            .client
            .request(request)
            .await
            .map_err(|error| Unanswered(crate::said::chain(&error)))?;
        let (parts, body) = response.into_parts();
        let mut headers = parts.headers;
        headers.remove(CONNECTION);
        let mut told = Told {
            status: parts.status.as_u16(),
            headers,
            content: Content::Stream(chunks(body)),
        };
        let is_stream = told
            .header(CONTENT_TYPE.as_str())
            .is_some_and(|kind| kind.starts_with("text/event-stream"));
        if !is_stream {
            told.whole().await?;
        }
        Ok(told)
    }
}

fn chunks(body: Incoming) -> BoxStream<'static, io::Result<Bytes>> {
    BodyStream::new(body)
        .filter_map(async |frame| match frame {
            Ok(frame) => frame.into_data().ok().map(Ok),
            Err(error) => Some(Err(io::Error::other(error))),
        })
        .boxed()
}
