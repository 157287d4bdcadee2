//! Errors as an interface: the only place that gives an error of the worker an HTTP status and a body. Never shows a cause.

use crate::app::error::Error;
use crate::app::event::Event;
use crate::app::{App, Caller};
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use moltworker_reference::http::error::{Told, raw_refusal};
use moltworker_reference::log::causes;
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// A handler's error on its way to [`render`]: only there the request's id is known to be in it.
#[derive(Debug, Clone)]
pub(super) struct Failure(Arc<Error>);

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(Arc::new(error.into()))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        // Should nobody render it, it still is no success.
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response.extensions_mut().insert(self);
        response
    }
}

/// The error that a handler left in its response.
pub(super) fn failure_in(response: &mut Response) -> Option<Arc<Error>> {
    response
        .extensions_mut()
        .remove::<Failure>()
        .map(|failure| failure.0)
}

/// The code of an error's answer, kept beside it for the metrics.
#[derive(Debug, Clone, Copy)]
pub(super) struct Code(pub(super) &'static str);

fn status(error: &Error) -> StatusCode {
    match error {
        Error::Invalid { .. } => StatusCode::BAD_REQUEST,
        Error::Unauthenticated => StatusCode::UNAUTHORIZED,
        Error::AccessDenied { .. } | Error::Forbidden { .. } => StatusCode::FORBIDDEN,
        Error::NotFound => StatusCode::NOT_FOUND,
        Error::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Error::Conflict => StatusCode::CONFLICT,
        Error::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Error::RateLimited(_) | Error::QuotaExceeded => StatusCode::TOO_MANY_REQUESTS,
        Error::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Error::UpstreamFailed { .. } => StatusCode::BAD_GATEWAY,
        Error::Configuration { .. } | Error::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        Error::UpstreamTimeout { .. } => StatusCode::GATEWAY_TIMEOUT,
    }
}

/// Logs an error, once, and gives it its answer.
pub(super) fn render(app: &App, caller: &Caller, error: &Error) -> Response {
    log(app, caller, error);
    let body = told(error).envelope(caller.request_id, app.clock().now_ms());
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status(error);
    response.extensions_mut().insert(Code(error.code()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Error::RateLimited(exceeded) = error {
        headers.insert(RETRY_AFTER, HeaderValue::from(exceeded.retry_after_seconds));
    }
    if matches!(error, Error::Unauthenticated) {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// The whole answer to a request that cannot even be parsed, as bytes of HTTP/1.1.
#[must_use]
pub fn unparsable(app: &App) -> Vec<u8> {
    let request_id = Uuid::new_v4();
    let error = Error::invalid("The request is not valid HTTP, or its head is too large.");
    raw_refusal(
        request_id,
        &told(&error).envelope(request_id, app.clock().now_ms()),
    )
}

fn told(error: &Error) -> Told {
    Told {
        code: error.code(),
        message: message(error),
        details: details(error),
    }
}

fn message(error: &Error) -> &'static str {
    match error {
        Error::Configuration { .. } => "The service is not configured: see details.missing.",
        Error::AccessDenied { .. } => "This route needs a valid Cloudflare Access token.",
        Error::Forbidden { .. } => "The credential may not do this.",
        Error::Unauthenticated => "This route needs a valid API key or session token.",
        Error::RateLimited(_) => "Too many requests: try again after the stated time.",
        Error::QuotaExceeded => "The key's quota is used up.",
        Error::NotFound => "There is nothing here.",
        Error::MethodNotAllowed => "The route does not take this method.",
        Error::Invalid { message, .. } => message,
        Error::PayloadTooLarge => "The body is larger than 1048576 bytes.",
        Error::Conflict => "This conflicts with what is there.",
        Error::Store(_) => "The database is unavailable: try again later.",
        Error::UpstreamFailed { .. } => "The model could not be reached.",
        Error::UpstreamTimeout { .. } => "The model did not answer in time.",
        Error::Internal => "An internal error occurred.",
    }
}

fn details(error: &Error) -> Value {
    match error {
        Error::Configuration { missing } => json!({"missing": missing}),
        Error::AccessDenied { login_url, .. } => {
            json!({"login_url": login_url, "required_scope": "admin"})
        }
        Error::Forbidden {
            permission: Some(permission),
        } => json!({"required_permission": permission}),
        Error::RateLimited(exceeded) => {
            json!({"subject": exceeded.subject.name(), "window": exceeded.window.name(), "limit": exceeded.limit})
        }
        Error::Invalid {
            field: Some(field), ..
        } => json!({"field": field}),
        Error::UpstreamFailed { attempts } | Error::UpstreamTimeout { attempts } => {
            json!({"attempts": attempts})
        }
        Error::Forbidden { permission: None }
        | Error::Unauthenticated
        | Error::QuotaExceeded
        | Error::NotFound
        | Error::MethodNotAllowed
        | Error::Invalid { field: None, .. }
        | Error::PayloadTooLarge
        | Error::Conflict
        | Error::Store(_)
        | Error::Internal => json!({}),
    }
}

fn log(app: &App, caller: &Caller, error: &Error) {
    let request_id = caller.request_id;
    match error {
        Error::Configuration { missing } => Event::ConfigurationError { missing }.log(app.log()),
        Error::AccessDenied { reason, .. } => Event::AccessDenied {
            reason: reason.0,
            request_id,
        }
        .log(app.log()),
        Error::Store(source) => {
            let cause = causes(source);
            Event::StoreUnavailable {
                store: "API_DB",
                cause: app.log().scrub(&cause),
                request_id: Some(request_id),
            }
            .log(app.log());
        }
        // The `request` line says it all.
        Error::Forbidden { .. }
        | Error::Unauthenticated
        | Error::RateLimited(_)
        | Error::QuotaExceeded
        | Error::NotFound
        | Error::MethodNotAllowed
        | Error::Invalid { .. }
        | Error::PayloadTooLarge
        | Error::Conflict
        | Error::UpstreamFailed { .. }
        | Error::UpstreamTimeout { .. }
        | Error::Internal => {}
    }
}
