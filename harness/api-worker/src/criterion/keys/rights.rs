//! What a key may do: its permissions, its quota, and what is no key at all. Never counts a refusal before the same request was seen to be allowed.

use crate::aspect::{Aspect, aspect};
use crate::call::{Answer, Call};
use crate::chat::Chat;
use crate::outcome::{Judged, Stop};
use crate::scene::{Key, Scene};
use crate::secret::hashes;
use crate::subject::Subject;
use futures_util::future::join_all;
use serde_json::{Value, json};

pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-002",
        Beside,
        "a key does what its permissions say and is refused everything else",
        permissions
    ),
    aspect!(
        "API-002",
        Beside,
        "a chat beyond a key's quota is refused and never reaches a model",
        quota
    ),
    aspect!(
        "API-002",
        Beside,
        "a quota lets exactly as many chats pass when they come at once",
        quota_at_once
    ),
    aspect!(
        "API-002",
        Beside,
        "a chat that is refused uses nothing of a key's quota",
        refused_use_nothing
    ),
    aspect!(
        "API-002",
        Beside,
        "nothing but the whole key is accepted: neither its hash nor its prefix nor another's half",
        only_the_whole
    ),
];

const PERMISSIONS: [&str; 3] = ["chat", "read", "write"];

/// Each route of users with the permission that it demands, over things that are made for this.
struct Routes {
    calls: Vec<(&'static str, Call)>,
    conversation: String,
    token: String,
    preference: String,
}

impl Routes {
    async fn of(scene: &Scene<'_>, user: &Key) -> Result<Self, Stop> {
        let make = async |call: Call, status: u16| {
            let made = scene.send(call.by(&user.credential)).await?;
            made.expect(status, |seen| Stop::unmet("API-001", seen))
        };
        let (none, flag) = (json!({}), scene.name("flag"));
        let conversation = make(Call::post("/v1/conversations").json(&none), 201).await?;
        let session = make(Call::post("/v1/sessions").json(&none), 201).await?;
        let preference = format!("/v1/preferences/{}", scene.name("of_routes"));
        let set = || Call::put(preference.clone()).json(&json!({"value": 1}));
        make(set(), 200).await?;
        scene
            .operate(Call::put(format!("/api/admin/flags/{flag}")).json(&json!({"enabled": true})))
            .await?
            .expect(200, |seen| Stop::unmet("API-009", seen))?;
        let id = conversation.text("/id");
        let conversation = format!("/v1/conversations/{id}");
        let session_path = format!("/v1/sessions/{}", session.text("/id"));
        let calls = vec![
            ("chat", Chat::with(&scene.model("small")).call()),
            ("read", Call::get("/v1/conversations")),
            ("read", Call::get(conversation.clone())),
            ("read", Call::get(format!("{conversation}/messages"))),
            ("read", Call::get("/v1/usage")),
            ("read", Call::get("/v1/preferences")),
            ("read", Call::get("/v1/flags")),
            ("read", Call::get(format!("/v1/flags/{flag}"))),
            ("write", Call::post("/v1/conversations").json(&none)),
            ("write", Call::post("/v1/sessions").json(&none)),
            ("write", set()),
            ("write", Call::delete(preference.clone())),
            ("write", Call::delete(conversation.clone())),
            ("write", Call::delete(session_path)),
        ];
        Ok(Self {
            calls,
            conversation,
            token: session.text("/token"),
            preference: scene.name("of_routes"),
        })
    }

    /// That what is deleted by some of them is there.
    async fn are_there(&self, scene: &Scene<'_>) -> Result<(), Stop> {
        let read = |path: &str| scene.send(Call::get(path).by(&self.token));
        let conversation = read(&self.conversation).await?;
        let preferences = read("/v1/preferences").await?;
        for (answer, is_there) in [
            (&conversation, conversation.status == 200),
            (
                &preferences,
                preferences.json()["preferences"][&self.preference] == json!(1),
            ),
        ] {
            if !is_there {
                let expected =
                    "a conversation, a session and a preference that no refused request removes";
                return Err(Stop::breach(expected, answer.to_string()));
            }
        }
        Ok(())
    }
}

/// Every route by whoever holds its permission alone.
async fn allowed(scene: &Scene<'_>, routes: &Routes, keys: &[Key]) -> Result<(), Stop> {
    for (needed, call) in &routes.calls {
        let holder = PERMISSIONS
            .iter()
            .zip(keys)
            .find(|(held, _)| *held == needed);
        if let Some((_, key)) = holder {
            let answer = scene.send(call.clone().by(&key.credential)).await?;
            if !(200..300).contains(&answer.status) {
                return Err(Stop::breach(
                    format!("a key with the permission {needed} to be served"),
                    answer.to_string(),
                ));
            }
        }
    }
    Ok(())
}

/// Every route by a credential that has another permission only. How many there were.
async fn denied(scene: &Scene<'_>, routes: &Routes, held: &str, by: &str) -> Result<usize, Stop> {
    let others = routes.calls.iter().filter(|(needed, _)| *needed != held);
    let mut count = 0;
    for (needed, call) in others {
        let answer = scene.send(call.clone().by(by)).await?;
        let why = format!("for {} ({needed}) by who may {held} only", answer.what);
        answer.refused(403, "ACCESS_DENIED", &why)?;
        count += 1;
        // The head alone tells as much: whether something is there. What is refused so has no body to say why.
        if *needed == "read" {
            let head = scene.send(call.clone().head().by(by)).await?;
            if (200..300).contains(&head.status) {
                let expected = format!("no {} by who may {held} only", head.what);
                return Err(Stop::breach(expected, head.to_string()));
            }
        }
    }
    Ok(count)
}

async fn permissions(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let all = scene.key("ada").await?;
    scene.unlimit(&all.user).await?;
    let mut keys = Vec::new();
    for held in PERMISSIONS {
        let wish = json!({"permissions": [held]});
        keys.push(scene.key_with("ada", wish).await?);
    }
    allowed(&scene, &Routes::of(&scene, &all).await?, &keys).await?;
    let routes = Routes::of(&scene, &all).await?;
    let mut count = 0;
    for (held, key) in PERMISSIONS.iter().zip(&keys) {
        count += denied(&scene, &routes, held, &key.credential).await?;
    }
    // A session may do what its key may, and no more.
    let make = Call::post("/v1/sessions").json(&json!({}));
    let made = scene.send(make.by(&keys[2].credential)).await?;
    let made = made.expect(201, |seen| Stop::unmet("API-001", seen))?;
    count += denied(&scene, &routes, PERMISSIONS[2], &made.text("/token")).await?;
    routes.are_there(&scene).await?;
    allowed(&scene, &routes, &keys).await?;
    Ok(format!(
        "each permission opened its own of {} routes, and {count} requests by others were refused",
        routes.calls.len()
    ))
}

/// How many chats the quota of these scenes allows.
const QUOTA: usize = 3;

async fn with_quota(scene: &Scene<'_>) -> Result<Key, Stop> {
    scene
        .key_with("ada", json!({"quota_requests": QUOTA}))
        .await
}

async fn quota(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let (key, model) = (with_quota(&scene).await?, scene.model("small"));
    for _ in 0..QUOTA {
        scene.chatted(&key, &Chat::with(&model)).await?;
    }
    let beyond = Chat::with(&model);
    let refused = scene.chat(&key, &beyond).await?;
    refused.refused(429, "QUOTA_EXCEEDED", "for a chat beyond the quota")?;
    if let Some(wait) = refused.header("retry-after") {
        return Err(Stop::shape(
            "no Retry-After, for no wait helps",
            format!("Retry-After: {wait}"),
        ));
    }
    let reached = scene.seen_upstream(&beyond).len();
    if reached > 0 {
        return Err(Stop::breach(
            "no call to a model",
            format!("{reached} calls of the refused chat"),
        ));
    }
    Ok(format!("{QUOTA} chats passed, and the next was refused"))
}

async fn quota_at_once(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let (key, model) = (with_quota(&scene).await?, scene.model("small"));
    let chats: Vec<Chat> = (0..4 * QUOTA).map(|_| Chat::with(&model)).collect();
    let answers = join_all(chats.iter().map(|chat| scene.chat(&key, chat))).await;
    let answers: Vec<Answer> = answers.into_iter().collect::<Result<_, _>>()?;
    let passed = answers.iter().filter(|answer| answer.status == 200).count();
    let strange = answers
        .iter()
        .find(|answer| answer.status != 200 && !answer.is(429, "QUOTA_EXCEEDED"));
    if let Some(strange) = strange {
        return Err(Stop::unmet("API-001", strange.to_string()));
    }
    let reached: usize = chats
        .iter()
        .map(|chat| scene.seen_upstream(chat).len())
        .sum();
    if passed != QUOTA || reached != QUOTA {
        return Err(Stop::breach(
            format!("{QUOTA} of {} chats at once to pass", chats.len()),
            format!("{passed} were answered and {reached} reached a model"),
        ));
    }
    Ok(format!("{QUOTA} of {} chats at once passed", chats.len()))
}

/// What goes upstream counts; what is refused before it does not, be it for its shape or for its conversation. Each has a key of its own, so
/// that one which is taken all the same tells nothing of another.
async fn refused_use_nothing(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let owner = scene.key("ada").await?;
    let model = scene.model("small");
    let made = Call::post("/v1/conversations").json(&json!({}));
    let made = scene.send(made.by(&owner.credential)).await?;
    let made = made.expect(201, |seen| Stop::unmet("API-001", seen))?;
    let conversation = made.text("/id");
    let nobodys = "00000000-0000-4000-8000-000000000000";
    let one = |message: Value| Chat::with(&model).messages(json!([message]));
    let bad = [
        one(json!({"role": 7, "content": "x"})),
        one(json!({"role": "nobody", "content": "x"})).of(&conversation),
        one(json!({"role": "user", "content": 7})),
        one(json!({"role": "user", "content": "x", "name": 7})).of(&conversation),
        one(json!({"role": "assistant", "content": null, "tool_calls": "x"})).of(&conversation),
        one(json!({"role": "tool", "content": "x", "tool_call_id": 7})).of(&conversation),
        Chat::with(&model).messages(json!([])),
        Chat::with(&model).of(nobodys),
    ];
    let mut refused = 0;
    for chat in &bad {
        let key = scene.key_with("ada", json!({"quota_requests": 1})).await?;
        let answer = scene.chat(&key, chat).await?;
        match answer.status {
            400 | 404 | 422 => refused += 1,
            200 => continue,
            _ => return Err(Stop::unmet("API-001", answer.to_string())),
        }
        let good = scene.chat(&key, &Chat::with(&model)).await?;
        good.expect(200, |seen| {
            let expected = format!(
                "the one chat of a quota, after another was refused with {}",
                answer.status
            );
            Stop::breach(expected, seen)
        })?;
    }
    Ok(format!(
        "{refused} refused chats used nothing of a quota of one"
    ))
}

async fn only_the_whole(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let (key, other) = (scene.key("ada").await?, scene.key("bob").await?);
    let ask = |credential: String| scene.send(Call::get("/v1/usage").by(&credential));
    let allowed = ask(key.credential.clone()).await?;
    if allowed.status != 200 {
        return Err(Stop::breach(
            "a new key to be accepted",
            allowed.to_string(),
        ));
    }
    let hash = String::from_utf8_lossy(&hashes(&key.credential)[0]).into_owned();
    let (half, rest) = key
        .credential
        .split_at_checked(24)
        .unwrap_or((&key.credential, ""));
    let others_rest = other.credential.get(24..).unwrap_or_default();
    let swapped: String = key.credential.chars().map(swapped_case).collect();
    let candidates = [
        ("the key's hash", format!("mpk_{hash}")),
        ("the key's hash alone", hash),
        (
            "the key's prefix",
            key.credential.chars().take(12).collect(),
        ),
        ("the key's id", key.id.clone()),
        ("the user's id", key.user.clone()),
        ("the first half of the key", half.to_owned()),
        ("the second half of the key", rest.to_owned()),
        (
            "half of the key and half of another",
            format!("{half}{others_rest}"),
        ),
        ("the key in the other case", swapped),
        (
            "the key and one character more",
            format!("{}A", key.credential),
        ),
        (
            "the key without its last character",
            key.credential[..key.credential.len().saturating_sub(1)].to_owned(),
        ),
        ("a pattern", "mpk_%".to_owned()),
        ("a piece of SQL", "' OR '1'='1".to_owned()),
    ];
    for (what, candidate) in &candidates {
        let refused = ask(candidate.clone()).await?;
        refused.refused(401, "UNAUTHENTICATED", &format!("for {what}"))?;
    }
    let none = scene.send(Call::get("/v1/usage")).await?;
    none.refused(401, "UNAUTHENTICATED", "without a credential")?;
    Ok(format!(
        "the key was accepted, {} other texts were not",
        candidates.len()
    ))
}

fn swapped_case(letter: char) -> char {
    if letter.is_ascii_lowercase() {
        letter.to_ascii_uppercase()
    } else {
        letter.to_ascii_lowercase()
    }
}
