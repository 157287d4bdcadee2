//! Registry entries and tenant records, changed behind the target's back. Never touches another scenario's.

use super::hosts::{BEHIND_ITS_BACK, is_tenant, within};
use crate::evidence::Exchange;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach};
use crate::said::said;
use crate::steps::words::filled;
use crate::subject::manifest::Seeding;
use crate::subject::registry::{self, Entry};
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, OrUnmet as _, Stop, Unmet};
use serde_json::{Value, json};

/// The columns of a tenant's record.
const COLUMNS: [&str; 6] = [
    "id",
    "platform",
    "tier",
    "sandbox_id",
    "created_at",
    "updated_at",
];

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"the record of tenant "([^"]+)" is taken out of D1"#,
        |s, a| Box::pin(taken_out(s, a)),
    );
    book.step(
        r#"the record of tenant "([^"]+)" is put back into D1"#,
        |s, a| Box::pin(put_back(s, a)),
    );
    book.step(
        r#"the registry still has its entries for tenant "([^"]+)""#,
        |s, a| Box::pin(entries_there(s, a)),
    );
    book.step(
        r#"the registry is given the slug "([^"]+)" for a tenant that never was"#,
        |s, a| Box::pin(ghost(s, a)),
    );
    book.step(
        r#"the registry is given the hostname "([^"]+)" for tenant "([^"]+)""#,
        |s, a| Box::pin(given_hostname(s, a)),
    );
    book.step(r#"the registry loses the hostname "([^"]+)""#, |s, a| {
        Box::pin(loses_hostname(s, a))
    });
}

async fn taken_out(s: &mut Scene, a: Args) -> Check {
    let id = s.tenant(a.text(1))?.id;
    let d1 = s.d1().await?;
    // What the target's own table holds besides would be lost.
    let lacks = s.run.target.layout().lacks();
    lacks.map_or(Ok(()), |why| Err(Stop::NotVerified(why)))?;
    let sql = format!("SELECT {} FROM tenants WHERE id = ?1", COLUMNS.join(", "));
    let rows = d1.query(&sql, &[json!(id)]).await?;
    let Some(row) = rows.first() else {
        return Err(breach(format!("a row of tenant {id} in D1"), "none"));
    };
    s.notes.insert(format!("record {id}"), json!(row));
    let gone = d1
        .execute("DELETE FROM tenants WHERE id = ?1", &[json!(id)])
        .await?;
    if gone == 1 {
        Ok(())
    } else {
        Err(breach("one row deleted", format!("{gone} rows deleted")))
    }
}

async fn put_back(s: &mut Scene, a: Args) -> Check {
    let id = s.tenant(a.text(1))?.id;
    let row = s.notes.get(&format!("record {id}")).cloned();
    let row = row.ok_or_else(|| Stop::Fault("the record was not taken out".to_owned()))?;
    let values = COLUMNS.map(|column| row.get(column).cloned().unwrap_or(Value::Null));
    let sql = format!(
        "INSERT INTO tenants ({}) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        COLUMNS.join(", ")
    );
    s.d1().await?.execute(&sql, &values).await?;
    Ok(())
}

async fn entries_there(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    has_entries(s, &tenant).await
}

/// The control of whatever is written into the registry: what the target wrote itself looks the same, so that it reads it.
async fn has_entries(s: &mut Scene, tenant: &Tenant) -> Check {
    let kv = s.kv().await?;
    let entries = registry::entries_of(s.run.target.as_ref(), tenant);
    // An entry that names the tenant's id; what is kept under the id need not repeat it.
    let naming = entries.into_iter().filter(|entry| entry.names(&tenant.id));
    for Entry { key, .. } in naming {
        let there = Entry::read(kv.as_ref(), &key).await?;
        if !there.as_ref().is_some_and(|entry| entry.names(&tenant.id)) {
            return Err(Stop::Unmet(Unmet {
                because:
                    "the registry's entries ([dialect] kv_slug, kv_host, kv_names, or [seeding.kv])"
                        .to_owned(),
                expected: format!("an entry `{key}` of tenant `{}`", tenant.slug),
                seen: said(&there.map(|entry| entry.value)),
            }));
        }
    }
    Ok(())
}

/// A tenant's registry entries in the form of those that the target itself wrote for another one. A manifest that seeds by the stores says
/// the form itself.
async fn entries_like(s: &mut Scene, like: &Tenant, tenant: &Tenant) -> Result<Vec<Entry>, Stop> {
    let target = &s.run.target;
    let entries = registry::entries_of(target.as_ref(), tenant);
    if matches!(target.seeding(), Some(Seeding::Stores { .. })) {
        return Ok(entries);
    }
    let dialect = target.dialect();
    let own_key = |tenant: &Tenant| dialect.names_key(&tenant.id, &tenant.sandbox_id);
    let (names_key, names_of_like) = (own_key(tenant), own_key(like));
    let slug_of_like = dialect.kv_slug.replace("{slug}", &like.slug);
    let kv = s.kv().await?;
    let leading = (
        kv.get(&slug_of_like).await?,
        kv.metadata(&slug_of_like).await?,
    );
    let names = match names_of_like.as_str() {
        "" => (None, None),
        key => (kv.get(key).await?, kv.metadata(key).await?),
    };
    let shaped = |Entry { key, value, .. }: Entry| {
        let (form, metadata) = if key == names_key { &names } else { &leading };
        let value = form
            .as_ref()
            .map_or(value, |form| in_form(form, like, tenant));
        let mut metadata = metadata.clone();
        if let Some(metadata) = &mut metadata {
            put_names(metadata, like, tenant);
        }
        Entry {
            key,
            value,
            metadata,
        }
    };
    // Without a key under `[dialect]` a target keeps no such entry.
    let kept = entries.into_iter().filter(|entry| !entry.key.is_empty());
    Ok(kept.map(shaped).collect())
}

/// A value that is about one tenant, about another.
fn in_form(form: &str, like: &Tenant, tenant: &Tenant) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(form) else {
        return form.replace(&like.id, &tenant.id);
    };
    put_names(&mut value, like, tenant);
    value.to_string()
}

fn put_names(value: &mut Value, like: &Tenant, tenant: &Tenant) {
    match value {
        Value::String(text) if *text == like.id => text.clone_from(&tenant.id),
        Value::String(text) if *text == like.slug => text.clone_from(&tenant.slug),
        Value::Array(_) if *value == json!(like.domains) => *value = json!(tenant.domains),
        Value::Array(list) => list
            .iter_mut()
            .for_each(|inner| put_names(inner, like, tenant)),
        Value::Object(fields) => fields
            .values_mut()
            .for_each(|inner| put_names(inner, like, tenant)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// An entry like those that the target reads: one for a tenant that is there leads to it.
async fn ghost(s: &mut Scene, a: Args) -> Check {
    let slug = filled(s, a.text(1)).await?;
    let real = s.new_tenant("real", "free").await?;
    let mut real = s.make_tenant("real", real).await?;
    has_entries(s, &real).await?;
    let made = real.clone();
    real.slug = s.slug("alias");
    real.host = s.instance().await?.tenant_host(&real.slug);
    put_entries(s, &made, &real).await?;
    s.know_tenant("real", real.clone());
    let request = s.status_request(&real.host);
    let delay = s.run.target.limits().registry_delay + BEHIND_ITS_BACK;
    within(
        s,
        request,
        delay,
        async |s: &mut Scene, answer: &Exchange| is_tenant(s, answer, "real").await,
    )
    .await
    .or_unmet("the registry's entries, which are written and not read ([dialect] kv_slug, kv_host, kv_names, or [seeding.kv])")?;
    let mut ghost = s.new_tenant("ghost", "free").await?;
    ghost.host = s.instance().await?.tenant_host(&slug);
    ghost.slug = slug;
    put_entries(s, &made, &ghost).await
}

async fn given_hostname(s: &mut Scene, a: Args) -> Check {
    let host = filled(s, a.text(1)).await?;
    let owner = s.tenant(a.text(2))?;
    has_entries(s, &owner).await?;
    // Names and entry agree, as they do when the operator changes them.
    for name in ["a", "b"] {
        let Ok(made) = s.tenant(name) else {
            continue;
        };
        let mut tenant = made.clone();
        tenant.domains = if tenant.id == owner.id {
            vec![host.clone()]
        } else {
            Vec::new()
        };
        put_entries(s, &made, &tenant).await?;
        s.know_tenant(name, tenant);
    }
    Ok(())
}

async fn loses_hostname(s: &mut Scene, a: Args) -> Check {
    let host = filled(s, a.text(1)).await?;
    let mut somebody = s.new_tenant("somebody", "free").await?;
    somebody.domains = vec![host.clone()];
    let entries = registry::entries_of(s.run.target.as_ref(), &somebody);
    let kv = s.kv().await?;
    for entry in entries.iter().filter(|entry| entry.key.contains(&host)) {
        kv.delete(&entry.key).await?;
    }
    Ok(())
}

/// Writes a tenant's registry entries.
async fn put_entries(s: &mut Scene, like: &Tenant, tenant: &Tenant) -> Check {
    let kv = s.kv().await?;
    let entries = entries_like(s, like, tenant).await?;
    for entry in entries {
        entry.put(kv.as_ref()).await?;
    }
    Ok(())
}
