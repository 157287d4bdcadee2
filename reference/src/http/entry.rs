//! The way of every request: gates in the contract's order, then the route, then headers and a log line. Never lets a panic out.

use super::error::{Failure, failure_in, render};
use super::origin;
use crate::app::error::Error;
use crate::app::requirements::RouteClass;
use crate::app::resolve::{Resolution, Tenant};
use crate::app::{App, Caller};
use crate::log::Event;
use crate::ports::RateDecision;
use axum::Router;
use axum::extract::{FromRequestParts, Request};
use axum::http::header::{ALLOW, CACHE_CONTROL};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tower::ServiceExt;
use uuid::Uuid;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// More header lines than any browser or proxy sends.
const HEADERS_MAX: usize = 100;
/// More bytes of headers than any browser or proxy sends; the 64 KiB token of ACC-012 must get as far as Access.
const HEADER_BYTES_MAX: usize = 128 * 1024;

/// Who got past the gates; handlers take it out of the request.
#[derive(Debug, Clone)]
pub(super) struct Admitted {
    pub(super) caller: Caller,
    /// `None` on admin routes and `/sandbox-health`.
    pub(super) tenant: Option<Tenant>,
    /// The slug by which the tenant was found.
    pub(super) slug: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Admitted {
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
pub(crate) struct Entrance {
    app: Arc<App>,
    routes: Router,
}

impl Entrance {
    pub(crate) fn new(app: Arc<App>) -> Self {
        let routes = super::routes().with_state(Arc::clone(&app));
        Self { app, routes }
    }

    /// Answers one request.
    pub(crate) async fn answer(self, request: Request) -> Response {
        let Self { app, routes } = self;
        let started = app.clock().monotonic();
        let caller = Caller {
            request_id: Uuid::new_v4(),
            client_ip: origin::client_ip(&request),
        };
        let method = request.method().clone();
        let uri = request.uri().clone();
        let answered = AssertUnwindSafe(pass(&app, routes, caller, request))
            .catch_unwind()
            .await;
        let mut response = answered.unwrap_or_else(|_panic| {
            app.log().write(&Event::Panicked {
                request_id: caller.request_id,
            });
            render(&app, &caller, &Error::Internal)
        });
        let headers = response.headers_mut();
        let mut id = [0; 36];
        let id = caller.request_id.hyphenated().encode_lower(&mut id);
        if let Ok(id) = HeaderValue::from_str(id) {
            headers.insert(REQUEST_ID, id);
        }
        headers
            .entry(CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
        let duration = app.clock().monotonic().saturating_sub(started);
        app.log().write(&Event::Request {
            request_id: caller.request_id,
            method: app.log().scrub(method.as_str()),
            path: app.log().scrub(uri.path()),
            status: response.status().as_u16(),
            duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        });
        response
    }
}

async fn pass(app: &App, routes: Router, caller: Caller, request: Request) -> Response {
    let class = origin::class(request.uri().path());
    let passed = match class {
        RouteClass::Admin => admin_gates(app, caller, request)
            .await
            .map(|request| (request, None)),
        RouteClass::Health | RouteClass::Public | RouteClass::Chat => {
            public_gates(app, caller, class, request)
                .await
                .map(|(request, decision)| (request, Some(decision)))
        }
    };
    let (passed, decision) = match passed {
        Ok(passed) => passed,
        Err(error) => return render(app, &caller, &error),
    };
    let mut response = match passed {
        Ok(request) => match routes.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        },
        Err(error) => render(app, &caller, &error),
    };
    if let Some(error) = failure_in(&mut response) {
        let allow = response.headers_mut().remove(ALLOW);
        response = render(app, &caller, &error);
        if let Some(allow) = allow {
            response.headers_mut().insert(ALLOW, allow);
        }
    }
    if let Some(decision) = decision {
        state_quota(response.headers_mut(), decision);
    }
    response
}

/// A request that goes on to its route, or what the last gate says of one that was counted and still leads nowhere.
type Passed = Result<Request, Error>;

/// bindings → Access JWT
async fn admin_gates(app: &App, caller: Caller, mut request: Request) -> Result<Passed, Error> {
    check_head(request.headers())?;
    app.require(RouteClass::Admin)?;
    app.authorize(&caller, origin::access_token(request.headers()))
        .await?;
    request.extensions_mut().insert(Admitted {
        caller,
        tenant: None,
        slug: None,
    });
    Ok(Ok(request))
}

/// bindings → tenant resolution → rate limit
async fn public_gates(
    app: &App,
    caller: Caller,
    class: RouteClass,
    mut request: Request,
) -> Result<(Passed, RateDecision), Error> {
    check_head(request.headers())?;
    app.require(class)?;
    let resolution = match class {
        RouteClass::Health => None,
        RouteClass::Public | RouteClass::Chat | RouteClass::Admin => {
            Some(app.resolve(&caller, &origin::target(&request)).await?)
        }
    };
    let (tenant, slug) = match resolution {
        None => (None, None),
        Some(Resolution::Known { tenant, slug }) => (Some(tenant), slug),
        Some(Resolution::Unknown) => {
            return Ok((Err(Error::TenantNotFound), app.admit(&caller, None)?));
        }
        Some(Resolution::Malformed) => {
            return Ok((
                Err(Error::invalid("The Host header is not a host name.")),
                app.admit(&caller, None)?,
            ));
        }
    };
    let decision = app.admit(&caller, tenant.as_ref())?;
    request.extensions_mut().insert(Admitted {
        caller,
        tenant,
        slug,
    });
    Ok((Ok(request), decision))
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

fn state_quota(headers: &mut HeaderMap, decision: RateDecision) {
    headers.insert(LIMIT, HeaderValue::from(decision.limit));
    headers.insert(REMAINING, HeaderValue::from(decision.remaining));
    headers.insert(RESET, HeaderValue::from(decision.reset_seconds));
}
