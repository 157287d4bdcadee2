//! Expiry, limits and separation of KV entries. The registry's rules are tested against a model elsewhere.

use super::*;
use crate::clock::ManualClock;

const MINUTE: Duration = Duration::from_secs(60);

struct Opened {
    kv: Kv,
    clock: Arc<ManualClock>,
    dir: tempfile::TempDir,
}

fn open() -> Opened {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let kv = Kv::open(
        &dir.path().join("kv.sqlite"),
        Arc::<ManualClock>::clone(&clock),
    )
    .unwrap();
    Opened { kv, clock, dir }
}

fn sandbox() -> SandboxId {
    SandboxId::derive(&TenantId::random())
}

fn names(slug: &str, domains: &[&str]) -> TenantNames {
    TenantNames {
        slug: slug.to_owned(),
        domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
    }
}

fn keys(dir: &tempfile::TempDir) -> Vec<String> {
    let connection = Connection::open(dir.path().join("kv.sqlite")).unwrap();
    let mut statement = connection
        .prepare("SELECT key FROM kv ORDER BY key")
        .unwrap();
    statement
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

#[tokio::test]
async fn an_entry_is_gone_when_its_time_is_over_and_not_before() {
    let Opened { kv, clock, dir } = open();
    let sandbox = sandbox();
    kv.put(sandbox, "kept", "1", None).await.unwrap();
    kv.put(sandbox, "short", "2", Some(MINUTE)).await.unwrap();
    clock.advance(Duration::from_millis(59_999));
    assert_eq!(
        kv.get(sandbox, "short").await.unwrap().as_deref(),
        Some("2")
    );
    clock.advance(Duration::from_millis(1));
    assert_eq!(kv.get(sandbox, "short").await.unwrap(), None);
    assert_eq!(kv.get(sandbox, "kept").await.unwrap().as_deref(), Some("1"));
    kv.put(sandbox, "kept", "3", None).await.unwrap();
    assert_eq!(
        keys(&dir),
        [format!("{sandbox}/kept")],
        "a later write takes the expired one away"
    );
}

#[tokio::test]
async fn what_kv_refuses_is_refused_and_not_stored() {
    let Opened { kv, dir: _dir, .. } = open();
    let sandbox = sandbox();
    let refusal = async |key: &str, ttl| match kv.put(sandbox, key, "1", ttl).await {
        Err(StoreError::Unavailable(source)) => *source.downcast::<PutRefused>().unwrap(),
        other => panic!("{other:?}"),
    };
    let too_short = Some(Duration::from_millis(59_900));
    assert_eq!(refusal("a", too_short).await, PutRefused::TtlTooShort);
    assert_eq!(
        refusal(&"a".repeat(493), None).await,
        PutRefused::KeyTooLong
    );
    assert_eq!(kv.get(sandbox, "a").await.unwrap(), None);
    kv.put(sandbox, &"a".repeat(492), "1", Some(MINUTE))
        .await
        .unwrap();
}

#[tokio::test]
async fn clearing_a_sandbox_leaves_other_sandboxes_and_the_registry_alone() {
    let Opened { kv, dir: _dir, .. } = open();
    let (cleared, kept, tenant) = (sandbox(), sandbox(), TenantId::random());
    kv.claim(tenant, &names("a", &["a.example"])).await.unwrap();
    for sandbox in [cleared, kept] {
        for key in ["", "a", "z/../..", "%", "\u{10ffff}"] {
            kv.put(sandbox, key, "1", None).await.unwrap();
        }
    }
    kv.clear(cleared).await.unwrap();
    for key in ["", "a", "z/../..", "%", "\u{10ffff}"] {
        assert_eq!(kv.get(cleared, key).await.unwrap(), None, "{key:?}");
        assert!(kv.get(kept, key).await.unwrap().is_some(), "{key:?}");
    }
    assert_eq!(kv.by_slug("a").await.unwrap(), Some(tenant));
}

#[tokio::test]
async fn the_registry_has_the_published_layout() {
    let Opened { kv, dir, .. } = open();
    let tenant = TenantId::random();
    kv.claim(tenant, &names("a", &["a.example", "b.example"]))
        .await
        .unwrap();
    let tenant_key = format!("tenant:{tenant}");
    assert_eq!(
        keys(&dir),
        ["host:a.example", "host:b.example", "slug:a", &tenant_key]
    );
    let json = kv.read(&tenant_key).unwrap().unwrap();
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        value,
        serde_json::json!({"slug": "a", "domains": ["a.example", "b.example"]})
    );
    assert_eq!(kv.read("slug:a").unwrap(), Some(tenant.to_string()));
    kv.release(tenant).await.unwrap();
    assert_eq!(keys(&dir), [""; 0]);
}

#[tokio::test]
async fn a_malformed_entry_counts_as_none_and_can_be_claimed() {
    let Opened { kv, dir, .. } = open();
    Connection::open(dir.path().join("kv.sqlite"))
        .unwrap()
        .execute_batch(
            "INSERT INTO kv VALUES ('slug:a', 'nonsense', NULL), ('host:a.example', NULL, NULL)",
        )
        .unwrap();
    assert_eq!(kv.by_slug("a").await.unwrap(), None);
    assert_eq!(kv.by_host("a.example").await.unwrap(), None);
    let tenant = TenantId::random();
    kv.claim(tenant, &names("a", &["a.example"])).await.unwrap();
    assert_eq!(kv.by_slug("a").await.unwrap(), Some(tenant));
}

#[tokio::test]
async fn of_parallel_claims_to_one_name_one_wins() {
    let Opened { kv, dir: _dir, .. } = open();
    let claims = futures_util::future::join_all((0..20).map(|number| {
        let kv = kv.clone();
        async move {
            let domain = format!("{number}.example");
            kv.claim(TenantId::random(), &names("wanted", &[&domain]))
                .await
        }
    }));
    let claims = claims.await;
    assert_eq!(claims.iter().filter(|claim| claim.is_ok()).count(), 1);
    for (number, claim) in claims.iter().enumerate() {
        let domain = kv.by_host(&format!("{number}.example")).await.unwrap();
        assert_eq!(
            domain.is_some(),
            claim.is_ok(),
            "a lost claim leaves nothing behind"
        );
    }
}

#[test]
fn look_ups_search_an_index() {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(SCHEMA).unwrap();
    for (sql, index) in [
        (GET, "sqlite_autoindex_kv_1"),
        (DELETE, "sqlite_autoindex_kv_1"),
        (DELETE_RANGE, "sqlite_autoindex_kv_1"),
        (DELETE_EXPIRED, "kv_expires_at"),
    ] {
        let mut statement = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        let mut rows = statement.raw_query();
        let mut plan = String::new();
        while let Some(row) = rows.next().unwrap() {
            plan += &row.get::<_, String>("detail").unwrap();
        }
        assert!(
            plan.contains(index) && !plan.contains("SCAN"),
            "{sql}\n{plan}"
        );
    }
}
