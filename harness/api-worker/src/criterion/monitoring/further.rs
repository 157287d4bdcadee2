//! Queries that the documents name beside the first ones, where a target has them: what each must answer, over rows that were made for
//! the question, and that it reads no others. Never demands one of them.

use super::super::views::compare;
use super::answers::{same, text, usage};
use super::reads::{FEW, MANY, MORE_MAX};
use super::{asked_with, only_statement, parameters};
use crate::oracle::dates::{DAY, HOUR, MINUTE, date};
use crate::oracle::sums::{BY_DATE, BY_MODEL, BY_USER, Usage, View};
use crate::outcome::{Judged, Stop};
use crate::sample::{Table, log};
use crate::scripts::trial::{Trial, told_row};
use crate::scripts::{Script, Scripts};
use crate::subject::Subject;
use moltproof_doubles::clock;
use rusqlite::types::Value;
use std::ops::Range;

/// A query that a target may have.
struct Further {
    /// The name of its file.
    file: &'static str,
    /// Its parameters at a time.
    parameters: fn(i64) -> Vec<Value>,
    /// Judges what it answers.
    answers: fn(&Trial, &Script, i64) -> Result<usize, Stop>,
    /// Puts rows in place that it does not ask for.
    unasked: fn(&Trial, i64, Range<usize>) -> Result<(), Stop>,
}

/// All of them.
const ALL: [Further; 4] = [
    Further {
        file: "daily_trends.sql",
        parameters: |_now| Vec::new(),
        answers: daily_trends,
        unasked: |trial, now, numbers| logged(trial, numbers, ("ada", "small"), now - 40 * DAY),
    },
    Further {
        file: "usage_of_a_user.sql",
        parameters: user_and_dates,
        answers: of_a_user,
        unasked: |trial, now, numbers| {
            logged(trial, numbers.clone(), ("bob", "small"), now - 3 * DAY)?;
            logged(trial, numbers, ("ada", "small"), now - 40 * DAY)
        },
    },
    Further {
        file: "usage_of_a_model.sql",
        parameters: |_now| vec![text("large")],
        answers: of_a_model,
        unasked: |trial, now, numbers| logged(trial, numbers, ("ada", "small"), now),
    },
    Further {
        file: "failed_deliveries.sql",
        parameters: |_now| Vec::new(),
        answers: failed,
        unasked: |trial, now, numbers| {
            for (state, ago) in [("delivered", HOUR), ("pending", HOUR), ("failed", 40 * DAY)] {
                let times = numbers.clone().map(|number| now - ago - minutes(number));
                deliveries(trial, "hook-active", state, times)?;
            }
            Ok(())
        },
    },
];

fn minutes(number: usize) -> i64 {
    MINUTE * i64::try_from(number).unwrap_or_default()
}

/// A target's query of this name that has these parameters; another one is its own.
fn its_own<'s>(
    scripts: &'s Scripts,
    further: &Further,
    now: i64,
) -> Result<Option<&'s Script>, Stop> {
    let mut queries = scripts.queries.iter();
    let Some(query) = queries.find(|query| query.name == further.file) else {
        return Ok(None);
    };
    let (trial, sql) = (scripts.migrated()?, only_statement(query)?);
    // That it runs is judged by itself.
    let count = parameters(&trial, &sql).unwrap_or(usize::MAX);
    Ok((count == (further.parameters)(now).len()).then_some(query))
}

pub(super) async fn answered(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let (now, mut told) = (clock::epoch_ms(), Vec::new());
            for further in &ALL {
                if let Some(query) = its_own(scripts, further, now)? {
                    let count = (further.answers)(&scripts.migrated()?, query, now)?;
                    told.push(format!("{count} rows of {}", query.name));
                }
            }
            if told.is_empty() {
                told.push("none of them is there".to_owned());
            }
            Ok(told.join(", "))
        })
        .await
}

/// That none of them reads what it does not ask for; how many there are.
pub(super) fn bounded(scripts: &Scripts, now: i64) -> Result<usize, Stop> {
    let mut count = 0;
    for further in &ALL {
        let Some(query) = its_own(scripts, further, now)? else {
            continue;
        };
        let (trial, sql) = (scripts.migrated()?, only_statement(query)?);
        let parameters = (further.parameters)(now);
        let steps = || {
            let seen = trial.asked(&sql, &parameters);
            seen.map(|seen| seen.instructions)
                .map_err(|why| Stop::unmet("API-011", why))
        };
        (further.unasked)(&trial, now, 0..FEW)?;
        let before = steps()?;
        (further.unasked)(&trial, now, FEW..MANY)?;
        let after = steps()?;
        if after > before + MORE_MAX {
            let seen = format!(
                "{before} instructions beside {FEW} rows that it does not ask for, {after} beside {MANY}: it reads them"
            );
            return Err(Stop::breach(format!("an index for {}", query.name), seen));
        }
        count += 1;
    }
    Ok(count)
}

fn logged(
    trial: &Trial,
    numbers: Range<usize>,
    (user, model): (&str, &str),
    last: i64,
) -> Result<(), Stop> {
    let rows: Vec<Usage> = numbers
        .map(|number| Usage::of(user, model, last - minutes(number)))
        .collect();
    log(trial, &rows)
}

/// That a query over a view tells these of its columns for the rows of the view that it asks for.
fn over_a_view(
    (trial, query): (&Trial, &Script),
    view: View,
    rows: &[Usage],
    parameters: &[Value],
    (skipped, is_asked): (usize, impl Fn(&[Value]) -> bool),
) -> Result<usize, Stop> {
    log(trial, rows)?;
    let answer = asked_with(trial, query, parameters)?;
    // What a view tells wrongly, a query over it tells wrongly as well.
    compare(trial, view, rows).map_err(|stop| stop.or_unmet("API-005"))?;
    // A column that is asked for by its value need not be told.
    let told = |at: &usize| *at != skipped;
    let names = view.columns.split(", ").enumerate();
    let names = names.filter(|(at, _)| told(at));
    let columns = names.map(|(_, name)| answer.column(&[name]));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let wanted = (view.rows)(rows).into_iter().filter(|row| is_asked(row));
    let wanted: Vec<Vec<Value>> = wanted
        .map(|row| {
            let values = row.into_iter().enumerate();
            let values = values.filter(|(at, _)| told(at));
            values.map(|(_, value)| value).collect()
        })
        .collect();
    let count = wanted.len();
    same(&query.name, answer.values(&columns), wanted).map(|_told| count)
}

/// No column.
const NONE: usize = usize::MAX;

fn daily_trends(trial: &Trial, query: &Script, now: i64) -> Result<usize, Stop> {
    let first = text(&date(now - 30 * DAY));
    let is_asked = |row: &[Value]| told_row(&row[..1]) >= told_row(std::slice::from_ref(&first));
    let all = (trial, query);
    over_a_view(all, BY_DATE, &usage(now), &[], (NONE, is_asked))
}

/// A user, and two dates of which each has usage.
fn user_and_dates(now: i64) -> Vec<Value> {
    let date = |ago| text(&date(now - ago));
    vec![text("ada"), date(6 * DAY), date(25 * HOUR)]
}

fn of_a_user(trial: &Trial, query: &Script, now: i64) -> Result<usize, Stop> {
    let parameters = user_and_dates(now);
    let is_asked = |row: &[Value]| {
        let told = |value: &Value| told_row(std::slice::from_ref(value));
        row[1] == parameters[0]
            && (told(&parameters[1])..=told(&parameters[2])).contains(&told(&row[0]))
    };
    let all = (trial, query);
    over_a_view(all, BY_USER, &usage(now), &parameters, (1, is_asked))
}

fn of_a_model(trial: &Trial, query: &Script, now: i64) -> Result<usize, Stop> {
    let is_asked = |row: &[Value]| row[0] == text("large");
    let all = (trial, query);
    over_a_view(
        all,
        BY_MODEL,
        &usage(now),
        &[text("large")],
        (NONE, is_asked),
    )
}

/// Puts deliveries of a webhook into a database, each of an event of its own; their ids.
fn deliveries(
    trial: &Trial,
    webhook: &str,
    state: &str,
    times: impl Iterator<Item = i64>,
) -> Result<Vec<String>, Stop> {
    let time = |is_set: bool, at: i64| {
        if is_set {
            Value::Integer(at)
        } else {
            Value::Null
        }
    };
    let (mut ids, mut events, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for at in times {
        let id = format!("{webhook}-{state}-{at}");
        events.push(vec![
            ("id", text(&id)),
            ("event", text("key.rotated")),
            ("data", text("{}")),
            ("created_at", Value::Integer(at)),
        ]);
        rows.push(vec![
            ("id", text(&id)),
            ("webhook_id", text(webhook)),
            ("event_id", text(&id)),
            ("state", text(state)),
            ("attempts", Value::Integer(6)),
            ("last_status", last_status(rows.len())),
            ("next_attempt_at", time(state == "pending", at)),
            ("delivered_at", time(state == "delivered", at)),
            ("created_at", Value::Integer(at)),
        ]);
        ids.push(id);
    }
    Table::of(trial, "webhook_events")?.fill(trial, events)?;
    Table::of(trial, "webhook_deliveries")?.fill(trial, rows)?;
    Ok(ids)
}

/// How a delivery's last attempt ended: with an error, with none, with a redirect.
fn last_status(number: usize) -> Value {
    match number % 3 {
        0 => Value::Null,
        1 => Value::Integer(500),
        _ => Value::Integer(302),
    }
}

fn failed(trial: &Trial, query: &Script, now: i64) -> Result<usize, Stop> {
    let (mut wanted, hooks) = (
        Vec::new(),
        [("hook-active", "active"), ("hook-failing", "failing")],
    );
    for (nth, (hook, state)) in (1..).zip(hooks) {
        let row = vec![
            ("id", text(hook)),
            ("url", text("https://hooks.example/")),
            ("secret", text(&format!("whsec_{}=", "A".repeat(43)))),
            ("events", text("[\"key.rotated\"]")),
            ("state", text(state)),
            ("created_at", Value::Integer(now - 60 * DAY)),
        ];
        Table::of(trial, "webhooks")?.fill(trial, [row])?;
        // Those of the two webhooks lie between each other.
        let times = [DAY, 20 * DAY].map(|ago| now - ago - nth * HOUR);
        let ids = deliveries(trial, hook, "failed", times.into_iter())?;
        wanted.extend(times.into_iter().zip(ids));
        deliveries(trial, hook, "failed", std::iter::once(now - 40 * DAY))?;
        for state in ["delivered", "pending"] {
            deliveries(trial, hook, state, std::iter::once(now - 2 * HOUR))?;
        }
    }
    wanted.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    let wanted: Vec<Vec<Value>> = wanted.into_iter().map(|(_, id)| vec![text(&id)]).collect();
    let answer = asked_with(trial, query, &[])?;
    let id = answer.column(&["id", "delivery_id"])?;
    let seen = answer.values(&[id]);
    same(&query.name, seen.clone(), wanted.clone())?;
    if seen == wanted {
        return Ok(wanted.len());
    }
    let first = seen.first().map(|row| told_row(row)).unwrap_or_default();
    Err(Stop::breach(
        "the newest delivery that was given up first",
        format!("{first} first"),
    ))
}
