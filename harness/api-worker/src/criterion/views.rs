//! API-005: the three views against a recomputation from the rows. Never compares a view with another query of the target.

use crate::aspect::{Aspect, aspect};
use crate::call::Call;
use crate::chat::Chat;
use crate::oracle::dates::{DAY, date};
use crate::oracle::sums::Usage;
use crate::oracle::sums::{BY_DATE, BY_MODEL, BY_USER, View};
use crate::outcome::{Judged, Stop};
use crate::sample::whole;
use crate::sample::{Nullable, Table, log, logged, nullable};
use crate::scene::{Key, Scene};
use crate::scripts::Scripts;
use crate::scripts::trial::{Trial, time_like, told_row};
use crate::subject::Subject;
use fastrand::Rng;
use rusqlite::types::Value;
use serde_json::json;
use std::collections::BTreeMap;

/// What is judged of API-005.
pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-005",
        Beside,
        "the three views are there and tell nothing where nothing was used",
        empty
    ),
    aspect!(
        "API-005",
        Beside,
        "user_usage_summary equals a recomputation from random rows per date and user",
        by_user
    ),
    aspect!(
        "API-005",
        Beside,
        "model_usage_stats equals a recomputation from random rows per model",
        by_model
    ),
    aspect!(
        "API-005",
        Beside,
        "daily_usage_trends equals a recomputation from random rows per date",
        by_date
    ),
    aspect!(
        "API-005",
        Beside,
        "what is not known of a request counts as nothing in every view and leaves no request out",
        unknown
    ),
    aspect!(
        "API-005",
        Beside,
        "the views of the target's own database equal a recomputation from its rows",
        own
    ),
    aspect!(
        "API-005",
        Beside,
        "usage outlives its key and its conversation in every view of the target's own database",
        outlives
    ),
    aspect!(
        "API-005",
        Beside,
        "sums beyond what a floating-point number holds are exact in every view",
        beyond_doubles
    ),
];

const VIEWS: [View; 3] = [BY_USER, BY_MODEL, BY_DATE];

/// How often rows are drawn, and how many at most. Evidence: a mistake in one group of a view showed within the first four draws.
const DRAWS: u64 = 6;
const ROWS_MAX: usize = 40;

/// Compares a view with what it must tell of these rows.
pub(super) fn compare(trial: &Trial, view: View, rows: &[Usage]) -> Result<usize, Stop> {
    let sql = format!("SELECT {} FROM {}", view.columns, view.name);
    let seen = trial.query(&sql, &[]).map_err(|why| {
        let expected = format!("a view {} ({})", view.name, view.columns);
        Stop::breach(expected, why)
    })?;
    let mut seen: Vec<Vec<Value>> = seen.rows.into_iter().map(whole).collect();
    let mut wanted = (view.rows)(rows);
    seen.sort_by_cached_key(|row| told_row(row));
    wanted.sort_by_cached_key(|row| told_row(row));
    if seen == wanted {
        return Ok(wanted.len());
    }
    let missing = wanted.iter().find(|row| !seen.contains(row));
    let more = seen.iter().find(|row| !wanted.contains(row));
    let told = |row: Option<&Vec<Value>>| row.map_or("no such row".to_owned(), |row| told_row(row));
    let of = format!(
        "of {} ({}) over {} usage rows",
        view.name,
        view.columns,
        rows.len()
    );
    Err(Stop::breach(
        format!(
            "{} {of}",
            missing.map_or("nothing more".to_owned(), |row| told_row(row))
        ),
        told(more),
    ))
}

async fn empty(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let trial = scripts.migrated()?;
            for view in VIEWS {
                compare(&trial, view, &[])?;
            }
            Ok("each has its columns and no row".to_owned())
        })
        .await
}

/// Draws rows again and again, and compares the view with what it must tell of them.
fn drawn(scripts: &Scripts, view: View) -> Judged {
    let nullable = nullable(&scripts.migrated()?)?;
    let (mut all, mut groups) = (0, 0);
    for seed in 1..=DRAWS {
        let mut random = Rng::with_seed(seed);
        let count = random.usize(1..=ROWS_MAX);
        let rows: Vec<Usage> = std::iter::repeat_with(|| Usage::random(&mut random, nullable))
            .take(count)
            .collect();
        let trial = scripts.migrated()?;
        log(&trial, &rows)?;
        groups += compare(&trial, view, &rows)?;
        all += count + beside_statistics(&trial, view, rows, &mut random, nullable)?;
    }
    Ok(format!(
        "{groups} rows of it over {all} usage rows, before and after days were summed, usage came late, and old usage was removed"
    ))
}

/// A day before all that is drawn: it was summed, and nothing is left of its usage.
const GONE: &str = "2024-02-20";
/// How many rows come after their day was summed.
const LATE: usize = 8;

/// Compares the view once more when days were summed, when usage came after that, and when usage of a summed day was removed:
/// it tells what the usage rows say that are there. How many rows came late.
fn beside_statistics(
    trial: &Trial,
    view: View,
    mut rows: Vec<Usage>,
    random: &mut Rng,
    nullable: Nullable,
) -> Result<usize, Stop> {
    let Some(oldest) = rows.iter().map(|row| row.created_at.div_euclid(DAY)).min() else {
        return Ok(0);
    };
    let is_summed = |row: &Usage| row.created_at.div_euclid(DAY) == oldest;
    let summed: Vec<Usage> = rows.iter().filter(|row| is_summed(row)).cloned().collect();
    sum(trial, &summed)?;
    compare(trial, view, &rows)?;
    let late: Vec<Usage> = std::iter::repeat_with(|| Usage::random(random, nullable))
        .take(LATE)
        .chain(summed.first().cloned())
        .collect();
    log(trial, &late)?;
    let count = late.len();
    rows.extend(late);
    compare(trial, view, &rows)?;
    let boundary = (oldest + 1) * DAY;
    trial
        .run(&format!(
            "DELETE FROM usage_logs WHERE created_at < {}",
            time_like("created_at", boundary)
        ))
        .map_err(|why| Stop::unmet("API-008", format!("old usage cannot be removed: {why}")))?;
    rows.retain(|row| row.created_at >= boundary);
    compare(trial, view, &rows)?;
    Ok(count)
}

/// Puts the sums of these rows into the statistics, as the job does, and those of a day whose usage is gone.
fn sum(trial: &Trial, rows: &[Usage]) -> Result<(), Stop> {
    let mut sums: BTreeMap<(String, String, String), [i64; 4]> = BTreeMap::new();
    for row in rows {
        if let (Some(user), Some(model)) = (&row.user, &row.model) {
            let of = (date(row.created_at), user.clone(), model.clone());
            let sum = sums.entry(of).or_default();
            let amounts = [Some(1), row.input, row.output, row.cost];
            for (sum, amount) in sum.iter_mut().zip(amounts) {
                *sum += amount.unwrap_or_default();
            }
        }
    }
    let of = ["ada", "gpt-4o"].map(str::to_owned);
    let [user, model] = of;
    sums.insert((GONE.to_owned(), user, model), [5, 50, 500, 5_000]);
    let amounts = ["requests", "input_tokens", "output_tokens", "cost_micros"];
    let rows = sums.into_iter().map(|((date, user, model), sum)| {
        let names = [("date", date), ("user_id", user), ("model", model)];
        let names = names.map(|(name, text)| (name, Value::Text(text)));
        let sums = amounts.into_iter().zip(sum.map(Value::Integer));
        names.into_iter().chain(sums).collect()
    });
    Table::of(trial, "daily_usage_stats")?.fill(trial, rows)
}

async fn by_user(subject: &Subject) -> Judged {
    subject.judge_files(|scripts| drawn(scripts, BY_USER)).await
}

async fn by_model(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| drawn(scripts, BY_MODEL))
        .await
}

async fn by_date(subject: &Subject) -> Judged {
    subject.judge_files(|scripts| drawn(scripts, BY_DATE)).await
}

/// A user, a model and a date of which nothing is known but that there were requests, beside others of which everything is.
fn of_unknown() -> Vec<Usage> {
    let known = Usage::of("ada", "small", 1_709_164_800_000);
    let unknown = |input, output, cost| Usage {
        user: Some("bob".to_owned()),
        model: Some("local".to_owned()),
        input,
        output,
        cost,
        created_at: 1_709_251_199_999,
        ..known.clone()
    };
    vec![
        known.clone(),
        unknown(None, None, None),
        unknown(None, Some(5), None),
        unknown(Some(9), None, None),
        Usage {
            cost: None,
            ..known.clone()
        },
    ]
}

async fn unknown(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let trial = scripts.migrated()?;
            let rows = of_unknown();
            log(&trial, &rows)?;
            for view in VIEWS {
                compare(&trial, view, &rows)?;
            }
            Ok(format!(
                "{} rows of which little is known are in all three",
                rows.len()
            ))
        })
        .await
}

/// Usage whose key is revoked by now, whose key was rotated, and whose conversation is gone: it outlives all of them.
async fn use_and_end(scene: &Scene<'_>) -> Result<(), Stop> {
    let model = scene.model("small");
    let key = scene.key("ada").await?;
    let make = Call::post("/v1/conversations").json(&json!({}));
    let made = scene.send(make.by(&key.credential)).await?;
    let made = made.expect(201, |seen| Stop::unmet("API-001", seen))?;
    let conversation = made.text("/id");
    scene
        .chatted(&key, &Chat::with(&model).of(&conversation))
        .await?;
    scene.chatted(&key, &Chat::with(&model)).await?;
    let path = format!("/v1/conversations/{conversation}");
    let gone = scene.send(Call::delete(path).by(&key.credential)).await?;
    gone.expect(204, |seen| Stop::unmet("API-001", seen))?;
    let rotate = Call::post(format!("/api/admin/keys/{}/rotate", key.id));
    let rotated = scene.operate(rotate).await?;
    let rotated = rotated.expect(201, |seen| Stop::unmet("API-002", seen))?;
    let new = Key {
        id: rotated.text("/id"),
        credential: rotated.text("/key"),
        ..key
    };
    scene.chatted(&new, &Chat::with(&model)).await?;
    let revoked = Call::delete(format!("/api/admin/keys/{}", new.id));
    let revoked = scene.operate(revoked).await?;
    revoked
        .expect(204, |seen| Stop::unmet("API-002", seen))
        .map(drop)
}

async fn outlives(subject: &Subject) -> Judged {
    use_and_end(&Scene::at_present(subject)).await?;
    let trial = Trial::of_target(&subject.own_database()?).await?;
    let rows = logged(&trial)?;
    for view in VIEWS {
        compare(&trial, view, &rows)?;
    }
    Ok("it does, after a revocation, a rotation and a deletion".to_owned())
}

async fn own(subject: &Subject) -> Judged {
    let trial = Trial::of_target(&subject.own_database()?).await?;
    let rows = logged(&trial)?;
    for view in VIEWS {
        compare(&trial, view, &rows)?;
    }
    // Its own rows may be few: others are put beside them, in the copy.
    let mut random = Rng::with_seed(1);
    let nullable = nullable(&trial)?;
    let drawn: Vec<Usage> = std::iter::repeat_with(|| Usage::random(&mut random, nullable))
        .take(ROWS_MAX)
        .collect();
    log(&trial, &drawn)?;
    let all = logged(&trial)?;
    for view in VIEWS {
        compare(&trial, view, &all)?;
    }
    Ok(format!(
        "they do over its {} rows, and over {} more",
        rows.len(),
        drawn.len()
    ))
}

/// A cost of which a few make a sum beyond 2^53.
const HUGE: i64 = 1_999_999_999_999_999;

async fn beyond_doubles(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let trial = scripts.migrated()?;
            let at = 1_709_164_800_000;
            let huge = Usage {
                cost: Some(HUGE),
                ..Usage::of("ada", "small", at)
            };
            let mut rows = vec![huge; 5];
            rows.push(Usage {
                cost: Some(2),
                ..Usage::of("ada", "small", at)
            });
            // A table may keep amounts out that nobody will ever owe.
            if log(&trial, &rows).is_err() {
                return Ok("the table takes no such cost".to_owned());
            }
            for view in VIEWS {
                compare(&trial, view, &rows)?;
            }
            Ok(format!("a sum of {} is exact in all three", 5 * HUGE + 2))
        })
        .await
}
