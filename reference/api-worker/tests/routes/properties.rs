//! Whatever is asked: a refusal in the contract's shape that has written nothing, or an answer; never a failure of the worker's own.

use crate::hostile::{Drawn, Known, any_request};
use crate::stage::{Answer, Stage};
use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeSet;

/// Requests at once: few, so that often none of them is right.
const AT_ONCE: usize = 8;
/// Runs for each of proptest's cases, of which there are 256 unless `PROPTEST_CASES` says otherwise: more than ten thousand requests.
const RUNS_OF_A_CASE: u32 = 5;

/// Counts every row that is written, changed or removed, but for those of rate limits.
const COUNTING: &str =
    "CREATE TABLE written (times INTEGER NOT NULL) STRICT; INSERT INTO written VALUES (0);";

fn count_writes(database: &Connection) {
    database.execute_batch(COUNTING).unwrap();
    let mut tables = database
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*' AND name NOT IN ('rate_limits', 'written')")
        .unwrap();
    let tables = tables.query_map([], |row| row.get::<_, String>(0)).unwrap();
    for table in tables.map(Result::unwrap) {
        for act in ["INSERT", "UPDATE", "DELETE"] {
            let name = format!("written_{table}_{act}");
            let sql = format!(
                "CREATE TRIGGER {name} AFTER {act} ON {table} BEGIN UPDATE written SET times = times + 1; END"
            );
            database.execute_batch(&sql).unwrap();
        }
    }
}

fn written(database: &Connection) -> i64 {
    database
        .query_row("SELECT times FROM written", [], |row| row.get(0))
        .unwrap()
}

async fn known(stage: &Stage) -> Known {
    let (key, other_key) = (stage.key("alice").await, stage.key("bob").await);
    let unlimited = json!({"value": 1_000_000_000});
    for (scope, limit) in [
        ("user/alice", "user"),
        ("user/bob", "user"),
        ("environment/production", "ip"),
    ] {
        for window in ["minute", "hour", "day"] {
            let path = format!("/api/admin/preferences/{scope}/rate_limit.{limit}.{window}");
            let set = stage.operator("PUT", &path, unlimited.clone()).await;
            assert_eq!(set.status, 200, "{}", set.text);
        }
    }
    let mut ids = Vec::new();
    for key in [&key, &other_key] {
        for (path, body) in [
            ("/v1/conversations", json!({})),
            ("/v1/sessions", json!({})),
        ] {
            ids.push(stage.user(key, "POST", path, body).await.json()["id"].clone());
        }
    }
    let spare = json!({"user_id": "carol", "permissions": ["read"]});
    ids.push(
        stage
            .operator("POST", "/api/admin/keys", spare)
            .await
            .json()["id"]
            .clone(),
    );
    let webhook = json!({"url": "https://example.com/", "events": ["chat.completed"]});
    ids.push(
        stage
            .operator("POST", "/api/admin/webhooks", webhook)
            .await
            .json()["id"]
            .clone(),
    );
    let ids = ids.iter().map(|id| id.as_str().unwrap().to_owned());
    Known {
        key,
        other_key,
        token: crate::stage::token(),
        ids: ids.collect(),
    }
}

/// What is wrong with an answer, if anything is.
fn fault(drawn: &Drawn, answer: &Answer) -> Option<String> {
    let id = answer.headers["x-request-id"].to_str().unwrap();
    let is_whole = answer.headers["cache-control"] == "no-store" && answer.is_whole;
    let is_right = match answer.status {
        200 | 201 | 204 => true,
        // What is no route's answer still has its body here; the server leaves it out.
        400..=499 if drawn.is_head() && answer.text.is_empty() => true,
        400..=499 => {
            let body: Value = serde_json::from_str(&answer.text).unwrap_or_default();
            body["success"] == false
                && body["error"]["code"].is_string()
                && body["error"]["message"].is_string()
                && body["meta"]["request_id"] == id
        }
        _ => false,
    };
    (!is_right || !is_whole).then(|| format!("{drawn:?}\n{} {}", answer.status, answer.text))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_is_refused_in_the_contracts_shape_without_a_trace_or_is_answered() {
    let stage = Stage::new();
    let known = known(&stage).await;
    let database = stage.database();
    count_writes(&database);
    let runtime = tokio::runtime::Handle::current();
    let seen = RefCell::new(BTreeSet::new());
    tokio::task::spawn_blocking(move || {
        let usual = Config::default();
        let config = Config {
            cases: usual.cases * RUNS_OF_A_CASE,
            failure_persistence: None,
            max_shrink_iters: 2_000,
            ..usual
        };
        let all = proptest::collection::vec(any_request(), AT_ONCE);
        let result = TestRunner::new(config).run(&all, |drawn| {
            let before = written(&database);
            let requests = drawn
                .iter()
                .filter_map(|drawn| Some((drawn, drawn.request(&known)?)));
            let answers = runtime.block_on(join_all(
                requests.map(async |(drawn, request)| (drawn, stage.answer(request).await)),
            ));
            runtime.block_on(stage.app.settle());
            for (drawn, answer) in &answers {
                seen.borrow_mut().insert(answer.status);
                if let Some(fault) = fault(drawn, answer) {
                    return Err(TestCaseError::fail(fault));
                }
            }
            let may_write = answers
                .iter()
                .any(|(drawn, answer)| answer.status < 400 && !drawn.reads());
            let wrote = written(&database) - before;
            prop_assert!(
                may_write || wrote == 0,
                "refused or read, and {wrote} rows written: {drawn:?}"
            );
            stage.forget();
            Ok(())
        });
        result.unwrap();
        // The controls: every kind of answer was drawn, and the worker is still there.
        let kinds = BTreeSet::from([200, 201, 204, 400, 401, 403, 404, 405, 413]);
        let seen = seen.into_inner();
        assert!(kinds.is_subset(&seen), "only {seen:?}");
        let answer = runtime.block_on(stage.user(&known.key, "GET", "/v1/flags", Value::Null));
        assert_eq!(answer.status, 200, "{}", answer.text);
    })
    .await
    .unwrap();
}
