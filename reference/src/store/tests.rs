//! What the D1 file promises its callers. Never looks at the clock.

use super::*;
use crate::domain::sandbox_id::SandboxId;
use crate::domain::tenant::{TenantId, TenantRecord};
use crate::domain::usage::UsageRow;
use crate::ports::{StoreError, TenantChange, TenantStore, UsageRange, UsageStore};
use rusqlite::Connection;
use std::path::PathBuf;
use tokio::task::JoinSet;
use uuid::Uuid;

struct Opened {
    database: Database,
    path: PathBuf,
    _dir: tempfile::TempDir,
}

fn open() -> Opened {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d1.sqlite");
    let database = Database::open(&path, &migrations::embedded()).unwrap();
    Opened {
        database,
        path,
        _dir: dir,
    }
}

fn tenant() -> TenantRecord {
    let id = TenantId::random();
    TenantRecord {
        id,
        platform: "web".to_owned(),
        tier: "free".to_owned(),
        sandbox_id: SandboxId::derive(&id).to_string(),
        created_at: 1,
        updated_at: 1,
    }
}

async fn inserted_tenant(database: &Database) -> TenantRecord {
    let record = tenant();
    TenantStore::insert(database, &record).await.unwrap();
    record
}

fn usage(tenant_id: TenantId, created_at: i64) -> UsageRow {
    UsageRow {
        id: Uuid::now_v7(),
        tenant_id,
        model: "model".to_owned(),
        tokens_in: 1,
        tokens_out: 2,
        latency_ms: 3,
        created_at,
    }
}

fn all(limit: u32) -> UsageRange {
    UsageRange {
        from_ms: i64::MIN,
        to_ms: i64::MAX,
        cursor: None,
        limit,
    }
}

#[tokio::test]
async fn a_tenant_is_found_by_both_of_its_ids_changed_and_deleted_with_its_usage() {
    let Opened { database, _dir, .. } = open();
    let record = inserted_tenant(&database).await;
    let sandbox = record.trusted_sandbox_id().unwrap();
    UsageStore::insert(&database, &usage(record.id, 1))
        .await
        .unwrap();
    assert_eq!(
        database.by_id(record.id).await.unwrap().as_ref(),
        Some(&record)
    );
    assert_eq!(
        database.by_sandbox_id(sandbox).await.unwrap().as_ref(),
        Some(&record)
    );

    let change = TenantChange {
        tier: Some("premium".to_owned()),
        platform: None,
        updated_at: 2,
    };
    let changed = TenantRecord {
        tier: "premium".to_owned(),
        updated_at: 2,
        ..record.clone()
    };
    assert_eq!(
        database.update(record.id, &change).await.unwrap().as_ref(),
        Some(&changed)
    );
    assert_eq!(database.by_id(record.id).await.unwrap(), Some(changed));

    assert!(database.delete(record.id).await.unwrap());
    assert!(!database.delete(record.id).await.unwrap());
    assert_eq!(database.by_id(record.id).await.unwrap(), None);
    assert_eq!(database.by_sandbox_id(sandbox).await.unwrap(), None);
    assert_eq!(database.update(record.id, &change).await.unwrap(), None);
    assert_eq!(
        UsageStore::list(&database, record.id, &all(10))
            .await
            .unwrap()
            .items,
        []
    );
}

#[tokio::test]
async fn a_taken_id_and_a_taken_sandbox_id_are_told_apart_and_write_nothing() {
    let Opened { database, _dir, .. } = open();
    let record = inserted_tenant(&database).await;
    let conflict = async |record: &TenantRecord| match TenantStore::insert(&database, record).await
    {
        Err(StoreError::Conflict { column }) => column,
        other => panic!("{other:?}"),
    };
    let same_id = TenantRecord {
        sandbox_id: tenant().sandbox_id,
        ..record.clone()
    };
    let same_sandbox = TenantRecord {
        id: TenantId::random(),
        ..record.clone()
    };
    assert_eq!(conflict(&same_id).await, "tenants.id");
    assert_eq!(conflict(&same_sandbox).await, "tenants.sandbox_id");
    assert_eq!(
        conflict(&record).await,
        "tenants.id",
        "both are taken: it is the same tenant"
    );
    assert_eq!(database.by_id(same_sandbox.id).await.unwrap(), None);
    assert_eq!(database.by_id(record.id).await.unwrap(), Some(record));
}

#[tokio::test]
async fn parallel_usage_rows_land_exactly_once_though_each_is_written_twice() {
    let Opened { database, _dir, .. } = open();
    let tenants = [
        inserted_tenant(&database).await.id,
        inserted_tenant(&database).await.id,
    ];
    let mut writes = JoinSet::new();
    for number in 0..500 {
        let row = usage(tenants[number % 2], i64::try_from(number).unwrap());
        for _ in 0..2 {
            let (database, row) = (database.clone(), row.clone());
            writes.spawn(async move { UsageStore::insert(&database, &row).await });
        }
    }
    while let Some(written) = writes.join_next().await {
        written.unwrap().unwrap();
    }
    for (parity, tenant) in (0..).zip(tenants) {
        let listed = UsageStore::list(&database, tenant, &all(1_000))
            .await
            .unwrap();
        let times: Vec<i64> = listed.items.iter().map(|row| row.created_at).collect();
        assert_eq!(times, (0..250).map(|n| 2 * n + parity).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_refused_row_fails_alone() {
    let Opened { database, _dir, .. } = open();
    let tenant = inserted_tenant(&database).await.id;
    let stray = usage(TenantId::random(), 1);
    let negative = UsageRow {
        tokens_in: -1,
        ..usage(tenant, 1)
    };
    let good = usage(tenant, 1);
    let (stray, negative, good_written) = tokio::join!(
        UsageStore::insert(&database, &stray),
        UsageStore::insert(&database, &negative),
        UsageStore::insert(&database, &good),
    );
    assert!(
        matches!(stray, Err(StoreError::MissingReference)),
        "{stray:?}"
    );
    assert!(
        matches!(negative, Err(StoreError::Unavailable(_))),
        "{negative:?}"
    );
    good_written.unwrap();
    assert_eq!(
        UsageStore::list(&database, tenant, &all(10))
            .await
            .unwrap()
            .items,
        [good]
    );
}

#[tokio::test]
async fn a_file_that_somebody_else_holds_is_busy_and_works_again_afterwards() {
    let Opened {
        database,
        path,
        _dir,
    } = open();
    let tenant = inserted_tenant(&database).await.id;
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = UsageStore::insert(&database, &usage(tenant, 1)).await;
    assert!(matches!(refused, Err(StoreError::Busy(_))), "{refused:?}");
    assert!(
        database.by_id(tenant).await.unwrap().is_some(),
        "reading goes on meanwhile"
    );
    other.execute_batch("ROLLBACK").unwrap();
    UsageStore::insert(&database, &usage(tenant, 2))
        .await
        .unwrap();
    assert_eq!(
        UsageStore::list(&database, tenant, &all(10))
            .await
            .unwrap()
            .items
            .len(),
        1
    );
}

#[tokio::test]
async fn pages_of_usage_meet_without_gap_or_overlap_within_one_millisecond_too() {
    let Opened { database, _dir, .. } = open();
    let tenant = inserted_tenant(&database).await.id;
    let foreign = inserted_tenant(&database).await.id;
    let mut expected = Vec::new();
    for created_at in [5, 5, 5, 6, 7, 7, 9] {
        let row = usage(tenant, created_at);
        UsageStore::insert(&database, &row).await.unwrap();
        UsageStore::insert(&database, &usage(foreign, created_at))
            .await
            .unwrap();
        expected.push(row);
    }
    expected.pop();
    let mut range = UsageRange {
        from_ms: 5,
        to_ms: 9,
        cursor: None,
        limit: 2,
    };
    let mut seen = Vec::new();
    loop {
        let page = UsageStore::list(&database, tenant, &range).await.unwrap();
        assert!(page.items.len() <= 2);
        seen.extend(page.items);
        match page.next_cursor {
            Some(cursor) => range.cursor = Some(cursor),
            None => break,
        }
    }
    assert_eq!(
        seen, expected,
        "time-ordered ids keep the order of insertion"
    );
    range.cursor = Some("no cursor".to_owned());
    assert_eq!(
        UsageStore::list(&database, tenant, &range)
            .await
            .unwrap()
            .items,
        []
    );
}

#[tokio::test]
async fn a_row_that_no_request_can_name_is_left_out_but_keeps_its_sandbox_id() {
    let Opened {
        database,
        path,
        _dir,
    } = open();
    let record = inserted_tenant(&database).await;
    let taken = SandboxId::derive(&TenantId::random());
    Connection::open(&path)
        .unwrap()
        .execute(
            "INSERT INTO tenants VALUES ('zzz', 'web', 'free', ?1, 1, 1)",
            [taken.as_str()],
        )
        .unwrap();
    assert_eq!(
        TenantStore::list(&database, None, 10).await.unwrap().items,
        [record]
    );
    let found = database.by_sandbox_id(taken).await;
    assert!(
        matches!(found, Err(StoreError::Unavailable(_))),
        "{found:?}"
    );
}

#[tokio::test]
async fn closing_writes_what_was_queued_and_refuses_what_comes_later() {
    let Opened {
        database,
        path,
        _dir,
    } = open();
    let tenant = inserted_tenant(&database).await.id;
    let mut queued = Vec::new();
    for number in 0..100 {
        let database = database.clone();
        let mut write =
            Box::pin(async move { UsageStore::insert(&database, &usage(tenant, number)).await });
        // Polled once it is in the queue; it may be written already.
        if futures_util::poll!(&mut write).is_pending() {
            queued.push(write);
        }
    }
    let later = database.clone();
    database.close();
    let refused = UsageStore::insert(&later, &usage(tenant, 0)).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    for write in queued {
        write.await.unwrap();
    }
    let rows: i64 = Connection::open(&path)
        .unwrap()
        .query_row("SELECT count(*) FROM usage", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 100);
}

#[test]
fn hot_queries_search_an_index_and_scan_no_table() {
    let connection = Connection::open_in_memory().unwrap();
    for migration in migrations::embedded() {
        connection.execute_batch(&migration.sql).unwrap();
    }
    let check = |sql: &str, index: &str| {
        let mut plan = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        let mut rows = plan.raw_query();
        let mut steps: Vec<String> = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            steps.push(row.get("detail").unwrap());
        }
        assert!(
            steps[0].starts_with("SEARCH") && steps[0].contains(index),
            "{sql}\n{steps:?}"
        );
        assert!(
            !steps.iter().any(|step| step.starts_with("SCAN")),
            "{sql}\n{steps:?}"
        );
    };
    check(tenants::BY_ID, "sqlite_autoindex_tenants_1 (id=?)");
    check(tenants::BY_SANDBOX_ID, "tenants_sandbox_id (sandbox_id=?)");
    check(tenants::LIST, "sqlite_autoindex_tenants_1 (id>?)");
    check(tenants::UPDATE, "sqlite_autoindex_tenants_1 (id=?)");
    check(tenants::DELETE, "sqlite_autoindex_tenants_1 (id=?)");
    check(
        usage::LIST,
        "usage_tenant_created (tenant_id=? AND created_at>? AND created_at<?)",
    );
    check(
        "DELETE FROM usage WHERE tenant_id = ?1",
        "usage_tenant_created (tenant_id=?)",
    );
}
