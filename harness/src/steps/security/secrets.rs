//! Secrets in every place where a caller can put one, and the search for them afterwards. Never trusts that a line came in time.

use super::canaries::{Detector, fresh, own, remember};
use crate::client::Request;
use crate::contract::need::Need;
use crate::doubles::{Reply, Script, TokenKind};
use crate::evidence::Exchange;
use crate::run::book::{Args, Book};
use crate::run::scene::Scene;
use crate::said::said;
use crate::steps::resolution::ask::request_for;
use crate::verdict::{Check, OrUnmet as _, Stop};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Longest time until a line is in the log. Evidence: logs are written while the request is answered; a tail of a remote log takes longer.
const LOGGED: Duration = Duration::from_secs(2);

/// Every carrier that a feature can name, for all at once.
const CARRIERS: [&str; 8] = [
    r#"the header "Authorization: Bearer""#,
    r#"the header "cf-aig-authorization: Bearer""#,
    r#"the header "X-Api-Key""#,
    r#"the header "CF-Access-Client-Secret""#,
    r#"the cookie "CF_Authorization""#,
    r#"the query parameter "token""#,
    r#"the query parameter "api_key""#,
    r#"the body field "api_key""#,
];

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r"a secret is sent as (.+) to routes that answer and to routes that refuse",
        |s, a| Box::pin(sent_as(s, a)),
    );
    book.step(
        r"the operator's token and every bad one are sent to admin and public routes",
        |s, a| Box::pin(tokens_sent(s, a)),
    );
    book.step(r"secrets are sent in every place at once", |s, a| {
        Box::pin(sent_everywhere(s, a))
    });
    book.step(
        r"the AI Gateway repeats the key it was sent and a secret of its own, and answers with (\d+)",
        |s, a| Box::pin(gateway_repeats(s, a)),
    );
    book.step(
        r"some of the answers are successes and some are errors",
        |s, a| Box::pin(both_kinds(s, a)),
    );
    book.step(r"no log line and no answer holds a secret", |s, a| {
        Box::pin(nothing_held(s, a))
    });
    book.step(
        r"no log line and no answer of the whole run holds a secret",
        |s, a| Box::pin(nothing_held_by_the_run(s, a)),
    );
}

/// The request with a secret in this carrier.
fn carrying(s: &mut Scene, request: Request, carrier: &str, secret: &str) -> Result<Request, Stop> {
    let named = carrier.split('"').nth(1).unwrap_or_default();
    let (name, scheme) = named.split_once(": ").unwrap_or((named, ""));
    if carrier.starts_with("the header") {
        let value = match scheme {
            "" => secret.to_owned(),
            "Basic" => {
                let encoded = STANDARD.encode(format!("operator:{secret}"));
                remember(s, &encoded);
                format!("Basic {encoded}")
            }
            scheme => format!("{scheme} {secret}"),
        };
        return Ok(request.header(name, value));
    }
    if carrier.starts_with("the cookie") {
        return Ok(request.header("Cookie", format!("theme=dark; {name}={secret}; lang=en")));
    }
    if carrier.starts_with("the query parameter") {
        let glue = if request.path.contains('?') { '&' } else { '?' };
        let path = format!("{}{glue}page=1&{name}={secret}&lang=en", request.path);
        return Ok(Request { path, ..request });
    }
    if carrier == "a body that is no JSON" {
        return Ok(body(request, &format!("{{\"api_key\":{secret},")));
    }
    if carrier.starts_with("the body field") {
        let with_field = serde_json::from_slice::<serde_json::Value>(&request.body)
            .ok()
            .and_then(|mut json| {
                json.as_object_mut()?.insert(name.to_owned(), json!(secret));
                Some(json.to_string())
            });
        let text = with_field.unwrap_or_else(|| json!({ name: secret }).to_string());
        return Ok(body(request, &text));
    }
    Err(Stop::Fault(format!("no carrier is called `{carrier}`")))
}

fn body(request: Request, text: &str) -> Request {
    if request.method == "GET" {
        return request;
    }
    let request = request.bytes(text.to_owned());
    if request
        .headers
        .iter()
        .any(|(name, _)| name == "content-type")
    {
        request
    } else {
        request.header("content-type", "application/json")
    }
}

/// Requests to routes that answer and routes that refuse: public ones, and the operator's where the harness can act as operator.
async fn routes(s: &mut Scene) -> Result<Vec<Request>, Stop> {
    let tenant = s.tenant("a")?;
    let nobody = s.instance().await?.tenant_host(&s.slug("nobody"));
    let at = |s: &Scene, what: &str, host: &str| request_for(s, what, &tenant.id).host(host);
    let mut list = vec![
        at(s, "status", &tenant.host),
        at(s, "chat", &tenant.host),
        at(s, "POST chat", &tenant.host),
        at(s, "POST status", &tenant.host),
        at(s, "GET /mp-no-such-route", &tenant.host),
        at(s, "status", &nobody),
        at(s, "chat", &nobody),
        at(s, "health", &tenant.host),
        at(s, "tenants", &tenant.host),
        at(s, "tenant", &tenant.host),
    ];
    if s.run.target.lacks(Need::Admin).is_none() && s.instance().await?.operator().is_some() {
        for (method, path) in operators(s, &tenant.id) {
            list.push(s.operator_request(method, &path).await?);
        }
    }
    Ok(list)
}

fn operators(s: &Scene, id: &str) -> Vec<(&'static str, String)> {
    let dialect = s.dialect();
    let unknown = dialect
        .tenant
        .replace("{id}", "00000000-0000-4000-8000-000000000000");
    vec![
        ("GET", dialect.tenant.replace("{id}", id)),
        ("GET", dialect.usage.replace("{id}", id)),
        ("POST", dialect.tenants.clone()),
        ("PATCH", dialect.tenant.replace("{id}", id)),
        ("PUT", dialect.tenants),
        ("GET", unknown),
    ]
}

async fn send_with(s: &mut Scene, carriers: &[&str]) -> Check {
    for request in routes(s).await? {
        let mut request = request;
        for carrier in carriers {
            // The operator's own token must stay the only one of its header.
            let taken = request
                .headers
                .iter()
                .any(|(name, _)| carrier.to_lowercase().contains(&format!("\"{name}\"")));
            if !taken {
                let secret = fresh(s);
                request = carrying(s, request, carrier, &secret)?;
            }
        }
        s.send(request).await?;
    }
    Ok(())
}

async fn sent_as(s: &mut Scene, a: Args) -> Check {
    send_with(s, &[a.text(1)]).await
}

async fn sent_everywhere(s: &mut Scene, _a: Args) -> Check {
    send_with(s, &CARRIERS).await
}

async fn tokens_sent(s: &mut Scene, _a: Args) -> Check {
    let tenant = s.tenant("a")?;
    let access = s.access().await?;
    for kind in TokenKind::all() {
        // HTTP libraries refuse a header of 64 KiB in their own ways; its size is no secret.
        if matches!(
            kind,
            TokenKind::Oversized
                | TokenKind::OversizedToTheLetter
                | TokenKind::Empty
                | TokenKind::NotAJwt
        ) {
            continue;
        }
        let token = access.token(*kind);
        remember(s, &token);
        let admin =
            request_for(s, "tenant", &tenant.id).header("cf-access-jwt-assertion", token.clone());
        s.send(admin).await?;
        // The last one is refused where an admin route sends its strangers elsewhere.
        for route in ["status", "GET /mp-no-such-route"] {
            let public = request_for(s, route, &tenant.id).host(&tenant.host);
            s.send(public.header("cf-access-jwt-assertion", token.clone()))
                .await?;
        }
    }
    Ok(())
}

async fn gateway_repeats(s: &mut Scene, a: Args) -> Check {
    let key = s.instance().await?.ai_gateway_key.clone();
    let session = fresh(s);
    let shown = key.unwrap_or_else(|| session.clone());
    let said = format!("Incorrect API key provided: {shown}; session {session}");
    let reply = Reply::provider_error(a.number(1)?, 10_000, &said)
        .header("x-upstream-session", &session)
        .header("www-authenticate", &format!("Bearer realm=\"{session}\""));
    let marker = s.marker();
    s.gateway().await?.script(&marker, Script::always(reply));
    Ok(())
}

async fn both_kinds(s: &mut Scene, _a: Args) -> Check {
    let is = |wanted: fn(u16) -> bool| s.exchanges.iter().any(|answer| wanted(answer.status));
    let (good, bad) = (
        is(|status| status < 300),
        is(|status| (400..500).contains(&status)),
    );
    let statuses: Vec<u16> = s.exchanges.iter().map(|answer| answer.status).collect();
    s.expect(good && bad, "successes and errors", || said(&statuses))
        .or_unmet("a target that serves and refuses")
}

/// Asks for nobody, waits for the line that must come of it: then the lines of all earlier requests are there.
async fn log_is_complete(s: &mut Scene) -> Check {
    let last = s.slug(&format!("last{}", s.exchanges.len()));
    let host = s.instance().await?.tenant_host(&last);
    let request = s.status_request(&host);
    s.send(request).await?;
    let expected = format!("a log line `resolution_failure` with host `{host}`");
    let told = s.wait_for_log(&expected, LOGGED, |line| line.text.contains(&last));
    let told = told.await;
    told.or_unmet("RES-013").map(drop)
}

async fn nothing_held(s: &mut Scene, _a: Args) -> Check {
    log_is_complete(s).await?;
    let mut secrets = own(s);
    secrets.extend(s.instance().await?.ai_gateway_key.clone());
    let detector = Detector::of(&secrets);
    let lines = s.log_lines().await?;
    detector.check_lines(s, &lines)?;
    let answers: Vec<Arc<Exchange>> = s.exchanges.clone();
    detector.check_answers(s, answers.iter().map(AsRef::as_ref))
}

async fn nothing_held_by_the_run(s: &mut Scene, _a: Args) -> Check {
    s.instance().await?;
    let instances = s
        .run
        .instances
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .clone();
    let secrets = s.run.all_secrets();
    if secrets.is_empty() {
        return Err(Stop::NotVerified(
            "this run handed no secret to the target: let it act as operator".to_owned(),
        ));
    }
    let detector = Detector::of(&secrets);
    for logs in instances
        .iter()
        .filter_map(|instance| instance.logs.as_ref())
    {
        let lines = s.lines_of(logs.as_ref(), 0);
        detector.check_lines(s, &lines)?;
    }
    let answers = s.run.all_exchanges();
    detector.check_answers(s, answers.iter().map(AsRef::as_ref))
}
