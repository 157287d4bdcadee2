//! Webhooks: told once, tried again with pauses, never sent to private addresses. Never opens a socket.

use crate::stage::Stage;
use serde_json::{Value, json};

async fn webhook(stage: &Stage) -> Value {
    let body = json!({"url": "https://hooks.example.test/x", "events": ["key.created"]});
    let answer = stage.operator("POST", "/api/admin/webhooks", body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()
}

async fn run(stage: &Stage, later_ms: i64) -> Value {
    stage
        .ask("POST", "/api/admin/jobs/deliveries", None, later_ms, "{}")
        .await
        .json()
}

async fn deliveries(stage: &Stage, webhook: &Value) -> Value {
    let path = format!(
        "/api/admin/webhooks/{}/deliveries",
        webhook["id"].as_str().unwrap()
    );
    stage.operator("GET", &path, Value::Null).await.json()["deliveries"].clone()
}

#[tokio::test]
async fn a_delivery_is_tried_at_once_and_then_after_each_pause_until_it_is_given_up() {
    let stage = Stage::new();
    let hook = webhook(&stage).await;
    stage.endpoints.statuses.lock().unwrap().extend([
        Some(500),
        None,
        Some(302),
        Some(404),
        Some(500),
        Some(503),
    ]);
    stage.key("alice").await;
    let mut later = 0;
    for (pause, attempts) in [
        (30_000, 2),
        (60_000, 3),
        (120_000, 4),
        (240_000, 5),
        (480_000, 6),
    ] {
        assert_eq!(
            run(&stage, later + pause - 1).await["attempted"],
            0,
            "too early for attempt {attempts}"
        );
        later += pause;
        let tally = run(&stage, later).await;
        assert_eq!(tally["attempted"], 1);
        assert_eq!(
            tally[if attempts == 6 { "failed" } else { "pending" }],
            1,
            "{tally}"
        );
        let seen = deliveries(&stage, &hook).await;
        assert_eq!(seen[0]["attempts"], attempts);
    }
    let seen = deliveries(&stage, &hook).await;
    assert_eq!(
        (
            &seen[0]["state"],
            &seen[0]["last_status"],
            &seen[0]["next_attempt_at"]
        ),
        (&json!("failed"), &json!(503), &Value::Null)
    );
    assert_eq!(run(&stage, later * 10).await["attempted"], 0);
    let path = format!("/api/admin/webhooks/{}", hook["id"].as_str().unwrap());
    assert_eq!(
        stage.operator("GET", &path, Value::Null).await.json()["state"],
        "failing"
    );
    // One id for all attempts; the next event succeeds, and with it the webhook.
    let ids: std::collections::BTreeSet<_> = stage
        .endpoints
        .sent
        .lock()
        .unwrap()
        .iter()
        .map(|sent| sent.id.clone())
        .collect();
    assert_eq!(
        (ids.len(), stage.endpoints.sent.lock().unwrap().len()),
        (1, 6)
    );
    stage.key("bob").await;
    assert_eq!(
        stage.operator("GET", &path, Value::Null).await.json()["state"],
        "active"
    );
    assert_eq!(run(&stage, later * 20).await["attempted"], 0);
    assert_eq!(stage.endpoints.sent.lock().unwrap().len(), 7);
}

#[tokio::test]
async fn a_claim_that_a_crash_left_is_free_after_a_minute_and_not_before() {
    let stage = Stage::new();
    webhook(&stage).await;
    stage
        .endpoints
        .statuses
        .lock()
        .unwrap()
        .push_back(Some(500));
    stage.key("alice").await;
    let now = crate::stage::NOW;
    stage
        .database()
        .execute("UPDATE webhook_deliveries SET claim = 'dead', claimed_until = ?1, next_attempt_at = ?2", [now + 60_000, now])
        .unwrap();
    assert_eq!(run(&stage, 59_999).await["attempted"], 0);
    assert_eq!(run(&stage, 60_000).await["delivered"], 1);
}

#[tokio::test]
async fn private_addresses_are_refused_and_nothing_is_written() {
    let stage = Stage::new();
    let before = stage.rows();
    for url in [
        "http://example.com/",
        "https://127.0.0.1/",
        "https://[::ffff:10.0.0.1]/",
        "https://2130706433/",
        "https://a:b@example.com/",
        "https://private.example.test/",
    ] {
        let answer = stage
            .operator(
                "POST",
                "/api/admin/webhooks",
                json!({"url": url, "events": ["key.created"]}),
            )
            .await;
        assert_eq!(answer.status, 400, "{url}");
    }
    assert_eq!(stage.rows(), before);
    webhook(&stage).await;
    assert_ne!(stage.rows(), before);
}
