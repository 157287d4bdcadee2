//! What the gateway double says and remembers. It never tests how bytes leave the socket.

use std::time::Duration;

use futures_util::future::join_all;
use moltproof::doubles::{
    AiGatewayDouble, Attempt, Doubles, Endpoint, ErrorDialect, Outcome, Reply, Script,
    StreamDialect,
};
use serde_json::{Value, json};

use super::{DEADLINE, MODEL, ask, body, client, request};

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

async fn finished(gateway: &AiGatewayDouble, marker: &str, count: usize) -> Vec<Attempt> {
    gateway
        .wait_until(marker, DEADLINE, |attempts| {
            attempts.len() == count && attempts.iter().all(|a| a.finished_at.is_some())
        })
        .await
}

#[tokio::test]
async fn each_kind_of_reply_has_its_documented_shape() {
    let gateway = gateway();
    let usage = json!({"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16});
    let check = async |reply: Reply, status: u16, pointer: &str, expected: Value| {
        let (seen, body, attempt) = played(&gateway, reply).await;
        assert_eq!(seen, status, "{body}");
        assert_eq!(
            body.pointer(pointer).unwrap_or(&Value::Null),
            &expected,
            "{pointer} of {body}"
        );
        assert_eq!(attempt.outcome, Outcome::Answered(status));
    };
    check(
        Reply::answer("a b", 11, 5),
        200,
        "/choices/0/message/content",
        json!("a b"),
    )
    .await;
    check(Reply::chat("a b", 11, 5), 200, "/usage", usage.clone()).await;
    check(Reply::chat("a b", 11, 5), 200, "/model", json!(MODEL)).await;
    check(
        Reply::native("a b", 11, 5),
        200,
        "/result/usage",
        usage.clone(),
    )
    .await;
    check(Reply::native("a b", 11, 5), 200, "/success", json!(true)).await;
    check(
        Reply::root_usage("a b", 11, 5),
        200,
        "/usage",
        usage.clone(),
    )
    .await;
    check(Reply::without_usage(), 200, "/usage", Value::Null).await;
    check(Reply::usage_null(), 200, "/usage", Value::Null).await;
    check(Reply::content_filtered(11, 5), 200, "/usage", usage).await;
    check(
        Reply::content_filtered(11, 5),
        200,
        "/choices/0/finish_reason",
        json!("content_filter"),
    )
    .await;
    check(Reply::success_false(), 200, "/success", json!(false)).await;
    check(
        Reply::error_payload(ErrorDialect::ErrorObject),
        200,
        "/error/type",
        json!("server_error"),
    )
    .await;
    check(
        Reply::error_payload(ErrorDialect::ErrorArray),
        200,
        "/error/0/code",
        json!(2002),
    )
    .await;
    check(
        Reply::error_payload(ErrorDialect::Errors),
        200,
        "/errors/0/code",
        json!(3043),
    )
    .await;
    check(
        Reply::gateway_error(2003, 429, "Rate limited"),
        429,
        "/error/0/code",
        json!(2003),
    )
    .await;
    check(
        Reply::gateway_error(2003, 429, "Rate limited"),
        429,
        "/name",
        json!("AiGatewayError"),
    )
    .await;
    check(
        Reply::gateway_error_short(2009, 401, "Unauthorized"),
        401,
        "/name",
        Value::Null,
    )
    .await;
    check(
        Reply::provider_error(429, 3040, "No capacity"),
        429,
        "/errors/0/code",
        json!(3040),
    )
    .await;
    check(Reply::status(503), 503, "/success", json!(false)).await;
    check(Reply::status(200), 200, "/object", json!("chat.completion")).await;
    check(
        Reply::chat("x", 1, 1).with_status(201),
        201,
        "/object",
        json!("chat.completion"),
    )
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

#[tokio::test]
async fn the_journal_keeps_headers_metadata_and_body_as_sent() {
    let gateway = gateway();
    let metadata = r#"{"platform":"web","tier":"free","cf.x":"1","city":"Köln"}"#;
    let response = request(&gateway, &body("journal01"))
        .header("cf-aig-metadata", metadata)
        .header("cf-aig-authorization", "Bearer key")
        .header("CF-AIG-Request-Timeout", "8000")
        .send()
        .await
        .unwrap();
    assert_eq!(
        response.status(),
        200,
        "without a script the double answers plainly"
    );
    let attempt = gateway.journal("journal01").remove(0);
    assert_eq!(attempt.marker, "journal01");
    assert_eq!(attempt.path, "/v1/acct/gw/workers-ai/v1/chat/completions");
    assert_eq!(attempt.metadata_raw.as_deref(), Some(metadata));
    let kept = json!({"platform": "web", "tier": "free", "city": "Köln"});
    assert_eq!(attempt.metadata_kept.clone().map(Value::Object), Some(kept));
    assert_eq!(attempt.authorization.as_deref(), Some("Bearer key"));
    assert_eq!(attempt.timeout_stated_ms, Some(8000));
    assert_eq!(attempt.header("content-type"), Some("application/json"));
    assert_eq!(attempt.body, body("journal01"));
}

#[tokio::test]
async fn metadata_with_a_null_is_kept_as_nothing() {
    let gateway = gateway();
    let sent =
        request(&gateway, &body("nullmeta1")).header("cf-aig-metadata", r#"{"a":"b","c":null}"#);
    sent.send().await.unwrap();
    let attempt = gateway.journal("nullmeta1").remove(0);
    assert!(attempt.metadata_raw.is_some());
    assert_eq!(attempt.metadata_kept, None);
}

#[tokio::test]
async fn a_provider_slower_than_the_stated_timeout_times_out_at_once() {
    let gateway = gateway();
    let slow = Reply::chat("late", 11, 5).took(Duration::from_secs(25));
    gateway.script("timeout01", Script::always(slow.clone()));
    let with_timeout =
        |ms: &str| request(&gateway, &body("timeout01")).header("cf-aig-request-timeout", ms);
    let late = with_timeout("20000").send().await.unwrap();
    assert_eq!(late.status(), 524);
    assert!(late.json::<Value>().await.unwrap()["error"].is_array());
    assert_eq!(with_timeout("30000").send().await.unwrap().status(), 200);
    assert_eq!(
        request(&gateway, &body("timeout01"))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    gateway.script("timeout01", Script::always(slow.timing_out_as(504)));
    assert_eq!(with_timeout("20000").send().await.unwrap().status(), 504);
    let seen: Vec<_> = finished(&gateway, "timeout01", 4)
        .await
        .iter()
        .map(|a| (a.timeout_stated_ms, a.outcome))
        .collect();
    assert_eq!(
        seen,
        [
            (Some(20_000), Outcome::TimedOut),
            (Some(30_000), Outcome::Answered(200)),
            (None, Outcome::Answered(200)),
            (Some(20_000), Outcome::TimedOut),
        ]
    );
}

fn element(model: &str, marker: &str, config: &Value) -> Value {
    json!({
        "provider": "workers-ai", "endpoint": model, "config": config,
        "headers": {"Authorization": "Bearer provider", "cf-aig-metadata": format!("{{\"model\":\"{model}\"}}")},
        "query": body(marker),
    })
}

#[tokio::test]
async fn a_universal_request_falls_through_to_the_element_that_answers() {
    let gateway = gateway();
    let script = Script::always(Reply::answer("second", 11, 5)).for_model(
        "@cf/primary",
        [
            Reply::status(500),
            Reply::answer("late", 1, 1).took(Duration::from_secs(9)),
        ],
    );
    gateway.script("universal1", script);
    let elements = json!([
        element(
            "@cf/primary",
            "universal1",
            &json!({"requestTimeout": 8000, "maxAttempts": 1})
        ),
        element(
            "@cf/fallback",
            "universal1",
            &json!({"requestTimeout": 8000})
        ),
    ]);
    let send = async || {
        client()
            .post(gateway.base_url())
            .header("cf-aig-metadata", "{}")
            .json(&elements)
            .send()
            .await
            .unwrap()
    };
    for _ in 0..2 {
        let response = send().await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["cf-aig-step"], "1");
        assert_eq!(
            response.json::<Value>().await.unwrap()["result"]["response"],
            "second"
        );
    }
    let attempts = finished(&gateway, "universal1", 4).await;
    let seen: Vec<_> = attempts
        .iter()
        .map(|a| (a.model.as_str(), a.step, a.outcome))
        .collect();
    assert_eq!(
        seen,
        [
            ("@cf/primary", 0, Outcome::Answered(500)),
            ("@cf/fallback", 1, Outcome::Answered(200)),
            ("@cf/primary", 0, Outcome::TimedOut),
            ("@cf/fallback", 1, Outcome::Answered(200)),
        ]
    );
    assert_eq!(
        attempts[1].metadata_raw.as_deref(),
        Some("{\"model\":\"@cf/fallback\"}")
    );
}

#[tokio::test]
async fn the_gateway_retries_as_told_and_waits_for_the_last_try() {
    let gateway = gateway();
    let slow = Reply::default().took(Duration::from_secs(60));
    gateway.script(
        "retries01",
        Script::sequence([Reply::status(500), slow.clone(), slow]),
    );
    let response = request(&gateway, &body("retries01"))
        .header("cf-aig-max-attempts", "3")
        .header("cf-aig-request-timeout", "8000")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let outcomes: Vec<_> = finished(&gateway, "retries01", 3)
        .await
        .iter()
        .map(|a| a.outcome)
        .collect();
    assert_eq!(
        outcomes,
        [
            Outcome::Answered(500),
            Outcome::TimedOut,
            Outcome::Answered(200)
        ]
    );
}

#[tokio::test]
async fn another_provider_in_a_universal_request_is_seen_and_not_called() {
    let gateway = gateway();
    let elements = json!([
        {"provider": "openai", "endpoint": "chat/completions", "query": {"model": "gpt-4o"}},
        element("@cf/fallback", "provider01", &Value::Null),
    ]);
    let response = client()
        .post(gateway.base_url())
        .json(&elements)
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["cf-aig-step"], "1");
    let attempts = finished(&gateway, "provider01", 2).await;
    assert_eq!(attempts[0].model, "openai/gpt-4o");
    assert_eq!(attempts[0].outcome, Outcome::Answered(400));
}

#[tokio::test]
async fn nothing_that_arrives_is_lost() {
    let gateway = gateway();
    let base = gateway.base_url();
    let chat = format!("{base}/workers-ai/v1/chat/completions");
    let statuses = [
        client().get(&chat).send().await.unwrap().status(),
        client()
            .post(format!("{base}/openai/chat/completions"))
            .json(&body("elsewhere"))
            .send()
            .await
            .unwrap()
            .status(),
        client()
            .post(&chat)
            .body("not json")
            .send()
            .await
            .unwrap()
            .status(),
        client()
            .post(format!("{base}/compat/chat/completions"))
            .json(&body("noprefix1"))
            .send()
            .await
            .unwrap()
            .status(),
        client()
            .post(&base)
            .json(&json!([]))
            .send()
            .await
            .unwrap()
            .status(),
        client().head(&chat).send().await.unwrap().status(),
    ];
    assert_eq!(
        statuses.map(|status| status.as_u16()),
        [405, 404, 400, 400, 400, 405]
    );
    let all = gateway.journal_all();
    let endpoints: Vec<_> = all.iter().map(|a| a.endpoint).collect();
    assert_eq!(
        endpoints,
        [
            Endpoint::Unknown,
            Endpoint::Unknown,
            Endpoint::WorkersAiOpenAi,
            Endpoint::Compat,
            Endpoint::Universal,
            Endpoint::Unknown
        ]
    );
    assert_eq!(all[1].marker, "elsewhere");
    assert_eq!(all[2].body, "not json");
    assert_eq!(gateway.journal("").len(), 4);
}

#[tokio::test]
async fn sixty_four_concurrent_calls_are_kept_apart() {
    let gateway = gateway();
    let client = client();
    let url = format!("{}/workers-ai/v1/chat/completions", gateway.base_url());
    let call = async |number: usize| {
        let marker = format!("concurrent{number:02}");
        gateway.script(&marker, Script::always(Reply::chat(&marker, 1, 1)));
        let response = client.post(&url).json(&body(&marker)).send().await.unwrap();
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["choices"][0]["message"]["content"], marker.as_str());
        assert_eq!(gateway.journal(&marker).len(), 1);
    };
    join_all((0..64).map(call)).await;
    let all = gateway.journal_all();
    assert_eq!(all.len(), 64);
    assert!(all.is_sorted_by_key(|attempt| attempt.at));
    gateway.forget("concurrent07");
    assert_eq!(gateway.journal("concurrent07"), []);
    assert_eq!(gateway.journal_all().len(), 63);
}

#[tokio::test]
async fn waiting_for_attempts_ends_with_the_attempt_or_the_deadline() {
    let gateway = gateway();
    let message = body("waiting01");
    let (waited, _) = tokio::join!(gateway.wait_for_attempts("waiting01", 1, DEADLINE), async {
        request(&gateway, &message).send().await.unwrap()
    },);
    assert_eq!(waited.len(), 1);
    let none = gateway
        .wait_for_attempts("waiting01", 2, Duration::from_millis(20))
        .await;
    assert_eq!(none.len(), 1);
}

#[test]
fn the_doubles_answer_while_the_callers_thread_is_blocked() {
    use std::io::{Read, Write};
    let doubles = Doubles::start().unwrap();
    let host = doubles.access.origin().replace("http://", "");
    let mut socket = std::net::TcpStream::connect(host).unwrap();
    socket
        .write_all(b"GET /cdn-cgi/access/certs HTTP/1.0\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(doubles.gateway.journal_all().is_empty());
}
