//! `moltproof run` judges the database that a manifest declares, wherever it is: wrangler's local state and a remote D1. Never judges a Worker.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

use assert_cmd::Command;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;

/// The state file of a binding with `database_id = "x"`, as wrangler 4 names it.
const STATE: &str = "626099bb8ad5d5fdd646fd899e10b99f624ee818ca97364b0088721d9278affe.sqlite";

/// A user may be deleted while the posts are kept; nothing serves the look for them.
const SCHEMA: &str = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE posts (id INTEGER PRIMARY KEY, author INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE);";

/// What serves it.
const INDEX: &str = "CREATE INDEX posts_by_author ON posts (author);";

/// Wrangler's configuration and local state beside a manifest, after these statements.
fn wrangler(place: &Path, sql: &str) {
    let config = r#"{ "name": "app", "d1_databases": [{ "binding": "DB", "database_name": "app", "database_id": "x" }] }"#;
    std::fs::write(place.join("wrangler.jsonc"), config).unwrap();
    let objects = place.join(".wrangler/state/v3/d1/miniflare-D1DatabaseObject");
    std::fs::create_dir_all(&objects).unwrap();
    let state = rusqlite::Connection::open(objects.join(STATE)).unwrap();
    state
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;")
        .unwrap();
    state.execute_batch(sql).unwrap();
}

/// Answers the question for the schema as D1 does, and tells what it was asked.
fn cloudflare(objects: &[(&str, &str, &str)]) -> (String, std::thread::JoinHandle<String>) {
    let rows: Vec<[&str; 3]> = objects
        .iter()
        .map(|&(kind, name, sql)| [kind, name, sql])
        .collect();
    let results = serde_json::json!({ "columns": ["type", "name", "sql"], "rows": rows });
    let body = serde_json::json!({ "success": true, "errors": [], "result": [{ "success": true, "results": results }] });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/client/v4", listener.local_addr().unwrap());
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = String::new();
        while !request.contains('}') {
            let mut piece = [0; 4096];
            let read = stream.read(&mut piece).unwrap();
            request.push_str(std::str::from_utf8(&piece[..read]).unwrap());
        }
        let body = body.to_string();
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )
        .unwrap();
        request
    });
    (base, served)
}

/// Runs the criterion about needless indexes and scans for children, and one about references; the exit code and the report.
fn run(place: &Path, from: &str) -> (Option<i32>, Value) {
    let manifest = format!("name = 'app'\nprofiles = ['data']\n[data]\nfrom = {from}\n");
    std::fs::write(place.join("target.toml"), manifest).unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_moltproof"))
        .args([
            "run",
            "--target",
            "target.toml",
            "--strict",
            "--format",
            "json",
        ])
        .args(["--id", "PAT-015", "--id", "PAT-019"])
        .current_dir(place)
        .env("D1_TOKEN", "a-token-that-reads")
        .env("MOLTPROOF_STORE", "none")
        .output()
        .unwrap();
    let out = String::from_utf8(ran.stdout).unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    let report = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{said}"));
    (ran.status.code(), report)
}

/// The verdicts of the criteria, in their order.
fn verdicts(report: &Value) -> Vec<(&str, &str)> {
    let criteria = report["criteria"].as_array().unwrap();
    criteria
        .iter()
        .map(|one| {
            (
                one["id"].as_str().unwrap(),
                one["verdict"].as_str().unwrap(),
            )
        })
        .collect()
}

#[test]
fn the_local_state_of_a_binding_is_judged_with_what_its_log_holds() {
    for (index, code, verdict) in [(INDEX, 0, "passed"), ("", 1, "failed")] {
        let place = tempfile::tempdir().unwrap();
        wrangler(place.path(), &format!("{SCHEMA}{index}"));
        let (ended, report) = run(place.path(), "{ wrangler = 'DB' }");
        let wanted = [("PAT-015", verdict), ("PAT-019", "passed")];
        assert_eq!(verdicts(&report), wanted, "{report:#}");
        assert_eq!(ended, Some(code));
    }
}

#[test]
fn a_binding_that_wrangler_does_not_know_is_no_finding() {
    let place = tempfile::tempdir().unwrap();
    wrangler(place.path(), SCHEMA);
    let (ended, report) = run(place.path(), "{ wrangler = 'DATA' }");
    let wanted = [("PAT-015", "error"), ("PAT-019", "error")];
    assert_eq!(verdicts(&report), wanted, "{report:#}");
    assert!(
        report.to_string().contains("its D1 bindings are DB"),
        "{report:#}"
    );
    assert_eq!(ended, Some(3));
}

#[test]
fn a_remote_database_is_judged_by_its_schema_alone() {
    for (index, code, verdict) in [(INDEX, 0, "passed"), ("", 1, "failed")] {
        let place = tempfile::tempdir().unwrap();
        let (users, posts) = SCHEMA.split_once('\n').unwrap();
        let mut objects = vec![("table", "users", users), ("table", "posts", posts)];
        if !index.is_empty() {
            objects.push(("index", "posts_by_author", index));
        }
        let (base, served) = cloudflare(&objects);
        let from = format!(
            "{{ rest = {{ account = 'acc', database = 'base', token = '${{D1_TOKEN}}', base_url = '{base}' }} }}"
        );
        let (ended, report) = run(place.path(), &from);
        let wanted = [("PAT-015", verdict), ("PAT-019", "passed")];
        assert_eq!(verdicts(&report), wanted, "{report:#}");
        assert_eq!(ended, Some(code));
        let asked = served.join().unwrap();
        assert!(
            asked.starts_with("POST /client/v4/accounts/acc/d1/database/base/raw "),
            "{asked}"
        );
        assert!(
            asked.contains("authorization: Bearer a-token-that-reads"),
            "{asked}"
        );
        assert!(asked.contains("FROM sqlite_schema"), "{asked}");
        assert!(!report.to_string().contains("a-token-that-reads"));
    }
}
