//! Rows that must not be: bad tiers, negative tokens, duplicates. Never asks which layer refuses them, but where the contract says so.

use crate::client::Request;
use crate::doubles::{Reply, Script};
use crate::evidence::Exchange;
use crate::observe::Row;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach, describe};
use crate::said::said;
use crate::steps::operating::{
    QUIET, at, authorised, change, create, creation, expect_first, registry_keys,
    stored_sandbox_id, tenant_row, usage_rows, worst,
};
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, OrUnmet as _, Stop};
use crate::wait;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Where a scenario keeps how many tenants it asked for in vain, and which exchanges those were.
const ASKED: &str = "asked in vain";

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"the operator asks for each of these tiers, for a new tenant and for tenant "([^"]+)""#,
        |s, a| Box::pin(ask_for_tiers(s, a)),
    );
    book.step(
        r#"the operator gives tenant "([^"]+)" another slug together with each of these tiers"#,
        |s, a| Box::pin(rename_with_tiers(s, a)),
    );
    book.step(
        r#"each of these requests is refused with (\d+) "([A-Z_]+)""#,
        |s, a| Box::pin(each_refused(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" is as it was, and nothing is known of the new ones"#,
        |s, a| Box::pin(nothing_written(s, a)),
    );
    book.step(
        r"none of the slugs that were asked for belongs to anybody",
        |s, _a| Box::pin(no_other_name(s)),
    );
    book.step(
        r#"each tier of the contract is accepted for a new tenant and for tenant "([^"]+)""#,
        |s, a| Box::pin(good_tiers(s, a)),
    );
    book.step(
        r#"the model's answers to tenant "([^"]+)" report these tokens"#,
        |s, a| Box::pin(report_tokens(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" has that one usage row and no negative number in it"#,
        |s, a| Box::pin(one_good_row(s, a)),
    );
    book.step(
        r#"a row with a fresh id and the sandbox id of tenant "([^"]+)" is inserted behind the backend's back"#,
        |s, a| Box::pin(insert_duplicate(s, a)),
    );
    book.step(r"the database refuses it as not unique", |s, _a| {
        Box::pin(refused_as_duplicate(s))
    });
    book.step(
        r"the same row with a sandbox id of its own is taken",
        |s, _a| Box::pin(insert_good(s)),
    );
    book.step(
        r#"a free tenant "([^"]+)" with the domain "([^"]+)""#,
        |s, a| Box::pin(tenant_with_domain(s, a)),
    );
    book.step(
        r#"the operator asks for tenants with the id, with the slug and with the domain of tenant "([^"]+)""#,
        |s, a| Box::pin(ask_for_taken(s, a)),
    );
}

/// Sends what is to be refused, and remembers it with the tenants that must not come of it and what is there before.
async fn ask(s: &mut Scene, requests: Vec<Request>, new: &[Tenant], there: &Tenant) -> Check {
    let row = tenant_row(s, &there.id).await?;
    let mut entries = Map::new();
    if let Ok(kv) = s.kv().await {
        for key in registry_keys(s, there) {
            let value = kv.get(&key).await?;
            entries.insert(key, json!(value));
        }
    }
    let from = s.exchanges.len();
    s.send_all(requests).await?;
    let note = json!({
        "from": from, "to": s.exchanges.len(), "new": new.len(), "row": row, "entries": entries,
    });
    s.notes.insert(ASKED.to_owned(), note);
    for (number, tenant) in new.iter().enumerate() {
        s.know_tenant(&format!("new {number}"), tenant.clone());
    }
    Ok(())
}

fn asked(s: &Scene, name: &str) -> Result<usize, Stop> {
    let number = s.notes.get(ASKED).and_then(|note| note[name].as_u64());
    number
        .and_then(|number| usize::try_from(number).ok())
        .ok_or_else(|| Stop::Fault("nothing was asked for".to_owned()))
}

async fn ask_for_tiers(s: &mut Scene, a: Args) -> Check {
    let there = s.tenant(a.text(1))?;
    let (mut requests, mut new) = (Vec::new(), Vec::new());
    for (number, text) in a.list().iter().enumerate() {
        let tier: Value = serde_json::from_str(text)
            .map_err(|error| Stop::Fault(format!("`{text}`: {error}")))?;
        let tenant = s.new_tenant(&format!("tier{number}"), "free").await?;
        let mut body = tenant.creation();
        body["tier"] = tier.clone();
        requests.push(creation(s, &body).await?);
        let path = at(&s.dialect().tenant, &there.id);
        let change = Request::new("PATCH", path).json(&json!({ "tier": tier }));
        requests.push(authorised(s, change).await?);
        new.push(tenant);
    }
    ask(s, requests, &new, &there).await
}

/// What is refused as a whole writes nothing of the part that would have been taken.
async fn rename_with_tiers(s: &mut Scene, a: Args) -> Check {
    let there = s.tenant(a.text(1))?;
    let (mut requests, mut new) = (Vec::new(), Vec::new());
    for (number, text) in a.list().iter().enumerate() {
        let tier: Value = serde_json::from_str(text)
            .map_err(|error| Stop::Fault(format!("`{text}`: {error}")))?;
        let tenant = s.new_tenant(&format!("other{number}"), "free").await?;
        let path = at(&s.dialect().tenant, &there.id);
        let body = json!({ "slug": tenant.slug, "tier": tier });
        requests.push(authorised(s, Request::new("PATCH", path).json(&body)).await?);
        new.push(tenant);
    }
    ask(s, requests, &new, &there).await
}

async fn each_refused(s: &mut Scene, a: Args) -> Check {
    let answers: Vec<Arc<Exchange>> = s.exchanges[asked(s, "from")?..asked(s, "to")?].to_vec();
    let (status, code) = (a.number(1)?, a.text(2));
    worst(
        answers
            .iter()
            // An operator who is not let in is refused for that, and not for what he asks.
            .map(|answer| {
                let check = s.expect_error(answer, status, code);
                if [401, 403].contains(&answer.status) {
                    check.or_unmet("ACC-002")
                } else {
                    check
                }
            }),
    )
}

async fn nothing_written(s: &mut Scene, a: Args) -> Check {
    let there = s.tenant(a.text(1))?;
    let before = s.notes.get(ASKED).map(|note| note["row"].clone());
    let after = json!(tenant_row(s, &there.id).await?);
    s.expect_eq("the row of the tenant:", &before, &Some(after))?;
    let kv = s.kv().await?;
    let note = s.notes.get(ASKED).cloned().unwrap_or_default();
    for (key, before) in note["entries"].as_object().into_iter().flatten() {
        let after = json!(kv.get(key).await?);
        s.expect_eq(&format!("entry `{key}`:"), before, &after)?;
    }
    for number in 0..asked(s, "new")? {
        let tenant = s.tenant(&format!("new {number}"))?;
        // Where the id itself was the one in use, the row of that id is the tenant that was there.
        if tenant.id != there.id {
            let row = tenant_row(s, &tenant.id).await?;
            s.expect(row.is_none(), "no row of a refused tenant", || said(&row))?;
        }
        // What the tenant has that was there was looked at above, whatever form it has.
        let own = registry_keys(s, &there);
        let others = registry_keys(s, &tenant).into_iter();
        for key in others.filter(|key| !own.contains(key)) {
            let value = kv.get(&key).await?;
            let is_free = value
                .as_deref()
                .is_none_or(|value| value.contains(&there.id) || key.contains(&there.id));
            s.expect(
                is_free,
                format!("no entry `{key}` of a refused tenant"),
                || said(&value),
            )?;
        }
    }
    Ok(())
}

/// No name that was asked for and refused leads to anybody, not even to the tenant that was to have it.
async fn no_other_name(s: &mut Scene) -> Check {
    for number in 0..asked(s, "new")? {
        let host = s.tenant(&format!("new {number}"))?.host;
        let request = s.status_request(&host);
        let answer = s.send(request).await?;
        s.expect(
            answer.status >= 400,
            format!("host `{host}` nobody's, whose slug was refused"),
            || describe(&answer),
        )?;
    }
    Ok(())
}

async fn good_tiers(s: &mut Scene, a: Args) -> Check {
    let id = s.tenant(a.text(1))?.id;
    for tier in ["enterprise", "premium", "free"] {
        let slug = s.slug(&format!("good-{tier}"));
        let made = create(s, &json!({ "slug": slug, "tier": tier })).await?;
        let changed = change(s, &id, &json!({ "tier": tier })).await?;
        // The control of the refusals.
        for (answer, status) in [(made, 201), (changed, 200)] {
            let holds = answer.status == status && answer.text_at("/tier").as_deref() == Some(tier);
            expect_first(s, &answer, holds, format!("{status} with tier {tier}"))?;
        }
    }
    Ok(())
}

async fn report_tokens(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    for (number, row) in a.table.iter().enumerate() {
        let tokens: Vec<i64> = row.iter().filter_map(|cell| cell.parse().ok()).collect();
        let [tokens_in, tokens_out] = tokens[..] else {
            return Err(Stop::Fault(format!(
                "{row} are no two numbers",
                row = said(&row)
            )));
        };
        let body = json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "",
            "choices": [{ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": "Hello." } }],
            "usage": { "prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out },
        });
        let marker = format!("{}xneg{number}", s.token);
        let gateway = s.gateway().await?;
        gateway.script(&marker, Script::always(Reply::body(200, body)));
        let prompt = json!({ "messages": [{ "role": "user", "content": Scene::prompt(&marker) }] });
        let request = s.chat_request_with(&tenant.host, &prompt);
        s.send(request).await?;
        // Whatever the caller is told, the model was asked: so there was something to write down wrongly.
        let calls = gateway.journal(&marker).len();
        s.expect(calls > 0, "a model call", || "none".to_owned())
            .or_unmet("AIG-004")?;
    }
    Ok(())
}

async fn one_good_row(s: &mut Scene, a: Args) -> Check {
    let id = s.tenant(a.text(1))?.id;
    wait::quiet(QUIET).await;
    let rows = usage_rows(s, &id).await?;
    let is_good = |row: &Row| {
        ["tokens_in", "tokens_out", "latency_ms"]
            .iter()
            .all(|column| row[*column].as_f64().is_some_and(|number| number >= 0.0))
    };
    let expected = "the one row of the chat with good tokens";
    if rows.is_empty() {
        return s
            .expect(false, expected, || "none".to_owned())
            .or_unmet("USG-001");
    }
    s.expect(
        rows.len() == 1 && rows.iter().all(is_good),
        expected,
        || said(&rows),
    )
}

/// Inserts a tenant's row behind the target's back, of another platform and tier than any tenant of these scenarios:
/// a sandbox id is unique among all rows, not among those that are alike.
async fn insert(s: &mut Scene, id: &str, sandbox_id: &str) -> Result<Result<usize, String>, Stop> {
    let sql = "INSERT INTO tenants (id, platform, tier, sandbox_id, created_at, updated_at) VALUES (?1, 'cli', 'premium', ?2, 1, 1)";
    let done = s
        .d1()
        .await?
        .execute(sql, &[json!(id), json!(sandbox_id)])
        .await;
    let cleared = s
        .d1()
        .await?
        .execute("DELETE FROM tenants WHERE id = ?1", &[json!(id)])
        .await;
    cleared?;
    Ok(done.map_err(|error| error.why))
}

async fn insert_duplicate(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let fresh = s.new_tenant("fresh", "free").await?;
    // The stored one: whether it is the right one is another criterion's question.
    let row = tenant_row(s, &tenant.id).await?;
    let stored = stored_sandbox_id(s, row.as_ref())?;
    let stored =
        stored.ok_or_else(|| breach("a row of the tenant in D1", "none").or_unmet("SCH-001"))?;
    let done = insert(s, &fresh.id, &stored).await?;
    s.notes.insert("inserted".to_owned(), json!(done));
    s.know_tenant("fresh", fresh);
    Ok(())
}

async fn refused_as_duplicate(s: &mut Scene) -> Check {
    let done = s.notes.get("inserted").cloned().unwrap_or_default();
    let why = done["Err"].as_str().unwrap_or_default().to_owned();
    s.expect(
        why.contains("UNIQUE"),
        "a unique constraint that refuses the row",
        || done.to_string(),
    )
}

async fn insert_good(s: &mut Scene) -> Check {
    let fresh = s.tenant("fresh")?;
    let done = insert(s, &fresh.id, &fresh.sandbox_id).await?;
    // The control of the refusal.
    s.expect(done == Ok(1), "the row taken", || match &done {
        Ok(rows) => format!("{rows} rows taken"),
        Err(why) => format!("a refusal: {why}"),
    })
    .or_unmet("SCH-001")
}

async fn tenant_with_domain(s: &mut Scene, a: Args) -> Check {
    let mut tenant = s.new_tenant(a.text(1), "free").await?;
    tenant.domains = vec![s.domain(a.text(2))];
    s.make_tenant(a.text(1), tenant).await.map(drop)
}

async fn ask_for_taken(s: &mut Scene, a: Args) -> Check {
    let there = s.tenant(a.text(1))?;
    let fresh = |s: &Scene, name: &str| s.slug(name);
    let mut by_id = s.new_tenant("by-id", "premium").await?;
    by_id.id.clone_from(&there.id);
    by_id.domains = vec![s.domain("by-id")];
    let mut by_slug = s.new_tenant("by-slug", "premium").await?;
    by_slug.slug.clone_from(&there.slug);
    by_slug.domains = vec![s.domain("by-slug")];
    let mut by_domain = s.new_tenant("by-domain", "premium").await?;
    by_domain.slug = fresh(s, "by-domain");
    by_domain.domains = vec![s.domain("beside"), there.domains[0].clone()];
    let new = [by_id, by_slug, by_domain];
    let mut requests = Vec::new();
    for tenant in &new {
        requests.push(creation(s, &tenant.creation()).await?);
    }
    ask(s, requests, &new, &there).await
}
