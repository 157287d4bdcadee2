//! Preferences: user over environment over default. The values for everybody have names that nobody else uses.

use crate::aspect::{Aspect, aspect};
use crate::call::Call;
use crate::outcome::{Judged, Stop};
use crate::scene::{Key, Scene};
use crate::subject::Subject;
use serde_json::{Value, json};

pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-009",
        Beside,
        "a preference is the user's, else the environment's, else the default, whatever JSON it is",
        resolves
    ),
    aspect!(
        "API-009",
        Beside,
        "a user sets and removes only what is the user's own, and never a limit",
        own_only
    ),
    aspect!(
        "API-009",
        Beside,
        "a preference that changes its type only is changed, and a user's object stands in the place of the ones below it",
        of_another_type
    ),
];

async fn resolved(scene: &Scene<'_>, key: &Key, name: &str) -> Result<Option<Value>, Stop> {
    let read = Call::get("/v1/preferences").by(&key.credential);
    let read = scene.send(read).await?;
    let read = read.expect(200, |seen| Stop::breach("preferences to be read", seen))?;
    Ok(read.at("/preferences").get(name).cloned())
}

/// A step in the life of a preference: who, what is set (none: removed), and what it is for the user afterwards.
type Step = (&'static str, Option<Value>, Option<Value>);

fn steps() -> Vec<Step> {
    let (low, middle, high) = (json!({"a": [1, null]}), json!(false), json!("own"));
    vec![
        ("default", Some(low.clone()), Some(low.clone())),
        ("environment", Some(middle.clone()), Some(middle.clone())),
        ("user", Some(high.clone()), Some(high.clone())),
        // What stands above is not touched by what is set below.
        ("default", Some(json!(0)), Some(high.clone())),
        ("environment", Some(json!("")), Some(high)),
        // A null of the user's is a value.
        ("user", Some(Value::Null), Some(Value::Null)),
        ("user", None, Some(json!(""))),
        ("environment", None, Some(json!(0))),
        ("default", None, None),
    ]
}

async fn resolves(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let (key, other) = (scene.key("ada").await?, scene.key("bob").await?);
    let name = scene.name("theme");
    let foreign = if subject.environment == "staging" {
        "development"
    } else {
        "staging"
    };
    let elsewhere = format!("/api/admin/preferences/environment/{foreign}/{name}");
    let elsewhere = Call::put(elsewhere).json(&json!({"value": "of another environment"}));
    scene
        .operate(elsewhere)
        .await?
        .expect(200, |seen| Stop::breach("a preference to be set", seen))?;
    if let Some(value) = resolved(&scene, &key, &name).await? {
        return Err(Stop::breach(
            "no value of another environment",
            value.to_string(),
        ));
    }
    let mut below = None;
    for (scope, set, wanted) in steps() {
        let subject = match scope {
            "user" => key.user.as_str(),
            "environment" => &subject.environment,
            _default => "-",
        };
        let path = format!("/api/admin/preferences/{scope}/{subject}/{name}");
        let what = set.as_ref().map_or_else(
            || format!("the {scope}'s is removed"),
            |value| format!("the {scope}'s is {value}"),
        );
        let (call, status) = match set {
            Some(value) => (Call::put(path).json(&json!({"value": value})), 200),
            None => (Call::delete(path), 204),
        };
        scene.operate(call).await?.expect(status, |seen| {
            Stop::breach("a preference to be changed", seen)
        })?;
        let told = |value: &Option<Value>| {
            value
                .as_ref()
                .map_or_else(|| "no value".to_owned(), Value::to_string)
        };
        let seen = resolved(&scene, &key, &name).await?;
        if seen != wanted {
            return Err(Stop::breach(
                format!("{} when {what}", told(&wanted)),
                told(&seen),
            ));
        }
        if scope != "user" {
            below = resolved(&scene, &other, &name).await?;
        } else if resolved(&scene, &other, &name).await? != below {
            return Err(Stop::breach(
                "another user to keep the common value",
                "the first user's",
            ));
        }
    }
    let path = format!("/api/admin/preferences/environment/{foreign}/{name}");
    scene.operate(Call::delete(path)).await?;
    Ok(format!("{} changes resolved as they should", steps().len()))
}

async fn own_only(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let (key, other) = (scene.key("ada").await?, scene.key("bob").await?);
    let name = scene.name("theme");
    let path = format!("/v1/preferences/{name}");
    let set = Call::put(path.clone())
        .json(&json!({"value": [1, "two"]}))
        .by(&key.credential);
    scene.send(set).await?.expect(200, |seen| {
        Stop::breach("a user's preference to be set", seen)
    })?;
    let seen = (
        resolved(&scene, &key, &name).await?,
        resolved(&scene, &other, &name).await?,
    );
    if seen != (Some(json!([1, "two"])), None) {
        let told = |value: Option<Value>| {
            value.map_or_else(|| "none".to_owned(), |value| value.to_string())
        };
        return Err(Stop::breach(
            "[1,\"two\"] for its user and none for another",
            format!("{} and {}", told(seen.0), told(seen.1)),
        ));
    }
    for limit in ["rate_limit.user.minute", "rate_limit.ip.day"] {
        let set = Call::put(format!("/v1/preferences/{limit}")).json(&json!({"value": 1_000_000}));
        let refused = scene.send(set.by(&key.credential)).await?;
        refused.refused(403, "ACCESS_DENIED", "for a user's own limit")?;
    }
    let remove = Call::delete(path).by(&key.credential);
    scene.send(remove).await?.expect(204, |seen| {
        Stop::breach("a user's preference to be removed", seen)
    })?;
    if let Some(value) = resolved(&scene, &key, &name).await? {
        return Err(Stop::breach(
            "no value after its removal",
            value.to_string(),
        ));
    }
    Ok("a user's own value came and went; limits were refused".to_owned())
}

/// Values of which each is another than the one before it, though SQL may hold some for equal.
fn alike() -> [Value; 9] {
    [
        json!(true),
        json!(1),
        json!("1"),
        json!("true"),
        json!(false),
        json!(0),
        json!({"a": 1}),
        json!("{\"a\":1}"),
        json!([1]),
    ]
}

async fn of_another_type(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let (key, name) = (scene.key("ada").await?, scene.name("editor"));
    let path = format!("/api/admin/preferences/default/-/{name}");
    let told = |value: &Option<Value>| {
        let told = value.as_ref().map(Value::to_string);
        told.unwrap_or_else(|| "no value".to_owned())
    };
    for value in alike() {
        let set = Call::put(path.clone()).json(&json!({"value": value}));
        scene
            .operate(set)
            .await?
            .expect(200, |seen| Stop::breach("a preference to be set", seen))?;
        let seen = resolved(&scene, &key, &name).await?;
        if seen.as_ref() != Some(&value) {
            let expected = format!("{value} once the default's is set to it");
            return Err(Stop::breach(expected, told(&seen)));
        }
    }
    let below = json!({"theme": "light", "tabs": 4});
    let own = json!({"theme": "dark"});
    let set = Call::put(path.clone()).json(&json!({"value": below}));
    scene
        .operate(set)
        .await?
        .expect(200, |seen| Stop::breach("a preference to be set", seen))?;
    let set = Call::put(format!("/v1/preferences/{name}")).json(&json!({"value": own}));
    scene
        .send(set.by(&key.credential))
        .await?
        .expect(200, |seen| Stop::breach("a preference to be set", seen))?;
    let seen = resolved(&scene, &key, &name).await?;
    scene.operate(Call::delete(path)).await?;
    if seen.as_ref() == Some(&own) {
        return Ok(format!(
            "{} values took each other's place",
            alike().len() + 2
        ));
    }
    let expected = format!("the user's {own}, and nothing of the default's {below}");
    Err(Stop::breach(expected, told(&seen)))
}
