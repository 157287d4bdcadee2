//! What every observer of KV does, whichever way it takes. Never asks one way more than another.

use crate::cloudflare::{Cloudflare, TOKEN};
use crate::commands::Wrangler;
use crate::d1::database;
use crate::duties::kv_does_its_duty;
use moltproof::observe::Kv;
use moltproof::observe::command::{CommandKv, KvCommands};
use moltproof::observe::read_only::ReadOnlyKv;
use moltproof::observe::rest::RestKv;
use moltproof::observe::sqlite_file::SqliteKv;
use std::path::Path;
use std::sync::Arc;

fn commands(folder: &Path) -> CommandKv {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let texts = KvCommands {
        get: words("get {key}"),
        put: Some(words("put {key} {value}")),
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
    kv_does_its_duty(&SqliteKv::new(&file)).await;
}

#[tokio::test]
async fn an_observer_by_the_rest_api_does_its_duty() {
    let folder = tempfile::tempdir().unwrap();
    let cloudflare = Cloudflare::start(&database(folder.path())).await;
    let http = reqwest::Client::new();
    kv_does_its_duty(&RestKv::new(
        &http,
        &cloudflare.base_url,
        "acct",
        "ns",
        TOKEN,
    ))
    .await;
}

#[tokio::test]
async fn an_observer_by_the_local_explorer_does_its_duty() {
    let folder = tempfile::tempdir().unwrap();
    let cloudflare = Cloudflare::start(&database(folder.path())).await;
    let http = reqwest::Client::new();
    kv_does_its_duty(&RestKv::explorer(&http, &cloudflare.explorer, "ns")).await;
}

#[tokio::test]
async fn an_observer_by_commands_does_its_duty() {
    let folder = tempfile::tempdir().unwrap();
    kv_does_its_duty(&commands(folder.path())).await;
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
    assert!(kv.delete("a").await.is_err());
    assert_eq!(kv.get("a").await.unwrap().as_deref(), Some("1"));
    assert!(
        cloudflare
            .asked()
            .iter()
            .all(|asked| asked.starts_with("GET "))
    );
}
