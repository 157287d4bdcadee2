//! What requests leave behind, and that refused ones leave nothing. Never trusts an answer for it: it looks into the stores.

use super::routes::{admin_routes, chat_body, probe, probed};
use super::{any_gateway, plant};
use crate::contract::need::Variant;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, describe};
use crate::said::said;
use crate::steps::operating::{
    QUIET, authorised, create, creation, expect_status_first, expect_usage_count, registry_keys,
    tenant_row, worst,
};
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, OrUnmet as _, Stop};
use crate::wait;
use serde_json::{Value, json};

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r"a tenant created while everything is bound leaves a model call, a usage row and a record",
        |s, _a| Box::pin(control(s)),
    );
    book.step(
        r#"tenant "([^"]+)" stands in (?:its stores|those stores that are there)"#,
        |s, a| Box::pin(stands(s, a)),
    );
    book.step(
        r#"the operator makes tenant "([^"]+)" all the same"#,
        |s, a| Box::pin(make(s, a)),
    );
    book.step(r#"tenant "([^"]+)" was made"#, |s, a| {
        Box::pin(was_made(s, a))
    });
    book.step(
        r#"everything that would leave a trace is tried with tenant "([^"]+)""#,
        |s, a| Box::pin(try_all(s, a)),
    );
    book.step(r#"each try is refused with (\d+) "([A-Z_]+)""#, |s, a| {
        Box::pin(each_refused(s, a))
    });
    book.step(
        r"no model was called, no usage row written, no tenant created, changed or deleted",
        |s, _a| Box::pin(no_trace(s)),
    );
}

/// The same requests in production leave what is looked for below: so the looks can see it.
async fn control(s: &mut Scene) -> Check {
    s.use_variant(Variant::Production).await?;
    let mut tenant = s.new_tenant("control", "free").await?;
    // A registry that knows custom hosts alone has an entry of those tenants only that have one.
    if registry_keys(s, &tenant).is_empty() {
        tenant.domains.push(s.domain("control"));
    }
    let tenant = s.make_tenant("control", tenant).await?;
    let marker = format!("{}x1", s.token);
    let body = json!({ "messages": [{ "role": "user", "content": Scene::prompt(&marker) }] });
    let request = s.chat_request_with(&tenant.host, &body);
    let answer = s.send(request).await?;
    expect_status_first(s, &answer, 200)?;
    let calls = s.gateway().await?.journal(&marker).len();
    s.expect(calls > 0, "a model call", || "none".to_owned())
        .or_unmet("the AI Gateway's journal")?;
    let looked = expect_usage_count(s, &tenant, 1).await;
    looked.or_unmet("USG-001")?;
    let row = tenant_row(s, &tenant.id).await?;
    s.expect(row.is_some(), "a row of the tenant", || "none".to_owned())
        .or_unmet("the tenant's row in D1")?;
    for key in registry_keys(s, &tenant) {
        let entry = s.kv().await?.get(&key).await?;
        s.expect(entry.is_some(), format!("a registry entry `{key}`"), || {
            "none".to_owned()
        })
        .or_unmet("the tenant's entries in KV")?;
    }
    Ok(())
}

async fn make(s: &mut Scene, a: Args) -> Check {
    let tenant = s.new_tenant(a.text(1), "free").await?;
    create(s, &tenant.creation()).await?;
    s.know_tenant(a.text(1), tenant);
    Ok(())
}

async fn was_made(s: &mut Scene, a: Args) -> Check {
    let (answer, tenant) = (s.last()?, s.tenant(a.text(1))?);
    s.expect(
        (200..300).contains(&answer.status),
        format!("tenant `{}` made, status 2xx", tenant.slug),
        || describe(&answer),
    )
}

async fn stands(s: &mut Scene, a: Args) -> Check {
    plant(s, a.text(1)).await?;
    let tenant = s.tenant(a.text(1))?;
    let before = record(s, &tenant).await?;
    s.notes.insert("record".to_owned(), before);
    s.notes.insert("planted".to_owned(), json!(a.text(1)));
    Ok(())
}

/// What the stores that are there hold of a tenant.
async fn record(s: &mut Scene, tenant: &Tenant) -> Result<Value, Stop> {
    let instance = s.instance().await?;
    let mut record = serde_json::Map::new();
    if instance.d1.is_some() {
        record.insert("row".to_owned(), json!(tenant_row(s, &tenant.id).await?));
    }
    if instance.kv.is_some() {
        let kv = s.kv().await?;
        for key in registry_keys(s, tenant) {
            let value = kv.get(&key).await?;
            record.insert(key, json!(value));
        }
    }
    Ok(Value::Object(record))
}

async fn try_all(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let mut requests = vec![
        s.chat_request(&tenant.host),
        s.chat_request_with(&tenant.host, &chat_body(s, &json!({ "stream": true }))),
    ];
    // A tenant made with an id of the scenario's choice can be looked for in D1, which knows no slugs.
    let made = s.new_tenant("made-with-id", "free").await?;
    requests.push(creation(s, &made.creation()).await?);
    s.notes.insert("made".to_owned(), json!(made.id));
    for request in admin_routes(s, &tenant) {
        if request.method != "GET" {
            requests.push(authorised(s, request).await?);
        }
    }
    probe(s, requests).await
}

/// That each is refused so is promised elsewhere (BND-001 to BND-003); what happened all the same shows in the stores.
async fn each_refused(s: &mut Scene, a: Args) -> Check {
    let (status, code) = (a.number(1)?, a.text(2));
    let answers = probed(s)?;
    if s.planned.criteria.iter().all(|id| id == "BND-005") {
        return Ok(());
    }
    worst(
        answers
            .iter()
            .map(|answer| s.expect_error(answer, status, code)),
    )
}

/// Asserts that the tenant planted before is as it was and nothing was added for it or beside it.
pub(super) async fn expect_untouched(s: &mut Scene, tenant: &Tenant) -> Check {
    let before = s.notes.get("record").cloned().unwrap_or_default();
    let after = record(s, tenant).await?;
    s.expect_eq("what the stores hold of the tenant:", &before, &after)?;
    let made = s.slug("made");
    let instance = s.instance().await?;
    if instance.kv.is_some() {
        let kv = s.kv().await?;
        let key = s.dialect().kv_slug.replace("{slug}", &made);
        let entry = kv.get(&key).await?;
        s.expect(
            entry.is_none(),
            "no tenant made by a refused request",
            || format!("`{key}`: {entry}", entry = said(&entry)),
        )?;
    }
    Ok(())
}

async fn no_trace(s: &mut Scene) -> Check {
    let name = s.notes.get("planted").and_then(Value::as_str);
    let tenant = s.tenant(name.unwrap_or_default())?;
    wait::quiet(QUIET).await;
    let calls = any_gateway(s).await?.journal(&s.marker());
    s.expect(calls.is_empty(), "no model call", || {
        format!("{} calls", calls.len())
    })?;
    expect_untouched(s, &tenant).await?;
    let instance = s.instance().await?;
    if instance.d1.is_some() {
        let d1 = s.d1().await?;
        let made = s.notes.get("made").cloned().unwrap_or_default();
        let sql = "SELECT (SELECT count(*) FROM usage WHERE tenant_id IN (?1, ?2)) AS used, (SELECT count(*) FROM tenants WHERE id = ?2) AS made";
        let rows = d1.query(sql, &[json!(tenant.id), made]).await?;
        s.expect(
            rows.len() == 1 && rows[0]["used"] == json!(0) && rows[0]["made"] == json!(0),
            "no usage row and no tenant made",
            || said(&rows),
        )?;
    }
    if let Some(r2) = &instance.r2 {
        let keys = r2.keys(&tenant.sandbox_id).await?;
        s.expect(keys.is_empty(), "no object of the sandbox", || {
            keys.join(", ")
        })?;
    }
    Ok(())
}
