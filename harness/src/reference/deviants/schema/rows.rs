//! Backends whose rows break what the schema promises, and backends that take what must be refused. Never breaks more than one thing at a time.

use super::super::layer::{after, ahead, before};
use super::super::stores::{self, OtherRegistry, OtherTenants, OtherUsage};
use super::{Draft, deviant};
use crate::reference::altered::Parts;
use crate::tamper::Ask;
use async_trait::async_trait;
use moltworker_reference::domain::tenant::{TenantId, TenantNames};
use moltworker_reference::domain::usage::UsageRow;
use moltworker_reference::ports::{Registry, StoreError, TenantStore, UsageStore};
use rusqlite::{Connection, ToSql};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub(super) fn all() -> Vec<Draft> {
    let mut all = references();
    all.extend(stored());
    all.extend(refusals());
    all.extend(changed_by_requests());
    all
}

/// Backends that change the schema themselves, at some request.
fn changed_by_requests() -> Vec<Draft> {
    type When = fn(&Ask) -> bool;
    let is_rename: When = |ask| ask.method == "PATCH" && ask.json()["slug"].is_string();
    let is_usage: When = |ask| ask.method == "GET" && ask.route().ends_with("/usage");
    let is_deletion: When = |ask| ask.method == "DELETE";
    let all: [(&str, &str, &[&str], When, &str); 5] = [
        (
            "deletions-add-a-column",
            "From the first deletion on the table of usage has a column for the step of the model",
            &["SCH-001"],
            is_deletion,
            "ALTER TABLE usage ADD COLUMN step INTEGER",
        ),
        (
            "deletions-take-the-index-away",
            "From the first deletion on the table of usage has no index by tenant and time",
            &["SCH-002"],
            is_deletion,
            "DROP INDEX IF EXISTS usage_tenant_created",
        ),
        (
            "renames-add-a-column",
            "From the first rename on the table of tenants has a column for former slugs",
            &["SCH-001", "SCH-004"],
            is_rename,
            "ALTER TABLE tenants ADD COLUMN former_slug TEXT",
        ),
        (
            "usage-page-takes-the-index-away",
            "From the first usage page on the table of usage has no index by tenant and time",
            &["SCH-002", "SCH-004"],
            is_usage,
            "DROP INDEX IF EXISTS usage_tenant_created",
        ),
        (
            "usage-page-makes-an-index",
            "The first usage page makes an index that no migration made",
            &["SCH-004"],
            is_usage,
            "CREATE INDEX IF NOT EXISTS usage_page ON usage (tenant_id, created_at, id)",
        ),
    ];
    let drafts = all.into_iter().map(|(id, breaks, expected, when, sql)| {
        deviant(id, breaks, expected).parts(move |parts| {
            let database = database(parts);
            parts.caller = after(move |ask, _told| {
                // The second time there is nothing left to change.
                if when(ask) {
                    drop(run(&database, sql, &[], true));
                }
            });
        })
    });
    drafts.collect()
}

/// Runs one statement on a connection of its own, where no reference is enforced.
fn unenforced(database: &Path, sql: &str, values: &[&dyn ToSql]) -> Result<usize, StoreError> {
    run(database, sql, values, false)
}

/// Runs one statement on a connection of its own.
fn run(
    database: &Path,
    sql: &str,
    values: &[&dyn ToSql],
    enforced: bool,
) -> Result<usize, StoreError> {
    let run = || {
        let connection = Connection::open(database)?;
        connection.busy_timeout(Duration::from_secs(1))?;
        connection.pragma_update(None, "foreign_keys", enforced)?;
        connection.execute(sql, values)
    };
    run().map_err(|error| StoreError::Unavailable(Box::new(error)))
}

fn database(parts: &Parts) -> PathBuf {
    parts.config.tenant_db.clone().unwrap_or_default()
}

fn references() -> Vec<Draft> {
    vec![
        deviant(
            "references-not-enforced-on-delete",
            "A tenant is deleted where no reference is enforced, and its usage stays",
            &["SCH-003"],
        )
        .parts(|parts| {
            let database = database(parts);
            stores::tenants(&mut parts.ports, LeavesUsage(database));
        }),
        deviant(
            "references-not-enforced-on-insert",
            "Usage is written where no reference is enforced, for tenants too that are gone",
            &["SCH-003"],
        )
        .parts(|parts| {
            let database = database(parts);
            stores::usage(&mut parts.ports, WithoutTenant(database));
        }),
        deviant(
            "usage-kept-under-another-tenant",
            "Before a tenant is deleted its usage is given to another one",
            &["SCH-003"],
        )
        .parts(|parts| {
            let database = database(parts);
            stores::tenants(&mut parts.ports, GivesUsageAway(database));
        }),
        deviant(
            "deletion-empties-usage",
            "Deleting a tenant deletes the usage of all",
            &["SCH-003"],
        )
        .parts(|parts| {
            let database = database(parts);
            stores::tenants(&mut parts.ports, TakesAll(database));
        }),
    ]
}

struct LeavesUsage(PathBuf);

#[async_trait]
impl OtherTenants for LeavesUsage {
    async fn delete(&self, _inner: &dyn TenantStore, id: TenantId) -> Result<bool, StoreError> {
        let id = id.to_string();
        unenforced(&self.0, "DELETE FROM tenants WHERE id = ?1", &[&id]).map(|rows| rows > 0)
    }
}

struct GivesUsageAway(PathBuf);

#[async_trait]
impl OtherTenants for GivesUsageAway {
    async fn delete(&self, inner: &dyn TenantStore, id: TenantId) -> Result<bool, StoreError> {
        let sql = "UPDATE usage SET tenant_id = (SELECT id FROM tenants WHERE id <> ?1 ORDER BY created_at LIMIT 1) \
             WHERE tenant_id = ?1 AND EXISTS (SELECT 1 FROM tenants WHERE id <> ?1)";
        run(&self.0, sql, &[&id.to_string()], true)?;
        inner.delete(id).await
    }
}

struct TakesAll(PathBuf);

#[async_trait]
impl OtherTenants for TakesAll {
    async fn delete(&self, inner: &dyn TenantStore, id: TenantId) -> Result<bool, StoreError> {
        unenforced(&self.0, "DELETE FROM usage", &[])?;
        inner.delete(id).await
    }
}

struct WithoutTenant(PathBuf);

const INSERT: &str = "INSERT OR IGNORE INTO usage (id, tenant_id, model, tokens_in, tokens_out, latency_ms, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

#[async_trait]
impl OtherUsage for WithoutTenant {
    async fn insert(&self, _inner: &dyn UsageStore, row: &UsageRow) -> Result<(), StoreError> {
        let (id, tenant) = (row.id.to_string(), row.tenant_id.to_string());
        write(&self.0, &id, &tenant, row, false)
    }
}

fn write(
    database: &Path,
    id: &str,
    tenant: &str,
    row: &UsageRow,
    enforced: bool,
) -> Result<(), StoreError> {
    let values: [&dyn ToSql; 7] = [
        &id,
        &tenant,
        &row.model,
        &row.tokens_in,
        &row.tokens_out,
        &row.latency_ms,
        &row.created_at,
    ];
    run(database, INSERT, &values, enforced).map(drop)
}

/// Writes a row under an id of another form.
struct OtherId(PathBuf, fn(&UsageRow) -> String);

#[async_trait]
impl OtherUsage for OtherId {
    async fn insert(&self, _inner: &dyn UsageStore, row: &UsageRow) -> Result<(), StoreError> {
        let (id, tenant) = ((self.1)(row), row.tenant_id.to_string());
        write(&self.0, &id, &tenant, row, true)
    }
}

fn stored() -> Vec<Draft> {
    vec![
        deviant(
            "usage-id-is-no-uuid",
            "The id of a usage row is that of the completion",
            &["USG-001"],
        )
        .parts(|parts| {
            let id: fn(&UsageRow) -> String = |row| format!("chatcmpl-{}", row.id.simple());
            let other = OtherId(database(parts), id);
            stores::usage(&mut parts.ports, other);
        }),
        deviant(
            "usage-id-is-a-number",
            "Usage rows are numbered",
            &["USG-001"],
        )
        .parts(|parts| {
            let id: fn(&UsageRow) -> String = |row| row.id.as_u128().to_string();
            let other = OtherId(database(parts), id);
            stores::usage(&mut parts.ports, other);
        }),
    ]
}

fn refusals() -> Vec<Draft> {
    vec![
        deviant(
            "tier-trimmed-and-lowered",
            "Spaces and letter case of a tier are put right",
            &["SCH-008"],
        )
        .parts(|parts| {
            parts.caller = before(|ask| {
                tiers(ask, |tier| {
                    let text = tier.as_str()?.trim().to_ascii_lowercase();
                    (!text.is_empty()).then(|| text.into())
                });
            });
        }),
        deviant(
            "renamed-before-the-tier-is-looked-at",
            "Of a change that is refused for its tier the new slug stays",
            &["SCH-008"],
        )
        .parts(|parts| {
            parts.caller = ahead(|ask| {
                let mut body = ask.json();
                let is_both = body["slug"].is_string() && !body["tier"].is_null();
                let is_rename = ask.method == "PATCH" && is_both;
                body.as_object_mut()?.remove("tier");
                is_rename.then(|| {
                    let mut rename = ask.clone();
                    rename.body = body.to_string().into();
                    rename
                })
            });
        }),
        deviant(
            "unknown-tier-becomes-free",
            "A tier that is none becomes free",
            &["SCH-008"],
        )
        .parts(|parts| {
            parts.caller = before(|ask| {
                tiers(ask, |tier| {
                    let is_known = ["free", "premium", "enterprise"]
                        .map(Value::from)
                        .contains(tier);
                    (!is_known).then(|| "free".into())
                });
            });
        }),
        deviant(
            "taken-name-changes-hands",
            "A name that is taken goes to the tenant that asks for it last",
            &["SCH-008"],
        )
        .parts(|parts| stores::registry(&mut parts.ports, TakesOver)),
        deviant(
            "refused-tenant-stays",
            "A tenant whose name was refused stays in D1",
            &["SCH-008"],
        )
        .parts(|parts| {
            let refused = Refused::default();
            stores::registry(&mut parts.ports, NotesRefusals(Arc::clone(&refused)));
            stores::tenants(&mut parts.ports, KeepsRefused(refused));
        }),
    ]
}

/// Changes the tier of an operator's request.
fn tiers(ask: &mut crate::tamper::Ask, change: impl Fn(&Value) -> Option<Value>) {
    if !ask.route().starts_with("/api/admin/tenants") {
        return;
    }
    let mut body = ask.json();
    if let Some(other) = body.get("tier").and_then(&change) {
        body["tier"] = other;
        ask.body = body.to_string().into();
    }
}

struct TakesOver;

#[async_trait]
impl OtherRegistry for TakesOver {
    async fn claim(
        &self,
        inner: &dyn Registry,
        tenant: TenantId,
        names: &TenantNames,
    ) -> Result<(), StoreError> {
        let mut owners = vec![inner.by_slug(&names.slug).await?];
        for domain in &names.domains {
            owners.push(inner.by_host(domain).await?);
        }
        for owner in owners
            .into_iter()
            .flatten()
            .filter(|owner| *owner != tenant)
        {
            inner.release(owner).await?;
        }
        inner.claim(tenant, names).await
    }
}

type Refused = Arc<Mutex<Vec<TenantId>>>;

struct NotesRefusals(Refused);

#[async_trait]
impl OtherRegistry for NotesRefusals {
    async fn claim(
        &self,
        inner: &dyn Registry,
        tenant: TenantId,
        names: &TenantNames,
    ) -> Result<(), StoreError> {
        let claimed = inner.claim(tenant, names).await;
        if claimed.is_err() {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(tenant);
        }
        claimed
    }
}

struct KeepsRefused(Refused);

#[async_trait]
impl OtherTenants for KeepsRefused {
    async fn delete(&self, inner: &dyn TenantStore, id: TenantId) -> Result<bool, StoreError> {
        let refused = {
            let refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            refused.contains(&id)
        };
        if refused {
            Ok(true)
        } else {
            inner.delete(id).await
        }
    }
}
