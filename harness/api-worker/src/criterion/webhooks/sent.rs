//! What is sent, to whom, and how it is signed and recorded. Never counts what other scenes have caused.

use super::{arrived, event_of, hook, received, recorded, unhook};
use crate::aspect::{Aspect, aspect};
use crate::call::Call;
use crate::chat::Chat;
use crate::oracle::signature;
use crate::outcome::{Judged, Stop};
use crate::receiver::{Delivery, Reply};
use crate::scene::Scene;
use crate::subject::Subject;
use moltproof_doubles::clock;
use serde_json::{Value, json};

pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-010",
        Beside,
        "each delivery is signed by its webhook's secret over id, time and body",
        signed
    ),
    aspect!(
        "API-010",
        Beside,
        "each event is sent once to each webhook that names it and to no other, and a refused request causes none",
        once_each
    ),
    aspect!(
        "API-010",
        Whole,
        "a delivery that was answered 2xx is recorded as delivered, with its attempt, status and time",
        is_recorded
    ),
];

/// The five kinds of events, caused one after another; for each an id that its delivery names.
async fn all_events(scene: &Scene<'_>) -> Result<Vec<(&'static str, Vec<String>)>, Stop> {
    let (key, model) = (scene.key("ada").await?, scene.model("small"));
    scene.price(&model, 1, 1).await?;
    scene.chatted(&key, &Chat::with(&model)).await?;
    let new = scene
        .operate(Call::post(format!("/api/admin/keys/{}/rotate", key.id)))
        .await?
        .expect(201, |seen| Stop::unmet("API-002", seen))?
        .text("/id");
    scene
        .operate(Call::delete(format!("/api/admin/keys/{new}")))
        .await?
        .expect(204, |seen| Stop::unmet("API-002", seen))?;
    let ids = vec![scene.tag.clone(), key.id, new];
    let kinds = [
        "key.created",
        "price.created",
        "chat.completed",
        "key.rotated",
        "key.revoked",
    ];
    Ok(kinds.into_iter().map(|kind| (kind, ids.clone())).collect())
}

fn body(delivery: &Delivery) -> Value {
    serde_json::from_slice(&delivery.body).unwrap_or_default()
}

/// Seconds that a delivery's time may be from the present of who caused it. Evidence: the specification's own tolerance.
const TOLERANCE_SECONDS: i64 = 300;

fn check(delivery: &Delivery, secret: &str, told: i64) -> Result<(), Stop> {
    let header = |name: &str| {
        let missing = || Stop::breach(format!("a header {name}"), "a delivery without it");
        delivery.header(name).ok_or_else(missing)
    };
    let (id, timestamp) = (header("webhook-id")?, header("webhook-timestamp")?);
    let signed = header("webhook-signature")?;
    if delivery.method != "POST" {
        return Err(Stop::breach("a POST", format!("a {}", delivery.method)));
    }
    if !signature::holds(signed, secret, id, timestamp, &delivery.body) {
        let right = signature::signature(secret, id, timestamp, &delivery.body);
        let right =
            right.unwrap_or_else(|| "none, for the secret is no whsec_ and base64".to_owned());
        return Err(Stop::breach(
            format!("the signature {right}"),
            signed.to_owned(),
        ));
    }
    let seconds: i64 = timestamp.parse().unwrap_or_default();
    let is_near = |now: i64| (now / 1000 - seconds).abs() <= TOLERANCE_SECONDS;
    if !is_near(told) && !is_near(clock::epoch_ms()) {
        return Err(Stop::breach(
            "a webhook-timestamp of the present, in seconds",
            timestamp.to_owned(),
        ));
    }
    let body = body(delivery);
    if body["id"] != json!(id) || !body["type"].is_string() || !body["data"].is_object() {
        return Err(Stop::shape(
            "a body with the event's id, type and data",
            body.to_string(),
        ));
    }
    Ok(())
}

/// Names that a delivery tells of a key: in ASCII, within Latin-1, beyond it, and beyond what one unit of UTF-16 holds.
const NAMES: [&str; 3] = ["key", "cl\u{e9} \u{fc}ber", "\u{9375} \u{20ac} \u{1f511}"];

async fn signed(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let hook = hook(&scene, "signed", &["key.rotated"], vec![Reply::Status(204)]).await?;
    let mut all = Vec::new();
    for name in NAMES {
        let key = scene.key_with("ada", json!({"name": name})).await?;
        all.push(super::rotated_of(&scene, &key).await?);
    }
    let mut beyond = 0;
    for ids in &all {
        let deliveries = arrived(&scene, &hook, ids, 1).await?;
        check(&deliveries[0], &hook.secret, scene.now())?;
        beyond += usize::from(!deliveries[0].body.is_ascii());
    }
    unhook(&scene, &hook).await?;
    Ok(format!(
        "{} deliveries carry the signature of the specification, {beyond} of them over letters beyond ASCII",
        all.len()
    ))
}

async fn once_each(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let ok = || vec![Reply::Status(200)];
    let all = [
        "key.created",
        "key.rotated",
        "key.revoked",
        "chat.completed",
        "price.created",
    ];
    let every = hook(&scene, "every", &all, ok()).await?;
    let again = hook(&scene, "again", &all, ok()).await?;
    let prices = hook(&scene, "prices", &["price.created"], ok()).await?;
    // A refused request is no event: it names the scene as the others do.
    let broken = json!({"user_id": scene.user("refused"), "permissions": ["everything"]});
    let refused = scene
        .operate(Call::post("/api/admin/keys").json(&broken))
        .await?;
    if refused.status != 400 {
        return Err(Stop::unmet("API-002", refused.to_string()));
    }
    let events = all_events(&scene).await?;
    let ids = &events[0].1;
    for hook in [&every, &again] {
        let seen = arrived(&scene, hook, ids, events.len()).await?;
        let mut kinds: Vec<String> = seen
            .iter()
            .map(|one| body(one)["type"].as_str().unwrap_or_default().to_owned())
            .collect();
        let mut wanted: Vec<&str> = all.to_vec();
        kinds.sort();
        wanted.sort_unstable();
        if kinds != wanted {
            return Err(Stop::breach(
                format!("one delivery of each event: {}", wanted.join(", ")),
                kinds.join(", "),
            ));
        }
    }
    let seen = arrived(&scene, &prices, ids, 1).await?;
    let kinds: Vec<Value> = seen.iter().map(|one| body(one)["type"].clone()).collect();
    if kinds != [json!("price.created")] {
        return Err(Stop::breach(
            "one delivery, of price.created",
            json!(kinds).to_string(),
        ));
    }
    for hook in [&every, &again, &prices] {
        unhook(&scene, hook).await?;
    }
    Ok("two webhooks were sent five events each, and a third the one that it names".to_owned())
}

async fn is_recorded(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let hook = hook(
        &scene,
        "recorded",
        &["key.rotated"],
        vec![Reply::Status(202)],
    )
    .await?;
    let ids = super::rotated(&scene).await?;
    let deliveries = arrived(&scene, &hook, &ids, 1).await?;
    let event = event_of(&deliveries[0]);
    let wanted = [
        ("state", json!("delivered")),
        ("attempts", json!(1)),
        ("last_status", json!(202)),
        ("event", json!("key.rotated")),
        ("next_attempt_at", Value::Null),
    ];
    let record = recorded(&scene, &hook, &event, &wanted).await?;
    if !record["delivered_at"].is_i64() {
        return Err(Stop::breach("delivered_at, a time", record.to_string()));
    }
    let count = received(&scene, &hook, &ids)?.len();
    if count != 1 {
        return Err(Stop::breach("one delivery", format!("{count} deliveries")));
    }
    unhook(&scene, &hook).await?;
    Ok("a delivery answered 202 is recorded as delivered at its first attempt".to_owned())
}
