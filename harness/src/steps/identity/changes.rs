//! What may change of a tenant without changing its sandbox id, and what may not. Never takes the expected id from the target.

use super::derivation::{note, note_answer};
use crate::evidence::Exchange;
use crate::oracle::sandbox_id::expected;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach, describe};
use crate::steps::operating::{
    change, delete, expect_first, expect_status_first, presuppose, read, settle, stored_sandbox_id,
    stores_sandbox_ids, tenant_row,
};
use crate::subject::tenant::Tenant;
use crate::verdict::Check;
use crate::verdict::OrUnmet as _;
use serde_json::{Value, json};

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"the operator gives tenant "([^"]+)" a new (.+)"#,
        |s, a| Box::pin(give_new(s, a)),
    );
    book.asserting(
        &["ID-005"],
        r#"the operator changes every field of tenant "([^"]+)" back and forth"#,
        |s, a| Box::pin(change_back_and_forth(s, a)),
    );
    book.step(
        r#"the operator removes tenant "([^"]+)" and makes one with (its id and nothing else|another id and everything else) of it"#,
        |s, a| Box::pin(replace(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" has the sandbox id of its new tenant id, not the former one"#,
        |s, a| Box::pin(not_the_former(s, a)),
    );
}

/// Notes the sandbox id as it is before anything changes.
async fn note_stored(s: &mut Scene, id: &str) -> Check {
    let row = tenant_row(s, id).await?;
    if !stores_sandbox_ids(s) {
        return Ok(());
    }
    if let Some(stored) = stored_sandbox_id(s, row.as_ref())? {
        note(s, "the row in D1 before", id, Some(&stored));
    }
    Ok(())
}

/// Makes a change, notes the sandbox id that is shown with it, and sees that it was made: only a change that was made shows that it
/// changes nothing else.
async fn change_seen(s: &mut Scene, tenant: &Tenant, changes: &Value) -> Check {
    let answer = change(s, &tenant.id, changes).await?;
    still_its_own(s, &answer).await?;
    expect_status_first(s, &answer, 200)?;
    let pointer = s.dialect().tenant_sandbox_id;
    note_answer(s, &tenant.id, &answer, &pointer);
    let now = read(s, &tenant.id).await?;
    still_its_own(s, &now).await?;
    for (field, value) in changes.as_object().into_iter().flatten() {
        let seen = now.at(&format!("/{field}"));
        let is_none =
            |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        // A list without anything may be left out.
        let is_changed =
            seen.as_ref() == Some(value) || is_none(value) && seen.as_ref().is_none_or(is_none);
        expect_first(
            s,
            &now,
            is_changed,
            format!("{field} {value} after the change"),
        )?;
    }
    Ok(())
}

/// A tenant whose own sandbox id is not taken for its own any more after a change has one that hangs on what was changed. Unless one of which
/// nothing was changed fares no better.
pub(super) async fn still_its_own(s: &mut Scene, answer: &Exchange) -> Check {
    if !answer.has_code("SANDBOX_ID_INVALID") {
        return Ok(());
    }
    let fresh = s.new_tenant("unchanged", "free").await?;
    let fresh = s.make_tenant("unchanged", fresh).await?;
    let control = read(s, &fresh.id).await?;
    expect_status_first(s, &control, 200)?;
    Err(breach(
        "the tenant's sandbox id as it was before the change, and taken for its own",
        describe(answer),
    ))
}

/// From each tier to each other one, and every other field there and back.
async fn change_back_and_forth(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    note_stored(s, &tenant.id).await?;
    for tier in [
        "premium",
        "free",
        "enterprise",
        "premium",
        "enterprise",
        "free",
    ] {
        change_seen(s, &tenant, &json!({ "tier": tier })).await?;
    }
    let other = s.slug("renamed");
    for changes in [
        json!({ "platform": "partner_api" }),
        json!({ "platform": tenant.platform }),
        json!({ "domains": [s.domain("new")] }),
        json!({ "domains": [] }),
        json!({ "slug": other }),
        json!({ "slug": tenant.slug }),
    ] {
        change_seen(s, &tenant, &changes).await?;
    }
    Ok(())
}

async fn give_new(s: &mut Scene, a: Args) -> Check {
    let mut tenant = s.tenant(a.text(1))?;
    let slug = s.slug("renamed");
    let domain = s.domain("new");
    let changes = match a.text(2) {
        "slug" => json!({ "slug": slug }),
        "tier" => json!({ "tier": "enterprise" }),
        "platform" => json!({ "platform": "partner_api" }),
        "set of domains" => json!({ "domains": [domain] }),
        _ => {
            json!({ "slug": slug, "tier": "premium", "platform": "cli", "domains": [domain] })
        }
    };
    note_stored(s, &tenant.id).await?;
    change_seen(s, &tenant, &changes).await?;
    if changes.get("slug").is_some() {
        tenant.host = s.instance().await?.tenant_host(&slug);
        tenant.slug = slug;
    }
    s.know_tenant(a.text(1), tenant);
    Ok(())
}

async fn replace(s: &mut Scene, a: Args) -> Check {
    let former = s.tenant(a.text(1))?;
    note_stored(s, &former.id).await?;
    let gone = delete(s, &former.id).await?;
    presuppose(&gone, gone.status < 300, "cannot delete the tenant")?;
    settle(s).await?;
    let next = if a.text(2).starts_with("its id") {
        let mut next = s.new_tenant("other", "premium").await?;
        next.id.clone_from(&former.id);
        next.sandbox_id.clone_from(&former.sandbox_id);
        "cli".clone_into(&mut next.platform);
        next.domains = vec![s.domain("other")];
        next
    } else {
        let id = uuid::Uuid::new_v4().hyphenated().to_string();
        s.notes
            .insert("former sandbox id".to_owned(), json!(former.sandbox_id));
        Tenant {
            sandbox_id: expected(&id),
            id,
            ..former
        }
    };
    s.make_tenant(a.text(1), next).await.map(drop)
}

async fn not_the_former(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let former = s.notes.get("former sandbox id").cloned();
    let answer = read(s, &tenant.id).await?;
    expect_status_first(s, &answer, 200)?;
    let seen = answer.text_at(&s.dialect().tenant_sandbox_id);
    s.expect(
        seen.is_some() && former.as_ref().and_then(Value::as_str) != seen.as_deref(),
        "another sandbox id than that of the former tenant id",
        || describe(&answer),
    )?;
    s.expect(
        seen.as_deref() == Some(tenant.sandbox_id.as_str()),
        format!(
            "sandbox id `{}`, which follows from the new tenant id {}",
            tenant.sandbox_id, tenant.id
        ),
        || describe(&answer),
    )
    .or_unmet("ID-004")
}
