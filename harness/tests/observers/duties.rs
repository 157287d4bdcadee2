//! What every observer of D1 and of KV does, whichever way it takes: for the tests, and for a live `wrangler dev`. Never asks one way more than another.

use moltproof::observe::{D1, Kv};
use serde_json::{Value, json};

/// The table that the duties need.
pub(crate) const SCHEMA: &str =
    "CREATE TABLE duty (id TEXT PRIMARY KEY, platform TEXT, created_at INTEGER)";

async fn texts(d1: &dyn D1, sql: &str, params: &[Value]) -> Value {
    json!(d1.query(sql, params).await.unwrap())
}

/// Writes, reads, changes and fails as every observer of D1 must; needs an empty table `duty`.
pub(crate) async fn d1_does_its_duty(d1: &dyn D1) {
    let insert = "INSERT INTO duty (id, platform, created_at) VALUES (?1, ?2, ?3)";
    for (id, platform) in [("a", "it's; -- \"x\" ?1 é\0 }{"), ("b", "123"), ("c", "")] {
        let params = [json!(id), json!(platform), json!(1_785_585_600_250_i64)];
        assert_eq!(d1.execute(insert, &params).await.unwrap(), 1, "{id}");
    }
    // Each value comes back as it went in, with its type.
    let row = texts(d1, "SELECT * FROM duty WHERE id = ?1", &[json!("a")]).await;
    let expected = json!([{ "id": "a", "platform": "it's; -- \"x\" ?1 é\0 }{", "created_at": 1_785_585_600_250_i64 }]);
    assert_eq!(row, expected);
    // A number stays whole, also where a text is stored.
    assert_eq!(
        d1.execute(
            "UPDATE duty SET platform = CAST(?1 AS TEXT) WHERE id = ?2",
            &[json!(123), json!("b")]
        )
        .await
        .unwrap(),
        1
    );
    let row = texts(
        d1,
        "SELECT platform, typeof(?2) AS kind FROM duty WHERE id = ?1",
        &[json!("b"), json!(5)],
    )
    .await;
    assert_eq!(row, json!([{ "platform": "123", "kind": "integer" }]));
    // Null is null and no text.
    assert_eq!(
        d1.execute(
            "UPDATE duty SET platform = ?1 WHERE id = ?2",
            &[Value::Null, json!("c")]
        )
        .await
        .unwrap(),
        1
    );
    let row = texts(d1, "SELECT platform FROM duty WHERE id = 'c'", &[]).await;
    assert_eq!(row, json!([{ "platform": null }]));
    // A placeholder may be asked for twice, and in any order.
    let row = texts(
        d1,
        "SELECT ?2 AS second, ?1 AS first, ?2 AS again",
        &[json!("x"), json!(2)],
    )
    .await;
    assert_eq!(row, json!([{ "second": 2, "first": "x", "again": 2 }]));
    // Nothing found is an empty list and no error.
    assert_eq!(
        texts(d1, "SELECT * FROM duty WHERE id = ?1", &[json!("nobody")]).await,
        json!([])
    );
    // The number of changed rows is told.
    assert_eq!(
        d1.execute(
            "UPDATE duty SET created_at = ?1 WHERE id <> ?2",
            &[json!(5), json!("a")]
        )
        .await
        .unwrap(),
        2
    );
    assert_eq!(
        d1.execute("DELETE FROM duty WHERE id = ?1", &[json!("nobody")])
            .await
            .unwrap(),
        0
    );
    let order = texts(d1, "SELECT id FROM duty ORDER BY created_at, id DESC", &[]).await;
    assert_eq!(order, json!([{ "id": "c" }, { "id": "b" }, { "id": "a" }]));
    // A statement that is wrong is an error that says why, and no empty result.
    let error = d1.query("SELECT * FROM nowhere", &[]).await.unwrap_err();
    assert!(
        error.to_string().contains("no such table: nowhere"),
        "{error}"
    );
    let error = d1
        .execute(insert, &[json!("a"), json!("x"), json!(1)])
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("UNIQUE constraint failed"),
        "{error}"
    );
    // Only what was asked for was done.
    assert_eq!(
        texts(d1, "SELECT count(*) AS n FROM duty", &[]).await,
        json!([{ "n": 3 }])
    );
}

/// Writes, reads, lists and deletes as every observer of KV must; needs an empty namespace.
pub(crate) async fn kv_does_its_duty(kv: &dyn Kv) {
    let keys = [
        "slug:a",
        "slug:b/c d",
        "slug:é?#%2F+",
        "host:x.example",
        "slug:e",
    ];
    for key in keys {
        kv.put(key, &format!("{{\"of\":\"{key}\"}}")).await.unwrap();
    }
    for key in keys {
        let value = kv.get(key).await.unwrap();
        assert_eq!(value, Some(format!("{{\"of\":\"{key}\"}}")), "{key}");
    }
    let expected = ["slug:a", "slug:b/c d", "slug:e", "slug:é?#%2F+"];
    assert_eq!(kv.keys("slug:").await.unwrap(), expected);
    assert_eq!(kv.keys("").await.unwrap().len(), 5);
    assert_eq!(kv.keys("nothing").await.unwrap(), Vec::<String>::new());
    // A key that another one begins with is not there for that.
    assert_eq!(kv.get("slug:").await.unwrap(), None);
    kv.put("slug:a", "another").await.unwrap();
    let value = kv.get("slug:a").await.unwrap();
    assert_eq!(value.as_deref(), Some("another"));
    kv.delete("slug:a").await.unwrap();
    assert_eq!(kv.get("slug:a").await.unwrap(), None);
    assert_eq!(kv.keys("slug:").await.unwrap(), expected[1..]);
}

/// Keeps metadata beside the value of an entry, for as long as the entry is not written without any.
pub(crate) async fn kv_keeps_metadata(kv: &dyn Kv) {
    let metadata = json!({ "of": "é \"x\"\r\n--", "list": [1, null, { "deep": true }] });
    kv.put("meta:ab", "longer").await.unwrap();
    let written = kv.put_with_metadata("meta:a", "1 é\r\n--x", &metadata);
    written.await.unwrap();
    assert_eq!(
        kv.get("meta:a").await.unwrap().as_deref(),
        Some("1 é\r\n--x")
    );
    assert_eq!(kv.metadata("meta:a").await.unwrap(), Some(metadata));
    // Neither of another key's nor of one that is not there.
    assert_eq!(kv.metadata("meta:ab").await.unwrap(), None);
    assert_eq!(kv.metadata("meta:").await.unwrap(), None);
    kv.put("meta:a", "2").await.unwrap();
    assert_eq!(kv.metadata("meta:a").await.unwrap(), None);
}
