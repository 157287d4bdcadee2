//! Payloads for shells, SQL and paths, in everything a caller sends. Never holds one that harms beyond its own scenario's target.

use crate::client::{Request, authority};
use crate::evidence::Exchange;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach, describe};
use crate::steps::operating::{expect_first, expect_status_first, usage_ids};
use crate::steps::resolution::ask::{about, request_for};
use crate::steps::words::filled;
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, OrUnmet as _, Stop};
use crate::wait::Look;
use serde_json::{Value, json};
use std::sync::Arc;

/// The fields of a tenant that take text.
const FIELDS: [&str; 5] = ["slug", "platform", "tier", "id", "domains"];

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"the operator uses "([^"]+)" as tenant id on every route that takes one"#,
        |s, a| Box::pin(as_id(s, a)),
    );
    book.step(r"each of these answers is a plain refusal", |s, _a| {
        Box::pin(plain_refusals(s, false))
    });
    book.step(
        r"each of these answers is a listing or a plain refusal",
        |s, _a| Box::pin(plain_refusals(s, true)),
    );
    book.step(
        r#"each of tenants "([^"]+)" and "([^"]+)" has chatted"#,
        |s, a| Box::pin(both_chatted(s, a)),
    );
    book.step(
        r#"the operator lists the usage of tenant "([^"]+)" with the query "([^"]+)""#,
        |s, a| Box::pin(lists_usage(s, a)),
    );
    book.step(r#"no answer shows usage of tenant "([^"]+)""#, |s, a| {
        Box::pin(no_usage_of(s, a))
    });
    book.step(
        r#"the operator lists the tenants with the query "([^"]+)""#,
        |s, a| Box::pin(lists_tenants(s, a)),
    );
    book.step(
        r#"the operator creates tenants with "([^"]+)" in each field"#,
        |s, a| Box::pin(creates(s, a)),
    );
    book.step(
        r#"the operator changes tenant "([^"]+)" with "([^"]+)" in each field"#,
        |s, a| Box::pin(changes(s, a)),
    );
    book.step(
        r"each of these is refused, or kept as it was sent",
        |s, a| Box::pin(refused_or_kept(s, a)),
    );
    book.step(
        r#"somebody chats at host "([^"]*)" with "([^"]*)" in each of these headers:"#,
        |s, a| Box::pin(in_headers(s, a)),
    );
    book.step(
        r"no answer is a success of another tenant's or a fault",
        |s, a| Box::pin(own_or_refused(s, a)),
    );
    book.step(
        r#"somebody chats at host "([^"]*)" with the words "([^"]*)""#,
        |s, a| Box::pin(chats_words(s, a)),
    );
    book.step(
        r#"the model got the words "([^"]*)" as they are"#,
        |s, a| Box::pin(model_got(s, a)),
    );
}

/// From here on the scenario's answers are those to payloads.
pub(super) fn begin(s: &mut Scene) {
    let from = s.exchanges.len();
    s.notes.insert("payloads from".to_owned(), json!(from));
}

fn since_begin(s: &Scene) -> Vec<Arc<Exchange>> {
    let from = s
        .notes
        .get("payloads from")
        .and_then(Value::as_u64)
        .and_then(|at| usize::try_from(at).ok())
        .unwrap_or(0);
    s.exchanges[from..].to_vec()
}

async fn as_id(s: &mut Scene, a: Args) -> Check {
    let id = filled(s, a.text(1)).await?;
    let own = s.tenant("a")?.id;
    // The positive control: the same route with the tenant's real id.
    let path = s.dialect().tenant.replace("{id}", &own);
    let request = s.operator_request("GET", &path).await?;
    let answer = s.send(request).await?;
    expect_status_first(s, &answer, 200)?;
    begin(s);
    let is_own = is_own_with_blanks(&id, &own);
    if is_own {
        s.notes.insert(OWN_ID.to_owned(), json!(own));
    }
    let fresh = s.slug("fresh");
    for route in s.dialect().admin_routes(&own, &fresh) {
        let Some(path) = with_id(&route.path, &own, &id) else {
            continue;
        };
        // Whoever takes the blanks off does what the route is for: only looks leave the tenant as it is.
        if is_own && route.method != "GET" {
            continue;
        }
        let mut request = s.operator_request(&route.method, &path).await?;
        if let Some(body) = &route.body {
            request = request.json(body);
        }
        literally(s, request).await?;
    }
    Ok(())
}

/// Sends the path byte for byte: a library would escape or fold what is to be shown.
async fn literally(s: &mut Scene, request: Request) -> Result<Arc<Exchange>, Stop> {
    let base = s.instance().await?.base.clone();
    s.send_raw(authority(&base).as_bytes(), request).await
}

/// The note that payloads are the id that it holds, in a spelling that may be brought into canonical form.
const OWN_ID: &str = "own id with blanks behind it";

/// Whether a payload is the id with nothing but blanks behind it: ID-008 lets a target refuse that, or take the blanks off.
fn is_own_with_blanks(payload: &str, own: &str) -> bool {
    let behind = payload.strip_prefix(own).unwrap_or_default();
    let codes = behind.strip_prefix('%').unwrap_or_default();
    codes
        .split('%')
        .all(|code| ["09", "0a", "0d", "20"].contains(&code))
}

fn with_id(path: &str, own: &str, id: &str) -> Option<String> {
    path.contains(own).then(|| path.replace(own, id))
}

/// Asserts that each answer to a payload is a refusal of the caller's doing, with no fault of the backend.
async fn plain_refusals(s: &mut Scene, or_success: bool) -> Check {
    let own = s.notes.get(OWN_ID).and_then(Value::as_str);
    let own = own.map(str::to_owned);
    for answer in since_begin(s) {
        let is_own = own.as_ref().is_some_and(|id| answer.text().contains(id));
        let may_succeed = or_success || is_own;
        let fine = (400..500).contains(&answer.status) || (may_succeed && answer.status == 200);
        let what = if or_success {
            "a listing or a refusal (4xx)"
        } else {
            "a refusal (4xx)"
        };
        expect_first(s, &answer, answer.status != 429, what)?;
        s.expect(fine, format!("{what} of {}", answer.request.path), || {
            describe(&answer)
        })?;
    }
    Ok(())
}

async fn both_chatted(s: &mut Scene, a: Args) -> Check {
    let (d1, within) = (s.d1().await?, s.run.target.limits().usage_visible);
    for name in [a.text(1), a.text(2)] {
        let tenant = s.tenant(name)?;
        let request = s.chat_request(&tenant.host);
        let answer = s.send(request).await?;
        expect_status_first(s, &answer, 200)?;
        let id = json!(tenant.id);
        let row = s.expect_soon("the chat's usage row", within, || {
            let (d1, id) = (Arc::clone(&d1), id.clone());
            async move {
                let sql = "SELECT id FROM usage WHERE tenant_id = ?1";
                let rows = d1.query(sql, &[id]).await?;
                Ok(if rows.is_empty() {
                    Look::NotYet("no row".to_owned())
                } else {
                    Look::Done(())
                })
            }
        });
        let row = row.await;
        row.or_unmet("USG-001")?;
    }
    Ok(())
}

/// `GET` as operator, byte for byte.
pub(super) async fn operator_gets(s: &mut Scene, path: &str) -> Result<Arc<Exchange>, Stop> {
    let request = s.operator_request("GET", path).await?;
    literally(s, request).await
}

async fn lists_usage(s: &mut Scene, a: Args) -> Check {
    let query = filled(s, a.text(2)).await?;
    let tenant = s.tenant(a.text(1))?;
    let path = s.dialect().usage.replace("{id}", &tenant.id);
    let plain = operator_gets(s, &path).await?;
    let rows = listed_ids(s, &tenant).await?;
    let mut known = rows.iter().chain([&tenant.id]);
    let shows = plain.status == 200 && known.any(|id| plain.text().contains(id.as_str()));
    expect_first(s, &plain, shows, "the tenant's own usage without a query")?;
    begin(s);
    operator_gets(s, &format!("{path}?{query}")).await.map(drop)
}

/// The ids of a tenant's usage rows, which a listing may show in place of the tenant's own; none where the database is not seen.
async fn listed_ids(s: &mut Scene, tenant: &Tenant) -> Result<Vec<String>, Stop> {
    match s.d1().await {
        Ok(_d1) => usage_ids(s, &tenant.id).await,
        Err(_unseen) => Ok(Vec::new()),
    }
}

async fn no_usage_of(s: &mut Scene, a: Args) -> Check {
    plain_refusals(s, true).await?;
    let other = s.tenant(a.text(1))?;
    let mut foreign = listed_ids(s, &other).await?;
    foreign.push(other.id.clone());
    for answer in since_begin(s) {
        let text = answer.text();
        s.expect(
            !foreign.iter().any(|id| text.contains(id.as_str())),
            format!("no row of tenant `{}`", other.slug),
            || describe(&answer),
        )?;
    }
    Ok(())
}

async fn lists_tenants(s: &mut Scene, a: Args) -> Check {
    let query = filled(s, a.text(1)).await?;
    let path = s.dialect().tenants;
    let plain = operator_gets(s, &path).await?;
    expect_status_first(s, &plain, 200)?;
    begin(s);
    operator_gets(s, &format!("{path}?{query}")).await.map(drop)
}

fn as_field(field: &str, payload: &str) -> Value {
    if field == "domains" {
        json!([payload])
    } else {
        json!(payload)
    }
}

async fn creates(s: &mut Scene, a: Args) -> Check {
    let payload = filled(s, a.text(1)).await?.replace("\\u0000", "\0");
    let path = s.dialect().tenants;
    // The positive control: the same request without the payload.
    let good = s.new_tenant("good", "free").await?;
    let request = s
        .operator_request("POST", &path)
        .await?
        .json(&good.creation());
    let answer = s.send(request).await?;
    expect_status_first(s, &answer, 201)?;
    begin(s);
    s.notes.insert("payload".to_owned(), json!(payload));
    for field in FIELDS {
        let mut body = s.new_tenant(&format!("x{field}"), "free").await?.creation();
        body[field] = as_field(field, &payload);
        let request = s.operator_request("POST", &path).await?.json(&body);
        s.send(request).await?;
    }
    Ok(())
}

async fn changes(s: &mut Scene, a: Args) -> Check {
    let (tenant, payload) = (s.tenant(a.text(1))?, filled(s, a.text(2)).await?);
    let path = s.dialect().tenant.replace("{id}", &tenant.id);
    let good = json!({ "platform": tenant.platform });
    let request = s.operator_request("PATCH", &path).await?.json(&good);
    let answer = s.send(request).await?;
    expect_status_first(s, &answer, 200)?;
    begin(s);
    s.notes.insert("payload".to_owned(), json!(payload));
    for field in ["slug", "platform", "tier", "domains"] {
        let body = json!({ field: as_field(field, &payload) });
        let request = s.operator_request("PATCH", &path).await?.json(&body);
        s.send(request).await?;
    }
    Ok(())
}

async fn refused_or_kept(s: &mut Scene, _a: Args) -> Check {
    let payload = s.notes.get("payload").cloned().unwrap_or_default();
    for answer in since_begin(s) {
        let body = answer.json().unwrap_or(Value::Null);
        let kept = (200..300).contains(&answer.status)
            && body.as_object().is_some_and(|tenant| {
                tenant
                    .values()
                    .any(|value| *value == payload || *value == json!([payload]))
            });
        let refused = (400..500).contains(&answer.status);
        s.expect(
            kept || refused,
            format!("refused (4xx) or kept as sent: {}", answer.request.body),
            || describe(&answer),
        )?;
    }
    Ok(())
}

async fn in_headers(s: &mut Scene, a: Args) -> Check {
    let (host, value) = (filled(s, a.text(1)).await?, filled(s, a.text(2)).await?);
    let plain = s.chat_request(&host);
    let answer = s.send(plain.clone()).await?;
    expect_status_first(s, &answer, 200)?;
    begin(s);
    for row in a.rows() {
        s.send(plain.clone().header(&row[0], value.clone())).await?;
    }
    Ok(())
}

async fn own_or_refused(s: &mut Scene, _a: Args) -> Check {
    for answer in since_begin(s) {
        let fine = answer.status == 200 || (400..500).contains(&answer.status);
        let name = answer
            .request
            .headers
            .last()
            .map_or(String::new(), |(name, _)| name.clone());
        about(
            &format!("payload in a header of {name}"),
            s.expect(fine, "status 200 or a refusal (4xx)", || describe(&answer)),
        )?;
    }
    if let Ok(other) = s.tenant("b")
        && s.instance().await?.d1.is_some()
    {
        let d1 = s.d1().await?;
        let sql = "SELECT id FROM usage WHERE tenant_id = ?1";
        let rows = d1.query(sql, &[json!(other.id)]).await?;
        s.expect(rows.is_empty(), "no usage of the other tenant", || {
            format!("{} rows", rows.len())
        })?;
    }
    Ok(())
}

async fn chats_words(s: &mut Scene, a: Args) -> Check {
    let (host, words) = (filled(s, a.text(1)).await?, filled(s, a.text(2)).await?);
    let content = format!("{words} {}", Scene::prompt(&s.marker()));
    let body = json!({ "messages": [{ "role": "user", "content": content }] });
    let request = request_for(s, "POST chat", "").host(host).json(&body);
    s.send(request).await.map(drop)
}

async fn model_got(s: &mut Scene, a: Args) -> Check {
    let words = filled(s, a.text(1)).await?;
    let marker = s.marker();
    let calls = s.gateway().await?.journal(&marker);
    let Some(call) = calls.first() else {
        return Err(breach("a call to the model", "none").or_unmet("the AI Gateway's journal"));
    };
    let content = call
        .body
        .pointer("/messages/0/content")
        .and_then(Value::as_str)
        .unwrap_or_default();
    s.expect(
        content.starts_with(&words),
        format!("the words `{words}` at the model"),
        || format!("`{content}`"),
    )
}

#[cfg(test)]
mod tests {
    use super::is_own_with_blanks;

    #[test]
    fn only_blanks_behind_an_id_leave_it_the_same() {
        let own = "6d700f4a-c664-4e46-8bbe-6750cf4a1f93";
        for (behind, is_own) in [("%0a", true), ("%20%0d", true), ("", false)] {
            let payload = format!("{own}{behind}");
            assert_eq!(is_own_with_blanks(&payload, own), is_own, "{payload}");
        }
        for other in ["%00", "%0ax", "_", "'--"] {
            let payload = format!("{own}{other}");
            assert!(!is_own_with_blanks(&payload, own), "{payload}");
        }
        assert!(!is_own_with_blanks("%0a", own), "another id");
    }
}
