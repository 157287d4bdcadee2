//! A slug deleted and made again for another tenant, with and without a chat under way. Never leaves the former tenant's row to be inherited.

use super::{PIECE, chat_of, first_piece, greet, marker_of, rest, whole};
use crate::client::stream::Next;
use crate::doubles::{Reply, Script, StreamDialect};
use crate::observe::{CannotObserve, Row};
use crate::oracle::usage;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, describe};
use crate::said::said;
use crate::steps::operating::{
    LOG_SOON, QUIET, create, delete, difference, expect_status_first, expect_usage_count, operate,
    presuppose, read, registry_keys, settle, start_gateway, usage_rows,
};
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, OrUnmet as _, Stop};
use crate::wait::{self, Look};
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

/// Where a scenario keeps how the slug of a deleted tenant was refused to the next one.
const NOT_GIVEN: &str = "the slug was not given";

/// How often an object is stored that is gone at once: other scenarios delete tenants meanwhile, which must not touch this one's.
const FURNISHED_TRIES: usize = 5;

/// Objects that are stored at once.
const OBJECTS_AT_ONCE: usize = 16;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"a free tenant "([^"]+)" with usage, a running gateway, stored objects and entries"#,
        |s, a| Box::pin(furnished(s, a)),
    );
    book.step(
        r#"(\d+) more objects are stored below the sandbox id of tenant "([^"]+)""#,
        |s, a| Box::pin(more_objects(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" is deleted and tenant "([^"]+)" made with its slug at once"#,
        |s, a| Box::pin(succeed(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" answers on that host, its gateway stopped"#,
        |s, a| Box::pin(answers_stopped(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" has no usage and no state, and a sandbox id of its own"#,
        |s, a| Box::pin(is_blank(s, a)),
    );
    book.step(r#"nothing is left of tenant "([^"]+)""#, |s, a| {
        Box::pin(nothing_left(s, a))
    });
    book.step(
        r#"tenant "([^"]+)" chats on its own bill, below its own sandbox id"#,
        |s, a| Box::pin(chats_on_own_bill(s, a)),
    );
    book.step(r#"tenant "([^"]+)" has all that it had"#, |s, a| {
        Box::pin(has_all(s, a))
    });
    book.step(
        r#"a streamed chat of tenant "([^"]+)" is under way"#,
        |s, a| Box::pin(begin_stream(s, a)),
    );
    book.step(r"the streamed chat goes on to its end", |s, _a| {
        Box::pin(finish_stream(s))
    });
    book.step(r#"tenant "([^"]+)" chats once"#, |s, a| {
        Box::pin(chats_once(s, a))
    });
    book.step(
        r#"tenant "([^"]+)" has exactly one usage row, that of its own chat"#,
        |s, a| Box::pin(one_own_row(s, a)),
    );
    book.step(r#"tenant "([^"]+)" has left no usage row"#, |s, a| {
        Box::pin(no_row(s, a))
    });
}

/// Tokens of a chat that must be told apart from others.
const OWN_TOKENS: (u64, u64) = (41, 13);
/// Those of the streamed chat of the tenant before.
const OLD_TOKENS: (u64, u64) = (50, 5);

/// What the harness puts below a sandbox id.
const CANARY: &str = "/canary";

/// The entry that the harness puts below a sandbox id.
fn canary(tenant: &Tenant) -> String {
    format!("{}{CANARY}", tenant.sandbox_id)
}

async fn furnished(s: &mut Scene, a: Args) -> Check {
    let name = a.text(1);
    let tenant = s.new_tenant(name, "free").await?;
    let tenant = s.make_tenant(name, tenant).await?;
    let answer = start_gateway(s, &tenant.id).await?;
    presuppose(&answer, answer.status == 200, "cannot start the gateway")?;
    let request = s.chat_request_with(&tenant.host, &chat_of(s, name, &json!({})));
    let answer = s.send(request).await?;
    presuppose(&answer, answer.status == 200, "cannot chat")?;
    expect_usage_count(s, &tenant, 1).await?;
    // Who remembers a tenant by its host has now something to remember.
    let request = s.status_request(&tenant.host);
    let answer = s.send(request).await?;
    presuppose(&answer, answer.status == 200, "cannot ask for the status")?;
    let key = canary(&tenant);
    let kv = s.kv().await?;
    kv.put(&key, "untouched").await?;
    // A target whose bucket cannot be written has the objects of the gateway alone.
    let object = format!("{}/files/canary", tenant.sandbox_id);
    let mut all = Value::Null;
    for _try in 0..FURNISHED_TRIES {
        match s.r2().await?.put(&object, b"untouched").await {
            Ok(()) | Err(CannotObserve { .. }) => {}
        }
        all = whole(s, &tenant).await?;
        if all["r2"].as_object().is_some_and(|keys| !keys.is_empty()) {
            break;
        }
    }
    s.expect(
        all["kv"][&key] == "untouched",
        format!("entry `{key}`, kept a moment ago"),
        || all["kv"].to_string(),
    )?;
    let has_objects = all["r2"].as_object().is_some_and(|keys| !keys.is_empty());
    s.expect(has_objects, "objects of a running gateway", || {
        all["r2"].to_string()
    })?;
    s.notes.insert(format!("all of {name}"), all);
    Ok(())
}

/// As many as a listing of R2 does not give in one page.
async fn more_objects(s: &mut Scene, a: Args) -> Check {
    let (count, tenant): (usize, _) = (a.number(1)?, s.tenant(a.text(2))?);
    let r2 = s.r2().await?;
    let keys: Vec<String> = (0..count)
        .map(|number| format!("{}/files/{number:04}", tenant.sandbox_id))
        .collect();
    let storing = keys.iter().map(|key| r2.put(key, b"kept"));
    futures_util::stream::iter(storing)
        .buffer_unordered(OBJECTS_AT_ONCE)
        .try_collect::<()>()
        .await?;
    let prefix = format!("{}/", tenant.sandbox_id);
    let there = r2.keys(&prefix).await?.len();
    if there < count {
        return Err(Stop::Fault(format!(
            "{there} objects lie below `{prefix}`, and {count} were stored"
        )));
    }
    Ok(())
}

async fn succeed(s: &mut Scene, a: Args) -> Check {
    let old = s.tenant(a.text(1))?;
    let mut new = s.new_tenant(a.text(2), "free").await?;
    new.slug.clone_from(&old.slug);
    new.host.clone_from(&old.host);
    let gone = delete(s, &old.id).await?;
    presuppose(&gone, gone.status < 300, "cannot delete the tenant")?;
    let made = create(s, &new.creation()).await?;
    if made.status != 201 {
        // With a slug of its own a tenant is made: then it is the former one that is still in the way.
        let fresh = s.new_tenant("control", "free").await?;
        let control = create(s, &fresh.creation()).await?;
        presuppose(&control, control.status == 201, "cannot create a tenant")?;
        s.notes.insert(NOT_GIVEN.to_owned(), json!(describe(&made)));
    }
    s.know_tenant(a.text(2), new);
    settle(s).await?;
    Ok(())
}

/// Asserts that the slug of the deleted tenant was given to the new one.
fn is_given(s: &mut Scene) -> Check {
    let refused = s
        .notes
        .get(NOT_GIVEN)
        .and_then(Value::as_str)
        .map(str::to_owned);
    s.expect(
        refused.is_none(),
        "the slug of a deleted tenant given to another",
        || refused.clone().unwrap_or_default(),
    )
}

async fn answers_stopped(s: &mut Scene, a: Args) -> Check {
    is_given(s)?;
    let tenant = s.tenant(a.text(1))?;
    let request = s.status_request(&tenant.host);
    let answer = s.send(request).await?;
    let dialect = s.dialect();
    let slug = answer.text_at(&dialect.status_tenant);
    let state = answer.text_at(&dialect.status_gateway_state);
    s.expect(
        answer.status == 200
            && slug.as_deref() == Some(tenant.slug.as_str())
            && state.as_deref() == Some("stopped"),
        format!("tenant `{}` with a stopped gateway", tenant.slug),
        || describe(&answer),
    )
}

async fn is_blank(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let answer = read(s, &tenant.id).await?;
    expect_status_first(s, &answer, 200)?;
    let seen = answer.text_at(&s.dialect().tenant_sandbox_id);
    let is_anothers = s
        .tenants()
        .any(|other| other.id != tenant.id && Some(&other.sandbox_id) == seen.as_ref());
    s.expect(
        !is_anothers,
        "a sandbox id that no other tenant has or had",
        || describe(&answer),
    )?;
    s.expect(
        seen.as_deref() == Some(tenant.sandbox_id.as_str()),
        format!("sandbox id `{}`", tenant.sandbox_id),
        || describe(&answer),
    )
    .or_unmet("ID-004")?;
    let all = whole(s, &tenant).await?;
    let prefix = format!("{}/", tenant.sandbox_id);
    let entries = all["kv"].as_object().into_iter().flatten();
    // A backend may keep entries of its own for a tenant just made.
    let others: Vec<Tenant> = s
        .tenants()
        .filter(|other| other.id != tenant.id)
        .cloned()
        .collect();
    let is_of_others = |key: &String, value: &Value| {
        let value = value.to_string();
        let names = |other: &Tenant| value.contains(&other.id) || value.contains(&other.sandbox_id);
        key.ends_with(CANARY) || others.iter().any(names)
    };
    let inherited: Vec<&String> = entries
        .filter(|(key, value)| key.starts_with(&prefix) && is_of_others(key, value))
        .map(|(key, _)| key)
        .collect();
    s.expect(
        all["usage"] == json!([]) && all["r2"] == json!({}) && inherited.is_empty(),
        "no usage, no object and no entry of a tenant just made",
        || all.to_string(),
    )?;
    let path = crate::steps::operating::at(&s.dialect().usage, &tenant.id);
    let listing = operate(s, "GET", path, None).await?;
    expect_status_first(s, &listing, 200)?;
    s.expect(
        !listing.text().contains("tokens_in"),
        "an empty usage listing",
        || describe(&listing),
    )
}

/// Of what another tenant could meet: below its sandbox id and under its names. Whether its rows go with it is promised elsewhere (SCH-003),
/// and a backend may keep them marked as deleted.
async fn nothing_left(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let (kv, r2) = (s.kv().await?, s.r2().await?);
    let (registered, prefix) = (registry_keys(s, &tenant), format!("{}/", tenant.sandbox_id));
    // A backend that takes away the entries it made owes nothing for ours.
    let ours = canary(&tenant);
    s.expect_soon(
        "no entry and no object of the deleted tenant",
        LOG_SOON,
        || async {
            let mut left = kv.keys(&prefix).await?;
            left.retain(|key| *key != ours);
            left.extend(r2.keys(&prefix).await?);
            Ok(if left.is_empty() {
                Look::Done(())
            } else {
                Look::NotYet(left.join(", "))
            })
        },
    )
    .await?;
    // Where a name leads afterwards is promised elsewhere. The slug may be another tenant's by now; then its entry names that one.
    s.expect_soon("no name of the deleted tenant", LOG_SOON, || async {
        let mut left = Vec::new();
        for key in &registered {
            let value = kv.get(key).await?;
            if value.is_some_and(|value| key.contains(&tenant.id) || value.contains(&tenant.id)) {
                left.push(key.clone());
            }
        }
        Ok(if left.is_empty() {
            Look::Done(())
        } else {
            Look::NotYet(left.join(", "))
        })
    })
    .await
    .or_unmet("RES-015")
}

async fn chats_on_own_bill(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    chat(s, a.text(1)).await?;
    expect_usage_count(s, &tenant, 1)
        .await
        .or_unmet("USG-001")?;
    let calls = s.gateway().await?.journal(&marker_of(s, a.text(1)));
    let metadata: Vec<String> = calls
        .iter()
        .filter_map(|call| call.metadata_raw.clone())
        .collect();
    let kept = calls.first().and_then(|call| call.metadata_kept.clone());
    let is_own = |key: &str, own: &str| {
        kept.as_ref()
            .and_then(|kept| kept.get(key))
            .is_none_or(|value| value.as_str() == Some(own))
    };
    s.expect(
        !calls.is_empty() && is_own("tenant_id", &tenant.id),
        format!("one model call for tenant {}", tenant.id),
        || said(&metadata),
    )?;
    // The gateway may start beside the chat.
    let (r2, below) = (s.r2().await?, format!("{}/", tenant.sandbox_id));
    let expected = format!("state below `{below}` after a cold chat");
    let woken = s
        .expect_soon(&expected, PIECE, || async {
            Ok(if r2.keys(&below).await?.is_empty() {
                Look::NotYet("none".to_owned())
            } else {
                Look::Done(())
            })
        })
        .await;
    if woken.is_err() {
        predecessors_sleep(s, &tenant).await?;
    }
    woken.or_unmet("SMK-004")
}

/// Asserts that no tenant that had a name of this one before it has state again: all of it was removed with that tenant.
async fn predecessors_sleep(s: &mut Scene, tenant: &Tenant) -> Check {
    let had_a_name = |other: &&Tenant| {
        let mut domains = other.domains.iter();
        let is_named =
            other.slug == tenant.slug || domains.any(|name| tenant.domains.contains(name));
        other.id != tenant.id && is_named
    };
    let before: Vec<String> = s
        .tenants()
        .filter(had_a_name)
        .map(|other| format!("{}/", other.sandbox_id))
        .collect();
    let r2 = s.r2().await?;
    for below in before {
        let keys = r2.keys(&below).await?;
        s.expect(
            keys.is_empty(),
            format!("no state below `{below}`, of the tenant that had the name before"),
            || said(&keys),
        )?;
    }
    Ok(())
}

async fn has_all(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let before = s.notes.get(&format!("all of {}", a.text(1))).cloned();
    let before = before.ok_or_else(|| Stop::Fault("nothing was noted of it".to_owned()))?;
    let after = whole(s, &tenant).await?;
    let changed = difference(&before, &after);
    s.expect(
        changed.is_empty(),
        format!("tenant `{}` untouched", tenant.slug),
        || changed.join("; "),
    )
}

async fn begin_stream(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let pieces = ["one ", "two ", "three"];
    let reply =
        Reply::stream(StreamDialect::OpenAi, &pieces, OLD_TOKENS.0, OLD_TOKENS.1).hold_after(1);
    let marker = marker_of(s, a.text(1));
    s.gateway().await?.script(&marker, Script::always(reply));
    s.notes.insert("stream of".to_owned(), json!(a.text(1)));
    let body = chat_of(s, a.text(1), &json!({ "stream": true }));
    let request = s.chat_request_with(&tenant.host, &body);
    s.open_stream("under way", request).await?;
    let (status, first) = first_piece(s, "under way").await?;
    s.expect(
        status == 200 && matches!(first, Next::Bytes(_)),
        "a first piece of the streamed answer",
        || format!("status {status}, {first}"),
    )
}

async fn finish_stream(s: &mut Scene) -> Check {
    let tenant = s.notes.get("stream of").and_then(Value::as_str);
    let tenant = tenant.unwrap_or_default().to_owned();
    rest(s, &tenant, "under way").await.map(drop)
}

async fn chat(s: &mut Scene, name: &str) -> Check {
    let tenant = s.tenant(name)?;
    greet(s, name, &tenant, OWN_TOKENS).await?;
    let request = s.chat_request_with(&tenant.host, &chat_of(s, name, &json!({})));
    let answer = s.send(request).await?;
    expect_status_first(s, &answer, 200)
}

async fn chats_once(s: &mut Scene, a: Args) -> Check {
    chat(s, a.text(1)).await
}

/// Judges whose chat a row is of; that there is one of its own shows that rows are seen.
async fn one_own_row(s: &mut Scene, a: Args) -> Check {
    is_given(s)?;
    let tenant = s.tenant(a.text(1))?;
    let counted = expect_usage_count(s, &tenant, 1).await;
    // The row of its own chat is here; one of the chat before would be as well, or comes within this window.
    wait::quiet(QUIET).await;
    let rows = usage_rows(s, &tenant.id).await?;
    let is_own = |row: &Row| usage::counted(row) == (Some(OWN_TOKENS.0), Some(OWN_TOKENS.1));
    // A row of nothing is no chat's: who writes it has no say about whose it is.
    let has_tokens =
        |row: &&Row| matches!(usage::counted(row), (Some(one), Some(other)) if one + other > 0);
    let is_old = |row: &Row| {
        let (tokens_in, tokens_out) = usage::counted(row);
        tokens_in == Some(OLD_TOKENS.0) || tokens_out == Some(OLD_TOKENS.1)
    };
    // A single row with the tokens of neither chat is its own, counted wrongly.
    let is_foreign = |row: &&Row| is_old(row) || rows.len() > 1 && !is_own(row);
    let foreign = rows.iter().filter(has_tokens).find(is_foreign);
    s.expect(
        foreign.is_none(),
        format!("one row of {tokens} tokens", tokens = said(&OWN_TOKENS)),
        || said(&rows),
    )?;
    counted.or_unmet("USG-001")
}

async fn no_row(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let rows = usage_rows(s, &tenant.id).await?;
    s.expect(
        rows.is_empty(),
        "no usage row of the deleted tenant",
        || said(&rows),
    )
    .or_unmet("SCH-003")
}
