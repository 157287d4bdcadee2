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
const ENGINE_BATCH: usize = 4_096;
const GOAL: f64 = 100_000.0;

fn main() {
    let runtime = Runtime::new().unwrap();
    let mut port_rate = 0.0;
    for callers in [64, 512, ENGINE_BATCH] {
        let dir = disk_dir();
        let rows = if callers < ENGINE_BATCH {
            ROWS_TOTAL / 4
        } else {
            ROWS_TOTAL
        };
        port_rate = runtime.block_on(rows_per_second(dir.path(), callers, rows));
        println!("durable usage rows/s, {callers} callers: {port_rate:.0} (goal at least {GOAL})");
    }
    let engine_rate = runtime.block_on(engine_rows_per_second(disk_dir().path()));
    println!("the engine alone, {ENGINE_BATCH} rows a commit: {engine_rate:.0} rows/s");
    println!(
        "port / engine: {:.2} (goal at least 0.33)",
        port_rate / engine_rate
    );
}

/// On the file system of the target directory: a temporary directory may lie in memory, where a flush costs nothing.
fn disk_dir() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// The floor: one thread that has all rows at hand and writes them in transactions of the same size.
async fn engine_rows_per_second(dir: &Path) -> f64 {
    let path = dir.join("tenants.sqlite");
    let database = Database::open(&path, &migrations::embedded()).unwrap();
    let tenants = insert_tenants(&database).await;
    database.close();
    let mut connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .pragma_update(None, "synchronous", "FULL")
        .unwrap();
    let rows = ROWS_TOTAL / 2;
    let start = SystemClock::new();
    for first in (0..rows).step_by(ENGINE_BATCH) {
        let transaction = connection.transaction().unwrap();
        let mut insert = transaction
            .prepare_cached("INSERT INTO usage VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")
            .unwrap();
        for row in first..(first + ENGINE_BATCH).min(rows) {
            let row = usage_row(tenants[row % tenants.len()], row);
            insert
                .execute(rusqlite::params![
                    row.id.to_string(),
                    row.tenant_id.to_string(),
                    row.model,
                    row.tokens_in,
                    row.tokens_out,
                    row.latency_ms,
                    row.created_at
                ])
                .unwrap();
        }
        drop(insert);
        transaction.commit().unwrap();
    }
    f64::from(u32::try_from(rows).unwrap()) / start.monotonic().as_secs_f64()
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
