//! Flags and preferences that are none. Never judges what a scope that does not exist is answered with.

use crate::aspect::{Aspect, aspect};
use crate::call::Call;
use crate::outcome::{Judged, Stop};
use crate::scene::Scene;
use crate::subject::Subject;
use crate::wrong::{Right, Traces, not_found, told};
use serde_json::{Value, json};

pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-009",
        Beside,
        "a flag that breaks a rule is refused, and what was set goes on deciding",
        flags
    ),
    aspect!(
        "API-009",
        Beside,
        "a preference that breaks a rule is refused, and what was set goes on resolving",
        preferences
    ),
];

/// What a flag may not be.
fn broken_flags() -> Vec<(&'static str, Value)> {
    vec![
        ("enabled", json!("yes")),
        ("enabled", json!(1)),
        ("enabled", json!(null)),
        ("rollout_percent", json!(-1)),
        ("rollout_percent", json!(101)),
        ("rollout_percent", json!(1.5)),
        ("rollout_percent", json!("5")),
        ("environments", json!([])),
        ("environments", json!({"nowhere": true})),
        ("environments", json!({"production": "yes"})),
        ("users", json!({"": true})),
        ("users", json!({"ada bob": true})),
        ("users", json!({"ada": 1})),
    ]
}

/// Names that neither a flag nor a preference may have.
fn broken_names(scene: &Scene<'_>) -> [String; 4] {
    let name = scene.name("name");
    [
        name.to_uppercase(),
        format!("9{name}"),
        format!("{name}%20x"),
        format!("{name}{}", "x".repeat(64)),
    ]
}

/// That nothing is set under names that are none.
async fn names_refused(scene: &Scene<'_>, paths: Vec<String>, body: &Value) -> Result<usize, Stop> {
    let count = paths.len();
    for path in paths {
        let answer = scene.operate(Call::put(path).json(body)).await?;
        answer.refused(400, "INVALID_REQUEST", "for a name that breaks its rule")?;
    }
    Ok(count)
}

async fn flags(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let (key, name) = (scene.key("ada").await?, scene.name("kept"));
    let flag = json!({
        "enabled": false,
        "rollout_percent": null,
        "environments": {},
        "users": {key.user.clone(): true},
    });
    let path = format!("/api/admin/flags/{name}");
    let flags = Right {
        required: &["enabled"],
        broken: broken_flags(),
        ..Right::new("API-009", Call::put, path, (200, flag))
    };
    flags.taken(&scene).await?;
    let before = Traces::of(&scene).await?;
    let mut count = flags.refused(&scene).await?;
    let paths = broken_names(&scene).map(|name| format!("/api/admin/flags/{name}"));
    count += names_refused(&scene, paths.into(), &json!({"enabled": true})).await?;
    let unknown = scene.name("unknown");
    let removed = Call::delete(format!("/api/admin/flags/{unknown}"));
    count += not_found(&scene, None, vec![removed]).await?;
    let read = Call::get(format!("/v1/flags/{unknown}"));
    count += not_found(&scene, Some(&key), vec![read]).await?;
    before.unchanged(&scene).await?;
    let read = Call::get(format!("/v1/flags/{name}")).by(&key.credential);
    let read = scene.send(read).await?;
    if read.at("/enabled") != json!(true) || read.at("/source") != json!("user") {
        return Err(Stop::breach(
            "the user's own value to go on deciding",
            read.to_string(),
        ));
    }
    Ok(told(count))
}

async fn preferences(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let (key, name) = (scene.key("ada").await?, scene.name("kept"));
    scene.unlimit(&key.user).await?;
    let right = (200, json!({"value": "as it was"}));
    let operators = format!("/api/admin/preferences/user/{}/{name}", key.user);
    let put: fn(String) -> Call = Call::put;
    let by_operator = Right {
        required: &["value"],
        text: Some("value"),
        ..Right::new("API-009", put, operators, right.clone())
    };
    let by_user = Right::new("API-009", put, format!("/v1/preferences/{name}"), right);
    let by_user = Right {
        required: &["value"],
        text: Some("value"),
        ..by_user.by(&key)
    };
    for right in [&by_operator, &by_user] {
        right.taken(&scene).await?;
    }
    let before = Traces::of(&scene).await?;
    let mut count = 0;
    for right in [&by_operator, &by_user] {
        count += right.refused(&scene).await?;
    }
    let user = &key.user;
    let mut paths: Vec<String> = broken_names(&scene)
        .map(|name| format!("/api/admin/preferences/user/{user}/{name}"))
        .into();
    paths.push(format!("/api/admin/preferences/user/ada%20{user}/{name}"));
    paths.push(format!("/api/admin/preferences/environment/nowhere/{name}"));
    count += names_refused(&scene, paths, &json!({"value": 1})).await?;
    before.unchanged(&scene).await?;
    let read = Call::get("/v1/preferences").by(&key.credential);
    let value = scene
        .send(read)
        .await?
        .at("/preferences")
        .get(&name)
        .cloned();
    if value != Some(json!("as it was")) {
        return Err(Stop::breach(
            "the preference as it was set",
            json!(value).to_string(),
        ));
    }
    Ok(told(count))
}
