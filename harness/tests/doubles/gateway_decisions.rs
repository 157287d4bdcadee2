//! What the gateway double decides and remembers. It never tests how bytes leave the socket.

use std::time::Duration;

use futures_util::future::join_all;
use moltproof::doubles::{AiGatewayDouble, Doubles, Endpoint, Outcome, Reply, Script};
use serde_json::{Value, json};

use super::{DEADLINE, body, client, finished, request};

fn gateway() -> AiGatewayDouble {
    AiGatewayDouble::start().unwrap()
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
async fn metadata_sent_twice_is_not_hidden() {
    let gateway = gateway();
    let sent = request(&gateway, &body("twometa01"))
        .header("cf-aig-metadata", r#"{"a":"b"}"#)
        .header("cf-aig-metadata", r#"{"a":"c"}"#);
    sent.send().await.unwrap();
    let attempt = gateway.journal("twometa01").remove(0);
    assert_eq!(
        attempt.metadata_raw.as_deref(),
        Some(r#"{"a":"b"}, {"a":"c"}"#)
    );
    assert_eq!(attempt.metadata_kept, None);
    assert_eq!(attempt.header_values("cf-aig-metadata").len(), 2);
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
