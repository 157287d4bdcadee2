//! Databases are read as they are: with their log, without SQLite's own tables, and nothing is left beside them. Never judges them.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

use moltproof_data::source::{Kind, open};
use rusqlite::Connection;
use std::fs;
use std::path::Path;

const SCHEMA: &str = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);
    CREATE INDEX users_by_name ON users (name);
    CREATE VIRTUAL TABLE search USING fts5(name, content='users');
    CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP);
    INSERT INTO d1_migrations (name) VALUES ('0001_users.sql'), ('0002_search.sql');";

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn the_schema_of_a_database_is_one_text_without_what_sqlite_and_wrangler_keep() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("app.sqlite");
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch("PRAGMA journal_mode = WAL")
        .unwrap();
    connection.execute_batch(SCHEMA).unwrap();
    drop(connection);
    let before = names(place.path());
    let source = open(&path).unwrap();
    assert_eq!(names(place.path()), before, "something was left behind");
    assert_eq!(source.kind, Kind::Database);
    let text: &str = &source.files[0].text;
    assert_eq!(text.matches("CREATE").count(), 3, "{text}");
    assert!(
        !text.contains("search_data") && !text.contains("sqlite_"),
        "{text}"
    );
    let applied = source.applied.unwrap();
    assert_eq!(applied, ["0001_users.sql", "0002_search.sql"]);
}

#[test]
fn what_is_in_the_log_alone_is_read() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("app.sqlite");
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;")
        .unwrap();
    connection.execute_batch(SCHEMA).unwrap();
    let with_writer = open(&path).unwrap();
    assert!(with_writer.files[0].text.contains("users_by_name"));
    // As a copy of somebody's folder has it: the log without its index.
    let copied = tempfile::tempdir().unwrap();
    for name in ["app.sqlite", "app.sqlite-wal"] {
        fs::copy(place.path().join(name), copied.path().join(name)).unwrap();
    }
    let source = open(&copied.path().join("app.sqlite")).unwrap();
    assert!(source.files[0].text.contains("users_by_name"));
    assert_eq!(names(copied.path()), ["app.sqlite", "app.sqlite-wal"]);
}
