//! Backends that let a request name its tenant, or learn of another one. Never lets anything but the one carrier decide.

use crate::reference::deviants::answers::{decoded, is_error, query, refuse, tenant_in_path};
use crate::reference::deviants::directory::{Directory, Known};
use crate::reference::deviants::layer::{after, before, instead, refusal};
use crate::reference::deviants::stores::{self, OtherUsage};
use crate::reference::deviants::{Draft, deviant, held};
use crate::tamper::{Ask, Told};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moltworker_reference::domain::tenant::TenantId;
use moltworker_reference::domain::usage::UsageRow;
use moltworker_reference::ports::{Page, StoreError, UsageRange, UsageStore};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

pub(super) fn all() -> Vec<Draft> {
    let mut all = deciding();
    all.extend(deciding_in_body_and_path());
    all.push(at_custom_hostnames());
    all.extend(telling());
    all.extend(listing());
    all
}

/// Whoever `named` finds in a request is the tenant that it is for.
fn decides(
    id: &'static str,
    breaks: &'static str,
    named: impl Fn(&Ask) -> Option<String> + Send + Sync + Clone + 'static,
) -> Draft {
    deviant(id, breaks, &["ISO-001"]).parts(move |parts| {
        let directory = Directory::of(parts);
        let named = named.clone();
        parts.caller = before(move |ask| {
            let is_public = !ask.route().starts_with("/api/admin");
            let other = named(ask).filter(|_| is_public);
            if let Some(other) = other.and_then(|text| directory.find(&text)) {
                ask.set("host", &other.host());
            }
        });
    })
}

fn header(name: &'static str) -> impl Fn(&Ask) -> Option<String> + Send + Sync + Clone {
    move |ask| ask.header(name).map(str::to_owned)
}

fn cookie(ask: &Ask, name: &str) -> Option<String> {
    let pairs = ask.header("cookie")?.split(';');
    pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then(|| value.to_owned()))
}

fn claim(ask: &Ask) -> Option<String> {
    let token = ask.header("authorization")?.strip_prefix("Bearer ")?;
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    claims["tenant_id"].as_str().map(str::to_owned)
}

/// The branch for custom hostnames has kept what helped while it was made.
fn at_custom_hostnames() -> Draft {
    deviant(
        "override-counts-at-custom-hostnames",
        "At a custom hostname X-Tenant-Override takes the place of the host, in production too",
        &["RES-002", "ISO-001"],
    )
    .parts(|parts| {
        let directory = Directory::of(parts);
        parts.caller = before(move |ask| {
            let own = ask.host().split(':').next().unwrap_or_default();
            let is_custom = directory
                .all()
                .iter()
                .any(|known| known.domains.iter().any(|domain| domain == own));
            let named = ask.header("x-tenant-override").filter(|_| is_custom);
            if let Some(other) = named.and_then(|text| directory.find(text)) {
                ask.set("host", &other.host());
            }
        });
    })
}

fn deciding() -> Vec<Draft> {
    vec![
        decides(
            "x-tenant-id-decides",
            "X-Tenant-Id takes the place of the host",
            header("x-tenant-id"),
        ),
        decides(
            "x-sandbox-id-decides",
            "X-Sandbox-Id takes the place of the host",
            header("x-sandbox-id"),
        ),
        decides(
            "x-original-url-decides",
            "The host in X-Original-URL takes the place of the host",
            |ask| {
                let url = ask.header("x-original-url")?.split_once("://")?.1;
                url.split('/').next().map(str::to_owned)
            },
        ),
        decides(
            "metadata-header-decides",
            "The tenant in a caller's cf-aig-metadata takes the place of the host",
            |ask| {
                let metadata: Value = serde_json::from_str(ask.header("cf-aig-metadata")?).ok()?;
                metadata["tenant_id"].as_str().map(str::to_owned)
            },
        ),
        decides(
            "cookie-decides",
            "A cookie with a slug takes the place of the host",
            |ask| cookie(ask, "tenant"),
        ),
        decides(
            "token-claim-decides",
            "The tenant in a caller's own token, signed or not, takes the place of the host",
            claim,
        ),
        decides(
            "query-with-slug-decides",
            "A query with a slug takes the place of the host",
            |ask| query(ask, "tenant"),
        ),
        decides(
            "query-with-tenant-id-decides",
            "A query with a tenant id takes the place of the host",
            |ask| query(ask, "tenant_id"),
        ),
        decides(
            "query-with-host-decides",
            "A query with a host takes the place of the host",
            |ask| query(ask, "host"),
        ),
    ]
}

fn field(pointer: &'static str) -> impl Fn(&Ask) -> Option<String> + Send + Sync + Clone {
    move |ask| ask.json().pointer(pointer)?.as_str().map(str::to_owned)
}

fn deciding_in_body_and_path() -> Vec<Draft> {
    vec![
        decides(
            "body-with-tenant-id-decides",
            "A tenant id in the body takes the place of the host",
            field("/tenant_id"),
        ),
        decides(
            "user-of-the-body-decides",
            "The user of an OpenAI body is taken for the tenant",
            field("/user"),
        ),
        decides(
            "metadata-of-the-body-decides",
            "A tenant id in the body's metadata takes the place of the host",
            field("/metadata/tenant_id"),
        ),
        deviant(
            "tenant-before-the-path-decides",
            "A tenant named before a path takes the place of the host",
            &["ISO-001", "ISO-002"],
        )
        .parts(|parts| {
            let directory = Directory::of(parts);
            parts.caller = before(move |ask| {
                let Some((first, rest)) = ask.path[1..].split_once('/') else {
                    return;
                };
                if let Some(other) = directory.find(&decoded(first)) {
                    ask.path = format!("/{rest}");
                    ask.set("host", &other.host());
                }
            });
        }),
        deviant(
            "tenant-behind-the-path-decides",
            "A tenant named behind the status path takes the place of the host",
            &["ISO-001", "ISO-002"],
        )
        .parts(|parts| {
            let directory = Directory::of(parts);
            parts.caller = before(move |ask| {
                let named = ask.route().strip_prefix("/api/status/").map(decoded);
                if let Some(other) = named.and_then(|named| directory.find(&named)) {
                    "/api/status".clone_into(&mut ask.path);
                    ask.set("host", &other.host());
                }
            });
        }),
    ]
}

/// Changes an answer if the request names a tenant that is not its own.
pub(super) fn on_foreign(
    directory: Directory,
    named: impl Fn(&Ask) -> Option<String> + Send + Sync + 'static,
    change: impl Fn(&Known, &mut Told) + Send + Sync + 'static,
) -> Option<std::sync::Arc<dyn crate::tamper::Tamper>> {
    after(move |ask, told| {
        let other = named(ask).and_then(|text| directory.find(&text));
        if let Some(other) = other.filter(|other| other.host() != ask.host()) {
            change(&other, told);
        }
    })
}

fn telling() -> Vec<Draft> {
    let forbidden = |_other: &Known, told: &mut Told| {
        *told = refusal(403, "ACCESS_DENIED", &serde_json::json!({}));
    };
    vec![
        deviant(
            "foreign-tenant-in-a-header-is-forbidden",
            "Whoever names another tenant in X-Tenant-Id is refused, whoever names nobody is served",
            &["ISO-002"],
        )
        .parts(move |parts| {
            let directory = Directory::of(parts);
            let named = |ask: &Ask| ask.header("x-tenant-id").map(str::to_owned);
            parts.caller = on_foreign(directory, named, forbidden);
        }),
        deviant(
            "foreign-tenant-in-a-prompt-is-not-found",
            "A prompt whose metadata names another tenant is not found, one that names nobody is answered",
            &["ISO-002"],
        )
        .parts(|parts| {
            let directory = Directory::of(parts);
            let named = |ask: &Ask| {
                let body = ask.json();
                body["metadata"]["tenant_id"].as_str().map(str::to_owned)
            };
            parts.caller = on_foreign(directory, named, |_other, told| {
                *told = refusal(404, "TENANT_NOT_FOUND", &serde_json::json!({}));
            });
        }),
        deviant(
            "foreign-tenant-in-a-path-is-forbidden",
            "A path with another tenant's id is forbidden, one with an unknown id is not there",
            &["ISO-002"],
        )
        .parts(move |parts| {
            let directory = Directory::of(parts);
            let named = |ask: &Ask| ask.route().strip_prefix("/api/tenants/").map(decoded);
            parts.caller = on_foreign(directory, named, forbidden);
        }),
        deviant(
            "foreign-tenant-in-a-query-is-noted",
            "A header tells whether a slug in the query is somebody's",
            &["ISO-002"],
        )
        .parts(|parts| {
            let directory = Directory::of(parts);
            let named = |ask: &Ask| query(ask, "tenant");
            parts.caller = on_foreign(directory, named, |_other, told| {
                told.set("x-tenant-mismatch", "1");
            });
        }),
        deviant(
            "unknown-tenant-before-the-token",
            "Admin routes look a tenant up before they check the token",
            &["ISO-002"],
        )
        .parts(|parts| {
            let directory = Directory::of(parts);
            parts.caller = after(move |ask, told| {
                let named = tenant_in_path(ask).map(|(id, _below)| id);
                if is_error(told, "ACCESS_DENIED")
                    && named.is_some_and(|id| directory.find(&id).is_none())
                {
                    refuse(told, 404, "TENANT_NOT_FOUND");
                }
            });
        }),
    ]
}

fn listing() -> Vec<Draft> {
    vec![
        deviant(
            "foreign-cursors-told-from-unknown-ones",
            "A cursor that names another tenant's row is refused, one that names nobody's is taken",
            &["ISO-002"],
        )
        .parts(|parts| {
            let rows: Rows = Arc::default();
            stores::usage(&mut parts.ports, Noted(Arc::clone(&rows)));
            parts.caller = instead(move |ask| {
                let cursor = query(ask, "cursor")?;
                let rows = held(&rows);
                let named = rows.iter().find(|(row, _tenant)| cursor.contains(row.as_str()))?;
                let is_own = ask.path.contains(named.1.as_str());
                (!is_own).then(|| refusal(400, "INVALID_REQUEST", &json!({ "field": "cursor" })))
            });
        }),
        deviant(
            "cursor-carries-its-tenant",
            "A cursor of one tenant's usage goes on with that tenant's, whoever is asked for",
            &["ISO-001"],
        )
        .parts(|parts| stores::usage(&mut parts.ports, Cursors::default())),
        deviant(
            "next-page-by-its-time-alone",
            "From the second page on a usage listing also shows other tenants' rows of the last row's moment",
            &["ISO-001"],
        )
        .parts(|parts| {
            let directory = Directory::of(parts);
            stores::usage(&mut parts.ports, ByTimeAlone(directory));
        }),
        deviant(
            "usage-of-everybody",
            "The usage listing of a tenant shows everybody's rows",
            &["ISO-001"],
        )
        .parts(|parts| {
            let directory = Directory::of(parts);
            stores::usage(&mut parts.ports, Everybody(directory));
        }),
    ]
}

#[derive(Default)]
struct Cursors(Mutex<BTreeMap<String, TenantId>>);

#[async_trait]
impl OtherUsage for Cursors {
    async fn list(
        &self,
        inner: &dyn UsageStore,
        tenant: TenantId,
        range: &UsageRange,
    ) -> Result<Page<UsageRow>, StoreError> {
        let owner = range.cursor.as_ref().and_then(|cursor| {
            let owners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            owners.get(cursor).copied()
        });
        let page = inner.list(owner.unwrap_or(tenant), range).await?;
        if let Some(cursor) = &page.next_cursor {
            let mut owners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            owners.insert(cursor.clone(), tenant);
        }
        Ok(page)
    }
}

/// The rows of everybody else.
async fn of_others(
    directory: &Directory,
    inner: &dyn UsageStore,
    tenant: TenantId,
    range: &UsageRange,
) -> Result<Vec<UsageRow>, StoreError> {
    let mut rows = Vec::new();
    for other in directory
        .all()
        .into_iter()
        .filter(|other| other.id != tenant)
    {
        rows.extend(inner.list(other.id, range).await?.items);
    }
    Ok(rows)
}

struct ByTimeAlone(Directory);

#[async_trait]
impl OtherUsage for ByTimeAlone {
    async fn list(
        &self,
        inner: &dyn UsageStore,
        tenant: TenantId,
        range: &UsageRange,
    ) -> Result<Page<UsageRow>, StoreError> {
        let mut page = inner.list(tenant, range).await?;
        let Some(moment) = page.items.first().map(|row| row.created_at) else {
            return Ok(page);
        };
        if range.cursor.is_some() {
            let all = UsageRange {
                cursor: None,
                ..range.clone()
            };
            let rows = of_others(&self.0, inner, tenant, &all).await?;
            let of_moment = rows.into_iter().filter(|row| row.created_at == moment);
            page.items.extend(of_moment);
        }
        Ok(page)
    }
}

struct Everybody(Directory);

#[async_trait]
impl OtherUsage for Everybody {
    async fn list(
        &self,
        inner: &dyn UsageStore,
        tenant: TenantId,
        range: &UsageRange,
    ) -> Result<Page<UsageRow>, StoreError> {
        let mut page = inner.list(tenant, range).await?;
        let rows = of_others(&self.0, inner, tenant, range).await?;
        page.items.extend(rows);
        Ok(page)
    }
}

/// Rows of usage, each with its tenant.
type Rows = Arc<Mutex<BTreeMap<String, String>>>;

/// Notes whose each row is.
struct Noted(Rows);

#[async_trait]
impl OtherUsage for Noted {
    async fn insert(&self, inner: &dyn UsageStore, row: &UsageRow) -> Result<(), StoreError> {
        let (id, tenant) = (row.id.to_string(), row.tenant_id.to_string());
        held(&self.0).insert(id, tenant);
        inner.insert(row).await
    }
}
