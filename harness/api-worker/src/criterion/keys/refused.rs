//! Keys and sessions that break a rule, and ids that are nobody's. Never one whose answer the contract leaves open.

use crate::aspect::{Aspect, aspect};
use crate::call::Call;
use crate::oracle::dates::HOUR;
use crate::outcome::{Judged, Stop};
use crate::scene::Scene;
use crate::subject::Subject;
use crate::wrong::{Right, Traces, not_found, told};
use serde_json::{Value, json};

pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-002",
        Beside,
        "a key or a session that breaks a rule is refused, and nothing is left of it",
        refused
    ),
    aspect!(
        "API-002",
        Beside,
        "whoever names a key or a session that is nobody's, or another user's, changes nothing",
        of_nobody
    ),
];

/// What a key may not be.
fn broken_keys(now: i64) -> Vec<(&'static str, Value)> {
    vec![
        ("user_id", json!("")),
        ("user_id", json!("-ada")),
        ("user_id", json!("ada bob")),
        ("user_id", json!("a".repeat(129))),
        ("user_id", json!(5)),
        ("name", json!("")),
        ("name", json!("n".repeat(201))),
        ("name", json!(5)),
        ("permissions", json!([])),
        ("permissions", json!("read")),
        ("permissions", json!(["all"])),
        ("permissions", json!(["read", "read"])),
        ("permissions", json!([1])),
        ("expires_at", json!(now - HOUR)),
        ("expires_at", json!(-1)),
        ("expires_at", json!("tomorrow")),
        ("expires_at", json!(true)),
        ("quota_requests", json!(-1)),
        ("quota_requests", json!(1.5)),
        ("quota_requests", json!("1")),
    ]
}

async fn refused(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let key = scene.key("ada").await?;
    scene.unlimit(&key.user).await?;
    let key_of_bob = json!({
        "user_id": scene.user("bob"),
        "name": "of the right kind",
        "permissions": ["read"],
        "expires_at": scene.now() + HOUR,
        "quota_requests": 5,
    });
    let keys = Right {
        required: &["user_id", "permissions"],
        text: Some("name"),
        broken: broken_keys(scene.now()),
        ..Right::new("API-002", Call::post, "/api/admin/keys", (201, key_of_bob))
    };
    let lifetime = (201, json!({"ttl_seconds": 60}));
    let sessions = Right::new("API-002", Call::post, "/v1/sessions", lifetime);
    let sessions = Right {
        broken: vec![
            ("ttl_seconds", json!(59)),
            ("ttl_seconds", json!(2_592_001)),
            ("ttl_seconds", json!(-60)),
            ("ttl_seconds", json!(60.5)),
            ("ttl_seconds", json!("60")),
        ],
        ..sessions.by(&key)
    };
    for right in [&keys, &sessions] {
        right.taken(&scene).await?;
    }
    let before = Traces::of(&scene).await?;
    let mut count = 0;
    for right in [&keys, &sessions] {
        count += right.refused(&scene).await?;
    }
    before.unchanged(&scene).await?;
    Ok(told(count))
}

/// Ids that are nobody's, as they may stand in a path.
const NOBODYS: [&str; 3] = ["00000000-0000-4000-8000-000000000000", "x", "%27"];

async fn of_nobody(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let (ada, bob) = (scene.key("ada").await?, scene.key("bob").await?);
    let make = Call::post("/v1/sessions")
        .json(&json!({}))
        .by(&ada.credential);
    let session = scene
        .send(make)
        .await?
        .expect(201, |seen| Stop::unmet("API-001", seen))?;
    let (id, token) = (session.text("/id"), session.text("/token"));
    let reads = || scene.send(Call::get("/v1/preferences").by(&token));
    reads()
        .await?
        .expect(200, |seen| Stop::unmet("API-001", seen))?;
    let before = Traces::of(&scene).await?;
    let mut count = 0;
    for none in NOBODYS {
        let keys = format!("/api/admin/keys/{none}");
        let calls = vec![
            Call::get(keys.clone()),
            Call::post(format!("{keys}/rotate")),
            Call::delete(keys),
        ];
        count += not_found(&scene, None, calls).await?;
    }
    let others = [&id, &bob.id].map(|id| Call::delete(format!("/v1/sessions/{id}")));
    count += not_found(&scene, Some(&bob), others.into()).await?;
    before.unchanged(&scene).await?;
    reads().await?.expect(200, |seen| {
        Stop::breach("a session that another user could not end", seen)
    })?;
    let end = Call::delete(format!("/v1/sessions/{id}")).by(&ada.credential);
    scene
        .send(end)
        .await?
        .expect(204, |seen| Stop::unmet("API-001", seen))?;
    Ok(told(count))
}
