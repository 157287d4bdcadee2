//! Never twice: what was answered 2xx is not sent again, and two workers do not send one delivery at once. Never takes an attempt that was due for a second delivery.

use super::{arrived, event_of, hook, job, received, recorded, rotated, unhook};
use crate::aspect::{Aspect, aspect};
use crate::oracle::dates::{DAY, HOUR, MINUTE};
use crate::outcome::{Judged, Stop};
use crate::receiver::Reply;
use crate::scene::Scene;
use crate::subject::Subject;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::time::Duration;

pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-010",
        Whole,
        "what was answered 2xx is never sent again, however often and late the job runs",
        never_again
    ),
    aspect!(
        "API-010",
        Whole,
        "jobs at once send each delivery that is due exactly once",
        one_worker
    ),
];

/// Jobs at once.
const AT_ONCE: usize = 8;

/// The record of a delivery whose first attempt was answered 500 and is over: until its answer is recorded, a job may pass it over.
pub(super) fn tried_once() -> [(&'static str, Value); 3] {
    [
        ("state", json!("pending")),
        ("attempts", json!(1)),
        ("last_status", json!(500)),
    ]
}

async fn never_again(subject: &Subject) -> Judged {
    subject.receiver()?;
    let scene = Scene::long_ago(subject).await?;
    let first = hook(
        &scene,
        "first",
        &["key.rotated"],
        vec![Reply::Status(200), Reply::Status(200)],
    )
    .await?;
    let second = hook(
        &scene,
        "second",
        &["key.rotated"],
        vec![Reply::Status(500), Reply::Status(201)],
    )
    .await?;
    let ids = rotated(&scene).await?;
    let event = event_of(&arrived(&scene, &first, &ids, 1).await?[0]);
    arrived(&scene, &second, &ids, 1).await?;
    recorded(&scene, &first, &event, &[("state", json!("delivered"))]).await?;
    let again = event_of(&received(&scene, &second, &ids)?[0]);
    recorded(&scene, &second, &again, &tried_once()).await?;
    scene.pass(MINUTE);
    job(&scene).await?;
    recorded(&scene, &second, &again, &[("state", json!("delivered"))]).await?;
    for later in [1, MINUTE, HOUR, DAY, 30 * DAY] {
        scene.pass(later);
        for answer in join_all((0..2).map(|_| job(&scene))).await {
            answer?;
        }
    }
    for (hook, wanted) in [(&first, 1), (&second, 2)] {
        let seen = received(&scene, hook, &ids)?;
        let answered = seen
            .iter()
            .filter(|one| one.answered.is_some_and(|status| status < 300))
            .count();
        if seen.len() != wanted || answered != 1 {
            return Err(Stop::breach(
                format!("{wanted} attempts, the last of which is answered 2xx"),
                format!("{} attempts, {answered} of them answered 2xx", seen.len()),
            ));
        }
        unhook(&scene, hook).await?;
    }
    Ok("ten jobs within a month sent nothing again".to_owned())
}

async fn one_worker(subject: &Subject) -> Judged {
    subject.receiver()?;
    let scene = Scene::long_ago(subject).await?;
    let slow = Reply::Slow(Duration::from_millis(300), 200);
    let hook = hook(
        &scene,
        "workers",
        &["key.rotated"],
        vec![Reply::Status(500); 3]
            .into_iter()
            .chain([slow])
            .collect(),
    )
    .await?;
    let mut all = Vec::new();
    for _ in 0..3 {
        let ids = rotated(&scene).await?;
        let event = event_of(&arrived(&scene, &hook, &ids, 1).await?[0]);
        recorded(&scene, &hook, &event, &tried_once()).await?;
        all.push((ids, event));
    }
    scene.pass(MINUTE);
    for answer in join_all((0..AT_ONCE).map(|_| job(&scene))).await {
        answer?;
    }
    for (ids, event) in &all {
        let wanted = [("state", json!("delivered")), ("attempts", json!(2))];
        arrived(&scene, &hook, ids, 2).await?;
        recorded(&scene, &hook, event, &wanted).await?;
        let seen = received(&scene, &hook, ids)?.len();
        if seen != 2 {
            let seen = format!("{} deliveries by {AT_ONCE} jobs at once", seen - 1);
            return Err(Stop::breach("one delivery of what was due once", seen));
        }
    }
    unhook(&scene, &hook).await?;
    Ok(format!(
        "{AT_ONCE} jobs at once sent three due deliveries once each"
    ))
}
