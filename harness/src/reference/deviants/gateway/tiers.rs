//! Backends that take a tier for another, or for the one it was. Never breaks more than one thing at a time.

use super::super::held;
use super::super::layer::{after, before};
use super::super::stores::{self, OtherTenants};
use super::answers::set;
use super::{Draft, deviant, metadata};
use crate::tamper::{Ask, Content, Tamper, Told, Unanswered, Upstream};
use async_trait::async_trait;
use moltworker_reference::domain::tenant::{TenantId, TenantRecord};
use moltworker_reference::ports::{StoreError, TenantStore};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

const TIERS: [&str; 3] = ["free", "premium", "enterprise"];

pub(super) fn all() -> Vec<Draft> {
    let mut all = taken_for_another();
    all.extend(kept());
    all
}

fn taken_for_another() -> Vec<Draft> {
    let reading = |id, breaks, expected, read: fn(&str) -> Option<&'static str>| {
        deviant(id, breaks, expected)
            .parts(move |parts| stores::tenants(&mut parts.ports, Reads(read)))
    };
    vec![
        reading(
            "enterprise-as-free",
            "Enterprise tenants are routed as free ones",
            &["AIG-006"],
            |tier| (tier == "enterprise").then_some("free"),
        ),
        reading(
            "unknown-tier-as-premium",
            "A tier that is none is routed as premium",
            &["AIG-006", "AIG-015"],
            |tier| (!TIERS.contains(&tier)).then_some("premium"),
        ),
        reading(
            "empty-tier-as-premium",
            "An empty tier is routed as premium",
            &["AIG-006"],
            |tier| tier.is_empty().then_some("premium"),
        ),
        reading(
            "tier-known-by-its-beginning",
            "What begins like a tier is taken for it",
            &["AIG-006"],
            |tier| TIERS.into_iter().find(|name| tier.starts_with(name)),
        ),
        reading(
            "tier-found-on-every-object",
            "A tier is looked up among what every object has, and the large model asked for what is found there",
            &["AIG-006"],
            |tier| {
                ["constructor", "__proto__"]
                    .contains(&tier)
                    .then_some("premium")
            },
        ),
        deviant(
            "unknown-tier-is-an-outage",
            "A tenant with an unknown tier is answered with an error",
            &["AIG-006"],
        )
        .parts(|parts| stores::tenants(&mut parts.ports, KnownOnly)),
    ]
}

struct Reads(fn(&str) -> Option<&'static str>);

#[async_trait]
impl OtherTenants for Reads {
    async fn by_id(
        &self,
        inner: &dyn TenantStore,
        id: TenantId,
    ) -> Result<Option<TenantRecord>, StoreError> {
        let mut record = inner.by_id(id).await?;
        if let Some(record) = &mut record
            && let Some(tier) = (self.0)(&record.tier)
        {
            tier.clone_into(&mut record.tier);
        }
        Ok(record)
    }
}

struct KnownOnly;

#[async_trait]
impl OtherTenants for KnownOnly {
    async fn by_id(
        &self,
        inner: &dyn TenantStore,
        id: TenantId,
    ) -> Result<Option<TenantRecord>, StoreError> {
        let record = inner.by_id(id).await?;
        if record
            .as_ref()
            .is_some_and(|record| !TIERS.contains(&record.tier.as_str()))
        {
            return Err(StoreError::Unavailable("unknown tier".into()));
        }
        Ok(record)
    }
}

/// What was seen first under a key.
#[derive(Default)]
struct Kept<V>(Mutex<HashMap<String, V>>);

impl<V: Clone> Kept<V> {
    fn first(&self, key: &str, value: V) -> V {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.entry(key.to_owned()).or_insert(value).clone()
    }
}

fn kept() -> Vec<Draft> {
    vec![
        deviant(
            "tier-kept-in-memory",
            "The tier that a tenant had when it was first looked up goes on to apply",
            &["AIG-022", "AIG-015"],
        )
        .parts(|parts| stores::tenants(&mut parts.ports, FirstTier(Kept::default()))),
        deviant(
            "routing-shown-from-memory",
            "The routing that an operator was shown first is shown ever after",
            &["AIG-015"],
        )
        .parts(|parts| {
            let shown: Mutex<HashMap<String, bytes::Bytes>> = Mutex::default();
            parts.caller = after(move |ask, told| {
                let is_shown = ask.method == "GET" && ask.route().ends_with("/routing");
                if let (true, 200, Content::Whole(body)) = (is_shown, told.status, &told.content) {
                    let mut shown = held(&shown);
                    let first = shown.entry(ask.path.clone());
                    let first = first.or_insert_with(|| body.clone()).clone();
                    told.content = Content::Whole(first);
                }
            });
        }),
        deviant(
            "metadata-kept-in-memory",
            "The tier of a tenant's first call stands in the metadata of all",
            &["AIG-022"],
        )
        .upstream(|| {
            let kept = Kept::default();
            before(move |ask| first_tier_in_metadata(&kept, ask))
        }),
        deviant(
            "timeouts-kept-in-memory",
            "The timeout of a tenant's first call is stated in all",
            &["AIG-022"],
        )
        .upstream(|| {
            let kept = Kept::default();
            before(move |ask| {
                let Some(tenant) = metadata(ask)["tenant_id"].as_str().map(str::to_owned) else {
                    return;
                };
                let stated = ask.header("cf-aig-request-timeout").unwrap_or_default();
                let first: String = kept.first(&tenant, stated.to_owned());
                ask.set("cf-aig-request-timeout", &first);
            })
        }),
        deviant(
            "routing-shows-the-stored-tier",
            "The routing shows the tier as it is stored, not the one that applies",
            &["AIG-015"],
        )
        .parts(|parts| {
            if let Some(tenants) = parts.ports.tenants.clone() {
                parts.caller = Some(Arc::new(Stored(tenants)));
            }
        }),
    ]
}

struct FirstTier(Kept<String>);

#[async_trait]
impl OtherTenants for FirstTier {
    async fn by_id(
        &self,
        inner: &dyn TenantStore,
        id: TenantId,
    ) -> Result<Option<TenantRecord>, StoreError> {
        let mut record = inner.by_id(id).await?;
        if let Some(record) = &mut record {
            record.tier = self.0.first(&id.to_string(), record.tier.clone());
        }
        Ok(record)
    }
}

fn first_tier_in_metadata(kept: &Kept<Value>, ask: &mut Ask) {
    let mut metadata = metadata(ask);
    if let Some(tenant) = metadata["tenant_id"].as_str().map(str::to_owned) {
        metadata["tier"] = kept.first(&tenant, metadata["tier"].clone());
        ask.set("cf-aig-metadata", &metadata.to_string());
    }
}

struct Stored(Arc<dyn TenantStore>);

#[async_trait]
impl Tamper for Stored {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let mut told = upstream.send(&ask).await?;
        let id = ask.route().strip_prefix("/api/admin/tenants/");
        let id = id.and_then(|rest| rest.strip_suffix("/routing"));
        if let Some(id) = id.and_then(|id| TenantId::parse(id).ok())
            && let Ok(Some(record)) = self.0.by_id(id).await
            && told.status == 200
        {
            set(&mut told, "", "tier", record.tier.into());
        }
        Ok(told)
    }
}
