//! Times that meet in one millisecond, and clocks that are put back. Never by the machine's clock.

use crate::stage::{NOW, Stage};
use rusqlite::Connection;
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";
const PRICES: &str = "/api/admin/prices";
/// How far clocks are put back: past every window and the beginning of every row.
const BACK: i64 = -40 * 86_400_000;

/// A chat of seven tokens.
async fn chat(stage: &Stage, key: &str, later_ms: i64) {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]}).to_string();
    let answer = stage.ask("POST", CHAT, Some(key), later_ms, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

/// The status of an operator's wish for a price from now on.
async fn new_price(stage: &Stage, micros: i64, later_ms: i64) -> u16 {
    let price = json!({"model": "m", "input_micros_per_million": micros, "output_micros_per_million": micros});
    let answer = stage
        .ask("POST", PRICES, None, later_ms, price.to_string())
        .await;
    answer.status
}

fn expect_no_overlap(database: &Connection) {
    let sql = "SELECT 1 FROM model_pricing AS a JOIN model_pricing AS b ON a.model = b.model AND a.id <> b.id
               WHERE a.valid_from < coalesce(b.valid_to, 1 << 62) AND b.valid_from < coalesce(a.valid_to, 1 << 62)";
    let overlap = database.prepare(sql).unwrap().exists([]).unwrap();
    assert!(!overlap, "two prices of one instant");
}

#[tokio::test]
async fn a_price_holds_for_the_chats_of_its_own_millisecond_that_come_after_it() {
    let stage = Stage::new();
    let key = stage.key("alice").await;
    assert_eq!(new_price(&stage, 1_000_000, 0).await, 201);
    chat(&stage, &key, 9).await;
    assert_eq!(new_price(&stage, 2_000_000, 10).await, 201);
    for later_ms in [10, 9, 11] {
        chat(&stage, &key, later_ms).await;
    }
    // What is written stays, also where a price of its millisecond comes after it.
    assert_eq!(new_price(&stage, 3_000_000, 11).await, 201);
    chat(&stage, &key, 11).await;
    let rows = stage.user(&key, "GET", "/v1/usage", Value::Null).await;
    let rows = rows.json();
    let mut costs: Vec<_> = rows["usage"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["created_at"].as_i64().unwrap() - NOW,
                row["cost_micros"].as_i64().unwrap(),
            )
        })
        .collect();
    costs.sort_unstable();
    assert_eq!(costs, [(9, 7), (9, 7), (10, 14), (11, 14), (11, 21)]);
}

#[tokio::test]
async fn a_clock_that_is_put_back_rewrites_no_price_and_makes_no_negative_time() {
    let stage = Stage::new();
    let key = stage.key("alice").await;
    assert_eq!(new_price(&stage, 1_000_000, 0).await, 201);
    chat(&stage, &key, 10).await;
    for later_ms in [BACK, -1, 0, 5, 3] {
        chat(&stage, &key, later_ms).await;
        let expected = if later_ms == 5 { 201 } else { 409 };
        assert_eq!(new_price(&stage, later_ms.abs(), later_ms).await, expected);
        chat(&stage, &key, later_ms).await;
        chat(&stage, &key, later_ms + 20).await;
    }
    let database = stage.database();
    expect_no_overlap(&database);
    for (what, sql) in [
        (
            "a window that is not of its kind's length, or before the epoch",
            "SELECT 1 FROM rate_limits WHERE window_end <= window_start OR window_start < 0",
        ),
        (
            "a price that ends before it begins",
            "SELECT 1 FROM model_pricing WHERE valid_to <= valid_from",
        ),
        (
            "negative latency",
            "SELECT 1 FROM usage_logs WHERE latency_ms < 0",
        ),
    ] {
        assert!(
            !database.prepare(sql).unwrap().exists([]).unwrap(),
            "{what}"
        );
    }
}

#[tokio::test]
async fn by_the_machines_clock_no_usage_is_from_before_its_key() {
    let stage = Stage::new();
    // The machine's clock was put back: seen from it, the key is made in the year 9000.
    let made = 221_845_392_000_000;
    let body = json!({"user_id": "alice", "permissions": ["chat"]}).to_string();
    let key = stage
        .ask("POST", "/api/admin/keys", None, made - NOW, body)
        .await
        .json();
    let key = key["key"].as_str().unwrap();
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]}).to_string();
    let request = axum::http::Request::post(CHAT).header("authorization", format!("Bearer {key}"));
    let answer = stage.answer(request.body(body.into()).unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    // A time that is told is taken as it is told.
    chat(&stage, key, 0).await;
    let database = stage.database();
    let mut times = database
        .prepare("SELECT created_at FROM usage_logs ORDER BY created_at")
        .unwrap();
    let times = times.query_map([], |row| row.get(0)).unwrap();
    let times: Vec<i64> = times.map(Result::unwrap).collect();
    assert_eq!(times, [NOW, made]);
}

#[tokio::test]
async fn a_refusal_by_a_limit_tells_a_positive_pause_after_the_clock_was_put_back() {
    let stage = Stage::new();
    let key = stage.key("alice").await;
    let limit = json!({"value": 1}).to_string();
    let path = "/api/admin/preferences/default/-/rate_limit.user.minute";
    assert_eq!(stage.ask("PUT", path, None, 0, limit).await.status, 200);
    for later_ms in [0, BACK, -1, 0, BACK] {
        stage
            .ask("GET", "/v1/flags", Some(&key), later_ms, "")
            .await;
        let refused = stage
            .ask("GET", "/v1/flags", Some(&key), later_ms, "")
            .await;
        assert_eq!(refused.status, 429, "{}", refused.text);
        let pause = refused.headers["retry-after"].to_str().unwrap();
        let pause: u64 = pause.parse().unwrap();
        assert!((1..=60).contains(&pause), "{pause}");
    }
}
