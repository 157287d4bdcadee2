//! The audit: one entry for each change, by a route each. Entries are told apart by the operator, whom each scene has for itself.

use crate::aspect::{Aspect, aspect};
use crate::call::{Answer, Call};
use crate::chat::Chat;
use crate::oracle::dates::DAY;
use crate::outcome::{Judged, Stop};
use crate::scene::{Key, Scene};
use crate::subject::Subject;
use futures_util::future::join_all;
use serde_json::{Value, json};

pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-009",
        Beside,
        "each change by an operator leaves exactly one entry with actor, action, resource and request",
        one_each
    ),
    aspect!(
        "API-009",
        Beside,
        "an entry tells what was before and what came after, and no secret",
        before_and_after
    ),
    aspect!(
        "API-009",
        Beside,
        "a request that is refused leaves no entry",
        refused_leave_none
    ),
    aspect!(
        "API-009",
        Beside,
        "a request that changes nothing leaves no entry",
        unchanged_leave_none
    ),
    aspect!(
        "API-009",
        Beside,
        "changes at once leave one entry each",
        at_once
    ),
    aspect!(
        "API-009",
        Jobs,
        "jobs that changed something and new rules of retention leave one entry each",
        jobs
    ),
];

/// The entries of the scene's operator, oldest first.
async fn entries(scene: &Scene<'_>) -> Result<Vec<Value>, Stop> {
    // The clock of a target that is not told may be a little behind this one.
    let slack = if scene.subject.is_clock_told { 0 } else { DAY };
    let (from, to) = (scene.began - slack, scene.now() + slack + 1);
    let path = format!("/api/admin/audit?from={from}&to={to}");
    let all = scene.pages(&path, "entries").await?;
    let actor = json!(scene.email());
    Ok(all
        .into_iter()
        .filter(|entry| entry["actor"] == actor)
        .collect())
}

/// A change by the operator: the request, its status, the action, and the resource (none: the id that the answer names).
struct Change {
    call: Call,
    status: u16,
    action: &'static str,
    resource: Option<String>,
}

fn change(action: &'static str, resource: Option<&str>, status: u16, call: Call) -> Change {
    Change {
        call,
        status,
        action,
        resource: resource.map(str::to_owned),
    }
}

/// Does it, and sees exactly one further entry that fits.
async fn audited(scene: &Scene<'_>, known: &mut usize, change: Change) -> Result<Answer, Stop> {
    let Change {
        call,
        status,
        action,
        resource,
    } = change;
    let answer = scene.operate(call).await?;
    if answer.status != status {
        return Err(Stop::unmet("API-001", answer.to_string()));
    }
    let all = entries(scene).await?;
    let new = all.get(*known..).unwrap_or_default();
    *known = all.len();
    let [entry] = new else {
        let seen = format!("{} entries after {}", new.len(), answer.named());
        return Err(Stop::breach(
            format!("one entry {action} with the actor {}", scene.email()),
            seen,
        ));
    };
    let resource = resource.unwrap_or_else(|| answer.text("/id"));
    let wanted = [
        ("action", json!(action)),
        ("resource", json!(resource)),
        ("request_id", json!(answer.header("x-request-id"))),
    ];
    for (field, wanted) in wanted {
        if entry[field] != wanted {
            let seen = format!("{field} {}", entry[field]);
            return Err(Stop::breach(
                format!("an entry with {field} {wanted}"),
                seen,
            ));
        }
    }
    Ok(answer)
}

async fn one_each(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let (user, name, model) = (
        scene.user("ada"),
        scene.name("audited"),
        scene.model("small"),
    );
    let mut known = 0;
    let wish = json!({"user_id": user, "permissions": ["read"]});
    let made = change(
        "key.create",
        None,
        201,
        Call::post("/api/admin/keys").json(&wish),
    );
    let key = audited(&scene, &mut known, made).await?.text("/id");
    let rotate = Call::post(format!("/api/admin/keys/{key}/rotate"));
    let new = audited(
        &scene,
        &mut known,
        change("key.rotate", Some(&key), 201, rotate),
    )
    .await?
    .text("/id");
    let revoke = Call::delete(format!("/api/admin/keys/{new}"));
    audited(
        &scene,
        &mut known,
        change("key.revoke", Some(&new), 204, revoke),
    )
    .await?;
    let price =
        json!({"model": model, "input_micros_per_million": 1, "output_micros_per_million": 2});
    let price = Call::post("/api/admin/prices").json(&price);
    audited(&scene, &mut known, change("price.create", None, 201, price)).await?;
    let path = format!("/api/admin/flags/{name}");
    let flag = Call::put(path.clone()).json(&json!({"enabled": true}));
    audited(
        &scene,
        &mut known,
        change("flag.set", Some(&name), 200, flag),
    )
    .await?;
    let flag = change("flag.delete", Some(&name), 204, Call::delete(path));
    audited(&scene, &mut known, flag).await?;
    let path = format!("/api/admin/preferences/user/{user}/{name}");
    preferences(&scene, &mut known, &path).await?;
    if let Ok(receiver) = subject.receiver() {
        let hook = json!({"url": receiver.url(&format!("/audited-{}", scene.tag)), "events": ["key.revoked"]});
        let hook = Call::post("/api/admin/webhooks").json(&hook);
        let hook = audited(
            &scene,
            &mut known,
            change("webhook.create", None, 201, hook),
        )
        .await?
        .text("/id");
        let gone = Call::delete(format!("/api/admin/webhooks/{hook}"));
        audited(
            &scene,
            &mut known,
            change("webhook.delete", Some(&hook), 204, gone),
        )
        .await?;
    }
    Ok(format!("{known} changes left one entry each"))
}

/// A preference that comes and goes: its resource is a name that the contract leaves open, so only its end is looked at.
async fn preferences(scene: &Scene<'_>, known: &mut usize, path: &str) -> Result<(), Stop> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let calls = [
        (
            "preference.set",
            200,
            Call::put(path).json(&json!({"value": 1})),
        ),
        ("preference.delete", 204, Call::delete(path)),
    ];
    for (action, status, call) in calls {
        let answer = scene.operate(call).await?;
        if answer.status != status {
            return Err(Stop::unmet("API-001", answer.to_string()));
        }
        let all = entries(scene).await?;
        let new = all.get(*known..).unwrap_or_default();
        *known = all.len();
        let fits = |entry: &Value| {
            let resource = entry["resource"].as_str().unwrap_or_default();
            entry["action"] == json!(action) && resource.ends_with(name)
        };
        if !matches!(new, [entry] if fits(entry)) {
            return Err(Stop::breach(
                format!("one entry {action} of {name}"),
                json!(new).to_string(),
            ));
        }
    }
    Ok(())
}

async fn before_and_after(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let path = format!("/api/admin/flags/{}", scene.name("audited"));
    for percent in [10, 20] {
        let flag = json!({"enabled": false, "rollout_percent": percent});
        scene
            .operate(Call::put(path.clone()).json(&flag))
            .await?
            .expect(200, |seen| Stop::unmet("API-001", seen))?;
    }
    scene.operate(Call::delete(path)).await?;
    let key = scene.key("ada").await?;
    let all = entries(&scene).await?;
    let told = all.iter().take(3).map(|entry| {
        json!([
            entry["before"]["rollout_percent"],
            entry["after"]["rollout_percent"]
        ])
    });
    let (told, wanted) = (
        told.collect::<Value>(),
        json!([[null, 10], [10, 20], [20, null]]),
    );
    if told != wanted {
        return Err(Stop::breach(
            format!("rollout_percent before and after: {wanted}"),
            told.to_string(),
        ));
    }
    let created = all.last().cloned().unwrap_or_default();
    if created["after"]["user_id"] != json!(key.user) {
        return Err(Stop::breach(
            "the user of a new key in its entry",
            created["after"].to_string(),
        ));
    }
    let text = json!(all).to_string();
    if crate::secret::Search::of(&key.credential)
        .find(text.as_bytes())
        .is_some()
    {
        return Err(Stop::breach(
            "no secret in an entry",
            "an entry with the whole key",
        ));
    }
    Ok("before and after of a flag's three changes and of a new key were told".to_owned())
}

async fn refused_leave_none(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let key = scene.key("ada").await?;
    let before = entries(&scene).await?.len();
    if before != 1 {
        return Err(Stop::breach(
            "one entry of a new key",
            format!("{before} entries"),
        ));
    }
    let none = "00000000-0000-4000-8000-000000000000";
    let refused = [
        Call::post("/api/admin/keys").json(&json!({"user_id": "", "permissions": ["read"]})),
        Call::post("/api/admin/keys").json(&json!({"user_id": key.user, "permissions": ["all"]})),
        Call::post(format!("/api/admin/keys/{none}/rotate")),
        Call::delete(format!("/api/admin/keys/{none}")),
        Call::post("/api/admin/prices").json(
            &json!({"model": "m", "input_micros_per_million": -1, "output_micros_per_million": 0}),
        ),
        Call::put(format!("/api/admin/flags/{}", scene.name("audited")))
            .json(&json!({"enabled": "yes"})),
        Call::delete(format!("/api/admin/flags/{}", scene.name("audited"))),
        Call::put(format!(
            "/api/admin/preferences/nobody/-/{}",
            scene.name("audited")
        ))
        .json(&json!({"value": 1})),
        Call::post("/api/admin/webhooks")
            .json(&json!({"url": "ftp://example.com/", "events": ["key.created"]})),
        Call::put("/api/admin/retention").json(&json!({"usage_logs_days": 0})),
        Call::post("/api/admin/jobs/retention").json(&json!({"batch_size": 0})),
    ];
    let count = refused.len();
    for call in refused {
        let answer = scene.operate(call).await?;
        if !(400..500).contains(&answer.status) {
            return Err(Stop::unmet("API-001", answer.to_string()));
        }
        let after = entries(&scene).await?.len();
        if after != before {
            let seen = format!("{} entries more after {answer}", after - before);
            return Err(Stop::breach("no entry of a refused request", seen));
        }
    }
    Ok(format!("{count} refused requests left none"))
}

/// Whatever users and environments are called, and in whatever order a request names them: what is set to what it is has not changed.
async fn unchanged_leave_none(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let (name, user) = (scene.name("unchanged"), scene.name("u"));
    let flag = format!("/api/admin/flags/{name}");
    let preference = format!("/api/admin/preferences/user/{user}/{name}");
    let names = ["10", "9", "B", "a", "Zoe", "adam", "a-b", "a_b"];
    let chosen = |names: &[&str]| -> Value {
        let pairs = names.iter().map(|&name| (name.to_owned(), json!(true)));
        Value::Object(pairs.collect())
    };
    let users = chosen(&names);
    let environments = json!({"staging": true, "production": false, "development": true});
    let sets = [
        (
            flag.clone(),
            json!({"enabled": true, "rollout_percent": 50}),
        ),
        (
            flag.clone(),
            json!({"enabled": true, "users": users, "environments": environments}),
        ),
        (
            preference.clone(),
            json!({"value": {"b": 1, "a": [1.5, null], "10": "x", "9": true}}),
        ),
        (preference, json!({"value": null})),
    ];
    for (path, body) in &sets {
        for (turn, wanted) in [("first", 1), ("second", 0)] {
            let before = entries(&scene).await?.len();
            let answer = scene.operate(Call::put(path.clone()).json(body)).await?;
            if answer.status != 200 {
                return Err(Stop::unmet("API-001", answer.to_string()));
            }
            let came = entries(&scene).await?.len().saturating_sub(before);
            if came != wanted {
                let expected = if wanted == 0 {
                    "no entry of a request that changes nothing"
                } else {
                    "one entry of a change"
                };
                let seen = format!("{came} entries of the {turn} {answer}");
                return Err(Stop::breach(expected, seen));
            }
        }
    }
    Ok(format!("{} requests sent again left none", sets.len()))
}

/// Changes at once.
const AT_ONCE: usize = 20;

async fn at_once(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let keys = join_all((0..AT_ONCE).map(|_| scene.key("ada"))).await;
    let mut ids = Vec::new();
    for key in keys {
        ids.push(key?.id);
    }
    let all = entries(&scene).await?;
    let mut named: Vec<String> = all
        .iter()
        .filter_map(|entry| Some(entry["resource"].as_str()?.to_owned()))
        .collect();
    ids.sort();
    named.sort();
    if ids == named {
        Ok(format!("{AT_ONCE} new keys left one entry each"))
    } else {
        let seen = format!("{} entries", named.len());
        Err(Stop::breach(
            format!("one entry for each of {AT_ONCE} new keys"),
            seen,
        ))
    }
}

async fn jobs(subject: &Subject) -> Judged {
    let scene = Scene::long_ago(subject).await?;
    let key = scene.key("ada").await?;
    scene
        .chatted(&key, &Chat::with(&scene.model("small")))
        .await?;
    scene.pass(40 * DAY);
    let mut known = entries(&scene).await?.len();
    let rules = Call::put("/api/admin/retention")
        .json(&json!({"usage_logs_days": 30, "user_sessions_days": 10}));
    audited(
        &scene,
        &mut known,
        change("retention.set", Some("retention"), 200, rules),
    )
    .await?;
    for (job, body) in [("statistics", json!({})), ("retention", json!({}))] {
        let call = Call::post(format!("/api/admin/jobs/{job}")).json(&body);
        let action = if job == "statistics" {
            "job.statistics"
        } else {
            "job.retention"
        };
        audited(&scene, &mut known, change(action, Some(job), 200, call)).await?;
    }
    let without_usage = retained_without_usage(&scene, &key).await;
    let rules = json!({"usage_logs_days": 90, "user_sessions_days": 30});
    scene
        .operate(Call::put("/api/admin/retention").json(&rules))
        .await?;
    without_usage?;
    Ok("new rules and three jobs left one entry each".to_owned())
}

/// That retention leaves its entry where it removes sessions, and no usage is left to remove.
async fn retained_without_usage(scene: &Scene<'_>, key: &Key) -> Result<(), Stop> {
    let session = Call::post("/v1/sessions").json(&json!({"ttl_seconds": 60}));
    scene
        .send(session.by(&key.credential))
        .await?
        .expect(201, |seen| Stop::unmet("API-001", seen))?;
    scene.pass(20 * DAY);
    let known = entries(scene).await?.len();
    let answer = scene
        .operate(Call::post("/api/admin/jobs/retention").json(&json!({})))
        .await?
        .expect(200, |seen| Stop::unmet("API-008", seen))?;
    let removed = answer.at("/removed/user_sessions");
    if removed.as_u64().unwrap_or_default() == 0 {
        return Err(Stop::unmet("API-008", answer.to_string()));
    }
    let all = entries(scene).await?;
    let new = all.get(known..).unwrap_or_default();
    let own = new
        .iter()
        .filter(|entry| entry["action"] == "job.retention");
    match own.count() {
        1 => Ok(()),
        count => Err(Stop::breach(
            "one entry job.retention of a run that removed sessions",
            format!("{count} entries after {answer}"),
        )),
    }
}
