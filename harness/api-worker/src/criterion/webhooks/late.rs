//! Attempts that outlast their claim: the endpoint answers when another attempt may be under way or over. Never lets one last longer than its time limit.

use super::once::tried_once;
use super::{
    Hook, arrived, beside_the_caller, event_of, hook, job, received, recorded, rotated, unhook,
};
use crate::aspect::{Aspect, aspect};
use crate::oracle::dates::{DAY, HOUR, MINUTE};
use crate::outcome::{Judged, Stop};
use crate::receiver::Reply;
use crate::scene::Scene;
use crate::subject::Subject;
use crate::wait;
use futures_util::future::{Either, select};
use serde_json::json;
use std::pin::pin;
use std::time::Duration;

pub(super) const ASPECTS: &[Aspect] = &[aspect!(
    "API-010",
    Whole,
    "an attempt that is answered 2xx in time counts, though its claim has ended and another attempt fails",
    counts
)];

/// How long an endpoint may take here: it must have answered before the target gives it up. Evidence: a target has a second for it in a run.
const IN_TIME: Duration = Duration::from_millis(600);

/// How often an answer may come too late for that. Evidence: a job takes milliseconds where nothing else is done.
const TRIES: usize = 5;

/// An endpoint that answers its first attempt when it is told to.
struct Late {
    hook: Hook,
    /// How many of its answers have to wait.
    held: usize,
}

/// In which order the answers of two attempts can come: the second before the first, the first while the second is under way, and a
/// failure of the first after the success of the second.
const ORDERS: [(&str, [Reply; 3]); 3] = [
    (
        "second-first",
        [Reply::Held(200), Reply::Status(500), Reply::Status(500)],
    ),
    (
        "first-meanwhile",
        [Reply::Held(200), Reply::Held(500), Reply::Status(500)],
    ),
    (
        "fails-late",
        [Reply::Held(500), Reply::Status(200), Reply::Status(500)],
    ),
];

async fn endpoints(scene: &Scene<'_>, number: usize) -> Result<Vec<Late>, Stop> {
    let mut all = Vec::new();
    for (name, replies) in ORDERS {
        let held = replies
            .iter()
            .filter(|reply| matches!(reply, Reply::Held(_)));
        let held = held.count();
        let name = format!("{name}-{number}");
        let hook = hook(scene, &name, &["key.rotated"], replies.to_vec()).await?;
        all.push(Late { hook, held });
    }
    Ok(all)
}

/// Waits until each endpoint has so many attempts, of which so many are answered, for as long as the first ones may be under way.
async fn attempts(
    scene: &Scene<'_>,
    all: &[Late],
    ids: &[String],
    are_enough: fn(&Late, usize, usize) -> bool,
) -> Result<(), Stop> {
    let found = wait::until(IN_TIME / 3, || async {
        for late in all {
            let seen = received(scene, &late.hook, ids)?;
            let answered = seen.iter().filter(|one| one.answered.is_some()).count();
            if !are_enough(late, seen.len(), answered) {
                return Ok(None);
            }
        }
        Ok::<_, Stop>(Some(()))
    });
    found.await.map(|_in_time| ())
}

/// Lets a minute pass, runs the job while the first attempts are under way, and lets the endpoints answer. Whether they were in time.
async fn outlasted(scene: &Scene<'_>, all: &[Late], ids: &[String]) -> Result<bool, Stop> {
    let receiver = scene.subject.receiver()?;
    scene.pass(MINUTE);
    let again = pin!(attempts(scene, all, ids, |late, seen, answered| {
        seen >= 2 && answered + late.held >= 2
    }));
    let ran = pin!(job(scene));
    // A worker may keep to one attempt at a time, and then the job has nothing to do.
    let rest = match select(again, ran).await {
        Either::Left((seen, ran)) => {
            seen?;
            Some(ran)
        }
        Either::Right((ran, _again)) => {
            ran?;
            None
        }
    };
    for late in all {
        receiver.release(&late.hook.path, 1);
    }
    attempts(scene, all, ids, |late, seen, answered| {
        answered > seen.saturating_sub(late.held)
    })
    .await?;
    let mut is_in_time = true;
    for late in all {
        let seen = received(scene, &late.hook, ids)?;
        is_in_time &= seen[0].answered.is_some() && seen[0].at.elapsed() < IN_TIME;
        receiver.release(&late.hook.path, 2);
    }
    if let Some(ran) = rest {
        ran.await?;
    }
    for late in all {
        let seen = received(scene, &late.hook, ids)?;
        is_in_time &= !seen.iter().any(|one| one.is_given_up);
    }
    Ok(is_in_time)
}

async fn counts(subject: &Subject) -> Judged {
    subject.receiver()?;
    let scene = Scene::long_ago(subject).await?;
    beside_the_caller(&scene).await?;
    for number in 0..TRIES {
        let all = endpoints(&scene, number).await?;
        let ids = rotated(&scene).await?;
        let mut events = Vec::new();
        for late in &all {
            events.push(event_of(&arrived(&scene, &late.hook, &ids, 1).await?[0]));
        }
        if outlasted(&scene, &all, &ids).await? {
            return ended(&scene, &all, &ids, &events).await;
        }
        for late in &all {
            unhook(&scene, &late.hook).await?;
        }
    }
    Err(Stop::Fault(format!(
        "{TRIES} attempts were not answered within {} ms of a job",
        IN_TIME.as_millis()
    )))
}

/// That each delivery is over once an attempt was answered 2xx.
async fn ended(scene: &Scene<'_>, all: &[Late], ids: &[String], events: &[String]) -> Judged {
    // Where one attempt at a time is made, the one that failed is made again.
    scene.pass(MINUTE);
    let mut count = 0;
    for (late, event) in all.iter().zip(events) {
        let answered = |status: Option<u16>| status.is_some_and(|status| status < 300);
        let seen = received(scene, &late.hook, ids)?;
        if !seen.iter().any(|one| answered(one.answered)) {
            recorded(scene, &late.hook, event, &tried_once()).await?;
            job(scene).await?;
        }
        recorded(scene, &late.hook, event, &[("state", json!("delivered"))]).await?;
        count += received(scene, &late.hook, ids)?.len();
    }
    for later in [MINUTE, HOUR, DAY] {
        scene.pass(later);
        job(scene).await?;
    }
    let mut after = 0;
    for late in all {
        after += received(scene, &late.hook, ids)?.len();
        unhook(scene, &late.hook).await?;
    }
    if after == count {
        Ok(format!(
            "{count} attempts at {} deliveries, and none after a 2xx",
            all.len()
        ))
    } else {
        Err(Stop::breach(
            "no attempt after one that was answered 2xx",
            format!("{} more", after - count),
        ))
    }
}
