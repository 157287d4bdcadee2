//! Durable usage logs a second, each with its cost by the price of its time, through the store with concurrent callers.
//! Never relaxes `synchronous=FULL`.
//!
//! The floor is the engine alone: one thread that has all rows and costs at hand, in the order of their users, and writes them in transactions
//! of the same size, several a statement. Both are also told by the time that the writing thread had of the processor: what else runs on the
//! machine, and what the disk takes, is not asked there.

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
use rusqlite::{Connection, ToSql};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use uuid::Uuid;

/// Rows that each caller writes, one after the other.
const ROWS_OF_A_CALLER: usize = 48;
const CALLERS: [usize; 4] = [64, 512, 4_096, 8_192];
const MODEL: &str = "@cf/meta/llama-3.1-8b-instruct-fp8-fast";
const GOAL: f64 = 50_000.0;
/// Rows of one statement of the engine alone.
const ROWS_OF_A_STATEMENT: usize = 9;

fn main() {
    let runtime = Runtime::new().unwrap();
    let mut store = Rates::default();
    for callers in CALLERS {
        // On the file system of the target directory: a temporary directory may lie in memory, where a flush costs nothing.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        store = runtime.block_on(rows_per_second(&folder.path().join("db"), callers));
        println!(
            "durable usage logs with cost/s, {callers} callers: {:.0} (goal at least {GOAL} with group commit); by the processor's time {:.0}",
            store.wall, store.processor
        );
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let engine = engine_rows_per_second(&folder.path().join("db"));
    println!(
        "the engine alone, 4096 rows a commit: {:.0} rows/s; by the processor's time {:.0}",
        engine.wall, engine.processor
    );
    println!(
        "store / engine: {:.2} (goal at least 0.33); by the processor's time {:.2}",
        store.wall / engine.wall,
        store.processor / engine.processor
    );
}

/// Rows a second.
#[derive(Default)]
struct Rates {
    wall: f64,
    /// Of the time that the writing thread had of the processor.
    processor: f64,
}

/// What a thread of this process has had of the processor so far.
fn processor_time(task: &Path) -> Duration {
    let told = std::fs::read_to_string(task.join("schedstat")).unwrap();
    Duration::from_nanos(told.split_whitespace().next().unwrap().parse().unwrap())
}

/// The thread that writes for a store.
fn writing_thread() -> PathBuf {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let mut tasks = tasks.map(|task| task.unwrap().path());
    tasks
        .find(|task| std::fs::read_to_string(task.join("comm")).unwrap() == "sqlite-writer\n")
        .unwrap()
}

fn engine_rows_per_second(path: &Path) -> Rates {
    let store = Store::open(path, Environment::Production, 0).unwrap();
    load(path);
    store.close();
    let mut connection = Connection::open(path).unwrap();
    connection
        .execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -32768; PRAGMA wal_autocheckpoint = 8000; PRAGMA temp_store = MEMORY")
        .unwrap();
    let own = Path::new("/proc/thread-self");
    let (start, began) = (SystemClock::new(), processor_time(own));
    let mut rows = 0_u32;
    let values = ["(?, ?, ?, ?, ?, 17, 42, 2, 350, ?)"; ROWS_OF_A_STATEMENT].join(", ");
    let sql = format!(
        "INSERT INTO usage_logs
           (id, request_id, user_id, api_key_id, model, input_tokens, output_tokens, cost_micros, latency_ms, created_at)
         VALUES {values}"
    );
    for row in 0..ROWS_OF_A_CALLER {
        let transaction = connection.transaction().unwrap();
        let mut insert = transaction.prepare_cached(&sql).unwrap();
        let mut usages: Vec<Usage> = (0..4_096).map(|caller| usage(caller % 100, row)).collect();
        usages.sort_by(|one, other| one.user_id.cmp(&other.user_id));
        for several in usages.chunks_exact(ROWS_OF_A_STATEMENT) {
            let values = several.iter().flat_map(|usage| {
                let texts = [
                    &usage.id,
                    &usage.request_id,
                    &usage.user_id,
                    &usage.api_key_id,
                    &usage.model,
                ];
                let texts = texts.map(|text| text as &dyn ToSql);
                texts.into_iter().chain([&usage.created_at as &dyn ToSql])
            });
            rows +=
                u32::try_from(insert.execute(rusqlite::params_from_iter(values)).unwrap()).unwrap();
        }
        drop(insert);
        transaction.commit().unwrap();
    }
    let worked = processor_time(own).saturating_sub(began);
    Rates {
        wall: f64::from(rows) / start.monotonic().as_secs_f64(),
        processor: f64::from(rows) / worked.as_secs_f64(),
    }
}

async fn rows_per_second(path: &Path, callers: usize) -> Rates {
    let store = Store::open(path, Environment::Production, 0).unwrap();
    load(path);
    let writing = writing_thread();
    let (start, began) = (SystemClock::new(), processor_time(&writing));
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
    let worked = processor_time(&writing).saturating_sub(began);
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
    Rates {
        wall: f64::from(written) / elapsed.as_secs_f64(),
        processor: f64::from(written) / worked.as_secs_f64(),
    }
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
