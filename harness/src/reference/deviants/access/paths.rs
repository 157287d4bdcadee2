//! Checks that a path, a method or a header goes round. Never lets a request in that they would see.

use super::super::answers::decoded;
use super::super::{Draft, deviant};
use super::{is_admin, opens};
use crate::tamper::Ask;

type Rule = fn(&mut Ask) -> bool;

pub(super) fn all() -> Vec<Draft> {
    let all = routes().into_iter().chain(spellings()).chain(headers());
    all.map(|(id, breaks, expected, is_open)| {
        deviant(id, breaks, expected).parts(move |parts| opens(parts, is_open))
    })
    .collect()
}

type Hole = (&'static str, &'static str, &'static [&'static str], Rule);

/// The routes that there are, as the table of a check lists them.
fn is_known(route: &str) -> bool {
    let rest = route.strip_prefix("/api/admin/tenants").unwrap_or("?");
    let segments: Vec<&str> = rest.split('/').skip(1).collect();
    rest.is_empty()
        || matches!(
            segments.as_slice(),
            [_] | [_, "routing" | "usage" | "gateway"] | [_, "gateway", "start"]
        ) && rest.starts_with('/')
            && !segments.contains(&"")
}

fn routes() -> Vec<Hole> {
    vec![
        (
            "usage-route-forgotten",
            "The usage route was added later and is not behind Access",
            &["ACC-001"],
            |ask| is_admin(ask.route()) && ask.route().ends_with("/usage"),
        ),
        (
            "gateway-start-forgotten",
            "Starting a gateway is not behind Access",
            &["ACC-017"],
            |ask| is_admin(ask.route()) && ask.route().ends_with("/gateway/start"),
        ),
        (
            "ui-prefix-forgotten",
            "What lies below /_admin is not behind Access",
            &["ACC-017"],
            |ask| ask.route().starts_with("/_admin"),
        ),
        (
            "unknown-admin-routes-forgotten",
            "Access is checked by each route, and what is no route is a 404 for anybody",
            &["ACC-017", "ERR-005"],
            |ask| is_admin(ask.route()) && !is_known(ask.route()),
        ),
        (
            "admin-methods-told-to-anybody",
            "Access is checked by each handler, and a method without one is a 405 for anybody",
            &["ERR-005"],
            |ask| is_admin(ask.route()) && ask.method == "PUT",
        ),
        (
            "delete-forgotten",
            "Deleting a tenant is not behind Access",
            &["ACC-001"],
            |ask| is_admin(ask.route()) && ask.method == "DELETE",
        ),
        (
            "reads-open",
            "Only what writes is behind Access",
            &["ACC-001"],
            |ask| is_admin(ask.route()) && ask.method == "GET",
        ),
        (
            "head-forgotten",
            "HEAD is not among the methods that are behind Access",
            &["ACC-017"],
            |ask| is_admin(ask.route()) && ask.method == "HEAD",
        ),
    ]
}

/// Whether the backend finds an admin route where the check, which reads the path as it was sent, did not.
fn reread(ask: &mut Ask, read: impl Fn(&str) -> String) -> bool {
    let route = read(ask.route());
    if route == ask.route() || !is_known(&route) {
        return false;
    }
    ask.path = route;
    true
}

fn spellings() -> Vec<Hole> {
    vec![
        (
            "trailing-slash-open",
            "A trailing slash leads round Access",
            &["ACC-017"],
            |ask| reread(ask, |route| route.trim_end_matches('/').to_owned()),
        ),
        (
            "doubled-slash-open",
            "A doubled slash leads round Access",
            &["ACC-017"],
            |ask| reread(ask, merged),
        ),
        (
            "upper-case-open",
            "Capitals in the path lead round Access",
            &["ACC-017"],
            |ask| reread(ask, str::to_ascii_lowercase),
        ),
        (
            "percent-encoding-open",
            "A percent-encoded letter leads round Access",
            &["ACC-017"],
            |ask| reread(ask, decoded),
        ),
        (
            "double-encoding-open",
            "A letter that is percent-encoded twice leads round Access",
            &["ACC-017"],
            |ask| {
                let once = decoded(ask.route());
                once.contains('%') && reread(ask, |route| decoded(&decoded(route)))
            },
        ),
        (
            "dot-segments-open",
            "Dot segments lead round Access",
            &["ACC-017"],
            |ask| !is_public(ask.route()) && reread(ask, resolved),
        ),
        (
            "public-prefix-open",
            "A path that begins as a public one is public, wherever its dot segments lead",
            &["ACC-017"],
            |ask| is_public(ask.route()) && reread(ask, |route| resolved(&decoded(route))),
        ),
        (
            "path-parameters-open",
            "Something after a semicolon leads round Access",
            &["ACC-017"],
            |ask| {
                reread(ask, |route| {
                    let names = route
                        .split('/')
                        .map(|name| name.split(';').next().unwrap_or(""));
                    names.collect::<Vec<_>>().join("/")
                })
            },
        ),
    ]
}

fn headers() -> Vec<Hole> {
    vec![
        (
            "original-url-header-open",
            "X-Original-URL names the route, after Access has looked at the path",
            &["ACC-017"],
            |ask| {
                let named = ask.header("x-original-url").map(str::to_owned);
                let named = named.filter(|named| is_known(named) && !is_admin(ask.route()));
                named.is_some_and(|named| {
                    ask.path = named;
                    true
                })
            },
        ),
        (
            "subrequest-header-open",
            "A header marks a request as one that the check has already seen",
            &["ACC-017"],
            |ask| is_admin(ask.route()) && ask.headers.contains_key("x-middleware-subrequest"),
        ),
    ]
}

fn is_public(route: &str) -> bool {
    ["/sandbox-health", "/api/status", "/v1/"]
        .iter()
        .any(|public| route.starts_with(public))
}

fn merged(route: &str) -> String {
    let names: Vec<&str> = route.split('/').filter(|name| !name.is_empty()).collect();
    format!("/{}", names.join("/"))
}

fn resolved(route: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in route.split('/').skip(1) {
        match name {
            "." => {}
            ".." => drop(names.pop()),
            other => names.push(other),
        }
    }
    format!("/{}", names.join("/"))
}
