//! Backends that trust what the database holds as sandbox id, or keep quiet about it. Never changes a row.

use crate::reference::altered::Parts;
use crate::reference::deviants::answers::{edit, is_error, refuse};
use crate::reference::deviants::calls::{self, OtherCalls};
use crate::reference::deviants::layer::after;
use crate::reference::deviants::stores::{self, OtherTenants};
use crate::reference::deviants::{Draft, deviant, held, lines};
use crate::tamper::Told;
use async_trait::async_trait;
use moltworker_reference::domain::sandbox_id::SandboxId;
use moltworker_reference::domain::tenant::{TenantId, TenantRecord};
use moltworker_reference::ports::{
    AiGateway, SandboxBucket, SandboxKv, StoreError, TenantStore, UpstreamAnswer, UpstreamCall,
    UpstreamError,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

pub(super) fn all() -> Vec<Draft> {
    let mut all = trusting();
    all.extend(told());
    all
}

/// What is stored (first) passes for the right id (second) when this holds.
fn passes(id: &'static str, breaks: &'static str, passes: fn(&str, &str) -> bool) -> Draft {
    deviant(id, breaks, &["ID-007"]).parts(move |parts| {
        let reads = Reads(move |id, record: &mut TenantRecord| {
            let right = SandboxId::derive(&id).to_string();
            if passes(&record.sandbox_id, &right) {
                record.sandbox_id = right;
            }
        });
        stores::tenants(&mut parts.ports, reads);
    })
}

fn trusting() -> Vec<Draft> {
    vec![
        passes(
            "stored-sandbox-id-unchecked",
            "What is stored as sandbox id is not looked at",
            |_stored, _right| true,
        ),
        passes(
            "only-the-form-of-a-stored-sandbox-id-is-checked",
            "A stored sandbox id needs the form of one, not to be the tenant's own",
            |stored, _right| {
                stored.strip_prefix("sk-").is_some_and(|digits| {
                    digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
                })
            },
        ),
        passes(
            "stored-sandbox-id-in-any-letter-case",
            "A stored sandbox id is compared without regard to letter case",
            str::eq_ignore_ascii_case,
        ),
        passes(
            "stored-sandbox-id-may-go-on",
            "A stored sandbox id need only begin with the right one",
            |stored, right| stored.starts_with(right),
        ),
        passes(
            "blanks-around-a-stored-sandbox-id",
            "A stored sandbox id is compared without the blanks and line breaks around it",
            |stored, right| stored.trim() == right,
        ),
        passes(
            "empty-sandbox-id-is-filled-in",
            "Where no sandbox id is stored the right one is used",
            |stored, right| stored.is_empty() || stored == right,
        ),
        passes(
            "number-behind-a-stored-sandbox-id",
            "A stored sandbox id may have a hyphen and a number behind it, as the second of a name has",
            |stored, right| {
                let number = stored
                    .strip_prefix(right)
                    .and_then(|rest| rest.strip_prefix('-'));
                stored == right
                    || number
                        .is_some_and(|number| number.bytes().all(|digit| digit.is_ascii_digit()))
            },
        ),
        partners_apart(),
        deviant(
            "stored-letter-case-is-told-upstream",
            "A stored sandbox id is compared without regard to letter case, and AI Gateway is told it as it is stored",
            &["ID-003", "ID-007"],
        )
        .parts(told_as_stored),
        deviant(
            "sandbox-moves-with-the-tier",
            "Who leaves the tier enterprise is shown another sandbox id",
            &["ID-005"],
        )
        .parts(|parts| {
            let enterprises: Mutex<BTreeSet<String>> = Mutex::default();
            parts.caller = after(move |ask, told| {
                if ask.method != "PATCH" || told.status != 200 {
                    return;
                }
                edit(told, |body| {
                    let id = body["id"].to_string();
                    let mut enterprises = held(&enterprises);
                    if body["tier"] == "enterprise" {
                        enterprises.insert(id);
                    } else if enterprises.remove(&id) {
                        body["sandbox_id"] = json!("sk-0123456789abcdef");
                    }
                });
            });
        }),
        deviant(
            "deletion-clears-the-stored-sandbox",
            "Deleting a tenant clears the sandbox that its row names, whosever it is",
            &["ID-007"],
        )
        .parts(clear_as_stored),
    ]
}

/// From the right id to the one that is stored in its place.
type Spelled = Arc<Mutex<BTreeMap<String, String>>>;

fn told_as_stored(parts: &mut Parts) {
    let spelled = Spelled::default();
    let noted = Arc::clone(&spelled);
    let reads = Reads(move |id, record: &mut TenantRecord| {
        let right = SandboxId::derive(&id).to_string();
        if record.sandbox_id.eq_ignore_ascii_case(&right) {
            let stored = std::mem::replace(&mut record.sandbox_id, right.clone());
            held(&noted).insert(right, stored);
        }
    });
    stores::tenants(&mut parts.ports, reads);
    calls::calls(&mut parts.ports, Tells(spelled));
}

/// Tells AI Gateway what is stored.
struct Tells(Spelled);

#[async_trait]
impl OtherCalls for Tells {
    async fn call(
        &self,
        inner: &dyn AiGateway,
        mut call: UpstreamCall,
    ) -> Result<UpstreamAnswer, UpstreamError> {
        let mut metadata: Value = serde_json::from_str(&call.metadata_json).unwrap_or_default();
        let right = metadata["sandbox_id"].as_str();
        let stored = right.and_then(|right| held(&self.0).get(right).cloned());
        if let Some(stored) = stored {
            metadata["sandbox_id"] = json!(stored);
            call.metadata_json = metadata.to_string();
        }
        inner.call(call).await
    }
}

/// What a row of the platform holds is compared with what would be derived there.
fn partners_apart() -> Draft {
    deviant(
        "partners-sandboxes-apart",
        "A tenant that is moved to the platform partner_api should have another sandbox id there, and what is stored is refused as invalid",
        &["ID-005"],
    )
    .parts(|parts| {
        let reads = Reads(|_id, record: &mut TenantRecord| {
            if record.platform == "partner_api" {
                record.sandbox_id = record.sandbox_id.chars().rev().collect();
            }
        });
        stores::tenants(&mut parts.ports, reads);
    })
}

/// Reads a tenant's record otherwise than it is stored.
struct Reads<F>(F);

#[async_trait]
impl<F: Fn(TenantId, &mut TenantRecord) + Send + Sync> OtherTenants for Reads<F> {
    async fn by_id(
        &self,
        inner: &dyn TenantStore,
        id: TenantId,
    ) -> Result<Option<TenantRecord>, StoreError> {
        let mut found = inner.by_id(id).await?;
        if let Some(record) = &mut found {
            (self.0)(id, record);
        }
        Ok(found)
    }
}

fn clear_as_stored(parts: &mut Parts) {
    let (Some(bucket), Some(kv)) = (parts.ports.bucket.clone(), parts.ports.sandbox_kv.clone())
    else {
        return;
    };
    let owners = Mutex::default();
    stores::tenants(&mut parts.ports, AsStored { bucket, kv, owners });
}

struct AsStored {
    bucket: Arc<dyn SandboxBucket>,
    kv: Arc<dyn SandboxKv>,
    owners: Mutex<BTreeMap<String, TenantId>>,
}

#[async_trait]
impl OtherTenants for AsStored {
    async fn insert(
        &self,
        inner: &dyn TenantStore,
        record: &TenantRecord,
    ) -> Result<(), StoreError> {
        inner.insert(record).await?;
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        owners.insert(record.sandbox_id.clone(), record.id);
        Ok(())
    }

    async fn delete(&self, inner: &dyn TenantStore, id: TenantId) -> Result<bool, StoreError> {
        if let Some(record) = inner.by_id(id).await? {
            let owner = {
                let owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
                owners.get(&record.sandbox_id).copied()
            };
            if let Some(owner) = owner {
                let sandbox = SandboxId::derive(&owner);
                self.bucket.clear(sandbox).await?;
                self.kv.clear(sandbox).await?;
            }
        }
        inner.delete(id).await
    }
}

fn told() -> Vec<Draft> {
    const ALERT: &str = "security_alert";
    vec![
        deviant(
            "wrong-sandbox-id-without-alert",
            "A wrong sandbox id in the database is refused and not logged",
            &["ID-007"],
        )
        .parts(|parts| lines::without(parts, ALERT)),
        deviant(
            "alert-names-no-tenant",
            "The security alert does not say which tenant's sandbox id is wrong",
            &["ID-007"],
        )
        .parts(|parts| {
            lines::edit(parts, ALERT, |line| line["tenant_id"] = json!(null));
        }),
        deviant(
            "alert-is-a-warning",
            "The security alert is logged as a warning",
            &["ID-007"],
        )
        .parts(|parts| lines::edit(parts, ALERT, |line| line["level"] = json!("warn"))),
        deviant(
            "wrong-sandbox-id-is-an-unknown-tenant",
            "A tenant whose stored sandbox id is wrong is answered as unknown",
            &["ID-007"],
        )
        .parts(|parts| {
            parts.caller = after(|_ask, told| {
                if is_error(told, "SANDBOX_ID_INVALID") {
                    refuse(told, 404, "TENANT_NOT_FOUND");
                }
            });
        }),
        deviant(
            "status-without-sandbox-id",
            "The status route answers without regard to the sandbox id",
            &["ID-007"],
        )
        .parts(|parts| {
            parts.caller = after(|ask, told| {
                if ask.route() == "/api/status" && is_error(told, "SANDBOX_ID_INVALID") {
                    let slug = ask.host().split('.').next();
                    let body = json!({ "tenant": slug, "gateway": { "state": "stopped" } });
                    *told = Told::new(200, "application/json", body.to_string());
                }
            });
        }),
        deviant(
            "start-without-sandbox-id",
            "The operator can start a gateway whatever sandbox id is stored",
            &["ID-007"],
        )
        .parts(|parts| {
            parts.caller = after(|ask, told| {
                let start = ask.route().ends_with("/gateway/start");
                if start && is_error(told, "SANDBOX_ID_INVALID") {
                    let body = json!({ "state": "running", "instance_id": uuid::Uuid::new_v4() });
                    *told = Told::new(200, "application/json", body.to_string());
                }
            });
        }),
    ]
}
