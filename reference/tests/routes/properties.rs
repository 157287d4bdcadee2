//! Properties of the whole backend under arbitrary requests.

use crate::stage::Stage;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderValue, Request};
use moltworker_reference::backend::Ports;
use proptest::prelude::*;
use proptest::test_runner::{Config as ProptestConfig, TestRunner};
use serde_json::{Value, json};
use tower::ServiceExt;

/// Hosts close to real ones, and bytes that no host has.
fn any_host() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[a-zA-Z0-9.:-]{0,40}".prop_map(String::into_bytes),
        "(tenant-[abc]|[a-z]{0,3})(\\.|)(app|evilapp|b\\.app)\\.test(\\.|:[0-9]{0,6}|)"
            .prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..80),
    ]
}

fn any_path() -> impl Strategy<Value = String> {
    prop_oneof![
        "/[a-zA-Z0-9%./;_~-]{0,40}",
        "/(api|v1|_admin|sandbox-health)(/|%2f|//)[a-z%0-9/.]{0,20}",
        Just("/api/status".to_owned())
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_panics_reaches_another_tenant_or_breaks_the_envelope() {
    let stage = Stage::with(
        &[("PUBLIC_RATE_LIMIT_MAX", "1000000")],
        |_ports: &mut Ports| {},
    )
    .await;
    stage.tenant(json!({"slug": "tenant-a"})).await;
    stage.tenant(json!({"slug": "tenant-b"})).await;
    let router = stage.router();
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || {
        let mut runner = TestRunner::new(ProptestConfig {
            cases: 512,
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        let requests = (
            any_host(),
            any_path(),
            prop_oneof![Just("GET"), Just("POST"), Just("PATCH")],
            proptest::collection::vec(any::<u8>(), 0..64),
        );
        let result = runner.run(&requests, |(host, path, method, body)| {
            let Ok(value) = HeaderValue::from_bytes(&host) else {
                return Ok(());
            };
            let Ok(request) = Request::builder()
                .method(method)
                .uri(&path)
                .header("host", value)
                .body(Body::from(body))
            else {
                return Ok(());
            };
            let (status, text) = runtime.block_on(async {
                let response = router.clone().oneshot(request).await.unwrap();
                let status = response.status().as_u16();
                (
                    status,
                    to_bytes(response.into_body(), 1 << 20).await.unwrap(),
                )
            });
            let value: Value = serde_json::from_slice(&text).unwrap();
            prop_assert_ne!(status, 500, "{}", value);
            if status == 200 && path == "/api/status" {
                let tenant = value["tenant"].as_str().unwrap();
                let expected = format!("{tenant}.app.test");
                let sent = String::from_utf8_lossy(&host).to_ascii_lowercase();
                prop_assert!(sent.starts_with(&expected), "{} got {}", sent, tenant);
            } else if status != 200 {
                prop_assert_eq!(&value["success"], &json!(false));
                prop_assert!(
                    value["error"]["code"].is_string() && value["error"]["details"].is_object()
                );
            }
            Ok(())
        });
        result.unwrap();
    })
    .await
    .unwrap();
}
