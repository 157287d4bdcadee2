//! The windows of a user, one after another in told time. Never judges a window's end by waiting for it.

use super::{Exceeded, limited, passed, probe, refused};
use crate::aspect::{Aspect, aspect};
use crate::call::Call;
use crate::oracle::dates::{DAY, HOUR, MINUTE};
use crate::oracle::window::{self, KINDS};
use crate::outcome::{Judged, Stop};
use crate::scene::Scene;
use crate::subject::Subject;
use serde_json::json;

pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-003",
        Beside,
        "a user's minute, hour and day each refuse what is beyond their limit until they end, aligned to the epoch",
        each_window
    ),
    aspect!(
        "API-003",
        Beside,
        "of several exceeded windows the one that ends last answers, with its own Retry-After",
        strictest
    ),
    aspect!(
        "API-003",
        Beside,
        "a refused request counts in no window",
        refused_counts_nowhere
    ),
    aspect!(
        "API-003",
        Beside,
        "a limit that is lowered below what has been counted refuses the next request, and one that is raised lets it pass",
        changed_meanwhile
    ),
    aspect!(
        "API-003",
        Beside,
        "a request whose credential is no longer valid counts in no window of a user",
        invalid_counts_for_nobody
    ),
    aspect!(
        "API-003",
        Beside,
        "all keys of a user share the user's windows, and another user has others",
        per_user
    ),
    aspect!(
        "API-003",
        Beside,
        "sessions of a user count in the user's windows, as keys do",
        sessions_count
    ),
    aspect!(
        "API-003",
        Beside,
        "a limit of 0, where it is taken, refuses every request",
        nothing_at_all
    ),
];

/// A limit that no default is.
const LIMIT: i64 = 3;

fn user(kind: &str, limit: i64) -> Exceeded<'_> {
    Exceeded {
        subject: "user",
        kind,
        limit,
    }
}

async fn each_window(subject: &Subject) -> Judged {
    for (kind, length) in KINDS {
        let scene = Scene::with_clock(subject)?;
        let key = limited(&scene, &[(kind, LIMIT)]).await?;
        // Neither at the beginning of the window nor of any shorter one.
        let start = window::start(kind, scene.now() + length);
        let begin = start + length / 3 + 17;
        for nth in 0..LIMIT {
            scene.set(begin + nth * length / 10);
            let which = format!("request {} of {LIMIT} in one {kind}", nth + 1);
            passed(&scene.send(probe(&key)).await?, &which)?;
        }
        for at in [scene.now(), start + length - 1001, start + length - 1] {
            scene.set(at);
            refused(&scene.send(probe(&key)).await?, user(kind, LIMIT), at)?;
        }
        scene.set(start + length);
        let which = format!("the first request of the next {kind}");
        passed(&scene.send(probe(&key)).await?, &which)?;
    }
    Ok(format!(
        "{LIMIT} requests passed in each window, and no more until its end"
    ))
}

async fn strictest(subject: &Subject) -> Judged {
    let scene = Scene::with_clock(subject)?;
    let limits = [("minute", 2), ("hour", 2), ("day", 3)];
    let key = limited(&scene, &limits).await?;
    let day = window::start("day", scene.now() + DAY);
    let at = day + 5 * HOUR + 20 * MINUTE + 30_500;
    scene.set(at);
    for which in ["the first request", "the second request"] {
        passed(&scene.send(probe(&key)).await?, which)?;
    }
    // The minute and the hour are exceeded: the hour ends later.
    refused(&scene.send(probe(&key)).await?, user("hour", 2), at)?;
    scene.pass(MINUTE);
    refused(
        &scene.send(probe(&key)).await?,
        user("hour", 2),
        scene.now(),
    )?;
    scene.pass(HOUR);
    let which = "the third request of the day, in the next hour";
    passed(&scene.send(probe(&key)).await?, which)?;
    refused(&scene.send(probe(&key)).await?, user("day", 3), scene.now())?;
    scene.set(day + DAY);
    passed(
        &scene.send(probe(&key)).await?,
        "the first request of the next day",
    )?;
    Ok("the hour answered before the minute, the day before the hour".to_owned())
}

async fn changed_meanwhile(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let key = limited(&scene, &[("day", 10)]).await?;
    for nth in 1..=5 {
        let which = format!("request {nth} of 10 in one day");
        passed(&scene.send(probe(&key)).await?, &which)?;
    }
    let path = format!("user/{}/rate_limit.user.day", key.user);
    scene.prefer(&path, json!(LIMIT)).await?;
    for _ in 0..2 {
        let answer = scene.send(probe(&key)).await?;
        let why = format!("when 5 were counted and the day's limit is {LIMIT} by now");
        answer.refused(429, "RATE_LIMIT_EXCEEDED", &why)?;
    }
    scene.prefer(&path, json!(6)).await?;
    let which = "the sixth request of 6 in one day";
    passed(&scene.send(probe(&key)).await?, which)?;
    let answer = scene.send(probe(&key)).await?;
    let why = "beyond 6 in the day of the user";
    answer.refused(429, "RATE_LIMIT_EXCEEDED", why)?;
    Ok("a limit of 3 refused what had been counted under one of 10, and one of 6 let one more pass".to_owned())
}

async fn invalid_counts_for_nobody(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let key = limited(&scene, &[("day", LIMIT), ("hour", LIMIT)]).await?;
    let old = scene.key("ada").await?;
    let revoked = scene
        .operate(Call::delete(format!("/api/admin/keys/{}", old.id)))
        .await?;
    if revoked.status >= 300 {
        return Err(Stop::unmet("API-002", revoked.to_string()));
    }
    for _ in 0..=LIMIT {
        let answer = scene.send(probe(&old)).await?;
        answer.refused(401, "UNAUTHENTICATED", "for a key that was revoked")?;
    }
    for nth in 1..=LIMIT {
        let which = format!("request {nth} of {LIMIT}, after others by a revoked key,");
        passed(&scene.send(probe(&key)).await?, &which)?;
    }
    let answer = scene.send(probe(&key)).await?;
    let why = format!("beyond {LIMIT} in the day of the user");
    answer.refused(429, "RATE_LIMIT_EXCEEDED", &why)?;
    Ok("requests by a revoked key counted for no user".to_owned())
}

async fn refused_counts_nowhere(subject: &Subject) -> Judged {
    let scene = Scene::with_clock(subject)?;
    let key = limited(&scene, &[("minute", 2), ("hour", 4)]).await?;
    for minute in ["the first minute", "the second minute"] {
        for nth in 1..=2 {
            let which = format!("request {nth} of 2 in {minute}, with 4 in the hour");
            passed(&scene.send(probe(&key)).await?, &which)?;
        }
        for _ in 0..4 {
            let answer = scene.send(probe(&key)).await?;
            if answer.status != 429 {
                answer.refused(429, "RATE_LIMIT_EXCEEDED", "beyond 2 in the minute")?;
            }
        }
        scene.pass(MINUTE);
    }
    refused(
        &scene.send(probe(&key)).await?,
        user("hour", 4),
        scene.now(),
    )?;
    Ok("4 requests of an hour passed, though 8 others had been refused in it".to_owned())
}

async fn per_user(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let first = limited(&scene, &[("day", LIMIT)]).await?;
    let second = scene.key("ada").await?;
    let other = scene.key("bob").await?;
    for nth in 0..LIMIT {
        let key = if nth % 2 == 0 { &first } else { &second };
        let ip = Scene::another_ip();
        let which = format!("request {} of {LIMIT}", nth + 1);
        passed(&scene.send(probe(key).from(&ip)).await?, &which)?;
    }
    for key in [&first, &second] {
        let why = format!("by either key of a user beyond {LIMIT} in the day, from any address");
        let answer = scene.send(probe(key).from(&Scene::another_ip())).await?;
        answer.refused(429, "RATE_LIMIT_EXCEEDED", &why)?;
    }
    passed(&scene.send(probe(&other)).await?, "another user's request")?;
    Ok("two keys shared one count, and another user was not concerned".to_owned())
}

async fn sessions_count(subject: &Subject) -> Judged {
    let scene = Scene::with_clock(subject)?;
    let key = limited(&scene, &[("hour", LIMIT)]).await?;
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let make = Call::post("/v1/sessions").json(&json!({"ttl_seconds": 7200}));
        let made = scene.send(make.by(&key.credential)).await?;
        let made = made.expect(201, |seen| Stop::unmet("API-001", seen))?;
        tokens.push(made.text("/token"));
    }
    // In the next hour, of which nothing is used yet.
    scene.set(window::start("hour", scene.now() + HOUR));
    let by = |credential: &str| scene.send(Call::get("/v1/usage?limit=1").by(credential));
    for (nth, credential) in (1..=LIMIT).zip([&tokens[0], &key.credential, &tokens[1]]) {
        let which = format!("request {nth} of {LIMIT}, by a key and two sessions of it,");
        passed(&by(credential).await?, &which)?;
    }
    for credential in [&tokens[0], &tokens[1], &key.credential] {
        let answer = by(credential).await?;
        let why = format!("by a key or a session of it beyond {LIMIT} in the hour of their user");
        answer.refused(429, "RATE_LIMIT_EXCEEDED", &why)?;
    }
    Ok(format!(
        "a key and two sessions had {LIMIT} requests together"
    ))
}

async fn nothing_at_all(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let key = scene.key("ada").await?;
    scene.unlimit(&key.user).await?;
    passed(&scene.send(probe(&key)).await?, "a request before that")?;
    let path = format!(
        "/api/admin/preferences/user/{}/rate_limit.user.day",
        key.user
    );
    let set = scene
        .operate(Call::put(path).json(&json!({"value": 0})))
        .await?;
    if set.status == 400 || set.status == 422 {
        return Ok(format!("no limit: {}", set.status));
    }
    set.expect(200, |seen| Stop::unmet("API-009", seen))?;
    let answer = scene.send(probe(&key)).await?;
    answer.refused(
        429,
        "RATE_LIMIT_EXCEEDED",
        "for the first request of 0 in the day of the user",
    )?;
    Ok("the first request was refused".to_owned())
}
