//! Backends that make tenants under ids which are taken, or which are no ids. Never touches a tenant that is not being made.

use crate::reference::altered::Parts;
use crate::reference::deviants::answers::{edit, is_error, refuse};
use crate::reference::deviants::layer::before;
use crate::reference::deviants::stores::{self, OtherTenants};
use crate::reference::deviants::{Draft, deviant, held};
use crate::tamper::{Ask, Tamper, Told, Unanswered, Upstream};
use async_trait::async_trait;
use moltworker_reference::domain::sandbox_id::SandboxId;
use moltworker_reference::domain::tenant::{TenantId, TenantNames, TenantRecord};
use moltworker_reference::ports::{Registry, StoreError, TenantStore};
use rusqlite::{Connection, params};
use serde_json::json;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

pub(super) fn all() -> Vec<Draft> {
    let mut all = collisions();
    all.extend(spellings());
    all
}

fn collisions() -> Vec<Draft> {
    vec![
        deviant(
            "taken-sandbox-id-gets-a-suffix",
            "A tenant whose sandbox id is taken is made with a suffix to it",
            &["ID-002", "ID-003", "ID-006"],
        )
        .parts(|parts| stores::tenants(&mut parts.ports, Suffix)),
        deviant(
            "taken-sandbox-id-is-taken-away",
            "A tenant whose sandbox id is taken takes the place of the other one",
            &["ID-006"],
        )
        .parts(|parts| stores::tenants(&mut parts.ports, Replace)),
        deviant(
            "taken-ids-are-passed-over",
            "A tenant whose id or sandbox id is taken is told to be made, and is not",
            &["ID-006"],
        )
        .parts(|parts| stores::tenants(&mut parts.ports, Ignore)),
        deviant(
            "names-held-back-after-a-collision",
            "The names of a tenant that could not be made for its sandbox id are held back for it, and nobody else gets them",
            &["ID-006"],
        )
        .parts(|parts| parts.caller = Some(Arc::new(HeldBack::default()))),
        deviant(
            "names-stay-after-a-collision",
            "The names of a tenant that could not be made for its sandbox id stay registered",
            &["ID-006"],
        )
        .parts(|parts| {
            if let Some(registry) = parts.ports.registry.clone() {
                parts.caller = Some(Arc::new(NamesStay(registry)));
            }
        }),
    ]
}

struct Suffix;

#[async_trait]
impl OtherTenants for Suffix {
    async fn insert(
        &self,
        inner: &dyn TenantStore,
        record: &TenantRecord,
    ) -> Result<(), StoreError> {
        match inner.insert(record).await {
            Err(StoreError::Conflict { .. }) => {
                let sandbox_id = format!("{}-2", record.sandbox_id);
                let record = record.clone();
                inner
                    .insert(&TenantRecord {
                        sandbox_id,
                        ..record
                    })
                    .await
            }
            other => other,
        }
    }
}

struct Replace;

#[async_trait]
impl OtherTenants for Replace {
    async fn insert(
        &self,
        inner: &dyn TenantStore,
        record: &TenantRecord,
    ) -> Result<(), StoreError> {
        let taken = inner.by_sandbox_id(SandboxId::derive(&record.id)).await?;
        if let Some(other) = taken.filter(|other| other.id != record.id) {
            inner.delete(other.id).await?;
        }
        inner.insert(record).await
    }
}

struct Ignore;

#[async_trait]
impl OtherTenants for Ignore {
    async fn insert(
        &self,
        inner: &dyn TenantStore,
        record: &TenantRecord,
    ) -> Result<(), StoreError> {
        match inner.insert(record).await {
            Err(StoreError::Conflict { .. }) => Ok(()),
            other => other,
        }
    }
}

/// The names of refused creations, for whom they are held.
#[derive(Default)]
struct HeldBack(Mutex<HashMap<String, String>>);

#[async_trait]
impl Tamper for HeldBack {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let Some(id) = creation(&ask) else {
            return upstream.send(&ask).await;
        };
        let slug = ask.json()["slug"].as_str().unwrap_or_default().to_owned();
        let holder = held(&self.0).get(&slug).cloned();
        if holder.is_some_and(|holder| holder != id) {
            // A creation that is refused in any case lends its answer.
            let mut refused = ask.clone();
            refused.body = "{}".into();
            let mut told = upstream.send(&refused).await?;
            refuse(&mut told, 409, "CONFLICT");
            return Ok(told);
        }
        let told = upstream.send(&ask).await?;
        if is_error(&told, "SANDBOX_ID_CONFLICT") {
            held(&self.0).insert(slug, id);
        }
        Ok(told)
    }
}

struct NamesStay(Arc<dyn Registry>);

#[async_trait]
impl Tamper for NamesStay {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let told = upstream.send(&ask).await?;
        if is_error(&told, "SANDBOX_ID_CONFLICT") {
            let body = ask.json();
            let names = TenantNames {
                slug: body["slug"].as_str().unwrap_or_default().to_owned(),
                domains: serde_json::from_value(body["domains"].clone()).unwrap_or_default(),
            };
            if let Ok(id) = TenantId::parse(body["id"].as_str().unwrap_or_default()) {
                // Whether it worked is not told to the operator, who was refused.
                drop(self.0.claim(id, &names).await);
            }
        }
        Ok(told)
    }
}

fn spellings() -> Vec<Draft> {
    vec![
        deviant(
            "id-stored-as-spelled",
            "A tenant id is stored as the operator spells it",
            &["ID-008"],
        )
        .parts(stored_as_spelled),
        deviant(
            "id-told-as-spelled",
            "A tenant id is stored in canonical form and told as the operator spells it",
            &["ID-008"],
        )
        .parts(|parts| {
            parts.caller = crate::reference::deviants::layer::after(|ask, told| {
                if let Some(spelled) = creation(ask).filter(|_| told.status == 201) {
                    edit(told, |body| body["id"] = json!(spelled));
                }
            });
        }),
        deviant(
            "id-that-is-none-is-made-up",
            "A tenant id that is no UUID is passed over and another one made up",
            &["ID-008"],
        )
        .parts(|parts| {
            parts.caller = before(|ask| {
                let mut body = ask.json();
                let no_uuid = |id: &str| TenantId::parse(id).is_err();
                if creation(ask).is_some_and(|id| no_uuid(&id))
                    && let Some(members) = body.as_object_mut()
                {
                    members.remove("id");
                    ask.body = body.to_string().into();
                }
            });
        }),
    ]
}

/// The id that a creation asks for.
fn creation(ask: &Ask) -> Option<String> {
    let creates = ask.method == hyper::Method::POST && ask.route() == "/api/admin/tenants";
    creates
        .then(|| ask.json()["id"].as_str().map(str::to_owned))
        .flatten()
}

fn stored_as_spelled(parts: &mut Parts) {
    if let Some(database) = parts.config.tenant_db.clone() {
        parts.caller = Some(Arc::new(AsSpelled(database)));
    }
}

/// Another hand in D1: the row of a tenant just made is given the id as spelled.
struct AsSpelled(PathBuf);

#[async_trait]
impl Tamper for AsSpelled {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let mut told = upstream.send(&ask).await?;
        let spelled = creation(&ask).filter(|_| told.status == 201);
        if let Some(spelled) = spelled
            && let Ok(id) = TenantId::parse(&spelled)
            && id.to_string() != spelled
        {
            let changed = Connection::open(&self.0).and_then(|database| {
                database.execute(
                    "UPDATE tenants SET id = ?1 WHERE id = ?2",
                    params![spelled, id.to_string()],
                )
            });
            changed.map_err(|error| Unanswered(error.to_string()))?;
            edit(&mut told, |body| body["id"] = json!(spelled));
        }
        Ok(told)
    }
}
