//! Steps about operators and their tokens. Never verifies a token: what a target makes of it is what counts.

mod answers;
mod dev_mode;
mod keys;
mod methods;
mod outage;
mod paths;
mod refusals;
mod spellings;
mod tokens;

use crate::client::Request;
use crate::clock;
use crate::doubles::TokenKind;
use crate::evidence::Exchange;
use crate::run::book::Book;
use crate::run::scene::{Scene, breach, describe};
use crate::steps::operating::expect_first;
use crate::subject::dialect::AdminRoute;
use crate::subject::dialect::furnish::About;
use crate::subject::dialect::operation::Operation;
use crate::subject::operator::Operator;
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, Stop};
use crate::wait;
use std::sync::Arc;
use std::time::Duration;

/// The header in which Access hands a token to the backend.
const TOKEN_HEADER: &str = "cf-access-jwt-assertion";
/// Note that admin routes hide themselves from strangers.
const HIDDEN: &str = "admin routes hide themselves";

/// The error code of every refusal.
const DENIED: &str = "ACCESS_DENIED";

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    tokens::register(book);
    methods::register(book);
    refusals::register(book);
    answers::register(book);
    paths::register(book);
    keys::register(book);
    outage::register(book);
    dev_mode::register(book);
}

/// What a request carries to prove its sender.
#[derive(Debug, Clone)]
enum Credential {
    Nothing,
    Header(String),
    Cookie(String),
    CookieAmongOthers(String),
    HeaderAndCookie(String, String),
    OtherHeader(String, String),
    Operator(Operator),
}

impl Credential {
    fn on(&self, request: Request) -> Request {
        match self {
            Self::Nothing => request,
            Self::Header(token) => request.header(TOKEN_HEADER, token.as_str()),
            Self::Cookie(token) => request.header("cookie", cookie(token)),
            Self::CookieAmongOthers(token) => {
                request.header("cookie", format!("theme=dark; {}; lang=de", cookie(token)))
            }
            Self::HeaderAndCookie(header, in_cookie) => request
                .header(TOKEN_HEADER, header.as_str())
                .header("cookie", cookie(in_cookie)),
            Self::OtherHeader(name, value) => request.header(name, value.as_str()),
            Self::Operator(operator) => operator.on(request),
        }
    }
}

fn cookie(token: &str) -> String {
    format!("CF_Authorization={token}")
}

/// Before the kind of a token: a service's token with the same flaw.
const OF_A_SERVICE: &str = "service ";

/// The kind of token that a step names.
fn kind(name: &str) -> Result<TokenKind, Stop> {
    TokenKind::parse(name).ok_or_else(|| Stop::Fault(format!("no token is called `{name}`")))
}

/// A token of the kind that a step names, by the team domain that the instance trusts.
async fn token(s: &mut Scene, name: &str) -> Result<String, Stop> {
    let access = s.access().await?;
    if let Some(flaw) = name.strip_prefix(OF_A_SERVICE) {
        return Ok(access.service_token(kind(flaw)?));
    }
    let kind = kind(name)?;
    if kind == TokenKind::OfThisSecond {
        early_in_a_second().await;
    }
    Ok(access.token(kind))
}

/// Waits for the next second unless most of this one is left: what is about a second has to arrive in it.
async fn early_in_a_second() {
    let gone = clock::epoch_ms().rem_euclid(1000).unsigned_abs();
    if gone > 300 {
        wait::pass(Duration::from_millis(1000 - gone)).await;
    }
}

/// What a step names: a good token is what the operator has, whoever made it; every other kind is made by our team domain.
async fn credential(s: &mut Scene, name: &str) -> Result<Credential, Stop> {
    if name == TokenKind::Good.name() {
        return super::operating::operator(s)
            .await
            .map(Credential::Operator);
    }
    token(s, name).await.map(Credential::Header)
}

/// `GET` of a tenant's record, without token; of a listed admin route where the target shows no tenant.
fn record_request(s: &Scene, tenant: &Tenant) -> Request {
    let path = match listed_record(s, tenant) {
        Some(route) => route.path,
        None => s.dialect().tenant.replace("{id}", &tenant.id),
    };
    Request::new("GET", path)
}

/// The listed admin route that stands for the record of a tenant, on a target that shows none.
fn listed_record(s: &Scene, tenant: &Tenant) -> Option<AdminRoute> {
    let dialect = s.dialect();
    if dialect.has(Operation::ReadTenant) {
        return None;
    }
    let mut routes = routes(s, tenant).into_iter();
    routes.find(|route| route.is_listed && route.method == "GET")
}

/// Every admin route for a tenant. A creating request would make the tenant of [`uncreated_slug`].
fn routes(s: &Scene, tenant: &Tenant) -> Vec<AdminRoute> {
    s.dialect().admin_routes(&tenant.id, &uncreated_slug(s))
}

/// The slug that refused creations of this scenario ask for.
fn uncreated_slug(s: &Scene) -> String {
    s.slug("uncreated")
}

/// Asserts that an answer is the tenant's record, and the same one as before in this scenario.
fn expect_record(s: &mut Scene, tenant: &Tenant, answer: &Exchange) -> Check {
    if listed_record(s, tenant).is_some() {
        return s.expect_status(answer, 200);
    }
    // Whose record it is shows by its id, or by what follows from it: that the one follows rightly from the other is promised elsewhere.
    let shows = answer.text_at("/id").as_deref() == Some(tenant.id.as_str())
        || answer.text_at("/sandbox_id").as_deref() == Some(tenant.sandbox_id.as_str());
    s.expect(
        answer.status == 200 && shows,
        format!(
            "status 200 with the record of tenant `{}` (sandbox id {})",
            tenant.slug, tenant.sandbox_id
        ),
        || describe(answer),
    )?;
    let (note, record) = (
        format!("record {}", tenant.id),
        answer.json().unwrap_or_default(),
    );
    if let Some(before) = s.notes.get(&note).cloned() {
        return s.expect(
            before == record,
            format!("the record unchanged: {before}"),
            || record.to_string(),
        );
    }
    s.notes.insert(note, record);
    Ok(())
}

/// Asserts a refusal. That it is 403 `ACCESS_DENIED` is promised once, of a request without a token (ACC-001): elsewhere whatever opens
/// nothing and is no crash is one. A missing route or method is one only of a target that hides the record from strangers in that way.
fn expect_denied(s: &mut Scene, answer: &Exchange) -> Check {
    expect_first(
        s,
        answer,
        answer.status != 429,
        "a refusal for want of a token",
    )?;
    let is_its_form = s.planned.criteria.iter().any(|id| id == "ACC-001");
    let is_denied = answer.status == 403 && answer.has_code(DENIED);
    if is_refusal_of(s, answer.status) && !is_denied && !is_its_form {
        // Whoever answers for the other form is told so.
        s.accept_refusal(answer);
        s.checks += 1;
        return Ok(());
    }
    s.expect_error(answer, 403, DENIED).map_err(|stop| {
        with_request(
            stop,
            &format!("{} {}", answer.request.method, answer.request.path),
        )
    })
}

/// Whether a status says that nothing was opened: neither an answer of the route, a crash nor the quota.
fn is_refusal(status: u16) -> bool {
    (300..500).contains(&status) && status != 429
}

/// As [`is_refusal`], in the target's own way: a missing route or method is one only where admin routes hide themselves.
fn is_refusal_of(s: &Scene, status: u16) -> bool {
    let is_missing = [404, 405].contains(&status);
    is_refusal(status) && (!is_missing || s.notes.contains_key(HIDDEN))
}

/// As [`expect_denied`]; but headers of 64 KiB may also be refused before the backend sees them, by a server in front of it
/// that cannot know the contract's form.
fn expect_denied_or_too_large(s: &mut Scene, answer: &Exchange) -> Check {
    let in_front = is_refused_in_front(answer);
    if in_front {
        return s.expect(in_front, "a refusal", || describe(answer));
    }
    expect_denied(s, answer)
}

fn is_refused_in_front(answer: &Exchange) -> bool {
    matches!(answer.status, 400 | 413 | 431) && answer.at("/error/code").is_none()
}

/// Notes whether the record of a tenant, which a good token opens, hides itself from strangers behind a 404.
async fn learn_refusal(s: &mut Scene, tenant: &Tenant) -> Check {
    let answer = s.send(record_request(s, tenant)).await?;
    if answer.status == 404 {
        s.notes.insert(HIDDEN.to_owned(), true.into());
    }
    Ok(())
}

/// The host on which byte-exact requests reach the admin routes.
async fn operators_host(s: &mut Scene, tenant: &Tenant) -> Result<String, Stop> {
    learn_refusal(s, tenant).await?;
    let instance = s.instance().await?;
    let about = About::of(tenant);
    let dialect = s.run.target.dialect();
    dialect
        .operators_host(&instance, &about)
        .map_err(Stop::NotVerified)
}

/// Adds to a finding which request it is about, where a step sends many.
fn with_request(stop: Stop, request: &str) -> Stop {
    match stop {
        Stop::Violation(mut finding) => {
            finding.expected = format!("{} for {request}", finding.expected);
            Stop::Violation(finding)
        }
        Stop::Unmet(_) | Stop::NotVerified(_) | Stop::NotApplicable(_) | Stop::Fault(_) => stop,
    }
}

/// Sends every admin route for a tenant with a credential, side by side.
async fn try_everywhere(
    s: &mut Scene,
    tenant: &Tenant,
    credential: &Credential,
) -> Result<Vec<Arc<Exchange>>, Stop> {
    learn_refusal(s, tenant).await?;
    let requests = routes(s, tenant)
        .iter()
        .map(|route| credential.on(route.request()))
        .collect();
    s.send_all(requests).await
}

/// Asserts that every admin route opens with a credential, the deleting one at last: the tenant is gone afterwards.
///
/// A route that does not open to the `control` either says nothing of the credential: that it opens to anybody is promised elsewhere (ACC-002).
async fn expect_all_open(
    s: &mut Scene,
    tenant: &Tenant,
    credential: &Credential,
    control: Option<&Credential>,
) -> Check {
    let fresh = s.slug(&format!("made{}", s.exchanges.len()));
    for route in s.dialect().admin_routes(&tenant.id, &fresh) {
        let answer = s.send(credential.on(route.request())).await?;
        let request = format!("{} {}", route.method, route.path);
        let is_open = |answer: &Exchange| route.lets_in(answer.status);
        let expected = format!("an answer of status 2xx for {request}");
        let check = s.expect(is_open(&answer), expected, || describe(&answer));
        let (Err(stop), Some(control)) = (&check, control) else {
            check?;
            continue;
        };
        let stop = stop.clone();
        let other = s.send(control.on(route.request())).await?;
        return Err(if is_open(&other) {
            stop
        } else {
            stop.or_unmet("ACC-002")
        });
    }
    Ok(())
}

/// Asserts that no answer, or none of status 2xx, came: nothing opened.
fn expect_not_opened(
    s: &mut Scene,
    request: &str,
    outcome: &crate::run::attempts::Attempt,
) -> Check {
    match outcome {
        Ok(answer) if answer.status == 429 => Err(Stop::NotVerified(format!(
            "{request} met a rate limit before it could show what it opens; give enterprise tenants 1200 requests a minute"
        ))),
        Ok(answer) if answer.status < 300 => Err(breach(
            format!("{request} refused without a token"),
            describe(answer),
        )),
        Ok(_) | Err(_) => {
            s.checks += 1;
            Ok(())
        }
    }
}
