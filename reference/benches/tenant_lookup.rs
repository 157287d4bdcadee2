//! A tenant's look-up among a thousand and among a million. Never measures the loading.
//!
//! Two questions: what the size of the table costs when a thousand tenants are active in either,
//! and what it costs when any of the million may come next, so that nearly every look-up misses the processor's caches.

#![expect(clippy::unwrap_used, reason = "a benchmark ends at the first surprise")]

mod paired;

use moltworker_reference::domain::sandbox_id::SandboxId;
use moltworker_reference::domain::tenant::TenantId;
use moltworker_reference::ports::TenantStore;
use moltworker_reference::store::{Database, migrations};
use std::path::Path;
use tokio::runtime::Builder;

const FEW: usize = 1_000;
const MANY: usize = 1_000_000;
const LOOKUPS: u32 = 10_000;

fn main() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (few, few_ids) = load(&dir.path().join("few.sqlite"), FEW);
    let (many, many_ids) = load(&dir.path().join("many.sqlite"), MANY);
    let active = many_ids[..FEW].to_vec();
    paired::compare(
        "a thousand active tenants, in a table of a million / of a thousand",
        1.5,
        LOOKUPS,
        (
            "look-up in a table of a thousand",
            look_up(few.clone(), few_ids.clone()),
        ),
        (
            "look-up in a table of a million",
            look_up(many.clone(), active),
        ),
    );
    paired::compare(
        "all tenants active, in a table of a million / of a thousand",
        1.5,
        LOOKUPS,
        ("look-up in a table of a thousand", look_up(few, few_ids)),
        ("look-up in a table of a million", look_up(many, many_ids)),
    );
}

/// Looks up ids in random order: they are random, and taken as they come.
fn look_up(database: Database, ids: Vec<TenantId>) -> impl FnMut() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let mut next = 0;
    move || {
        runtime.block_on(async {
            for _ in 0..LOOKUPS {
                let found = database.by_id(ids[next]).await.unwrap();
                assert!(found.is_some(), "a tenant that was loaded");
                next = (next + 1) % ids.len();
            }
        });
    }
}

/// A database with the repository's schema and this many tenants, and their ids in random order.
fn load(path: &Path, tenants: usize) -> (Database, Vec<TenantId>) {
    let ids: Vec<TenantId> = (0..tenants).map(|_| TenantId::random()).collect();
    migrations::apply(path, &migrations::embedded()).unwrap();
    let mut connection = rusqlite::Connection::open(path).unwrap();
    let transaction = connection.transaction().unwrap();
    {
        let mut insert = transaction
            .prepare(
                "INSERT INTO tenants VALUES (?1, 'web', 'free', ?2, 1700000000000, 1700000000000)",
            )
            .unwrap();
        // In order, so that loading a million takes seconds; the look-ups are in random order.
        let mut in_order = ids.clone();
        in_order.sort();
        for id in &in_order {
            insert
                .execute([id.to_string(), SandboxId::derive(id).to_string()])
                .unwrap();
        }
    }
    transaction.commit().unwrap();
    connection.close().unwrap();
    (Database::open(path, &migrations::embedded()).unwrap(), ids)
}
