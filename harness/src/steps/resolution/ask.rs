//! Asking a host for something, with or without another header. Never judges the answer.

use super::told::LOG_BEFORE;
use crate::client::Request;
use crate::evidence::Exchange;
use crate::run::book::{Args, Book};
use crate::run::scene::Scene;
use crate::steps::words::filled;
use crate::verdict::{Check, Finding, Stop};
use serde_json::json;
use std::sync::Arc;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"somebody asks host "([^"]*)" for the (status|health)"#,
        |s, a| Box::pin(asks(s, a)),
    );
    book.step(
        r#"somebody asks host "([^"]*)" for the (status|health) with the header "([A-Za-z-]+): (.*)""#,
        |s, a| Box::pin(asks(s, a)),
    );
    book.step(r#"somebody chats at host "([^"]*)""#, |s, a| {
        Box::pin(chats(s, a))
    });
    book.step(
        r#"somebody chats at host "([^"]*)" with the header "([A-Za-z-]+): (.*)""#,
        |s, a| Box::pin(chats(s, a)),
    );
}

async fn asks(s: &mut Scene, a: Args) -> Check {
    let host = filled(s, a.text(1)).await?;
    let request = match a.text(2) {
        "health" => s.health_request().host(host),
        _ => s.status_request(&host),
    };
    let request = with_header(s, request, a.text(3), a.text(4)).await?;
    send(s, request).await.map(drop)
}

async fn chats(s: &mut Scene, a: Args) -> Check {
    let host = filled(s, a.text(1)).await?;
    let request = s.chat_request(&host);
    let request = with_header(s, request, a.text(2), a.text(3)).await?;
    send(s, request).await.map(drop)
}

/// Adds a header whose value is a text with words, unless its name is empty.
pub(in crate::steps) async fn with_header(
    s: &mut Scene,
    request: Request,
    name: &str,
    value: &str,
) -> Result<Request, Stop> {
    if name.is_empty() {
        return Ok(request);
    }
    if name.eq_ignore_ascii_case("x-tenant-override")
        && s.planned.criteria.iter().any(|id| id == "RES-007")
    {
        warnings_of_its_own(s).await?;
    }
    let value = filled(s, value).await?;
    Ok(request.header(name, value))
}

/// From here on no other scenario of malformed overrides sends one: a warning of one can be nobody else's.
async fn warnings_of_its_own(s: &mut Scene) -> Check {
    if !s.notes.contains_key(LOG_BEFORE) {
        s.alone("malformed overrides").await;
    }
    let logs = s.instance().await?.logs.clone();
    let mark = logs.map_or(0, |logs| logs.mark());
    s.notes.insert(LOG_BEFORE.to_owned(), json!(mark));
    Ok(())
}

/// Sends a request; byte for byte where a header holds what no HTTP library would send.
pub(in crate::steps) async fn send(s: &mut Scene, request: Request) -> Result<Arc<Exchange>, Stop> {
    let odd = |text: &str| !text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if request.headers.iter().any(|(_, value)| odd(value)) {
        let host = request.host.clone().unwrap_or_default();
        return s.send_raw(host.as_bytes(), request).await;
    }
    s.send(request).await
}

/// A request as a table names it: `status`, `chat`, `health`, an admin operation, or a path, with a method in front or the route's own.
/// `id` is the tenant that admin operations are about.
pub(in crate::steps) fn request_for(s: &Scene, what: &str, id: &str) -> Request {
    let dialect = s.dialect();
    let (method, route) = match what.split_once(' ') {
        Some((method, route)) if method.bytes().all(|byte| byte.is_ascii_uppercase()) => {
            (Some(method), route)
        }
        _ => (None, what),
    };
    let (route, below) = match route.find('/') {
        Some(0) | None => (route, ""),
        Some(at) => route.split_at(at),
    };
    let (own, path) = match route {
        "status" => ("GET", dialect.status),
        "health" => ("GET", dialect.health),
        "chat" => ("POST", dialect.chat),
        "tenants" => ("GET", dialect.tenants),
        "tenant" => ("GET", dialect.tenant),
        "routing" => ("GET", dialect.routing),
        "usage" => ("GET", dialect.usage),
        "gateway start" => ("POST", dialect.gateway_start),
        "gateway" => ("GET", dialect.gateway),
        path => ("GET", path.to_owned()),
    };
    let path = format!("{}{below}", path.replace("{id}", id));
    if what == "chat" {
        let body =
            json!({ "messages": [{ "role": "user", "content": Scene::prompt(&s.marker()) }] });
        return Request::new(own, path).json(&body);
    }
    Request::new(method.unwrap_or(own), path)
}

/// A check about one of several things: a finding says which.
pub(in crate::steps) fn about(what: &str, check: Check) -> Check {
    check.map_err(|stop| match stop {
        Stop::Violation(finding) => Stop::Violation(Finding {
            expected: format!("{what}: {}", finding.expected),
            ..finding
        }),
        other @ (Stop::Unmet(_)
        | Stop::NotVerified(_)
        | Stop::NotApplicable(_)
        | Stop::Fault(_)) => other,
    })
}
