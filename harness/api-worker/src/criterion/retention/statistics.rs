//! Daily statistics against sums of what the scene itself has caused. Never sums what the target tells.

use super::{chat_at, retain, sum, under};
use crate::aspect::{Aspect, aspect};
use crate::call::Call;
use crate::oracle::cost::{Price, cost};
use crate::oracle::dates::date;
use crate::oracle::dates::{DAY, HOUR};
use crate::outcome::{Judged, Stop};
use crate::scene::{Key, Scene};
use crate::subject::Subject;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-008",
        Jobs,
        "daily statistics equal the usage of each date, user and model, chats without tokens included",
        equal
    ),
    aspect!(
        "API-008",
        Jobs,
        "statistics survive retention unchanged, and no later run of the job changes them",
        survive
    ),
    aspect!(
        "API-008",
        Jobs,
        "the day that is not over is not summed, and jobs at once sum a day once",
        whole_days_once
    ),
    aspect!(
        "API-008",
        Jobs,
        "a day whose usage comes when later days are summed is summed as well",
        late_usage
    ),
];

/// Sums by date, user and model: requests, tokens in, tokens out, cost.
type Sums = BTreeMap<(String, String, String), [u128; 4]>;

/// The statistics of a user, as the target tells them.
async fn told(scene: &Scene<'_>, user: &str) -> Result<Value, Stop> {
    let path = format!("/api/admin/statistics?from=2001-01-01&to=2024-12-31&user_id={user}");
    let read = scene.operate(Call::get(path)).await?;
    let read = read.expect(200, |seen| Stop::breach("statistics to be read", seen))?;
    Ok(read.at("/days"))
}

fn sums_of(days: &Value) -> Sums {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let number = |value: &Value| u128::from(value.as_u64().unwrap_or_default());
    let days = days.as_array().into_iter().flatten();
    days.map(|day| {
        let of = (
            text(&day["date"]),
            text(&day["user_id"]),
            text(&day["model"]),
        );
        let fields = ["requests", "input_tokens", "output_tokens", "cost_micros"];
        (of, fields.map(|field| number(&day[field])))
    })
    .collect()
}

const PRICE: Price = Price {
    input: 1_500_000,
    output: 2_500_000,
};

/// Chats on three days, by two users with two models, and what their sums have to be.
async fn three_days(scene: &Scene<'_>, users: &[Key; 2]) -> Result<Sums, Stop> {
    let models = [scene.model("priced"), scene.model("unpriced")];
    scene.price(&models[0], PRICE.input, PRICE.output).await?;
    let mut sums = Sums::new();
    for nth in 0..24_i64 {
        // The first and the last millisecond of a day among them.
        let within = [0, 1, 11 * HOUR, DAY - 1][usize::try_from(nth % 4).unwrap_or_default()];
        let at = scene.began.div_euclid(DAY) * DAY + DAY * (1 + nth / 8) + within;
        let user = &users[usize::from(fastrand::bool())];
        let which = usize::from(fastrand::bool());
        let (tokens_in, tokens_out) = (fastrand::u64(0..5_000), fastrand::u64(0..5_000));
        let tokens = (nth % 5 != 0).then_some((tokens_in, tokens_out));
        chat_at(scene, user, &models[which], at, tokens).await?;
        let of = (date(at), user.user.clone(), models[which].clone());
        let sum = sums.entry(of).or_default();
        sum[0] += 1;
        if let Some((tokens_in, tokens_out)) = tokens {
            sum[1] += u128::from(tokens_in);
            sum[2] += u128::from(tokens_out);
            sum[3] += if which == 0 {
                cost(PRICE, tokens_in, tokens_out)
            } else {
                0
            };
        }
    }
    Ok(sums)
}

async fn two_users(scene: &Scene<'_>) -> Result<[Key; 2], Stop> {
    let users = [scene.key("ada").await?, scene.key("bob").await?];
    for user in &users {
        scene.unlimit(&user.user).await?;
    }
    Ok(users)
}

/// That the statistics of both users are these sums.
async fn are(
    scene: &Scene<'_>,
    users: &[Key; 2],
    sums: &Sums,
    when: &str,
) -> Result<Vec<Value>, Stop> {
    let mut all = Vec::new();
    for user in users {
        let days = told(scene, &user.user).await?;
        let seen = sums_of(&days);
        let wanted: Sums = sums
            .iter()
            .filter(|(of, _)| of.1 == user.user)
            .map(|(of, sum)| (of.clone(), *sum))
            .collect();
        if seen.len() != days.as_array().map_or(0, Vec::len) {
            return Err(Stop::breach(
                "one row for each date, user and model",
                days.to_string(),
            ));
        }
        let places = wanted.keys().chain(seen.keys());
        let differs = places
            .into_iter()
            .find(|of| wanted.get(*of) != seen.get(*of));
        if let Some(of) = differs {
            let told = |sums: &Sums| {
                sums.get(of).map_or_else(|| "no row".to_owned(), |[requests, tokens_in, tokens_out, cost]| {
                    format!("{requests} requests, {tokens_in} and {tokens_out} tokens, {cost} micro-units")
                })
            };
            let expected = format!("{} of {} with {} {when}", told(&wanted), of.0, of.2);
            return Err(Stop::breach(expected, told(&seen)));
        }
        all.push(days);
    }
    Ok(all)
}

async fn equal(subject: &Subject) -> Judged {
    let scene = Scene::long_ago(subject).await?;
    let users = two_users(&scene).await?;
    let sums = three_days(&scene, &users).await?;
    scene.set(scene.began.div_euclid(DAY) * DAY + 4 * DAY);
    sum(&scene).await?;
    are(&scene, &users, &sums, "when three days are over").await?;
    Ok(format!(
        "{} rows of statistics are the sums of 24 chats",
        sums.len()
    ))
}

async fn survive(subject: &Subject) -> Judged {
    let scene = Scene::long_ago(subject).await?;
    let users = two_users(&scene).await?;
    let sums = three_days(&scene, &users).await?;
    scene.set(scene.began.div_euclid(DAY) * DAY + 4 * DAY + HOUR);
    sum(&scene).await?;
    let before = are(&scene, &users, &sums, "when three days are over").await?;
    // Each step of the way: part of the rows gone, all of them gone, and the job again after either.
    scene.pass(40 * DAY);
    let rules = json!({"usage_logs_days": 5});
    for wish in [json!({"batch_size": 7, "max_batches": 1}), json!({})] {
        under(&scene, &rules, retain(&scene, &wish)).await?;
        sum(&scene).await?;
        let after = are(&scene, &users, &sums, "after retention and another run").await?;
        if after != before {
            return Err(Stop::breach(
                "the statistics as they were",
                json!(after).to_string(),
            ));
        }
    }
    let left = scene.usage(&users[0].user).await?.len() + scene.usage(&users[1].user).await?.len();
    if left > 0 {
        let seen = format!("{left} usage rows are left");
        return Err(Stop::breach("old usage rows to be gone", seen));
    }
    Ok("the usage rows are gone, and their sums are what they were".to_owned())
}

/// Jobs at once.
const AT_ONCE: usize = 6;

async fn whole_days_once(subject: &Subject) -> Judged {
    let scene = Scene::long_ago(subject).await?;
    let (key, model) = (scene.key("ada").await?, scene.model("small"));
    let day = scene.began.div_euclid(DAY) * DAY + DAY;
    chat_at(&scene, &key, &model, day + HOUR, Some((7, 3))).await?;
    scene.set(day + DAY - 1);
    sum(&scene).await?;
    let early = told(&scene, &key.user).await?;
    if early != json!([]) {
        return Err(Stop::breach(
            "no statistics of a day that is not over",
            early.to_string(),
        ));
    }
    // A chat in the day's last millisecond, after the job has run.
    chat_at(&scene, &key, &model, day + DAY - 1, Some((5, 2))).await?;
    scene.set(day + DAY);
    for answer in join_all((0..AT_ONCE).map(|_| sum(&scene))).await {
        answer?;
    }
    let days = told(&scene, &key.user).await?;
    let of = (date(day), key.user.clone(), model);
    let wanted: Sums = [(of, [2, 12, 5, 0])].into();
    if sums_of(&days) == wanted && days.as_array().map(Vec::len) == Some(1) {
        Ok(format!(
            "{AT_ONCE} jobs at once summed the day once, when it was over"
        ))
    } else {
        let seen = days.to_string();
        Err(Stop::breach(
            "one row of 2 requests with 12 and 5 tokens",
            seen,
        ))
    }
}

async fn late_usage(subject: &Subject) -> Judged {
    let scene = Scene::long_ago(subject).await?;
    let (key, model) = (scene.key("ada").await?, scene.model("small"));
    let late = scene.began.div_euclid(DAY) * DAY + DAY;
    let day = late + 5 * DAY;
    let mut wanted = Sums::new();
    for (at, tokens) in [(day, (7, 3)), (late, (5, 2))] {
        chat_at(&scene, &key, &model, at + HOUR, Some(tokens)).await?;
        scene.set(day + DAY);
        sum(&scene).await?;
        let of = (date(at), key.user.clone(), model.clone());
        wanted.insert(of, [1, tokens.0.into(), tokens.1.into(), 0]);
        let days = told(&scene, &key.user).await?;
        if sums_of(&days) != wanted {
            let expected = format!(
                "sums of {} days, where {} had its usage last",
                wanted.len(),
                date(at)
            );
            return Err(Stop::breach(expected, days.to_string()));
        }
    }
    Ok(format!("{} was summed after {}", date(late), date(day)))
}
