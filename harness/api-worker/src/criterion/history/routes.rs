//! What routes leave of the past: the target's own database before and after they have changed whatever they can. Never writes into it.

use super::TIME;
use super::said::HISTORY;
use crate::call::{Answer, Call};
use crate::chat::Chat;
use crate::oracle::dates::HOUR;
use crate::outcome::{Judged, Stop};
use crate::scene::{Key, Scene};
use crate::scripts::trial::{Trial, told_row};
use crate::subject::Subject;
use moltproof_data::catalog::Name;
use rusqlite::types::Value;
use serde_json::json;
use std::collections::BTreeMap;

/// What a database says of the past, by table and key.
type Past = BTreeMap<(String, String), Vec<Value>>;

/// What a database says of the past: by table and key the time and the columns of history.
fn past(trial: &Trial) -> Result<Past, Stop> {
    let schema = trial.schema()?;
    let mut all = BTreeMap::new();
    for table in schema.tables.values() {
        let says = HISTORY
            .iter()
            .find(|(name, _)| *name == table.name.as_str());
        let says = says
            .map_or(&[][..], |(_, says)| says)
            .iter()
            .map(|(column, _)| Name::new(column));
        let said: Vec<String> = std::iter::once(Name::new(TIME))
            .chain(says)
            .filter(|name| table.column(name).is_some())
            .map(|name| name.quoted())
            .collect();
        let key: Vec<String> = table.primary_key.iter().map(Name::quoted).collect();
        if said.is_empty() || key.is_empty() {
            continue;
        }
        let sql = format!(
            "SELECT {}, {} FROM {}",
            key.join(", "),
            said.join(", "),
            table.name.quoted()
        );
        for mut row in trial.read(&sql)? {
            let says = row.split_off(key.len());
            all.insert((table.name.as_str().to_owned(), told_row(&row)), says);
        }
    }
    Ok(all)
}

/// A user's own preference, or a session, which the user's own routes write.
async fn users_own(scene: &Scene<'_>, key: &Key, call: Call, status: u16) -> Result<Answer, Stop> {
    let answer = scene.send(call.by(&key.credential)).await?;
    answer.expect(status, |seen| Stop::unmet("API-009", seen))
}

pub(super) async fn routes(subject: &Subject) -> Judged {
    let scene = Scene::with_clock(subject)?;
    let (key, model) = (scene.key("ada").await?, scene.model("small"));
    let (unpriced, own) = (scene.model("unpriced"), scene.name("own"));
    let own =
        |value: &str| Call::put(format!("/v1/preferences/{own}")).json(&json!({"value": value}));
    let flag = format!("/api/admin/flags/{}", scene.name("dark"));
    let preference = format!("user/{}/theme", key.user);
    let made = scene
        .send(
            Call::post("/v1/conversations")
                .by(&key.credential)
                .json(&json!({})),
        )
        .await?;
    let conversation = made
        .expect(201, |seen| Stop::unmet("API-001", seen))?
        .text("/id");
    let chat = || Chat::with(&model).of(&conversation);
    scene.price(&model, 5, 7).await?;
    scene.prefer(&preference, json!("dark")).await?;
    let set = scene
        .operate(Call::put(&flag).json(&json!({"enabled": true})))
        .await?;
    set.expect(200, |seen| Stop::unmet("API-009", seen))?;
    scene.chatted(&key, &chat()).await?;
    scene.chatted(&key, &Chat::with(&unpriced)).await?;
    users_own(&scene, &key, own("first"), 200).await?;
    let session = users_own(
        &scene,
        &key,
        Call::post("/v1/sessions").json(&json!({})),
        201,
    )
    .await?;
    let before = past(&Trial::of_target(&subject.own_database()?).await?)?;
    scene.pass(HOUR);
    scene.price(&model, 11, 13).await?;
    scene.price(&unpriced, 17, 19).await?;
    users_own(&scene, &key, own("second"), 200).await?;
    let ended = Call::delete(format!("/v1/sessions/{}", session.text("/id")));
    users_own(&scene, &key, ended, 204).await?;
    scene.prefer(&preference, json!("light")).await?;
    let set = scene
        .operate(Call::put(&flag).json(&json!({"enabled": false, "rollout_percent": 10})))
        .await?;
    set.expect(200, |seen| Stop::unmet("API-009", seen))?;
    scene.chatted(&key, &chat()).await?;
    let rotated = scene
        .operate(Call::post(format!("/api/admin/keys/{}/rotate", key.id)))
        .await?;
    rotated.expect(201, |seen| Stop::unmet("API-002", seen))?;
    let after = past(&Trial::of_target(&subject.own_database()?).await?)?;
    let added = after
        .keys()
        .filter(|row| !before.contains_key(*row))
        .count();
    if added == 0 {
        return Err(Stop::unmet(
            "API-001",
            "no route left a row in the database",
        ));
    }
    unchanged(&before, &after, added)
}

/// That each row from before, where it still is, says what it said.
fn unchanged(before: &Past, after: &Past, added: usize) -> Judged {
    let rewritten = before
        .iter()
        .find(|(row, says)| after.get(*row).is_some_and(|now| now != *says));
    match rewritten {
        Some(((table, row), says)) => {
            let now = after
                .get(&(table.clone(), row.clone()))
                .map(|now| told_row(now))
                .unwrap_or_default();
            Err(Stop::breach(
                "the past of each row as it was",
                format!("{table} {row} said {} and says {now}", told_row(says)),
            ))
        }
        None => Ok(format!(
            "{} rows said the same as before, {added} came to them",
            before.len()
        )),
    }
}
