//! One gateway per sandbox, whatever happens to its callers and its bucket. Never waits for a length of time.

use super::*;
use crate::bucket::DirectoryBucket;
use crate::clock::ManualClock;
use crate::domain::tenant::TenantId;
use futures_util::future::join_all;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Semaphore;

const NOW_MS: i64 = 1_700_000_000_000;

/// A bucket whose writes wait for a permit, and fail on demand.
struct SlowBucket {
    bucket: DirectoryBucket,
    permits: Semaphore,
    fails: AtomicBool,
    _dir: tempfile::TempDir,
}

#[async_trait]
impl SandboxBucket for SlowBucket {
    async fn get(&self, sandbox: SandboxId, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.bucket.get(sandbox, key).await
    }

    async fn put(&self, sandbox: SandboxId, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.permits.acquire().await.unwrap().forget();
        if self.fails.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("of a test".into()));
        }
        self.bucket.put(sandbox, key, bytes).await
    }

    async fn clear(&self, sandbox: SandboxId) -> Result<(), StoreError> {
        self.bucket.clear(sandbox).await
    }
}

struct Backend {
    runtime: Arc<InProcessRuntime>,
    starts: Arc<Mutex<Vec<(SandboxId, Uuid)>>>,
}

fn backend(bucket: Option<Arc<SlowBucket>>) -> Backend {
    let starts = Arc::new(Mutex::new(Vec::new()));
    let started: Started = {
        let starts = Arc::clone(&starts);
        Arc::new(move |sandbox, instance| starts.lock().unwrap().push((sandbox, instance)))
    };
    let bucket = bucket.map(|bucket| bucket as Arc<dyn SandboxBucket>);
    let clock = Arc::new(ManualClock::new(NOW_MS));
    Backend {
        runtime: Arc::new(InProcessRuntime::new(bucket, clock, started)),
        starts,
    }
}

fn bucket(permits: usize) -> Arc<SlowBucket> {
    let dir = tempfile::tempdir().unwrap();
    Arc::new(SlowBucket {
        bucket: DirectoryBucket::open(dir.path()).unwrap(),
        permits: Semaphore::new(permits),
        fails: AtomicBool::new(false),
        _dir: dir,
    })
}

fn sandbox() -> SandboxId {
    SandboxId::derive(&TenantId::random())
}

async fn saved(bucket: &SlowBucket, sandbox: SandboxId) -> serde_json::Value {
    serde_json::from_slice(&bucket.get(sandbox, STATE_KEY).await.unwrap().unwrap()).unwrap()
}

/// Lets other tasks run until the gateway is in this state.
async fn until(runtime: &InProcessRuntime, sandbox: SandboxId, state: GatewayState) {
    while runtime.status(sandbox).await.unwrap().state != state {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_number_of_parallel_starts_gives_one_gateway() {
    let bucket = bucket(100);
    let Backend { runtime, starts } = backend(Some(Arc::clone(&bucket)));
    let sandbox = sandbox();
    assert_eq!(
        runtime.status(sandbox).await.unwrap(),
        Phase::Stopped.status()
    );
    let statuses = join_all((0..50).map(|_| {
        let runtime = Arc::clone(&runtime);
        tokio::spawn(async move { runtime.start(sandbox).await.unwrap() })
    }))
    .await;
    let first = statuses[0].as_ref().unwrap().clone();
    assert_eq!(
        (first.state, first.started_at),
        (GatewayState::Running, Some(NOW_MS))
    );
    assert!(
        statuses
            .iter()
            .all(|status| status.as_ref().unwrap() == &first)
    );
    assert_eq!(runtime.status(sandbox).await.unwrap(), first);
    assert_eq!(
        *starts.lock().unwrap(),
        [(sandbox, first.instance_id.unwrap())]
    );
    let state = saved(&bucket, sandbox).await;
    let expected = serde_json::json!({"instance_id": first.instance_id.unwrap().to_string(), "started_at": NOW_MS, "starts": 1});
    assert_eq!(state, expected);
}

#[tokio::test]
async fn after_a_restart_of_the_backend_the_gateway_is_stopped_and_its_history_counts_on() {
    let (bucket, sandbox) = (bucket(100), sandbox());
    let before = backend(Some(Arc::clone(&bucket)))
        .runtime
        .start(sandbox)
        .await
        .unwrap();
    let Backend { runtime, .. } = backend(Some(Arc::clone(&bucket)));
    assert_eq!(
        runtime.status(sandbox).await.unwrap(),
        Phase::Stopped.status()
    );
    let after = runtime.start(sandbox).await.unwrap();
    assert_ne!(before.instance_id, after.instance_id);
    assert_eq!(saved(&bucket, sandbox).await["starts"], 2);
}

#[tokio::test]
async fn a_start_whose_caller_goes_away_ends_running() {
    let bucket = bucket(0);
    let Backend { runtime, starts } = backend(Some(Arc::clone(&bucket)));
    let sandbox = sandbox();
    let caller = tokio::spawn({
        let runtime = Arc::clone(&runtime);
        async move { runtime.start(sandbox).await }
    });
    until(&runtime, sandbox, GatewayState::Starting).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    bucket.permits.add_permits(1);
    until(&runtime, sandbox, GatewayState::Running).await;
    runtime.start(sandbox).await.unwrap();
    assert_eq!(starts.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_start_that_fails_leaves_the_gateway_stopped_and_the_next_one_works() {
    let bucket = bucket(100);
    let Backend { runtime, starts } = backend(Some(Arc::clone(&bucket)));
    let sandbox = sandbox();
    bucket.fails.store(true, Ordering::SeqCst);
    assert!(matches!(
        runtime.start(sandbox).await,
        Err(StoreError::Unavailable(_))
    ));
    assert_eq!(
        runtime.status(sandbox).await.unwrap(),
        Phase::Stopped.status()
    );
    bucket.fails.store(false, Ordering::SeqCst);
    assert_eq!(
        runtime.start(sandbox).await.unwrap().state,
        GatewayState::Running
    );
    assert_eq!(starts.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_destroyed_sandbox_is_stopped_and_starts_without_history() {
    let bucket = bucket(100);
    let Backend { runtime, starts } = backend(Some(Arc::clone(&bucket)));
    let (sandbox, other) = (sandbox(), sandbox());
    runtime.start(sandbox).await.unwrap();
    let untouched = runtime.start(other).await.unwrap();
    let (first, second) = tokio::join!(runtime.destroy(sandbox), runtime.destroy(sandbox));
    first.and(second).unwrap();
    assert_eq!(
        runtime.status(sandbox).await.unwrap(),
        Phase::Stopped.status()
    );
    assert_eq!(bucket.get(sandbox, STATE_KEY).await.unwrap(), None);
    assert_eq!(runtime.status(other).await.unwrap(), untouched);
    runtime.start(sandbox).await.unwrap();
    assert_eq!(saved(&bucket, sandbox).await["starts"], 1);
    assert_eq!(starts.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_saved_state_that_cannot_be_read_does_not_stop_a_start() {
    let (bucket, sandbox) = (bucket(100), sandbox());
    bucket.put(sandbox, STATE_KEY, b"{").await.unwrap();
    let Backend { runtime, .. } = backend(Some(Arc::clone(&bucket)));
    runtime.start(sandbox).await.unwrap();
    assert_eq!(saved(&bucket, sandbox).await["starts"], 1);
}

#[tokio::test]
async fn without_a_bucket_a_gateway_starts_and_nothing_is_saved() {
    let Backend { runtime, starts } = backend(None);
    let sandbox = sandbox();
    assert_eq!(
        runtime.start(sandbox).await.unwrap().state,
        GatewayState::Running
    );
    runtime.destroy(sandbox).await.unwrap();
    assert_eq!(
        runtime.status(sandbox).await.unwrap(),
        Phase::Stopped.status()
    );
    assert_eq!(starts.lock().unwrap().len(), 1);
}
