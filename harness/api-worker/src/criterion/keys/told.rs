//! What webhooks are told of a key. Never judges whether they are told, which is API-010's matter.

use super::ending::rotate;
use super::leaks::found;
use crate::aspect::{Aspect, aspect};
use crate::call::Call;
use crate::chat::Chat;
use crate::criterion::webhooks::{arrived, event_of, hook, records, unhook};
use crate::outcome::{Judged, Stop};
use crate::receiver::Reply;
use crate::scene::Scene;
use crate::secret::Search;
use crate::subject::Subject;
use serde_json::json;

pub(super) const ASPECTS: &[Aspect] = &[aspect!(
    "API-002",
    Beside,
    "no event that a webhook is told of holds a key or a part of it",
    is_in_no_delivery
)];

/// How many events of these two keys a webhook hears of: one was made, chatted, and was rotated; the other chatted, and was revoked.
const EVENTS: usize = 5;

async fn is_in_no_delivery(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let kinds = [
        "key.created",
        "key.rotated",
        "key.revoked",
        "chat.completed",
    ];
    let hook = hook(&scene, "told", &kinds, vec![Reply::Status(204)]).await?;
    let key = scene.key("ada").await?;
    let chat = || Chat::with(&scene.model("small"));
    scene.chatted(&key, &chat()).await?;
    let new = rotate(&scene, &key).await?;
    scene.chatted(&new, &chat()).await?;
    let revoke = Call::delete(format!("/api/admin/keys/{}", new.id));
    let revoked = scene.operate(revoke).await?;
    revoked.expect(204, |seen| Stop::unmet("API-002", seen))?;
    let ids = [key.id.clone(), new.id.clone()];
    let deliveries = arrived(&scene, &hook, &ids, EVENTS)
        .await
        .map_err(|stop| stop.or_unmet("API-010"))?;
    // The webhook hears of other scenes as well: its records may be many pages.
    let records = records(&scene, &hook).await?;
    unhook(&scene, &hook).await?;
    let is_recorded = |delivery| {
        let event = json!(event_of(delivery));
        records.iter().any(|record| record["event_id"] == event)
    };
    if !deliveries.iter().all(is_recorded) {
        let seen = "not every delivery of these keys is recorded";
        return Err(Stop::unmet("API-010", seen));
    }
    let searches = [&key, &new].map(|key| Search::of(&key.credential));
    for delivery in &deliveries {
        let headers = delivery.headers.iter().map(|(_, value)| value.as_bytes());
        let mut parts = headers.chain([&delivery.body[..]]);
        if let Some(encoding) = parts.find_map(|part| found(&searches, part)) {
            let body: serde_json::Value =
                serde_json::from_slice(&delivery.body).unwrap_or_default();
            let seen = format!("{} holds a part of it in {encoding}", body["type"]);
            return Err(Stop::breach("no plain key in what a webhook is told", seen));
        }
    }
    let told = records.iter().find_map(|record| {
        let encoding = found(&searches, record.to_string().as_bytes())?;
        Some(format!(
            "that of {} tells a part of it in {encoding}",
            record["event"]
        ))
    });
    if let Some(seen) = told {
        return Err(Stop::breach(
            "no plain key in the record of a delivery",
            seen,
        ));
    }
    Ok(format!(
        "{} deliveries hold neither of two keys",
        deliveries.len()
    ))
}
