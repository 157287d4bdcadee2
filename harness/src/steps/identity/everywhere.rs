//! A sandbox id wherever it could be another one: at each workload, in each state of the gateway, beside a row that holds it already,
//! on each platform. Never takes the expected id from the target.

use super::changes::still_its_own;
use super::derivation::{note, note_answer};
use super::wrong_id::vacate;
use crate::client::Request;
use crate::doubles::{Reply, Script};
use crate::run::book::{Args, Book};
use crate::run::scene::Scene;
use crate::steps::gateway::{chat_body, prompt};
use crate::steps::operating::{
    at, authorised, change, create, delete, expect_status_first, gateway, presuppose, read, settle,
    start_gateway, stored_sandbox_id, stores_sandbox_ids, tenant_row,
};
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, Stop};
use regex::Regex;
use serde_json::json;
use std::sync::LazyLock;
use std::time::Duration;

/// The workloads of the contract, and none stated.
const WORKLOADS: [&str; 4] = ["", "chat", "summarization", "analysis"];
/// How long a call of an answered chat may take to stand in the journal. Evidence: it stands there before the caller is answered.
const JOURNAL_SOON: Duration = Duration::from_secs(2);
/// Looks at a gateway while it is started.
const LOOKS_AT_A_START: usize = 3;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"the sandbox id of tenant "([^"]+)" is looked up in all model calls of each workload, plain and streamed"#,
        |s, a| Box::pin(look_up_in_calls(s, a)),
    );
    book.step(
        r#"the sandbox id of tenant "([^"]+)" is looked up at every route, in every state of its gateway"#,
        |s, a| Box::pin(look_up_in_states(s, a)),
    );
    book.step(
        r#"the sandbox id of tenant "([^"]+)" is looked up in the model call of a chat, if that is not refused"#,
        |s, a| Box::pin(look_up_in_a_call(s, a)),
    );
    book.step(
        r#"the operator creates tenant "([^"]+)" beside that row, or else once it is gone"#,
        |s, a| Box::pin(create_beside(s, a)),
    );
    book.asserting(
        &["ID-005"],
        r#"the operator moves tenant "([^"]+)" to each of these platforms, and it chats there:"#,
        |s, a| Box::pin(move_about(s, a)),
    );
}

/// Notes the sandbox ids of a chat's model calls; metadata need not name one.
async fn note_calls(s: &mut Scene, tenant: &Tenant, marker: &str, place: &str) -> Check {
    let key = s.run.target.dialect().metadata_sandbox_id.clone();
    let gateway = s.gateway().await?;
    for call in gateway.wait_for_attempts(marker, 1, JOURNAL_SOON).await {
        let metadata = call.metadata_kept.unwrap_or_default();
        if let Some(seen) = metadata.get(&key).and_then(|value| value.as_str()) {
            let place = format!("the AI Gateway's journal of {place}");
            note(s, &place, &tenant.id, Some(seen));
        }
    }
    Ok(())
}

/// Notes what the row in D1 holds, where it can be looked at.
async fn note_row(s: &mut Scene, id: &str) {
    if stores_sandbox_ids(s)
        && let Ok(Some(row)) = tenant_row(s, id).await
        && let Ok(Some(stored)) = stored_sandbox_id(s, Some(&row))
    {
        note(s, "the row in D1", id, Some(&stored));
    }
}

/// On each of the tenant's hosts in turn. The last chat's first model call fails, so that it is tried again or another model asked.
async fn look_up_in_calls(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let hosts: Vec<String> = [&tenant.host]
        .into_iter()
        .chain(&tenant.domains)
        .cloned()
        .collect();
    note_row(s, &tenant.id).await;
    let mut number = 0;
    for workload in WORKLOADS {
        for streamed in [false, true] {
            let marker = format!("{}v{number}", s.token);
            let host = &hosts[number % hosts.len()];
            let mut request = s.chat_request_with(host, &chat_body(&marker, streamed));
            if !workload.is_empty() {
                request = request.header("x-workload", workload);
            }
            number += 1;
            if number == 2 * WORKLOADS.len() {
                let failing = Reply::status(503);
                let replies = [failing, Reply::answer("Hello.", 3, 2)];
                let script = Script::sequence(replies);
                s.gateway().await?.script(&marker, script);
            }
            prompt(s, request, streamed).await?;
            let answer = s.last()?;
            expect_status_first(s, &answer, 200)?;
            let place = format!("a chat with workload `{workload}`, streamed: {streamed}");
            note_calls(s, &tenant, &marker, &place).await?;
        }
    }
    Ok(())
}

/// What the routes of a tenant and its gateway show of the sandbox id.
async fn note_routes(s: &mut Scene, id: &str) -> Check {
    let pointer = s.dialect().tenant_sandbox_id;
    let record = read(s, id).await?;
    expect_status_first(s, &record, 200)?;
    note_answer(s, id, &record, &pointer);
    if at(&s.dialect().gateway, id).is_empty() {
        return Ok(());
    }
    let answer = gateway(s, id).await?;
    if answer.status == 200 {
        note_answer(s, id, &answer, &pointer);
    }
    Ok(())
}

/// A field that is called a sandbox id, and its value, in JSON.
static NAMED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?i)"sandbox_?id"\s*:\s*"([^"]*)""#).ok());

/// Notes what a running gateway keeps in the bucket and writes into the log as its sandbox id, where these can be looked at.
async fn note_kept(s: &mut Scene, tenant: &Tenant) -> Check {
    let hash = tenant.sandbox_id.trim_start_matches("sk-").to_owned();
    let instance = s.instance().await?;
    let mut kept = Vec::new();
    if let Some(r2) = &instance.r2 {
        for key in r2.keys("").await? {
            if key.contains(&hash)
                && let Some(bytes) = r2.get(&key).await?
            {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                kept.push((format!("the object {key}"), text));
            }
        }
    }
    let lines = instance.logs.as_ref().map(|logs| logs.since(0));
    for line in lines.into_iter().flatten() {
        kept.push(("the log".to_owned(), line.text));
    }
    for (place, text) in kept {
        let named = NAMED.as_ref().into_iter().flat_map(|named| {
            let values = named.captures_iter(&text);
            values.map(|found| found[1].to_owned())
        });
        for seen in named.filter(|seen| seen.to_ascii_lowercase().contains(&hash)) {
            note(s, &place, &tenant.id, Some(&seen));
        }
    }
    Ok(())
}

/// A record that holds another form is refused or mended; an operator may be shown it as it is, and no model call may name it.
async fn look_up_in_a_call(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let marker = format!("{}u", s.token);
    let request = s.chat_request_with(&tenant.host, &chat_body(&marker, false));
    if s.send(request).await?.status == 200 {
        note_calls(s, &tenant, &marker, "a chat").await?;
    }
    Ok(())
}

/// Before the gateway has ever run, while it is started, while it runs, and stopped again, as the tenant is made anew.
async fn look_up_in_states(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let (id, dialect) = (tenant.id.clone(), s.dialect());
    note_routes(s, &id).await?;
    let start = Request::new("POST", at(&dialect.gateway_start, &id));
    let mut requests = vec![authorised(s, start).await?];
    for _look in 0..LOOKS_AT_A_START {
        let look = Request::new("GET", at(&dialect.gateway, &id));
        requests.push(authorised(s, look).await?);
    }
    for answer in s.send_all(requests).await? {
        if answer.status < 300 {
            note_answer(s, &id, &answer, &dialect.tenant_sandbox_id);
        }
    }
    start_gateway(s, &id).await?;
    note_routes(s, &id).await?;
    note_kept(s, &tenant).await?;
    let gone = delete(s, &id).await?;
    presuppose(&gone, gone.status < 300, "cannot delete the tenant")?;
    settle(s).await?;
    // Where the target chooses ids, the new one has another.
    let anew = s.make_tenant(a.text(1), tenant).await?;
    note_routes(s, &anew.id).await
}

/// Whoever is made beside the row has a sandbox id all the same; who is refused has one when the row is gone.
async fn create_beside(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let mut answer = create(s, &tenant.creation()).await?;
    let is_made_beside = answer.status < 300;
    if !is_made_beside {
        vacate(s).await?;
        answer = create(s, &tenant.creation()).await?;
        expect_status_first(s, &answer, 201)?;
    }
    let pointer = s.dialect().tenant_sandbox_id;
    note_answer(s, &tenant.id, &answer, &pointer);
    note_row(s, &tenant.id).await;
    if is_made_beside {
        return Ok(());
    }
    note_routes(s, &tenant.id).await
}

/// Which platforms there are is not promised: one that is refused shows nothing.
async fn move_about(s: &mut Scene, a: Args) -> Check {
    let mut tenant = s.tenant(a.text(1))?;
    let id = tenant.id.clone();
    note_routes(s, &id).await?;
    let pointer = s.dialect().tenant_sandbox_id;
    let mut taken = None;
    for (number, platform) in a.list().into_iter().enumerate() {
        let answer = change(s, &id, &json!({ "platform": platform })).await?;
        if matches!(answer.status, 400 | 422) {
            continue;
        }
        still_its_own(s, &answer).await?;
        expect_status_first(s, &answer, 200)?;
        note_answer(s, &id, &answer, &pointer);
        settle(s).await?;
        let answer = read(s, &id).await?;
        still_its_own(s, &answer).await?;
        let marker = format!("{}m{number}", s.token);
        let request = s.chat_request_with(&tenant.host, &chat_body(&marker, false));
        let answer = s.send(request).await?;
        still_its_own(s, &answer).await?;
        expect_status_first(s, &answer, 200)?;
        note_calls(
            s,
            &tenant,
            &marker,
            &format!("a chat on platform `{platform}`"),
        )
        .await?;
        taken = Some(platform);
    }
    let Some(platform) = taken else {
        return Err(Stop::NotApplicable(
            "a tenant is moved to no other platform".to_owned(),
        ));
    };
    tenant.platform = platform;
    s.know_tenant(a.text(1), tenant);
    note_routes(s, &id).await
}
