//! API-008: retention and daily statistics. Each scene has years of its own long ago, so that no job touches what others make.

mod refused;
mod removal;
mod statistics;

use crate::aspect::Aspect;
use crate::call::{Answer, Call};
use crate::chat::Chat;
use crate::outcome::Stop;
use crate::scene::{Key, Scene};
use moltproof_doubles::Reply;
use serde_json::{Value, json};

/// What is judged of API-008, by family.
pub(super) const FAMILIES: [&[Aspect]; 3] =
    [removal::ASPECTS, statistics::ASPECTS, refused::ASPECTS];

/// Runs the job of statistics.
async fn sum(scene: &Scene<'_>) -> Result<Answer, Stop> {
    scene
        .operate(Call::post("/api/admin/jobs/statistics").json(&json!({})))
        .await?
        .expect(200, |seen| {
            Stop::breach("the job of statistics to run", seen)
        })
}

/// Runs the job of retention.
async fn retain(scene: &Scene<'_>, wish: &Value) -> Result<Answer, Stop> {
    scene
        .operate(Call::post("/api/admin/jobs/retention").json(wish))
        .await?
        .expect(200, |seen| {
            Stop::breach("the job of retention to run", seen)
        })
}

/// The rules that hold where none was set.
fn usual() -> Value {
    json!({"usage_logs_days": 90, "user_sessions_days": 30, "rate_limits_days": 7})
}

/// Rules by which nothing is kept for more than so many days.
fn rules_of(days: i64) -> Value {
    json!({"usage_logs_days": days, "user_sessions_days": days, "rate_limits_days": days})
}

/// What `work` finds while these rules of retention hold; the usual ones hold again whatever it finds.
async fn under<T>(
    scene: &Scene<'_>,
    rules: &Value,
    work: impl Future<Output = Result<T, Stop>>,
) -> Result<T, Stop> {
    let set = |rules: &Value| scene.operate(Call::put("/api/admin/retention").json(rules));
    set(rules).await?.expect(200, |seen| {
        Stop::breach("rules of retention to be set", seen)
    })?;
    let found = work.await;
    set(&usual()).await?;
    found
}

/// A chat at a time, with these tokens; null for none.
async fn chat_at(
    scene: &Scene<'_>,
    key: &Key,
    model: &str,
    at: i64,
    tokens: Option<(u64, u64)>,
) -> Result<(), Stop> {
    let chat = Chat::with(model);
    scene.script(
        &chat,
        match tokens {
            Some((tokens_in, tokens_out)) => Reply::chat("Hello.", tokens_in, tokens_out),
            None => Reply::without_usage(),
        },
    );
    let call = chat.call().by(&key.credential);
    scene
        .send(call.header("x-test-now", at.to_string()))
        .await?
        .expect(200, |seen| Stop::unmet("API-001", seen))
        .map(drop)
}

/// When a user's usage rows were made, oldest first.
async fn times(scene: &Scene<'_>, user: &str) -> Result<Vec<i64>, Stop> {
    let rows = scene.usage(user).await?;
    Ok(rows
        .iter()
        .filter_map(|row| row["created_at"].as_i64())
        .collect())
}
