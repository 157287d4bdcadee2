//! Backends that keep what is one request's where all requests see it. Never errs while one request follows the other alone.

use crate::reference::altered::Parts;
use crate::reference::deviants::answers::edit;
use crate::reference::deviants::calls::{self, OtherCalls};
use crate::reference::deviants::directory::Directory;
use crate::reference::deviants::layer::after;
use crate::reference::deviants::stores::{self, OtherRegistry, OtherUsage};
use crate::reference::deviants::{Draft, deviant};
use crate::tamper::{Ask, Tamper, Told, Unanswered, Upstream};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use moltworker_reference::domain::sandbox_id::SandboxId;
use moltworker_reference::domain::tenant::TenantId;
use moltworker_reference::domain::usage::UsageRow;
use moltworker_reference::ports::{
    AiGateway, GatewayStatus, Registry, SandboxRuntime, StoreError, UpstreamAnswer, UpstreamCall,
    UpstreamError, UsageStore,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What is kept between requests.
type Kept<T> = Arc<Mutex<Option<T>>>;

fn put<T>(kept: &Kept<T>, value: T) {
    *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
}

fn take_a_look<T: Clone>(kept: &Kept<T>) -> Option<T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Completions are kept by a key that a caller chooses.
fn by_idempotency_key() -> Draft {
    deviant(
        "answers-remembered-by-their-idempotency-key",
        "A chat whose Idempotency-Key was there before gets the answer of that one, whoever it was",
        &["ISO-001"],
    )
    .parts(|parts| {
        // A chat without such a header is like no other.
        let by_key = |ask: &Ask| {
            let key = ask.header("idempotency-key").map(str::to_owned);
            key.unwrap_or_else(|| uuid::Uuid::new_v4().to_string())
        };
        parts.caller = Some(Arc::new(Remembered {
            method: hyper::Method::POST,
            path: "/v1/chat/completions",
            ..Remembered::by(by_key)
        }));
    })
}

pub(super) fn all() -> Vec<Draft> {
    vec![
        by_idempotency_key(),
        deviant(
            "tenant-kept-between-requests",
            "The tenant to be billed is kept in a variable of the isolate",
            &["ISO-003"],
        )
        .parts(|parts| {
            let last: Kept<TenantId> = Arc::default();
            stores::registry(&mut parts.ports, Notes(Arc::clone(&last)));
            stores::usage(&mut parts.ports, BilledToLast(last));
        }),
        deviant(
            "slug-kept-between-requests",
            "The slug of a status answer is kept in a variable of the isolate",
            &["ISO-003"],
        )
        .parts(|parts| parts.caller = Some(Arc::new(StatusOfLast(Arc::default())))),
        deviant(
            "slug-of-a-hostname-remembered",
            "The slug that the status tells at a custom hostname is remembered by that hostname",
            &["ISO-003", "RES-015"],
        )
        .parts(slugs_of_hostnames),
        deviant(
            "metadata-made-once-for-each-tier",
            "The metadata of a tier's first model call is sent with all of that tier",
            &["ISO-001", "ISO-003"],
        )
        .parts(|parts| metadata(parts, |own| own["tier"].to_string())),
        deviant(
            "metadata-made-once-for-each-tenant",
            "The metadata of a tenant's first model call is sent with all of its tier and platform",
            &["AIG-016"],
        )
        .parts(|parts| {
            metadata(parts, |own| {
                format!("{} {} {}", own["tenant_id"], own["tier"], own["platform"])
            });
        }),
        deviant(
            "answers-remembered-without-their-host",
            "An answer to a GET is remembered by its path alone",
            &["RES-001", "ISO-001"],
        )
        .parts(|parts| parts.caller = Some(Arc::new(Remembered::by(|ask| ask.path.clone())))),
        deviant(
            "completions-remembered-for-everybody",
            "A chat that somebody has sent before is answered from memory, whoever that was",
            &["ISO-001"],
        )
        .parts(|parts| {
            let by_words = |ask: &Ask| ask.json()["messages"].to_string();
            parts.caller = Some(Arc::new(Remembered {
                method: hyper::Method::POST,
                path: "/v1/chat/completions",
                ..Remembered::by(by_words)
            }));
        }),
        deviant(
            "one-text-decoder-for-all-streams",
            "What a chunk leaves of a character is put before the next chunk of any stream",
            &["ISO-003"],
        )
        .parts(|parts| calls::calls(&mut parts.ports, OneDecoder::default())),
        deviant(
            "one-gateway-for-everybody",
            "All tenants share the gateway that was started first",
            &["ISO-003"],
        )
        .parts(|parts| {
            if let Some(inner) = parts.ports.runtime.take() {
                let first = Arc::default();
                parts.ports.runtime = Some(Arc::new(Shared { inner, first }));
            }
        }),
        deviant(
            "gateway-state-of-the-oldest-tenant",
            "Every tenant is told the state of the oldest one's gateway",
            &["ISO-001"],
        )
        .parts(|parts| {
            let directory = Directory::of(parts);
            if let Some(inner) = parts.ports.runtime.take() {
                parts.ports.runtime = Some(Arc::new(OfOldest { inner, directory }));
            }
        }),
    ]
}

struct Notes(Kept<TenantId>);

#[async_trait]
impl OtherRegistry for Notes {
    async fn by_slug(
        &self,
        inner: &dyn Registry,
        slug: &str,
    ) -> Result<Option<TenantId>, StoreError> {
        let found = inner.by_slug(slug).await?;
        if let Some(id) = found {
            put(&self.0, id);
        }
        Ok(found)
    }
}

/// The bytes of a character that is not whole yet.
#[derive(Clone, Default)]
struct OneDecoder(Arc<Mutex<Vec<u8>>>);

impl OneDecoder {
    /// The text that is whole with this chunk.
    fn decode(&self, chunk: &[u8]) -> Bytes {
        let mut rest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rest.extend_from_slice(chunk);
        let whole = match std::str::from_utf8(&rest) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Ok(_) | Err(_) => rest.len(),
        };
        let text: Vec<u8> = rest.drain(..whole).collect();
        Bytes::from(String::from_utf8_lossy(&text).into_owned())
    }
}

#[async_trait]
impl OtherCalls for OneDecoder {
    async fn call(
        &self,
        inner: &dyn AiGateway,
        call: UpstreamCall,
    ) -> Result<UpstreamAnswer, UpstreamError> {
        let mut answer = inner.call(call).await?;
        if calls::is_stream(&answer) {
            let decoder = self.clone();
            let body = calls::take_body(&mut answer);
            answer.body = body
                .map(move |part| part.map(|chunk| decoder.decode(&chunk)))
                .boxed();
        }
        Ok(answer)
    }
}

fn slugs_of_hostnames(parts: &mut Parts) {
    let slugs: Mutex<BTreeMap<String, Value>> = Mutex::default();
    parts.caller = after(move |ask, told| {
        let is_own = !ask.host().contains(".moltworker.example");
        if is_own && ask.route() == "/api/status" && told.status == 200 {
            edit(told, |body| {
                let mut slugs = slugs.lock().unwrap_or_else(PoisonError::into_inner);
                let slug = slugs.entry(ask.host().to_owned());
                body["tenant"] = slug.or_insert_with(|| body["tenant"].clone()).clone();
            });
        }
    });
}

struct BilledToLast(Kept<TenantId>);

#[async_trait]
impl OtherUsage for BilledToLast {
    async fn insert(&self, inner: &dyn UsageStore, row: &UsageRow) -> Result<(), StoreError> {
        let mut row = row.clone();
        row.tenant_id = take_a_look(&self.0).unwrap_or(row.tenant_id);
        inner.insert(&row).await
    }
}

struct StatusOfLast(Kept<String>);

#[async_trait]
impl Tamper for StatusOfLast {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let is_status = ask.route() == "/api/status" && ask.host().contains(".moltworker.example");
        if is_status {
            let slug = ask.host().split('.').next().unwrap_or_default();
            put(&self.0, slug.to_ascii_lowercase());
        }
        let mut told = upstream.send(&ask).await?;
        if is_status && told.status == 200 {
            edit(&mut told, |body| {
                body["tenant"] = json!(take_a_look(&self.0));
            });
        }
        Ok(told)
    }
}

/// Metadata is made once for all calls that `by` (their own metadata) names alike.
fn metadata(parts: &mut Parts, by: fn(&Value) -> String) {
    if let Some(inner) = parts.ports.gateway.take() {
        let made = Mutex::default();
        parts.ports.gateway = Some(Arc::new(MadeOnce { inner, by, made }));
    }
}

struct MadeOnce {
    inner: Arc<dyn AiGateway>,
    by: fn(&Value) -> String,
    made: Mutex<BTreeMap<String, String>>,
}

#[async_trait]
impl AiGateway for MadeOnce {
    async fn call(&self, mut call: UpstreamCall) -> Result<UpstreamAnswer, UpstreamError> {
        let own: Value = serde_json::from_str(&call.metadata_json).unwrap_or_default();
        call.metadata_json = {
            let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            made.entry((self.by)(&own))
                .or_insert(call.metadata_json)
                .clone()
        };
        self.inner.call(call).await
    }
}

/// Whole answers with status 200, remembered.
struct Remembered {
    method: hyper::Method,
    path: &'static str,
    by: fn(&Ask) -> String,
    answers: Mutex<BTreeMap<String, (hyper::HeaderMap, bytes::Bytes)>>,
}

impl Remembered {
    fn by(by: fn(&Ask) -> String) -> Self {
        Self {
            method: hyper::Method::GET,
            path: "/api/status",
            by,
            answers: Mutex::default(),
        }
    }
}

#[async_trait]
impl Tamper for Remembered {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        if ask.method != self.method || ask.route() != self.path {
            return upstream.send(&ask).await;
        }
        let name = (self.by)(&ask);
        let kept = {
            let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            answers.get(&name).cloned()
        };
        if let Some((headers, body)) = kept {
            let mut told = Told::new(200, "application/json", body);
            told.headers = headers;
            return Ok(told);
        }
        let told = upstream.send(&ask).await?;
        if let (200, crate::tamper::Content::Whole(body)) = (told.status, &told.content) {
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            answers.insert(name, (told.headers.clone(), body.clone()));
        }
        Ok(told)
    }
}

struct Shared {
    inner: Arc<dyn SandboxRuntime>,
    first: Kept<SandboxId>,
}

#[async_trait]
impl SandboxRuntime for Shared {
    async fn start(&self, sandbox: SandboxId) -> Result<GatewayStatus, StoreError> {
        let first = take_a_look(&self.first);
        if first.is_none() {
            put(&self.first, sandbox);
        }
        self.inner.start(first.unwrap_or(sandbox)).await
    }

    async fn status(&self, sandbox: SandboxId) -> Result<GatewayStatus, StoreError> {
        let first = take_a_look(&self.first);
        self.inner.status(first.unwrap_or(sandbox)).await
    }

    async fn destroy(&self, sandbox: SandboxId) -> Result<(), StoreError> {
        self.inner.destroy(sandbox).await
    }
}

struct OfOldest {
    inner: Arc<dyn SandboxRuntime>,
    directory: Directory,
}

#[async_trait]
impl SandboxRuntime for OfOldest {
    async fn start(&self, sandbox: SandboxId) -> Result<GatewayStatus, StoreError> {
        self.inner.start(sandbox).await
    }

    async fn status(&self, sandbox: SandboxId) -> Result<GatewayStatus, StoreError> {
        let oldest = self.directory.all().first().map(|known| known.id);
        let asked = oldest.map_or(sandbox, |id| SandboxId::derive(&id));
        self.inner.status(asked).await
    }

    async fn destroy(&self, sandbox: SandboxId) -> Result<(), StoreError> {
        self.inner.destroy(sandbox).await
    }
}
