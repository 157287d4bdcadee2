//! Errors as an interface: the only place that gives an error an HTTP status and a body. Never shows a cause.

use crate::app::error::Error;
use crate::app::{App, Caller};
use crate::domain::error_code::ErrorCode;
use crate::domain::timestamp::Timestamp;
use crate::log::{Event, causes};
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// A handler's error on its way to [`render`]: only there the request's id is known to be in it.
#[derive(Debug, Clone)]
pub(super) struct Failure(Arc<Error>);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(Arc::new(error))
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

/// The one table of statuses (ERR-003).
fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::InvalidRequest | ErrorCode::InvalidWorkload => StatusCode::BAD_REQUEST,
        ErrorCode::AccessDenied => StatusCode::FORBIDDEN,
        ErrorCode::TenantNotFound | ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ErrorCode::Conflict | ErrorCode::SandboxIdConflict => StatusCode::CONFLICT,
        ErrorCode::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::RateLimitExceeded => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::SandboxIdInvalid | ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::AiUpstreamFailed => StatusCode::BAD_GATEWAY,
        ErrorCode::ConfigurationError | ErrorCode::StoreUnavailable => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        ErrorCode::AiUpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
    }
}

/// Logs an error, once, and gives it its answer.
pub(super) fn render(app: &App, caller: &Caller, error: &Error) -> Response {
    log(app, caller, error);
    let mut response = Response::new(Body::from(envelope(app, caller.request_id, error)));
    *response.status_mut() = status(error.code());
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Error::RateLimited { decision, .. } = error {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(decision.reset_seconds));
    }
    response
}

fn envelope(app: &App, request_id: Uuid, error: &Error) -> String {
    let told = Told {
        code: error.code().as_str(),
        message: message(error),
        details: details(error),
    };
    told.envelope(request_id, app.clock().now_ms())
}

/// What a caller is told of an error.
#[derive(Debug)]
pub struct Told {
    /// The stable code.
    pub code: &'static str,
    /// A whole sentence.
    pub message: &'static str,
    /// An object.
    pub details: Value,
}

impl Told {
    /// The body of the answer; `now_ms` in epoch milliseconds.
    #[must_use]
    pub fn envelope(&self, request_id: Uuid, now_ms: i64) -> String {
        let envelope = json!({
            "success": false,
            "error": {"code": self.code, "message": self.message, "details": self.details},
            "meta": {
                "request_id": request_id.to_string(),
                "timestamp": Timestamp::from_epoch_ms(now_ms).as_str(),
            },
        });
        envelope.to_string()
    }
}

/// An answer of HTTP/1.1 as bytes, to a request that cannot even be parsed; the connection ends with it.
#[must_use]
pub fn raw_refusal(request_id: Uuid, body: &str) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {}\r\ncontent-type: application/json\r\nx-request-id: {request_id}\r\n\
         cache-control: no-store\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        status(ErrorCode::InvalidRequest),
        body.len()
    );
    (head + body).into_bytes()
}

/// The whole answer to a request that cannot even be parsed, as bytes of HTTP/1.1; the connection ends with it.
pub(crate) fn unparsable(app: &App) -> Vec<u8> {
    let request_id = Uuid::new_v4();
    let body = envelope(
        app,
        request_id,
        &Error::invalid("The request is not valid HTTP, or its head is too large."),
    );
    raw_refusal(request_id, &body)
}

fn message(error: &Error) -> &'static str {
    match error {
        Error::Configuration { .. } => "The service is not configured: see details.missing.",
        Error::AccessDenied { .. } => "This route needs a valid Cloudflare Access token.",
        Error::RateLimited { .. } => "Too many requests: try again after the stated time.",
        Error::TenantNotFound => "No such tenant.",
        Error::NotFound => "No such route.",
        Error::MethodNotAllowed => "The route does not take this method.",
        Error::Invalid { message, .. } => message,
        Error::InvalidWorkload => "X-Workload must be chat, summarization or analysis.",
        Error::PayloadTooLarge => "The body is larger than 1048576 bytes.",
        Error::Conflict { .. } => "The value is already in use.",
        Error::SandboxIdConflict => "The sandbox id is already in use.",
        Error::Store { .. } => "A store is unavailable: try again later.",
        Error::UpstreamFailed { .. } => "The model could not be reached.",
        Error::UpstreamTimeout { .. } => "The model did not answer in time.",
        Error::SandboxIdInvalid { .. } => "The tenant's sandbox cannot be used.",
        Error::Internal => "An internal error occurred.",
    }
}

fn details(error: &Error) -> Value {
    match error {
        Error::Configuration { missing } => json!({"missing": missing}),
        Error::AccessDenied { login_url, .. } => {
            json!({"login_url": login_url, "required_scope": "admin"})
        }
        Error::RateLimited {
            limit_type,
            decision,
            period,
        } => json!({
            "limit_type": limit_type.name(),
            "limit": decision.limit,
            "period": format!("{}s", period.as_secs()),
            "retry_after_seconds": decision.reset_seconds,
        }),
        Error::Invalid {
            field: Some(field), ..
        }
        | Error::Conflict { field } => json!({"field": field}),
        Error::UpstreamFailed { attempts } | Error::UpstreamTimeout { attempts } => {
            json!({"attempts": attempts})
        }
        Error::TenantNotFound
        | Error::NotFound
        | Error::MethodNotAllowed
        | Error::Invalid { field: None, .. }
        | Error::InvalidWorkload
        | Error::PayloadTooLarge
        | Error::SandboxIdConflict
        | Error::Store { .. }
        | Error::SandboxIdInvalid { .. }
        | Error::Internal => Value::Object(Map::new()),
    }
}

fn log(app: &App, caller: &Caller, error: &Error) {
    let request_id = caller.request_id;
    match error {
        Error::Configuration { missing } => app.log().write(&if app.dev_mode() {
            Event::ConfigurationWarning { missing }
        } else {
            Event::ConfigurationError { missing }
        }),
        Error::AccessDenied { reason, .. } => app.log().write(&Event::AccessDenied {
            reason: reason.0,
            request_id,
        }),
        Error::Store { store, source } => {
            let cause = causes(source);
            let cause = app.log().scrub(&cause);
            app.log().write(&Event::StoreUnavailable {
                store: store.name(),
                cause,
                request_id,
            });
        }
        Error::SandboxIdInvalid { tenant } => app.log().write(&Event::SecurityAlert {
            tenant_id: *tenant,
            request_id,
        }),
        // The `request` line says it all.
        Error::RateLimited { .. }
        | Error::TenantNotFound
        | Error::NotFound
        | Error::MethodNotAllowed
        | Error::Invalid { .. }
        | Error::InvalidWorkload
        | Error::PayloadTooLarge
        | Error::Conflict { .. }
        | Error::SandboxIdConflict
        | Error::UpstreamFailed { .. }
        | Error::UpstreamTimeout { .. }
        | Error::Internal => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_the_status_of_the_contract() {
        let table: Vec<(&str, u16)> = ErrorCode::ALL
            .iter()
            .map(|code| (code.as_str(), status(*code).as_u16()))
            .collect();
        let expected = [
            ("ACCESS_DENIED", 403),
            ("RATE_LIMIT_EXCEEDED", 429),
            ("TENANT_NOT_FOUND", 404),
            ("NOT_FOUND", 404),
            ("METHOD_NOT_ALLOWED", 405),
            ("INVALID_REQUEST", 400),
            ("INVALID_WORKLOAD", 400),
            ("PAYLOAD_TOO_LARGE", 413),
            ("CONFLICT", 409),
            ("SANDBOX_ID_CONFLICT", 409),
            ("CONFIGURATION_ERROR", 503),
            ("STORE_UNAVAILABLE", 503),
            ("AI_UPSTREAM_FAILED", 502),
            ("AI_UPSTREAM_TIMEOUT", 504),
            ("SANDBOX_ID_INVALID", 500),
            ("INTERNAL", 500),
        ];
        assert_eq!(table, expected);
    }
}
