//! Backends that derive sandbox ids in another way, the same one wherever an id shows. Never lets the backend itself see a wrong id.

use crate::contract::need::Variant;
use crate::reference::altered::Parts;
use crate::reference::deviants::answers::edit;
use crate::reference::deviants::stores::{self, OtherTenants};
use crate::reference::deviants::{Draft, deviant, held};
use crate::tamper::{Ask, Tamper, Told, Unanswered, Upstream};
use async_trait::async_trait;
use aws_lc_rs::digest::{self, Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use moltworker_reference::domain::sandbox_id::SandboxId;
use moltworker_reference::domain::tenant::{TenantId, TenantRecord};
use moltworker_reference::ports::{
    AiGateway, StoreError, TenantChange, TenantStore, UpstreamAnswer, UpstreamCall, UpstreamError,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// What a sandbox id could be made of.
struct Basis<'a> {
    record: &'a TenantRecord,
    /// The id as the operator spelled it.
    spelled: &'a str,
    slug: &'a str,
    /// Whether a tenant of this id was deleted before.
    is_made_again: bool,
}

impl Basis<'_> {
    fn id(&self) -> String {
        self.record.id.to_string()
    }
}

type Rule = fn(&Basis<'_>) -> String;

pub(super) fn all() -> Vec<Draft> {
    let mut all: Vec<Draft> = hashed_otherwise()
        .into_iter()
        .chain(written_otherwise())
        .chain(made_of_more())
        .map(|(id, breaks, expected, rule)| {
            deviant(id, breaks, expected).parts(move |parts| derived(parts, rule))
        })
        .collect();
    all.push(
        deviant(
            "development-has-its-own-sandbox-ids",
            "In development the hash is of `dev:` and the tenant id",
            &["ID-001"],
        )
        .parts(|parts| {
            if parts.variant == Variant::DevMode {
                derived(parts, |basis| short(&format!("dev:{}", basis.id())));
            }
        }),
    );
    all
}

type Entry = (&'static str, &'static str, &'static [&'static str], Rule);

fn hashed_otherwise() -> Vec<Entry> {
    vec![
        (
            "hash-of-the-slug",
            "The sandbox id is made of the slug",
            &["ID-004", "ID-005"],
            |basis| short(basis.slug),
        ),
        (
            "hash-of-the-upper-case-id",
            "The sandbox id is made of the tenant id in upper case",
            &["ID-004"],
            |basis| short(&basis.id().to_ascii_uppercase()),
        ),
        (
            "hash-of-the-id-s-bytes",
            "The sandbox id is made of the sixteen bytes of the tenant id",
            &["ID-004"],
            |basis| {
                let digits = basis.id().replace('-', "");
                let bytes = HEXLOWER.decode(digits.as_bytes()).unwrap_or_default();
                format!("sk-{}", &hex(&SHA256, &bytes)[..16])
            },
        ),
        (
            "hash-of-the-id-without-hyphens",
            "The sandbox id is made of the tenant id without its hyphens",
            &["ID-004"],
            |basis| short(&basis.id().replace('-', "")),
        ),
        (
            "hash-of-the-id-and-a-line-break",
            "The sandbox id is made of the tenant id and a line break",
            &["ID-004"],
            |basis| short(&format!("{}\n", basis.id())),
        ),
        (
            "hash-by-sha-1",
            "The sandbox id is made with SHA-1",
            &["ID-004"],
            |basis| {
                format!(
                    "sk-{}",
                    &hex(&SHA1_FOR_LEGACY_USE_ONLY, basis.id().as_bytes())[..16]
                )
            },
        ),
        (
            "sandbox-id-without-hash",
            "The sandbox id has the first sixteen digits of the tenant id itself",
            &["ID-004"],
            |basis| format!("sk-{}", &basis.id().replace('-', "")[..16]),
        ),
    ]
}

fn written_otherwise() -> Vec<Entry> {
    vec![
        (
            "fifteen-digits",
            "The sandbox id has fifteen digits",
            &["ID-002", "ID-003"],
            |basis| format!("sk-{}", &whole(&basis.id())[..15]),
        ),
        (
            "seventeen-digits",
            "The sandbox id has seventeen digits",
            &["ID-002", "ID-003"],
            |basis| format!("sk-{}", &whole(&basis.id())[..17]),
        ),
        (
            "whole-hash",
            "The sandbox id has all 64 digits of the hash",
            &["ID-002", "ID-003", "ID-009"],
            |basis| format!("sk-{}", whole(&basis.id())),
        ),
        (
            "digits-in-upper-case",
            "The digits of a sandbox id are in upper case",
            &["ID-003"],
            |basis| format!("sk-{}", whole(&basis.id())[..16].to_ascii_uppercase()),
        ),
        (
            "sandbox-id-without-prefix",
            "The sandbox id has no prefix",
            &["ID-002", "ID-003"],
            |basis| whole(&basis.id())[..16].to_owned(),
        ),
        (
            "prefix-with-underscore",
            "The prefix of a sandbox id ends in an underscore",
            &["ID-003", "ID-009"],
            |basis| format!("sk_{}", &whole(&basis.id())[..16]),
        ),
        (
            "base64-in-place-of-digits",
            "The hash is written in base64",
            &["ID-003"],
            |basis| {
                let hash = digest::digest(&SHA256, basis.id().as_bytes());
                format!("sk-{}", &BASE64URL_NOPAD.encode(hash.as_ref())[..16])
            },
        ),
        (
            "leading-zeros-of-the-number-are-lost",
            "The hash is written as a number, without its leading zeros",
            &["ID-002", "ID-003"],
            |basis| format!("sk-{}", whole(&basis.id())[..16].trim_start_matches('0')),
        ),
        (
            "leading-zeros-of-the-bytes-are-lost",
            "Each byte of the hash is written as a number, without its leading zero",
            &["ID-002", "ID-003"],
            |basis| {
                let hash = digest::digest(&SHA256, basis.id().as_bytes());
                let digits = hash.as_ref()[..8].iter().map(|byte| format!("{byte:x}"));
                format!("sk-{}", digits.collect::<String>())
            },
        ),
    ]
}

fn made_of_more() -> Vec<Entry> {
    vec![
        (
            "platform-in-the-hash",
            "The sandbox id is made of platform and tenant id",
            &["ID-004", "ID-005"],
            |basis| short(&format!("{}:{}", basis.record.platform, basis.id())),
        ),
        (
            "time-in-the-hash",
            "The sandbox id is made of the tenant id and the time of its creation",
            &["ID-005"],
            |basis| short(&format!("{}{}", basis.id(), basis.record.created_at)),
        ),
        (
            "sandbox-id-by-chance",
            "The sandbox id is drawn by lot",
            &["ID-004", "ID-005"],
            |_basis| short(&uuid::Uuid::new_v4().to_string()),
        ),
        (
            "hash-of-the-id-as-spelled",
            "The sandbox id is made of the tenant id as the operator spelled it",
            &["ID-008"],
            |basis| short(basis.spelled),
        ),
        (
            "sandbox-id-of-a-deleted-tenant-is-retired",
            "A deleted tenant that is made again gets another sandbox id, since its own one was used",
            &["ID-004"],
            |basis| {
                let again = if basis.is_made_again { "#1" } else { "" };
                short(&format!("{}{again}", basis.id()))
            },
        ),
    ]
}

fn hex(algorithm: &'static Algorithm, bytes: &[u8]) -> String {
    HEXLOWER.encode(digest::digest(algorithm, bytes).as_ref())
}

fn whole(text: &str) -> String {
    hex(&SHA256, text.as_bytes())
}

fn short(text: &str) -> String {
    format!("sk-{}", &whole(text)[..16])
}

/// Puts the rule's ids in the place of the right ones in D1, in the words to AI Gateway and in every answer.
fn derived(parts: &mut Parts, rule: Rule) {
    let ids = Arc::new(Ids {
        rule,
        asked: Mutex::default(),
        deleted: Mutex::default(),
        made: Mutex::default(),
        stored: Mutex::default(),
    });
    stores::tenants(&mut parts.ports, Rows(Arc::clone(&ids)));
    if let Some(inner) = parts.ports.gateway.take() {
        let ids = Arc::clone(&ids);
        parts.ports.gateway = Some(Arc::new(Metadata { inner, ids }));
    }
    parts.caller = Some(Arc::new(Answers(ids)));
}

struct Ids {
    rule: Rule,
    /// By tenant id: the id as spelled, and the slug.
    asked: Mutex<BTreeMap<TenantId, (String, String)>>,
    deleted: Mutex<BTreeSet<TenantId>>,
    /// From the right id to the one in its place.
    made: Mutex<BTreeMap<String, String>>,
    /// Everything that was ever stored of a tenant.
    stored: Mutex<BTreeSet<(TenantId, String)>>,
}

impl Ids {
    fn make(&self, record: &TenantRecord) -> String {
        let asked = held(&self.asked).get(&record.id).cloned();
        let (spelled, slug) = asked.unwrap_or_default();
        let made = (self.rule)(&Basis {
            record,
            spelled: &spelled,
            slug: &slug,
            is_made_again: held(&self.deleted).contains(&record.id),
        });
        held(&self.made).insert(record.sandbox_id.clone(), made.clone());
        held(&self.stored).insert((record.id, made.clone()));
        made
    }

    /// The record as the backend wants it, unless somebody else has changed it.
    fn right(&self, mut record: TenantRecord) -> TenantRecord {
        let stored = (record.id, record.sandbox_id.clone());
        if held(&self.stored).contains(&stored) {
            record.sandbox_id = SandboxId::derive(&record.id).to_string();
        }
        record
    }

    fn in_place_of(&self, right: &str) -> Option<String> {
        held(&self.made).get(right).cloned()
    }

    fn change(&self, value: &mut Value) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    match member.as_str().and_then(|right| self.in_place_of(right)) {
                        Some(other) if name == "sandbox_id" => *member = json!(other),
                        Some(_) | None => self.change(member),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.change(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

struct Rows(Arc<Ids>);

#[async_trait]
impl OtherTenants for Rows {
    async fn by_id(
        &self,
        inner: &dyn TenantStore,
        id: TenantId,
    ) -> Result<Option<TenantRecord>, StoreError> {
        Ok(inner.by_id(id).await?.map(|record| self.0.right(record)))
    }

    async fn insert(
        &self,
        inner: &dyn TenantStore,
        record: &TenantRecord,
    ) -> Result<(), StoreError> {
        let mut other = record.clone();
        other.sandbox_id = self.0.make(record);
        inner.insert(&other).await
    }

    async fn update(
        &self,
        inner: &dyn TenantStore,
        id: TenantId,
        change: &TenantChange,
    ) -> Result<Option<TenantRecord>, StoreError> {
        let record = inner.update(id, change).await?;
        Ok(record.map(|record| self.0.right(record)))
    }

    async fn delete(&self, inner: &dyn TenantStore, id: TenantId) -> Result<bool, StoreError> {
        held(&self.0.deleted).insert(id);
        inner.delete(id).await
    }
}

struct Metadata {
    inner: Arc<dyn AiGateway>,
    ids: Arc<Ids>,
}

#[async_trait]
impl AiGateway for Metadata {
    async fn call(&self, mut call: UpstreamCall) -> Result<UpstreamAnswer, UpstreamError> {
        if let Ok(mut metadata) = serde_json::from_str::<Value>(&call.metadata_json) {
            self.ids.change(&mut metadata);
            call.metadata_json = metadata.to_string();
        }
        self.inner.call(call).await
    }
}

struct Answers(Arc<Ids>);

#[async_trait]
impl Tamper for Answers {
    async fn pass(&self, mut ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        self.note(&mut ask);
        let mut told = upstream.send(&ask).await?;
        edit(&mut told, |body| self.0.change(body));
        Ok(told)
    }
}

impl Answers {
    /// Keeps what a creation asks for; one without an id is given one, so that the slug is known by it.
    fn note(&self, ask: &mut Ask) {
        if ask.method != hyper::Method::POST || ask.route() != "/api/admin/tenants" {
            return;
        }
        let mut body = ask.json();
        let Some(slug) = body["slug"].as_str().map(str::to_owned) else {
            return;
        };
        if body.get("id").is_none() {
            body["id"] = json!(TenantId::random().to_string());
            ask.body = body.to_string().into();
        }
        let spelled = body["id"].as_str().unwrap_or_default().to_owned();
        if let Ok(id) = TenantId::parse(&spelled) {
            held(&self.0.asked).insert(id, (spelled, slug));
        }
    }
}
