//! API-003: rate limits of three windows for users and for client addresses. Never waits for a window to end.

mod at_once;
mod ip;
mod refused;
mod windows;

use crate::aspect::Aspect;
use crate::call::{Answer, Call};
use crate::oracle::window;
use crate::outcome::Stop;
use crate::scene::{Key, Scene};
use serde_json::json;

/// What is judged of API-003, by family.
pub(super) const FAMILIES: [&[Aspect]; 4] = [
    windows::ASPECTS,
    ip::ASPECTS,
    at_once::ASPECTS,
    refused::ASPECTS,
];

/// A request that counts and does nothing else.
fn probe(key: &Key) -> Call {
    Call::get("/v1/usage?limit=1").by(&key.credential)
}

/// A key whose user is limited so in some windows and hardly in the others.
async fn limited(scene: &Scene<'_>, limits: &[(&str, i64)]) -> Result<Key, Stop> {
    let key = scene.key("ada").await?;
    scene.unlimit(&key.user).await?;
    for (kind, limit) in limits {
        let path = format!("user/{}/rate_limit.user.{kind}", key.user);
        scene.prefer(&path, json!(limit)).await?;
    }
    Ok(key)
}

/// That a request below every limit passes.
fn passed(answer: &Answer, which: &str) -> Result<(), Stop> {
    match answer.status {
        200 => Ok(()),
        429 => Err(Stop::breach(format!("{which} to pass"), answer.to_string())),
        _ => Err(Stop::unmet("API-001", answer.to_string())),
    }
}

/// What refuses a request: whose window, of which kind, with which limit.
#[derive(Debug, Clone, Copy)]
struct Exceeded<'a> {
    subject: &'a str,
    kind: &'a str,
    limit: i64,
}

/// That a request is refused by this window, with the wait until it ends.
fn refused(answer: &Answer, by: Exceeded<'_>, now: i64) -> Result<(), Stop> {
    let Exceeded {
        subject,
        kind,
        limit,
    } = by;
    let why = format!("beyond {limit} in the {kind} of the {subject}");
    answer.refused(429, "RATE_LIMIT_EXCEEDED", &why)?;
    let wait = window::retry_after(kind, now).to_string();
    let told = answer.header("retry-after").unwrap_or("none");
    if told != wait {
        return Err(Stop::breach(
            format!("Retry-After: {wait}, when the {kind} of the {subject} ends"),
            format!("Retry-After: {told}; {answer}"),
        ));
    }
    let details = answer.at("/error/details");
    let wanted = json!({"subject": subject, "window": kind, "limit": limit});
    let is_told = ["subject", "window", "limit"]
        .iter()
        .all(|field| details[field] == wanted[field]);
    if is_told {
        Ok(())
    } else {
        Err(Stop::shape(
            format!("details {wanted}"),
            format!("details {details}"),
        ))
    }
}
