//! Ports under the tests' control. Never slower than the test wants.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use jsonwebtoken::DecodingKey;
use moltworker_reference::clock::ManualClock;
use moltworker_reference::domain::sandbox_id::SandboxId;
use moltworker_reference::domain::tenant::{TenantId, TenantNames, TenantRecord};
use moltworker_reference::domain::usage::UsageRow;
use moltworker_reference::ports::{
    AccessKeys, AiGateway, Clock, KeySetUnavailable, Level, LogSink, Page, Registry, StoreError,
    TenantChange, TenantStore, UpstreamAnswer, UpstreamCall, UpstreamError, UsageRange, UsageStore,
};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;

/// Longer sleeps are deadlines, which wait for the test to advance the clock.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// A clock whose short pauses pass at once and are written down.
pub(crate) struct PromptClock {
    pub(crate) manual: ManualClock,
    pub(crate) pauses: Mutex<Vec<Duration>>,
}

impl PromptClock {
    pub(crate) fn new() -> Self {
        Self {
            manual: ManualClock::new(1_800_000_000_000),
            pauses: Mutex::default(),
        }
    }
}

#[async_trait]
impl Clock for PromptClock {
    fn now_ms(&self) -> i64 {
        self.manual.now_ms()
    }
    fn monotonic(&self) -> Duration {
        self.manual.monotonic()
    }
    async fn sleep(&self, duration: Duration) {
        if duration > PAUSE_MAX {
            return self.manual.sleep(duration).await;
        }
        self.pauses.lock().unwrap().push(duration);
        self.manual.advance(duration);
    }
}

/// Keeps log lines.
#[derive(Default)]
pub(crate) struct Lines(Mutex<Vec<String>>);

impl Lines {
    pub(crate) fn events(&self, name: &str) -> Vec<Value> {
        let lines = self.0.lock().unwrap();
        lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .filter(|line: &Value| line["event"] == name)
            .collect()
    }

    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

impl LogSink for Lines {
    fn line(&self, _level: Level, json: &str) {
        self.0.lock().unwrap().push(json.to_owned());
    }
}

/// What the gateway does with one call.
pub(crate) enum Reply {
    Json(u16, Value),
    Text(u16, &'static str, Vec<u8>),
    /// Chunks as the test sends them; `Err(())` cuts the stream.
    Events(mpsc::Receiver<Result<&'static str, ()>>),
    Timeout,
    Refused,
    Panic,
}

/// Answers calls from a script, then with a plain success.
#[derive(Default)]
pub(crate) struct ScriptedGateway {
    pub(crate) replies: Mutex<VecDeque<Reply>>,
    pub(crate) calls: Mutex<Vec<UpstreamCall>>,
}

impl ScriptedGateway {
    pub(crate) fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        self.replies.lock().unwrap().extend(replies);
    }

    pub(crate) fn models(&self) -> Vec<String> {
        let model = |call: &UpstreamCall| {
            serde_json::from_slice::<Value>(&call.body).unwrap()["model"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        self.calls.lock().unwrap().iter().map(model).collect()
    }
}

pub(crate) fn native_success() -> Value {
    json!({"result": {"response": "hi", "usage": {"prompt_tokens": 3, "completion_tokens": 4}}, "success": true, "errors": []})
}

fn answer(status: u16, content_type: &str, body: Vec<u8>) -> UpstreamAnswer {
    let body = futures_util::stream::once(async move { Ok(Bytes::from(body)) }).boxed();
    UpstreamAnswer {
        status,
        content_type: content_type.to_owned(),
        body,
    }
}

#[async_trait]
impl AiGateway for ScriptedGateway {
    async fn call(&self, call: UpstreamCall) -> Result<UpstreamAnswer, UpstreamError> {
        self.calls.lock().unwrap().push(call);
        let reply = self.replies.lock().unwrap().pop_front();
        match reply.unwrap_or_else(|| Reply::Json(200, native_success())) {
            Reply::Json(status, value) => Ok(answer(
                status,
                "application/json",
                value.to_string().into_bytes(),
            )),
            Reply::Text(status, content_type, body) => Ok(answer(status, content_type, body)),
            Reply::Events(receiver) => {
                let chunks = futures_util::stream::unfold(receiver, async |mut receiver| {
                    Some((receiver.recv().await?, receiver))
                });
                let body = chunks
                    .map(|chunk| {
                        chunk
                            .map(Bytes::from)
                            .map_err(|()| UpstreamError::Connection("cut".into()))
                    })
                    .boxed();
                Ok(UpstreamAnswer {
                    status: 200,
                    content_type: "text/event-stream".to_owned(),
                    body,
                })
            }
            Reply::Timeout => Err(UpstreamError::Timeout),
            Reply::Refused => Err(UpstreamError::Connection("refused".into())),
            Reply::Panic => panic!("a defect of the adapter"),
        }
    }
}

/// A key set of one key.
pub(crate) struct OneKey {
    pub(crate) kid: &'static str,
    pub(crate) key: Arc<DecodingKey>,
    pub(crate) reachable: AtomicBool,
}

#[async_trait]
impl AccessKeys for OneKey {
    async fn key(&self, kid: &str) -> Result<Option<Arc<DecodingKey>>, KeySetUnavailable> {
        if !self.reachable.load(Ordering::Relaxed) {
            return Err(KeySetUnavailable("unreachable".into()));
        }
        Ok((kid == self.kid).then(|| Arc::clone(&self.key)))
    }
}

/// Fails as often as it is told to, then works.
pub(crate) struct Failing<S> {
    pub(crate) inner: Arc<S>,
    pub(crate) failures: AtomicU32,
    /// Whether a failing write reaches the store all the same: its answer was lost.
    pub(crate) writes_anyway: bool,
}

impl<S> Failing<S> {
    fn fails(&self) -> bool {
        self.failures
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            })
            .is_ok()
    }

    fn busy() -> StoreError {
        StoreError::Busy("/var/lib/secret-path: SQLITE_BUSY".into())
    }
}

/// A store behind a trait object, so that [`Failing`] can hold it.
pub(crate) struct Usage(pub(crate) Arc<dyn UsageStore>);

#[async_trait]
impl UsageStore for Failing<Usage> {
    async fn insert(&self, row: &UsageRow) -> Result<(), StoreError> {
        if self.fails() {
            if self.writes_anyway {
                self.inner.0.insert(row).await?;
            }
            return Err(Self::busy());
        }
        self.inner.0.insert(row).await
    }
    async fn list(
        &self,
        tenant: TenantId,
        range: &UsageRange,
    ) -> Result<Page<UsageRow>, StoreError> {
        self.inner.0.list(tenant, range).await
    }
}

/// See [`Usage`].
pub(crate) struct Tenants(pub(crate) Arc<dyn TenantStore>);

#[async_trait]
impl TenantStore for Failing<Tenants> {
    async fn by_id(&self, id: TenantId) -> Result<Option<TenantRecord>, StoreError> {
        if self.fails() {
            Err(Self::busy())
        } else {
            self.inner.0.by_id(id).await
        }
    }
    async fn by_sandbox_id(&self, id: SandboxId) -> Result<Option<TenantRecord>, StoreError> {
        self.inner.0.by_sandbox_id(id).await
    }
    async fn insert(&self, record: &TenantRecord) -> Result<(), StoreError> {
        self.inner.0.insert(record).await
    }
    async fn update(
        &self,
        id: TenantId,
        change: &TenantChange,
    ) -> Result<Option<TenantRecord>, StoreError> {
        self.inner.0.update(id, change).await
    }
    async fn delete(&self, id: TenantId) -> Result<bool, StoreError> {
        self.inner.0.delete(id).await
    }
    async fn list(
        &self,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<TenantRecord>, StoreError> {
        self.inner.0.list(cursor, limit).await
    }
}

/// A registry that refuses every claim.
pub(crate) struct ClaimsFail(pub(crate) Arc<dyn Registry>);

#[async_trait]
impl Registry for ClaimsFail {
    async fn by_slug(&self, slug: &str) -> Result<Option<TenantId>, StoreError> {
        self.0.by_slug(slug).await
    }
    async fn by_host(&self, host: &str) -> Result<Option<TenantId>, StoreError> {
        self.0.by_host(host).await
    }
    async fn names(&self, tenant: TenantId) -> Result<Option<TenantNames>, StoreError> {
        self.0.names(tenant).await
    }
    async fn claim(&self, _tenant: TenantId, _names: &TenantNames) -> Result<(), StoreError> {
        Err(StoreError::Unavailable("disk".into()))
    }
    async fn release(&self, tenant: TenantId) -> Result<(), StoreError> {
        self.0.release(tenant).await
    }
}
