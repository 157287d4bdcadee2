//! Unset Access, AI Gateway and app domain: what stays closed and what goes on. Never sets a variable itself: variants do.

use super::routes::{admin_routes, chat_body, probe};
use super::traces::expect_untouched;
use super::{any_gateway, app_domain, plant_this, tenant_to_be};
use crate::client::Request;
use crate::contract::need::Variant;
use crate::doubles::TokenKind;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, describe};
use crate::said::said;
use crate::steps::operating::{
    at_fault, authorised, expect_first, expect_status_first, gateway, operator_token, usage_rows,
};
use crate::verdict::{Check, OrUnmet as _, Stop};
use serde_json::{Value, json};

/// Tokens that a backend might take for good when it does not know its team domain or audience.
const FORGED: [TokenKind; 8] = [
    TokenKind::AlgNone,
    TokenKind::NoSignature,
    TokenKind::WrongAudience,
    TokenKind::NoAudience,
    TokenKind::EmptyAudience,
    TokenKind::WrongIssuer,
    TokenKind::NoIssuer,
    TokenKind::ForeignTeamKey,
];

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r"the operator's token opens the admin routes in production",
        |s, _a| Box::pin(control(s)),
    );
    book.step(
        r#"every admin route is called for tenant "([^"]+)" with a good token, with forged ones and with none"#,
        |s, a| Box::pin(call_admin(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" stands in the database as before, and no other was made"#,
        |s, a| Box::pin(as_before(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" is served on the public routes"#,
        |s, a| Box::pin(served(s, a)),
    );
    book.step(
        r#"a chat of tenant "([^"]+)" reaches the AI Gateway"#,
        |s, a| Box::pin(chat_reaches(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" chats, streamed and not, also naming a provider of its own"#,
        |s, a| Box::pin(chat_every_way(s, a)),
    );
    book.step(r"nobody chats, streamed and not", |s, _a| {
        Box::pin(nobody_chats(s))
    });
    book.step(
        r#"no provider was called and no usage row of tenant "([^"]+)" written"#,
        |s, a| Box::pin(no_provider(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" is told its status, or the same"#,
        |s, a| Box::pin(served_or_told(s, a)),
    );
    book.step(
        r#"a free tenant "([^"]+)" with a custom domain is served on both its hosts"#,
        |s, a| Box::pin(served_on_both(s, a)),
    );
    book.step(
        r#"a free tenant "([^"]+)" with a custom domain is all that the scenario has"#,
        |s, a| Box::pin(make_with_domain(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" stands in its stores, with a custom domain"#,
        |s, a| Box::pin(stands_with_domain(s, a)),
    );
    book.step(
        r"status and chat are asked for on each of these hosts",
        |s, a| Box::pin(ask_on_hosts(s, a)),
    );
    book.step(
        r#"the gateway of tenant "([^"]+)" was never started"#,
        |s, a| Box::pin(never_started(s, a)),
    );
}

async fn control(s: &mut Scene) -> Check {
    s.use_variant(Variant::Production).await?;
    let request = authorised(s, Request::new("GET", s.dialect().tenants)).await?;
    let answer = s.send(request).await?;
    expect_status_first(s, &answer, 200)
}

async fn call_admin(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let good = operator_token(s).await?;
    let issuer = s.run.target.instance(Variant::Production).await?;
    let issuer = issuer
        .access
        .clone()
        .ok_or_else(|| Stop::NotVerified("access: no team domain".to_owned()))?;
    let mut requests = Vec::new();
    for request in admin_routes(s, &tenant) {
        requests.push(request.clone());
        let cookie = format!("CF_Authorization={good}");
        requests.push(request.clone().header("cookie", cookie));
        requests.push(request.header("cf-access-jwt-assertion", good.clone()));
    }
    for kind in FORGED {
        let request = Request::new("GET", s.dialect().tenants);
        requests.push(request.header("cf-access-jwt-assertion", issuer.token(kind)));
    }
    probe(s, requests).await
}

async fn as_before(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    expect_untouched(s, &tenant).await
}

async fn served(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let requests = vec![
        s.status_request(&tenant.host),
        s.chat_request(&tenant.host),
        s.health_request(),
    ];
    for answer in s.send_all(requests).await? {
        // Nothing says that public routes stay open, and whether a chat works is promised elsewhere: no answer breaks BND-008 here. One that
        // is closed without saying why is no state in which it could be judged.
        let told = answer.status != 503
            || (answer.has_code("CONFIGURATION_ERROR") && answer.text().contains("CF_ACCESS_"));
        s.expect(
            told,
            format!(
                "{} {} served, or 503 CONFIGURATION_ERROR for want of Access",
                answer.request.method, answer.request.path
            ),
            || describe(&answer),
        )
        .or_unmet(&at_fault(&answer))?;
    }
    Ok(())
}

async fn chat_reaches(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let marker = format!("{}x1", s.token);
    let body = json!({ "messages": [{ "role": "user", "content": Scene::prompt(&marker) }] });
    let request = s.chat_request_with(&tenant.host, &body);
    let answer = s.send(request).await?;
    expect_status_first(s, &answer, 200)?;
    let gateway = s.gateway().await?;
    let is_seen = !gateway.journal(&marker).is_empty();
    s.expect(is_seen, "a model call", || "none".to_owned())
        .or_unmet("the AI Gateway's journal")?;
    s.notes
        .insert("trap hits".to_owned(), json!(gateway.trap_hits()));
    Ok(())
}

async fn chat_every_way(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let trap = any_gateway(s).await?.trap_url();
    let own_provider = json!({ "provider": "openai", "base_url": trap, "baseURL": trap, "api_base": trap, "model": "gpt-4o" });
    let requests = vec![
        s.chat_request(&tenant.host),
        s.chat_request_with(&tenant.host, &chat_body(s, &json!({ "stream": true }))),
        s.chat_request_with(&tenant.host, &chat_body(s, &own_provider))
            .header("authorization", "Bearer a-key-of-the-caller")
            .header("x-base-url", trap),
    ];
    probe(s, requests).await
}

/// Chats on hosts that are no tenant's.
async fn nobody_chats(s: &mut Scene) -> Check {
    let streamed = chat_body(s, &json!({ "stream": true }));
    let hosts = [
        format!("{}.{}", s.slug("nobody"), app_domain(s).await?),
        s.domain("nobody"),
    ];
    let mut requests = Vec::new();
    for host in &hosts {
        requests.push(s.chat_request(host));
        requests.push(s.chat_request_with(host, &streamed));
    }
    probe(s, requests).await
}

async fn no_provider(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let gateway = any_gateway(s).await?;
    let calls = gateway.journal(&s.marker());
    s.expect(calls.is_empty(), "no model call", || {
        format!("{} calls", calls.len())
    })?;
    if let Some(before) = s.notes.get("trap hits").and_then(Value::as_u64) {
        let hits = gateway.trap_hits() as u64;
        s.expect(hits == before, "no call of another provider", || {
            format!("{} calls", hits - before)
        })?;
    }
    let rows = usage_rows(s, &tenant.id).await?;
    // That a refused request writes no row is promised elsewhere.
    s.expect(rows.is_empty(), "no usage row", || said(&rows))
        .or_unmet("USG-013")
}

/// What no chat can do without may close the other routes as well: it is reported as a missing binding is.
async fn served_or_told(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let request = s.status_request(&tenant.host);
    let answer = s.send(request).await?;
    if answer.status == 503 && answer.has_code("CONFIGURATION_ERROR") {
        s.checks += 1;
        return Ok(());
    }
    let seen = s.who_answered(&answer).await?;
    s.expect(
        answer.status == 200 && seen.as_deref() == Some(tenant.slug.as_str()),
        format!(
            "status of tenant `{}`, or 503 CONFIGURATION_ERROR",
            tenant.slug
        ),
        || describe(&answer),
    )
}

/// Makes a tenant that has a custom domain beside its subdomain.
async fn make_with_domain(s: &mut Scene, a: Args) -> Check {
    let mut tenant = tenant_to_be(s, a.text(1)).await?;
    tenant.domains = vec![s.domain(a.text(1))];
    s.make_tenant(a.text(1), tenant).await.map(drop)
}

/// Writes such a tenant into the stores, where no operator is heard.
async fn stands_with_domain(s: &mut Scene, a: Args) -> Check {
    let mut tenant = tenant_to_be(s, a.text(1)).await?;
    tenant.domains = vec![s.domain(a.text(1))];
    plant_this(s, a.text(1), tenant).await
}

async fn served_on_both(s: &mut Scene, a: Args) -> Check {
    make_with_domain(s, a.clone()).await?;
    let tenant = s.tenant(a.text(1))?;
    for host in [&tenant.host, &tenant.domains[0]] {
        let request = s.status_request(host);
        let answer = s.send(request).await?;
        let seen = s.who_answered(&answer).await?;
        let is_served = answer.status == 200 && seen.as_deref() == Some(tenant.slug.as_str());
        expect_first(
            s,
            &answer,
            is_served,
            format!(
                "tenant `{}` on {host} while everything is configured",
                tenant.slug
            ),
        )?;
    }
    Ok(())
}

/// The host of a slug below the domain with which the words end.
fn below(slug: &str, words: &str) -> String {
    let domain = words.rsplit(' ').next().unwrap_or_default();
    format!("{slug}.{domain}")
}

async fn ask_on_hosts(s: &mut Scene, a: Args) -> Check {
    let app_domain = app_domain(s).await?;
    let mut requests = Vec::new();
    for line in a.list() {
        let quoted = line.split('"').nth(1);
        let tenant = quoted.map(|name| s.tenant(name)).transpose()?;
        let host = match (line.as_str(), tenant) {
            (text, Some(tenant)) if text.starts_with("the custom domain") => {
                tenant.domains[0].clone()
            }
            (text, Some(tenant)) if text.starts_with("the slug") => below(&tenant.slug, text),
            (_, Some(tenant)) => tenant.host,
            ("the bare app domain", None) => app_domain.clone(),
            (text, None) if text.starts_with("nobody below") => below(&s.slug("nobody"), text),
            ("the subdomain of nobody", None) => format!("{}.{app_domain}", s.slug("nobody")),
            ("a single label", None) => s.slug("label"),
            (literal, None) => literal.to_owned(),
        };
        requests.push(s.status_request(&host));
        requests.push(s.chat_request(&host));
    }
    probe(s, requests).await
}

async fn never_started(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let answer = gateway(s, &tenant.id).await?;
    let seen = answer.at(&s.dialect().gateway_instance);
    // "An unset APP_DOMAIN is a 503": to operators as well, if a backend likes.
    if answer.status == 503 && answer.has_code("CONFIGURATION_ERROR") {
        s.checks += 1;
        return Ok(());
    }
    expect_status_first(s, &answer, 200)?;
    s.expect(
        seen.is_none_or(|value| value.is_null()),
        "a gateway that runs nowhere",
        || describe(&answer),
    )
}
