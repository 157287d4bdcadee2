//! Every route with what it must not take: a clear 4xx in the contract's shape, and nothing written. Never a request that is right.

use crate::stage::{Answer, Stage};
use axum::body::Body;
use serde_json::{Value, json};

/// Routes that take a body, with one that is right.
fn bodies() -> Vec<(&'static str, &'static str, Value)> {
    let chat = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
    vec![
        ("POST", "/v1/chat/completions", chat),
        ("POST", "/v1/conversations", json!({"title": "x"})),
        ("PUT", "/v1/preferences/theme", json!({"value": 1})),
        ("POST", "/v1/sessions", json!({"ttl_seconds": 60})),
        (
            "POST",
            "/api/admin/keys",
            json!({"user_id": "u", "name": "n", "permissions": ["read"], "expires_at": 4_000_000_000_000_i64, "quota_requests": 1}),
        ),
        (
            "POST",
            "/api/admin/prices",
            json!({"model": "m", "input_micros_per_million": 1, "output_micros_per_million": 1, "valid_from": 4_000_000_000_000_i64}),
        ),
        (
            "PUT",
            "/api/admin/preferences/user/u/theme",
            json!({"value": 1}),
        ),
        (
            "PUT",
            "/api/admin/flags/f",
            json!({"enabled": true, "rollout_percent": 5, "environments": {"staging": true}, "users": {"u": false}}),
        ),
        (
            "POST",
            "/api/admin/webhooks",
            json!({"url": "https://example.com/", "events": ["key.created"]}),
        ),
        (
            "PUT",
            "/api/admin/retention",
            json!({"usage_logs_days": 5, "user_sessions_days": 5, "rate_limits_days": 5}),
        ),
        (
            "POST",
            "/api/admin/jobs/retention",
            json!({"batch_size": 5, "max_batches": 1}),
        ),
        ("POST", "/api/admin/jobs/statistics", json!({})),
        ("POST", "/api/admin/jobs/deliveries", json!({})),
    ]
}

fn is_refusal(answer: &Answer, status: u16, what: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.text);
    let body = answer.json();
    assert_eq!(body["success"], false, "{what}");
    assert_eq!(
        body["meta"]["request_id"],
        answer.headers["x-request-id"].to_str().unwrap(),
        "{what}"
    );
    assert_eq!(answer.headers["cache-control"], "no-store", "{what}");
}

#[tokio::test]
async fn bodies_of_the_wrong_kind_are_refused_by_every_route_and_nothing_is_written() {
    let stage = Stage::new();
    let key = stage.key("alice").await;
    let before = stage.rows();
    for (method, path, _) in bodies() {
        let deep = format!("{{\"value\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
        let texts: [&[u8]; 7] = [
            b"[]",
            b"null",
            b"{",
            b"{\"unknown\":1}",
            b"{\"value\":\"\xff\"}",
            b"\"x\"",
            deep.as_bytes(),
        ];
        for body in texts {
            let answer = stage.ask(method, path, Some(&key), 0, body.to_vec()).await;
            is_refusal(
                &answer,
                400,
                &format!(
                    "{method} {path} {}",
                    String::from_utf8_lossy(&body[..body.len().min(40)])
                ),
            );
        }
        let large = stage
            .ask(
                method,
                path,
                Some(&key),
                0,
                Body::from(vec![b' '; 10 << 20]),
            )
            .await;
        is_refusal(&large, 413, path);
    }
    assert_eq!(stage.rows(), before);
    assert!(stage.gateway.calls.lock().unwrap().is_empty());
}

#[tokio::test]
async fn each_field_of_another_type_or_out_of_range_is_refused_and_nothing_is_written() {
    let stage = Stage::new();
    let key = stage.key("alice").await;
    let before = stage.rows();
    let wrong = [
        json!({}),
        json!([[]]),
        json!(-1),
        json!(1.5),
        json!(i64::MAX),
        json!("\u{0}"),
        json!("x".repeat(3_000)),
    ];
    for (method, path, good) in bodies() {
        for field in good
            .as_object()
            .unwrap()
            .keys()
            .filter(|field| *field != "value")
        {
            for value in &wrong {
                // An object of nothing names nobody, and no number of batches is too large.
                let names_nobody =
                    matches!(field.as_str(), "environments" | "users") && *value == json!({});
                let is_right =
                    names_nobody || (field == "max_batches" && *value == json!(i64::MAX));
                if is_right {
                    continue;
                }
                let mut body = good.clone();
                body[field] = value.clone();
                let answer = stage
                    .ask(method, path, Some(&key), 0, body.to_string())
                    .await;
                is_refusal(
                    &answer,
                    400,
                    &format!("{method} {path} {field} {value:.60}"),
                );
            }
        }
    }
    assert_eq!(stage.rows(), before);
}

#[tokio::test]
async fn what_is_not_there_or_anothers_is_not_found_and_says_no_more() {
    let stage = Stage::new();
    let (alice, bob) = (stage.key("alice").await, stage.key("bob").await);
    let made = stage
        .user(&alice, "POST", "/v1/conversations", json!({}))
        .await
        .json();
    let foreign = made["id"].as_str().unwrap();
    let session = stage
        .user(&alice, "POST", "/v1/sessions", json!({}))
        .await
        .json();
    let before = stage.rows();
    for id in [
        foreign,
        "0190b6f0-0000-7000-8000-000000000000",
        "x",
        "%FF",
        "..%2F",
        "'",
    ] {
        for (method, path) in [
            ("GET", format!("/v1/conversations/{id}")),
            ("DELETE", format!("/v1/conversations/{id}")),
            ("GET", format!("/v1/conversations/{id}/messages")),
            ("DELETE", format!("/v1/sessions/{id}")),
            ("GET", format!("/api/admin/keys/{id}")),
            ("POST", format!("/api/admin/keys/{id}/rotate")),
            ("DELETE", format!("/api/admin/keys/{id}")),
            ("GET", format!("/api/admin/webhooks/{id}")),
            ("GET", format!("/api/admin/webhooks/{id}/deliveries")),
            ("DELETE", format!("/api/admin/webhooks/{id}")),
        ] {
            let answer = stage.ask(method, &path, Some(&bob), 0, "").await;
            is_refusal(&answer, 404, &path);
            assert_eq!(answer.json()["error"]["code"], "NOT_FOUND");
        }
    }
    let session = session["id"].as_str().unwrap();
    is_refusal(
        &stage
            .ask(
                "DELETE",
                &format!("/v1/sessions/{session}"),
                Some(&bob),
                0,
                "",
            )
            .await,
        404,
        "a session of another user",
    );
    assert_eq!(stage.rows(), before);
    // The control: what is alice's is hers.
    assert_eq!(
        stage
            .ask(
                "GET",
                &format!("/v1/conversations/{foreign}"),
                Some(&alice),
                0,
                ""
            )
            .await
            .status,
        200
    );
    assert_eq!(
        stage
            .ask(
                "DELETE",
                &format!("/v1/sessions/{session}"),
                Some(&alice),
                0,
                ""
            )
            .await
            .status,
        204
    );
}

#[tokio::test]
async fn queries_that_are_malformed_or_unknown_are_refused() {
    let stage = Stage::new();
    let key = stage.key("alice").await;
    for path in [
        "/v1/usage",
        "/v1/conversations",
        "/api/admin/keys",
        "/api/admin/audit",
        "/api/admin/usage",
    ] {
        for query in [
            "limit=0",
            "limit=1001",
            "limit=x",
            "limit=-1",
            "cursor=x",
            "unknown=1",
            "limit=1&limit=2",
        ] {
            let answer = stage
                .ask("GET", &format!("{path}?{query}"), Some(&key), 0, "")
                .await;
            is_refusal(&answer, 400, &format!("{path}?{query}"));
        }
        assert_eq!(
            stage
                .ask("GET", &format!("{path}?limit=1000"), Some(&key), 0, "")
                .await
                .status,
            200,
            "{path}"
        );
    }
    for query in ["from=2026-02-30", "to=x", "from=1"] {
        is_refusal(
            &stage
                .ask(
                    "GET",
                    &format!("/api/admin/statistics?{query}"),
                    None,
                    0,
                    "",
                )
                .await,
            400,
            query,
        );
    }
}

#[tokio::test]
async fn a_time_that_is_none_is_refused_and_other_methods_and_paths_are_told() {
    let stage = Stage::new();
    let key = stage.key("alice").await;
    let wrong = stage
        .ask("PATCH", "/v1/conversations", Some(&key), 0, "")
        .await;
    is_refusal(&wrong, 405, "PATCH");
    assert!(wrong.headers["allow"].to_str().unwrap().contains("POST"));
    is_refusal(
        &stage.ask("GET", "/v1/nothing", Some(&key), 0, "").await,
        404,
        "/v1/nothing",
    );
    is_refusal(&stage.ask("GET", "/", None, 0, "").await, 404, "/");
    let unknown = stage.ask("GET", "/v1/nothing", None, 0, "").await;
    is_refusal(&unknown, 401, "without a key");
    assert_eq!(unknown.headers["www-authenticate"], "Bearer");
    is_refusal(
        &stage
            .ask("GET", "/v1/usage", Some(&key), i64::MIN / 2, "")
            .await,
        400,
        "a time before 1970",
    );
}
