//! Where a sandbox id shows, and that it is the one that follows from the tenant id. Never takes the expected id from the target.

use super::spelling::spell;
use crate::evidence::Exchange;
use crate::oracle::sandbox_id::{awkward_tenant_ids, has_form, unusable_as};
use crate::oracle::vectors;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, describe};
use crate::steps::operating::{
    change, create, creation, delete, expect_status_first, gateway, presuppose, read,
    start_gateway, stored_sandbox_id, stores_sandbox_ids, tenant_row,
};
use crate::verdict::{Check, OrUnmet as _, Stop};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Where a scenario keeps what its look-ups showed: `[{"where", "tenant_id", "seen"}]`.
const SHOWN: &str = "sandbox ids shown";

/// Tenants whose hash is awkward to print. Evidence: each has a leading zero and a second small byte, so few suffice.
const AWKWARD: usize = 4;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"the sandbox id of tenant "([^"]+)" is looked up wherever it shows"#,
        |s, a| Box::pin(look_up(s, a)),
    );
    book.step(
        r#"the sandbox id of tenant "([^"]+)" is looked up in the AI Gateway's journal"#,
        |s, a| Box::pin(look_up_in_journal(s, a)),
    );
    book.step(
        r#"the sandbox id of tenant "([^"]+)" is looked up by its tenant id in other spellings"#,
        |s, a| Box::pin(look_up_spelled(s, a)),
    );
    book.step(r#"tenant "([^"]+)" chats and its gateway runs"#, |s, a| {
        Box::pin(chat_and_start(s, a))
    });
    book.step(
        r"every look-up gave the sandbox id that follows from the tenant id",
        |s, _a| Box::pin(all_follow(s)),
    );
    book.step(r"an instance that can be restarted", |s, _a| {
        Box::pin(s.use_disposable())
    });
    book.step(
        r"the instance (shuts down|is killed) and starts again",
        |s, a| Box::pin(restart(s, a)),
    );
    book.step(r#"the same tenant "([^"]+)" is there too"#, |s, a| {
        Box::pin(same_tenant(s, a))
    });
    book.step(
        r"tenants are created whose hash begins with a zero and has another small byte",
        |s, _a| Box::pin(create_awkward(s)),
    );
    book.step(
        r"a tenant is created that leaves its id to the backend",
        |s, _a| Box::pin(create_without_id(s)),
    );
    book.step(
        r"every sandbox id shown has exactly (\d+) characters",
        |s, a| Box::pin(all_have_length(s, a)),
    );
    book.step(r#"every sandbox id shown matches "([^"]+)""#, |s, a| {
        Box::pin(all_match(s, a))
    });
    book.step(
        r"every sandbox id shown is usable as R2 key prefix, KV key prefix, DNS label and Sandbox SDK id",
        |s, _a| Box::pin(all_usable(s)),
    );
    book.step(
        r"the operator creates a tenant for each published vector( again)?",
        |s, a| Box::pin(create_vectors(s, a)),
    );
    book.step(r"each has the published sandbox id", |s, _a| {
        Box::pin(vectors_hold(s))
    });
}

/// Remembers what an answer shows as sandbox id.
pub(super) fn note(s: &mut Scene, place: &str, tenant_id: &str, seen: Option<&str>) {
    let entry = json!({ "where": place, "tenant_id": tenant_id, "seen": seen });
    let list = s.notes.entry(SHOWN.to_owned()).or_insert_with(|| json!([]));
    if let Value::Array(list) = list {
        list.push(entry);
    }
}

/// Notes what an answer shows, if it shows one: where none stands nothing is told about it.
pub(super) fn note_answer(s: &mut Scene, tenant_id: &str, answer: &Exchange, pointer: &str) {
    let place = format!("{} {}", answer.request.method, answer.request.path);
    if let Some(seen) = answer.text_at(pointer) {
        note(s, &place, tenant_id, Some(&seen));
    }
}

/// What was shown so far: place, tenant id, sandbox id.
fn shown(s: &Scene) -> Result<Vec<(String, String, String)>, Stop> {
    let list = s.notes.get(SHOWN).and_then(Value::as_array);
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or("nothing").to_owned();
    let list: Vec<_> = list
        .into_iter()
        .flatten()
        .map(|entry| {
            (
                text(entry, "where"),
                text(entry, "tenant_id"),
                text(entry, "seen"),
            )
        })
        .collect();
    if list.is_empty() {
        return Err(Stop::NotVerified(
            "no answer shows a sandbox id (manifest: dialect.tenant_sandbox_id)".to_owned(),
        ));
    }
    Ok(list)
}

async fn look_up(s: &mut Scene, a: Args) -> Check {
    let id = s.tenant(a.text(1))?.id;
    let pointer = s.dialect().tenant_sandbox_id;
    let tier = tenant_row(s, &id)
        .await?
        .map_or(Value::Null, |row| row["tier"].clone());
    let own = s.run.target.dialect();
    if own.tenant_sandbox_id.is_empty() && !own.metadata_sandbox_id.is_empty() {
        // Where no answer shows it, what is sent to the AI Gateway does.
        return look_up_in_journal(s, a).await;
    }
    let answers = [
        read(s, &id).await?,
        change(s, &id, &json!({ "tier": tier })).await?,
        start_gateway(s, &id).await?,
        gateway(s, &id).await?,
        read(s, &id).await?,
    ];
    // The record must be there; whether each of the other routes answers is promised elsewhere.
    expect_status_first(s, &answers[0], 200)?;
    for answer in answers.iter().filter(|answer| answer.status == 200) {
        note_answer(s, &id, answer, &pointer);
    }
    if !stores_sandbox_ids(s) {
        return Ok(());
    }
    let row = tenant_row(s, &id).await?;
    let stored = stored_sandbox_id(s, row.as_ref())?;
    note(s, "the row in D1", &id, stored.as_deref());
    Ok(())
}

/// Routes may refuse an id that is not canonical: then nothing is told.
async fn look_up_spelled(s: &mut Scene, a: Args) -> Check {
    let id = s.tenant(a.text(1))?.id;
    let pointer = s.dialect().tenant_sandbox_id;
    let mut is_taken = false;
    for how in ["in upper case", "in braces", "without hyphens"] {
        let spelled = spell(&id, how)?.replace('{', "%7B").replace('}', "%7D");
        let answers = [
            read(s, &spelled).await?,
            start_gateway(s, &spelled).await?,
            gateway(s, &spelled).await?,
        ];
        for answer in answers.iter().filter(|answer| answer.status < 300) {
            is_taken = true;
            note_answer(s, &id, answer, &pointer);
        }
    }
    if is_taken {
        return Ok(());
    }
    Err(Stop::NotApplicable(
        "no route takes a tenant id that is not canonical".to_owned(),
    ))
}

/// Metadata need not name it: then nothing is told.
async fn look_up_in_journal(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let Some(seen) = s.sandbox_in_journal(&tenant).await? else {
        return Err(Stop::NotVerified(
            "the metadata of model calls names no sandbox id (manifest: dialect.metadata_sandbox_id)".to_owned(),
        ));
    };
    note(s, "the AI Gateway's journal", &tenant.id, Some(&seen));
    // Where D1 can be looked at, that is what the journal is compared with.
    if let Ok(Some(row)) = tenant_row(s, &tenant.id).await
        && let Ok(Some(stored)) = stored_sandbox_id(s, Some(&row))
    {
        note(s, "the row in D1", &tenant.id, Some(&stored));
    }
    Ok(())
}

async fn chat_and_start(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let request = s.chat_request(&tenant.host);
    let answer = s.send(request).await?;
    expect_status_first(s, &answer, 200)?;
    start_gateway(s, &tenant.id).await.map(drop)
}

/// That one tenant has one sandbox id is promised here; which one it is stands in ID-004.
async fn all_follow(s: &mut Scene) -> Check {
    let is_of_changes = s.planned.criteria.iter().all(|id| id == "ID-005");
    let is_sandbox_id = |text: &str| {
        let digits = text.strip_prefix("sk-").unwrap_or_default();
        digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let mut first: BTreeMap<String, (String, String)> = BTreeMap::new();
    for (place, tenant_id, seen) in shown(s)? {
        let (wanted, there) = first
            .entry(tenant_id.clone())
            .or_insert_with(|| (seen.clone(), place.clone()))
            .clone();
        let check = s.expect(
            seen == wanted,
            format!("sandbox id `{wanted}` for tenant id {tenant_id}, in {place} as in {there}"),
            || format!("`{seen}`"),
        );
        // A text that is no sandbox id at all does not hang on what was changed: its route tells the id wrongly.
        if is_of_changes && !is_sandbox_id(&seen) && is_sandbox_id(&wanted) {
            check.or_unmet("ID-001")?;
        } else {
            check?;
        }
    }
    Ok(())
}

async fn restart(s: &mut Scene, a: Args) -> Check {
    let orderly = a.text(1) == "shuts down";
    let own = s
        .disposable
        .as_mut()
        .ok_or_else(|| Stop::Fault("the scenario has no instance of its own".to_owned()))?;
    if orderly {
        own.stop().await?;
    } else {
        own.kill().await?;
    }
    own.start().await?;
    Ok(())
}

async fn same_tenant(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    // Variants may share their stores: then the tenant is there already.
    if read(s, &tenant.id).await?.status != 200 {
        let answer = create(s, &tenant.creation()).await?;
        presuppose(&answer, answer.status == 201, "cannot create the tenant")?;
    }
    Ok(())
}

async fn create_awkward(s: &mut Scene) -> Check {
    let mut requests = Vec::new();
    let ids = awkward_tenant_ids(AWKWARD);
    for (number, id) in ids.iter().enumerate() {
        let slug = s.slug(&format!("zero{number}"));
        requests.push(creation(s, &json!({ "id": id, "slug": slug })).await?);
    }
    let answers = s.send_all(requests).await?;
    for (id, answer) in ids.iter().zip(&answers) {
        show_created(s, id, answer).await?;
    }
    Ok(())
}

async fn create_without_id(s: &mut Scene) -> Check {
    let slug = s.slug("fresh");
    let answer = create(s, &json!({ "slug": slug })).await?;
    let id = answer.text_at("/id").unwrap_or_default();
    let canonical = uuid::Uuid::try_parse(&id)
        .map(|uuid| uuid.hyphenated().to_string())
        .ok();
    s.expect(
        canonical.as_deref() == Some(id.as_str()),
        "a fresh tenant with a canonical UUID as `id`",
        || describe(&answer),
    )?;
    show_created(s, &id, &answer).await
}

async fn show_created(s: &mut Scene, id: &str, answer: &Exchange) -> Check {
    expect_status_first(s, answer, 201)?;
    let pointer = s.dialect().tenant_sandbox_id;
    note_answer(s, id, answer, &pointer);
    let answer = read(s, id).await?;
    expect_status_first(s, &answer, 200)?;
    note_answer(s, id, &answer, &pointer);
    Ok(())
}

async fn all_have_length(s: &mut Scene, a: Args) -> Check {
    let wanted: usize = a.number(1)?;
    for (place, tenant_id, seen) in shown(s)? {
        s.expect(
            seen.len() == wanted && seen.chars().count() == wanted,
            format!("a sandbox id of {wanted} characters for tenant id {tenant_id}, in {place}"),
            || format!("`{seen}`, {} characters", seen.chars().count()),
        )?;
    }
    Ok(())
}

async fn all_match(s: &mut Scene, a: Args) -> Check {
    let pattern = regex::Regex::new(a.text(1)).map_err(|error| Stop::Fault(error.to_string()))?;
    for (place, tenant_id, seen) in shown(s)? {
        s.expect(
            pattern.is_match(&seen) && has_form(&seen),
            format!("a sandbox id of the form {pattern} for tenant id {tenant_id}, in {place}"),
            || format!("`{seen}`"),
        )?;
    }
    Ok(())
}

async fn all_usable(s: &mut Scene) -> Check {
    for (place, _tenant_id, seen) in shown(s)? {
        let unusable = unusable_as(&seen);
        s.expect(
            unusable.is_empty(),
            format!("a sandbox id usable everywhere, in {place}"),
            || format!("`{seen}`, unusable as {}", unusable.join(", ")),
        )?;
    }
    Ok(())
}

async fn create_vectors(s: &mut Scene, a: Args) -> Check {
    if !a.text(1).is_empty() {
        s.notes.remove(SHOWN);
    }
    let ids: Vec<String> = vectors::published()
        .vectors
        .into_iter()
        .map(|vector| vector.tenant_id)
        .collect();
    let mut creations = Vec::new();
    for (number, id) in ids.iter().enumerate() {
        let slug = s.slug(&format!("v{number}"));
        creations.push(creation(s, &json!({ "id": id, "slug": slug })).await?);
    }
    let created = s.send_all(creations).await?;
    let pointer = s.dialect().tenant_sandbox_id;
    let mut to_delete = Vec::new();
    for (id, answer) in ids.iter().zip(&created) {
        // The ids are published, so a real tenant may have one: then it is only read, never deleted.
        let (show, left_over) = if answer.status == 409 {
            let there = read(s, id).await?;
            let slug = there.text_at("/slug").unwrap_or_default();
            (there, slug.starts_with("mp-"))
        } else {
            (std::sync::Arc::clone(answer), true)
        };
        note_answer(s, id, &show, &pointer);
        if left_over && show.status < 300 {
            to_delete.push(id);
        }
    }
    // Deleted before anything is asserted, so that a finding leaves nothing behind.
    for id in to_delete {
        delete(s, id).await?;
    }
    let refused = created
        .iter()
        .find(|answer| !matches!(answer.status, 201 | 409));
    match refused {
        Some(answer) => expect_status_first(s, answer, 201),
        None => Ok(()),
    }
}

async fn vectors_hold(s: &mut Scene) -> Check {
    let shown = shown(s)?;
    for vector in vectors::published().vectors {
        let seen = shown.iter().find(|(_, id, _)| *id == vector.tenant_id);
        let Some((_, _, seen)) = seen else {
            return Err(Stop::NotVerified(format!(
                "no answer shows the sandbox id of the published tenant id {}",
                vector.tenant_id
            )));
        };
        s.expect(
            *seen == vector.sandbox_id,
            format!(
                "sandbox id `{}` for the published tenant id {}",
                vector.sandbox_id, vector.tenant_id
            ),
            || format!("`{seen}`"),
        )?;
    }
    Ok(())
}
