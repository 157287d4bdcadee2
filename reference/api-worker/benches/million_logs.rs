//! A million usage logs: a week of one user by the views, and retention beside a caller who writes. Never measures the loading.
//!
//! What counts of retention is how long somebody else's write takes meanwhile, from the call to the durable answer. A flush of the disk alone is
//! measured in the same turns: what that takes, no batch is to blame for.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints what it found and ends at the first surprise"
)]

use moltworker_api_reference::app::App;
use moltworker_api_reference::app::jobs::Batches;
use moltworker_api_reference::backend::Backend;
use moltworker_api_reference::config::Config;
use moltworker_api_reference::domain::records::Metric;
use moltworker_api_reference::store::Store;
use moltworker_reference::clock::SystemClock;
use moltworker_reference::ports::{Clock, Level, LogSink};
use rusqlite::Connection;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;
use uuid::{NoContext, Timestamp, Uuid};

const LOGS: u64 = 1_000_000;
const DAYS: u64 = 90;
const USERS: u64 = 100;
const DAY_MS: i64 = 86_400_000;
/// 2026-01-01.
const FIRST_DAY: i64 = 1_767_225_600_000;
const VIEW_MAX: Duration = Duration::from_millis(20);
const HELD_MAX: Duration = Duration::from_millis(50);
const ROUNDS: usize = 51;

struct DropLines;

impl LogSink for DropLines {
    fn line(&self, _level: Level, _json: &str) {}
}

fn main() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = folder.path().join("db");
    let database = path.display().to_string();
    let config = Config::from_vars(|name| (name == "API_DB").then(|| database.clone())).unwrap();
    let backend = Backend::open(config, Arc::new(DropLines)).unwrap();
    let store = backend.ports.store.clone().unwrap();
    load(&path);
    let connection = Connection::open(&path).unwrap();
    view(
        &connection,
        "user_usage_summary, a week of one user",
        "SELECT sum(requests), sum(cost_micros) FROM user_usage_summary WHERE user_id = 'user-7' AND date BETWEEN '2026-02-01' AND '2026-02-07'",
    );
    drop(connection);
    let app = Arc::new(App::new(backend.config, backend.ports));
    let mut flushes = Flushes::new(&folder.path().join("flushed"));
    Runtime::new()
        .unwrap()
        .block_on(retention(app, &store, &mut flushes));
    let left: i64 = Connection::open(&path)
        .unwrap()
        .query_row("SELECT count(*) FROM usage_logs", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 0, "every log was due");
}

fn view(connection: &Connection, name: &str, sql: &str) {
    let plan: Vec<String> = connection
        .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
        .unwrap()
        .query_map([], |row| row.get("detail"))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(
        plan.iter()
            .any(|step: &String| step.starts_with("SEARCH usage_logs USING")),
        "{plan:?}"
    );
    let mut statement = connection.prepare(sql).unwrap();
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let clock = SystemClock::new();
            let found: (i64, i64) = statement
                .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
                .unwrap();
            assert!(found.0 > 0);
            clock.monotonic()
        })
        .collect();
    times.sort();
    println!(
        "{name}: median {}, longest {} (goal at most {})",
        ms(times[ROUNDS / 2]),
        ms(times[ROUNDS - 1]),
        ms(VIEW_MAX)
    );
}

/// Removes all logs in batches as large as their time allows, while one caller writes on and on.
async fn retention(app: Arc<App>, store: &Store, flushes: &mut Flushes) {
    let now = FIRST_DAY + i64::try_from(DAYS).unwrap() * DAY_MS + 100 * DAY_MS;
    let days = app.sum_days(now, None).await.unwrap();
    assert_eq!(days, DAYS);
    let alone = waits(store, flushes, &AtomicBool::new(false), 2_000).await;
    tell("a write with nothing beside it", &alone);
    tell("a flush of the disk in the same turns", &flushes.told());
    let over = Arc::new(AtomicBool::new(false));
    let cleaning = {
        let (app, over) = (Arc::clone(&app), Arc::clone(&over));
        tokio::spawn(async move {
            let clock = SystemClock::new();
            let cleaned = app.clean(now, Batches::Measured, None).await.unwrap();
            over.store(true, Ordering::Release);
            (cleaned, clock.monotonic())
        })
    };
    let beside = waits(store, flushes, &over, usize::MAX).await;
    let (cleaned, took) = cleaning.await.unwrap();
    assert!(cleaned.done);
    println!(
        "retention of {} logs: {:.1} s",
        cleaned.removed.usage_logs,
        took.as_secs_f64()
    );
    tell("a write beside retention", &beside);
    let flushes = flushes.told();
    tell("a flush of the disk in the same turns", &flushes);
    let held = |waits: &[Duration]| waits.iter().filter(|wait| **wait > HELD_MAX).count();
    println!(
        "longer than {}: {} of {} writes (goal 0), {} of as many flushes",
        ms(HELD_MAX),
        held(&beside),
        beside.len(),
        held(&flushes)
    );
}

/// What the disk takes for one page that must stay, in a file that does not grow: as the log of a database does.
struct Flushes {
    file: File,
    times: Vec<Duration>,
}

impl Flushes {
    fn new(path: &Path) -> Self {
        let file = File::create(path).unwrap();
        file.write_all_at(&[0; 4_096], 0).unwrap();
        file.sync_all().unwrap();
        let times = Vec::new();
        Self { file, times }
    }

    fn once(&mut self) {
        let clock = SystemClock::new();
        self.file.write_all_at(&[1; 4_096], 0).unwrap();
        self.file.sync_data().unwrap();
        self.times.push(clock.monotonic());
    }

    /// The times since the last call, shortest first.
    fn told(&mut self) -> Vec<Duration> {
        self.times.sort();
        std::mem::take(&mut self.times)
    }
}

/// How long writes take, one after the other, until `over` or as many as that.
async fn waits(
    store: &Store,
    flushes: &mut Flushes,
    over: &AtomicBool,
    most: usize,
) -> Vec<Duration> {
    let mut waits = Vec::new();
    while !over.load(Ordering::Acquire) && waits.len() < most {
        let clock = SystemClock::new();
        let metric = Metric {
            name: "benchmark".to_owned(),
            value: 1,
            created_at: FIRST_DAY,
        };
        store.measure(metric).await.unwrap();
        waits.push(clock.monotonic());
        flushes.once();
    }
    waits.sort();
    waits
}

fn tell(name: &str, waits: &[Duration]) {
    let at = |share: usize| ms(waits[waits.len() * share / 1_000]);
    println!(
        "{name}: median {}, p99 {}, longest {}",
        at(500),
        at(990),
        ms(*waits.last().unwrap())
    );
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// Logs in the order in which they would have come, of users in turn.
fn load(path: &Path) {
    let mut connection = Connection::open(path).unwrap();
    connection
        .pragma_update(None, "cache_size", -262_144)
        .unwrap();
    for user in 0..USERS {
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
    let transaction = connection.transaction().unwrap();
    let mut insert = transaction
        .prepare(
            "INSERT INTO usage_logs
               (id, request_id, user_id, api_key_id, model, input_tokens, output_tokens, cost_micros, latency_ms, created_at)
             VALUES (?1, 'r', ?2, ?3, ?4, 17, 42, 2, 350, ?5)",
        )
        .unwrap();
    let step = u64::try_from(DAY_MS).unwrap() * DAYS / LOGS;
    for number in 0..LOGS {
        let at = u64::try_from(FIRST_DAY).unwrap() + number * step;
        let second = u32::try_from(at % 1_000).unwrap() * 1_000_000;
        let id = Uuid::new_v7(Timestamp::from_unix(NoContext, at / 1_000, second));
        // In a random-looking order, as callers come.
        let user = number * 7_919 % 104_729 % USERS;
        let model = format!("model-{}", number % 5);
        insert
            .execute((
                id.to_string(),
                format!("user-{user}"),
                format!("key-{user}"),
                model,
                i64::try_from(at).unwrap(),
            ))
            .unwrap();
    }
    drop(insert);
    transaction.commit().unwrap();
    connection.close().unwrap();
}
