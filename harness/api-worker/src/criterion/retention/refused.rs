//! Rules and batches that are none, and clocks that go back. Never lets another rule hold for others than its scene.

use super::{chat_at, retain, rules_of, sum, times, under, usual};
use crate::aspect::{Aspect, aspect};
use crate::call::Call;
use crate::oracle::dates::{DAY, HOUR};
use crate::outcome::{Judged, Stop};
use crate::scene::Scene;
use crate::subject::Subject;
use crate::wrong::{Right, Traces, told};
use serde_json::{Value, json};

pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-008",
        Jobs,
        "a rule of retention or a job that breaks a rule is refused, and nothing is removed",
        refused
    ),
    aspect!(
        "API-008",
        Jobs,
        "jobs whose clock has gone back remove nothing and leave every sum as it was",
        clock_goes_back
    ),
];

fn of_each(values: &[Value]) -> Vec<(&'static str, Value)> {
    let fields = ["usage_logs_days", "user_sessions_days", "rate_limits_days"];
    let of = |field| values.iter().map(move |value| (field, value.clone()));
    fields.into_iter().flat_map(of).collect()
}

async fn refused(subject: &Subject) -> Judged {
    let scene = Scene::long_ago(subject).await?;
    let (key, model) = (scene.key("ada").await?, scene.model("small"));
    let put: fn(String) -> Call = Call::put;
    let post: fn(String) -> Call = Call::post;
    let rules = Right {
        broken: of_each(&[json!(0), json!(-1), json!(3651), json!(1.5), json!("9")]),
        ..Right::new("API-008", put, "/api/admin/retention", (200, usual()))
    };
    let batch = (200, json!({"batch_size": 5, "max_batches": 1}));
    let batches = Right {
        broken: vec![
            ("batch_size", json!(0)),
            ("batch_size", json!(1001)),
            ("batch_size", json!(-5)),
            ("batch_size", json!(1.5)),
            ("batch_size", json!("5")),
            ("max_batches", json!(-1)),
            ("max_batches", json!("1")),
        ],
        ..Right::new("API-008", post, "/api/admin/jobs/retention", batch)
    };
    let nothing = (200, json!({}));
    let sums = Right::new("API-008", post, "/api/admin/jobs/statistics", nothing);
    for right in [&rules, &batches, &sums] {
        right.taken(&scene).await?;
    }
    chat_at(&scene, &key, &model, scene.began, Some((7, 3))).await?;
    scene.pass(40 * DAY);
    // Once its day is summed, every retention that runs removes the row.
    sum(&scene).await?;
    let work = async {
        let before = Traces::of(&scene).await?;
        let mut count = 0;
        for right in [&rules, &batches, &sums] {
            count += right.refused(&scene).await?;
        }
        before.unchanged(&scene).await?;
        let there = times(&scene, &key.user).await?.len();
        if there == 0 {
            return Err(Stop::breach("the row to stay", "no row after refused jobs"));
        }
        retain(&scene, &json!({})).await?;
        let there = times(&scene, &key.user).await?.len();
        if there != 0 {
            return Err(Stop::unmet(
                "API-008",
                "the job that is right leaves the row",
            ));
        }
        Ok(count)
    };
    under(&scene, &rules_of(10), work).await.map(told)
}

/// The sums of a day, as the operator sees them.
async fn sums(scene: &Scene<'_>, user: &str) -> Result<Vec<Value>, Stop> {
    let from = crate::oracle::dates::date(scene.began);
    let to = crate::oracle::dates::date(scene.began + 40 * DAY);
    let path = format!("/api/admin/statistics?from={from}&to={to}&user_id={user}");
    let listed = scene.operate(Call::get(path)).await?;
    let listed = listed.expect(200, |seen| Stop::breach("statistics to be told", seen))?;
    Ok(listed.list("/days"))
}

async fn clock_goes_back(subject: &Subject) -> Judged {
    let scene = Scene::long_ago(subject).await?;
    let (key, model) = (scene.key("ada").await?, scene.model("small"));
    let began = scene.began;
    chat_at(&scene, &key, &model, began, Some((7, 3))).await?;
    chat_at(&scene, &key, &model, began + 15 * DAY, Some((5, 2))).await?;
    scene.set(began + 20 * DAY);
    sum(&scene).await?;
    let work = async {
        retain(&scene, &json!({})).await?;
        let (left, summed) = (
            times(&scene, &key.user).await?,
            sums(&scene, &key.user).await?,
        );
        if left != [began + 15 * DAY] || summed.len() != 2 {
            let seen = format!("{} rows and {} sums", left.len(), summed.len());
            return Err(Stop::unmet("API-008", seen));
        }
        // The first row would be in place, and the second not yet made.
        scene.set(began + 5 * DAY);
        chat_at(&scene, &key, &model, began + HOUR, Some((100, 100))).await?;
        sum(&scene).await?;
        retain(&scene, &json!({})).await?;
        let seen = (
            times(&scene, &key.user).await?,
            sums(&scene, &key.user).await?,
        );
        if seen.0 != [began + HOUR, began + 15 * DAY] {
            let seen = format!("rows of {}", json!(seen.0));
            return Err(Stop::breach("no row to be removed before its time", seen));
        }
        if seen.1 != summed {
            return Err(Stop::breach(
                format!("the sums to stay {}", json!(summed)),
                json!(seen.1).to_string(),
            ));
        }
        Ok(())
    };
    under(&scene, &rules_of(10), work).await?;
    Ok("after fifteen days back no row went and no sum changed".to_owned())
}
