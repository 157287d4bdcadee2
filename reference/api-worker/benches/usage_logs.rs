//! Durable usage logs a second, each with its cost by the price of its time, through the store with concurrent callers.
//! Never relaxes `synchronous=FULL`.
//!
//! The floor is the engine alone: one thread that has all rows and costs at hand and writes them in transactions of the same size.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints what it found and ends at the first surprise"
)]

use moltworker_api_reference::domain::environment::Environment;
use moltworker_api_reference::domain::records::Usage;
use moltworker_api_reference::store::Store;
use moltworker_api_reference::store::chats::Answered;
use moltworker_reference::clock::SystemClock;
use moltworker_reference::ports::Clock;
use rusqlite::Connection;
use std::path::Path;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use uuid::Uuid;

/// Rows that each caller writes, one after the other.
const ROWS_OF_A_CALLER: usize = 48;
const CALLERS: [usize; 3] = [64, 512, 4_096];
const MODEL: &str = "@cf/meta/llama-3.1-8b-instruct-fp8-fast";
const GOAL: f64 = 50_000.0;

fn main() {
    let runtime = Runtime::new().unwrap();
    let mut port_rate = 0.0;
    for callers in CALLERS {
        // On the file system of the target directory: a temporary directory may lie in memory, where a flush costs nothing.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        port_rate = runtime.block_on(rows_per_second(&folder.path().join("db"), callers));
        println!(
            "durable usage logs with cost/s, {callers} callers: {port_rate:.0} (goal at least {GOAL} with group commit)"
        );
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let engine_rate = engine_rows_per_second(&folder.path().join("db"));
    println!("the engine alone, 4096 rows a commit: {engine_rate:.0} rows/s");
    println!(
        "store / engine: {:.2} (goal at least 0.33)",
        port_rate / engine_rate
    );
}

fn engine_rows_per_second(path: &Path) -> f64 {
    let store = Store::open(path, Environment::Production, 0).unwrap();
    load(path);
    store.close();
    let mut connection = Connection::open(path).unwrap();
    connection
        .execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -32768; PRAGMA wal_autocheckpoint = 8000")
        .unwrap();
    let start = SystemClock::new();
    let mut rows = 0_u32;
    for _ in 0..ROWS_OF_A_CALLER {
        let transaction = connection.transaction().unwrap();
        let mut insert = transaction
            .prepare_cached(
                "INSERT INTO usage_logs
                   (id, request_id, user_id, api_key_id, model, input_tokens, output_tokens, cost_micros, latency_ms, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, 17, 42, 2, 350, ?6)",
            )
            .unwrap();
        for caller in 0..4_096 {
            let usage = usage(caller % 100, usize::try_from(rows).unwrap());
            insert
                .execute((
                    usage.id,
                    usage.request_id,
                    usage.user_id,
                    usage.api_key_id,
                    usage.model,
                    usage.created_at,
                ))
                .unwrap();
            rows += 1;
        }
        drop(insert);
        transaction.commit().unwrap();
    }
    f64::from(rows) / start.monotonic().as_secs_f64()
}

async fn rows_per_second(path: &Path, callers: usize) -> f64 {
    let store = Store::open(path, Environment::Production, 0).unwrap();
    load(path);
    let start = SystemClock::new();
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        let store = store.clone();
        tasks.spawn(async move {
            for row in 0..ROWS_OF_A_CALLER {
                let usage = usage(caller % 100, row);
                let messages = Vec::new();
                let kept = store.complete_chat(Answered { usage, messages }).await;
                assert_eq!(kept.unwrap().value.cost_micros, Some(2));
            }
        });
    }
    while let Some(finished) = tasks.join_next().await {
        finished.unwrap();
    }
    let elapsed = start.monotonic();
    store.close();
    let written: u32 = Connection::open(path)
        .unwrap()
        .query_row(
            "SELECT count(*) FROM usage_logs WHERE cost_micros = 2",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(
        usize::try_from(written).unwrap(),
        ROWS_OF_A_CALLER * callers,
        "every row once, with its cost"
    );
    f64::from(written) / elapsed.as_secs_f64()
}

/// A hundred users with a key each, and a price that has changed once.
fn load(path: &Path) {
    let connection = Connection::open(path).unwrap();
    for user in 0..100 {
        connection
            .execute(
                "INSERT INTO api_keys (id, user_id, prefix, hash, permissions, created_at)
                 VALUES (?1, ?2, 'mpk_00000000', ?3, '[\"chat\"]', 0)",
                (
                    format!("key-{user}"),
                    format!("user-{user}"),
                    format!("{user:064x}"),
                ),
            )
            .unwrap();
    }
    connection
        .execute(
            "INSERT INTO model_pricing VALUES ('old', ?1, 1, 1, 0, 1000, 0), ('new', ?1, 20000, 40000, 1000, NULL, 0)",
            [MODEL],
        )
        .unwrap();
}

fn usage(user: usize, row: usize) -> Usage {
    Usage {
        id: Uuid::now_v7().to_string(),
        request_id: Uuid::new_v4().to_string(),
        user_id: format!("user-{user}"),
        api_key_id: format!("key-{user}"),
        conversation_id: None,
        model: MODEL.to_owned(),
        input_tokens: Some(17),
        output_tokens: Some(42),
        cost_micros: None,
        latency_ms: 350,
        created_at: 1_700_000_000_000 + i64::try_from(row).unwrap(),
    }
}
