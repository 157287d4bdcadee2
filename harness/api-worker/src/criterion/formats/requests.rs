//! What requests leave in the target's own database, those that fail and those that end something among them. Never reads what nobody has written.

use super::super::webhooks;
use super::{formats, fraction, one_format};
use crate::call::Call;
use crate::chat::Chat;
use crate::database::Database;
use crate::oracle::dates::HOUR;
use crate::outcome::{Judged, Stop};
use crate::scene::Scene;
use crate::scripts::trial::Trial;
use crate::subject::Subject;
use crate::wait;
use moltproof_doubles::Reply;
use serde_json::json;
use std::time::Duration;

/// How long what is written beside a caller may take. Evidence: the slowest record of a delivery took 400 ms under parallel load.
const BESIDE_THE_CALLER: Duration = Duration::from_secs(8);

/// A session that has ended, a conversation with usage, two prices, a preference and a flag, each changed, and a key that is revoked.
async fn leave(scene: &Scene<'_>) -> Result<(), Stop> {
    let fields = json!({"expires_at": scene.now() + HOUR});
    let (key, model) = (scene.key_with("ada", fields).await?, scene.model("small"));
    let own = |call: Call| scene.send(call.by(&key.credential));
    let created = |seen| Stop::unmet("API-001", seen);
    let session = own(Call::post("/v1/sessions").json(&json!({})))
        .await?
        .expect(201, created)?;
    own(Call::delete(format!(
        "/v1/sessions/{}",
        session.text("/id")
    )))
    .await?;
    let conversation = own(Call::post("/v1/conversations").json(&json!({})))
        .await?
        .expect(201, created)?;
    for (input, output) in [(3, 5), (7, 11)] {
        scene.price(&model, input, output).await?;
        let chat = Chat::with(&model).of(&conversation.text("/id"));
        scene.chatted(&key, &chat).await?;
        let preference = format!("user/{}/theme", key.user);
        scene.prefer(&preference, json!(input)).await?;
        let flag = format!("/api/admin/flags/{}", scene.name("timed"));
        let flag = Call::put(flag).json(&json!({"enabled": input < 5}));
        scene.operate(flag).await?;
        scene.pass(1);
    }
    fails(scene, &key).await?;
    let revoked = Call::delete(format!("/api/admin/keys/{}", key.id));
    scene.operate(revoked).await.map(drop)
}

/// A chat that the service itself fails with.
async fn fails(scene: &Scene<'_>, key: &crate::scene::Key) -> Result<(), Stop> {
    let chat = Chat::with(&scene.model("failing"));
    scene.script(&chat, Reply::status(400));
    let failed = scene.chat(key, &chat).await?;
    if failed.status >= 500 {
        Ok(())
    } else {
        Err(Stop::unmet("API-001", failed.to_string()))
    }
}

/// How many metrics a database holds.
async fn metrics(database: &Database) -> Result<usize, Stop> {
    let rows = database.rows("SELECT 1 FROM system_metrics", Vec::new());
    Ok(rows.await?.len())
}

/// The database once it holds more metrics than before: a failure is written beside the caller.
async fn told(database: &Database, before: usize) -> Result<Trial, Stop> {
    let found = wait::until(BESIDE_THE_CALLER, || async {
        let is_told = metrics(database).await? > before;
        Ok::<_, Stop>(is_told.then_some(()))
    })
    .await?;
    match found {
        Some(()) => Trial::of_target(database).await,
        None => Err(Stop::unmet(
            "API-011",
            "no metric tells of an answer of 500 and above",
        )),
    }
}

pub(super) async fn written(subject: &Subject) -> Judged {
    let database = subject.own_database()?;
    let scene = Scene::at_present(subject);
    let before = metrics(&database).await?;
    leave(&scene).await?;
    // Whether anything is delivered is judged elsewhere.
    let hook = webhooks::was_told(&scene).await.ok();
    let trial = told(&database, before).await?;
    if let Some(hook) = hook {
        let removed = Call::delete(format!("/api/admin/webhooks/{hook}"));
        scene.operate(removed).await?;
    }
    let (found, times) = formats(&trial)?;
    let format = one_format(&found)?;
    let (wrong, sums) = fraction(&trial)?;
    match wrong {
        Some(place) => Err(Stop::breach("money in integers", place)),
        None => Ok(format!("{times} times, all {format}; {sums} sums of money")),
    }
}
