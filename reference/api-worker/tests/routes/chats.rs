//! Chats, whole and streamed, and what they leave. Never looks at what a gate does.

use crate::stage::{NOW, Reply, Stage, completion};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";

fn chat(stream: bool, conversation: Option<&Value>) -> Value {
    let mut body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "ask"}], "stream": stream});
    if let Some(conversation) = conversation {
        body["conversation_id"] = conversation["id"].clone();
    }
    body
}

async fn price(stage: &Stage) {
    let price = json!({"model": "gpt-4o", "input_micros_per_million": 500_000, "output_micros_per_million": 1_000_000});
    assert_eq!(
        stage
            .operator("POST", "/api/admin/prices", price)
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn a_chat_of_a_conversation_sends_what_was_said_and_appends_what_is_said() {
    let stage = Stage::new();
    let key = stage.key("alice").await;
    price(&stage).await;
    let conversation = stage
        .user(&key, "POST", "/v1/conversations", json!({"title": null}))
        .await
        .json();
    for _ in 0..2 {
        let answer = stage
            .user(&key, "POST", CHAT, chat(false, Some(&conversation)))
            .await;
        assert_eq!((answer.status, answer.json()), (200, completion()));
    }
    let calls = stage.gateway.calls.lock().unwrap().clone();
    let said = json!([{"role": "user", "content": "ask"}, {"role": "assistant", "content": "hi"}, {"role": "user", "content": "ask"}]);
    assert_eq!(calls[1]["messages"], said);
    assert_eq!(
        (calls[1].get("conversation_id"), &calls[1]["model"]),
        (None, &json!("gpt-4o"))
    );
    let path = format!(
        "/v1/conversations/{}/messages",
        conversation["id"].as_str().unwrap()
    );
    let messages = stage.user(&key, "GET", &path, Value::Null).await.json();
    let positions: Vec<&Value> = messages["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| &message["position"])
        .collect();
    assert_eq!(positions, [1, 2, 3, 4]);
    let usage = stage
        .user(&key, "GET", "/v1/usage", Value::Null)
        .await
        .json();
    // 3 × 0.5 + 4 × 1 micro-units is 5.5.
    assert_eq!(usage["usage"][0]["cost_micros"], 6);
    assert_eq!(usage["usage"][0]["created_at"], NOW);
}

#[tokio::test]
async fn a_stream_is_kept_before_its_end_is_told_and_only_if_it_ends_well() {
    let delta = r#"data: {"choices":[{"index":0,"delta":{"content":"hel"}}]}

data: {"choices":[{"index":0,"delta":{"content":"lo"}}]}

"#;
    let usage =
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\n";
    let cases = [
        (vec![Ok(delta), Ok(usage), Ok("data: [DONE]\n\n")], true, 1),
        (vec![Ok(delta), Ok(usage)], true, 0),
        (vec![Ok(delta), Ok(usage), Err(())], false, 0),
        (
            vec![
                Ok(delta),
                Ok("data: {\"error\":{\"message\":\"secret\"}}\n\n"),
                Ok("data: [DONE]\n\n"),
            ],
            true,
            0,
        ),
    ];
    for (parts, is_whole, kept) in cases {
        let stage = Stage::new();
        let key = stage.key("alice").await;
        let conversation = stage
            .user(&key, "POST", "/v1/conversations", json!({}))
            .await
            .json();
        stage
            .gateway
            .replies
            .lock()
            .unwrap()
            .push_back(Reply::Events(parts));
        let answer = stage
            .user(&key, "POST", CHAT, chat(true, Some(&conversation)))
            .await;
        assert_eq!(
            (answer.status, answer.is_whole),
            (200, is_whole),
            "{}",
            answer.text
        );
        assert!(!answer.text.contains("secret"));
        let count = |sql: &str| {
            stage
                .database()
                .query_row(sql, [], |row| row.get::<_, i64>(0))
                .unwrap()
        };
        assert_eq!(
            count("SELECT count(*) FROM usage_logs WHERE input_tokens = 3"),
            kept,
            "{}",
            answer.text
        );
        assert_eq!(count("SELECT count(*) FROM messages"), 2 * kept);
        assert_eq!(
            count(
                "SELECT count(*) FROM messages WHERE role = 'assistant' AND content = '\"hello\"'"
            ),
            kept
        );
        assert_eq!(answer.text.contains("[DONE]"), kept == 1);
    }
}

#[tokio::test]
async fn a_failed_chat_leaves_a_metric_and_nothing_else() {
    let stage = Stage::new();
    let key = stage.key("alice").await;
    let conversation = stage
        .user(&key, "POST", "/v1/conversations", json!({}))
        .await
        .json();
    let mut failed = completion();
    failed["error"] = json!({"message": "no"});
    for reply in [
        Reply::Json(400, json!({})),
        Reply::Json(200, failed),
        Reply::Json(200, json!([])),
    ] {
        stage.gateway.replies.lock().unwrap().push_back(reply);
        let answer = stage
            .user(&key, "POST", CHAT, chat(false, Some(&conversation)))
            .await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["code"]),
            (502, &json!("AI_UPSTREAM_FAILED"))
        );
    }
    let count = |table: &str| {
        stage
            .rows()
            .into_iter()
            .find(|(name, _)| name == table)
            .unwrap()
            .1
    };
    assert_eq!(
        [
            count("usage_logs"),
            count("messages"),
            count("system_metrics")
        ],
        [0, 0, 3]
    );
}

#[tokio::test]
async fn a_key_is_in_no_cell_and_no_line_of_the_log() {
    let stage = Stage::new();
    let key = stage.key("alice").await;
    stage.user(&key, "POST", CHAT, chat(false, None)).await;
    stage
        .user(
            &key,
            "GET",
            &format!("/v1/conversations/{key}?limit={key}"),
            Value::Null,
        )
        .await;
    stage
        .user(&key, "PUT", &format!("/v1/preferences/{key}"), Value::Null)
        .await;
    let path = stage.database().path().unwrap().to_owned();
    let secret = &key[12..];
    for file in [path.clone(), format!("{path}-wal")] {
        let bytes = std::fs::read(file).unwrap_or_default();
        assert!(
            !bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes())
        );
    }
    let log = stage.log.0.lock().unwrap().clone();
    assert!(
        log.contains("\"event\":\"request\"") && !log.contains(secret),
        "{log}"
    );
}
