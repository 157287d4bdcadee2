//! What retention removes, to the millisecond, and how much at once. Never judges a row of another scene.

use super::{chat_at, retain, sum, times, under};
use crate::aspect::{Aspect, aspect};
use crate::call::Call;
use crate::oracle::dates::{DAY, HOUR};
use crate::oracle::window;
use crate::outcome::{Judged, Stop};
use crate::scene::Scene;
use crate::subject::Subject;
use serde_json::{Value, json};

pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-008",
        Jobs,
        "retention removes usage logs before the boundary and none at or after it",
        boundary
    ),
    aspect!(
        "API-008",
        Jobs,
        "usage logs of a day that is not summed stay, however old they are",
        unsummed_stay
    ),
    aspect!(
        "API-008",
        Jobs,
        "retention removes in batches of the size asked for, stops after as many as asked for, and goes on where it stopped",
        batches
    ),
    aspect!(
        "API-008",
        Jobs,
        "retention removes sessions and windows that ended before their boundary and no others",
        sessions_and_windows
    ),
    aspect!(
        "API-008",
        Jobs,
        "usage that came late to a day that was summed is removed with the day's, whosever it is",
        late_is_removed
    ),
    aspect!(
        "API-008",
        Jobs,
        "a batch has no more rows than asked for, though all are of one instant",
        of_one_instant
    ),
];

/// Days that usage is kept in these scenes.
const DAYS: i64 = 10;

fn rules() -> Value {
    json!({"usage_logs_days": DAYS, "user_sessions_days": DAYS, "rate_limits_days": DAYS})
}

async fn boundary(subject: &Subject) -> Judged {
    let scene = Scene::long_ago(subject).await?;
    let (key, model) = (scene.key("ada").await?, scene.model("small"));
    scene.unlimit(&key.user).await?;
    // Not at a day's beginning: the boundary is an instant, not a date.
    let now = scene.began + 30 * DAY + 7 * HOUR + 12_345;
    let edge = now - DAYS * DAY;
    let all = [edge - DAY, edge - 1, edge, edge + 1, edge + DAY, now - HOUR];
    for at in all {
        chat_at(&scene, &key, &model, at, Some((7, 3))).await?;
    }
    if times(&scene, &key.user).await? != all {
        return Err(Stop::unmet(
            "API-001",
            "the usage rows are not those of the chats",
        ));
    }
    scene.set(now);
    sum(&scene).await?;
    let removed = under(&scene, &rules(), retain(&scene, &json!({}))).await?;
    let left = times(&scene, &key.user).await?;
    if left != all[2..] {
        let told = |times: &[i64]| {
            times
                .iter()
                .map(|at| format!("{:+}", at - edge))
                .collect::<Vec<_>>()
                .join(", ")
        };
        return Err(Stop::breach(
            format!(
                "rows at {} ms from the boundary to stay, and no others",
                told(&all[2..])
            ),
            format!("rows at {}", told(&left)),
        ));
    }
    if removed
        .at("/removed/usage_logs")
        .as_i64()
        .unwrap_or_default()
        < 2
        || removed.at("/done") != json!(true)
    {
        return Err(Stop::breach(
            "two removed usage logs at least, and done",
            removed.to_string(),
        ));
    }
    let again = under(&scene, &rules(), retain(&scene, &json!({}))).await?;
    if again.at("/removed/usage_logs") != json!(0) {
        return Err(Stop::breach(
            "nothing to be left for a second run",
            again.to_string(),
        ));
    }
    Ok("two of six rows were removed; the one at the boundary stayed".to_owned())
}

async fn unsummed_stay(subject: &Subject) -> Judged {
    let scene = Scene::long_ago(subject).await?;
    let (key, model) = (scene.key("ada").await?, scene.model("small"));
    let old = scene.began + HOUR;
    chat_at(&scene, &key, &model, old, Some((7, 3))).await?;
    scene.set(scene.began + 40 * DAY);
    let early = under(&scene, &rules(), retain(&scene, &json!({}))).await?;
    if !times(&scene, &key.user).await?.contains(&old) {
        return Err(Stop::breach(
            "a row of a day that is not summed to stay",
            format!("no row; {early}"),
        ));
    }
    sum(&scene).await?;
    under(&scene, &rules(), retain(&scene, &json!({}))).await?;
    if !times(&scene, &key.user).await?.is_empty() {
        return Err(Stop::breach(
            "the row to be removed when its day is summed",
            "it is still there",
        ));
    }
    let path = format!(
        "/api/admin/statistics?from=2001-01-01&to=2024-12-31&user_id={}",
        key.user
    );
    let days = scene.operate(Call::get(path)).await?.list("/days");
    if days.len() != 1 || days[0]["requests"] != json!(1) {
        return Err(Stop::breach(
            "the day's sum to survive its rows",
            json!(days).to_string(),
        ));
    }
    Ok("the row stayed until its day was summed, and its sum stayed after it".to_owned())
}

/// Rows that are removed in batches of so many.
const ROWS: usize = 11;
const BATCH: usize = 4;

async fn batches(subject: &Subject) -> Judged {
    let scene = Scene::long_ago(subject).await?;
    let (key, model) = (scene.key("ada").await?, scene.model("small"));
    scene.unlimit(&key.user).await?;
    // What earlier scenes have left goes first, so that the batches are of this one's rows.
    sum(&scene).await?;
    under(&scene, &rules(), retain(&scene, &json!({}))).await?;
    for nth in 0..ROWS {
        let at = scene.began + i64::try_from(nth).unwrap_or_default() * HOUR;
        chat_at(&scene, &key, &model, at, Some((7, 3))).await?;
    }
    scene.set(scene.began + 40 * DAY);
    sum(&scene).await?;
    let work = async {
        let mut left = times(&scene, &key.user).await?.len();
        let mut runs = 0;
        loop {
            let wish = json!({"batch_size": BATCH, "max_batches": 1});
            let answer = retain(&scene, &wish).await?;
            let now = times(&scene, &key.user).await?.len();
            let removed = answer.json()["removed"].as_object().map_or(0, |removed| {
                removed.values().filter_map(Value::as_u64).sum::<u64>()
            });
            if left - now > BATCH || removed > BATCH as u64 {
                let seen = format!("{} usage rows gone; {answer}", left - now);
                return Err(Stop::breach(
                    format!("at most {BATCH} rows in one batch"),
                    seen,
                ));
            }
            left = now;
            runs += 1;
            if answer.at("/done") == json!(true) {
                break;
            }
            if runs > RUNS_MAX {
                return Err(Stop::breach(
                    "retention to come to an end",
                    answer.to_string(),
                ));
            }
        }
        Ok((left, runs))
    };
    let (left, runs) = under(&scene, &rules(), work).await?;
    if left > 0 {
        return Err(Stop::breach(
            "done only when nothing is left to remove",
            format!("{left} old rows are left"),
        ));
    }
    if runs < ROWS.div_ceil(BATCH) {
        let seen = format!("done after {runs} batches");
        return Err(Stop::breach(
            format!("{ROWS} rows in batches of {BATCH}"),
            seen,
        ));
    }
    Ok(format!(
        "{ROWS} rows went in {runs} batches of at most {BATCH}"
    ))
}

/// Runs of one batch that are made at most. Evidence: the windows of a scene's requests are fewer than a hundred.
const RUNS_MAX: usize = 200;

async fn sessions_and_windows(subject: &Subject) -> Judged {
    let database = subject.own_database()?;
    let scene = Scene::long_ago(subject).await?;
    let key = scene.key("ada").await?;
    scene.unlimit(&key.user).await?;
    let now = scene.began + 40 * DAY + 90_000;
    let edge = now - DAYS * DAY;
    let mut sessions = Vec::new();
    // Ended one millisecond before the boundary, at it, and after it.
    for ends in [edge - 1, edge, edge + 1] {
        scene.set(ends - HOUR);
        let wish = json!({"ttl_seconds": 3600});
        let made = scene
            .send(Call::post("/v1/sessions").json(&wish).by(&key.credential))
            .await?
            .expect(201, |seen| Stop::unmet("API-001", seen))?;
        if made.at("/expires_at") != json!(ends) {
            return Err(Stop::unmet("API-001", made.to_string()));
        }
        sessions.push(made.text("/id"));
    }
    // A minute's window that ended before the boundary, and one that ends after it.
    for at in [edge - 5 * DAY, edge + HOUR] {
        scene.set(at);
        scene
            .send(Call::get("/v1/usage?limit=1").by(&key.credential))
            .await?;
    }
    scene.set(now);
    under(&scene, &rules(), retain(&scene, &json!({}))).await?;
    let there = database
        .rows("SELECT * FROM user_sessions", Vec::new())
        .await?;
    let is_there = |id: &String| {
        there
            .iter()
            .any(|row| row.values().any(|value| value == id))
    };
    let seen: Vec<bool> = sessions.iter().map(is_there).collect();
    if seen != [false, true, true] {
        let told = |is_there: &bool| if *is_there { "there" } else { "gone" };
        return Err(Stop::breach(
            "the session that expired before the boundary gone, those that expire at it and after it there",
            seen.iter().map(told).collect::<Vec<_>>().join(", "),
        ));
    }
    let there = database
        .rows("SELECT * FROM rate_limits", Vec::new())
        .await?;
    let starts = |at: i64| window::start("minute", at);
    let has = |start: i64| {
        there.iter().any(|row| {
            let names = row
                .values()
                .any(|value| value.as_str().is_some_and(|text| text.ends_with(&key.user)));
            names && row.values().any(|value| *value == json!(start))
        })
    };
    match (has(starts(edge - 5 * DAY)), has(starts(edge + HOUR))) {
        (false, true) => {
            Ok("what had ended before the boundary is gone, the rest is there".to_owned())
        }
        (true, _) => Err(Stop::breach(
            "a window that ended before the boundary to be gone",
            "it is there",
        )),
        (false, false) => Err(Stop::breach(
            "a window that ended after the boundary to stay",
            "it is gone",
        )),
    }
}

async fn late_is_removed(subject: &Subject) -> Judged {
    let scene = Scene::long_ago(subject).await?;
    let users = [scene.key("ada").await?, scene.key("bob").await?];
    for user in &users {
        scene.unlimit(&user.user).await?;
    }
    let (model, other) = (scene.model("small"), scene.model("other"));
    let day = scene.began.div_euclid(DAY) * DAY + DAY;
    chat_at(&scene, &users[0], &model, day + HOUR, Some((7, 3))).await?;
    scene.set(day + DAY + HOUR);
    sum(&scene).await?;
    // A user and a model that the day did not have when it was summed.
    chat_at(&scene, &users[1], &model, day + 2 * HOUR, Some((5, 2))).await?;
    chat_at(&scene, &users[0], &other, day + 3 * HOUR, Some((5, 2))).await?;
    scene.set(day + 40 * DAY);
    sum(&scene).await?;
    let answer = under(&scene, &rules(), retain(&scene, &json!({}))).await?;
    for user in &users {
        let left = times(&scene, &user.user).await?;
        if !left.is_empty() {
            let seen = format!("{} rows are left of {}; {answer}", left.len(), user.user);
            return Err(Stop::breach(
                "no row of a day that is over and summed",
                seen,
            ));
        }
    }
    Ok("three rows were removed, two of which had come late".to_owned())
}

async fn of_one_instant(subject: &Subject) -> Judged {
    let scene = Scene::long_ago(subject).await?;
    let (key, model) = (scene.key("ada").await?, scene.model("small"));
    scene.unlimit(&key.user).await?;
    // What earlier scenes have left goes first, so that the batches are of this one's rows.
    sum(&scene).await?;
    under(&scene, &rules(), retain(&scene, &json!({}))).await?;
    let rows = BATCH + 2;
    for _ in 0..rows {
        chat_at(&scene, &key, &model, scene.began + HOUR, Some((7, 3))).await?;
    }
    scene.set(scene.began + 40 * DAY);
    sum(&scene).await?;
    let work = async {
        for _run in 0..RUNS_MAX {
            let before = times(&scene, &key.user).await?.len();
            let wish = json!({"batch_size": BATCH, "max_batches": 1});
            let answer = retain(&scene, &wish).await?;
            let gone = before - times(&scene, &key.user).await?.len();
            if gone > BATCH {
                let seen = format!("{gone} usage rows gone; {answer}");
                return Err(Stop::breach(
                    format!("at most {BATCH} rows in one batch"),
                    seen,
                ));
            }
            if answer.at("/done") == json!(true) {
                break;
            }
        }
        Ok(times(&scene, &key.user).await?.len())
    };
    let left = under(&scene, &rules(), work).await?;
    if left > 0 {
        let seen = format!("{left} old rows are left");
        return Err(Stop::breach(
            "done only when nothing is left to remove",
            seen,
        ));
    }
    Ok(format!(
        "{rows} rows of one instant went in batches of at most {BATCH}"
    ))
}
