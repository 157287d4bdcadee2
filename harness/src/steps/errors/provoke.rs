//! One way to provoke each error code, each after its positive control. Never judges the error itself.

use crate::client::Request;
use crate::contract::need::Variant;
use crate::doubles::{Reply, Script};
use crate::evidence::Exchange;
use crate::oracle::sandbox_id;
use crate::run::book::{Args, Book};
use crate::run::scene::Scene;
use crate::steps::operating::{expect_status_first, insert_tenant};
use crate::steps::rate_limits::{span, too_slow};
use crate::steps::resolution::ask::request_for;
use crate::subject::faults::{Calls, StoreFault};
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, Stop};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Longer than any timeout of the contract; it passes in virtual time.
const TOO_LONG: Duration = Duration::from_secs(120);

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(r"an admin route is asked without a token", |s, _a| {
        Box::pin(admin_without_token(s))
    });
    book.step(
        r"a tenant is created with an? (slug|hostname|id) that is in use",
        |s, a| Box::pin(created_twice(s, a)),
    );
    book.step(
        r"a tenant is created whose sandbox id another one has",
        |s, _a| Box::pin(sandbox_id_taken(s)),
    );
    book.step(r"a host is asked that is no tenant's", |s, _a| {
        Box::pin(unknown_host(s))
    });
    book.step(r"a route is asked that does not exist", |s, _a| {
        Box::pin(unknown_route(s))
    });
    book.step(
        r"a route is asked with a method it does not have",
        |s, _a| Box::pin(wrong_method(s)),
    );
    book.step(r"a chat is sent that is no JSON", |s, _a| {
        Box::pin(chat_no_json(s))
    });
    book.step(r"a chat is sent with an unknown workload", |s, _a| {
        Box::pin(chat_workload(s))
    });
    book.step(r"a chat is sent that is larger than the limit", |s, _a| {
        Box::pin(chat_too_large(s))
    });
    book.step(r"every model call (fails|takes too long)", |s, a| {
        Box::pin(calls_fail(s, a))
    });
    book.step(r"more is asked than the quota allows", |s, _a| {
        Box::pin(quota_exceeded(s))
    });
    book.step(
        r"a chat is sent to a tenant whose stored sandbox id is wrong",
        |s, _a| Box::pin(sandbox_id_wrong(s)),
    );
    book.step(r"a backend without its KV is asked", |s, _a| {
        Box::pin(without_kv(s))
    });
    book.step(r"a tenant is asked whose record cannot be read", |s, _a| {
        Box::pin(record_unreadable(s))
    });
    book.step(r"somebody asks for a route that does not exist", |s, _a| {
        Box::pin(any_unknown_route(s))
    });
}

/// A tenant of the scenario's own, proven to answer.
async fn tenant(s: &mut Scene) -> Result<Tenant, Stop> {
    let tenant = s.new_tenant("a", "free").await?;
    let tenant = s.make_tenant("a", tenant).await?;
    let request = s.status_request(&tenant.host);
    succeed(s, request, 200).await?;
    Ok(tenant)
}

/// A request that must succeed: the positive control.
async fn succeed(s: &mut Scene, request: Request, status: u16) -> Result<Arc<Exchange>, Stop> {
    let answer = s.send(request).await?;
    expect_status_first(s, &answer, status)?;
    Ok(answer)
}

async fn admin_without_token(s: &mut Scene) -> Check {
    let path = s.dialect().tenants;
    let request = s.operator_request("GET", &path).await?;
    succeed(s, request, 200).await?;
    s.send(Request::new("GET", path)).await.map(drop)
}

async fn create(s: &mut Scene, body: &Value) -> Result<Request, Stop> {
    let path = s.dialect().tenants;
    Ok(s.operator_request("POST", &path).await?.json(body))
}

async fn created_twice(s: &mut Scene, a: Args) -> Check {
    let mut first = s.new_tenant("first", "free").await?;
    first.domains.push(s.domain("first"));
    let request = create(s, &first.creation()).await?;
    succeed(s, request, 201).await?;
    let mut second = s.new_tenant("second", "free").await?;
    match a.text(1) {
        "slug" => second.slug = first.slug,
        "hostname" => second.domains = first.domains,
        _ => second.id = first.id,
    }
    let request = create(s, &second.creation()).await?;
    s.send(request).await.map(drop)
}

async fn sandbox_id_taken(s: &mut Scene) -> Check {
    let good = s.new_tenant("good", "free").await?;
    let request = create(s, &good.creation()).await?;
    succeed(s, request, 201).await?;
    // A collision of 64 bits cannot be waited for: another tenant's row is given the id that the next one derives.
    let next = s.new_tenant("next", "free").await?;
    let other = uuid::Uuid::new_v4().hyphenated().to_string();
    insert_tenant(s, &other, &sandbox_id::expected(&next.id)).await?;
    let request = create(s, &next.creation()).await?;
    s.send(request).await.map(drop)
}

async fn unknown_host(s: &mut Scene) -> Check {
    tenant(s).await?;
    let host = s.instance().await?.tenant_host(&s.slug("nobody"));
    let request = s.status_request(&host);
    s.send(request).await.map(drop)
}

async fn unknown_route(s: &mut Scene) -> Check {
    let host = tenant(s).await?.host;
    let request = request_for(s, "GET /mp-no-such-route", "").host(host);
    s.send(request).await.map(drop)
}

async fn any_unknown_route(s: &mut Scene) -> Check {
    s.send(Request::new("GET", "/mp-no-such-route"))
        .await
        .map(drop)
}

async fn wrong_method(s: &mut Scene) -> Check {
    let host = tenant(s).await?.host;
    let request = request_for(s, "POST status", "").host(host);
    s.send(request).await.map(drop)
}

/// A good chat of a fresh tenant, answered.
async fn chat(s: &mut Scene) -> Result<Request, Stop> {
    let host = tenant(s).await?.host;
    let request = s.chat_request(&host);
    succeed(s, request.clone(), 200).await?;
    Ok(request)
}

async fn chat_no_json(s: &mut Scene) -> Check {
    let request = chat(s).await?.bytes("{\"messages\":");
    s.send(request).await.map(drop)
}

async fn chat_workload(s: &mut Scene) -> Check {
    let request = chat(s).await?.header("x-workload", "poetry");
    s.send(request).await.map(drop)
}

async fn chat_too_large(s: &mut Scene) -> Check {
    let host = chat(s).await?.host.unwrap_or_default();
    let content = "x".repeat(s.run.target.limits().body_max + 1);
    let request = s.chat_request_with(
        &host,
        &json!({ "messages": [{ "role": "user", "content": content }] }),
    );
    s.send(request).await.map(drop)
}

async fn calls_fail(s: &mut Scene, a: Args) -> Check {
    let request = chat(s).await?;
    let reply = if a.text(1) == "fails" {
        Reply::status(500)
    } else {
        Reply::default().took(TOO_LONG)
    };
    let marker = s.marker();
    let gateway = s.gateway().await?;
    gateway.script(&marker, Script::always(reply));
    let before = gateway.journal(&marker).len();
    let answer = s.send(request.clone()).await?;
    let is_told_as_failure = answer.status == 502 && answer.has_code("AI_UPSTREAM_FAILED");
    if a.text(1) == "fails" || !is_told_as_failure {
        return Ok(());
    }
    // What the gateway tells with 524 may be taken for a failure of the gateway's: a model that does not answer at all is none.
    let tries = gateway.journal(&marker).len().saturating_sub(before);
    let failures = (1..tries).map(|_try| Reply::status(500));
    let replies = failures.chain([Reply::default().hang()]);
    gateway.script(&marker, Script::sequence(replies));
    s.send(request).await.map(drop)
}

async fn quota_exceeded(s: &mut Scene) -> Check {
    s.use_variant(Variant::SmallLimits).await?;
    let host = tenant(s).await?.host;
    let (limit, period) = s.run.target.limits().small_quota;
    let request = s.status_request(&host);
    let mut answers = Vec::new();
    // Twice the quota: a window that ends meanwhile lets no more through than that.
    for _request in 0..=2 * limit {
        let answer = s.send(request.clone()).await?;
        if answer.status == 429 {
            return Ok(());
        }
        answers.push(answer);
    }
    let (took, period) = (span(&answers), Duration::from_secs(period));
    if took >= period {
        return Err(too_slow(took, period));
    }
    Ok(())
}

async fn sandbox_id_wrong(s: &mut Scene) -> Check {
    let request = chat(s).await?;
    let id = s.tenant("a")?.id;
    let wrong = sandbox_id::expected(&uuid::Uuid::new_v4().hyphenated().to_string());
    let sql = "UPDATE tenants SET sandbox_id = ?2 WHERE id = ?1";
    s.d1()
        .await?
        .execute(sql, &[json!(id), json!(wrong)])
        .await?;
    s.send(request).await.map(drop)
}

async fn without_kv(s: &mut Scene) -> Check {
    s.use_variant(Variant::WithoutKv).await?;
    let host = s.instance().await?.tenant_host(&s.slug("a"));
    let request = s.status_request(&host);
    s.send(request).await.map(drop)
}

async fn record_unreadable(s: &mut Scene) -> Check {
    let tenant = tenant(s).await?;
    let faults = s.faults().await?;
    faults.set(Calls::TenantRead, &tenant.id, StoreFault::Unavailable, None);
    let request = s.status_request(&tenant.host);
    let answer = s.send(request).await;
    let asked = faults.asked(Calls::TenantRead, &tenant.id);
    faults.clear(Calls::TenantRead, &tenant.id);
    if answer?.status == 200 && asked == 0 {
        return Err(Stop::NotVerified(
            "the target answered without asking the failing store: let it keep nothing between requests".to_owned(),
        ));
    }
    Ok(())
}
