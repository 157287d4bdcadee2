//! Backends that take a failing store for an answer. Never fails a store by itself.

use super::names::free;
use crate::clock;
use crate::reference::deviants::directory::Directory;
use crate::reference::deviants::stores::{self, OtherRegistry, OtherTenants};
use crate::reference::deviants::{Draft, deviant, held};
use async_trait::async_trait;
use moltworker_reference::domain::tenant::{TenantId, TenantRecord};
use moltworker_reference::ports::{Registry, StoreError, TenantStore};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

type Read = Result<Option<TenantRecord>, StoreError>;
type Found = Result<Option<TenantId>, StoreError>;

pub(super) fn all() -> Vec<Draft> {
    let mut all = of_records();
    all.extend(of_names());
    all
}

fn of_records() -> Vec<Draft> {
    vec![
        deviant(
            "failing-d1-is-an-unknown-tenant",
            "A failing D1 is taken for a tenant that is not there",
            &["RES-017"],
        )
        .parts(|parts| {
            let absent = |_id, _why: &StoreError| Some(Ok(None));
            stores::tenants(&mut parts.ports, Instead(absent));
        }),
        deviant(
            "busy-d1-is-an-unknown-tenant",
            "A busy D1 is taken for a tenant that is not there",
            &["RES-017"],
        )
        .parts(|parts| {
            let busy =
                |_id, why: &StoreError| matches!(why, StoreError::Busy(_)).then_some(Ok(None));
            stores::tenants(&mut parts.ports, Instead(busy));
        }),
        deviant(
            "third-failure-is-an-unknown-tenant",
            "A store that has failed three times in a row for a tenant is no longer asked about it for a while, and it is unknown meanwhile",
            &["RES-017"],
        )
        .parts(|parts| {
            stores::tenants(&mut parts.ports, Broken::default());
            stores::registry(&mut parts.ports, Broken::default());
        }),
        deviant(
            "failing-d1-gives-a-default-record",
            "While D1 fails every tenant is served as a free one",
            &["RES-017"],
        )
        .parts(|parts| {
            let default = |id, _why: &StoreError| Some(Ok(Some(free(id))));
            stores::tenants(&mut parts.ports, Instead(default));
        }),
        deviant(
            "failing-d1-gives-the-last-record",
            "While D1 fails a tenant is served by the record that was last written",
            &["RES-017"],
        )
        .parts(|parts| stores::tenants(&mut parts.ports, Stale::default())),
        deviant(
            "failing-d1-gives-the-record-last-read",
            "While D1 fails a tenant is served by its record as it was last read",
            &["RES-017"],
        )
        .parts(|parts| stores::tenants(&mut parts.ports, LastRead::default())),
    ]
}

/// The registry.
fn of_names() -> Vec<Draft> {
    vec![
        deviant(
            "failing-registry-gives-the-name-last-found",
            "While the registry fails a name leads to the tenant that it was last found to lead to",
            &["RES-017"],
        )
        .parts(|parts| stores::registry(&mut parts.ports, LastRead::default())),
        deviant(
            "failing-registry-is-an-unknown-tenant",
            "A failing registry is taken for a name that nobody has",
            &["RES-017"],
        )
        .parts(|parts| stores::registry(&mut parts.ports, Without)),
        deviant(
            "failing-registry-is-the-oldest-tenant",
            "While the registry fails every host is one of the oldest tenants'",
            &["RES-017"],
        )
        .parts(|parts| {
            let directory = Directory::of(parts);
            // In turn, for the oldest one's own record may be out of reach just then.
            let turn = AtomicUsize::new(0);
            let oldest = move |_name: &str| {
                let oldest: Vec<TenantId> = directory
                    .all()
                    .iter()
                    .take(4)
                    .map(|known| known.id)
                    .collect();
                let turn = turn.fetch_add(1, Ordering::Relaxed);
                oldest.get(turn % oldest.len().max(1)).copied()
            };
            stores::registry(&mut parts.ports, From(oldest));
        }),
        deviant(
            "failing-registry-answered-from-memory",
            "While the registry fails a hostname leads to the tenant that was last given it",
            &["RES-005", "RES-017"],
        )
        .parts(|parts| {
            let directory = Directory::of(parts);
            let known = move |name: &str| directory.find(name).map(|known| known.id);
            stores::registry(&mut parts.ports, From(known));
        }),
        deviant(
            "outage-remembered-as-absence",
            "A name whose look-up failed once is unknown from then on",
            &["RES-017"],
        )
        .parts(|parts| stores::registry(&mut parts.ports, Remembered::default())),
        deviant(
            "outage-of-d1-remembered-as-absence",
            "A tenant whose record could not be read once is unknown from then on",
            &["RES-017"],
        )
        .parts(|parts| stores::tenants(&mut parts.ports, Remembered::default())),
    ]
}

/// What a failed read is answered with, if with anything.
struct Instead<F>(F);

#[async_trait]
impl<F: Fn(TenantId, &StoreError) -> Option<Read> + Send + Sync> OtherTenants for Instead<F> {
    async fn by_id(&self, inner: &dyn TenantStore, id: TenantId) -> Read {
        match inner.by_id(id).await {
            Err(why) => (self.0)(id, &why).unwrap_or(Err(why)),
            read => read,
        }
    }
}

#[derive(Default)]
struct Stale(Mutex<BTreeMap<TenantId, TenantRecord>>);

#[async_trait]
impl OtherTenants for Stale {
    async fn by_id(&self, inner: &dyn TenantStore, id: TenantId) -> Read {
        match inner.by_id(id).await {
            Err(why) => {
                let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                kept.get(&id)
                    .cloned()
                    .map_or(Err(why), |kept| Ok(Some(kept)))
            }
            read => read,
        }
    }

    async fn insert(
        &self,
        inner: &dyn TenantStore,
        record: &TenantRecord,
    ) -> Result<(), StoreError> {
        inner.insert(record).await?;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(record.id, record.clone());
        Ok(())
    }
}

/// What was read before stands in for what cannot be read now.
#[derive(Default)]
struct LastRead {
    records: Mutex<BTreeMap<TenantId, TenantRecord>>,
    names: Mutex<BTreeMap<String, TenantId>>,
}

/// What was read, or else what was read before; what is read is kept.
fn or_last<K: Ord, V: Clone>(
    kept: &Mutex<BTreeMap<K, V>>,
    key: K,
    read: Result<Option<V>, StoreError>,
) -> Result<Option<V>, StoreError> {
    let mut kept = held(kept);
    match &read {
        Ok(Some(value)) => {
            kept.insert(key, value.clone());
            read
        }
        Err(_failed) if kept.contains_key(&key) => Ok(kept.get(&key).cloned()),
        Ok(None) | Err(_) => read,
    }
}

#[async_trait]
impl OtherTenants for LastRead {
    async fn by_id(&self, inner: &dyn TenantStore, id: TenantId) -> Read {
        or_last(&self.records, id, inner.by_id(id).await)
    }
}

#[async_trait]
impl OtherRegistry for LastRead {
    async fn by_slug(&self, inner: &dyn Registry, slug: &str) -> Found {
        or_last(&self.names, slug.to_owned(), inner.by_slug(slug).await)
    }

    async fn by_host(&self, inner: &dyn Registry, host: &str) -> Found {
        or_last(&self.names, host.to_owned(), inner.by_host(host).await)
    }
}

struct Without;

#[async_trait]
impl OtherRegistry for Without {
    async fn by_slug(&self, inner: &dyn Registry, slug: &str) -> Found {
        Ok(inner.by_slug(slug).await.ok().flatten())
    }

    async fn by_host(&self, inner: &dyn Registry, host: &str) -> Found {
        Ok(inner.by_host(host).await.ok().flatten())
    }
}

/// While the registry fails, names are found by this.
struct From<F>(F);

#[async_trait]
impl<F: Fn(&str) -> Option<TenantId> + Send + Sync> OtherRegistry for From<F> {
    async fn by_slug(&self, inner: &dyn Registry, slug: &str) -> Found {
        match inner.by_slug(slug).await {
            Err(_why) => Ok((self.0)(slug)),
            found => found,
        }
    }

    async fn by_host(&self, inner: &dyn Registry, host: &str) -> Found {
        match inner.by_host(host).await {
            Err(_why) => Ok((self.0)(host)),
            found => found,
        }
    }
}

/// What failed once is absent for ever.
#[derive(Default)]
struct Remembered(Mutex<BTreeSet<String>>);

impl Remembered {
    fn has(&self, name: &str) -> bool {
        let failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failed.contains(name)
    }

    fn note<T>(&self, name: &str, read: Result<T, StoreError>) -> Result<T, StoreError> {
        if read.is_err() {
            let mut failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            failed.insert(name.to_owned());
        }
        read
    }
}

#[async_trait]
impl OtherRegistry for Remembered {
    async fn by_slug(&self, inner: &dyn Registry, slug: &str) -> Found {
        if self.has(slug) {
            return Ok(None);
        }
        self.note(slug, inner.by_slug(slug).await)
    }

    async fn by_host(&self, inner: &dyn Registry, host: &str) -> Found {
        if self.has(host) {
            return Ok(None);
        }
        self.note(host, inner.by_host(host).await)
    }
}

#[async_trait]
impl OtherTenants for Remembered {
    async fn by_id(&self, inner: &dyn TenantStore, id: TenantId) -> Read {
        let name = id.to_string();
        if self.has(&name) {
            return Ok(None);
        }
        self.note(&name, inner.by_id(id).await)
    }
}

/// After so many failures in a row nobody asks.
const FAILURES_MAX: u32 = 3;
/// For so long.
const BREAK: Duration = Duration::from_secs(2);

/// What has failed, how often in a row and when last.
#[derive(Default)]
struct Broken(Mutex<BTreeMap<String, (u32, Instant)>>);

impl Broken {
    fn is_open(&self, what: &str) -> bool {
        let failed = held(&self.0);
        failed
            .get(what)
            .is_some_and(|(times, last)| *times >= FAILURES_MAX && last.elapsed() < BREAK)
    }

    fn note<T>(&self, what: String, answer: &Result<T, StoreError>) {
        let mut failed = held(&self.0);
        if answer.is_ok() {
            failed.remove(&what);
            return;
        }
        let entry = failed.entry(what).or_insert((0, clock::now()));
        *entry = (entry.0 + 1, clock::now());
    }
}

#[async_trait]
impl OtherTenants for Broken {
    async fn by_id(&self, inner: &dyn TenantStore, id: TenantId) -> Read {
        if self.is_open(&id.to_string()) {
            return Ok(None);
        }
        let answer = inner.by_id(id).await;
        self.note(id.to_string(), &answer);
        answer
    }
}

#[async_trait]
impl OtherRegistry for Broken {
    async fn by_slug(&self, inner: &dyn Registry, slug: &str) -> Found {
        if self.is_open(slug) {
            return Ok(None);
        }
        let answer = inner.by_slug(slug).await;
        self.note(slug.to_owned(), &answer);
        answer
    }

    async fn by_host(&self, inner: &dyn Registry, host: &str) -> Found {
        if self.is_open(host) {
            return Ok(None);
        }
        let answer = inner.by_host(host).await;
        self.note(host.to_owned(), &answer);
        answer
    }
}
