//! Counts under parallel load, by answers and by rows. Never judges a count that a window's end may have halved: days are used.

use super::{limited, passed, probe};
use crate::aspect::{Aspect, aspect};
use crate::call::Answer;
use crate::database::Row;
use crate::oracle::dates::{DAY, HOUR, MINUTE};
use crate::outcome::{Judged, Stop};
use crate::scene::Scene;
use crate::subject::Subject;
use futures_util::future::join_all;

pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-003",
        Beside,
        "a user's limit lets exactly as many requests pass when they come at once",
        exact
    ),
    aspect!(
        "API-003",
        Beside,
        "the database holds one row for each user, kind and window, with the exact count",
        one_row
    ),
];

/// Requests at once, and how many of them the limit lets pass.
const AT_ONCE: usize = 50;
const PASSING: usize = 23;

/// That as many passed as may, and all others were refused for the limit.
pub(super) fn exactly(answers: &[Answer], passing: usize, whose: &str) -> Result<(), Stop> {
    let passed = answers.iter().filter(|answer| answer.status == 200).count();
    let strange = answers
        .iter()
        .find(|answer| answer.status != 200 && !answer.is(429, "RATE_LIMIT_EXCEEDED"));
    if let Some(strange) = strange {
        return Err(Stop::unmet("API-001", strange.to_string()));
    }
    if passed == passing {
        Ok(())
    } else {
        let all = answers.len();
        Err(Stop::breach(
            format!("{passing} of {all} requests at once of {whose} to pass"),
            format!("{passed} passed"),
        ))
    }
}

async fn exact(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let limit = i64::try_from(PASSING).unwrap_or(i64::MAX);
    let key = limited(&scene, &[("day", limit)]).await?;
    // From many addresses, so that no lock of one address puts them in order.
    let ask = |_| scene.send(probe(&key).from(&Scene::another_ip()));
    let answers = join_all((0..AT_ONCE).map(ask)).await;
    let answers: Vec<Answer> = answers.into_iter().collect::<Result<_, _>>()?;
    exactly(&answers, PASSING, "one user")?;
    Ok(format!("{PASSING} of {AT_ONCE} requests at once passed"))
}

/// Requests that pass in these minutes of one day: the second and third share their hour.
const STEPS: [(i64, i64); 3] = [(0, 7), (HOUR, 11), (HOUR + MINUTE, 13)];

async fn one_row(subject: &Subject) -> Judged {
    let database = subject.own_database()?;
    let scene = Scene::with_clock(subject)?;
    let key = limited(&scene, &[]).await?;
    let begin = crate::oracle::window::start("day", scene.now()) + DAY;
    for (at, count) in STEPS {
        scene.set(begin + at);
        let answers = join_all((0..count).map(|_| scene.send(probe(&key)))).await;
        for answer in answers {
            passed(&answer?, "a request far below every limit")?;
        }
    }
    let all = database
        .rows("SELECT * FROM rate_limits", Vec::new())
        .await?;
    let theirs: Vec<&Row> = all.iter().filter(|row| names(row, &key.user)).collect();
    if theirs.is_empty() {
        return Err(Stop::breach(
            "rows of rate_limits that name the user",
            format!("{} rows, none of which does", all.len()),
        ));
    }
    // Three minutes, two hours, one day; each count once.
    let wanted = [7, 11, 13, 7, 24, 31];
    if theirs.len() != wanted.len() {
        return Err(Stop::breach(
            "6 rows for three minutes, two hours and a day in which the user asked",
            format!("{} rows", theirs.len()),
        ));
    }
    let mut left = theirs;
    for count in wanted {
        let Some(at) = left.iter().position(|row| holds(row, count)) else {
            let seen = format!("no further row of the user counts {count}");
            return Err(Stop::breach("counts of 7, 11, 13, 7, 24 and 31", seen));
        };
        left.remove(at);
    }
    Ok("6 rows for three minutes, two hours and a day, with their counts".to_owned())
}

/// Whether some value of a row names the user, alone or with a word before it.
fn names(row: &Row, user: &str) -> bool {
    row.values()
        .any(|value| value.as_str().is_some_and(|text| text.ends_with(user)))
}

fn holds(row: &Row, count: i64) -> bool {
    row.values().any(|value| value.as_i64() == Some(count))
}
