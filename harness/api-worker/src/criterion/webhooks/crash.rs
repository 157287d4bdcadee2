//! A worker that is killed while it delivers, and started again. Never kills the one that other sentences use.

use super::{Hook, arrived, beside_the_caller, event_of, hook, job, received, recorded, rotated};
use crate::aspect::{Aspect, aspect};
use crate::call::Call;
use crate::oracle::dates::{DAY, HOUR, MINUTE};
use crate::outcome::{Judged, Need, Stop};
use crate::own::OwnInstance;
use crate::receiver::Reply;
use crate::scene::Scene;
use crate::subject::Subject;
use serde_json::{Value, json};

pub(super) const ASPECTS: &[Aspect] = &[aspect!(
    "API-010",
    Beside,
    "a delivery that was under way when the worker was killed is tried again after it under the same id, and one that had been answered 2xx is not",
    killed
)];

/// When what a crash has left is free again: a claim lasts for a minute.
const FREE_AFTER: i64 = MINUTE;

/// How often an attempt may end by itself before the worker is killed. Evidence: an endpoint has a second, and a kill takes milliseconds.
const TRIES: usize = 5;

/// What was told of a delivery before the worker was killed.
struct Told {
    hook: Hook,
    ids: Vec<String>,
    event: String,
}

/// An event that has come to a webhook whose endpoint answers so.
async fn told(scene: &Scene<'_>, name: &str, replies: Vec<Reply>) -> Result<Told, Stop> {
    let hook = hook(scene, name, &["key.rotated"], replies).await?;
    let ids = rotated(scene).await?;
    let event = event_of(&arrived(scene, &hook, &ids, 1).await?[0]);
    Ok(Told { hook, ids, event })
}

/// Kills the worker while an endpoint has an attempt that it does not answer.
async fn broken_off(scene: &Scene<'_>, own: &mut dyn OwnInstance) -> Result<Told, Stop> {
    for number in 0..TRIES {
        let replies = vec![Reply::Hang, Reply::Status(200)];
        let told = told(scene, &format!("killed-{number}"), replies).await?;
        let is_under_way = !received(scene, &told.hook, &told.ids)?[0].is_given_up;
        if is_under_way {
            own.kill().await.map_err(Stop::Fault)?;
            return Ok(told);
        }
        super::unhook(scene, &told.hook).await?;
    }
    Err(Stop::Fault(format!(
        "{TRIES} attempts were given up before the worker could be killed"
    )))
}

/// Sees that a delivery has come so often, each time under its event's id, and how it is recorded.
async fn came(
    scene: &Scene<'_>,
    told: &Told,
    (count, expected): (usize, &str),
) -> Result<(), Stop> {
    let seen = received(scene, &told.hook, &told.ids)?;
    if seen.len() != count {
        let seen = match seen.len() {
            1 => "1 attempt".to_owned(),
            count => format!("{count} attempts"),
        };
        return Err(Stop::breach(expected, seen));
    }
    if let Some(other) = seen.iter().find(|one| event_of(one) != told.event) {
        let seen = format!("{} after {}", event_of(other), told.event);
        return Err(Stop::breach("the event's id at each attempt", seen));
    }
    let wanted = [
        ("state", json!("delivered")),
        ("attempts", json!(count)),
        ("last_status", json!(200)),
        ("next_attempt_at", Value::Null),
    ];
    let record = recorded(scene, &told.hook, &told.event, &wanted).await?;
    if record["delivered_at"].is_i64() {
        Ok(())
    } else {
        Err(Stop::breach("delivered_at, a time", record.to_string()))
    }
}

async fn killed(subject: &Subject) -> Judged {
    subject.receiver()?;
    if !subject.is_clock_told {
        return Err(Stop::lacking(Need::Clock));
    }
    if subject.operator.is_none() {
        return Err(Stop::lacking(Need::Operator));
    }
    let mut own = subject.own_instance().await?;
    let before = subject.at(own.base(), own.database());
    let scene = Scene::long_ago(&before).await?;
    let answered = told(&scene, "answered", vec![Reply::Status(200)]).await?;
    let once = (1, "one attempt at what was answered 2xx before the kill");
    came(&scene, &answered, once).await?;
    beside_the_caller(&scene).await?;
    let broken_off = broken_off(&scene, own.as_mut()).await?;
    own.start().await.map_err(Stop::Fault)?;
    let after = subject.at(own.base(), own.database());
    let scene = scene.moved(&after);
    scene.pass(FREE_AFTER);
    job(&scene).await?;
    let again = (
        2,
        "a second attempt, by the job of deliveries a minute after the kill, at what was under way then",
    );
    came(&scene, &broken_off, again).await?;
    came(&scene, &answered, once).await?;
    for later in [MINUTE, HOUR, DAY] {
        scene.pass(later);
        job(&scene).await?;
    }
    let never_again = (2, "no attempt after the one that was answered 2xx");
    came(&scene, &broken_off, never_again).await?;
    came(&scene, &answered, once).await?;
    Ok("an attempt that a kill broke off was followed by one more with the same id, and what had been answered by none".to_owned())
}

/// Before anything is judged: what an instance of its own was told before it was killed is there when it was started again, and what
/// another one is told is not.
pub(crate) async fn lives_on(subject: &Subject) -> Judged {
    let mut own = subject.own_instance().await?;
    let here = subject.at(own.base(), own.database());
    let scene = Scene::at_present(&here);
    let key = scene.key("doctor").await?;
    own.kill().await.map_err(Stop::Fault)?;
    own.start().await.map_err(Stop::Fault)?;
    let here = subject.at(own.base(), own.database());
    let scene = scene.moved(&here);
    let path = format!("/api/admin/keys/{}", key.id);
    let kept = scene.operate(Call::get(path.clone())).await?;
    let elsewhere = scene.moved(subject).operate(Call::get(path)).await?;
    if kept.status != 200 || elsewhere.status != 404 {
        let seen = format!("{} and {}", kept.status, elsewhere.status);
        return Err(Stop::Fault(format!(
            "expected 200 for a key from before a kill, and 404 for it at the instance that others share; saw {seen}"
        )));
    }
    Ok("an instance of its own is killed and started again, and still has its key".to_owned())
}
