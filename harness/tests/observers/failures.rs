//! How Cloudflare's API fails, and what observers make of it: an error, never an empty result. Never shows the token.

use crate::cloudflare::{Cloudflare, TOKEN, failure};
use crate::d1::database;
use moltproof::observe::rest::{RestD1, RestKv};
use moltproof::observe::{CannotObserve, D1 as _, Kv as _};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Stage {
    cloudflare: Cloudflare,
    d1: RestD1,
    kv: RestKv,
    _folder: tempfile::TempDir,
}

async fn stage() -> Stage {
    let folder = tempfile::tempdir().unwrap();
    let cloudflare = Cloudflare::start(&database(folder.path())).await;
    let (http, base) = (reqwest::Client::new(), &cloudflare.base_url);
    Stage {
        d1: RestD1::new(&http, base, "acct", "db", TOKEN),
        kv: RestKv::new(&http, base, "acct", "ns", TOKEN),
        cloudflare,
        _folder: folder,
    }
}

fn says(error: &CannotObserve, words: &[&str]) {
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "no `{word}` in: {text}");
    }
    assert!(!text.contains(TOKEN), "{text}");
}

fn transient() -> (u16, Value) {
    (
        500,
        failure(
            7500,
            "D1 DB storage operation exceeded timeout which caused object to be reset",
        ),
    )
}

#[tokio::test]
async fn a_look_that_fails_for_the_moment_is_repeated() {
    let stage = stage().await;
    stage.cloudflare.fail_with(&[transient(), transient()]);
    let rows = stage.d1.query("SELECT 1 AS one", &[]).await.unwrap();
    assert_eq!(json!(rows), json!([{ "one": 1 }]));
    assert_eq!(stage.cloudflare.asked().len(), 3);
}

#[tokio::test]
async fn a_look_that_fails_for_good_is_an_error() {
    let stage = stage().await;
    stage
        .cloudflare
        .fail_with(&[transient(), transient(), transient(), transient()]);
    let error = stage.d1.query("SELECT 1", &[]).await.unwrap_err();
    says(&error, &["cannot observe D1", "status 500", "7500"]);
    assert_eq!(stage.cloudflare.asked().len(), 3);
}

#[tokio::test]
async fn a_write_is_never_repeated() {
    let stage = stage().await;
    stage.cloudflare.fail_with(&[transient()]);
    let sql = "INSERT INTO duty (id) VALUES ('a')";
    says(&stage.d1.execute(sql, &[]).await.unwrap_err(), &["7500"]);
    assert_eq!(stage.cloudflare.asked().len(), 1);
    stage
        .cloudflare
        .fail_with(&[(500, failure(10_001, "no")), (500, failure(10_001, "no"))]);
    stage.kv.put("a", "1").await.unwrap_err();
    stage.kv.delete("a").await.unwrap_err();
    assert_eq!(stage.cloudflare.asked().len(), 3);
}

#[tokio::test]
async fn a_wrong_statement_is_not_tried_again() {
    let stage = stage().await;
    let error = stage
        .d1
        .query("SELECT * FROM nowhere", &[])
        .await
        .unwrap_err();
    says(&error, &["status 400", "no such table: nowhere"]);
    assert_eq!(stage.cloudflare.asked().len(), 1);
}

#[tokio::test]
async fn what_does_not_exist_is_named() {
    let stage = stage().await;
    let (http, base) = (reqwest::Client::new(), &stage.cloudflare.base_url);
    let d1 = RestD1::new(&http, base, "acct", "other", TOKEN);
    says(
        &d1.query("SELECT 1", &[]).await.unwrap_err(),
        &["no such database", "7404", "/other"],
    );
    // Of a namespace that is not there no key is absent.
    let kv = RestKv::new(&http, base, "acct", "other", TOKEN);
    says(
        &kv.get("a").await.unwrap_err(),
        &["no such namespace", "10013"],
    );
    says(&kv.keys("").await.unwrap_err(), &["no such namespace"]);
}

#[tokio::test]
async fn a_refused_token_is_told_and_not_shown() {
    let stage = stage().await;
    let (http, base) = (reqwest::Client::new(), &stage.cloudflare.base_url);
    let d1 = RestD1::new(&http, base, "acct", "db", "another");
    says(
        &d1.query("SELECT 1", &[]).await.unwrap_err(),
        &["status 401", "api_token is refused"],
    );
    assert_eq!(stage.cloudflare.asked().len(), 1);
    // Not even where the other side repeats it.
    stage
        .cloudflare
        .fail_with(&[(403, failure(10_000, &format!("bad token {TOKEN}")))]);
    says(&stage.kv.get("a").await.unwrap_err(), &["[redacted]"]);
    assert!(!format!("{:?} {:?}", stage.d1, stage.kv).contains(TOKEN));
}

#[tokio::test]
async fn a_spent_rate_limit_is_told() {
    let stage = stage().await;
    stage.cloudflare.fail_with(&[(
        429,
        failure(
            971,
            "Please wait and consider throttling your request speed",
        ),
    )]);
    says(
        &stage.kv.get("a").await.unwrap_err(),
        &["rate limit", "1200"],
    );
}

#[tokio::test]
async fn an_answer_that_is_no_envelope_is_no_result() {
    let stage = stage().await;
    for body in [
        json!("<html>"),
        json!({}),
        json!({ "success": true }),
        json!({ "success": true, "result": [] }),
    ] {
        stage.cloudflare.fail_with(&[(200, body.clone())]);
        let found = stage.d1.query("SELECT 1 AS one", &[]).await;
        assert!(found.is_err(), "{body}: {found:?}");
    }
    for body in [
        json!("<html>"),
        json!({ "success": true }),
        json!({ "success": true, "result": null }),
    ] {
        stage.cloudflare.fail_with(&[(200, body.clone())]);
        let found = stage.kv.keys("").await;
        assert!(found.is_err(), "{body}: {found:?}");
    }
}

#[tokio::test]
async fn a_list_whose_cursor_stands_still_ends_in_an_error() {
    let stage = stage().await;
    let page = json!({ "success": true, "result": [{ "name": "a" }], "result_info": { "count": 1, "cursor": "same" } });
    stage
        .cloudflare
        .fail_with(&[(200, page.clone()), (200, page)]);
    says(&stage.kv.keys("").await.unwrap_err(), &["never ends"]);
}

#[tokio::test]
async fn a_connection_that_breaks_is_tried_again_for_looks_only() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/client/v4", listener.local_addr().unwrap());
    let accepted = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&accepted);
    tokio::spawn(async move {
        while let Ok((connection, _peer)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            // Some of the request is read, so that the client sees a closed connection and not a refused one.
            connection.readable().await.unwrap();
            drop(connection);
        }
    });
    let http = reqwest::Client::builder()
        .pool_max_idle_per_host(0)
        .build()
        .unwrap();
    let d1 = RestD1::new(&http, &base, "acct", "db", TOKEN);
    says(
        &d1.query("SELECT 1", &[]).await.unwrap_err(),
        &["cannot observe D1"],
    );
    let looks = accepted.load(Ordering::SeqCst);
    d1.execute("DELETE FROM t", &[]).await.unwrap_err();
    let writes = accepted.load(Ordering::SeqCst) - looks;
    assert!(
        looks >= 3 * writes && writes >= 1,
        "{looks} looks, {writes} writes"
    );
}
