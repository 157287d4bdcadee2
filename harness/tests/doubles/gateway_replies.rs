//! What the gateway double says. It never tests how bytes leave the socket.

use moltproof::doubles::{
    AiGatewayDouble, Attempt, Endpoint, ErrorDialect, Outcome, Reply, Script, StreamDialect,
};
use serde_json::{Value, json};

use super::{MODEL, ask, body, client, finished, request};

fn gateway() -> AiGatewayDouble {
    AiGatewayDouble::start().unwrap()
}

/// Status and body of one reply, and the attempt it left.
async fn played(gateway: &AiGatewayDouble, reply: Reply) -> (u16, Value, Attempt) {
    let response = ask(gateway, "played01", Script::always(reply)).await;
    let status = response.status().as_u16();
    let body = response.json().await.unwrap();
    let attempts = finished(gateway, "played01", 1).await;
    gateway.forget("played01");
    (status, body, attempts[0].clone())
}

/// Plays each reply and compares one place of its body.
async fn check(replies: Vec<(Reply, u16, &str, Value)>) {
    let gateway = gateway();
    for (reply, status, pointer, expected) in replies {
        let (seen, body, attempt) = played(&gateway, reply).await;
        assert_eq!(seen, status, "{body}");
        let found = body.pointer(pointer).unwrap_or(&Value::Null);
        assert_eq!(found, &expected, "{pointer} of {body}");
        assert_eq!(attempt.outcome, Outcome::Answered(status));
    }
}

#[tokio::test]
async fn each_success_has_its_documented_shape() {
    let usage = json!({"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16});
    let filtered = json!("content_filter");
    let text = "/choices/0/message/content";
    check(vec![
        (Reply::answer("a b", 11, 5), 200, text, json!("a b")),
        (Reply::chat("a b", 11, 5), 200, "/usage", usage.clone()),
        (Reply::chat("a b", 11, 5), 200, "/model", json!(MODEL)),
        (
            Reply::native("a b", 11, 5),
            200,
            "/result/usage",
            usage.clone(),
        ),
        (Reply::native("a b", 11, 5), 200, "/success", json!(true)),
        (
            Reply::root_usage("a b", 11, 5),
            200,
            "/usage",
            usage.clone(),
        ),
        (Reply::without_usage(), 200, "/usage", Value::Null),
        (Reply::usage_null(), 200, "/usage", Value::Null),
        (Reply::content_filtered(11, 5), 200, "/usage", usage),
        (
            Reply::content_filtered(11, 5),
            200,
            "/choices/0/finish_reason",
            filtered,
        ),
        (Reply::status(200), 200, "/object", json!("chat.completion")),
        (
            Reply::chat("x", 1, 1).with_status(201),
            201,
            text,
            json!("x"),
        ),
    ])
    .await;
}

#[tokio::test]
async fn each_failure_has_its_documented_shape() {
    let limited = || Reply::gateway_error(2003, 429, "Rate limited");
    let short = Reply::gateway_error_short(2009, 401, "Unauthorized");
    let object = Reply::error_payload(ErrorDialect::ErrorObject);
    let array = Reply::error_payload(ErrorDialect::ErrorArray);
    let errors = Reply::error_payload(ErrorDialect::Errors);
    let provider = Reply::provider_error(429, 3040, "No capacity");
    check(vec![
        (Reply::success_false(), 200, "/success", json!(false)),
        (object, 200, "/error/type", json!("server_error")),
        (array, 200, "/error/0/code", json!(2002)),
        (errors, 200, "/errors/0/code", json!(3043)),
        (limited(), 429, "/error/0/code", json!(2003)),
        (limited(), 429, "/name", json!("AiGatewayError")),
        (short, 401, "/name", Value::Null),
        (provider, 429, "/errors/0/code", json!(3040)),
        (Reply::status(503), 503, "/success", json!(false)),
    ])
    .await;
}

#[tokio::test]
async fn usage_that_is_null_is_told_from_usage_that_is_missing() {
    let gateway = gateway();
    let (_, null, _) = played(&gateway, Reply::usage_null()).await;
    let (_, missing, _) = played(&gateway, Reply::without_usage()).await;
    assert_eq!(null.get("usage"), Some(&Value::Null));
    assert_eq!(missing.get("usage"), None);
}

#[tokio::test]
async fn a_body_that_is_no_json_and_one_that_is_huge_arrive_whole() {
    let gateway = gateway();
    let garbage = ask(&gateway, "garbage01", Script::always(Reply::garbage())).await;
    assert_eq!(garbage.headers()["content-type"], "application/json");
    assert!(garbage.json::<Value>().await.is_err());
    let huge = ask(&gateway, "huge0001", Script::always(Reply::huge(4 << 20))).await;
    let body: Value = huge.json().await.unwrap();
    assert_eq!(
        body["choices"][0]["message"]["content"]
            .as_str()
            .unwrap()
            .len(),
        4 << 20
    );
}

#[tokio::test]
async fn a_redirect_and_a_cookie_are_sent_as_scripted_and_the_trap_counts() {
    let gateway = gateway();
    let reply = Reply::redirect(&gateway.trap_url())
        .set_cookie()
        .header("X-Extra", "1");
    let response = ask(&gateway, "redirect1", Script::always(reply)).await;
    assert_eq!(response.status(), 302);
    assert_eq!(response.headers()["location"], gateway.trap_url());
    assert!(response.headers().contains_key("set-cookie"));
    assert_eq!(response.headers()["x-extra"], "1");
    assert_eq!(gateway.trap_hits(), 0);
    assert!(
        client()
            .get(gateway.trap_url())
            .send()
            .await
            .unwrap()
            .status()
            .is_success()
    );
    client()
        .post(gateway.trap_url())
        .body("x")
        .send()
        .await
        .unwrap();
    assert_eq!(gateway.trap_hits(), 2);
}

#[tokio::test]
async fn the_gateways_own_headers_stand_on_every_answer() {
    let gateway = gateway();
    let script = Script::sequence([
        Reply::default(),
        Reply::default().cache_hit(),
        Reply::status(500),
        Reply::gateway_error(2021, 402, "insufficient credits"),
    ]);
    let first = ask(&gateway, "headers01", script).await;
    assert_eq!(first.headers()["cf-aig-cache-status"], "MISS");
    assert_eq!(first.headers()["cf-aig-log-id"].len(), 26);
    assert_eq!(first.headers()["cf-aig-event-id"].len(), 36);
    assert!(
        !first.headers().contains_key("cf-aig-step"),
        "only Universal requests have steps"
    );
    assert!(!first.headers().contains_key("x-moltproof-exchange"));
    let again = || request(&gateway, &body("headers01"));
    let hit = again()
        .header("cf-aig-event-id", "mine")
        .send()
        .await
        .unwrap();
    assert_eq!(hit.headers()["cf-aig-cache-status"], "HIT");
    assert_eq!(hit.headers()["cf-aig-event-id"], "mine");
    assert!(
        again()
            .send()
            .await
            .unwrap()
            .headers()
            .contains_key("cf-aig-log-id")
    );
    assert!(
        !again()
            .send()
            .await
            .unwrap()
            .headers()
            .contains_key("cf-aig-log-id")
    );
}

/// The frames of a streamed reply, `[DONE]` as a string.
async fn frames(gateway: &AiGatewayDouble, dialect: StreamDialect) -> Vec<Value> {
    let reply = Reply::stream(dialect, &["Hel", "lo"], 11, 5);
    let response = ask(gateway, "frames001", Script::always(reply)).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let text = response.text().await.unwrap();
    text.split_terminator("\n\n")
        .map(|event| event.strip_prefix("data: ").unwrap())
        .map(|data| serde_json::from_str(data).unwrap_or_else(|_| data.into()))
        .collect()
}

#[tokio::test]
async fn an_openai_stream_ends_with_usage_beside_empty_choices() {
    let frames = frames(&gateway(), StreamDialect::OpenAi).await;
    assert_eq!(
        frames[0]["choices"][0]["delta"],
        json!({"role": "assistant", "content": "Hel"})
    );
    assert_eq!(frames[1]["choices"][0]["delta"], json!({"content": "lo"}));
    assert_eq!(frames[2]["choices"][0]["finish_reason"], "stop");
    assert_eq!(frames[3]["choices"], json!([]));
    assert_eq!(frames[3]["usage"]["total_tokens"], 16);
    assert_eq!(frames[4], "[DONE]");
    assert_eq!(frames.len(), 5);
}

#[tokio::test]
async fn a_binding_stream_reports_zero_usage_first_and_the_real_one_without_choices() {
    let frames = frames(&gateway(), StreamDialect::OpenAiBinding).await;
    assert!(frames[0]["p"].is_string());
    assert_eq!(frames[3]["choices"], json!([]));
    assert_eq!(frames[3]["usage"]["total_tokens"], 0);
    assert_eq!(frames[4].get("choices"), None);
    assert_eq!(frames[4]["usage"]["total_tokens"], 16);
    assert_eq!(frames[5], "[DONE]");
}

#[tokio::test]
async fn a_native_stream_has_responses_and_then_usage() {
    let frames = frames(&gateway(), StreamDialect::Native).await;
    assert_eq!(frames[0]["response"], "Hel");
    assert_eq!(frames[1]["response"], "lo");
    assert_eq!(frames[2]["usage"]["prompt_tokens"], 11);
    assert_eq!(frames[3], "[DONE]");
}

#[tokio::test]
async fn a_plain_answer_speaks_the_dialect_of_the_endpoint() {
    let gateway = gateway();
    let base = gateway.base_url();
    let script = Script::always(Reply::answer("a b", 11, 5));
    gateway.script("dialect01", script);
    let ask = async |url: String, body: Value| {
        let response = client().post(url).json(&body).send().await.unwrap();
        response.text().await.unwrap()
    };
    let mut chat = body("dialect01");
    let native = ask(format!("{base}/workers-ai/{MODEL}"), chat.clone()).await;
    assert!(native.contains("\"result\""), "{native}");
    chat["stream"] = true.into();
    let native_stream = ask(format!("{base}/workers-ai/{MODEL}"), chat.clone()).await;
    assert!(native_stream.starts_with("data: {"), "{native_stream}");
    assert!(
        native_stream.contains("\"response\":\"a \""),
        "{native_stream}"
    );
    chat["model"] = format!("workers-ai/{MODEL}").into();
    let compat = ask(format!("{base}/compat/chat/completions"), chat).await;
    assert!(compat.contains("chat.completion.chunk"), "{compat}");
    let seen: Vec<_> = finished(&gateway, "dialect01", 3)
        .await
        .into_iter()
        .map(|a| (a.endpoint, a.model, a.stream))
        .collect();
    assert_eq!(
        seen,
        [
            (Endpoint::WorkersAiNative, MODEL.to_owned(), false),
            (Endpoint::WorkersAiNative, MODEL.to_owned(), true),
            (Endpoint::Compat, MODEL.to_owned(), true),
        ]
    );
}
