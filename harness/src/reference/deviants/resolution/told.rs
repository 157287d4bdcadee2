//! Backends that tell the wrong people of a resolution that failed, or nobody. Never changes who is found.

use crate::reference::altered::Parts;
use crate::reference::deviants::answers::{edit, is_error, refuse};
use crate::reference::deviants::layer::after;
use crate::reference::deviants::stores::{self, OtherRegistry, OtherTenants};
use crate::reference::deviants::{Draft, deviant, held, lines};
use async_trait::async_trait;
use moltworker_reference::domain::tenant::{TenantId, TenantNames, TenantRecord};
use moltworker_reference::ports::{Level, LogSink, Registry, StoreError, TenantStore};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

const FAILURE: &str = "resolution_failure";

pub(super) fn all() -> Vec<Draft> {
    let mut all = answered();
    all.extend(logged());
    all
}

/// Changes the refusal of every unknown tenant.
fn refusals(
    parts: &mut Parts,
    change: impl Fn(&crate::tamper::Ask, &mut crate::tamper::Told) + Send + Sync + 'static,
) {
    parts.caller = after(move |ask, told| {
        if is_error(told, "TENANT_NOT_FOUND") && !ask.route().starts_with("/api/admin") {
            change(ask, told);
        }
    });
}

/// The refusal at a host that was a tenant's tells where that one is now.
fn forwarding() -> Draft {
    deviant(
        "refusal-tells-the-new-slug",
        "The refusal at the former host of a tenant tells its new slug",
        &["SEC-002", "RES-012"],
    )
    .parts(|parts| {
        let slugs: Mutex<BTreeMap<String, String>> = Mutex::default();
        let moved: Mutex<BTreeMap<String, String>> = Mutex::default();
        parts.caller = after(move |ask, told| {
            let label = ask.host().split('.').next().unwrap_or_default().to_owned();
            let to = held(&moved).get(&label).cloned();
            if is_error(told, "TENANT_NOT_FOUND") && !ask.route().starts_with("/api/admin") {
                if let Some(to) = to {
                    edit(told, |body| {
                        body["error"]["details"]["moved_to"] = json!(to);
                    });
                }
            } else if ask.route().starts_with("/api/admin/tenants") && told.status < 300 {
                edit(told, |body| {
                    if let (Some(id), Some(slug)) = (body["id"].as_str(), body["slug"].as_str()) {
                        let former = held(&slugs).insert(id.to_owned(), slug.to_owned());
                        if let Some(former) = former.filter(|former| former != slug) {
                            held(&moved).insert(former, slug.to_owned());
                        }
                    }
                });
            }
        });
    })
}

fn answered() -> Vec<Draft> {
    vec![
        forwarding(),
        deviant(
            "refusal-names-the-host",
            "The refusal of an unknown host names it",
            &["RES-013", "SEC-001"],
        )
        .parts(|parts| {
            refusals(parts, |ask, told| {
                let message = format!("No tenant at {}.", ask.host());
                edit(told, |body| body["error"]["message"] = json!(message));
            });
        }),
        deviant(
            "refusal-names-the-client-ip",
            "The refusal of an unknown host names the client ip",
            &["RES-013"],
        )
        .parts(|parts| {
            refusals(parts, |ask, told| {
                let ip = ask.header("cf-connecting-ip").unwrap_or("127.0.0.1");
                edit(told, |body| {
                    body["error"]["details"]["client_ip"] = json!(ip);
                });
            });
        }),
        deviant(
            "unknown-route-of-an-unknown-host",
            "A host of no tenant is told that a route does not exist",
            &["RES-012", "SEC-002"],
        )
        .parts(|parts| {
            refusals(parts, |ask, told| {
                let known = ["/api/status", "/v1/chat/completions"];
                if !known.contains(&ask.route()) {
                    refuse(told, 404, "NOT_FOUND");
                }
            });
        }),
        deviant(
            "deleted-tenant-is-gone",
            "The slug of a deleted tenant is answered 410",
            &["RES-012", "ISO-002"],
        )
        .parts(|parts| {
            let gone: Arc<Mutex<BTreeSet<String>>> = Arc::default();
            stores::registry(&mut parts.ports, Deleted(Arc::clone(&gone)));
            refusals(parts, move |ask, told| {
                let slug = ask.host().split('.').next().unwrap_or_default();
                let gone = gone.lock().unwrap_or_else(PoisonError::into_inner);
                if gone.contains(slug) {
                    refuse(told, 410, "TENANT_NOT_FOUND");
                }
            });
        }),
    ]
}

/// Keeps the slugs of deleted tenants.
struct Deleted(Arc<Mutex<BTreeSet<String>>>);

#[async_trait]
impl OtherRegistry for Deleted {
    async fn release(&self, inner: &dyn Registry, tenant: TenantId) -> Result<(), StoreError> {
        let names: Option<TenantNames> = inner.names(tenant).await?;
        let mut gone = BTreeSet::from_iter(names.map(|names| names.slug));
        inner.release(tenant).await?;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.append(&mut gone);
        Ok(())
    }
}

fn logged() -> Vec<Draft> {
    let field = |name: &'static str, value: Value| {
        move |parts: &mut Parts| {
            let value = value.clone();
            lines::edit(parts, FAILURE, move |line| line[name] = value.clone());
        }
    };
    vec![
        deviant(
            "resolution-failure-unlogged",
            "A host of no tenant leaves no line in the log",
            &["RES-013"],
        )
        .parts(|parts| lines::without(parts, FAILURE)),
        deviant(
            "resolution-failure-logged-once-for-each-host",
            "The log has one line for a host of no tenant, however often it is asked",
            &["RES-013"],
        )
        .parts(|parts| {
            let told: Mutex<BTreeSet<String>> = Mutex::default();
            lines::change(parts, move |line| {
                let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                let is_new = line["event"] != FAILURE || told.insert(line["host"].to_string());
                is_new.then(|| line.to_string())
            });
        }),
        deviant(
            "resolution-failure-logged-without-client-ip",
            "The log line of a failed resolution names no client ip",
            &["RES-013"],
        )
        .parts(field("client_ip", Value::Null)),
        deviant(
            "resolution-failure-logged-with-the-slug",
            "The log line of a failed resolution names the first label, not the host",
            &["RES-013"],
        )
        .parts(|parts| {
            lines::edit(parts, FAILURE, |line| {
                let host = line["host"].as_str().unwrap_or_default();
                line["host"] = json!(host.split('.').next());
            });
        }),
        deviant(
            "last-group-of-a-client-ip-is-a-port",
            "The log line of a failed resolution names a client ip without what stands behind its last colon",
            &["RES-013"],
        )
        .parts(|parts| {
            lines::edit(parts, FAILURE, |line| {
                let ip = line["client_ip"].as_str().unwrap_or_default();
                if let Some((cut, _group)) = ip.rsplit_once(':') {
                    line["client_ip"] = json!(cut);
                }
            });
        }),
        deviant(
            "every-look-up-logged-as-a-failure",
            "Look-ups that find a tenant are logged as resolution failures too",
            &["RES-013"],
        )
        .parts(|parts| {
            let log = Arc::clone(&parts.ports.log);
            stores::registry(&mut parts.ports, EachLogged(log));
        }),
        deviant(
            "outage-leaves-no-resolution-failure",
            "A look-up that fails with its store is not logged as a resolution failure",
            &["RES-013"],
        )
        .parts(|parts| {
            let failed = Arc::new(AtomicUsize::new(0));
            stores::tenants(&mut parts.ports, Counted(Arc::clone(&failed)));
            leave_out_next(parts, failed);
        }),
        deviant(
            "entry-without-record-leaves-no-resolution-failure",
            "A host whose registry entry leads to no record is an unknown tenant, and leaves no line in the log",
            &["RES-013"],
        )
        .parts(|parts| {
            let (led_to, stale) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
            stores::registry(&mut parts.ports, Led(Arc::clone(&led_to)));
            let count = Arc::clone(&stale);
            stores::tenants(&mut parts.ports, Stale { led_to, count });
            leave_out_next(parts, stale);
        }),
    ]
}

/// Leaves out as many lines of failed look-ups as are counted: the line is the next one after its look-up.
fn leave_out_next(parts: &mut Parts, count: Arc<AtomicUsize>) {
    lines::change(parts, move |line| {
        let is_left_out = line["event"] == FAILURE
            && count
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                    left.checked_sub(1)
                })
                .is_ok();
        (!is_left_out).then(|| line.to_string())
    });
}

/// Remembers to whom hosts led.
struct Led(Arc<Mutex<BTreeSet<TenantId>>>);

#[async_trait]
impl OtherRegistry for Led {
    async fn by_host(
        &self,
        inner: &dyn Registry,
        host: &str,
    ) -> Result<Option<TenantId>, StoreError> {
        let led_to = inner.by_host(host).await?;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(led_to);
        Ok(led_to)
    }
}

/// Counts the look-ups of those to whom hosts led, and who are not there.
struct Stale {
    led_to: Arc<Mutex<BTreeSet<TenantId>>>,
    count: Arc<AtomicUsize>,
}

#[async_trait]
impl OtherTenants for Stale {
    async fn by_id(
        &self,
        inner: &dyn TenantStore,
        id: TenantId,
    ) -> Result<Option<TenantRecord>, StoreError> {
        let read = inner.by_id(id).await?;
        let was_led_to = || {
            let all = self.led_to.lock().unwrap_or_else(PoisonError::into_inner);
            all.contains(&id)
        };
        if read.is_none() && was_led_to() {
            self.count.fetch_add(1, Ordering::SeqCst);
        }
        Ok(read)
    }
}

struct EachLogged(Arc<dyn LogSink>);

#[async_trait]
impl OtherRegistry for EachLogged {
    async fn by_slug(
        &self,
        inner: &dyn Registry,
        slug: &str,
    ) -> Result<Option<TenantId>, StoreError> {
        let line = json!({
            "ts": "2026-01-01T00:00:00.000Z", "level": "warn", "message": "a look-up", "event": FAILURE,
            "host": format!("{slug}.moltworker.example"), "client_ip": "127.0.0.1",
        });
        self.0.line(Level::Warn, &line.to_string());
        inner.by_slug(slug).await
    }
}

struct Counted(Arc<AtomicUsize>);

#[async_trait]
impl OtherTenants for Counted {
    async fn by_id(
        &self,
        inner: &dyn TenantStore,
        id: TenantId,
    ) -> Result<Option<TenantRecord>, StoreError> {
        let read = inner.by_id(id).await;
        if read.is_err() {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
        read
    }
}
