//! What no client should send: a clear refusal in the contract's shape, and nothing written.

use crate::stage::{Stage, messages};
use serde_json::json;
use std::time::Duration;

const TENANTS: &str = "/api/admin/tenants";

#[tokio::test]
async fn malformed_tenants_are_refused_and_nothing_is_written() {
    let stage = Stage::start().await;
    let id = stage.tenant(json!({"slug": "a"})).await;
    let before = stage.admin("GET", TENANTS).send().await.json();
    let deep = format!(
        r#"{{"slug":"x","domains":{}{}}}"#,
        "[".repeat(9_000),
        "]".repeat(9_000)
    );
    let bodies: Vec<Vec<u8>> = [
        "",
        "null",
        "[]",
        "\"x\"",
        r#"["x","web"]"#,
        "{",
        r#"{"slug":"x"} trailing"#,
        r#"{"slug":1}"#,
        r#"{"slug":null}"#,
        r#"{"slug":["x"]}"#,
        r#"{"slug":""}"#,
        r#"{"slug":"X"}"#,
        r#"{"slug":"x y"}"#,
        r#"{"slug":"admin"}"#,
        r#"{"slug":"x","slug":"y"}"#,
        r#"{"slug":"x","unknown":1}"#,
        r#"{"slug":"x","tier":"gold"}"#,
        r#"{"slug":"x","tier":null}"#,
        r#"{"slug":"x","platform":"Web!"}"#,
        r#"{"slug":"x","domains":"a.example"}"#,
        r#"{"slug":"x","domains":["a.example","a.example"]}"#,
        r#"{"slug":"x","domains":["x.app.test"]}"#,
        r#"{"slug":"x","domains":["münchen.de"]}"#,
        r#"{"slug":"x","sandbox_id":"sk-0000000000000000"}"#,
        &deep,
    ]
    .iter()
    .map(|body| body.as_bytes().to_vec())
    .chain([b"{\"slug\":\"\xff\"}".to_vec()])
    .collect();
    for body in &bodies {
        let text = String::from_utf8_lossy(body).into_owned();
        let created = stage.admin("POST", TENANTS).body(body.clone()).send().await;
        assert_eq!(created.status, 400, "POST {text:.60}");
        created.expect_error(400, "INVALID_REQUEST");
        let changed = stage
            .admin("PATCH", &format!("{TENANTS}/{id}"))
            .body(body.clone())
            .send()
            .await;
        assert_eq!(changed.status, 400, "PATCH {text:.60}");
    }
    for body in [
        r#"{"slug":"x","id":"nope"}"#,
        r#"{"slug":"x","id":7}"#,
        "{}",
    ] {
        stage
            .admin("POST", TENANTS)
            .body(body)
            .send()
            .await
            .expect_error(400, "INVALID_REQUEST");
    }
    for body in [
        "{}",
        r#"{"id":"0190b6f0-0000-7000-8000-000000000000"}"#,
        r#"{"created_at":1}"#,
    ] {
        stage
            .admin("PATCH", &format!("{TENANTS}/{id}"))
            .body(body)
            .send()
            .await
            .expect_error(400, "INVALID_REQUEST");
    }
    assert_eq!(stage.admin("GET", TENANTS).send().await.json(), before);
}

#[tokio::test]
async fn malformed_ids_and_queries_are_refused() {
    let stage = Stage::start().await;
    let id = stage.tenant(json!({"slug": "a"})).await;
    for bad in [
        "x",
        "%00",
        "%ff",
        "..%2f..",
        "1'%20OR%201=1",
        &"9".repeat(300),
    ] {
        for rest in ["", "/usage", "/routing", "/gateway"] {
            let answer = stage
                .admin("GET", &format!("{TENANTS}/{bad}{rest}"))
                .send()
                .await;
            answer.expect_error(404, "TENANT_NOT_FOUND");
        }
    }
    for query in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "limit=-1",
        "limit=",
        "cursor=x",
        "limit=1&limit=2",
    ] {
        stage
            .admin("GET", &format!("{TENANTS}?{query}"))
            .send()
            .await
            .expect_error(400, "INVALID_REQUEST");
    }
    for query in [
        "from=x",
        "from=-1",
        "from=5&to=4",
        "to=99999999999999999999",
        "limit=0",
        "cursor=%00",
    ] {
        stage
            .admin("GET", &format!("{TENANTS}/{id}/usage?{query}"))
            .send()
            .await
            .expect_error(400, "INVALID_REQUEST");
    }
}

#[tokio::test]
async fn malformed_chats_call_nobody() {
    let stage = Stage::start().await;
    stage.tenant(json!({"slug": "a"})).await;
    let deep = format!(
        r#"{{"messages":{}{}}}"#,
        "[".repeat(200_000),
        "]".repeat(200_000)
    );
    for body in [
        "",
        "{}",
        "[]",
        r#"{"messages":"x"}"#,
        r#"{"messages":[]}"#,
        &deep,
    ] {
        stage
            .chat("a.app.test")
            .body(body)
            .send()
            .await
            .expect_error(400, "INVALID_REQUEST");
    }
    stage
        .chat("a.app.test")
        .body(b"{\"messages\":\"\xff\"}".to_vec())
        .send()
        .await
        .expect_error(400, "INVALID_REQUEST");
    assert!(stage.gateway.calls.lock().unwrap().is_empty());
    stage
        .chat("a.app.test")
        .body(messages())
        .send()
        .await
        .expect(200);
}

#[tokio::test]
async fn oversized_bodies_are_refused_whatever_they_declare() {
    let stage = Stage::start().await;
    stage.tenant(json!({"slug": "a"})).await;
    let large = vec![b' '; 10 << 20];
    stage
        .chat("a.app.test")
        .body(large.clone())
        .send()
        .await
        .expect_error(413, "PAYLOAD_TOO_LARGE");
    stage
        .admin("POST", TENANTS)
        .body(large)
        .send()
        .await
        .expect_error(413, "PAYLOAD_TOO_LARGE");
    stage
        .chat("a.app.test")
        .endless_chunk(2 << 20)
        .send()
        .await
        .expect_error(413, "PAYLOAD_TOO_LARGE");
    let exact = |len: usize| {
        let mut body = messages();
        body.extend(std::iter::repeat_n(' ', len - body.len()));
        body
    };
    stage
        .chat("a.app.test")
        .body(exact(1 << 20))
        .send()
        .await
        .expect(200);
    stage
        .chat("a.app.test")
        .body(exact((1 << 20) + 1))
        .send()
        .await
        .expect_error(413, "PAYLOAD_TOO_LARGE");
    assert_eq!(stage.gateway.calls.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn refused_requests_with_a_large_body_still_get_their_answer() {
    let stage = Stage::start().await;
    let large = vec![b' '; 10 << 20];
    stage
        .public("POST", TENANTS, "x")
        .body(large.clone())
        .send()
        .await
        .expect_error(403, "ACCESS_DENIED");
    stage
        .chat("nobody.app.test")
        .body(large)
        .send()
        .await
        .expect_error(404, "TENANT_NOT_FOUND");
}

#[tokio::test]
async fn header_floods_are_refused() {
    let stage = Stage::start().await;
    stage.tenant(json!({"slug": "a"})).await;
    for (lines, value) in [
        (101, "1"),
        (500, "1"),
        (20_000, "1"),
        (1, &*"x".repeat(200_000)),
        (1, &*"x".repeat(5_000_000)),
    ] {
        let flood = (0..lines).fold(
            stage.public("GET", "/api/status", "a.app.test"),
            |wire, index| wire.header(&format!("x-{index}"), value),
        );
        flood.send().await.expect_error(400, "INVALID_REQUEST");
    }
    stage.status_of("a.app.test").await.expect(200);
}

#[tokio::test]
async fn what_is_no_http_is_refused_in_the_contract_s_shape() {
    let stage = Stage::start().await;
    stage.tenant(json!({"slug": "a"})).await;
    for (method, target) in [
        ("GET", "/api/ status"),
        ("G{T", "/"),
        ("GET", &*format!("/{}", "x".repeat(300_000))),
    ] {
        stage
            .public(method, target, "a.app.test")
            .send()
            .await
            .expect_error(400, "INVALID_REQUEST");
    }
    stage
        .public("GET", "/api/status", "a\u{1}b.app.test")
        .send()
        .await
        .expect_error(400, "INVALID_REQUEST");
    stage.status_of("a.app.test").await.expect(200);
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up() {
    let stage = Stage::start().await;
    stage.tenant(json!({"slug": "a"})).await;
    let slow = stage.chat("a.app.test").header("content-length", "100");
    let answer = tokio::spawn(slow.send());
    while stage.clock.manual.sleepers() == 0 {
        tokio::task::yield_now().await;
    }
    stage.clock.manual.advance(Duration::from_secs(31));
    answer.await.unwrap().expect_error(400, "INVALID_REQUEST");
    assert!(stage.gateway.calls.lock().unwrap().is_empty());
}
