//! Admin routes without a token, in every method and spelling. Never takes a 404 for proof: the same route opens with a token.

use super::spellings::{self, Origin};
use super::{
    Credential, DENIED, expect_denied, expect_not_opened, expect_record, is_refusal_of,
    operators_host, record_request, routes, token, uncreated_slug, with_request,
};
use crate::client::Request;
use crate::run::attempts::Attempt;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach, describe};
use crate::said::said;
use crate::steps::operating::{expect_first, expect_status_first, presuppose_own_sandbox};
use crate::subject::dialect::AdminRoute;
use crate::subject::dialect::operation::Operation;
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, OrUnmet as _, Stop};
use bytes::Bytes;
use std::collections::BTreeSet;

/// Methods that every server knows: refused on an admin route as the contract says.
const KNOWN_METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// Methods that a server may refuse before the backend sees them.
const ODD_METHODS: [&str; 7] = [
    "TRACE", "CONNECT", "PROPFIND", "SEARCH", "PURGE", "MOLT", "get",
];
/// Headers that name another path, honoured by some proxies and frameworks.
const PATH_HEADERS: [&str; 6] = [
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-Original-URI",
    "X-Forwarded-Uri",
    "X-Forwarded-Path",
    "X-Override-URL",
];
/// Headers that name another method, or that mark a request as already let in.
const TRUST_HEADERS: [(&str, &str); 8] = [
    ("X-HTTP-Method-Override", "OPTIONS"),
    ("X-HTTP-Method-Override", "DELETE"),
    ("X-HTTP-Method", "DELETE"),
    ("X-Method-Override", "DELETE"),
    (
        "X-Middleware-Subrequest",
        "middleware:middleware:middleware:middleware:middleware",
    ),
    ("X-Internal-Request", "true"),
    ("CF-Worker", "backend.example.com"),
    ("Upgrade", "websocket"),
];

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"without a token no method opens an admin route of tenant "([^"]+)""#,
        |s, a| Box::pin(no_method(s, a)),
    );
    book.step(
        r#"without a token no "([^"]+)" spelling opens an admin route of tenant "([^"]+)""#,
        |s, a| Box::pin(no_spelling(s, a)),
    );
    book.step(
        r#"without a token no admin route of tenant "([^"]+)" opens on any of these hosts"#,
        |s, a| Box::pin(on_no_host(s, a)),
    );
    book.step(r"without a token these paths are denied", |s, a| {
        Box::pin(paths_denied(s, a))
    });
    book.step(
        r#"without a token no override header opens an admin route of tenant "([^"]+)""#,
        |s, a| Box::pin(no_override(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" is as it was, and nobody made another"#,
        |s, a| Box::pin(nothing_changed(s, a)),
    );
}

/// The admin routes as the target itself has them: its own methods, paths and bodies, which nothing puts into other words any more.
pub(super) fn own_requests(s: &Scene, tenant: &Tenant) -> Vec<Request> {
    let dialect = s.run.target.dialect();
    let own = |route: &AdminRoute| Request {
        as_it_stands: true,
        ..dialect.speak(route.request()).request
    };
    routes(s, tenant).iter().map(own).collect()
}

/// A request of a route with another method; what would create is sent along with all that may carry a body.
fn with_method(route: &Request, body: &Bytes, method: &str) -> Request {
    let request = Request {
        method: method.to_owned(),
        headers: Vec::new(),
        body: Bytes::new(),
        ..route.clone()
    };
    if body.is_empty() || matches!(method, "GET" | "HEAD" | "TRACE" | "CONNECT") {
        return request;
    }
    request
        .header("content-type", "application/json")
        .bytes(body.clone())
}

async fn no_method(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let routes = own_requests(s, &tenant);
    let mut seen = BTreeSet::new();
    let one_per_path: Vec<_> = routes
        .iter()
        .filter(|route| seen.insert(route.path.clone()))
        .collect();
    let none = Bytes::new();
    let body_of = |path: &str| {
        let mut bodies = routes.iter().filter(|route| route.path == path);
        bodies
            .find_map(|route| Some(&route.body).filter(|body| !body.is_empty()))
            .unwrap_or(&none)
    };
    let requests = |methods: &[&str]| -> Vec<Request> {
        let all = one_per_path.iter().flat_map(|route| {
            let body = body_of(&route.path);
            methods
                .iter()
                .map(move |method| with_method(route, body, method))
        });
        all.collect()
    };
    let (known, odd) = (requests(&KNOWN_METHODS), requests(&ODD_METHODS));
    let host = operators_host(s, &tenant).await?;
    let host = host.as_bytes();
    let outcomes = s.attempt_all_raw(host, known.clone()).await?;
    for (request, outcome) in known.iter().zip(&outcomes) {
        expect_denied_exactly(s, request, outcome)?;
    }
    let outcomes = s.attempt_all_raw(host, odd.clone()).await?;
    for (request, outcome) in odd.iter().zip(&outcomes) {
        expect_not_opened(s, &line(request), outcome)?;
    }
    Ok(())
}

fn line(request: &Request) -> String {
    format!("{} {}", request.method, request.path)
}

/// As [`expect_denied`]; an answer to `HEAD` has no body to say so.
fn expect_denied_exactly(s: &mut Scene, request: &Request, outcome: &Attempt) -> Check {
    match outcome {
        Ok(answer) if request.method == "HEAD" && is_refusal_of(s, answer.status) => {
            s.accept_refusal(answer);
            s.checks += 1;
            Ok(())
        }
        Ok(answer) if request.method == "HEAD" => s
            .expect_refusal_status(answer, 403)
            .map_err(|stop| with_request(stop, &line(request))),
        Ok(answer) => expect_denied(s, answer),
        Err(why) => Err(breach(
            format!("status 403 with error code {DENIED} for {}", line(request)),
            why.clone(),
        )),
    }
}

async fn no_spelling(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(2))?;
    let host = operators_host(s, &tenant).await?;
    let dialect = s.dialect();
    let public = [dialect.health, dialect.status, dialect.chat];
    let mut requests = Vec::new();
    for route in own_requests(s, &tenant) {
        let of = Origin {
            path: &route.path,
            public: &public,
            host: &host,
        };
        let spellings = spellings::family(a.text(1), &of)
            .ok_or_else(|| Stop::Fault(format!("no family of spellings \"{}\"", a.text(1))))?;
        for spelling in spellings {
            requests.push(Request {
                path: spelling,
                ..route.clone()
            });
        }
    }
    let outcomes = s.attempt_all_raw(host.as_bytes(), requests.clone()).await?;
    for (request, outcome) in requests.iter().zip(&outcomes) {
        expect_not_opened(s, &line(request), outcome)?;
    }
    Ok(())
}

/// Every admin route on each host. What form a refusal has is not judged here, nor is it the same on hosts that are nobody's.
async fn on_no_host(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let app_domain = s.instance().await?.app_domain.clone();
    let routes = own_requests(s, &tenant);
    for row in a.rows() {
        let named = row.first().map_or("", String::as_str);
        let host = match named {
            "localhost" => named.to_owned(),
            "the bare app domain" => app_domain.clone(),
            "the subdomain of nobody" => format!("{}.{app_domain}", s.slug("nobody")),
            _ if named.starts_with("the subdomain of tenant") => tenant.host.clone(),
            _ if named.starts_with("the custom domain of tenant") => {
                tenant.domains.first().cloned().unwrap_or_default()
            }
            _ => return Err(Stop::Fault(format!("no host `{named}`"))),
        };
        let outcomes = s.attempt_all_raw(host.as_bytes(), routes.clone()).await?;
        for (request, outcome) in routes.iter().zip(&outcomes) {
            let what = format!("{} at {named}", line(request));
            expect_not_opened(s, &what, outcome)?;
        }
    }
    Ok(())
}

/// The path below which every route is an admin route, without slash at its end.
fn admin_prefix(s: &Scene) -> String {
    let tenants = s.dialect().tenants;
    tenants
        .rsplit_once('/')
        .map_or(String::new(), |(prefix, _tenants)| prefix.to_owned())
}

async fn paths_denied(s: &mut Scene, a: Args) -> Check {
    let prefix = admin_prefix(s);
    let mut requests = Vec::new();
    for row in a.rows() {
        let path = row
            .first()
            .map_or("", String::as_str)
            .replace("{admin}", &prefix);
        for method in ["GET", "POST", "DELETE"] {
            requests.push(Request::new(method, path.clone()));
        }
    }
    let host = if s.run.target.dialect().operator_host.is_empty() {
        crate::client::authority(&s.instance().await?.base).to_owned()
    } else {
        operators_host(s, &s.tenant("a")?).await?
    };
    let outcomes = s.attempt_all_raw(host.as_bytes(), requests.clone()).await?;
    for (request, outcome) in requests.iter().zip(&outcomes) {
        expect_denied_exactly(s, request, outcome)?;
    }
    Ok(())
}

async fn no_override(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let (health, record) = (s.health_request(), record_request(s, &tenant));
    let mut on_admin = Vec::new();
    for route in routes(s, &tenant) {
        for (name, value) in TRUST_HEADERS {
            on_admin.push(route.request().header(name, value));
        }
        for name in PATH_HEADERS {
            on_admin.push(route.request().header(name, health.path.as_str()));
        }
    }
    let host = operators_host(s, &tenant).await?;
    let host = host.as_bytes();
    let outcomes = s.attempt_all_raw(host, on_admin.clone()).await?;
    for (request, outcome) in on_admin.iter().zip(&outcomes) {
        expect_not_opened(
            s,
            &format!("{} with {}", line(request), said(&request.headers)),
            outcome,
        )?;
    }
    let on_public: Vec<Request> = PATH_HEADERS
        .iter()
        .map(|name| health.clone().header(name, record.path.as_str()))
        .collect();
    for (request, answer) in on_public.iter().zip(s.send_all(on_public.clone()).await?) {
        s.expect(
            !answer.text().contains(&tenant.sandbox_id),
            format!("nothing of tenant `{}`", tenant.slug),
            || describe(&answer),
        )
        .map_err(|stop| with_request(stop, &said(&request.headers)))?;
    }
    Ok(())
}

async fn gateway_not_started(s: &mut Scene, tenant: &Tenant, good: &Credential) -> Check {
    let dialect = s.dialect();
    let gateway = Request::new("GET", dialect.gateway.replace("{id}", &tenant.id));
    let gateway = s.send(good.on(gateway)).await?;
    expect_status_first(s, &gateway, 200)?;
    presuppose_own_sandbox(&gateway, tenant)?;
    let runs = gateway
        .at(&dialect.gateway_instance)
        .filter(|instance| !instance.is_null());
    let check = s.expect(
        runs.is_none(),
        format!("the gateway of tenant `{}` not started", tenant.slug),
        || describe(&gateway),
    );
    if check.is_ok() {
        return check;
    }
    // The control: where the gateway of a tenant runs that nobody has asked for, it is another tenant's that is told.
    let other = s.new_tenant("never-started", "free").await?;
    let other = s.make_tenant("never-started", other).await?;
    let request = Request::new("GET", dialect.gateway.replace("{id}", &other.id));
    let answer = s.send(good.on(request)).await?;
    let instance = answer.at(&dialect.gateway_instance);
    if instance.is_some_and(|instance| !instance.is_null()) {
        check.or_unmet("ISO-001")
    } else {
        check
    }
}

async fn nothing_changed(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let good = Credential::Header(token(s, "good").await?);
    let answer = s.send(good.on(record_request(s, &tenant))).await?;
    expect_status_first(s, &answer, 200)?;
    expect_record(s, &tenant, &answer)?;
    let dialect = s.dialect();
    if !dialect.without.contains(&Operation::Gateway) {
        gateway_not_started(s, &tenant, &good).await?;
    }
    let mut fresh = s.new_tenant("uncreated", "free").await?;
    fresh.slug = uncreated_slug(s);
    let creation = Request::new("POST", dialect.tenants).json(&fresh.creation());
    let created = s.send(good.on(creation)).await?;
    s.expect(
        created.status != 409,
        format!(
            "slug `{}` still free, for nobody was let in to take it",
            fresh.slug
        ),
        || describe(&created),
    )?;
    expect_status_first(s, &created, 201)?;
    let removal = Request::new("DELETE", dialect.tenant.replace("{id}", &fresh.id));
    let removed = s.send(good.on(removal)).await?;
    let is_gone = (200..300).contains(&removed.status);
    let expected = "the tenant made for this check removed: status 2xx";
    expect_first(s, &removed, is_gone, expected)
}
