//! When a key ends: at its expiry, by revocation, by rotation. Never judges a refusal of a key that was not seen to be accepted before.

use crate::aspect::{Aspect, aspect};
use crate::call::{Answer, Call};
use crate::chat::Chat;
use crate::oracle::dates::{DAY, HOUR};
use crate::outcome::{Judged, Stop};
use crate::scene::{Key, Scene};
use crate::subject::Subject;
use futures_util::future::join_all;
use serde_json::json;

pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-002",
        Beside,
        "a key is accepted until the instant before it expires and refused from that instant on",
        expiry
    ),
    aspect!(
        "API-002",
        Beside,
        "a key that was in use is refused by the next request after its revocation",
        revocation
    ),
    aspect!(
        "API-002",
        Beside,
        "of requests at once none that begins after the revocation is served",
        revocation_at_once
    ),
    aspect!(
        "API-002",
        Beside,
        "what was revoked stays so when the clock goes back",
        clock_goes_back
    ),
    aspect!(
        "API-002",
        Beside,
        "after a rotation the old key is refused and the new one does what the old one did",
        rotation
    ),
    aspect!(
        "API-002",
        Beside,
        "the sessions of a key end with it: by revocation, by rotation and by expiry",
        sessions
    ),
    aspect!(
        "API-002",
        Beside,
        "a session that another key of its user ends is refused from then on",
        session_by_another_key
    ),
];

/// Requests that warm whatever a target keeps of a key.
const WARM: usize = 3;

async fn read(scene: &Scene<'_>, credential: &str) -> Result<Answer, Stop> {
    scene.send(Call::get("/v1/usage").by(credential)).await
}

async fn accepted(scene: &Scene<'_>, credential: &str, what: &str) -> Result<(), Stop> {
    let answer = read(scene, credential).await?;
    if answer.status == 200 {
        Ok(())
    } else {
        Err(Stop::breach(
            format!("{what} to be accepted"),
            answer.to_string(),
        ))
    }
}

async fn refused(scene: &Scene<'_>, credential: &str, what: &str) -> Result<(), Stop> {
    let why = format!("for {what}");
    read(scene, credential)
        .await?
        .refused(401, "UNAUTHENTICATED", &why)
}

async fn revoke(scene: &Scene<'_>, key: &Key) -> Result<(), Stop> {
    scene
        .operate(Call::delete(format!("/api/admin/keys/{}", key.id)))
        .await?
        .expect(204, |seen| Stop::breach("204 for a revocation", seen))
        .map(drop)
}

async fn expiry(subject: &Subject) -> Judged {
    let scene = Scene::with_clock(subject)?;
    let ends = scene.now() + HOUR + 1;
    let key = scene.key_with("ada", json!({"expires_at": ends})).await?;
    for before in [HOUR, 1] {
        scene.set(ends - before);
        accepted(&scene, &key.credential, "a key before its expiry").await?;
    }
    for after in [0, 1, DAY] {
        scene.set(ends + after);
        let what = format!("a key {after} ms after its expiry");
        refused(&scene, &key.credential, &what).await?;
    }
    let chat = Chat::with(&scene.model("small"));
    let why = "for a chat by an expired key";
    scene
        .chat(&key, &chat)
        .await?
        .refused(401, "UNAUTHENTICATED", why)?;
    Ok("accepted one millisecond before its end, refused at its end".to_owned())
}

async fn revocation(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let key = scene.key("ada").await?;
    let other = scene.key("ada").await?;
    for _ in 0..WARM {
        accepted(&scene, &key.credential, "a key in use").await?;
    }
    scene
        .chatted(&key, &Chat::with(&scene.model("small")))
        .await?;
    revoke(&scene, &key).await?;
    refused(&scene, &key.credential, "a key that has been revoked").await?;
    let chat = Chat::with(&scene.model("small"));
    let why = "for a chat by a key that has been revoked";
    scene
        .chat(&key, &chat)
        .await?
        .refused(401, "UNAUTHENTICATED", why)?;
    if !scene.seen_upstream(&chat).is_empty() {
        return Err(Stop::breach(
            "no call to a model by a revoked key",
            "a call",
        ));
    }
    accepted(&scene, &other.credential, "the user's other key").await?;
    Ok(format!(
        "accepted {} times, refused at once after its revocation",
        WARM + 1
    ))
}

async fn clock_goes_back(subject: &Subject) -> Judged {
    let scene = Scene::with_clock(subject)?;
    let began = scene.now();
    let (key, ended) = (scene.key("ada").await?, scene.key("ada").await?);
    let make = Call::post("/v1/sessions").json(&json!({}));
    let made = scene.send(make.by(&key.credential)).await?;
    let made = made.expect(201, |seen| Stop::unmet("API-001", seen))?;
    let (session, token) = (made.text("/id"), made.text("/token"));
    accepted(&scene, &token, "a session in use").await?;
    scene.set(began + HOUR);
    revoke(&scene, &ended).await?;
    let end = Call::delete(format!("/v1/sessions/{session}"));
    let gone = scene.send(end.by(&key.credential)).await?;
    gone.expect(204, |seen| {
        Stop::breach("204 for the end of a session", seen)
    })?;
    for back in [0, 1, HOUR / 2, HOUR - 1] {
        scene.set(began + HOUR - back);
        let when = format!("{back} ms before the instant at which it was ended");
        refused(&scene, &token, &format!("a session that was ended, {when}")).await?;
        refused(
            &scene,
            &ended.credential,
            &format!("a key that was revoked, {when}"),
        )
        .await?;
    }
    accepted(&scene, &key.credential, "the user's other key").await?;
    Ok("a session and a key stayed ended at every time".to_owned())
}

/// Requests at once after a revocation.
const AT_ONCE: usize = 20;

async fn revocation_at_once(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let key = scene.key("ada").await?;
    let many = || join_all((0..AT_ONCE).map(|_| read(&scene, &key.credential)));
    let before: Vec<Answer> = many().await.into_iter().collect::<Result<_, _>>()?;
    if let Some(answer) = before.iter().find(|answer| answer.status != 200) {
        return Err(Stop::unmet("API-003", answer.to_string()));
    }
    revoke(&scene, &key).await?;
    let after: Vec<Answer> = many().await.into_iter().collect::<Result<_, _>>()?;
    let served = after.iter().filter(|answer| answer.status == 200).count();
    if served > 0 {
        let seen = format!("{served} of {AT_ONCE} requests were served after the revocation");
        return Err(Stop::breach("none to be served", seen));
    }
    for answer in &after {
        answer.refused(401, "UNAUTHENTICATED", "after the revocation")?;
    }
    Ok(format!(
        "{AT_ONCE} requests at once were served before and none after"
    ))
}

/// A key in place of another.
pub(super) async fn rotate(scene: &Scene<'_>, key: &Key) -> Result<Key, Stop> {
    let made = scene
        .operate(Call::post(format!("/api/admin/keys/{}/rotate", key.id)))
        .await?
        .expect(201, |seen| Stop::breach("201 for a rotation", seen))?;
    Ok(Key {
        id: made.text("/id"),
        user: key.user.clone(),
        credential: made.text("/key"),
        told: made.json(),
    })
}

/// That a key says of itself what the one says that it replaces, in the answer that made it and whenever it is read.
async fn takes_over(scene: &Scene<'_>, old: &Key, new: &Key) -> Result<(), Stop> {
    let read = scene
        .operate(Call::get(format!("/api/admin/keys/{}", new.id)))
        .await?
        .expect(200, |seen| Stop::unmet("API-002", seen))?;
    for told in [&new.told, &read.json()] {
        for field in ["user_id", "name", "permissions", "expires_at"] {
            if told[field] != old.told[field] {
                let seen = format!("{field} is {}", told[field]);
                return Err(Stop::breach(format!("{field} {}", old.told[field]), seen));
            }
        }
    }
    Ok(())
}

/// Chats until what is left of a quota is used: so many pass, and no more.
async fn use_up(scene: &Scene<'_>, key: &Key, left: usize) -> Result<(), Stop> {
    for nth in 0..left {
        let within = scene.chat(key, &Chat::with(&scene.model("small"))).await?;
        within.expect(200, |seen| {
            let expected = format!("{left} chats that are left of the quota");
            Stop::breach(expected, format!("{nth}, and then {seen}"))
        })?;
    }
    let beyond = scene.chat(key, &Chat::with(&scene.model("small"))).await?;
    let why = "when what was left of the quota is used";
    beyond.refused(429, "QUOTA_EXCEEDED", why)
}

async fn rotation(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let ends = scene.now() + DAY + 1;
    let wish = json!({
        "permissions": ["chat", "read"], "quota_requests": 3, "name": "of the rotation", "expires_at": ends,
    });
    let old = scene.key_with("ada", wish).await?;
    scene
        .chatted(&old, &Chat::with(&scene.model("small")))
        .await?;
    // Later than it was made, so that an end which is counted anew is another one.
    if subject.is_clock_told {
        scene.pass(HOUR);
    }
    let new = rotate(&scene, &old).await?;
    refused(&scene, &old.credential, "a key that has been rotated").await?;
    accepted(&scene, &new.credential, "the key that replaces it").await?;
    takes_over(&scene, &old, &new).await?;
    let write = Call::post("/v1/conversations")
        .json(&json!({}))
        .by(&new.credential);
    let why = "for what the old key was not allowed";
    scene
        .send(write)
        .await?
        .refused(403, "ACCESS_DENIED", why)?;
    use_up(&scene, &new, 2).await?;
    // The next one, too, of which nothing is left but the rights.
    let last = rotate(&scene, &new).await?;
    takes_over(&scene, &old, &last).await?;
    use_up(&scene, &last, 0).await?;
    if subject.is_clock_told {
        scene.set(ends - 1);
        accepted(&scene, &last.credential, "it before the first key's expiry").await?;
        scene.set(ends);
        let what = "a rotated key at the expiry of the first one";
        refused(&scene, &last.credential, what).await?;
    }
    Ok("two new keys have the old one's rights, its end and what was left of its quota".to_owned())
}

async fn session(scene: &Scene<'_>, key: &Key) -> Result<String, Stop> {
    let wish = json!({"ttl_seconds": 7200});
    let made = scene
        .send(Call::post("/v1/sessions").json(&wish).by(&key.credential))
        .await?
        .expect(201, |seen| Stop::unmet("API-001", seen))?;
    let token = made.text("/token");
    let answer = read(scene, &token).await?;
    if answer.status == 200 {
        Ok(token)
    } else {
        Err(Stop::unmet(
            "API-001",
            format!("a new session is refused: {answer}"),
        ))
    }
}

async fn sessions(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let key = scene.key("ada").await?;
    let token = session(&scene, &key).await?;
    revoke(&scene, &key).await?;
    refused(&scene, &token, "a session of a revoked key").await?;
    let key = scene.key("ada").await?;
    let token = session(&scene, &key).await?;
    rotate(&scene, &key).await?;
    refused(&scene, &token, "a session of a rotated key").await?;
    if !subject.is_clock_told {
        return Ok(
            "sessions ended by revocation and by rotation; expiry needs a clock that can be told"
                .to_owned(),
        );
    }
    let ends = scene.now() + HOUR;
    let key = scene.key_with("ada", json!({"expires_at": ends})).await?;
    let token = session(&scene, &key).await?;
    scene.set(ends - 1);
    accepted(&scene, &token, "a session of a key before its expiry").await?;
    scene.set(ends);
    refused(&scene, &token, "a session of an expired key").await?;
    Ok("sessions ended by revocation, by rotation and by expiry".to_owned())
}

async fn session_by_another_key(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let (first, second) = (scene.key("ada").await?, scene.key("ada").await?);
    let wish = json!({"ttl_seconds": 7200});
    let make = Call::post("/v1/sessions").json(&wish).by(&first.credential);
    let made = scene.send(make).await?;
    let made = made.expect(201, |seen| Stop::unmet("API-001", seen))?;
    let (id, token) = (made.text("/id"), made.text("/token"));
    accepted(&scene, &token, "a session in use").await?;
    let end = Call::delete(format!("/v1/sessions/{id}")).by(&second.credential);
    let ended = scene.send(end).await?;
    if (200..300).contains(&ended.status) {
        refused(&scene, &token, "a session that was told to be ended").await?;
        return Ok("told to be ended, and refused".to_owned());
    }
    // Nobody promises that one key of a user ends the sessions of another, as long as it does not say so.
    accepted(&scene, &token, "a session that was not ended").await?;
    Ok(format!("not ended: {}", ended.status))
}
