//! A key's verification against the bare look-up by its hash, in pairs, on one core. Never measures the making of keys.
//!
//! The floor is one prepared statement on one connection that finds the row by the index and takes its columns out.
//! What is measured goes from the text behind `Bearer` to who asks: read, hashed, looked up, compared, permissions understood.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints what it found and ends at the first surprise"
)]

#[path = "../../benches/paired/mod.rs"]
mod paired;

use moltworker_api_reference::domain::credential::{Credential, Kind};
use moltworker_api_reference::domain::environment::Environment;
use moltworker_api_reference::store::Store;
use rusqlite::{Connection, OpenFlags};
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

const KEYS: usize = 100_000;
const LOOKUPS: u32 = 10_000;
const RATIO_MAX: f64 = 1.3;
const RATE_MIN: f64 = 30_000.0;
const ROUNDS: usize = 30;

fn main() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = folder.path().join("api.sqlite");
    let store = Store::open(&path, Environment::Production, 0).unwrap();
    let credentials = load(&path);
    let hashes: Vec<String> = credentials
        .iter()
        .map(|text| Credential::parse(text).unwrap().hash().as_str().to_owned())
        .collect();
    paired::compare(
        "verification of a key / bare look-up by its hash",
        RATIO_MAX,
        LOOKUPS,
        ("bare look-up among 100,000", bare(&path, &hashes)),
        ("verification of a key", verification(&store, &credentials)),
    );
    let mut verify = verification(&store, &credentials);
    // The quickest of many short rounds by the processor's time: what else runs on the machine is not asked.
    let rate = (0..ROUNDS)
        .map(|_| {
            let began = processor_time();
            verify();
            f64::from(LOOKUPS) / processor_time().saturating_sub(began).as_secs_f64()
        })
        .fold(0.0, f64::max);
    println!("verifications/s on one core: {rate:.0} (goal at least {RATE_MIN})");
    store.close();
}

/// What this thread has had of the processor so far.
fn processor_time() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(told.split_whitespace().next().unwrap().parse().unwrap())
}

/// Looks up hashes in random order: they are random, and taken as they come.
fn bare(path: &Path, hashes: &[String]) -> impl FnMut() {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).unwrap();
    connection
        .pragma_update(None, "mmap_size", 1_i64 << 30)
        .unwrap();
    let mut next = 0;
    move || {
        let mut statement = connection
            .prepare_cached(
                "SELECT hash, id, user_id, permissions, quota_requests, requests_used, created_at FROM api_keys
                 WHERE hash = ?1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?2)",
            )
            .unwrap();
        for _ in 0..LOOKUPS {
            let row = statement.query_row((&hashes[next], 0_i64), |row| {
                let texts: [String; 4] = [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?];
                let quota: Option<i64> = row.get(4)?;
                let [used, created_at]: [i64; 2] = [row.get(5)?, row.get(6)?];
                Ok((texts, quota, used, created_at))
            });
            black_box(row.unwrap());
            next = (next + 1) % hashes.len();
        }
    }
}

fn verification(store: &Store, credentials: &[String]) -> impl FnMut() {
    let mut next = 0;
    move || {
        for _ in 0..LOOKUPS {
            let credential = Credential::parse(black_box(&credentials[next])).unwrap();
            let found = store.principal(&credential, 0).unwrap();
            assert!(black_box(found).is_some(), "a key that was loaded");
            next = (next + 1) % credentials.len();
        }
    }
}

/// Keys of a thousand users.
fn load(path: &Path) -> Vec<String> {
    let mut connection = Connection::open(path).unwrap();
    let transaction = connection.transaction().unwrap();
    let mut insert = transaction
        .prepare(
            "INSERT INTO api_keys (id, user_id, prefix, hash, permissions, created_at)
             VALUES (?1, ?2, ?3, ?4, '[\"chat\",\"read\",\"write\"]', 0)",
        )
        .unwrap();
    let credentials = (0..KEYS).map(|number| {
        let credential = Credential::random(Kind::Key).unwrap();
        let (id, user) = (
            format!("key-{number:06}"),
            format!("user-{}", number % 1_000),
        );
        insert
            .execute((id, user, credential.prefix(), credential.hash().as_str()))
            .unwrap();
        credential.expose().to_owned()
    });
    let credentials = credentials.collect();
    drop(insert);
    transaction.commit().unwrap();
    credentials
}
