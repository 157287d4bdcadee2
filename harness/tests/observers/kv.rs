//! What every observer of KV does, whichever way it takes. Never asks one way more than another.

use crate::cloudflare::{Cloudflare, TOKEN};
use crate::commands::Wrangler;
use crate::d1::database;
use crate::duties::{kv_does_its_duty, kv_keeps_metadata};
use moltproof::observe::Kv;
use moltproof::observe::command::{CommandKv, KvCommands};
use moltproof::observe::read_only::ReadOnlyKv;
use moltproof::observe::rest::RestKv;
use moltproof::observe::sqlite_file::SqliteKv;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

fn commands(folder: &Path) -> CommandKv {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let texts = KvCommands {
        get: words("get {key}"),
        put: Some(words("put {key} {value} {metadata}")),
        delete: Some(words("delete {key}")),
        list: words("list {prefix}"),
    };
    CommandKv::new(Arc::new(Wrangler::new(&database(folder))), texts)
}

#[tokio::test]
async fn an_observer_of_a_sqlite_file_does_its_duty() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kv.sqlite");
    let connection = rusqlite::Connection::open(&file).unwrap();
    let table = "CREATE TABLE kv (key TEXT PRIMARY KEY, value TEXT, expires_at INTEGER)";
    connection.execute_batch(table).unwrap();
    let kv = SqliteKv::new(&file);
    kv_does_its_duty(&kv).await;
    assert!(kv.put_with_metadata("a", "1", &json!({})).await.is_err());
    assert_eq!(kv.get("a").await.unwrap(), None);
}

#[tokio::test]
async fn an_observer_by_the_rest_api_does_its_duty() {
    let folder = tempfile::tempdir().unwrap();
    let cloudflare = Cloudflare::start(&database(folder.path())).await;
    let http = reqwest::Client::new();
    let kv = RestKv::new(&http, &cloudflare.base_url, "acct", "ns", TOKEN);
    kv_does_its_duty(&kv).await;
    kv_keeps_metadata(&kv).await;
}

#[tokio::test]
async fn an_observer_by_the_local_explorer_does_its_duty() {
    let folder = tempfile::tempdir().unwrap();
    let cloudflare = Cloudflare::start(&database(folder.path())).await;
    let http = reqwest::Client::new();
    let kv = RestKv::explorer(&http, &cloudflare.explorer, "ns");
    kv_does_its_duty(&kv).await;
    kv_keeps_metadata(&kv).await;
}

#[tokio::test]
async fn an_observer_by_commands_does_its_duty() {
    let folder = tempfile::tempdir().unwrap();
    let kv = commands(folder.path());
    kv_does_its_duty(&kv).await;
    kv_keeps_metadata(&kv).await;
}

#[tokio::test]
async fn a_command_without_a_place_for_metadata_writes_nothing_that_has_some() {
    let folder = tempfile::tempdir().unwrap();
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let texts = KvCommands {
        get: words("get {key}"),
        put: Some(words("put {key} {value} null")),
        delete: None,
        list: words("list {prefix}"),
    };
    let kv = CommandKv::new(Arc::new(Wrangler::new(&database(folder.path()))), texts);
    let refused = kv.put_with_metadata("a", "1", &json!({})).await;
    assert!(refused.unwrap_err().why.contains("`{metadata}`"));
    assert_eq!(kv.get("a").await.unwrap(), None);
}

#[tokio::test]
async fn a_value_that_reads_like_an_absent_one_is_a_value() {
    let folder = tempfile::tempdir().unwrap();
    let kv = commands(folder.path());
    assert_eq!(kv.get("a").await.unwrap(), None);
    kv.put("a", "Value not found").await.unwrap();
    assert_eq!(
        kv.get("a").await.unwrap().as_deref(),
        Some("Value not found")
    );
}

#[tokio::test]
async fn what_may_only_be_read_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let cloudflare = Cloudflare::start(&database(folder.path())).await;
    cloudflare.entry("a", "1");
    let kv = RestKv::new(
        &reqwest::Client::new(),
        &cloudflare.base_url,
        "acct",
        "ns",
        TOKEN,
    );
    let kv = ReadOnlyKv(Arc::new(kv));
    assert!(kv.put("a", "2").await.is_err());
    assert!(kv.put_with_metadata("a", "2", &json!({})).await.is_err());
    assert!(kv.delete("a").await.is_err());
    assert_eq!(kv.get("a").await.unwrap().as_deref(), Some("1"));
    assert!(
        cloudflare
            .asked()
            .iter()
            .all(|asked| asked.starts_with("GET "))
    );
}
