//! What every observer of D1 does, whichever way it takes. Never asks one way more than another.

use crate::cloudflare::{Cloudflare, TOKEN};
use crate::commands::Wrangler;
use crate::duties::{SCHEMA, d1_does_its_duty};
use moltproof::observe::D1;
use moltproof::observe::command::CommandD1;
use moltproof::observe::explorer::Explorer;
use moltproof::observe::read_only::ReadOnlyD1;
use moltproof::observe::rest::RestD1;
use moltproof::observe::sqlite_file::SqliteFile;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A database with the tables of the duties and the reference's own still to come.
pub(crate) fn database(folder: &Path) -> PathBuf {
    let file = folder.join("d1.sqlite");
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.execute_batch(SCHEMA).unwrap();
    connection
        .pragma_update(None, "journal_mode", "wal")
        .unwrap();
    file
}

#[tokio::test]
async fn an_observer_of_a_sqlite_file_does_its_duty() {
    let folder = tempfile::tempdir().unwrap();
    d1_does_its_duty(&SqliteFile::d1(&database(folder.path()))).await;
}

#[tokio::test]
async fn an_observer_by_the_rest_api_does_its_duty() {
    let folder = tempfile::tempdir().unwrap();
    let cloudflare = Cloudflare::start(&database(folder.path())).await;
    let http = reqwest::Client::new();
    d1_does_its_duty(&RestD1::new(
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
    d1_does_its_duty(&Explorer::d1(&http, &cloudflare.explorer, "db")).await;
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
    d1_does_its_duty(&CommandD1::new(Arc::new(wrangler), run)).await;
}

#[tokio::test]
async fn what_may_only_be_read_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let file: Arc<dyn D1> = Arc::new(SqliteFile::d1(&database(folder.path())));
    let insert = "INSERT INTO duty (id) VALUES ('a')";
    let read_only = ReadOnlyD1(Arc::clone(&file));
    let error = read_only.execute(insert, &[]).await.unwrap_err();
    assert!(error.to_string().contains("writable"), "{error}");
    assert_eq!(file.execute(insert, &[]).await.unwrap(), 1);
    assert_eq!(
        read_only
            .query("SELECT id FROM duty", &[])
            .await
            .unwrap()
            .len(),
        1
    );
}
