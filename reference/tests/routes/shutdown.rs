//! An orderly end: nothing under way is lost.

use crate::fakes::Reply;
use crate::stage::{Stage, messages, stream_request};
use moltworker_reference::domain::tenant::TenantId;
use moltworker_reference::ports::UsageRange;
use serde_json::json;
use std::net::TcpStream;
use tokio::sync::mpsc;

#[tokio::test]
async fn requests_in_flight_and_usage_rows_are_finished() {
    let stage = Stage::start().await;
    let id = stage.tenant(json!({"slug": "a"})).await;
    let (usage, address) = (stage.ports.usage.clone().unwrap(), stage.address);
    for _ in 0..20 {
        stage
            .chat("a.app.test")
            .body(messages())
            .send()
            .await
            .expect(200);
    }
    let (events, receiver) = mpsc::channel(8);
    stage.gateway.script([Reply::Events(receiver)]);
    let streaming = tokio::spawn(stage.chat("a.app.test").body(stream_request()).send());
    events
        .send(Ok("data: {\"choices\":[{}]}\n\n"))
        .await
        .unwrap();
    while stage.gateway.calls.lock().unwrap().len() < 21 {
        tokio::task::yield_now().await;
    }
    let reader = std::sync::Arc::clone(&usage);
    let stopping = tokio::spawn(stage.stop());
    events.send(Ok("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\ndata: [DONE]\n\n")).await.unwrap();
    drop(events);
    let answer = streaming.await.unwrap().expect(200);
    assert!(answer.text.ends_with("data: [DONE]\n\n"));
    let _dir = stopping.await.unwrap();
    assert!(
        TcpStream::connect(address).is_err(),
        "nobody listens any more"
    );
    let range = UsageRange {
        from_ms: 0,
        to_ms: i64::MAX,
        cursor: None,
        limit: 100,
    };
    let rows = reader
        .list(TenantId::parse(&id).unwrap(), &range)
        .await
        .unwrap()
        .items;
    assert_eq!(rows.len(), 21);
}
