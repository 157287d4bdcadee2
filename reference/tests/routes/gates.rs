//! The gates of the public routes: tenant resolution and rate limits.

use crate::fakes::{Failing, Tenants};
use crate::stage::Stage;
use moltworker_reference::domain::tenant::TenantId;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// The answer without what differs between any two answers.
fn comparable(answer: &crate::client::Answer) -> (u16, Vec<(String, String)>, Value) {
    let varying = [
        "x-request-id",
        "date",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
    ];
    let headers = answer
        .headers
        .iter()
        .filter(|(name, _)| !varying.contains(&name.as_str()))
        .cloned()
        .collect();
    (answer.status, headers, answer.json()["error"].clone())
}

#[tokio::test]
async fn hosts_lead_to_their_tenants() {
    let stage = Stage::start().await;
    stage
        .tenant(json!({"slug": "tenant-a", "domains": ["xn--mnchen-3ya.de", "Chat.Example."]}))
        .await;
    stage.tenant(json!({"slug": "tenant-b"})).await;
    for host in [
        "tenant-a.app.test",
        "TENANT-A.App.Test:8080",
        "tenant-a.app.test.",
        "xn--mnchen-3ya.de",
        "chat.example:1",
    ] {
        let answer = stage.status_of(host).await.expect(200);
        assert_eq!(
            answer.json(),
            json!({"tenant": "tenant-a", "gateway": {"state": "stopped"}}),
            "{host}"
        );
    }
    assert_eq!(
        stage
            .status_of("tenant-b.app.test")
            .await
            .expect(200)
            .json()["tenant"],
        "tenant-b"
    );
}

#[tokio::test]
async fn every_unknown_host_gets_the_same_answer() {
    let stage = Stage::with(&[("PUBLIC_RATE_LIMIT_MAX", "1000")], |_ports| {}).await;
    let id = stage.tenant(json!({"slug": "gone"})).await;
    stage.tenant(json!({"slug": "tenant-a"})).await;
    let records = stage.ports.tenants.as_ref().unwrap();
    assert!(records.delete(TenantId::parse(&id).unwrap()).await.unwrap());
    let first = stage.status_of("nobody.app.test").await;
    for host in [
        "gone.app.test",
        "app.test",
        "a.tenant-a.app.test",
        "tenant-a.evilapp.test",
        "app.test.evil.example",
        "www.app.test",
        "-x-.app.test",
        "127.0.0.1",
        "[::1]:80",
    ] {
        let answer = stage.status_of(host).await;
        assert_eq!(answer.status, 404);
        assert_eq!(comparable(&answer), comparable(&first), "{host}");
        assert!(!answer.text.contains(host));
    }
    let failures = stage.log.events("resolution_failure");
    assert_eq!(failures.len(), 10);
    assert_eq!(failures[0]["host"], "nobody.app.test");
    assert_eq!(failures[0]["client_ip"], "127.0.0.1");
}

#[tokio::test]
async fn hostile_hosts_are_refused_and_not_echoed() {
    let stage = Stage::start().await;
    for host in [
        "<script>alert(1)</script>.com",
        "",
        "a b",
        "münchen.de",
        "a..b",
        &"a".repeat(300),
    ] {
        let answer = stage.status_of(host).await;
        let text = answer.text.clone();
        answer.expect_error(400, "INVALID_REQUEST");
        assert!(host.is_empty() || !text.contains(host), "{host}");
    }
}

#[tokio::test]
async fn no_forwarding_header_changes_the_tenant() {
    let stage = Stage::start().await;
    stage.tenant(json!({"slug": "tenant-a"})).await;
    stage.tenant(json!({"slug": "tenant-b"})).await;
    for name in [
        "x-forwarded-host",
        "forwarded",
        "x-original-host",
        "x-tenant-override",
        "x-tenant-id",
    ] {
        let request = stage
            .public("GET", "/api/status?tenant=tenant-b", "tenant-a.app.test")
            .header(name, "tenant-b.app.test");
        assert_eq!(
            request.send().await.expect(200).json()["tenant"],
            "tenant-a",
            "{name}"
        );
    }
    let doubled = stage
        .public("GET", "/api/status", "tenant-a.app.test")
        .header("host", "tenant-b.app.test");
    doubled.send().await.expect_error(400, "INVALID_REQUEST");
    let absolute = stage.public(
        "GET",
        "http://tenant-b.app.test/api/status",
        "tenant-a.app.test",
    );
    absolute.send().await.expect_error(400, "INVALID_REQUEST");
}

#[tokio::test]
async fn development_takes_a_valid_override_and_ignores_a_malformed_one() {
    let stage = Stage::with(&[("DEV_MODE", "true")], |_ports| {}).await;
    stage.tenant(json!({"slug": "tenant-a"})).await;
    stage.tenant(json!({"slug": "tenant-b"})).await;
    let status = |value: &'static str| {
        stage
            .public("GET", "/api/status", "tenant-a.app.test")
            .header("x-tenant-override", value)
            .send()
    };
    assert_eq!(
        status("Tenant-B").await.expect(200).json()["tenant"],
        "tenant-b"
    );
    assert!(stage.log.events("override_ignored").is_empty());
    assert_eq!(
        status("../tenant-b").await.expect(200).json()["tenant"],
        "tenant-a"
    );
    assert_eq!(stage.log.events("override_ignored").len(), 1);
    status("nobody").await.expect_error(404, "TENANT_NOT_FOUND");
}

#[tokio::test]
async fn a_failing_store_is_an_outage_and_is_not_remembered() {
    let stage = Stage::with(&[], |ports| {
        let inner = Arc::new(Tenants(ports.tenants.take().unwrap()));
        ports.tenants = Some(Arc::new(Failing {
            inner,
            failures: AtomicU32::new(1),
            writes_anyway: false,
        }));
    })
    .await;
    stage.tenant(json!({"slug": "a"})).await;
    let answer = stage.status_of("a.app.test").await;
    assert!(!answer.text.contains("SQLITE") && !answer.text.contains("/var"));
    assert_eq!(answer.expect_error(503, "STORE_UNAVAILABLE"), json!({}));
    assert_eq!(stage.log.events("store_unavailable")[0]["store"], "D1");
    assert_eq!(stage.log.events("resolution_failure").len(), 1);
    stage.status_of("a.app.test").await.expect(200);
}

#[tokio::test]
async fn a_sandbox_id_that_is_not_the_derived_one_is_never_used() {
    let stage = Stage::start().await;
    let id = TenantId::random();
    let record = moltworker_reference::domain::tenant::TenantRecord {
        id,
        platform: "web".to_owned(),
        tier: "free".to_owned(),
        sandbox_id: "sk-0000000000000000".to_owned(),
        created_at: 0,
        updated_at: 0,
    };
    let names = moltworker_reference::domain::tenant::TenantNames {
        slug: "bad".to_owned(),
        domains: Vec::new(),
    };
    stage
        .ports
        .tenants
        .as_ref()
        .unwrap()
        .insert(&record)
        .await
        .unwrap();
    stage
        .ports
        .registry
        .as_ref()
        .unwrap()
        .claim(id, &names)
        .await
        .unwrap();
    stage
        .status_of("bad.app.test")
        .await
        .expect_error(500, "SANDBOX_ID_INVALID");
    stage
        .chat("bad.app.test")
        .body(crate::stage::messages())
        .send()
        .await
        .expect_error(500, "SANDBOX_ID_INVALID");
    let start = format!("/api/admin/tenants/{id}/gateway/start");
    stage
        .admin("POST", &start)
        .send()
        .await
        .expect_error(500, "SANDBOX_ID_INVALID");
    assert_eq!(stage.log.events("security_alert").len(), 3);
    assert!(stage.gateway.calls.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_quota_admits_exactly_its_limit_and_again_after_retry_after() {
    let stage = Stage::with(&[("PUBLIC_RATE_LIMIT_MAX", "3")], |_ports| {}).await;
    stage.tenant(json!({"slug": "a"})).await;
    stage.tenant(json!({"slug": "b"})).await;
    for left in ["2", "1", "0"] {
        let answer = stage.status_of("a.app.test").await.expect(200);
        assert_eq!(
            (
                answer.header("x-ratelimit-limit"),
                answer.header("x-ratelimit-remaining")
            ),
            (Some("3"), Some(left))
        );
    }
    stage.clock.manual.advance(Duration::from_millis(20_500));
    let answer = stage.status_of("a.app.test").await.expect(429);
    assert_eq!(answer.header("retry-after"), Some("40"));
    let details = answer.expect_error(429, "RATE_LIMIT_EXCEEDED");
    assert_eq!(
        details,
        json!({"limit_type": "tenant_quota", "limit": 3, "period": "60s", "retry_after_seconds": 40})
    );
    stage.status_of("b.app.test").await.expect(200);
    stage.clock.manual.advance(Duration::from_secs(40));
    stage.status_of("a.app.test").await.expect(200);
}

#[tokio::test]
async fn requests_without_a_tenant_share_the_quota_of_their_ip() {
    let stage = Stage::with(&[("PUBLIC_RATE_LIMIT_MAX", "2")], |_ports| {}).await;
    let health = |forwarded: &'static str| {
        stage
            .public("GET", "/sandbox-health", "x")
            .header("x-forwarded-for", forwarded)
            .send()
    };
    let answer = health("1.1.1.1").await.expect(200);
    assert_eq!(answer.header("cache-control"), Some("public, max-age=10"));
    stage.status_of("nobody.app.test").await.expect(404);
    let details = health("2.2.2.2")
        .await
        .expect_error(429, "RATE_LIMIT_EXCEEDED");
    assert_eq!(details["limit_type"], "client_ip");
    stage.status_of("nobody.app.test").await.expect(429);
    let elsewhere = stage
        .public("GET", "/sandbox-health", "x")
        .header("cf-connecting-ip", "203.0.113.7");
    elsewhere.send().await.expect(200);
}

#[tokio::test]
async fn tiers_have_quotas_of_their_own() {
    let stage = Stage::start().await;
    for (tier, limit) in [("free", "60"), ("premium", "600"), ("enterprise", "1200")] {
        stage.tenant(json!({"slug": tier, "tier": tier})).await;
        let answer = stage
            .status_of(&format!("{tier}.app.test"))
            .await
            .expect(200);
        assert_eq!(answer.header("x-ratelimit-limit"), Some(limit));
    }
}

#[tokio::test]
async fn unknown_routes_and_wrong_methods_stand_behind_the_gates() {
    let stage = Stage::start().await;
    stage.tenant(json!({"slug": "a"})).await;
    stage
        .public("GET", "/nothing", "nobody.app.test")
        .send()
        .await
        .expect_error(404, "TENANT_NOT_FOUND");
    for target in ["/nothing", "/", "*", "/api/status/", "/api/status/x"] {
        let method = if target == "*" { "OPTIONS" } else { "GET" };
        let answer = stage.public(method, target, "a.app.test").send().await;
        assert!(answer.header("x-ratelimit-limit").is_some());
        answer.expect_error(404, "NOT_FOUND");
    }
    for (method, path, allow) in [
        ("POST", "/api/status", "GET,HEAD"),
        ("DELETE", "/sandbox-health", "GET,HEAD"),
        ("GET", "/v1/chat/completions", "POST"),
        ("HEAD", "/v1/chat/completions", "POST"),
        ("BREW", "/api/status", "GET,HEAD"),
    ] {
        let answer = stage.public(method, path, "a.app.test").send().await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some(allow)),
            "{method} {path}"
        );
    }
    let answer = stage.admin("PUT", "/api/admin/tenants").send().await;
    assert_eq!(answer.header("allow"), Some("GET,HEAD,POST"));
    answer.expect_error(405, "METHOD_NOT_ALLOWED");
    let head = stage
        .public("HEAD", "/api/status", "a.app.test")
        .send()
        .await
        .expect(200);
    assert!(head.text.is_empty());
}

#[tokio::test]
async fn request_ids_are_ours_and_unique() {
    let stage = Stage::start().await;
    let claimed = "11111111-1111-4111-8111-111111111111";
    let mut seen = std::collections::HashSet::new();
    for _ in 0..3 {
        let answer = stage
            .public("GET", "/sandbox-health", "x")
            .header("x-request-id", claimed)
            .send()
            .await;
        let id = answer.header("x-request-id").unwrap().to_owned();
        assert!(id != claimed && seen.insert(id.clone()));
        assert!(
            stage
                .log
                .events("request")
                .iter()
                .any(|line| line["request_id"] == id.as_str())
        );
    }
}
