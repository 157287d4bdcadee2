//! Durable usage rows a second through the port, with concurrent callers. Never relaxes `synchronous=FULL`.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints what it found and ends at the first surprise"
)]

use moltworker_reference::clock::SystemClock;
use moltworker_reference::domain::sandbox_id::SandboxId;
use moltworker_reference::domain::tenant::{TenantId, TenantRecord};
use moltworker_reference::domain::usage::UsageRow;
use moltworker_reference::ports::{Clock, TenantStore, UsageStore};
use moltworker_reference::store::{Database, migrations};
use std::path::Path;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use uuid::Uuid;

const TENANTS: usize = 100;
const ROWS_TOTAL: usize = 1_000_000;
const GOAL: f64 = 100_000.0;

fn main() {
    let runtime = Runtime::new().unwrap();
    for callers in [64, 512, 4_096] {
        // On the file system of the target directory: a temporary directory may lie in memory, where a flush costs nothing.
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let rows = if callers < 512 {
            ROWS_TOTAL / 4
        } else {
            ROWS_TOTAL
        };
        let rate = runtime.block_on(rows_per_second(dir.path(), callers, rows));
        println!("durable usage rows/s, {callers} callers: {rate:.0} (goal at least {GOAL})");
    }
}

async fn rows_per_second(dir: &Path, callers: usize, rows: usize) -> f64 {
    let path = dir.join("tenants.sqlite");
    let database = Database::open(&path, &migrations::embedded()).unwrap();
    let tenants = insert_tenants(&database).await;
    let start = SystemClock::new();
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        let database = database.clone();
        let tenant_id = tenants[caller % tenants.len()];
        tasks.spawn(async move {
            for row in 0..rows / callers {
                UsageStore::insert(&database, &usage_row(tenant_id, row))
                    .await
                    .unwrap();
            }
        });
    }
    while let Some(finished) = tasks.join_next().await {
        finished.unwrap();
    }
    let elapsed = start.monotonic();
    database.close();
    let written: i64 = rusqlite::Connection::open(&path)
        .unwrap()
        .query_row("SELECT count(*) FROM usage", [], |row| row.get(0))
        .unwrap();
    assert_eq!(
        usize::try_from(written).unwrap(),
        rows / callers * callers,
        "every row once"
    );
    f64::from(u32::try_from(written).unwrap()) / elapsed.as_secs_f64()
}

async fn insert_tenants(database: &Database) -> Vec<TenantId> {
    let mut ids = Vec::new();
    for _ in 0..TENANTS {
        let id = TenantId::random();
        let record = TenantRecord {
            id,
            platform: "web".to_owned(),
            tier: "free".to_owned(),
            sandbox_id: SandboxId::derive(&id).to_string(),
            created_at: 0,
            updated_at: 0,
        };
        TenantStore::insert(database, &record).await.unwrap();
        ids.push(id);
    }
    ids
}

fn usage_row(tenant_id: TenantId, row: usize) -> UsageRow {
    UsageRow {
        id: Uuid::now_v7(),
        tenant_id,
        model: "@cf/meta/llama-3.1-8b-instruct-fp8-fast".to_owned(),
        tokens_in: 17,
        tokens_out: 42,
        latency_ms: 350,
        created_at: 1_700_000_000_000 + i64::try_from(row).unwrap(),
    }
}
