//! Every route of a backend, called with and without token. Never picks routes by what a variant is expected to do.

use super::names::{expect_missing, listed};
use super::tenant_to_be;
use crate::client::Request;
use crate::contract::need::Variant;
use crate::evidence::Exchange;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, describe};
use crate::steps::operating::{authorised, expect_first, operator_token, worst};
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, Stop};
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;

/// Where a scenario keeps which of its exchanges are to be judged: first and last number.
const PROBED: &str = "probed";

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r"every route answers as it should while everything is bound",
        |s, _a| Box::pin(control(s)),
    );
    book.step(
        r#"every route refuses with (\d+) "([A-Z_]+)" and names exactly "([A-Z0-9_, ]+)""#,
        |s, a| Box::pin(every_route_refuses(s, a)),
    );
    book.step(
        r#"every route of tenant "([^"]+)" refuses with (\d+) "([A-Z_]+)" and names exactly "([A-Z0-9_, ]+)""#,
        |s, a| Box::pin(every_route_of_refuses(s, a)),
    );
    book.step(
        r"every public route is called with HEAD, OPTIONS, PUT and PATCH",
        |s, _a| Box::pin(call_by_any_method(s)),
    );
    book.step(
        r#"each of these methods is refused with (\d+) "([A-Z_]+)""#,
        |s, a| Box::pin(each_method_is_refused(s, a)),
    );
    book.step(
        r"every route is called that needs (the bindings|Access|the app domain)",
        |s, a| Box::pin(call_what_needs(s, a)),
    );
    book.step(
        r#"each of these is refused with (\d+) "([A-Z_]+)" and names exactly "([A-Z0-9_, ]+)""#,
        |s, a| Box::pin(each_is_refused(s, a)),
    );
}

/// Sends requests side by side and remembers them as the ones to be judged.
pub(super) async fn probe(s: &mut Scene, requests: Vec<Request>) -> Check {
    let first = s.exchanges.len();
    s.send_all(requests).await?;
    s.notes
        .insert(PROBED.to_owned(), json!([first, s.exchanges.len()]));
    Ok(())
}

/// The exchanges to be judged.
pub(super) fn probed(s: &Scene) -> Result<Vec<Arc<Exchange>>, Stop> {
    let place = |at: usize| {
        let number = s.notes.get(PROBED).and_then(|note| note[at].as_u64());
        number.and_then(|number| usize::try_from(number).ok())
    };
    match (place(0), place(1)) {
        (Some(first), Some(last)) if first < last => Ok(s.exchanges[first..last].to_vec()),
        _ => Err(Stop::Fault("no route was called".to_owned())),
    }
}

/// Every public route for a tenant, an unknown one and a wrong method among them.
fn public_routes(s: &Scene, tenant: &Tenant) -> Vec<Request> {
    let streamed = json!({ "stream": true, "messages": [{ "role": "user", "content": Scene::prompt(&s.token) }] });
    let mut wrong_method = s.status_request(&tenant.host);
    "DELETE".clone_into(&mut wrong_method.method);
    vec![
        s.health_request(),
        s.health_request().host(&tenant.host),
        s.status_request(&tenant.host),
        s.chat_request(&tenant.host),
        s.chat_request_with(&tenant.host, &streamed),
        Request::new("GET", "/mp-no-such-route").host(&tenant.host),
        Request::new("GET", "/").host(&tenant.host),
        wrong_method,
    ]
}

/// Every admin route for a tenant without token, unknown ones among them; the deleting route comes last.
pub(super) fn admin_routes(s: &Scene, tenant: &Tenant) -> Vec<Request> {
    let unknown = [
        Request::new("GET", "/_admin/"),
        Request::new("GET", "/_admin/mp-no-such-route"),
        Request::new("GET", "/api/admin/mp-no-such-route"),
    ];
    let known = s.dialect().admin_routes(&tenant.id, &s.slug("made"));
    unknown
        .into_iter()
        .chain(
            known
                .iter()
                .map(crate::subject::dialect::AdminRoute::request),
        )
        .collect()
}

/// Every route: public, admin with the operator's token, admin without.
async fn all_routes(s: &mut Scene, tenant: &Tenant) -> Result<Vec<Request>, Stop> {
    let mut requests = public_routes(s, tenant);
    for request in admin_routes(s, tenant) {
        requests.push(request.clone());
        requests.push(authorised(s, request).await?);
    }
    Ok(requests)
}

/// The same routes in production: known ones answer, and no other fails.
async fn control(s: &mut Scene) -> Check {
    s.use_variant(Variant::Production).await?;
    let tenant = s.new_tenant("control", "free").await?;
    let tenant = s.make_tenant("control", tenant).await?;
    for answer in {
        let requests = public_routes(s, &tenant);
        s.send_all(requests).await?
    } {
        let is_unknown = answer.request.method == "DELETE"
            || matches!(answer.request.path.as_str(), "/" | "/mp-no-such-route");
        own_answer(s, &answer, is_unknown)?;
    }
    for request in admin_routes(s, &tenant) {
        let is_unknown = request.path.ends_with("mp-no-such-route") || request.path == "/_admin/";
        let answer = s.send(request.clone()).await?;
        own_answer(s, &answer, true)?;
        let request = authorised(s, request).await?;
        let answer = s.send(request).await?;
        own_answer(s, &answer, is_unknown)?;
    }
    Ok(())
}

/// That a route answers for itself: what is refused there, and how, is promised elsewhere.
fn own_answer(s: &mut Scene, answer: &Exchange, may_refuse: bool) -> Check {
    let is_own = answer.status < 300 || (may_refuse && answer.status < 500 && answer.status != 429);
    let expected = "the route's own answer while everything is bound";
    expect_first(s, answer, is_own, expected)
}

async fn every_route_refuses(s: &mut Scene, a: Args) -> Check {
    let tenant = tenant_to_be(s, "a").await?;
    refuse_all(s, &tenant, a.number(1)?, a.text(2), a.text(3)).await
}

async fn every_route_of_refuses(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    refuse_all(s, &tenant, a.number(2)?, a.text(3), a.text(4)).await
}

async fn refuse_all(s: &mut Scene, tenant: &Tenant, status: u16, code: &str, names: &str) -> Check {
    let requests = all_routes(s, tenant).await?;
    probe(s, requests).await?;
    judge(s, status, code, names)
}

fn judge(s: &mut Scene, status: u16, code: &str, names: &str) -> Check {
    let names = listed(names);
    let answers = probed(s)?;
    // Which names an answer gives is promised of bindings and of what is reported as they are.
    let unnamed = ["BND-008", "BND-010"];
    let own = &s.planned.criteria;
    if own.iter().all(|id| unnamed.contains(&id.as_str())) {
        let about = |check, answer: &Exchange| {
            let what = format!("{} {}", answer.request.method, answer.request.path);
            crate::steps::resolution::ask::about(&what, check)
        };
        return worst(
            answers
                .iter()
                .map(|answer| about(s.expect_error(answer, status, code), answer)),
        );
    }
    worst(
        answers
            .iter()
            .map(|answer| expect_missing(s, answer, status, code, &names)),
    )
}

async fn each_is_refused(s: &mut Scene, a: Args) -> Check {
    judge(s, a.number(1)?, a.text(2), a.text(3))
}

/// Calls health, status and chat by methods that they do not have, a browser's preflight among them, and by HEAD.
async fn call_by_any_method(s: &mut Scene) -> Check {
    let tenant = tenant_to_be(s, "a").await?;
    let routes = [
        s.health_request(),
        s.status_request(&tenant.host),
        s.chat_request(&tenant.host),
    ];
    let mut requests = Vec::new();
    for route in routes {
        for method in ["HEAD", "OPTIONS", "PUT", "PATCH"] {
            let mut request = route.clone();
            if method == "OPTIONS" {
                let asked = std::mem::take(&mut request.method);
                request = request
                    .header("Origin", format!("https://{}", tenant.host))
                    .header("Access-Control-Request-Method", asked);
            }
            if matches!(method, "HEAD" | "OPTIONS") {
                request.body = Bytes::new();
            }
            method.clone_into(&mut request.method);
            requests.push(request);
        }
    }
    probe(s, requests).await
}

/// An answer to HEAD has no body, so that only its status is looked at.
async fn each_method_is_refused(s: &mut Scene, a: Args) -> Check {
    let (status, code) = (a.number(1)?, a.text(2));
    let answers = probed(s)?;
    worst(answers.iter().map(|answer| {
        let check = if answer.request.method == "HEAD" {
            s.expect(answer.status == status, format!("status {status}"), || {
                describe(answer)
            })
        } else {
            s.expect_error(answer, status, code)
        };
        let what = format!("{} {}", answer.request.method, answer.request.path);
        crate::steps::resolution::ask::about(&what, check)
    }))
}

async fn call_what_needs(s: &mut Scene, a: Args) -> Check {
    let tenant = tenant_to_be(s, "a").await?;
    let requests = match a.text(1) {
        "the bindings" => all_routes(s, &tenant).await?,
        "the app domain" => vec![s.status_request(&tenant.host), s.chat_request(&tenant.host)],
        _ => {
            let token = operator_token(s).await?;
            let mut requests = admin_routes(s, &tenant);
            let with_token: Vec<Request> = requests
                .iter()
                .map(|request| {
                    request
                        .clone()
                        .header("cf-access-jwt-assertion", token.clone())
                })
                .collect();
            requests.extend(with_token);
            requests
        }
    };
    probe(s, requests).await
}

/// A chat body with this scenario's marker and more fields.
pub(super) fn chat_body(s: &Scene, more: &Value) -> Value {
    let mut body = json!({ "messages": [{ "role": "user", "content": Scene::prompt(&s.token) }] });
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more.clone());
    }
    body
}
