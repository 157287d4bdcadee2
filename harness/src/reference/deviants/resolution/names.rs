//! Backends that look names up in another way, or see changes too late. Never writes an entry that nobody asked for.

use crate::clock;
use crate::reference::deviants::layer::before;
use crate::reference::deviants::stores::{self, OtherRegistry, OtherTenants};
use crate::reference::deviants::{Draft, deviant, held};
use async_trait::async_trait;
use moltworker_reference::domain::names::Slug;
use moltworker_reference::domain::sandbox_id::SandboxId;
use moltworker_reference::domain::tenant::{TenantId, TenantNames, TenantRecord};
use moltworker_reference::ports::{Registry, StoreError, TenantStore};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub(super) fn all() -> Vec<Draft> {
    let mut all = looked_up();
    all.extend(changed());
    all
}

/// What a look-up gives.
pub(super) type Found = Result<Option<TenantId>, StoreError>;

fn looked_up() -> Vec<Draft> {
    vec![
        deviant(
            "slugs-that-begin-as-reserved-words-not-found",
            "Words that are kept for the operator are looked for as whole words: a slug that has one before a hyphen is never found",
            &["RES-001"],
        )
        .parts(|parts| stores::registry(&mut parts.ports, WithoutReserved)),
        deviant(
            "slug-matched-by-its-beginning",
            "A slug that nobody has leads to the first one that begins with it",
            &["RES-001", "SEC-002"],
        )
        .parts(|parts| stores::registry(&mut parts.ports, ByBeginning::default())),
        deviant(
            "first-label-of-any-host-is-a-slug",
            "The first label of a hostname that nobody registered is looked up as a slug",
            &["RES-009", "SEC-002"],
        )
        .parts(|parts| stores::registry(&mut parts.ports, FirstLabel)),
        deviant(
            "tenant-id-is-a-slug",
            "A tenant is found below the app domain by its id too",
            &["SEC-002"],
        )
        .parts(|parts| stores::registry(&mut parts.ports, IdAsSlug)),
        deviant(
            "below-a-hostname-is-the-hostname",
            "A host below a custom hostname leads to the same tenant",
            &["RES-004", "RES-005", "SEC-002"],
        )
        .parts(|parts| stores::registry(&mut parts.ports, Parents)),
        deviant(
            "punycode-is-decoded",
            "A Punycode host is decoded before it is looked up, and so never found",
            &["RES-004"],
        )
        .parts(|parts| {
            stores::registry(&mut parts.ports, Unless(|host: &str| host.contains("xn--")));
        }),
        deviant(
            "top-level-domain-of-letters-only",
            "A hostname whose last label is Punycode is not taken for a hostname",
            &["RES-004"],
        )
        .parts(|parts| {
            let punycode = |host: &str| {
                host.rsplit('.')
                    .next()
                    .is_some_and(|top| top.starts_with("xn--"))
            };
            stores::registry(&mut parts.ports, Unless(punycode));
        }),
        deviant(
            "hostname-registered-in-capitals",
            "A hostname is registered with the capitals in which it is given, and looked up without",
            &["RES-006"],
        )
        .parts(|parts| {
            let capitals: Arc<Mutex<BTreeSet<String>>> = Arc::default();
            let given = Arc::clone(&capitals);
            parts.caller = before(move |ask| {
                for domain in ask.json()["domains"].as_array().into_iter().flatten() {
                    let text = domain.as_str().unwrap_or_default();
                    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
                        held(&given).insert(text.to_ascii_lowercase());
                    }
                }
            });
            stores::registry(
                &mut parts.ports,
                Unless(move |host: &str| held(&capitals).contains(host)),
            );
        }),
        deviant(
            "slow-look-up",
            "Looking a slug up takes 220 ms",
            &["RES-014"],
        )
        .parts(|parts| stores::registry(&mut parts.ports, Slow)),
    ]
}

#[derive(Default)]
struct ByBeginning(Mutex<BTreeMap<String, TenantId>>);

#[async_trait]
impl OtherRegistry for ByBeginning {
    async fn by_slug(&self, inner: &dyn Registry, slug: &str) -> Found {
        if let found @ Some(_) = inner.by_slug(slug).await? {
            return Ok(found);
        }
        let slugs = held(&self.0);
        let next = slugs.range(slug.to_owned()..).next();
        Ok(next
            .filter(|(other, _)| other.starts_with(slug))
            .map(|(_, id)| *id))
    }

    async fn claim(
        &self,
        inner: &dyn Registry,
        tenant: TenantId,
        names: &TenantNames,
    ) -> Result<(), StoreError> {
        inner.claim(tenant, names).await?;
        let mut slugs = held(&self.0);
        slugs.retain(|_, id| *id != tenant);
        slugs.insert(names.slug.clone(), tenant);
        Ok(())
    }

    async fn release(&self, inner: &dyn Registry, tenant: TenantId) -> Result<(), StoreError> {
        inner.release(tenant).await?;
        held(&self.0).retain(|_, id| *id != tenant);
        Ok(())
    }
}

struct FirstLabel;

#[async_trait]
impl OtherRegistry for FirstLabel {
    async fn by_host(&self, inner: &dyn Registry, host: &str) -> Found {
        match inner.by_host(host).await? {
            found @ Some(_) => Ok(found),
            None => {
                inner
                    .by_slug(host.split('.').next().unwrap_or_default())
                    .await
            }
        }
    }
}

struct IdAsSlug;

#[async_trait]
impl OtherRegistry for IdAsSlug {
    async fn by_slug(&self, inner: &dyn Registry, slug: &str) -> Found {
        match inner.by_slug(slug).await? {
            found @ Some(_) => Ok(found),
            None => Ok(TenantId::parse(slug).ok()),
        }
    }
}

struct Parents;

#[async_trait]
impl OtherRegistry for Parents {
    async fn by_host(&self, inner: &dyn Registry, host: &str) -> Found {
        let mut name = host;
        loop {
            if let found @ Some(_) = inner.by_host(name).await? {
                return Ok(found);
            }
            match name.split_once('.') {
                Some((_label, parent)) => name = parent,
                None => return Ok(None),
            }
        }
    }
}

/// Custom hosts of which this holds are found by nobody.
struct Unless<F>(F);

#[async_trait]
impl<F: Fn(&str) -> bool + Send + Sync> OtherRegistry for Unless<F> {
    async fn by_host(&self, inner: &dyn Registry, host: &str) -> Found {
        let found = inner.by_host(host).await?;
        Ok(found.filter(|_| !(self.0)(host)))
    }
}

struct Slow;

#[async_trait]
impl OtherRegistry for Slow {
    async fn by_slug(&self, inner: &dyn Registry, slug: &str) -> Found {
        crate::wait::pass(Duration::from_millis(220)).await;
        inner.by_slug(slug).await
    }
}

fn changed() -> Vec<Draft> {
    vec![
        deviant(
            "former-slug-still-leads-there",
            "A slug that a tenant gave up still leads to it while nobody else has it",
            &["RES-015", "RES-012"],
        )
        .parts(|parts| stores::registry(&mut parts.ports, FormerSlugs::default())),
        deviant(
            "former-slug-stays-where-hostnames-change-too",
            "Who is renamed and given other hostnames at once keeps the former slug",
            &["RES-015"],
        )
        .parts(|parts| {
            stores::registry(&mut parts.ports, FormerSlugOfBoth::default());
        }),
        deviant(
            "hostnames-like-slugs",
            "A custom hostname whose first label no slug may be is not looked up",
            &["RES-005"],
        )
        .parts(|parts| stores::registry(&mut parts.ports, LikeSlugs)),
        deviant(
            "hostnames-are-only-added",
            "New custom hostnames join the former ones instead of taking their place",
            &["RES-015"],
        )
        .parts(|parts| stores::registry(&mut parts.ports, OnlyAdded)),
        deviant(
            "names-seen-a-second-late",
            "A tenant's new names are found a second after the operator was told that they are there",
            &["RES-015"],
        )
        .parts(|parts| stores::registry(&mut parts.ports, Late::default())),
        deviant(
            "entry-without-record-is-a-tenant",
            "A registry entry whose record is gone is served as a free tenant",
            &["RES-011"],
        )
        .parts(|parts| stores::tenants(&mut parts.ports, Defaults)),
        deviant(
            "entry-without-record-is-an-outage",
            "A registry entry whose record is gone is answered as a failing store",
            &["RES-011"],
        )
        .parts(|parts| stores::tenants(&mut parts.ports, MustBeThere)),
    ]
}

#[derive(Default)]
struct FormerSlugs(Mutex<BTreeMap<String, TenantId>>);

#[async_trait]
impl OtherRegistry for FormerSlugs {
    async fn by_slug(&self, inner: &dyn Registry, slug: &str) -> Found {
        let found = inner.by_slug(slug).await?;
        Ok(found.or_else(|| held(&self.0).get(slug).copied()))
    }

    async fn claim(
        &self,
        inner: &dyn Registry,
        tenant: TenantId,
        names: &TenantNames,
    ) -> Result<(), StoreError> {
        inner.claim(tenant, names).await?;
        held(&self.0).insert(names.slug.clone(), tenant);
        Ok(())
    }
}

#[derive(Default)]
struct FormerSlugOfBoth(FormerSlugs);

#[async_trait]
impl OtherRegistry for FormerSlugOfBoth {
    async fn by_slug(&self, inner: &dyn Registry, slug: &str) -> Found {
        self.0.by_slug(inner, slug).await
    }

    async fn claim(
        &self,
        inner: &dyn Registry,
        tenant: TenantId,
        names: &TenantNames,
    ) -> Result<(), StoreError> {
        let former = inner.names(tenant).await?;
        inner.claim(tenant, names).await?;
        let former =
            former.filter(|former| former.slug != names.slug && former.domains != names.domains);
        if let Some(former) = former {
            held(&self.0.0).insert(former.slug, tenant);
        }
        Ok(())
    }
}

struct LikeSlugs;

#[async_trait]
impl OtherRegistry for LikeSlugs {
    async fn by_host(&self, inner: &dyn Registry, host: &str) -> Found {
        let first = host.split('.').next().unwrap_or_default();
        match Slug::parse(first) {
            Ok(_) => inner.by_host(host).await,
            Err(_) => Ok(None),
        }
    }
}

struct OnlyAdded;

#[async_trait]
impl OtherRegistry for OnlyAdded {
    async fn claim(
        &self,
        inner: &dyn Registry,
        tenant: TenantId,
        names: &TenantNames,
    ) -> Result<(), StoreError> {
        let former = inner.names(tenant).await?;
        let mut names = names.clone();
        for domain in former.into_iter().flat_map(|former| former.domains) {
            if !names.domains.contains(&domain) {
                names.domains.push(domain);
            }
        }
        inner.claim(tenant, &names).await
    }
}

#[derive(Default)]
struct Late(Mutex<BTreeMap<TenantId, Instant>>);

impl Late {
    fn seen(&self, found: Option<TenantId>) -> Option<TenantId> {
        let claimed = held(&self.0);
        let is_new = |id: &TenantId| {
            claimed
                .get(id)
                .is_some_and(|at| clock::now().duration_since(*at) < Duration::from_secs(1))
        };
        found.filter(|id| !is_new(id))
    }
}

#[async_trait]
impl OtherRegistry for Late {
    async fn by_slug(&self, inner: &dyn Registry, slug: &str) -> Found {
        Ok(self.seen(inner.by_slug(slug).await?))
    }

    async fn by_host(&self, inner: &dyn Registry, host: &str) -> Found {
        Ok(self.seen(inner.by_host(host).await?))
    }

    async fn claim(
        &self,
        inner: &dyn Registry,
        tenant: TenantId,
        names: &TenantNames,
    ) -> Result<(), StoreError> {
        held(&self.0).insert(tenant, clock::now());
        inner.claim(tenant, names).await
    }
}

struct Defaults;

#[async_trait]
impl OtherTenants for Defaults {
    async fn by_id(
        &self,
        inner: &dyn TenantStore,
        id: TenantId,
    ) -> Result<Option<TenantRecord>, StoreError> {
        let found = inner.by_id(id).await?;
        Ok(Some(found.unwrap_or_else(|| free(id))))
    }
}

/// A record of a free tenant.
pub(super) fn free(id: TenantId) -> TenantRecord {
    TenantRecord {
        id,
        platform: "web".to_owned(),
        tier: "free".to_owned(),
        sandbox_id: SandboxId::derive(&id).to_string(),
        created_at: 0,
        updated_at: 0,
    }
}

struct MustBeThere;

#[async_trait]
impl OtherTenants for MustBeThere {
    async fn by_id(
        &self,
        inner: &dyn TenantStore,
        id: TenantId,
    ) -> Result<Option<TenantRecord>, StoreError> {
        match inner.by_id(id).await? {
            found @ Some(_) => Ok(found),
            None => Err(StoreError::Unavailable("no such row".into())),
        }
    }
}

/// Labels that are the operator's own.
const RESERVED: [&str; 4] = ["api", "www", "admin", "app"];

struct WithoutReserved;

#[async_trait]
impl OtherRegistry for WithoutReserved {
    async fn by_slug(&self, inner: &dyn Registry, slug: &str) -> Found {
        let first = slug.split('-').next().unwrap_or_default();
        if RESERVED.contains(&first) {
            return Ok(None);
        }
        inner.by_slug(slug).await
    }
}
