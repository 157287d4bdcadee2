//! Feature flags: the user's value, else the environment's, else the rollout, else the default. Buckets are computed here.

use crate::aspect::{Aspect, aspect};
use crate::call::Call;
use crate::oracle::rollout::bucket;
use crate::outcome::{Judged, Stop};
use crate::scene::{Key, Scene};
use crate::subject::Subject;
use futures_util::future::try_join_all;
use serde_json::{Value, json};

pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-009",
        Beside,
        "a flag is the user's value, else the environment's, else the rollout's, else the default",
        resolves
    ),
    aspect!(
        "API-009",
        Beside,
        "a rollout turns on exactly the users whose bucket lies below its percentage",
        rollout
    ),
    aspect!(
        "API-009",
        Beside,
        "a rollout never flips a user: neither between requests nor by being raised",
        stable
    ),
    aspect!(
        "API-009",
        Beside,
        "a rollout decides for a user alike by each key and each session",
        by_any_credential
    ),
];

async fn set(scene: &Scene<'_>, name: &str, flag: &Value) -> Result<(), Stop> {
    scene
        .operate(Call::put(format!("/api/admin/flags/{name}")).json(flag))
        .await?
        .expect(200, |seen| Stop::breach("a flag to be set", seen))
        .map(drop)
}

/// Whether a flag is on for a user, and why.
type Decision = (Value, Value);

/// What a flag is decided to be for a user, read by itself and in the list.
async fn decided(scene: &Scene<'_>, key: &Key, name: &str) -> Result<Decision, Stop> {
    let read = Call::get(format!("/v1/flags/{name}")).by(&key.credential);
    let read = scene.send(read).await?;
    let read = read.expect(200, |seen| Stop::breach("a flag to be read", seen))?;
    let all = scene
        .send(Call::get("/v1/flags").by(&key.credential))
        .await?;
    let listed = all.at("/flags").get(name).cloned().unwrap_or_default();
    if listed != read.at("/enabled") {
        let seen = format!("{listed} in the list of all flags");
        return Err(Stop::breach(
            format!("{} in both answers", read.at("/enabled")),
            seen,
        ));
    }
    Ok((read.at("/enabled"), read.at("/source")))
}

async fn resolves(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let (key, name) = (scene.key("ada").await?, scene.name("beta"));
    let (user, own) = (key.user.as_str(), subject.environment.as_str());
    let foreign = if own == "staging" {
        "development"
    } else {
        "staging"
    };
    let cases = [
        (json!({"enabled": true}), true, "default"),
        (json!({"enabled": false}), false, "default"),
        (
            json!({"enabled": false, "environments": {foreign: true}}),
            false,
            "default",
        ),
        (
            json!({"enabled": false, "users": {"somebody-else": true}}),
            false,
            "default",
        ),
        (
            json!({"enabled": false, "rollout_percent": 100}),
            true,
            "rollout",
        ),
        (
            json!({"enabled": true, "rollout_percent": null}),
            true,
            "default",
        ),
        (
            json!({"enabled": true, "rollout_percent": 100, "environments": {own: false}}),
            false,
            "environment",
        ),
        (
            json!({"enabled": false, "rollout_percent": 0, "environments": {own: true}}),
            true,
            "environment",
        ),
        (
            json!({"enabled": true, "rollout_percent": 100, "environments": {own: true}, "users": {user: false}}),
            false,
            "user",
        ),
        (
            json!({"enabled": false, "rollout_percent": 0, "environments": {own: false}, "users": {user: true}}),
            true,
            "user",
        ),
    ];
    for (flag, wanted, source) in &cases {
        set(&scene, &name, flag).await?;
        let (enabled, seen) = decided(&scene, &key, &name).await?;
        if enabled != json!(wanted) {
            return Err(Stop::breach(
                format!("{wanted}, by the {source}, of {flag}"),
                format!("{enabled}, by {seen}"),
            ));
        }
        if seen != json!(source) {
            return Err(Stop::shape(
                format!("source {source} of {flag}"),
                format!("source {seen}"),
            ));
        }
    }
    scene
        .operate(Call::delete(format!("/api/admin/flags/{name}")))
        .await?;
    let gone = scene
        .send(Call::get(format!("/v1/flags/{name}")).by(&key.credential))
        .await?;
    gone.refused(404, "NOT_FOUND", "for a flag that was deleted")?;
    Ok(format!("{} flags were decided as they should", cases.len()))
}

/// Users of a rollout.
const USERS: usize = 24;

async fn users(scene: &Scene<'_>) -> Result<Vec<Key>, Stop> {
    try_join_all((0..USERS).map(|nth| async move { scene.key(&format!("user{nth}")).await })).await
}

async fn rollout(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let (keys, name) = (users(&scene).await?, scene.name("beta"));
    let set_to = |percent: u64, otherwise: bool| {
        let flag = json!({"enabled": otherwise, "rollout_percent": percent});
        let (scene, name, keys) = (&scene, &name, &keys);
        async move {
            set(scene, name, &flag).await?;
            try_join_all(keys.iter().map(|key| decided(scene, key, name))).await
        }
    };
    let halved = set_to(50, false).await?;
    let others = keys.iter().zip(&halved).filter(|(key, (enabled, _))| {
        let is_below = bucket(&name, &key.user) < 50;
        *enabled != json!(is_below)
    });
    // Which users come first is the worker's own matter: where it goes by other buckets, their number is judged.
    if others.count() > USERS / 8 {
        return by_number(
            &halved,
            &set_to(0, false).await?,
            &set_to(100, false).await?,
        );
    }
    // The exact bucket of one user, and the one above it: an off-by-one shows there.
    let edge = bucket(&name, &keys[0].user);
    for percent in [0, 50, edge, edge + 1, 100] {
        // What is not within the rollout is decided by `enabled`.
        let decisions = set_to(percent, percent < 50).await?;
        for (key, (enabled, _source)) in keys.iter().zip(decisions) {
            let bucket = bucket(&name, &key.user);
            let wanted = bucket < percent || percent < 50;
            if enabled != json!(wanted) {
                let what = format!("{wanted} for the bucket {bucket} at {percent} %");
                return Err(Stop::breach(what, format!("{enabled}")));
            }
        }
    }
    Ok(format!(
        "{USERS} users were decided by their buckets at five percentages"
    ))
}

/// That a rollout by buckets of the worker's own turns none on at 0 %, some at 50 % and all at 100 %.
fn by_number(halved: &[Decision], none: &[Decision], all: &[Decision]) -> Judged {
    let on = |decisions: &[Decision]| {
        let on = decisions
            .iter()
            .filter(|(enabled, _)| *enabled == json!(true));
        on.count()
    };
    // All lie on one side of 50 once in eight million draws.
    if !(1..USERS).contains(&on(halved)) {
        let seen = format!("{} of {USERS}", on(halved));
        return Err(Stop::breach("some users on at 50 %, and some not", seen));
    }
    for (percent, decisions, wanted) in [(0, none, 0), (100, all, USERS)] {
        if on(decisions) != wanted {
            let expected = format!("{wanted} of {USERS} users on at {percent} %");
            return Err(Stop::breach(expected, format!("{}", on(decisions))));
        }
    }
    Ok(format!(
        "{} of {USERS} users are on at 50 %, by buckets of the worker's own",
        on(halved)
    ))
}

async fn stable(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let (keys, name) = (users(&scene).await?, scene.name("beta"));
    let mut on: Vec<bool> = vec![false; keys.len()];
    for percent in [10, 30, 30, 60, 90] {
        set(
            &scene,
            &name,
            &json!({"enabled": false, "rollout_percent": percent}),
        )
        .await?;
        let first = try_join_all(keys.iter().map(|key| decided(&scene, key, &name))).await?;
        scene.pass(crate::oracle::dates::HOUR);
        let second = try_join_all(keys.iter().map(|key| decided(&scene, key, &name))).await?;
        let both = first.into_iter().zip(second);
        for ((key, was_on), (first, second)) in keys.iter().zip(&mut on).zip(both) {
            if first != second {
                let seen = format!("{} and then {}", first.0, second.0);
                return Err(Stop::breach(
                    format!("one answer for {} at {percent} %", key.user),
                    seen,
                ));
            }
            let is_on = first.0 == json!(true);
            if *was_on && !is_on {
                let seen = format!("off at {percent} %");
                return Err(Stop::breach(
                    format!("{} to stay on while the rollout is raised", key.user),
                    seen,
                ));
            }
            *was_on = is_on;
        }
    }
    let count = on.iter().filter(|is_on| **is_on).count();
    // All of them lie above 90 once in 10^24 draws.
    if count == 0 {
        return Err(Stop::breach("some users on at 90 %", "none"));
    }
    Ok(format!(
        "{count} of {USERS} users are on at 90 %, and none was turned off on the way"
    ))
}

/// Sessions of one user: that all of them are decided alike by chance happens once in 2^10 draws at 50 %.
const SESSIONS: usize = 10;

async fn by_any_credential(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let (key, second) = (scene.key("ada").await?, scene.key("ada").await?);
    let name = scene.name("beta");
    let flag = json!({"enabled": false, "rollout_percent": 50});
    set(&scene, &name, &flag).await?;
    let mut credentials = vec![second.credential.clone()];
    for _ in 0..SESSIONS {
        let make = Call::post("/v1/sessions").json(&json!({}));
        let made = scene.send(make.by(&key.credential)).await?;
        let made = made.expect(201, |seen| Stop::unmet("API-001", seen))?;
        credentials.push(made.text("/token"));
    }
    let wanted = decided(&scene, &key, &name).await?.0;
    for credential in &credentials {
        let read = Call::get(format!("/v1/flags/{name}")).by(credential);
        let read = scene.send(read).await?;
        let read = read.expect(200, |seen| Stop::breach("a flag to be read", seen))?;
        if read.at("/enabled") != wanted {
            return Err(Stop::breach(
                format!("{wanted} by each credential of a user"),
                format!("{} by one of them", read.at("/enabled")),
            ));
        }
    }
    Ok(format!(
        "{} credentials of one user, one decision",
        credentials.len() + 1
    ))
}
