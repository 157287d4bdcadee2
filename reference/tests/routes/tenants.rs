//! The admin routes of tenants, their usage and their gateways.

use crate::fakes::ClaimsFail;
use crate::stage::{Stage, messages};
use serde_json::json;
use std::sync::Arc;

const ROUTE: &str = "/api/admin/tenants";

async fn count(stage: &Stage) -> usize {
    let answer = stage.admin("GET", ROUTE).send().await.expect(200);
    answer.json()["tenants"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_tenant_lives_from_creation_to_deletion() {
    let stage = Stage::start().await;
    let body = json!({"slug": "acme", "id": "{0190B6F0-0000-7000-8000-0000000000AA}", "domains": ["Acme.Example."]}).to_string();
    let created = stage
        .admin("POST", ROUTE)
        .body(body)
        .send()
        .await
        .expect(201)
        .json();
    let id = "0190b6f0-0000-7000-8000-0000000000aa";
    assert_eq!(
        (&created["id"], &created["platform"], &created["tier"]),
        (&json!(id), &json!("web"), &json!("free"))
    );
    assert_eq!(created["domains"], json!(["acme.example"]));
    let at = format!("{ROUTE}/{id}");
    assert_eq!(
        stage.admin("GET", &at).send().await.expect(200).json(),
        created
    );
    stage
        .clock
        .manual
        .advance(std::time::Duration::from_secs(1));
    let change =
        json!({"slug": "acme-2", "tier": "premium", "platform": "cli", "domains": []}).to_string();
    let changed = stage
        .admin("PATCH", &at)
        .body(change)
        .send()
        .await
        .expect(200)
        .json();
    for field in ["id", "sandbox_id", "created_at"] {
        assert_eq!(changed[field], created[field], "{field}");
    }
    assert!(changed["updated_at"].as_i64() > created["updated_at"].as_i64());
    stage.status_of("acme.app.test").await.expect(404);
    stage.status_of("acme.example").await.expect(404);
    stage.status_of("acme-2.app.test").await.expect(200);
    let routing = stage
        .admin("GET", &format!("{at}/routing"))
        .send()
        .await
        .expect(200)
        .json();
    let expected = json!({
        "tenant_id": id, "tier": "premium", "model": "@cf/meta/llama-3.3-70b-instruct-fp8-fast",
        "fallback_model": "@cf/meta/llama-3.1-8b-instruct-fp8-fast", "timeout_ms": 20000, "fallback_timeout_ms": 8000, "retries": 1,
    });
    assert_eq!(routing, expected);
    stage
        .chat("acme-2.app.test")
        .body(messages())
        .send()
        .await
        .expect(200);
    stage.usage_of(id, 1).await;
    let deleted = stage.admin("DELETE", &at).send().await.expect(204);
    assert!(deleted.text.is_empty());
    stage.status_of("acme-2.app.test").await.expect(404);
    for rest in ["", "/routing", "/usage", "/gateway"] {
        stage
            .admin("GET", &format!("{at}{rest}"))
            .send()
            .await
            .expect_error(404, "TENANT_NOT_FOUND");
    }
    stage
        .admin("DELETE", &at)
        .send()
        .await
        .expect_error(404, "TENANT_NOT_FOUND");
    let again = stage.tenant(json!({"slug": "acme-2", "id": id})).await;
    assert!(stage.usage_of(&again, 0).await.is_empty());
    assert_eq!(
        stage.status_of("acme-2.app.test").await.json()["gateway"]["state"],
        "stopped"
    );
}

#[tokio::test]
async fn names_in_use_are_conflicts_and_nothing_is_written() {
    let stage = Stage::start().await;
    let id = stage
        .tenant(json!({"slug": "a", "domains": ["a.example"]}))
        .await;
    let other = stage.tenant(json!({"slug": "b"})).await;
    for (body, field) in [
        (json!({"slug": "a"}), "slug"),
        (
            json!({"slug": "c", "domains": ["c.example", "A.example"]}),
            "domains",
        ),
        (json!({"slug": "c", "id": id.to_uppercase()}), "id"),
    ] {
        let details = stage
            .admin("POST", ROUTE)
            .body(body.to_string())
            .send()
            .await
            .expect_error(409, "CONFLICT");
        assert_eq!(details, json!({"field": field}));
    }
    assert_eq!(count(&stage).await, 2);
    stage.status_of("c.app.test").await.expect(404);
    stage.status_of("c.example").await.expect(404);
    assert_eq!(
        stage.status_of("a.example").await.expect(200).json()["tenant"],
        "a"
    );
    let rename = stage
        .admin("PATCH", &format!("{ROUTE}/{other}"))
        .body(r#"{"slug":"a","tier":"premium"}"#);
    rename.send().await.expect_error(409, "CONFLICT");
    let unchanged = stage
        .admin("GET", &format!("{ROUTE}/{other}"))
        .send()
        .await
        .json();
    assert_eq!(
        (&unchanged["slug"], &unchanged["tier"]),
        (&json!("b"), &json!("free"))
    );
}

#[tokio::test]
async fn a_sandbox_id_in_use_is_a_conflict_of_its_own() {
    let stage = Stage::start().await;
    let wanted = moltworker_reference::domain::tenant::TenantId::random();
    let taken = moltworker_reference::domain::tenant::TenantRecord {
        id: moltworker_reference::domain::tenant::TenantId::random(),
        platform: "web".to_owned(),
        tier: "free".to_owned(),
        sandbox_id: moltworker_reference::domain::sandbox_id::SandboxId::derive(&wanted)
            .to_string(),
        created_at: 0,
        updated_at: 0,
    };
    stage
        .ports
        .tenants
        .as_ref()
        .unwrap()
        .insert(&taken)
        .await
        .unwrap();
    let body = json!({"slug": "a", "id": wanted.to_string()}).to_string();
    stage
        .admin("POST", ROUTE)
        .body(body)
        .send()
        .await
        .expect_error(409, "SANDBOX_ID_CONFLICT");
    assert_eq!(count(&stage).await, 1);
    stage.status_of("a.app.test").await.expect(404);
}

#[tokio::test]
async fn a_creation_that_fails_halfway_leaves_nothing() {
    let stage = Stage::with(&[], |ports| {
        ports.registry = Some(Arc::new(ClaimsFail(ports.registry.take().unwrap())));
    })
    .await;
    stage
        .admin("POST", ROUTE)
        .body(r#"{"slug":"a"}"#)
        .send()
        .await
        .expect_error(503, "STORE_UNAVAILABLE");
    assert_eq!(count(&stage).await, 0);
}

#[tokio::test]
async fn pages_follow_each_other_by_cursor() {
    let stage = Stage::start().await;
    for index in 0..5 {
        stage.tenant(json!({"slug": format!("t{index}")})).await;
    }
    let mut ids: Vec<String> = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = stage
            .admin("GET", &format!("{ROUTE}?limit=2{cursor}"))
            .send()
            .await
            .expect(200)
            .json();
        ids.extend(
            page["tenants"]
                .as_array()
                .unwrap()
                .iter()
                .map(|tenant| tenant["id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(ids.len(), 5);
    assert!(ids.is_sorted());
}

#[tokio::test]
async fn usage_is_listed_by_time_and_page() {
    let stage = Stage::start().await;
    let id = stage.tenant(json!({"slug": "a"})).await;
    for count in 1..=3 {
        stage
            .chat("a.app.test")
            .body(messages())
            .send()
            .await
            .expect(200);
        stage.usage_of(&id, count).await;
        stage
            .clock
            .manual
            .advance(std::time::Duration::from_secs(1));
    }
    let rows = stage.usage_of(&id, 3).await;
    let at = |index: usize| rows[index]["created_at"].as_i64().unwrap();
    let list = async |query: String| {
        stage
            .admin("GET", &format!("{ROUTE}/{id}/usage?{query}"))
            .send()
            .await
            .expect(200)
            .json()
    };
    let middle = list(format!("from={}&to={}", at(1), at(2))).await;
    assert_eq!(middle["usage"], json!([rows[1]]));
    let first = list("limit=2".to_owned()).await;
    let second = list(format!(
        "limit=2&cursor={}",
        first["next_cursor"].as_str().unwrap()
    ))
    .await;
    assert_eq!(first["usage"].as_array().unwrap().len(), 2);
    assert_eq!(second, json!({"usage": [rows[2]], "next_cursor": null}));
}

#[tokio::test]
async fn parallel_starts_make_one_gateway() {
    let stage = Stage::start().await;
    let id = stage.tenant(json!({"slug": "a"})).await;
    let at = format!("{ROUTE}/{id}/gateway");
    let stopped = stage.admin("GET", &at).send().await.expect(200).json();
    assert_eq!(
        (
            &stopped["state"],
            &stopped["instance_id"],
            &stopped["started_at"]
        ),
        (&json!("stopped"), &json!(null), &json!(null))
    );
    let start = format!("{at}/start");
    let starts: Vec<_> = (0..8)
        .map(|_| tokio::spawn(stage.admin("POST", &start).send()))
        .collect();
    let mut instances = std::collections::HashSet::new();
    for start in starts {
        instances.insert(
            start.await.unwrap().expect(200).json()["instance_id"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    assert_eq!(instances.len(), 1);
    let running = stage.admin("GET", &at).send().await.expect(200).json();
    assert_eq!(running["state"], "running");
    assert_eq!(stage.log.events("gateway_started").len(), 1);
}
