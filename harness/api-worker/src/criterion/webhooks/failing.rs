//! What is not answered 2xx: tried again with back-off, and at the end failed, visibly. Time is told; never waited for.

use super::{
    BESIDE_THE_CALLER, Hook, arrived, event_of, hook, job, received, recorded, rotated, unhook,
};
use crate::aspect::{Aspect, aspect};
use crate::call::Call;
use crate::oracle::dates::{DAY, HOUR};
use crate::outcome::{Judged, Stop};
use crate::receiver::Reply;
use crate::scene::Scene;
use crate::subject::Subject;
use crate::wait;
use serde_json::{Value, json};
use std::time::Duration;

pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-010",
        Jobs,
        "a dead endpoint is tried six times, after 30, 60, 120, 240 and 480 seconds, and ends as failed, visibly",
        dies
    ),
    aspect!(
        "API-010",
        Whole,
        "whatever is not answered 2xx in time is tried again: errors, redirects, cut, late and hanging answers",
        tried_again
    ),
    aspect!(
        "API-010",
        Whole,
        "a webhook that failed is active again once a delivery to it succeeds",
        recovers
    ),
    aspect!(
        "API-010",
        Jobs,
        "an endpoint that never answers is tried six times as well, and its webhook ends as failing",
        never_answers
    ),
    aspect!(
        "API-010",
        Whole,
        "a 2xx whose body does not come is an answer: nothing is sent again",
        without_its_body
    ),
];

/// Seconds after which an attempt is repeated.
const BACK_OFF: [i64; 5] = [30, 60, 120, 240, 480];

/// Milliseconds that a planned attempt may be later than asked for: an attempt takes its time.
const SLACK: i64 = 5_000;

/// When the next attempt is planned: so many seconds after this one, in a record of so many attempts.
pub(super) async fn planned(
    scene: &Scene<'_>,
    hook: &Hook,
    event: &str,
    (attempts, seconds): (usize, i64),
) -> Result<i64, Stop> {
    let wanted = [("state", json!("pending")), ("attempts", json!(attempts))];
    let now = scene.now();
    // While an attempt is under way, a record may have its claim in place of a plan.
    let is_planned = |record: &Value| {
        let at = record["next_attempt_at"].as_i64()?;
        let earliest = now + 1000 * seconds;
        (earliest..=earliest + SLACK).contains(&at).then_some(at)
    };
    let found = wait::until(BESIDE_THE_CALLER, || async {
        let record = recorded(scene, hook, event, &wanted).await?;
        Ok::<_, Stop>(is_planned(&record))
    })
    .await?;
    if let Some(at) = found {
        return Ok(at);
    }
    let record = recorded(scene, hook, event, &wanted).await?;
    let at = record["next_attempt_at"].as_i64();
    let seen = at.map_or_else(
        || format!("next_attempt_at {}", record["next_attempt_at"]),
        |at| format!("{} ms after it", at - now),
    );
    Err(Stop::breach(
        format!("the next attempt {seconds} s after attempt {attempts}"),
        seen,
    ))
}

async fn state(scene: &Scene<'_>, hook: &Hook) -> Result<Value, Stop> {
    let read = Call::get(format!("/api/admin/webhooks/{}", hook.id));
    let read = scene.operate(read).await?;
    let read = read.expect(200, |seen| Stop::breach("a webhook to be read", seen))?;
    Ok(read.at("/state"))
}

async fn attempts_are(
    scene: &Scene<'_>,
    hook: &Hook,
    ids: &[String],
    count: usize,
    when: &str,
) -> Result<(), Stop> {
    let seen = received(scene, hook, ids)?.len();
    if seen == count {
        Ok(())
    } else {
        let attempts = |count: usize| format!("{count} attempts {when}");
        Err(Stop::breach(attempts(count), attempts(seen)))
    }
}

async fn dies(subject: &Subject) -> Judged {
    subject.receiver()?;
    let scene = Scene::long_ago(subject).await?;
    let hook = hook(&scene, "dead", &["key.rotated"], vec![Reply::Status(500)]).await?;
    let ids = rotated(&scene).await?;
    let event = event_of(&arrived(&scene, &hook, &ids, 1).await?[0]);
    for (nth, seconds) in (1..).zip(BACK_OFF) {
        let at = planned(&scene, &hook, &event, (nth, seconds)).await?;
        recorded(&scene, &hook, &event, &[("last_status", json!(500))]).await?;
        scene.set(at - 1);
        job(&scene).await?;
        let when = format!("one millisecond before the {seconds} s are over");
        attempts_are(&scene, &hook, &ids, nth, &when).await?;
        scene.set(at);
        job(&scene).await?;
        let when = format!("after {seconds} s");
        attempts_are(&scene, &hook, &ids, nth + 1, &when).await?;
    }
    let wanted = [
        ("state", json!("failed")),
        ("attempts", json!(6)),
        ("next_attempt_at", Value::Null),
        ("delivered_at", Value::Null),
    ];
    recorded(&scene, &hook, &event, &wanted).await?;
    let state = state(&scene, &hook).await?;
    if state != json!("failing") {
        return Err(Stop::breach(
            "a dead endpoint's webhook to be failing",
            format!("state {state}"),
        ));
    }
    for later in [HOUR, DAY] {
        scene.pass(later);
        job(&scene).await?;
    }
    attempts_are(&scene, &hook, &ids, 6, "a day after it has failed").await?;
    unhook(&scene, &hook).await?;
    Ok("six attempts with the back-off between them, then failed".to_owned())
}

/// Longer than the time that the target gives an endpoint in a run.
const TOO_SLOW: Duration = Duration::from_secs(4);

async fn tried_again(subject: &Subject) -> Judged {
    let receiver = subject.receiver()?;
    let scene = Scene::long_ago(subject).await?;
    let elsewhere = format!("/elsewhere-{}", scene.tag);
    let failing = [
        ("400", Reply::Status(400)),
        ("410", Reply::Status(410)),
        ("503", Reply::Status(503)),
        ("304", Reply::Status(304)),
        ("redirect", Reply::Redirect(receiver.url(&elsewhere))),
        ("cut", Reply::Cut),
        ("cut-inside", Reply::CutInside),
        ("hang", Reply::Hang),
        ("slow", Reply::Slow(TOO_SLOW, 200)),
        ("too-late", Reply::TooLate),
    ];
    let mut hooks = Vec::new();
    for (name, reply) in failing {
        let replies = vec![reply, Reply::Status(200)];
        hooks.push((name, hook(&scene, name, &["key.rotated"], replies).await?));
    }
    let ids = rotated(&scene).await?;
    let mut events = Vec::new();
    for (name, hook) in &hooks {
        let event = event_of(&arrived(&scene, hook, &ids, 1).await?[0]);
        planned(&scene, hook, &event, (1, 30))
            .await
            .map_err(|stop| about(stop, name))?;
        events.push(event);
    }
    let redirected = receiver.deliveries(&elsewhere).len();
    if redirected > 0 {
        return Err(Stop::breach(
            "a redirect that is not followed",
            format!("{redirected} deliveries elsewhere"),
        ));
    }
    scene.pass(30_000 + SLACK);
    job(&scene).await?;
    for ((name, hook), event) in hooks.iter().zip(&events) {
        let seen = arrived(&scene, hook, &ids, 2)
            .await
            .map_err(|stop| about(stop, name))?;
        if seen.iter().any(|delivery| event_of(delivery) != *event) {
            let seen = format!("after {name}, another webhook-id than at the first attempt");
            return Err(Stop::breach("the event's id at each attempt", seen));
        }
        let wanted = [
            ("state", json!("delivered")),
            ("attempts", json!(2)),
            ("last_status", json!(200)),
        ];
        recorded(&scene, hook, event, &wanted)
            .await
            .map_err(|stop| about(stop, name))?;
        unhook(&scene, hook).await?;
    }
    Ok(format!(
        "{} ways of not answering 2xx in time led to a second attempt",
        hooks.len()
    ))
}

/// A finding with the endpoint that it is about.
fn about(stop: Stop, endpoint: &str) -> Stop {
    match stop {
        Stop::Violated(mut violation) => {
            violation.seen = format!("{} (endpoint {endpoint})", violation.seen);
            Stop::Violated(violation)
        }
        Stop::Unmet { .. } | Stop::Fault(_) => stop,
    }
}

async fn recovers(subject: &Subject) -> Judged {
    subject.receiver()?;
    let scene = Scene::long_ago(subject).await?;
    let mut replies = vec![Reply::Status(500); 6];
    replies.push(Reply::Status(200));
    let hook = hook(&scene, "recovering", &["key.rotated"], replies).await?;
    let ids = rotated(&scene).await?;
    let event = event_of(&arrived(&scene, &hook, &ids, 1).await?[0]);
    for (nth, seconds) in (1..).zip(BACK_OFF) {
        // An attempt is over when the next one is planned; until then its claim keeps the job away.
        scene.set(planned(&scene, &hook, &event, (nth, seconds)).await?);
        job(&scene).await?;
    }
    recorded(&scene, &hook, &event, &[("state", json!("failed"))]).await?;
    scene.pass(HOUR);
    let ids = rotated(&scene).await?;
    let event = event_of(&arrived(&scene, &hook, &ids, 1).await?[0]);
    recorded(&scene, &hook, &event, &[("state", json!("delivered"))]).await?;
    let state = state(&scene, &hook).await?;
    unhook(&scene, &hook).await?;
    if state == json!("active") {
        Ok("failing after six failures, active after a success".to_owned())
    } else {
        Err(Stop::breach(
            "the webhook to be active again",
            format!("state {state}"),
        ))
    }
}

async fn never_answers(subject: &Subject) -> Judged {
    subject.receiver()?;
    let scene = Scene::long_ago(subject).await?;
    let hook = hook(&scene, "silent", &["key.rotated"], vec![Reply::Cut]).await?;
    let ids = rotated(&scene).await?;
    let event = event_of(&arrived(&scene, &hook, &ids, 1).await?[0]);
    for (nth, seconds) in (1..).zip(BACK_OFF) {
        scene.set(planned(&scene, &hook, &event, (nth, seconds)).await?);
        job(&scene).await?;
    }
    let wanted = [("state", json!("failed")), ("attempts", json!(6))];
    recorded(&scene, &hook, &event, &wanted).await?;
    let state = state(&scene, &hook).await?;
    unhook(&scene, &hook).await?;
    if state == json!("failing") {
        Ok("six attempts without an answer, then failed and failing".to_owned())
    } else {
        Err(Stop::breach(
            "the webhook to be failing after six attempts without an answer",
            format!("state {state}"),
        ))
    }
}

async fn without_its_body(subject: &Subject) -> Judged {
    subject.receiver()?;
    let scene = Scene::long_ago(subject).await?;
    let replies = [
        ("cut", Reply::CutBody(200)),
        ("hangs", Reply::HangingBody(202)),
    ];
    let mut hooks = Vec::new();
    for (name, reply) in replies {
        hooks.push((
            name,
            hook(&scene, name, &["key.rotated"], vec![reply]).await?,
        ));
    }
    let ids = rotated(&scene).await?;
    let mut events = Vec::new();
    for (name, hook) in &hooks {
        let event = event_of(&arrived(&scene, hook, &ids, 1).await?[0]);
        recorded(&scene, hook, &event, &[("state", json!("delivered"))])
            .await
            .map_err(|stop| about(stop, name))?;
        events.push(event);
    }
    scene.pass(DAY);
    job(&scene).await?;
    for (name, hook) in &hooks {
        attempts_are(&scene, hook, &ids, 1, "a day after a 2xx without its body")
            .await
            .map_err(|stop| about(stop, name))?;
        unhook(&scene, hook).await?;
    }
    Ok(format!(
        "{} ways to leave a body out were answers",
        hooks.len()
    ))
}
