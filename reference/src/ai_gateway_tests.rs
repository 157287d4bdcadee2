//! What goes upstream and how an answer comes back, against a real server. Never asserts how long something took.

use super::*;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use proptest::prelude::*;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Long enough for any loopback answer; a call that reaches it fails its test.
const PATIENT: Duration = Duration::from_secs(20);
/// For answers that never come.
const IMPATIENT: Duration = Duration::from_millis(50);

/// Serves every request with what the function makes of it.
async fn serve(
    answer: impl Fn(Request<Body>) -> Response<Body> + Clone + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = Router::new().fallback(move |request: Request<Body>| {
        let response = answer(request);
        async move { response }
    });
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

fn gateway(address: SocketAddr) -> HttpAiGateway {
    let base = format!("http://{address}/v1/account/gateway")
        .parse()
        .unwrap();
    HttpAiGateway::new(base, SecretString::from("the-key")).unwrap()
}

fn call(first_byte_timeout: Duration) -> UpstreamCall {
    UpstreamCall {
        metadata_json: r#"{"platform":"web","tier":"free","workload":"chat"}"#.to_owned(),
        body: Bytes::from_static(br#"{"model":"m","messages":[]}"#),
        first_byte_timeout,
    }
}

async fn text(answer: UpstreamAnswer) -> String {
    let parts: Vec<Bytes> = answer.body.map(Result::unwrap).collect().await;
    String::from_utf8(parts.concat()).unwrap()
}

/// A body whose parts are sent through a channel, which notices when the receiver is gone.
fn body() -> (mpsc::Sender<&'static str>, Body) {
    let (parts, received) = mpsc::channel(1);
    let stream = stream::unfold(received, |mut received| async {
        let part = received.recv().await?;
        Some((
            Ok::<_, std::io::Error>(Bytes::from_static(str::as_bytes(part))),
            received,
        ))
    });
    (parts, Body::from_stream(stream))
}

/// Serves the body to the first request.
async fn serve_once(body: Body) -> SocketAddr {
    let body = Arc::new(Mutex::new(Some(body)));
    serve(move |_request| {
        let body = body.lock().unwrap().take().unwrap_or_default();
        Response::builder()
            .header("content-type", "Text/Event-Stream; charset=utf-8")
            .body(body)
            .unwrap()
    })
    .await
}

#[tokio::test]
async fn exactly_the_stated_headers_and_body_go_upstream() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let address = serve({
        let seen = Arc::clone(&seen);
        move |request| {
            let line = format!("{} {}", request.method(), request.uri());
            let mut headers: Vec<_> = request
                .headers()
                .iter()
                .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                .collect();
            headers.sort();
            seen.lock().unwrap().push((line, headers));
            Response::new(request.into_body())
        }
    })
    .await;
    let answer = gateway(address)
        .call(call(Duration::from_secs(8)))
        .await
        .unwrap();
    assert_eq!((answer.status, answer.content_type.as_str()), (200, ""));
    assert_eq!(text(answer).await, r#"{"model":"m","messages":[]}"#);
    let expected = [
        "accept: application/json, text/event-stream".to_owned(),
        "cf-aig-authorization: Bearer the-key".to_owned(),
        r#"cf-aig-metadata: {"platform":"web","tier":"free","workload":"chat"}"#.to_owned(),
        "cf-aig-request-timeout: 8000".to_owned(),
        "content-length: 27".to_owned(),
        "content-type: application/json".to_owned(),
        format!("host: {address}"),
    ];
    let line = "POST /v1/account/gateway/workers-ai/v1/chat/completions".to_owned();
    assert_eq!(*seen.lock().unwrap(), [(line, expected.to_vec())]);
}

#[tokio::test]
async fn each_part_arrives_before_the_next_one_is_sent() {
    let (parts, body) = body();
    let address = serve_once(body).await;
    parts.send("data: 1\n\n").await.unwrap();
    let mut answer = gateway(address).call(call(PATIENT)).await.unwrap();
    assert_eq!(answer.content_type, "text/event-stream");
    assert_eq!(answer.body.next().await.unwrap().unwrap(), "data: 1\n\n");
    parts.send("data: 2\n\n").await.unwrap();
    assert_eq!(answer.body.next().await.unwrap().unwrap(), "data: 2\n\n");
    drop(parts);
    assert!(answer.body.next().await.is_none());
}

#[tokio::test]
async fn dropping_the_body_closes_the_call_upstream() {
    let (parts, body) = body();
    let address = serve_once(body).await;
    parts.send("data: 1\n\n").await.unwrap();
    let answer = gateway(address).call(call(PATIENT)).await.unwrap();
    assert!(!parts.is_closed());
    drop(answer);
    parts.closed().await;
}

#[tokio::test]
async fn a_head_without_a_first_byte_times_out_and_is_closed() {
    let (parts, body) = body();
    let address = serve_once(body).await;
    let answer = gateway(address).call(call(IMPATIENT)).await;
    assert!(matches!(answer, Err(UpstreamError::Timeout)));
    parts.closed().await;
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let answer = gateway(listener.local_addr().unwrap())
        .call(call(IMPATIENT))
        .await;
    assert!(matches!(answer, Err(UpstreamError::Timeout)));
}

#[tokio::test]
async fn a_closed_port_is_a_connection_error_that_names_no_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let Err(UpstreamError::Connection(source)) = gateway(address).call(call(PATIENT)).await else {
        panic!("a connection error is expected");
    };
    assert!(
        !format!("{source}{source:?}").contains("account"),
        "{source:?}"
    );
}

#[tokio::test]
async fn errors_and_redirects_and_empty_bodies_are_answers() {
    for status in [204, 302, 429, 503, 524] {
        let address = serve(move |_request| {
            Response::builder()
                .status(StatusCode::from_u16(status).unwrap())
                .header("location", "/elsewhere")
                .body(Body::empty())
                .unwrap()
        })
        .await;
        let answer = gateway(address).call(call(PATIENT)).await.unwrap();
        assert_eq!(answer.status, status);
        assert_eq!(text(answer).await, "");
    }
}

#[test]
fn addresses_and_keys_that_cannot_be_used_are_refused() {
    let build =
        |base: &str, key: &str| HttpAiGateway::new(base.parse().unwrap(), SecretString::from(key));
    assert!(build("https://gateway.example/v1/a/b/", "key").is_ok());
    assert!(matches!(
        build("ftp://gateway.example/", "key"),
        Err(BuildError::Address)
    ));
    assert!(matches!(
        build("data:text", "key"),
        Err(BuildError::Address)
    ));
    assert!(matches!(
        build("https://gateway.example", "a\nb"),
        Err(BuildError::Key)
    ));
    let endpoint = endpoint("https://gateway.example/v1/a/b/".parse().unwrap()).unwrap();
    assert_eq!(
        endpoint.as_str(),
        "https://gateway.example/v1/a/b/workers-ai/v1/chat/completions"
    );
}

proptest! {
    #[test]
    fn escaped_metadata_says_the_same_and_fits_into_a_header(platform in "(?s).{0,64}") {
        let json = serde_json::json!({"platform": platform}).to_string();
        let escaped = ascii_json(&json);
        prop_assert!(HeaderValue::try_from(&escaped).is_ok());
        let value: serde_json::Value = serde_json::from_str(&escaped).unwrap();
        prop_assert_eq!(value["platform"].as_str().unwrap(), platform);
    }
}
