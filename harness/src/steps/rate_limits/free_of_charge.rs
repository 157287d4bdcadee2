//! What costs nothing: refused requests cost no model call and no row, operators cost no quota. Never writes to a store.

use super::used_up::{Refusal, try_refusal};
use super::{Asker, LIMITED, above_tenants, free_quota};
use crate::client::Request;
use crate::evidence::Exchange;
use crate::observe::D1;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach, describe};
use crate::steps::operating::{expect_first, expect_status_first};
use crate::subject::dialect::operation::Operation;
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, OrUnmet as _, Stop};
use crate::wait::{self, Look};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// A call that would be made is made before the answer; this is for what comes after it.
const QUIET_MS: u64 = 50;
/// The gateway double keeps an attempt before it answers it.
const JOURNAL_MS_MAX: u64 = 2_000;
/// Chats tried again because the window had moved on.
const TRIES_MAX: usize = 5;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"tenant "([^"]+)" chats and is admitted, which costs one call and one row"#,
        |s, a| Box::pin(admitted_chat(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" chats (\d+) times more, once as a stream, and is refused"#,
        |s, a| Box::pin(refused_chats(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" chats (\d+) times its quota at once, and some chats are refused"#,
        |s, a| Box::pin(chats_at_once(s, a)),
    );
    book.step(
        r#"the refused chats of tenant "([^"]+)" have cost no call and no row"#,
        |s, a| Box::pin(cost_nothing(s, a)),
    );
    book.step(
        r#"an operator reads tenant "([^"]+)" (\d+) times its quota from the same client ip and host"#,
        |s, a| Box::pin(operator_reads(s, a)),
    );
    book.step(
        r#"an operator calls each route of tenant "([^"]+)" as often as the public quota allows, from the same client ip and host"#,
        |s, a| Box::pin(operator_calls_each(s, a)),
    );
    book.step(
        r#"an operator asks for admin routes that there are not (\d+) times as often as the quota of tenant "([^"]+)" allows, from the same client ip and host"#,
        |s, a| Box::pin(operator_asks_for_none(s, a)),
    );
    book.step(
        r"somebody without a token asks (\d+) times as often, and is denied each time",
        |s, a| Box::pin(denied(s, a)),
    );
}

/// A chat with a marker of its own.
fn chat(s: &Scene, tenant: &Tenant, stream: bool) -> (String, Request) {
    let marker = format!("{}x{}", s.token, s.exchanges.len());
    chat_called(s, tenant, marker, stream)
}

fn chat_called(s: &Scene, tenant: &Tenant, marker: String, stream: bool) -> (String, Request) {
    let message = json!({ "role": "user", "content": Scene::prompt(&marker) });
    let body = json!({ "messages": [message], "stream": stream });
    let request = s.chat_request_with(&tenant.host, &body);
    (marker, request)
}

/// How many chats of a tenant were admitted so far.
fn admitted(s: &Scene, tenant: &Tenant) -> u64 {
    let note = s.notes.get(&format!("chats {}", tenant.id));
    note.and_then(Value::as_u64).unwrap_or(0)
}

fn count_admitted(s: &mut Scene, tenant: &Tenant) {
    let count = admitted(s, tenant) + 1;
    s.notes.insert(format!("chats {}", tenant.id), json!(count));
}

async fn rows(d1: &dyn D1, tenant: &str) -> Result<u64, Stop> {
    let sql = "SELECT count(*) AS n FROM usage WHERE tenant_id = ?1";
    let rows = d1.query(sql, &[json!(tenant)]).await?;
    let count = rows.first().and_then(|row| row.get("n")?.as_u64());
    count.ok_or_else(|| Stop::Fault("D1 does not count".to_owned()))
}

async fn admitted_chat(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let (marker, request) = chat(s, &tenant, false);
    let answer = s.send(request).await?;
    expect_status_first(s, &answer, 200)?;
    count_admitted(s, &tenant);
    let deadline = Duration::from_millis(JOURNAL_MS_MAX);
    let gateway = s.gateway().await?;
    let calls = gateway.wait_for_attempts(&marker, 1, deadline).await.len();
    expect_first(s, &answer, calls > 0, "a model call for an admitted chat")?;
    has_rows_of_admitted(s, &tenant, u64::eq).await
}

/// Waits until the number of a tenant's rows is as it should be beside that of its admitted chats.
async fn has_rows_of_admitted(
    s: &mut Scene,
    tenant: &Tenant,
    is_right: fn(&u64, &u64) -> bool,
) -> Check {
    let (d1, wanted) = (s.d1().await?, admitted(s, tenant));
    let deadline = s.run.target.limits().usage_visible;
    s.expect_soon(
        &format!("{wanted} usage rows of tenant `{}`", tenant.slug),
        deadline,
        || {
            let (d1, id) = (Arc::clone(&d1), tenant.id.clone());
            async move {
                let count = rows(&*d1, &id).await?;
                Ok(if is_right(&count, &wanted) {
                    Look::Done(())
                } else {
                    Look::NotYet(format!("{count} rows"))
                })
            }
        },
    )
    .await
}

async fn refused_chats(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let who = Asker::Tenant(tenant.clone());
    let wanted: usize = a.number(2)?;
    let mut markers = Vec::new();
    for _try in 0..wanted + TRIES_MAX {
        if markers.len() == wanted {
            break;
        }
        let (marker, request) = chat(s, &tenant, markers.is_empty());
        match try_refusal(s, &who, request).await? {
            Refusal::Refused => markers.push(marker),
            // Rightly let in: it may cost what a chat costs.
            Refusal::MovedOn => count_admitted(s, &tenant),
            Refusal::Excess(answer) => {
                return Err(breach(
                    format!("a chat refused with 429 {LIMITED}, the quota being used up"),
                    describe(&answer),
                ));
            }
        }
    }
    if markers.len() < wanted {
        return Err(Stop::NotVerified(
            "the window moved on before each chat: run the variant with a longer period and state it".to_owned(),
        ));
    }
    s.notes.insert("refused".to_owned(), json!(markers));
    Ok(())
}

async fn chats_at_once(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let (limit, _period) = super::quota(s, &tenant.tier).await?;
    let count = limit as usize * a.number::<usize>(2)?;
    let (markers, requests): (Vec<_>, Vec<_>) = (0..count)
        .map(|number| chat_called(s, &tenant, format!("{}y{number}", s.token), false))
        .unzip();
    let mut refused = Vec::new();
    for (marker, answer) in markers.into_iter().zip(s.send_all(requests).await?) {
        if answer.status == 429 {
            refused.push(marker);
        } else {
            expect_status_first(s, &answer, 200)?;
            count_admitted(s, &tenant);
        }
    }
    if refused.is_empty() {
        return Err(Stop::NotVerified(format!(
            "none of {count} chats at once was refused: no refusal to look at"
        )));
    }
    s.notes.insert("refused".to_owned(), json!(refused));
    // Rows beyond those are what the next step looks for.
    let written = has_rows_of_admitted(s, &tenant, u64::ge).await;
    written.or_unmet("USG-001")
}

async fn cost_nothing(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    wait::quiet(Duration::from_millis(QUIET_MS)).await;
    let markers = s.notes.get("refused").cloned().unwrap_or_default();
    let gateway = s.gateway().await?;
    for marker in markers.as_array().into_iter().flatten() {
        let calls = gateway.journal(marker.as_str().unwrap_or_default()).len();
        s.expect_eq("calls for a refused chat:", &0, &calls)?;
    }
    let d1 = s.d1().await?;
    let (wanted, seen) = (admitted(s, &tenant), rows(&*d1, &tenant.id).await?);
    let check = s.expect_eq(
        "usage rows, one for each admitted chat and none for a refused one:",
        &wanted,
        &seen,
    );
    if seen < wanted {
        check.or_unmet("USG-001")
    } else {
        check
    }
}

fn record_request(s: &Scene, tenant: &Tenant) -> Request {
    Request::new("GET", s.dialect().tenant.replace("{id}", &tenant.id)).host(tenant.host.as_str())
}

async fn operator_reads(s: &mut Scene, a: Args) -> Check {
    let (tenant, times): (_, u32) = (s.tenant(a.text(1))?, a.number(2)?);
    let (limit, _period) = free_quota(s).await?;
    let path = record_request(s, &tenant).path;
    let request = s
        .operator_request("GET", &path)
        .await?
        .host(tenant.host.as_str());
    for answer in s.send_all(vec![request; (limit * times) as usize]).await? {
        note_limited(s, &answer);
        if answer.status != 429 {
            expect_status_first(s, &answer, 200)?;
        }
    }
    // Below `When` this is what is done before the public quotas are asserted to be whole.
    if s.notes.contains_key("limit") {
        no_admin_limited(s)?;
    }
    Ok(())
}

/// Each but those that make and delete tenants.
async fn operator_calls_each(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let (limit, _period) = free_quota(s).await?;
    let dialect = s.dialect();
    let mut requests = Vec::new();
    for route in dialect.admin_routes(&tenant.id, &s.slug("unmade")) {
        let request = s.operator_request(&route.method, &route.path).await?;
        let request = request.host(tenant.host.as_str());
        let operation = dialect.operation(&route.method, &route.path);
        match operation.map(|(operation, _id)| operation) {
            // The tier stays, and with it the quota.
            Some(Operation::ChangeTenant) => {
                let body = json!({ "platform": tenant.platform });
                requests.push(request.json(&body));
            }
            Some(own) if own.alters_tenants() => {}
            // What the manifest lists by itself may do anything.
            None if route.method != "GET" => {}
            Some(_) | None => requests.push(request),
        }
    }
    for request in requests {
        for answer in s.send_all(vec![request; limit as usize]).await? {
            note_limited(s, &answer);
            let is_let_in = ![401, 403].contains(&answer.status) && answer.status < 500;
            expect_first(s, &answer, is_let_in, "an operator who is let in")?;
        }
    }
    Ok(())
}

/// Below the admin routes that there are, so that whoever guards them by their common beginning guards these as well.
async fn operator_asks_for_none(s: &mut Scene, a: Args) -> Check {
    let (times, tenant): (u32, _) = (a.number(1)?, s.tenant(a.text(2))?);
    let (limit, _period) = free_quota(s).await?;
    let path = format!("{}/mp-no-such-route", above_tenants(&s.dialect()));
    let request = s.operator_request("GET", &path).await?;
    let request = request.host(tenant.host.as_str());
    for answer in s.send_all(vec![request; (limit * times) as usize]).await? {
        note_limited(s, &answer);
        let is_none = [404, 429].contains(&answer.status);
        expect_first(
            s,
            &answer,
            is_none,
            "an operator who is told that there is no such route",
        )?;
    }
    Ok(())
}

async fn denied(s: &mut Scene, a: Args) -> Check {
    let (tenant, times): (_, u32) = (s.tenant("a")?, a.number(1)?);
    let (limit, _period) = free_quota(s).await?;
    let request = record_request(s, &tenant);
    for answer in s.send_all(vec![request; (limit * times) as usize]).await? {
        note_limited(s, &answer);
        if answer.status != 429 {
            s.expect_error(&answer, 403, "ACCESS_DENIED")
                .or_unmet("ACC-001")?;
        }
    }
    Ok(())
}

/// Where a scenario keeps an admin request that was refused as one too many.
const LIMITED_AS_ADMIN: &str = "admin request limited";

/// Keeps that an admin request was refused as one too many, for the step that asserts that none is.
fn note_limited(s: &mut Scene, answer: &Exchange) {
    if answer.status == 429 {
        s.notes
            .insert(LIMITED_AS_ADMIN.to_owned(), json!(describe(answer)));
    }
}

/// Asserts that no admin request of the scenario was refused as one too many.
pub(super) fn no_admin_limited(s: &Scene) -> Check {
    match s.notes.get(LIMITED_AS_ADMIN).and_then(Value::as_str) {
        None => Ok(()),
        Some(seen) => Err(breach(
            "no admin request refused for too many requests, whatever the public quotas",
            seen,
        )),
    }
}
