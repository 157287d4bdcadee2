//! What every observer of D1 does, whichever way it takes. Never asks one way more than another.

use crate::cloudflare::{Cloudflare, TOKEN};
use crate::commands::Wrangler;
use moltproof::observe::D1;
use moltproof::observe::command::CommandD1;
use moltproof::observe::explorer::Explorer;
use moltproof::observe::read_only::ReadOnlyD1;
use moltproof::observe::rest::RestD1;
use moltproof::observe::sqlite_file::SqliteFile;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SCHEMA: &str = "CREATE TABLE tenants (id TEXT PRIMARY KEY, platform TEXT, created_at INTEGER) STRICT;
    CREATE TABLE usage (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE, tokens INTEGER) STRICT;";

/// A database with the two tables.
pub(crate) fn database(folder: &Path) -> PathBuf {
    let file = folder.join("d1.sqlite");
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.execute_batch(SCHEMA).unwrap();
    connection
        .pragma_update(None, "journal_mode", "wal")
        .unwrap();
    file
}

async fn texts(d1: &dyn D1, sql: &str, params: &[Value]) -> Value {
    json!(d1.query(sql, params).await.unwrap())
}

async fn does_its_duty(d1: &dyn D1) {
    let insert = "INSERT INTO tenants (id, platform, created_at) VALUES (?1, ?2, ?3)";
    for (id, platform) in [("a", "it's; -- \"x\" ?1 é\0 }{"), ("b", "123"), ("c", "")] {
        let params = [json!(id), json!(platform), json!(1_785_585_600_250_i64)];
        assert_eq!(d1.execute(insert, &params).await.unwrap(), 1, "{id}");
    }
    // Each value comes back as it went in, with its type.
    let row = texts(d1, "SELECT * FROM tenants WHERE id = ?1", &[json!("a")]).await;
    let expected = json!([{ "id": "a", "platform": "it's; -- \"x\" ?1 é\0 }{", "created_at": 1_785_585_600_250_i64 }]);
    assert_eq!(row, expected);
    // A number stays whole, also where a text is stored.
    assert_eq!(
        d1.execute(
            "UPDATE tenants SET platform = CAST(?1 AS TEXT) WHERE id = ?2",
            &[json!(123), json!("b")]
        )
        .await
        .unwrap(),
        1
    );
    let row = texts(
        d1,
        "SELECT platform, typeof(?2) AS kind FROM tenants WHERE id = ?1",
        &[json!("b"), json!(5)],
    )
    .await;
    assert_eq!(row, json!([{ "platform": "123", "kind": "integer" }]));
    // Null is null and no text.
    assert_eq!(
        d1.execute(
            "UPDATE tenants SET platform = ?1 WHERE id = ?2",
            &[Value::Null, json!("c")]
        )
        .await
        .unwrap(),
        1
    );
    let row = texts(d1, "SELECT platform FROM tenants WHERE id = 'c'", &[]).await;
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
        texts(
            d1,
            "SELECT * FROM tenants WHERE id = ?1",
            &[json!("nobody")]
        )
        .await,
        json!([])
    );
    // The number of changed rows is told.
    assert_eq!(
        d1.execute(
            "UPDATE tenants SET created_at = ?1 WHERE id <> ?2",
            &[json!(5), json!("a")]
        )
        .await
        .unwrap(),
        2
    );
    assert_eq!(
        d1.execute("DELETE FROM tenants WHERE id = ?1", &[json!("nobody")])
            .await
            .unwrap(),
        0
    );
    let order = texts(
        d1,
        "SELECT id FROM tenants ORDER BY created_at, id DESC",
        &[],
    )
    .await;
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
        texts(d1, "SELECT count(*) AS n FROM tenants", &[]).await,
        json!([{ "n": 3 }])
    );
}

#[tokio::test]
async fn an_observer_of_a_sqlite_file_does_its_duty() {
    let folder = tempfile::tempdir().unwrap();
    does_its_duty(&SqliteFile::d1(&database(folder.path()))).await;
}

#[tokio::test]
async fn an_observer_by_the_rest_api_does_its_duty() {
    let folder = tempfile::tempdir().unwrap();
    let cloudflare = Cloudflare::start(&database(folder.path())).await;
    let http = reqwest::Client::new();
    does_its_duty(&RestD1::new(
        &http,
        &cloudflare.base_url,
        "acct",
        "db",
        TOKEN,
    ))
    .await;
}

#[tokio::test]
async fn an_observer_by_the_local_explorer_does_its_duty() {
    let folder = tempfile::tempdir().unwrap();
    let cloudflare = Cloudflare::start(&database(folder.path())).await;
    let http = reqwest::Client::new();
    does_its_duty(&Explorer::d1(&http, &cloudflare.explorer, "db")).await;
    assert!(
        cloudflare
            .asked()
            .iter()
            .all(|asked| asked.ends_with("/raw"))
    );
}

#[tokio::test]
async fn an_observer_by_a_command_does_its_duty() {
    let folder = tempfile::tempdir().unwrap();
    let wrangler = Wrangler::new(&database(folder.path()));
    let run = vec!["d1".to_owned(), "{sql}".to_owned()];
    does_its_duty(&CommandD1::new(Arc::new(wrangler), run)).await;
}

#[tokio::test]
async fn what_may_only_be_read_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let file: Arc<dyn D1> = Arc::new(SqliteFile::d1(&database(folder.path())));
    let insert = "INSERT INTO tenants (id) VALUES ('a')";
    let read_only = ReadOnlyD1(Arc::clone(&file));
    let error = read_only.execute(insert, &[]).await.unwrap_err();
    assert!(error.to_string().contains("writable"), "{error}");
    assert_eq!(file.execute(insert, &[]).await.unwrap(), 1);
    assert_eq!(
        read_only
            .query("SELECT id FROM tenants", &[])
            .await
            .unwrap()
            .len(),
        1
    );
}
