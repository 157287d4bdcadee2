//! The Access gate of the admin routes.

use crate::client::Wire;
use crate::stage::{AUDIENCE, KID, NOW, Stage, TEAM, claims, token, token_of};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

const ROUTE: &str = "/api/admin/tenants";

fn without(field: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(field);
    claims
}

fn with(field: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[field] = value;
    claims
}

fn unsigned(algorithm: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({"alg": algorithm, "kid": KID, "typ": "JWT"});
    format!("{}.{}.c2ln", part(&header), part(&claims()))
}

#[tokio::test]
async fn valid_tokens_open_admin_routes() {
    let stage = Stage::start().await;
    let service_token = json!({"aud": AUDIENCE, "iss": TEAM, "exp": NOW + 60, "type": "app", "common_name": "x.access", "sub": ""});
    for claims in [
        claims(),
        service_token,
        with("exp", json!(1_800_000_000.5)),
        with("aud", json!(["other", AUDIENCE])),
    ] {
        let request = Wire::new(stage.address, "GET", ROUTE)
            .header("host", "x")
            .header("cf-access-jwt-assertion", &token(&claims));
        request.send().await.expect(200);
    }
    let cookie = format!("a=b; CF_Authorization={}", token(&claims()));
    stage
        .public("GET", ROUTE, "x")
        .header("cookie", &cookie)
        .send()
        .await
        .expect(200);
    let both = stage
        .public("GET", ROUTE, "x")
        .header("cookie", &cookie)
        .header("cf-access-jwt-assertion", "bad");
    both.send().await.expect_error(403, "ACCESS_DENIED");
}

#[tokio::test]
async fn every_bad_token_is_refused_alike() {
    let stage = Stage::start().await;
    stage.admin("GET", ROUTE).send().await.expect(200);
    let good = token(&claims());
    let (head, signature) = good.rsplit_once('.').unwrap();
    let tampered = {
        let header = good.split('.').next().unwrap();
        format!(
            "{header}.{}.{signature}",
            URL_SAFE_NO_PAD.encode(with("email", json!("evil")).to_string())
        )
    };
    let bad = [
        String::new(),
        "no-jwt".to_owned(),
        "a.b.c".to_owned(),
        "x".repeat(64 * 1024),
        format!("{good}.x"),
        format!("{head}.{}", signature.chars().rev().collect::<String>()),
        tampered,
        unsigned("none"),
        unsigned("HS256"),
        unsigned("RS256"),
        token_of(&claims(), None),
        token_of(&claims(), Some("other-key")),
        token(&with("exp", json!(NOW - 300))),
        token(&without("exp")),
        token(&with("exp", json!("soon"))),
        token(&with("nbf", json!(NOW + 300))),
        token(&with("aud", json!("other"))),
        token(&without("aud")),
        token(&with("iss", json!("https://evil.cloudflareaccess.com"))),
        token(&without("iss")),
        token(&with("type", json!("org"))),
        token(&without("type")),
    ];
    let none = stage
        .public("GET", ROUTE, "x")
        .send()
        .await
        .expect_error(403, "ACCESS_DENIED");
    assert_eq!(
        none,
        json!({"login_url": format!("{TEAM}/cdn-cgi/access/login"), "required_scope": "admin"})
    );
    for token in bad {
        let answer = stage
            .public("GET", ROUTE, "x")
            .header("cf-access-jwt-assertion", &token)
            .send()
            .await;
        let details = answer.expect_error(403, "ACCESS_DENIED");
        assert_eq!(details, none, "{token:.80}");
    }
    stage.admin("GET", ROUTE).send().await.expect(200);
    assert!(!stage.log.text().contains("eyJ"), "a token was logged");
}

#[tokio::test]
async fn an_unreachable_key_set_opens_nothing_and_recovers() {
    let stage = Stage::start().await;
    stage.keys.reachable.store(false, Ordering::Relaxed);
    stage
        .admin("GET", ROUTE)
        .send()
        .await
        .expect_error(403, "ACCESS_DENIED");
    stage.keys.reachable.store(true, Ordering::Relaxed);
    stage.admin("GET", ROUTE).send().await.expect(200);
}

#[tokio::test]
async fn every_spelling_of_an_admin_route_is_closed() {
    let stage = Stage::start().await;
    let id = stage.tenant(json!({"slug": "a"})).await;
    let spellings = [
        "/api/admin",
        "/api/admin/",
        "/api/admin/nothing",
        "/_admin",
        "/_admin/panel",
        "/api/admin/tenants/",
        "//api/admin/tenants",
        "/api//admin/tenants",
        "/API/ADMIN/tenants",
        "/api/%61dmin/tenants",
        "/api/%2561dmin/tenants",
        "/api/./admin/tenants",
        "/x/../api/admin/tenants",
        "/api%2fadmin%2ftenants",
        "/api/admin;x/tenants",
        "/api\\admin\\tenants",
    ];
    let routes = ["", "/routing", "/usage", "/gateway", "/gateway/start"]
        .map(|rest| format!("{ROUTE}/{id}{rest}"));
    for path in spellings
        .iter()
        .copied()
        .chain(routes.iter().map(String::as_str))
    {
        for method in ["GET", "POST", "PATCH", "DELETE", "PUT", "OPTIONS", "HEAD"] {
            let answer = stage.public(method, path, "a.app.test").send().await;
            assert_eq!(answer.status, 403, "{method} {path}");
        }
    }
    // Absent tenants look like present ones.
    let absent = format!("{ROUTE}/00000000-0000-4000-8000-000000000000");
    stage
        .public("GET", &absent, "x")
        .send()
        .await
        .expect_error(403, "ACCESS_DENIED");
    stage
        .admin("GET", &absent)
        .send()
        .await
        .expect_error(404, "TENANT_NOT_FOUND");
    // With a token, what is no route is 404, and none of the spellings reaches a handler.
    for path in spellings {
        stage
            .admin("GET", path)
            .send()
            .await
            .expect_error(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn dev_mode_relaxes_access_with_a_warning() {
    let stage = Stage::with(&[("DEV_MODE", "true")], |_ports| {}).await;
    stage.public("GET", ROUTE, "x").send().await.expect(200);
    assert_eq!(stage.log.events("access_relaxed").len(), 1);
    stage.admin("GET", ROUTE).send().await.expect(200);
    assert_eq!(
        stage.log.events("access_relaxed").len(),
        1,
        "a valid token needs no warning"
    );
}

#[tokio::test]
async fn admin_routes_neither_consume_nor_meet_a_quota() {
    let stage = Stage::with(&[("PUBLIC_RATE_LIMIT_MAX", "1")], |_ports| {}).await;
    for _ in 0..5 {
        let answer = stage.admin("GET", ROUTE).send().await.expect(200);
        assert_eq!(answer.header("x-ratelimit-limit"), None);
    }
    stage
        .public("GET", "/sandbox-health", "x")
        .send()
        .await
        .expect(200);
    stage
        .public("GET", "/sandbox-health", "x")
        .send()
        .await
        .expect(429);
    stage.admin("GET", ROUTE).send().await.expect(200);
}
