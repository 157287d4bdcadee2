//! The bindings gate: what is missing stops everything, by name.

use crate::stage::{Stage, messages};
use serde_json::json;

async fn check(unset: &[&str], method: &str, path: &str, missing: &[&str]) {
    let vars: Vec<(&str, &str)> = unset.iter().map(|name| (*name, "")).collect();
    let stage = Stage::with(&vars, |_ports| {}).await;
    let details = stage
        .admin(method, path)
        .body(messages())
        .send()
        .await
        .expect_error(503, "CONFIGURATION_ERROR");
    assert_eq!(details, json!({"missing": missing}), "{path}");
    assert!(stage.gateway.calls.lock().unwrap().is_empty());
    assert!(!stage.log.events("configuration_error").is_empty());
}

#[tokio::test]
async fn a_missing_binding_stops_every_route() {
    for binding in ["TENANT_DB", "TENANT_KV", "MOLTBOT_BUCKET"] {
        for (method, path) in [
            ("GET", "/sandbox-health"),
            ("GET", "/api/status"),
            ("POST", "/v1/chat/completions"),
            ("POST", "/api/admin/tenants"),
            ("GET", "/nothing"),
        ] {
            check(&[binding], method, path, &[binding]).await;
        }
    }
}

#[tokio::test]
async fn everything_missing_is_named_at_once() {
    let all = [
        "TENANT_DB",
        "TENANT_KV",
        "MOLTBOT_BUCKET",
        "APP_DOMAIN",
        "AI_GATEWAY_BASE_URL",
        "CLOUDFLARE_AI_GATEWAY_API_KEY",
    ];
    let sorted = [
        "AI_GATEWAY_BASE_URL",
        "APP_DOMAIN",
        "CLOUDFLARE_AI_GATEWAY_API_KEY",
        "MOLTBOT_BUCKET",
        "TENANT_DB",
        "TENANT_KV",
    ];
    check(&all, "POST", "/v1/chat/completions", &sorted).await;
}

#[tokio::test]
async fn routes_need_only_what_they_use() {
    check(&["APP_DOMAIN"], "GET", "/api/status", &["APP_DOMAIN"]).await;
    check(
        &["CF_ACCESS_AUD", "CF_ACCESS_TEAM_DOMAIN"],
        "GET",
        "/api/admin/tenants",
        &["CF_ACCESS_AUD", "CF_ACCESS_TEAM_DOMAIN"],
    )
    .await;
    check(
        &["CF_ACCESS_AUD"],
        "GET",
        "/api/admin/tenants",
        &["CF_ACCESS_AUD"],
    )
    .await;
    let vars = [
        ("APP_DOMAIN", ""),
        ("CF_ACCESS_AUD", ""),
        ("AI_GATEWAY_BASE_URL", ""),
    ];
    let stage = Stage::with(&vars, |_ports| {}).await;
    stage
        .public("GET", "/sandbox-health", "x")
        .send()
        .await
        .expect(200);
    let stage = Stage::with(
        &[("CF_ACCESS_AUD", ""), ("AI_GATEWAY_BASE_URL", "")],
        |_ports| {},
    )
    .await;
    stage
        .public("GET", "/api/status", "x.app.test")
        .send()
        .await
        .expect_error(404, "TENANT_NOT_FOUND");
}

#[tokio::test]
async fn development_warns_in_a_banner_and_serves_what_it_can() {
    let stage = Stage::with(
        &[
            ("DEV_MODE", "true"),
            ("TENANT_DB", ""),
            ("AI_GATEWAY_BASE_URL", ""),
        ],
        |_ports| {},
    )
    .await;
    let banner = stage.log.events("configuration_warning");
    assert_eq!(
        banner[0]["missing"],
        json!(["AI_GATEWAY_BASE_URL", "TENANT_DB"])
    );
    stage
        .public("GET", "/sandbox-health", "x")
        .send()
        .await
        .expect(200);
    let details = stage
        .admin("GET", "/api/admin/tenants")
        .send()
        .await
        .expect_error(503, "CONFIGURATION_ERROR");
    assert_eq!(details, json!({"missing": ["TENANT_DB"]}));
}
