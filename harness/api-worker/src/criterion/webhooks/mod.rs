//! API-010: deliveries of webhooks. Never lets a webhook go anywhere but to the receiver.

mod crash;
mod failing;
mod late;
mod names;
mod once;
mod refused;
mod sent;

use crate::aspect::Aspect;
use crate::call::{Answer, Call};
use crate::outcome::{Cause, Judged, Need, Stop};
use crate::receiver::{Delivery, Reply};
use crate::scene::{Key, Scene};
use crate::subject::Subject;
use crate::wait;
use moltproof_doubles::{clock, lag};
use serde_json::{Value, json};
use std::time::Duration;

pub(crate) use crash::lives_on;
pub(crate) use names::looked_up;

/// What is judged of API-010, by family.
pub(super) const FAMILIES: [&[Aspect]; 7] = [
    sent::ASPECTS,
    failing::ASPECTS,
    once::ASPECTS,
    late::ASPECTS,
    crash::ASPECTS,
    refused::ASPECTS,
    names::ASPECTS,
];

/// How long a first attempt and its record may take beside the caller. Evidence: the slowest seen took 400 ms under parallel load.
const BESIDE_THE_CALLER: Duration = Duration::from_secs(8);
/// The shortest time for which a sender is thought to wait. If the receiver was later than that, a sender may have given up before it was
/// heard: then its record tells an attempt that the receiver does not know.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(1);
/// One look for deliveries that are not there yet.
const LOOK: Duration = Duration::from_secs(1);
/// The longest line behind senders that the receiver keeps waiting: many attempts of ten seconds each.
const LINE_MAX: Duration = Duration::from_secs(60);

/// A webhook to the receiver, with a path of its own.
#[derive(Debug)]
pub(super) struct Hook {
    pub(super) id: String,
    secret: String,
    path: String,
}

/// Makes a webhook whose endpoint answers so.
pub(super) async fn hook(
    scene: &Scene<'_>,
    name: &str,
    events: &[&str],
    replies: Vec<Reply>,
) -> Result<Hook, Stop> {
    let receiver = scene.subject.receiver()?;
    let path = format!("/{name}-{}", scene.tag);
    receiver.script(&path, replies);
    let wish = json!({"url": receiver.url(&path), "events": events});
    let made = scene
        .operate(Call::post("/api/admin/webhooks").json(&wish))
        .await?
        .expect(201, |seen| Stop::Unmet {
            cause: Cause::Capability(Need::Receiver),
            seen,
        })?;
    Ok(Hook {
        id: made.text("/id"),
        secret: made.text("/secret"),
        path,
    })
}

/// Before anything is judged: a webhook to the receiver is sent its event, and one to a private address is refused.
pub(crate) async fn delivered(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let hook = hook(&scene, "doctor", &["key.rotated"], vec![Reply::Status(204)]).await?;
    let ids = rotated(&scene).await?;
    job(&scene).await?;
    let came = arrived(&scene, &hook, &ids, 1).await;
    unhook(&scene, &hook).await?;
    came?;
    let wish = json!({"url": "https://10.0.0.1/hook", "events": ["key.rotated"]});
    scene
        .operate(Call::post("/api/admin/webhooks").json(&wish))
        .await?
        .refused(400, "INVALID_REQUEST", "for a private address")?;
    Ok("an event reaches the receiver, and a webhook to 10.0.0.1 is refused".to_owned())
}

/// Makes a webhook that is sent its event, and answers once the delivery is recorded as delivered: the id of the webhook.
pub(crate) async fn was_told(scene: &Scene<'_>) -> Result<String, Stop> {
    let hook = hook(scene, "told", &["key.rotated"], vec![Reply::Status(204)]).await?;
    let ids = rotated(scene).await?;
    let event = event_of(&arrived(scene, &hook, &ids, 1).await?[0]);
    recorded(scene, &hook, &event, &[("state", json!("delivered"))]).await?;
    Ok(hook.id)
}

/// Takes a webhook away, so that it is sent nothing of others.
pub(super) async fn unhook(scene: &Scene<'_>, hook: &Hook) -> Result<(), Stop> {
    scene
        .operate(Call::delete(format!("/api/admin/webhooks/{}", hook.id)))
        .await
        .map(drop)
}

/// A key that was rotated: the event that others cause least. Whatever names one of these ids is of this event.
async fn rotated(scene: &Scene<'_>) -> Result<Vec<String>, Stop> {
    rotated_of(scene, &scene.key("ada").await?).await
}

/// The same of a key that is there.
async fn rotated_of(scene: &Scene<'_>, key: &Key) -> Result<Vec<String>, Stop> {
    let new = scene
        .operate(Call::post(format!("/api/admin/keys/{}/rotate", key.id)))
        .await?
        .expect(201, |seen| Stop::unmet("API-002", seen))?;
    Ok(vec![key.id.clone(), new.text("/id")])
}

/// What of a webhook names one of these ids.
fn of(deliveries: &[Delivery], ids: &[String]) -> Vec<Delivery> {
    let names = |delivery: &&Delivery| {
        let body = String::from_utf8_lossy(&delivery.body);
        ids.iter().any(|id| body.contains(id.as_str()))
    };
    deliveries.iter().filter(names).cloned().collect()
}

/// What has come to a webhook of these ids so far.
fn received(scene: &Scene<'_>, hook: &Hook, ids: &[String]) -> Result<Vec<Delivery>, Stop> {
    Ok(of(&scene.subject.receiver()?.deliveries(&hook.path), ids))
}

/// Sees that the first attempts are made beside the caller, for what is done while they are under way: a worker may leave them to its job, which
/// has ended when its caller goes on.
pub(super) async fn beside_the_caller(scene: &Scene<'_>) -> Result<(), Stop> {
    let hook = hook(scene, "beside", &["key.rotated"], vec![Reply::Status(204)]).await?;
    let ids = rotated(scene).await?;
    let receiver = scene.subject.receiver()?;
    let came = |seen: &[Delivery]| !of(seen, &ids).is_empty();
    let seen = receiver.wait_until(&hook.path, LOOK, came).await;
    let is_beside = came(&seen);
    // Where nothing comes by the job either, it is judged as what comes too late.
    arrived(scene, &hook, &ids, 1).await?;
    unhook(scene, &hook).await?;
    if is_beside {
        return Ok(());
    }
    Err(Stop::Unmet {
        cause: Cause::Habit,
        seen: "the first attempts are made by the job of deliveries alone, so that none is under way while something else is done".to_owned(),
    })
}

/// The first deliveries to a webhook of these ids, once there are so many, or a breach.
pub(super) async fn arrived(
    scene: &Scene<'_>,
    hook: &Hook,
    ids: &[String],
    count: usize,
) -> Result<Vec<Delivery>, Stop> {
    let receiver = scene.subject.receiver()?;
    let began = clock::now();
    let are_enough = |seen: &[Delivery]| of(seen, ids).len() >= count;
    // A worker may leave its first attempt, too, to the job that a timer runs.
    let at_once = receiver.wait_until(&hook.path, LOOK, are_enough).await;
    if of(&at_once, ids).is_empty() {
        job(scene).await?;
    }
    let found = until(scene, || async {
        let seen = receiver.wait_until(&hook.path, LOOK, are_enough).await;
        Ok(are_enough(&seen).then(|| of(&seen, ids)))
    })
    .await?;
    if let Some(theirs) = found {
        return Ok(theirs);
    }
    let seen = received(scene, hook, ids)?.len();
    // What cannot be read of them changes nothing about what did not come.
    let records = records(scene, hook).await.unwrap_or_default();
    let attempts = records.iter().filter_map(|one| one["attempts"].as_u64());
    let are_unheard = attempts.sum::<u64>() > seen as u64;
    let records = records
        .iter()
        .map(|one| format!("{} at attempt {}", one["state"], one["attempts"]));
    let records = records.collect::<Vec<_>>().join(", ");
    let seen = format!(
        "{seen} within {} s, and as records: {records}",
        BESIDE_THE_CALLER.as_secs()
    );
    if are_unheard {
        lag::blame(began, clock::now(), GIVEN_UP_AFTER, || seen.clone())?;
    }
    Err(Stop::breach(
        format!("{count} attempts at a delivery"),
        seen,
    ))
}

/// Looks until there is a value, or until deliveries have had their time. While the receiver keeps a sender waiting, as other scenarios
/// ask it to, this delivery may stand in line behind that one: such time does not count.
async fn until<T, F, Fut>(scene: &Scene<'_>, mut look: F) -> Result<Option<T>, Stop>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Option<T>, Stop>>,
{
    let receiver = scene.subject.receiver()?;
    let began = clock::now();
    loop {
        let from = clock::now();
        let found = wait::until(BESIDE_THE_CALLER, &mut look).await?;
        let is_in_line = receiver.kept_a_sender_waiting(from) && began.elapsed() < LINE_MAX;
        if found.is_some() || !is_in_line {
            return Ok(found);
        }
    }
}

/// The records of a webhook's deliveries.
pub(super) async fn records(scene: &Scene<'_>, hook: &Hook) -> Result<Vec<Value>, Stop> {
    let path = format!("/api/admin/webhooks/{}/deliveries", hook.id);
    scene.pages(&path, "deliveries").await
}

/// The record of an event's delivery, once it is as wanted; a breach with what it is instead.
async fn recorded(
    scene: &Scene<'_>,
    hook: &Hook,
    event: &str,
    wanted: &[(&str, Value)],
) -> Result<Value, Stop> {
    let last = std::sync::Mutex::new(Value::Null);
    let found = until(scene, || async {
        let all = records(scene, hook).await?;
        let record = all.into_iter().find(|record| record["event_id"] == *event);
        let record = record.unwrap_or_default();
        let is_there = wanted.iter().all(|(field, value)| record[field] == *value);
        *last
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = record.clone();
        Ok::<_, Stop>(is_there.then_some(record))
    })
    .await?;
    found.ok_or_else(|| {
        let wanted: Value = wanted
            .iter()
            .map(|(field, value)| ((*field).to_owned(), value.clone()))
            .collect();
        let seen = last
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .to_string();
        Stop::breach(format!("a record of the delivery with {wanted}"), seen)
    })
}

/// Runs the job of deliveries.
async fn job(scene: &Scene<'_>) -> Result<Answer, Stop> {
    let run = || Call::post("/api/admin/jobs/deliveries").json(&json!({}));
    let mut ran = scene.operate(run()).await?;
    // A worker may bound what one run does: what others have left is due as well.
    for _run in 0..RUNS_MAX {
        if ran.at("/attempted").as_u64().unwrap_or_default() < MANY {
            break;
        }
        ran = scene.operate(run()).await?;
    }
    ran.expect(200, |seen| {
        Stop::breach("the job of deliveries to run", seen)
    })
}

/// Attempts of one run of the job of which there may be more, and how often it is run then.
const MANY: u64 = 20;
const RUNS_MAX: usize = 20;

/// The event that a delivery names in its header.
pub(super) fn event_of(delivery: &Delivery) -> String {
    delivery.header("webhook-id").unwrap_or_default().to_owned()
}
