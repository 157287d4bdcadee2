//! Proof that a payload did nothing: rows, registry, bucket and answers of the tenants as they were. Never changes anything.

use crate::contract::need::Need;
use crate::evidence::cut;
use crate::lag;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach};
use crate::steps::identity::unless_derived_otherwise;
use crate::steps::operating::expect_first;
use crate::steps::resolution::ask::about;
use crate::steps::words::filled;
use crate::subject::layout::Table;
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, OrUnmet as _, Stop};
use serde_json::{Value, json};
use std::time::Duration;

/// Payloads tell a shell to sleep 20 s: whatever answers sooner has not done so.
const NOT_SLEPT: Duration = Duration::from_secs(15);

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"nothing has happened to tenants "([^"]+)" and "([^"]+)""#,
        |s, a| Box::pin(nothing_happened(s, a)),
    );
    book.step(
        r#"neither the bucket nor the registry has a key with "([^"]+)""#,
        |s, a| Box::pin(no_stray_key(s, a)),
    );
    book.step(r#"the bucket has objects of tenant "([^"]+)""#, |s, a| {
        Box::pin(has_objects(s, a))
    });
}

async fn nothing_happened(s: &mut Scene, a: Args) -> Check {
    for answer in s.exchanges.clone() {
        let over = answer.done_after.saturating_sub(NOT_SLEPT);
        if !over.is_zero() {
            let (sent, done) = (answer.sent_at, answer.sent_at + answer.done_after);
            lag::blame(sent, done, over, || answer.line())?;
        }
        s.expect(
            answer.done_after < NOT_SLEPT,
            "no answer takes as long as the payload tells a shell to sleep",
            || answer.line(),
        )?;
    }
    for name in [a.text(1), a.text(2)] {
        let tenant = s.tenant(name)?;
        row_is_whole(s, &tenant).await?;
        if s.run.target.lacks(Need::Hosts).is_none() {
            let request = s.status_request(&tenant.host);
            let answer = s.send(request).await?;
            let is_quota = answer.status == 429;
            expect_first(s, &answer, !is_quota, "an answer within the quota")?;
            crate::steps::resolution::is_tenant(s, &answer, name)
                .await
                .or_unmet("RES-001")?;
        }
    }
    Ok(())
}

/// The tenant's row is as it was made: by the database, or by the operator where the database cannot be seen.
async fn row_is_whole(s: &mut Scene, tenant: &Tenant) -> Check {
    let instance = s.instance().await?;
    let target = std::sync::Arc::clone(&s.run.target);
    let (dialect, layout) = (target.dialect(), target.layout());
    // Of what the operator is not shown nothing can be told; the row has it all.
    let hidden = |column: &str| {
        let pointer = match column {
            "id" => &dialect.tenant_id,
            "platform" => &dialect.tenant_platform,
            "tier" => &dialect.tenant_tier,
            _ => &dialect.tenant_sandbox_id,
        };
        let is_stored = layout.column(Table::Tenants, column).is_ok();
        if instance.d1.is_some() {
            !is_stored
        } else {
            pointer.is_empty()
        }
    };
    let seen = match &instance.d1 {
        Some(_) => {
            let d1 = s.d1().await?;
            let sql = "SELECT id, platform, tier, sandbox_id FROM tenants WHERE id = ?1";
            let rows = d1.query(sql, &[json!(tenant.id)]).await;
            // A table that a payload has dropped is what such a payload must not do.
            if let Err(error) = &rows
                && error.to_string().contains("no such table")
            {
                return Err(breach(expected_row(tenant).to_string(), error.to_string()));
            }
            rows?.first().map_or(Value::Null, |row| json!(row))
        }
        None if instance.access.is_some() => {
            let path = s.dialect().tenant.replace("{id}", &tenant.id);
            let request = s.operator_request("GET", &path).await?;
            let answer = s.send(request).await?;
            let is_told = answer.status == 200 || answer.status == 404;
            expect_first(
                s,
                &answer,
                is_told,
                "the tenant's record, or that there is none",
            )?;
            answer.json().unwrap_or(Value::Null)
        }
        None => return Ok(()),
    };
    let expected = expected_row(tenant);
    let same = ["id", "platform", "tier", "sandbox_id"]
        .iter()
        .all(|column| hidden(column) || seen.get(column) == expected.get(column));
    let check = about(
        &format!("tenant `{}` is as it was", tenant.slug),
        s.expect(same, expected.to_string(), || cut(&seen.to_string(), 300)),
    );
    // Only where its sandbox id alone is another may it have been so from the beginning.
    let is_sandbox_alone = ["id", "platform", "tier"]
        .iter()
        .all(|column| hidden(column) || seen.get(column) == expected.get(column));
    if is_sandbox_alone {
        unless_derived_otherwise(s, check).await
    } else {
        check
    }
}

fn expected_row(tenant: &Tenant) -> Value {
    json!({ "id": tenant.id, "platform": tenant.platform, "tier": tenant.tier, "sandbox_id": tenant.sandbox_id })
}

async fn no_stray_key(s: &mut Scene, a: Args) -> Check {
    let mark = filled(s, a.text(1)).await?;
    let mut keys = s.r2().await?.keys("").await?;
    keys.extend(s.kv().await?.keys("").await?);
    s.expect(!keys.is_empty(), "keys in the stores", || "none".to_owned())
        .or_unmet("the listing of R2 and KV")?;
    let stray = keys.iter().find(|key| key.contains(&mark));
    s.expect(
        stray.is_none(),
        format!("no key with `{mark}`, which only refused requests named"),
        || format!("key `{}`", stray.cloned().unwrap_or_default()),
    )
}

async fn has_objects(s: &mut Scene, a: Args) -> Check {
    let prefix = format!("{}/", s.tenant(a.text(1))?.sandbox_id);
    let (bucket, expected) = (s.r2().await?, format!("objects below `{prefix}`"));
    let were_there = s.notes.insert("objects".to_owned(), json!(true)).is_some();
    let found = s.expect_soon(&expected, Duration::from_secs(2), || {
        let (bucket, prefix) = (std::sync::Arc::clone(&bucket), prefix.clone());
        async move {
            let keys = bucket.keys(&prefix).await.map_err(Stop::from)?;
            Ok(if keys.is_empty() {
                crate::wait::Look::NotYet("none".to_owned())
            } else {
                crate::wait::Look::Done(())
            })
        }
    });
    let found = found.await;
    if were_there {
        return found;
    }
    found.or_unmet("the state that a started gateway keeps in R2")
}
