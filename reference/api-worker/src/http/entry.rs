//! The way of every request: gates in the contract's order, then the route, then headers, a metric of failures and a log line.
//! Never lets a panic out.

use super::error::{Code, Failure, failure_in, render};
use crate::app::error::Error;
use crate::app::event::Event;
use crate::app::gates::Class;
use crate::app::{App, Caller, Present};
use crate::domain::credential::Credential;
use crate::domain::date::TIME_MAX;
use crate::domain::fields::Permission;
use crate::domain::records::Metric;
use crate::store::Act;
use crate::store::gate::Principal;
use axum::Router;
use axum::extract::{FromRequestParts, Request};
use axum::http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::Response;
use futures_util::FutureExt;
use moltworker_reference::domain::path::is_admin;
use moltworker_reference::http::origin;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tower::ServiceExt;
use uuid::Uuid;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TEST_NOW: HeaderName = HeaderName::from_static("x-test-now");
const CHAT_PATH: &str = "/v1/chat/completions";
/// More header lines and bytes than any browser or proxy sends, as in the backend of Phase 1.
const HEADERS_MAX: usize = 100;
const HEADER_BYTES_MAX: usize = 128 * 1024;

/// A user who got past the gates; handlers take him out of the request.
#[derive(Clone)]
pub(super) struct Visitor {
    pub(super) caller: Caller,
    pub(super) principal: Principal,
}

/// An operator who got past the gates.
#[derive(Clone)]
pub(super) struct Operator {
    pub(super) caller: Caller,
    name: String,
}

impl Operator {
    pub(super) fn act(&self) -> Act {
        self.caller.act(&self.name)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        parts
            .extensions
            .remove::<Self>()
            .ok_or_else(|| Error::Internal.into())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Operator {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        parts
            .extensions
            .remove::<Self>()
            .ok_or_else(|| Error::Internal.into())
    }
}

/// The one way in: gates around the routes, so that a refusal carries nothing that a route adds (such as `Allow`).
#[derive(Clone)]
pub struct Entrance {
    app: Arc<App>,
    routes: Router,
}

impl Entrance {
    /// The way into this application.
    #[must_use]
    pub fn new(app: Arc<App>) -> Self {
        let routes = super::routes().with_state(Arc::clone(&app));
        Self { app, routes }
    }

    /// Answers one request; [`origin::Peer`] must be among its extensions.
    pub async fn answer(self, request: Request) -> Response {
        let Self { app, routes } = self;
        let started = app.clock().monotonic();
        let told = told_present(&app, request.headers());
        let clock = || Present::Clock(Arc::clone(app.clock()));
        let caller = Caller {
            request_id: Uuid::new_v4(),
            client_ip: origin::client_ip(&request),
            present: told.as_ref().ok().cloned().flatten().unwrap_or_else(clock),
        };
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let answered = AssertUnwindSafe(pass(&app, routes, &caller, told.map(|_| ()), request));
        let mut response = answered.catch_unwind().await.unwrap_or_else(|_panic| {
            Event::Panicked {
                request_id: caller.request_id,
            }
            .log(app.log());
            render(&app, &caller, &Error::Internal)
        });
        if let (Some(metric), Ok(store)) = (failure_metric(&caller, &response), app.store()) {
            // A database that is out of reach has said so already.
            drop(store.measure(metric).await);
        }
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::try_from(caller.request_id.to_string()) {
            headers.insert(REQUEST_ID, id);
        }
        headers
            .entry(CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
        let duration = app.clock().monotonic().saturating_sub(started);
        Event::Request {
            request_id: caller.request_id,
            method: app.log().scrub(method.as_str()),
            path: app.log().scrub(uri.path()),
            status: response.status().as_u16(),
            duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        }
        .log(app.log());
        response
    }
}

/// What time the request says it is, if requests may.
fn told_present(app: &App, headers: &HeaderMap) -> Result<Option<Present>, Error> {
    if !app.config().test_clock {
        return Ok(None);
    }
    let Some(value) = headers.get(TEST_NOW) else {
        return Ok(None);
    };
    let told = value.to_str().ok().and_then(|text| text.parse().ok());
    let told = told.filter(|now| (0..=TIME_MAX).contains(now));
    told.map(|now| Some(Present::Told(now)))
        .ok_or_else(|| Error::invalid("X-Test-Now must be epoch milliseconds."))
}

/// Answers of 500 and above leave a metric, where the database can be written.
fn failure_metric(caller: &Caller, response: &Response) -> Option<Metric> {
    let Code(code) = response.extensions().get::<Code>()?;
    response.status().is_server_error().then(|| Metric {
        name: format!("error.{}", code.to_ascii_lowercase()),
        value: i64::from(response.status().as_u16()),
        created_at: caller.now(),
    })
}

fn class(path: &str) -> Class {
    match path {
        CHAT_PATH => Class::Chat,
        _ if is_admin(path) => Class::Admin,
        _ if path.starts_with("/v1/") => Class::User,
        _ => Class::Other,
    }
}

async fn pass(
    app: &App,
    routes: Router,
    caller: &Caller,
    clock: Result<(), Error>,
    request: Request,
) -> Response {
    let request = match gates(app, caller, clock, request).await {
        Ok(request) => request,
        Err(error) => return render(app, caller, &error),
    };
    let mut response = match routes.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    if let Some(error) = failure_in(&mut response) {
        let allow = response.headers_mut().remove(ALLOW);
        response = render(app, caller, &error);
        if let Some(allow) = allow {
            response.headers_mut().insert(ALLOW, allow);
        }
    }
    response
}

async fn gates(
    app: &App,
    caller: &Caller,
    clock: Result<(), Error>,
    mut request: Request,
) -> Result<Request, Error> {
    check_head(request.headers())?;
    let class = class(request.uri().path());
    app.require(class)?;
    if class == Class::Admin {
        let name = app
            .authorize(origin::access_token(request.headers()))
            .await?;
        clock?;
        let caller = caller.clone();
        request.extensions_mut().insert(Operator { caller, name });
        return Ok(request);
    }
    clock?;
    let credential = credential(request.headers());
    let needs = match (class, request.method()) {
        (Class::Chat, &Method::POST) => Permission::Chat,
        (_, &Method::GET | &Method::HEAD) => Permission::Read,
        _ => Permission::Write,
    };
    if class == Class::Other {
        // Nothing is here, for nobody; the request counts all the same.
        return match app.arrive(caller, credential).await {
            Ok(_) | Err(Error::Unauthenticated) => Err(Error::NotFound),
            Err(error) => Err(error),
        };
    }
    let principal = app.admit(caller, credential, needs).await?;
    let caller = caller.clone();
    request
        .extensions_mut()
        .insert(Visitor { caller, principal });
    Ok(request)
}

/// The one `Authorization: Bearer …` of a request, if it is well-formed.
fn credential(headers: &HeaderMap) -> Option<Credential> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| Credential::parse(rest.trim()))?
}

fn check_head(headers: &HeaderMap) -> Result<(), Error> {
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if headers.len() > HEADERS_MAX || bytes > HEADER_BYTES_MAX {
        return Err(Error::invalid(
            "The request has too many or too large headers.",
        ));
    }
    Ok(())
}
