//! The public routes. Never sees a request that a gate refused.

use super::body;
use super::entry::Admitted;
use super::error::Failure;
use crate::app::App;
use crate::app::chat::AnswerBody;
use crate::app::error::Error;
use crate::app::resolve::Tenant;
use crate::domain::routing::Workload;
use crate::ports::GatewayState;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use serde::Serialize;
use std::sync::Arc;

const WORKLOAD: HeaderName = HeaderName::from_static("x-workload");
const STEP: HeaderName = HeaderName::from_static("cf-aig-step");
const HEALTH_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=10");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A JSON answer with status 200.
pub(super) fn json(value: &impl Serialize) -> Result<Response, Failure> {
    let body = serde_json::to_vec(value).map_err(|_source| Error::Internal)?;
    Ok(json_bytes(Body::from(body)))
}

fn json_bytes(body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// `GET /sandbox-health`
pub(super) async fn health() -> Response {
    let mut response = json_bytes(Body::from(r#"{"status":"ok"}"#));
    response.headers_mut().insert(CACHE_CONTROL, HEALTH_CACHE);
    response
}

#[derive(Serialize)]
struct StatusBody<'a> {
    tenant: &'a str,
    gateway: GatewayBody,
}

#[derive(Serialize)]
struct GatewayBody {
    state: &'static str,
}

/// The state's name on the wire.
pub(super) fn state_name(state: GatewayState) -> &'static str {
    match state {
        GatewayState::Stopped => "stopped",
        GatewayState::Starting => "starting",
        GatewayState::Running => "running",
    }
}

/// `GET /api/status`
pub(super) async fn status(
    State(app): State<Arc<App>>,
    admitted: Admitted,
) -> Result<Response, Failure> {
    let (tenant, slug) = (required(admitted.tenant)?, admitted.slug);
    let slug = match slug {
        Some(slug) => slug,
        None => app.slug_of(tenant.id).await?,
    };
    let state = state_name(app.gateway_status(tenant.sandbox).await?.state);
    json(&StatusBody {
        tenant: &slug,
        gateway: GatewayBody { state },
    })
}

/// `POST /v1/chat/completions`
pub(super) async fn chat(
    State(app): State<Arc<App>>,
    mut admitted: Admitted,
    request: Request,
) -> Result<Response, Failure> {
    let tenant = required(admitted.tenant.take())?;
    let workload = workload(request.headers())?;
    let body = body::read(app.clock(), request.into_body()).await?;
    let answer = app.chat(&admitted.caller, &tenant, workload, &body).await?;
    let mut response = match answer.body {
        AnswerBody::Json(bytes) => json_bytes(Body::from(bytes)),
        AnswerBody::Events(stream) => {
            let mut response = Response::new(Body::from_stream(stream));
            response
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
            response
        }
    };
    response
        .headers_mut()
        .insert(STEP, HeaderValue::from(u16::from(answer.step)));
    Ok(response)
}

/// The gates let nobody without a tenant through to these routes.
fn required(tenant: Option<Tenant>) -> Result<Tenant, Error> {
    tenant.ok_or(Error::Internal)
}

fn workload(headers: &HeaderMap) -> Result<Workload, Error> {
    let mut values = headers.get_all(WORKLOAD).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(Workload::Chat),
        (Some(value), None) => value
            .to_str()
            .ok()
            .and_then(Workload::parse)
            .ok_or(Error::InvalidWorkload),
        (Some(_), Some(_)) => Err(Error::InvalidWorkload),
    }
}
