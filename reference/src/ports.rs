//! What the application needs of the outside world, as traits. Never says how it is done.
//!
//! Every port can be wrapped from outside: an [`crate::app::App`] takes them as `Arc<dyn …>`.

use crate::domain::sandbox_id::SandboxId;
use crate::domain::tenant::{TenantId, TenantNames, TenantRecord};
use crate::domain::usage::UsageRow;
use async_trait::async_trait;
use std::time::Duration;

/// A store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store is busy or overloaded: the same call may succeed later.
    #[error("store is busy")]
    Busy(#[source] Source),
    /// A key or unique column is already taken.
    #[error("{column} is already in use")]
    Conflict {
        /// `table.column`, as the database names it.
        column: String,
    },
    /// A referenced row does not exist.
    #[error("a referenced row does not exist")]
    MissingReference,
    /// Anything else: the store is broken or out of reach.
    #[error("store is unavailable")]
    Unavailable(#[source] Source),
}

/// Why a lower layer failed.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// Time.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Wall time, epoch milliseconds.
    fn now_ms(&self) -> i64;
    /// Time since an arbitrary start; never goes back.
    fn monotonic(&self) -> Duration;
    /// Returns after `duration` of this clock's time.
    async fn sleep(&self, duration: Duration);
}

/// One page of a keyset-paged listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// In key order.
    pub items: Vec<T>,
    /// Where the next page starts; `None` at the end.
    pub next_cursor: Option<String>,
}

/// Changes to a tenant record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantChange {
    /// New platform, if it changes.
    pub platform: Option<String>,
    /// New tier name, if it changes.
    pub tier: Option<String>,
    /// Epoch milliseconds.
    pub updated_at: i64,
}

/// `tenants` in D1.
#[async_trait]
pub trait TenantStore: Send + Sync {
    /// The record of this id.
    async fn by_id(&self, id: TenantId) -> Result<Option<TenantRecord>, StoreError>;
    /// The record that holds this sandbox id.
    async fn by_sandbox_id(&self, id: SandboxId) -> Result<Option<TenantRecord>, StoreError>;
    /// Inserts; `Conflict` with `tenants.id` or `tenants.sandbox_id` writes nothing.
    async fn insert(&self, record: &TenantRecord) -> Result<(), StoreError>;
    /// Updates; `None` if there is no such tenant.
    async fn update(
        &self,
        id: TenantId,
        change: &TenantChange,
    ) -> Result<Option<TenantRecord>, StoreError>;
    /// Deletes with its usage; whether there was one.
    async fn delete(&self, id: TenantId) -> Result<bool, StoreError>;
    /// Lists by id, from after `cursor`, `limit` 1 to 1000.
    async fn list(
        &self,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<TenantRecord>, StoreError>;
}

/// The registry in KV: slug and custom hostname to tenant id.
#[async_trait]
pub trait Registry: Send + Sync {
    /// Tenant id behind a slug. A malformed entry counts as none.
    async fn by_slug(&self, slug: &str) -> Result<Option<TenantId>, StoreError>;
    /// Tenant id behind a custom hostname.
    async fn by_host(&self, host: &str) -> Result<Option<TenantId>, StoreError>;
    /// The names of a tenant.
    async fn names(&self, tenant: TenantId) -> Result<Option<TenantNames>, StoreError>;
    /// Claims the names for a tenant in one transaction, giving up those of its former names that are not among them.
    /// `Conflict` with `slug` or `domain` if one belongs to another tenant; then nothing is written.
    async fn claim(&self, tenant: TenantId, names: &TenantNames) -> Result<(), StoreError>;
    /// Removes every name of a tenant.
    async fn release(&self, tenant: TenantId) -> Result<(), StoreError>;
}

/// KV entries of a sandbox: the key of every call is put below `<sandbox_id>/` by the adapter (ISO-004).
#[async_trait]
pub trait SandboxKv: Send + Sync {
    /// The value, unless expired.
    async fn get(&self, sandbox: SandboxId, key: &str) -> Result<Option<String>, StoreError>;
    /// Stores; `ttl` as in KV, at least 60 s.
    async fn put(
        &self,
        sandbox: SandboxId,
        key: &str,
        value: &str,
        ttl: Option<Duration>,
    ) -> Result<(), StoreError>;
    /// Removes every entry of a sandbox.
    async fn clear(&self, sandbox: SandboxId) -> Result<(), StoreError>;
}

/// R2 objects of a sandbox: the key of every call is put below `<sandbox_id>/` by the adapter (ISO-004).
#[async_trait]
pub trait SandboxBucket: Send + Sync {
    /// The object's bytes.
    async fn get(&self, sandbox: SandboxId, key: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// Stores, whole or not at all.
    async fn put(&self, sandbox: SandboxId, key: &str, bytes: &[u8]) -> Result<(), StoreError>;
    /// Removes every object of a sandbox.
    async fn clear(&self, sandbox: SandboxId) -> Result<(), StoreError>;
}

/// Which usage rows to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRange {
    /// Inclusive, epoch milliseconds.
    pub from_ms: i64,
    /// Exclusive, epoch milliseconds.
    pub to_ms: i64,
    /// Where the last page ended.
    pub cursor: Option<String>,
    /// 1 to 1000.
    pub limit: u32,
}

/// `usage` in D1.
#[async_trait]
pub trait UsageStore: Send + Sync {
    /// Writes one row durably; a row whose id is there already is a success (USG-010). Concurrent calls share a commit.
    async fn insert(&self, row: &UsageRow) -> Result<(), StoreError>;
    /// Rows of one tenant, by time.
    async fn list(
        &self,
        tenant: TenantId,
        range: &UsageRange,
    ) -> Result<Page<UsageRow>, StoreError>;
}

/// One call to AI Gateway. The adapter adds the endpoint, `cf-aig-authorization` and nothing else.
#[derive(Debug, Clone)]
pub struct UpstreamCall {
    /// Sent as `cf-aig-metadata`.
    pub metadata_json: String,
    /// The OpenAI body, its model set.
    pub body: bytes::Bytes,
    /// Stated upstream as `cf-aig-request-timeout` and enforced: time to the first byte of the answer's body.
    pub first_byte_timeout: Duration,
}

/// Why a call brought no answer at all.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No first byte in time.
    #[error("no first byte in time")]
    Timeout,
    /// Connection refused, reset or cut, or an answer that stopped half-way.
    #[error("no connection to the gateway")]
    Connection(#[source] Source),
}

/// An answer whose head and first byte are here (or whose body is empty).
pub struct UpstreamAnswer {
    /// HTTP status.
    pub status: u16,
    /// `content-type`, lower-case, without parameters.
    pub content_type: String,
    /// The body as it comes; dropping it cancels the call upstream.
    pub body: futures_util::stream::BoxStream<'static, Result<bytes::Bytes, UpstreamError>>,
}

/// Cloudflare AI Gateway.
#[async_trait]
pub trait AiGateway: Send + Sync {
    /// Makes one call; no retry, no redirect.
    async fn call(&self, call: UpstreamCall) -> Result<UpstreamAnswer, UpstreamError>;
}

/// What a limiter says of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateDecision {
    /// Whether it is let in; then it has been counted.
    pub admitted: bool,
    /// The quota.
    pub limit: u32,
    /// Places left after this request.
    pub remaining: u32,
    /// Until the oldest counted request leaves the window: whole seconds, rounded up, 1 to period.
    pub reset_seconds: u64,
}

/// Exact rate limits: at most `limit` admissions in any interval of one period (RL-010).
pub trait RateLimiter: Send + Sync {
    /// Counts a request under `key`, unless the quota is used up.
    fn admit(&self, key: &str, limit: u32, period: Duration) -> RateDecision;
}

/// The key set of the Access team domain.
#[async_trait]
pub trait AccessKeys: Send + Sync {
    /// The key of this id. `Ok(None)`: the set does not list it. `Err`: no set could be had.
    async fn key(
        &self,
        kid: &str,
    ) -> Result<Option<std::sync::Arc<jsonwebtoken::DecodingKey>>, KeySetUnavailable>;
}

/// The key set cannot be fetched and none is cached.
#[derive(Debug, thiserror::Error)]
#[error("the key set is unavailable")]
pub struct KeySetUnavailable(#[source] pub Source);

/// State of a sandbox's gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayStatus {
    /// Where it stands.
    pub state: GatewayState,
    /// Names one run of the gateway; `None` while stopped.
    pub instance_id: Option<uuid::Uuid>,
    /// Epoch milliseconds; `None` while stopped.
    pub started_at: Option<i64>,
}

/// Where a gateway stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatewayState {
    /// Not running.
    Stopped,
    /// Being started.
    Starting,
    /// Running.
    Running,
}

/// Sandboxes and the OpenClaw gateway in each.
#[async_trait]
pub trait SandboxRuntime: Send + Sync {
    /// Starts the gateway, or joins a start under way, or finds it running: one gateway whatever the number of calls (SMK-004).
    async fn start(&self, sandbox: SandboxId) -> Result<GatewayStatus, StoreError>;
    /// How it stands.
    async fn status(&self, sandbox: SandboxId) -> Result<GatewayStatus, StoreError>;
    /// Stops it and forgets its state.
    async fn destroy(&self, sandbox: SandboxId) -> Result<(), StoreError>;
}

/// Severity of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For the developer.
    Debug,
    /// What happened.
    Info,
    /// Worth a look.
    Warn,
    /// Worth an alarm.
    Error,
}

/// Takes log lines. Lines are redacted before they get here.
pub trait LogSink: Send + Sync {
    /// One JSON object without line break.
    fn line(&self, level: Level, json: &str);
}
