//! What requests carry, read and written: bodies, queries, paths, answers. Never accepts a field that it does not know.

use super::error::Failure;
use crate::app::App;
use crate::app::error::Error;
use crate::domain::cursor::{Cursor, Page};
use crate::domain::date::TIME_MAX;
use crate::store::audit::Range;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Query, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::Response;
use moltworker_reference::domain::json::object_text;
use moltworker_reference::http::body;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Rows of a page unless it is said.
const PAGE_LEN: u32 = 100;

/// What a handler gives back.
pub(super) type Answer = Result<Response, Failure>;

/// A JSON answer.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(value).map_err(|_source| Error::Internal)?;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    Ok(response)
}

/// A JSON answer with status 200.
pub(super) fn ok(value: &impl Serialize) -> Answer {
    json(StatusCode::OK, value)
}

/// An answer without a body.
pub(super) fn no_content() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// A page under the name of its rows.
pub(super) fn page<T: Serialize>(name: &'static str, page: &Page<T>) -> Answer {
    let rows = serde_json::value::to_raw_value(&page.items).map_err(|_source| Error::Internal)?;
    let cursor =
        serde_json::value::to_raw_value(&page.next_cursor).map_err(|_source| Error::Internal)?;
    ok(&BTreeMap::from([(name, rows), ("next_cursor", cursor)]))
}

/// The body as bytes, at most the contract's 1 MiB.
pub(super) async fn bytes(app: &App, request: Request) -> Result<bytes::Bytes, Error> {
    Ok(body::read(app.clock().as_ref(), request.into_body()).await?)
}

/// A JSON object of known fields.
pub(super) async fn object<T: DeserializeOwned>(app: &App, request: Request) -> Result<T, Error> {
    let body = bytes(app, request).await?;
    read_object(&body)
}

fn read_object<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let malformed =
        || Error::invalid("The body must be a JSON object of known fields, each by its rule.");
    let text = object_text(body).map_err(|_source| malformed())?;
    serde_json::from_str(text).map_err(|_source| malformed())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// No body, or an object without fields.
pub(super) async fn nothing(app: &App, request: Request) -> Result<(), Error> {
    let body = bytes(app, request).await?;
    if body.is_empty() {
        return Ok(());
    }
    read_object::<Nothing>(&body).map(|_nothing| ())
}

/// The parameters of a query, all known.
pub(super) fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Error> {
    let query = Query::<T>::try_from_uri(uri)
        .map_err(|_rejection| Error::invalid("The query has a malformed or unknown parameter."))?;
    Ok(query.0)
}

/// `limit`, 1 to 1000.
pub(super) fn limit(limit: Option<u32>) -> Result<u32, Error> {
    let limit = limit.unwrap_or(PAGE_LEN);
    if (1..=1000).contains(&limit) {
        Ok(limit)
    } else {
        Err(Error::field("limit", "limit must be 1 to 1000."))
    }
}

/// `cursor`, or where a listing begins.
pub(super) fn cursor(text: Option<&str>, first: Cursor) -> Result<Cursor, Error> {
    match text {
        None => Ok(first),
        Some(text) => Cursor::decode(text)
            .ok_or_else(|| Error::field("cursor", "cursor must come from an earlier page.")),
    }
}

/// `from` and `to` of a listing by time.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RangeQuery {
    from: Option<i64>,
    to: Option<i64>,
    limit: Option<u32>,
    cursor: Option<String>,
    pub(super) user_id: Option<String>,
}

impl RangeQuery {
    pub(super) fn range(&self) -> Result<Range, Error> {
        Ok(Range {
            from: self.from.unwrap_or(0),
            to: self.to.unwrap_or(TIME_MAX + 1),
            cursor: cursor(self.cursor.as_deref(), Cursor::first())?,
            limit: limit(self.limit)?,
        })
    }

    /// For a listing that is of one user, or of none, anyhow.
    pub(super) fn without_user(self) -> Result<Self, Error> {
        match self.user_id {
            None => Ok(self),
            Some(_) => Err(Error::invalid(
                "The query has a malformed or unknown parameter.",
            )),
        }
    }
}

/// `limit` and `cursor` alone.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    limit: Option<u32>,
    cursor: Option<String>,
}

impl PageQuery {
    pub(super) fn read(&self, first: Cursor) -> Result<(Cursor, u32), Error> {
        Ok((cursor(self.cursor.as_deref(), first)?, limit(self.limit)?))
    }
}

/// The one segment of a path that names something. What cannot be decoded names nothing.
pub(super) struct InPath(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for InPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(segment)| Self(segment))
            .map_err(|_rejection| Error::NotFound.into())
    }
}

/// `{"value": any JSON}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ValueBody {
    pub(super) value: Box<RawValue>,
}
