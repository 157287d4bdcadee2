//! `POST /v1/chat/completions`: routing, retries, streams, usage.

use crate::fakes::{Failing, Reply, Usage};
use crate::stage::{API_KEY, Stage, messages, stream_request};
use moltworker_reference::domain::tenant::TenantId;
use moltworker_reference::ports::UsageRange;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;
use tokio::sync::mpsc;

const SMALL: &str = "@cf/meta/llama-3.1-8b-instruct-fp8-fast";
const LARGE: &str = "@cf/meta/llama-3.3-70b-instruct-fp8-fast";

fn failing(status: u16) -> Reply {
    Reply::Json(
        status,
        json!({"success": false, "error": [{"code": 2003, "message": "upstream secret"}]}),
    )
}

/// What the caller gets when the gateway replies like this, and which models were called.
async fn check(tier: &str, replies: Vec<Reply>, status: u16, step: Option<&str>, models: &[&str]) {
    let stage = Stage::start().await;
    let id = stage.tenant(json!({"slug": "a", "tier": tier})).await;
    stage.gateway.script(replies);
    let answer = stage.chat("a.app.test").body(messages()).send().await;
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.header("cf-aig-step"), step);
    assert_eq!(stage.gateway.models(), models);
    assert!(!answer.text.contains("upstream secret"));
    if status == 200 {
        let row = &stage.usage_of(&id, 1).await[0];
        assert_eq!(row["model"], *models.last().unwrap());
    } else {
        assert_eq!(
            answer.json()["error"]["details"],
            json!({"attempts": models.len()})
        );
        assert!(stage.usage_of(&id, 0).await.is_empty());
    }
    assert_eq!(stage.log.events("ai_attempt").len(), models.len());
}

#[tokio::test]
async fn a_plain_answer_comes_from_the_tier_s_model_and_writes_one_row() {
    let stage = Stage::start().await;
    let id = stage
        .tenant(json!({"slug": "a", "platform": "partner_api"}))
        .await;
    let body = json!({"messages": [{"role": "user", "content": "x"}], "model": "gpt-9", "temperature": 0.5}).to_string();
    let request = stage
        .chat("a.app.test")
        .body(body)
        .header("x-workload", "analysis")
        .header("cf-aig-metadata", "{}");
    let answer = request
        .header("authorization", "Bearer callers")
        .send()
        .await
        .expect(200);
    let completion = answer.json();
    assert_eq!(completion["object"], "chat.completion");
    assert_eq!(completion["choices"][0]["message"]["content"], "hi");
    let call = stage.gateway.calls.lock().unwrap()[0].clone();
    assert_eq!(call.first_byte_timeout, Duration::from_secs(8));
    let sent: Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!(
        (&sent["model"], &sent["temperature"]),
        (&json!(SMALL), &json!(0.5))
    );
    let metadata: Value = serde_json::from_str(&call.metadata_json).unwrap();
    let tenant = stage
        .admin("GET", &format!("/api/admin/tenants/{id}"))
        .send()
        .await
        .json();
    let expected = json!({"platform": "partner_api", "tier": "free", "workload": "analysis", "tenant_id": id, "sandbox_id": tenant["sandbox_id"]});
    assert_eq!(metadata, expected);
    let rows = stage.usage_of(&id, 1).await;
    assert_eq!(
        (
            &rows[0]["tokens_in"],
            &rows[0]["tokens_out"],
            &rows[0]["tenant_id"]
        ),
        (&json!(3), &json!(4), &json!(id))
    );
    assert_eq!(
        stage.status_of("a.app.test").await.json()["gateway"]["state"],
        "running",
        "a cold request starts the gateway"
    );
    assert_eq!(stage.log.events("gateway_started").len(), 1);
    assert!(!stage.log.text().contains(API_KEY) && !stage.log.text().contains("callers"));
}

#[tokio::test]
async fn the_free_tier_retries_twice_and_never_falls_back() {
    check(
        "free",
        vec![failing(500), failing(429)],
        200,
        Some("0"),
        &[SMALL; 3],
    )
    .await;
    check(
        "free",
        vec![failing(500), failing(503), failing(524)],
        504,
        None,
        &[SMALL; 3],
    )
    .await;
    check(
        "free",
        vec![Reply::Timeout, Reply::Timeout, failing(500)],
        502,
        None,
        &[SMALL; 3],
    )
    .await;
}

#[tokio::test]
async fn the_larger_tiers_retry_once_and_fall_back_once() {
    for tier in ["premium", "enterprise"] {
        check(tier, vec![Reply::Timeout], 200, Some("0"), &[LARGE, LARGE]).await;
        check(
            tier,
            vec![Reply::Timeout, failing(503)],
            200,
            Some("1"),
            &[LARGE, LARGE, SMALL],
        )
        .await;
        check(
            tier,
            vec![failing(503), failing(503), Reply::Timeout],
            504,
            None,
            &[LARGE, LARGE, SMALL],
        )
        .await;
    }
}

#[tokio::test]
async fn nothing_else_is_tried_again() {
    let stage = Stage::start().await;
    let id = stage.tenant(json!({"slug": "a", "tier": "premium"})).await;
    let statuses = [
        201, 204, 301, 302, 400, 401, 402, 403, 404, 408, 422, 424, 501, 502, 504,
    ];
    let replies = statuses.into_iter().map(failing).chain([
        Reply::Refused,
        failing(200),
        Reply::Json(200, json!({"errors": [{"code": 1}]})),
        Reply::Json(200, json!(["no", "object"])),
        Reply::Text(200, "text/html", b"<html>".to_vec()),
        Reply::Text(200, "application/json", Vec::new()),
        Reply::Text(200, "application/json", vec![b' '; 9 << 20]),
    ]);
    for (calls_before, reply) in replies.enumerate() {
        stage.gateway.script([reply]);
        let answer = stage.chat("a.app.test").body(messages()).send().await;
        let details = answer.expect_error(502, "AI_UPSTREAM_FAILED");
        assert_eq!(details, json!({"attempts": 1}));
        assert_eq!(stage.gateway.calls.lock().unwrap().len(), calls_before + 1);
    }
    // The positive control: the same request, answered.
    stage
        .chat("a.app.test")
        .body(messages())
        .send()
        .await
        .expect(200);
    assert_eq!(stage.usage_of(&id, 1).await.len(), 1);
}

#[tokio::test]
async fn an_answer_without_usage_is_passed_on_and_writes_nothing() {
    let stage = Stage::start().await;
    let id = stage.tenant(json!({"slug": "a"})).await;
    for usage in [json!(null), json!({}), json!({"prompt_tokens": "x"})] {
        stage
            .gateway
            .script([Reply::Json(200, json!({"choices": [], "usage": usage}))]);
        let answer = stage
            .chat("a.app.test")
            .body(messages())
            .send()
            .await
            .expect(200);
        assert_eq!(answer.json(), json!({"choices": [], "usage": usage}));
    }
    stage
        .chat("a.app.test")
        .body(messages())
        .send()
        .await
        .expect(200);
    assert_eq!(stage.usage_of(&id, 1).await.len(), 1);
}

#[tokio::test]
async fn a_tier_change_applies_to_the_next_call() {
    let stage = Stage::start().await;
    let id = stage.tenant(json!({"slug": "a"})).await;
    stage
        .chat("a.app.test")
        .body(messages())
        .send()
        .await
        .expect(200);
    stage
        .admin("PATCH", &format!("/api/admin/tenants/{id}"))
        .body(r#"{"tier":"premium"}"#)
        .send()
        .await
        .expect(200);
    stage
        .chat("a.app.test")
        .body(messages())
        .send()
        .await
        .expect(200);
    assert_eq!(stage.gateway.models(), [SMALL, LARGE]);
}

#[tokio::test]
async fn a_stream_arrives_event_by_event_and_writes_one_row_at_its_end() {
    let stage = Stage::start().await;
    let id = stage.tenant(json!({"slug": "a"})).await;
    let (events, receiver) = mpsc::channel(8);
    stage.gateway.script([Reply::Events(receiver)]);
    let mut caller = Caller::connect(&stage);
    events
        .send(Ok("data: {\"response\":\"Hel\"}\n\n"))
        .await
        .unwrap();
    let (mut caller, head) =
        tokio::task::spawn_blocking(move || (caller.read_until("Hel"), caller))
            .await
            .map(|(text, caller)| (caller, text))
            .unwrap();
    assert!(
        head.contains("content-type: text/event-stream") && head.contains("cf-aig-step: 0"),
        "{head}"
    );
    assert!(stage.usage_of(&id, 0).await.is_empty());
    events.send(Ok("data: {\"response\":\"\",\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":6}}\n\ndata: [DONE]\n\n")).await.unwrap();
    drop(events);
    let rest = tokio::task::spawn_blocking(move || caller.read_until("0\r\n\r\n"))
        .await
        .unwrap();
    assert!(rest.contains("data: [DONE]"));
    let rows = stage.usage_of(&id, 1).await;
    assert_eq!(
        (&rows[0]["tokens_in"], &rows[0]["tokens_out"]),
        (&json!(5), &json!(6))
    );
}

#[tokio::test]
async fn a_caller_who_leaves_cancels_the_call_and_seen_usage_is_written() {
    let stage = Stage::start().await;
    let id = stage.tenant(json!({"slug": "a"})).await;
    let (events, receiver) = mpsc::channel(8);
    stage.gateway.script([Reply::Events(receiver)]);
    let mut caller = Caller::connect(&stage);
    events
        .send(Ok(
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n",
        ))
        .await
        .unwrap();
    tokio::task::spawn_blocking(move || caller.read_until("usage"))
        .await
        .unwrap();
    // Resolves when the receiving half is dropped: the call was cancelled.
    events.closed().await;
    assert_eq!(stage.usage_of(&id, 1).await[0]["tokens_out"], 2);
}

#[tokio::test]
async fn a_stream_cut_before_any_usage_is_cut_for_the_caller_too_and_writes_nothing() {
    let stage = Stage::start().await;
    let id = stage.tenant(json!({"slug": "a"})).await;
    let (events, receiver) = mpsc::channel(8);
    stage.gateway.script([Reply::Events(receiver)]);
    events
        .send(Ok(
            "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n",
        ))
        .await
        .unwrap();
    events.send(Err(())).await.unwrap();
    let mut caller = Caller::connect(&stage);
    let text = tokio::task::spawn_blocking(move || caller.read_until("\u{0}"))
        .await
        .unwrap();
    assert!(
        text.contains("delta") && !text.ends_with("0\r\n\r\n"),
        "{text}"
    );
    assert!(stage.usage_of(&id, 0).await.is_empty());
}

#[tokio::test]
async fn a_busy_store_is_tried_again_and_leaves_one_row() {
    for writes_anyway in [false, true] {
        let stage = with_failing_usage(3, writes_anyway).await;
        let id = stage.tenant(json!({"slug": "a"})).await;
        stage
            .chat("a.app.test")
            .body(messages())
            .send()
            .await
            .expect(200);
        let (usage, clock, log) = (
            stage.ports.usage.clone().unwrap(),
            Arc::clone(&stage.clock),
            Arc::clone(&stage.log),
        );
        // The backend ends when no write is under way any more: until then a row may be there, and its answer not.
        let _kept = stage.stop().await;
        assert_eq!(
            *clock.pauses.lock().unwrap(),
            [100, 200, 400].map(Duration::from_millis)
        );
        assert!(log.events("usage_lost").is_empty());
        let range = UsageRange {
            from_ms: 0,
            to_ms: i64::MAX,
            cursor: None,
            limit: 100,
        };
        let rows = usage.list(TenantId::parse(&id).unwrap(), &range).await;
        assert_eq!(rows.unwrap().items.len(), 1);
    }
}

#[tokio::test]
async fn a_lost_row_is_logged_once_and_nobody_waits_for_it() {
    let stage = with_failing_usage(4, false).await;
    let id = stage.tenant(json!({"slug": "a"})).await;
    stage
        .chat("a.app.test")
        .body(messages())
        .send()
        .await
        .expect(200);
    let log = Arc::clone(&stage.log);
    assert!(stage.usage_of(&id, 0).await.is_empty());
    stage.stop().await;
    let lost = log.events("usage_lost");
    assert_eq!(
        (lost.len(), &lost[0]["attempts"], &lost[0]["tenant_id"]),
        (1, &json!(4), &json!(id))
    );
}

async fn with_failing_usage(failures: u32, writes_anyway: bool) -> Stage {
    Stage::with(&[], |ports| {
        let inner = Arc::new(Usage(ports.usage.take().unwrap()));
        ports.usage = Some(Arc::new(Failing {
            inner,
            failures: AtomicU32::new(failures),
            writes_anyway,
        }));
    })
    .await
}

#[tokio::test]
async fn an_unknown_workload_calls_nobody() {
    let stage = Stage::start().await;
    stage.tenant(json!({"slug": "a"})).await;
    for workload in ["coding", "", "Chat"] {
        let request = stage
            .chat("a.app.test")
            .header("x-workload", workload)
            .body(messages());
        request.send().await.expect_error(400, "INVALID_WORKLOAD");
    }
    assert!(stage.gateway.calls.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_panic_is_an_internal_error_in_the_contract_s_shape() {
    let stage = Stage::start().await;
    stage.tenant(json!({"slug": "a"})).await;
    stage.gateway.script([Reply::Panic]);
    let answer = stage.chat("a.app.test").body(messages()).send().await;
    assert!(!answer.text.contains("defect"));
    answer.expect_error(500, "INTERNAL");
    stage
        .chat("a.app.test")
        .body(messages())
        .send()
        .await
        .expect(200);
}

/// A caller who reads as much as he likes.
struct Caller(TcpStream);

impl Caller {
    fn connect(stage: &Stage) -> Self {
        let mut stream = TcpStream::connect(stage.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let body = stream_request();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: a.app.test\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).unwrap();
        Self(stream)
    }

    /// Reads until a text has come, or the end.
    fn read_until(&mut self, text: &str) -> String {
        let mut received = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let count = self.0.read(&mut chunk).unwrap_or_default();
            received.extend_from_slice(&chunk[..count]);
            let so_far = String::from_utf8_lossy(&received);
            if count == 0 || so_far.contains(text) {
                return so_far.into_owned();
            }
        }
    }
}
