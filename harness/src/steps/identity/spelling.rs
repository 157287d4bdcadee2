//! Tenant ids in other spellings, ids asked for twice, and texts that are no id. Never accepts a stored id that is not canonical.

use super::is_telling;
use crate::evidence::Exchange;
use crate::oracle::sandbox_id::expected;
use crate::oracle::vectors;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach, describe, misshapen};
use crate::said::said;
use crate::steps::operating::{
    create, creation, delete, expect_first, expect_status_first, presuppose, read,
    stored_sandbox_id, tenant_row, worst,
};
use crate::verdict::{Check, OrUnmet as _, Severity, Stop};
use serde_json::{Value, json};
use std::sync::Arc;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r"the operator creates a tenant with a fresh id ((?:in|as|without) .+)",
        |s, a| Box::pin(create_spelled(s, a)),
    );
    book.step(
        r"it is stored and hashed in canonical form or refused with 400",
        |s, _a| Box::pin(canonical_or_refused(s)),
    );
    book.step(
        r"an id that differs from it in spelling only makes no second tenant",
        |s, _a| Box::pin(no_second_tenant(s)),
    );
    book.step(
        r"the operator creates a tenant for each published spelling in turn",
        |s, _a| Box::pin(create_published(s)),
    );
    book.step(
        r"each was stored and hashed in canonical form or refused with 400",
        |s, _a| Box::pin(published_were_canonical(s)),
    );
    book.step(
        r"the operator creates a tenant for each published text that is no UUID",
        |s, _a| Box::pin(create_invalid(s)),
    );
    book.step(
        r#"each creation is refused with (\d+) "([A-Z_]+)""#,
        |s, a| Box::pin(each_refused(s, a)),
    );
    book.step(r"each slug asked for is still free", |s, _a| {
        Box::pin(slugs_are_free(s))
    });
    book.step(
        r"the operator creates (\d+) tenants with one id and (\d+) with ids of their own side by side",
        |s, a| Box::pin(create_side_by_side(s, a)),
    );
    book.step(
        r"(\d+) of the tenants with one id is created and the others are refused as conflicts",
        |s, a| Box::pin(one_is_created(s, a)),
    );
    book.step(
        r"all tenants created have sandbox ids of their own",
        |s, _a| Box::pin(all_own(s)),
    );
}

/// A canonical id in another spelling.
pub(super) fn spell(id: &str, how: &str) -> Result<String, Stop> {
    let mixed = || {
        let letters = id.chars().enumerate();
        letters
            .map(|(at, letter)| {
                if at % 2 == 0 {
                    letter.to_ascii_uppercase()
                } else {
                    letter
                }
            })
            .collect()
    };
    Ok(match how {
        "in canonical form" => id.to_owned(),
        "in upper case" => id.to_ascii_uppercase(),
        "in mixed case" => mixed(),
        "in braces" => format!("{{{id}}}"),
        "in braces and upper case" => format!("{{{}}}", id.to_ascii_uppercase()),
        "as URN" => format!("urn:uuid:{id}"),
        "as URN in upper case" => format!("urn:uuid:{}", id.to_ascii_uppercase()),
        "without hyphens" => id.replace('-', ""),
        "without hyphens upper case" => id.replace('-', "").to_ascii_uppercase(),
        other => return Err(Stop::Fault(format!("no spelling is called `{other}`"))),
    })
}

/// A fresh canonical id that has a letter, so that letter case matters.
fn fresh_id() -> String {
    std::iter::repeat_with(|| uuid::Uuid::new_v4().hyphenated().to_string())
        .find(|id| {
            let even = id.bytes().step_by(2);
            even.filter(u8::is_ascii_lowercase).count() > 2
        })
        .unwrap_or_default()
}

async fn create_spelled(s: &mut Scene, a: Args) -> Check {
    let id = fresh_id();
    let spelled = spell(&id, a.text(1))?;
    let slug = s.slug("spelled");
    let answer = create(s, &json!({ "id": spelled, "slug": slug })).await?;
    let canonical_refused = a.text(1) == "in canonical form" && answer.status != 201;
    s.notes.insert("canonical".to_owned(), json!(id));
    s.notes.insert("spelled".to_owned(), json!(spelled));
    expect_first(
        s,
        &answer,
        !canonical_refused,
        "a canonical id accepted with 201",
    )
}

/// The control of a wrong hash: of an id that was canonical from the beginning it is right.
async fn hashes_rightly(s: &mut Scene) -> Check {
    let mut id = fresh_id();
    while !is_telling(&expected(&id)) {
        id = fresh_id();
    }
    let slug = s.slug(&format!("hash{}", s.exchanges.len()));
    let answer = create(s, &json!({ "id": id, "slug": slug })).await?;
    expect_status_first(s, &answer, 201)?;
    let seen = answer.text_at(&s.dialect().tenant_sandbox_id);
    s.expect(
        seen.as_deref() == Some(expected(&id).as_str()),
        format!("sandbox id {} for the id {id}", expected(&id)),
        || describe(&answer),
    )
    .or_unmet("ID-004")
}

/// Whether the creation ended as ID-008 has it: stored canonical, or refused with nothing written.
async fn judge(s: &mut Scene, answer: &Exchange, canonical: &str, spelled: &str) -> Check {
    if answer.status != 201 {
        // Of a creation that is told otherwise than with 201 nothing shows in which form its id is stored.
        if (200..300).contains(&answer.status) && answer.text_at("/id").is_none() {
            return s.expect_status(answer, 201).or_unmet("SMK-001");
        }
        s.expect_error(answer, 400, "INVALID_REQUEST")?;
        let row = tenant_row(s, canonical).await?;
        return s.expect(row.is_none(), "no tenant after the refusal", || said(&row));
    }
    let sandbox_id = expected(canonical);
    let wanted = format!("id {canonical} and sandbox id {sandbox_id} for the id `{spelled}`");
    let pointer = s.dialect().tenant_sandbox_id;
    let is_right = |answer: &Exchange| {
        answer.text_at("/id").as_deref() == Some(canonical)
            && answer.text_at(&pointer).as_deref() == Some(sandbox_id.as_str())
    };
    if !is_right(answer) && answer.text_at("/id").as_deref() == Some(canonical) {
        hashes_rightly(s).await?;
    }
    s.expect(is_right(answer), wanted.clone(), || describe(answer))?;
    let again = read(s, canonical).await?;
    s.expect(is_right(&again), wanted.clone(), || describe(&again))?;
    let row = tenant_row(s, canonical).await?;
    let stored = stored_sandbox_id(s, row.as_ref())?;
    s.expect(
        stored.as_deref() == Some(sandbox_id.as_str()),
        format!("in D1, {wanted}"),
        || said(&row),
    )
}

fn noted(s: &Scene, name: &str) -> Result<String, Stop> {
    let text = s.notes.get(name).and_then(Value::as_str);
    text.map(str::to_owned)
        .ok_or_else(|| Stop::Fault(format!("the scenario has no {name}")))
}

async fn canonical_or_refused(s: &mut Scene) -> Check {
    let (canonical, spelled) = (noted(s, "canonical")?, noted(s, "spelled")?);
    let answer = s.last()?;
    judge(s, &answer, &canonical, &spelled).await
}

async fn no_second_tenant(s: &mut Scene) -> Check {
    let (canonical, spelled) = (noted(s, "canonical")?, noted(s, "spelled")?);
    // If the spelling was refused, the tenant is made now, so that there is one that must not be doubled.
    if tenant_row(s, &canonical).await?.is_none() {
        let slug = s.slug("plain");
        let answer = create(s, &json!({ "id": canonical, "slug": slug })).await?;
        expect_status_first(s, &answer, 201)?;
    }
    for (number, again) in [canonical.clone(), spelled, canonical.to_ascii_uppercase()]
        .iter()
        .enumerate()
    {
        let slug = s.slug(&format!("again{number}"));
        let answer = create(s, &json!({ "id": again, "slug": slug })).await?;
        let refused = s.expect(
            matches!(answer.status, 400 | 409),
            format!("409 or 400 for `{again}`, for the tenant {canonical} exists"),
            || describe(&answer),
        );
        // Who gives the very same id twice does not do so for its spelling.
        if *again == canonical {
            refused.or_unmet("ID-006")?;
        } else {
            refused?;
        }
    }
    let sql = "SELECT id FROM tenants WHERE replace(replace(replace(lower(id), '-', ''), '{', ''), '}', '') LIKE ?1";
    let digits = format!("%{}", canonical.replace('-', ""));
    let rows = s.d1().await?.query(sql, &[json!(digits)]).await?;
    s.expect(
        rows.len() == 1 && rows[0]["id"] == json!(canonical),
        format!("one row, its id {canonical}"),
        || said(&rows),
    )
}

/// Judged on the spot, for each tenant is gone before the next is made; what was found is told by the step that asserts it.
async fn create_published(s: &mut Scene) -> Check {
    let mut tried = 0;
    let mut findings = Vec::new();
    for (number, spelling) in vectors::published().non_canonical.iter().enumerate() {
        let slug = s.slug(&format!("s{number}"));
        // Another scenario, or another run, may have left it: its creation was carried out and the answer lost.
        if tenant_row(s, &spelling.canonical).await?.is_some() {
            delete(s, &spelling.canonical).await?;
        }
        if tenant_row(s, &spelling.canonical).await?.is_some() {
            let id = &spelling.canonical;
            return Err(Stop::NotVerified(format!(
                "the tenant {id} is there already, and the operator cannot delete it"
            )));
        }
        let answer = create(s, &json!({ "id": spelling.input, "slug": slug })).await?;
        presuppose(
            &answer,
            answer.status != 409,
            "a published tenant id is taken",
        )?;
        let judged = judge(s, &answer, &spelling.canonical, &spelling.input).await;
        if answer.status == 201 {
            delete(s, &spelling.canonical).await?;
        }
        match judged {
            Err(Stop::Violation(finding)) => findings.push(json!({
                "is_shape": finding.severity == Severity::Shape,
                "expected": finding.expected,
                "seen": finding.seen,
            })),
            other => other?,
        }
        tried += 1;
    }
    s.notes
        .insert("published spellings".to_owned(), json!(tried));
    s.notes
        .insert("spellings kept as they are".to_owned(), json!(findings));
    Ok(())
}

async fn published_were_canonical(s: &mut Scene) -> Check {
    let findings = s.notes.get("spellings kept as they are");
    let findings = findings.and_then(Value::as_array).cloned();
    let checks = findings.iter().flatten().map(|finding| {
        let text = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        let make = if finding["is_shape"] == true {
            misshapen
        } else {
            breach
        };
        Err(make(text("expected"), text("seen")))
    });
    worst(checks)?;
    let published = vectors::published().non_canonical.len();
    let tried = s.notes.get("published spellings").cloned();
    s.expect_eq(
        "published spellings tried:",
        &Some(json!(published)),
        &tried,
    )
}

async fn create_invalid(s: &mut Scene) -> Check {
    let mut requests = Vec::new();
    for (number, text) in vectors::published().invalid.iter().enumerate() {
        let slug = s.slug(&format!("bad{number}"));
        requests.push(creation(s, &json!({ "id": text, "slug": slug })).await?);
    }
    s.send_all(requests).await.map(drop)
}

async fn each_refused(s: &mut Scene, a: Args) -> Check {
    let answers: Vec<Arc<Exchange>> = s.exchanges.clone();
    for answer in answers {
        s.expect_error(&answer, a.number(1)?, a.text(2))?;
    }
    Ok(())
}

async fn slugs_are_free(s: &mut Scene) -> Check {
    let mut requests = Vec::new();
    for number in 0..vectors::published().invalid.len() {
        let slug = s.slug(&format!("bad{number}"));
        requests.push(creation(s, &json!({ "slug": slug })).await?);
    }
    for answer in s.send_all(requests).await? {
        s.expect(
            answer.status != 409,
            "a slug that is free, since its tenant was refused",
            || describe(&answer),
        )?;
        expect_status_first(s, &answer, 201)?;
    }
    Ok(())
}

async fn create_side_by_side(s: &mut Scene, a: Args) -> Check {
    let (same, own): (usize, usize) = (a.number(1)?, a.number(2)?);
    let id = fresh_id();
    let mut requests = Vec::new();
    for number in 0..same.max(own) {
        if number < same {
            let slug = s.slug(&format!("same{number}"));
            requests.push(creation(s, &json!({ "id": id, "slug": slug })).await?);
        }
        if number < own {
            let slug = s.slug(&format!("own{number}"));
            requests.push(creation(s, &json!({ "slug": slug })).await?);
        }
    }
    s.notes.insert("same id".to_owned(), json!(id));
    s.send_all(requests).await.map(drop)
}

async fn one_is_created(s: &mut Scene, a: Args) -> Check {
    let id = noted(s, "same id")?;
    let wanted: usize = a.number(1)?;
    let for_it: Vec<Arc<Exchange>> = s
        .exchanges
        .iter()
        .filter(|answer| answer.request.body.contains(&id))
        .cloned()
        .collect();
    let created = for_it.iter().filter(|answer| answer.status == 201).count();
    if created == 0
        && let Some(first) = for_it.first()
    {
        return expect_status_first(s, first, 201);
    }
    s.expect_eq("tenants created with one id:", &wanted, &created)?;
    for refused in for_it.iter().filter(|answer| answer.status != 201) {
        let code = refused.text_at("/error/code").unwrap_or_default();
        if refused.status != 409 || !code.ends_with("CONFLICT") {
            s.expect_error(refused, 409, "SANDBOX_ID_CONFLICT")?;
        }
    }
    let sql = "SELECT id FROM tenants WHERE id = ?1 OR sandbox_id = ?2";
    let rows = s
        .d1()
        .await?
        .query(sql, &[json!(id), json!(expected(&id))])
        .await?;
    s.expect_eq("rows of the one id:", &wanted, &rows.len())
}

async fn all_own(s: &mut Scene) -> Check {
    let pointer = s.dialect().tenant_sandbox_id;
    let created: Vec<Arc<Exchange>> = s
        .exchanges
        .iter()
        .filter(|answer| answer.status == 201)
        .cloned()
        .collect();
    let mut taken = std::collections::BTreeMap::new();
    let mut derived = Ok(());
    for answer in created {
        let id = answer.text_at("/id").unwrap_or_default();
        let seen = answer.text_at(&pointer).unwrap_or_default();
        derived = derived.and(
            s.expect(
                seen == expected(&id),
                format!("sandbox id `{}`", expected(&id)),
                || describe(&answer),
            )
            .or_unmet("ID-004"),
        );
        let other = taken.insert(seen.clone(), id.clone());
        s.expect(
            other.is_none(),
            format!("a sandbox id of its own for tenant {id}"),
            || format!("`{seen}`, as tenant {other}", other = said(&other)),
        )?;
    }
    s.expect(taken.len() > 1, "several tenants created", || {
        format!("{} created", taken.len())
    })?;
    derived
}
