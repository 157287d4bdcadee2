//! Sandbox ids in the store that are taken, malformed or another's. Never leaves such a row behind if it can help it.

use super::unless_derived_otherwise;
use crate::client::Request;
use crate::observe::LogLine;
use crate::oracle::sandbox_id::expected;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach, describe};
use crate::said::said;
use crate::steps::operating::{
    LOG_SOON, at, authorised, create, delete, expect_first, expect_status_first, insert_tenant,
    objects, presuppose, registry_keys, settle, start_gateway, tenant_row, worst,
};
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, OrUnmet as _, Stop};
use serde_json::{Value, json};

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"a row of another tenant that holds the sandbox id of tenant "([^"]+)" to be"#,
        |s, a| Box::pin(occupy(s, a)),
    );
    book.step(
        r#"the operator tries to create tenant "([^"]+)" with a domain"#,
        |s, a| Box::pin(try_to_create(s, a)),
    );
    book.step(
        r#"neither the database nor the registry knows tenant "([^"]+)""#,
        |s, a| Box::pin(unknown_everywhere(s, a)),
    );
    book.step(
        r"the row that holds the sandbox id is as it was",
        |s, _a| Box::pin(occupant_unchanged(s)),
    );
    book.step(
        r#"that row is gone and the operator tries to create tenant "([^"]+)" with a domain"#,
        |s, a| Box::pin(vacate_and_create(s, a)),
    );
    book.step(
        r#"the operator creates tenant "([^"]+)" with the slug and the domain of tenant "([^"]+)""#,
        |s, a| Box::pin(create_in_place_of(s, a)),
    );
    book.asserting(
        &["ID-006"],
        r"it is created, for nobody has what was asked for in vain",
        |s, _a| Box::pin(created_in_place(s)),
    );
    book.step(
        r#"tenant "([^"]+)" is created with its own sandbox id"#,
        |s, a| Box::pin(created_with_own(s, a)),
    );
    book.step(
        r#"the database is made to hold (.+) as sandbox id of tenant "([^"]+)""#,
        |s, a| Box::pin(store_wrong(s, a)),
    );
    book.step(
        r#"the database is made to hold the sandbox ids of tenants "([^"]+)" and "([^"]+)" the wrong way round"#,
        |s, a| Box::pin(swap(s, a)),
    );
    book.step(
        r#"the database holds the right sandbox id of tenant "([^"]+)" again"#,
        |s, a| Box::pin(mend(s, a)),
    );
    book.step(
        r#"status, chat, streamed chat, and start of the gateway of tenant "([^"]+)" are refused with (\d+) "([A-Z_]+)""#,
        |s, a| Box::pin(all_refused(s, a)),
    );
    book.step(r#"a security alert names tenant "([^"]+)""#, |s, a| {
        Box::pin(alerted(s, a))
    });
    book.step(
        r#"no model was called and no object was stored for tenant "([^"]+)""#,
        |s, a| Box::pin(nothing_done(s, a)),
    );
    book.step(r#"tenant "([^"]+)" is served as ever"#, |s, a| {
        Box::pin(served(s, a))
    });
    book.step(
        r#"the gateways of tenants "([^"]+)" and "([^"]+)" run and have stored state"#,
        |s, a| Box::pin(both_run(s, a)),
    );
    book.step(
        r#"the operator tries to delete tenant "([^"]+)""#,
        |s, a| Box::pin(try_to_delete(s, a)),
    );
    book.step(
        r#"the stored state of tenant "([^"]+)" is as it was"#,
        |s, a| Box::pin(state_unchanged(s, a)),
    );
}

async fn occupy(s: &mut Scene, a: Args) -> Check {
    let mut tenant = s.new_tenant(a.text(1), "free").await?;
    tenant.domains = vec![s.domain(a.text(1))];
    let other = uuid::Uuid::new_v4().hyphenated().to_string();
    insert_tenant(s, &other, &tenant.sandbox_id).await?;
    let row = tenant_row(s, &other).await?;
    s.notes.insert("occupant".to_owned(), json!(row));
    s.know_tenant(a.text(1), tenant);
    Ok(())
}

fn occupant(s: &Scene) -> Result<(String, Value), Stop> {
    let row = s.notes.get("occupant").cloned().unwrap_or_default();
    let id = row["id"].as_str().map(str::to_owned);
    id.map(|id| (id, row))
        .ok_or_else(|| Stop::Fault("no row holds the sandbox id".to_owned()))
}

async fn try_to_create(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let answer = create(s, &tenant.creation()).await?;
    let seen = answer.text_at(&s.dialect().tenant_sandbox_id);
    // Of another sandbox id than the one that is taken there is no collision.
    s.expect(
        seen.is_none_or(|seen| seen == tenant.sandbox_id),
        format!("sandbox id `{}`, if any", tenant.sandbox_id),
        || describe(&answer),
    )
    .or_unmet("ID-004")
}

async fn unknown_everywhere(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let row = tenant_row(s, &tenant.id).await?;
    s.expect(row.is_none(), "no row of the refused tenant", || said(&row))?;
    let (kv, keys) = (s.kv().await?, registry_keys(s, &tenant));
    for key in keys {
        let value = kv.get(&key).await?;
        s.expect(
            value.is_none(),
            format!("no entry `{key}` of the refused tenant"),
            || said(&value),
        )?;
    }
    Ok(())
}

async fn occupant_unchanged(s: &mut Scene) -> Check {
    let (id, before) = occupant(s)?;
    let after = json!(tenant_row(s, &id).await?);
    s.expect_eq("the row that was there:", &before, &after)
}

/// Takes the row away that holds the sandbox id.
pub(super) async fn vacate(s: &mut Scene) -> Check {
    let (id, _row) = occupant(s)?;
    s.d1()
        .await?
        .execute("DELETE FROM tenants WHERE id = ?1", &[json!(id)])
        .await?;
    Ok(())
}

async fn vacate_and_create(s: &mut Scene, a: Args) -> Check {
    vacate(s).await?;
    try_to_create(s, a).await
}

async fn create_in_place_of(s: &mut Scene, a: Args) -> Check {
    let refused = s.tenant(a.text(2))?;
    let mut tenant = s.new_tenant(a.text(1), "free").await?;
    tenant.slug = refused.slug;
    tenant.host = refused.host;
    tenant.domains = refused.domains;
    s.know_tenant(a.text(1), tenant.clone());
    create(s, &tenant.creation()).await.map(drop)
}

async fn created_in_place(s: &mut Scene) -> Check {
    let answer = s.last()?;
    if answer.status == 409 {
        return Err(breach("status 201", describe(&answer)));
    }
    expect_status_first(s, &answer, 201)
}

async fn created_with_own(s: &mut Scene, a: Args) -> Check {
    let (answer, tenant) = (s.last()?, s.tenant(a.text(1))?);
    expect_status_first(s, &answer, 201)?;
    let seen = answer.text_at(&s.dialect().tenant_sandbox_id);
    let check = s.expect(
        seen.as_deref() == Some(tenant.sandbox_id.as_str()),
        format!("sandbox id `{}`", tenant.sandbox_id),
        || describe(&answer),
    );
    unless_derived_otherwise(s, check).await
}

/// The wrong sandbox id that a feature describes.
fn wrong(tenant: &Tenant, how: &str) -> Result<String, Stop> {
    let own = &tenant.sandbox_id;
    Ok(match how {
        "its own in upper case" => own.to_ascii_uppercase(),
        "its own and one more character" => format!("{own}0"),
        "its own and a hyphen with a number" => format!("{own}-1"),
        "its own cut by one character" => own[..own.len() - 1].to_owned(),
        "its own and a line break" => format!("{own}\n"),
        "its own without prefix" => own[3..].to_owned(),
        // Unique per tenant, for the column takes no duplicates.
        "a word that is no hexadecimal" => format!("sk-{}zzzz", &own[3..15]),
        "nothing at all" => String::new(),
        "a path out of its prefix" => format!("../{own}"),
        "the one of a tenant unknown" => expected(&uuid::Uuid::new_v4().hyphenated().to_string()),
        other => return Err(Stop::Fault(format!("no wrong id is called `{other}`"))),
    })
}

/// Changes the stored sandbox id behind the target's back.
async fn store(s: &mut Scene, tenant: &Tenant, sandbox_id: &str) -> Check {
    let sql = "UPDATE tenants SET sandbox_id = ?1 WHERE id = ?2";
    let changed = s
        .d1()
        .await?
        .execute(sql, &[json!(sandbox_id), json!(tenant.id)])
        .await;
    match changed {
        Ok(1) => Ok(()),
        Ok(count) => Err(Stop::Fault(format!("{count} rows were changed"))),
        Err(error) if error.why.contains("CHECK") => Err(Stop::NotApplicable(
            "the database itself refuses to hold such a sandbox id".to_owned(),
        )),
        Err(error) => Err(error.into()),
    }
}

async fn store_wrong(s: &mut Scene, a: Args) -> Check {
    // Only one row can hold the empty text, so scenarios take turns.
    if a.text(1) == "nothing at all" {
        s.alone("the empty sandbox id").await;
    }
    let tenant = s.tenant(a.text(2))?;
    let text = wrong(&tenant, a.text(1))?;
    store(s, &tenant, &text).await?;
    s.notes.insert("wrong sandbox id".to_owned(), json!(text));
    settle(s).await?;
    Ok(())
}

async fn swap(s: &mut Scene, a: Args) -> Check {
    let (one, other) = (s.tenant(a.text(1))?, s.tenant(a.text(2))?);
    // In between it has the id of nobody: a database may check the form of what it holds.
    let nobodys = expected(&uuid::Uuid::new_v4().hyphenated().to_string());
    store(s, &one, &nobodys).await?;
    store(s, &other, &one.sandbox_id).await?;
    store(s, &one, &other.sandbox_id).await?;
    settle(s).await?;
    Ok(())
}

async fn mend(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    store(s, &tenant, &tenant.sandbox_id).await?;
    settle(s).await?;
    Ok(())
}

/// What a wrong sandbox id must stop, as requests of this tenant.
async fn all_that_use_it(s: &mut Scene, tenant: &Tenant) -> Result<Vec<Request>, Stop> {
    let streamed = json!({ "stream": true, "messages": [{ "role": "user", "content": Scene::prompt(&s.token) }] });
    let start = Request::new("POST", at(&s.dialect().gateway_start, &tenant.id));
    Ok(vec![
        s.status_request(&tenant.host),
        s.chat_request(&tenant.host),
        s.chat_request_with(&tenant.host, &streamed),
        authorised(s, start).await?,
    ])
}

async fn all_refused(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let requests = all_that_use_it(s, &tenant).await?;
    let (status, code) = (a.number(2)?, a.text(3));
    let answers = s.send_all(requests).await?;
    let mut checks = Vec::new();
    for (number, answer) in answers.iter().enumerate() {
        let check = s.expect_error(answer, status, code);
        if check.is_err() && answer.status >= 300 {
            works_for_others(s, number).await?;
        }
        checks.push(check);
    }
    worst(checks)
}

/// The control of a refusal in another form: the same of a tenant whose sandbox id is its own is answered.
async fn works_for_others(s: &mut Scene, number: usize) -> Check {
    let fresh = s.new_tenant(&format!("control{number}"), "free").await?;
    let fresh = s.make_tenant("control", fresh).await?;
    let request = all_that_use_it(s, &fresh).await?.swap_remove(number);
    let answer = s.send(request).await?;
    expect_status_first(s, &answer, 200)
}

/// An alert is a line that names the tenant and is about its safety or its sandbox, written as an error.
async fn alerted(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let names = [&tenant.id, &tenant.slug, &tenant.sandbox_id];
    let is_about = |line: &LogLine| {
        let text = line.whole().to_lowercase();
        let is_it = line.is_event("security_alert").unwrap_or_else(|| {
            let words = ["security", "alert", "sandbox"];
            words
                .iter()
                .any(|word| line.text.to_lowercase().contains(word))
        });
        is_it && names.iter().any(|name| text.contains(name.as_str()))
    };
    let expected = format!(
        "a security alert in the log, as an error, that names tenant {}",
        tenant.id
    );
    s.wait_for_log(&expected, LOG_SOON, |line| {
        is_about(line) && line.is_an_error()
    })
    .await
    .map(drop)
}

async fn nothing_done(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let calls = s.gateway().await?.journal(&s.marker());
    s.expect(calls.is_empty(), "no model call", || {
        format!("{} calls", calls.len())
    })?;
    let stored = s.notes.get("wrong sandbox id").and_then(Value::as_str);
    let wrong = stored.unwrap_or_default().to_owned();
    for sandbox_id in [wrong, tenant.sandbox_id] {
        // The empty text is the prefix of everything: nothing can be told by it.
        if !sandbox_id.is_empty() {
            let keys = s.r2().await?.keys(&sandbox_id).await?;
            s.expect(
                keys.is_empty(),
                format!("no object below `{sandbox_id}`"),
                || keys.join(", "),
            )?;
        }
    }
    Ok(())
}

/// The control of the refusals: with its own sandbox id a tenant is served.
async fn served(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let status = s.status_request(&tenant.host);
    let answer = s.send(status).await?;
    expect_status_first(s, &answer, 200)?;
    let marker = format!("{}x{}", s.token, a.text(1));
    let body = json!({ "messages": [{ "role": "user", "content": Scene::prompt(&marker) }] });
    let chat = s.chat_request_with(&tenant.host, &body);
    let answer = s.send(chat).await?;
    expect_status_first(s, &answer, 200)?;
    let calls = s.gateway().await?.journal(&marker).len();
    expect_first(s, &answer, calls > 0, "a model call of the chat")
}

async fn both_run(s: &mut Scene, a: Args) -> Check {
    for name in [a.text(1), a.text(2)] {
        let tenant = s.tenant(name)?;
        let answer = start_gateway(s, &tenant.id).await?;
        presuppose(&answer, answer.status == 200, "cannot start the gateway")?;
        let (kv, key) = (s.kv().await?, format!("{}/canary", tenant.sandbox_id));
        kv.put(&key, "untouched").await?;
        let state = sandbox_state(s, &tenant).await?;
        s.notes.insert(format!("state of {name}"), state);
    }
    Ok(())
}

/// What the sandbox of a tenant keeps in KV and R2.
async fn sandbox_state(s: &mut Scene, tenant: &Tenant) -> Result<Value, Stop> {
    let prefix = format!("{}/", tenant.sandbox_id);
    let kv = s.kv().await?;
    let mut entries = serde_json::Map::new();
    for key in kv.keys(&prefix).await? {
        let value = kv.get(&key).await?;
        entries.insert(key, json!(value));
    }
    Ok(json!({ "kv": entries, "r2": objects(s, &prefix).await? }))
}

async fn try_to_delete(s: &mut Scene, a: Args) -> Check {
    let id = s.tenant(a.text(1))?.id;
    delete(s, &id).await.map(drop)
}

async fn state_unchanged(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let before = s.notes.get(&format!("state of {}", a.text(1))).cloned();
    let after = sandbox_state(s, &tenant).await?;
    s.expect(
        before.as_ref() == Some(&after),
        format!(
            "entries and objects of sandbox `{}` as before",
            tenant.sandbox_id
        ),
        || format!("{after}"),
    )
}
