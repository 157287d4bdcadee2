//! Where the keys of R2 and KV lie. Never assumes what is kept, only below which prefix.

use super::chat_of;
use crate::oracle::sandbox_id::has_form;
use crate::run::book::{Args, Book};
use crate::run::scene::Scene;
use crate::said::said;
use crate::steps::operating::{
    change, delete, objects, presuppose_own_sandbox, registry_keys, start_gateway,
};
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, OrUnmet as _, Stop};
use serde_json::{Map, Value, json};

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(r"the keys that are in the bucket already", |s, _a| {
        Box::pin(remember_keys(s))
    });
    book.step(r#"the gateway of tenant "([^"]+)" is started"#, |s, a| {
        Box::pin(start(s, a))
    });
    book.step(r#"tenant "([^"]+)" sends a cold chat"#, |s, a| {
        Box::pin(cold_chat(s, a))
    });
    book.step(
        r#"tenant "([^"]+)" sends a cold chat that names the sandbox of tenant "([^"]+)" in (its body|the metadata of its body|a header|its query|a cookie)"#,
        |s, a| Box::pin(cold_chat_of_another(s, a)),
    );
    book.step(
        r#"what the bucket holds of it lies below the sandbox id of tenant "([^"]+)", and nothing below that of tenant "([^"]+)""#,
        |s, a| Box::pin(holds_of_one_alone(s, a)),
    );
    book.step(
        r#"the bucket holds objects below the sandbox id of tenant "([^"]+)""#,
        |s, a| Box::pin(holds_objects(s, a)),
    );
    book.step(
        r#"an entry below the sandbox id of tenant "([^"]+)" can be kept in the registry's namespace"#,
        |s, a| Box::pin(can_keep(s, a)),
    );
    book.step(
        r#"no key of bucket or registry names tenant "([^"]+)" or "([^"]+)" elsewhere"#,
        |s, a| Box::pin(named_nowhere_else(s, a)),
    );
    book.step(
        r"every new key of the bucket lies below a sandbox id",
        |s, _a| Box::pin(new_keys_are_below(s)),
    );
    book.step(
        r#"tenant "([^"]+)" asks for its status, chats, streams, is started, renamed and deleted"#,
        |s, a| Box::pin(whole_life(s, a)),
    );
}

/// Keys that a finding names. Evidence: one kind of object is misplaced alike for everybody.
const ELSEWHERE_MAX: usize = 5;

/// Whether a key lies below a sandbox id.
fn is_below_a_sandbox(key: &str) -> bool {
    key.split_once('/')
        .is_some_and(|(prefix, rest)| has_form(prefix) && !rest.is_empty())
}

/// The objects that lie below no sandbox id, with their bytes.
async fn strays(s: &mut Scene) -> Result<Map<String, Value>, Stop> {
    let mut strays = Map::new();
    let r2 = s.r2().await?;
    for key in r2.keys("").await? {
        if !is_below_a_sandbox(&key) {
            strays.extend(objects(s, &key).await?);
        }
    }
    Ok(strays)
}

async fn remember_keys(s: &mut Scene) -> Check {
    let strays = strays(s).await?;
    s.notes.insert("strays".to_owned(), Value::Object(strays));
    Ok(())
}

async fn start(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let answer = start_gateway(s, &tenant.id).await?;
    s.expect_status(&answer, 200)?;
    presuppose_own_sandbox(&answer, &tenant)
}

async fn cold_chat(s: &mut Scene, a: Args) -> Check {
    let host = s.tenant(a.text(1))?.host;
    let request = s.chat_request_with(&host, &chat_of(s, a.text(1), &json!({})));
    let answer = s.send(request).await?;
    s.expect_status(&answer, 200)
}

async fn cold_chat_of_another(s: &mut Scene, a: Args) -> Check {
    let (host, other) = (s.tenant(a.text(1))?.host, s.tenant(a.text(2))?);
    let named = json!({ "sandbox_id": other.sandbox_id });
    let more = match a.text(3) {
        "its body" => named,
        "the metadata of its body" => json!({ "metadata": named }),
        _ => json!({}),
    };
    let mut request = s.chat_request_with(&host, &chat_of(s, a.text(1), &more));
    let pair = format!("sandbox_id={}", other.sandbox_id);
    match a.text(3) {
        "a header" => request = request.header("x-sandbox-id", other.sandbox_id),
        "a cookie" => request = request.header("cookie", pair),
        "its query" => {
            let sign = if request.path.contains('?') { '&' } else { '?' };
            request.path = format!("{}{sign}{pair}", request.path);
        }
        _ => {}
    }
    let answer = s.send(request).await?;
    s.expect_status(&answer, 200)
        .or_unmet("a chat that also names a sandbox is refused")
}

async fn holds_of_one_alone(s: &mut Scene, a: Args) -> Check {
    let below = |tenant: Tenant| format!("{}/", tenant.sandbox_id);
    let (own, foreign) = (below(s.tenant(a.text(1))?), below(s.tenant(a.text(2))?));
    let r2 = s.r2().await?;
    let expected = format!("an object below `{own}` for a gateway that a chat has started");
    let patience = crate::steps::operating::LOG_SOON;
    let held = s.expect_soon(&expected, patience, || async {
        let keys = r2.keys("").await?;
        let found = keys
            .iter()
            .any(|key| key.starts_with(&own) || key.starts_with(&foreign));
        Ok(if found {
            crate::wait::Look::Done(())
        } else {
            crate::wait::Look::NotYet("none".to_owned())
        })
    });
    held.await
        .or_unmet("a gateway that a chat starts, which stores nothing")?;
    let strange = r2.keys(&foreign).await?;
    s.expect(
        strange.is_empty(),
        format!("nothing below `{foreign}`, whose tenant has asked for nothing"),
        || said(&strange),
    )
}

async fn holds_objects(s: &mut Scene, a: Args) -> Check {
    let prefix = format!("{}/", s.tenant(a.text(1))?.sandbox_id);
    let r2 = s.r2().await?;
    let expected = format!("an object below `{prefix}` for a started gateway");
    let held = s.expect_soon(&expected, crate::steps::operating::LOG_SOON, || async {
        let keys = r2.keys(&prefix).await?;
        Ok(if keys.is_empty() {
            crate::wait::Look::NotYet("none".to_owned())
        } else {
            crate::wait::Look::Done(())
        })
    });
    let mut finding = match held.await {
        Err(Stop::Violation(finding)) => finding,
        held => return held,
    };
    // Where it went instead is what a reader has to know.
    let keys = r2.keys("").await?;
    let elsewhere: Vec<_> = keys.iter().filter(|key| !is_below_a_sandbox(key)).collect();
    let shown = &elsewhere[..elsewhere.len().min(ELSEWHERE_MAX)];
    if !shown.is_empty() {
        finding.seen = format!(
            "{}; below no sandbox id at all: {shown}",
            finding.seen,
            shown = said(&shown)
        );
    }
    let stop = Stop::Violation(finding);
    // That an id is fit to be a prefix does not say that it is used as one; that it is the tenant's alone says which one is.
    let judging = ["ISO-004", "ID-005"];
    let mut own = s.planned.criteria.iter();
    if own.any(|id| judging.contains(&id.as_str())) {
        return Err(stop);
    }
    Err(stop.or_unmet("ISO-004"))
}

async fn can_keep(s: &mut Scene, a: Args) -> Check {
    let key = format!("{}/probe", s.tenant(a.text(1))?.sandbox_id);
    let kv = s.kv().await?;
    kv.put(&key, "kept").await?;
    let kept = kv.get(&key).await?;
    kv.delete(&key).await?;
    s.expect_eq(&format!("entry `{key}`:"), &Some("kept".to_owned()), &kept)
}

async fn named_nowhere_else(s: &mut Scene, a: Args) -> Check {
    let (kv, r2) = (s.kv().await?, s.r2().await?);
    let (in_kv, in_r2) = (kv.keys("").await?, r2.keys("").await?);
    for name in [a.text(1), a.text(2)] {
        let tenant = s.tenant(name)?;
        let own = format!("{}/", tenant.sandbox_id);
        let registered = registry_keys(s, &tenant);
        let names = [&tenant.id, &tenant.slug, &tenant.sandbox_id];
        let all = in_kv.iter().chain(&in_r2);
        let stray = all
            .filter(|key| names.iter().any(|name| key.contains(name.as_str())))
            .find(|key| !key.starts_with(&own) && !registered.contains(key));
        s.expect(
            stray.is_none(),
            format!(
                "every key of tenant `{}` below `{own}`, its registry entries aside",
                tenant.slug
            ),
            || said(&stray),
        )?;
    }
    Ok(())
}

async fn new_keys_are_below(s: &mut Scene) -> Check {
    let before = s.notes.get("strays").cloned().unwrap_or_default();
    let after = Value::Object(strays(s).await?);
    let changed = crate::steps::operating::difference(&before, &after);
    s.expect(
        changed.is_empty(),
        "no object written but below a sandbox id",
        || changed.join("; "),
    )
}

async fn whole_life(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let chat = chat_of(s, a.text(1), &json!({}));
    let streamed = chat_of(s, a.text(1), &json!({ "stream": true }));
    let requests = vec![
        s.status_request(&tenant.host),
        s.chat_request_with(&tenant.host, &chat),
        s.chat_request_with(&tenant.host, &streamed),
    ];
    for answer in s.send_all(requests).await? {
        s.expect_status(&answer, 200)?;
    }
    let answer = start_gateway(s, &tenant.id).await?;
    s.expect_status(&answer, 200)?;
    let renamed = s.slug("renamed");
    let answer = change(s, &tenant.id, &json!({ "slug": renamed })).await?;
    s.expect_status(&answer, 200)?;
    let answer = delete(s, &tenant.id).await?;
    s.expect(answer.status < 300, "the tenant deleted", || {
        crate::run::scene::describe(&answer)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_follows_a_whole_sandbox_id_is_below_it() {
        assert!(is_below_a_sandbox("sk-986c0dc956dc822b/gateway/state.json"));
        for stray in [
            "gateway/state.json",
            "sk-986c0dc956dc822b",
            "sk-986c0dc956dc822b/",
            "sk-986c0dc956dc822bx/a",
            "x/sk-986c0dc956dc822b/a",
        ] {
            assert!(!is_below_a_sandbox(stray), "{stray}");
        }
    }
}
