//! What each documented query must answer, over rows that were made for the question. Never judges how it finds them.

use super::super::views::compare;
use super::{asked, query};
use crate::oracle::dates::date;
use crate::oracle::dates::{DAY, HOUR, MINUTE};
use crate::oracle::sums::BY_USER;
use crate::oracle::sums::Usage;
use crate::outcome::{Cause, Judged, Stop};
use crate::sample::{Table, log};
use crate::scripts::Documented;
use crate::scripts::trial::{Trial, told_row};
use crate::subject::Subject;
use moltproof_doubles::clock;
use rusqlite::types::Value;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn number(number: usize) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// That the answer has these rows, in any order.
pub(super) fn same(what: &str, mut seen: Vec<Vec<Value>>, mut wanted: Vec<Vec<Value>>) -> Judged {
    seen.sort_by_cached_key(|row| told_row(row));
    wanted.sort_by_cached_key(|row| told_row(row));
    if seen == wanted {
        return Ok(format!("{} rows of {what}", wanted.len()));
    }
    let missing = wanted.iter().find(|row| !seen.contains(row));
    let more = seen.iter().find(|row| !wanted.contains(row));
    let told =
        |row: Option<&Vec<Value>>, none: &str| row.map_or(none.to_owned(), |row| told_row(row));
    Err(Stop::breach(
        format!("{} as a row of {what}", told(missing, "nothing more")),
        told(more, "no such row"),
    ))
}

/// Usage at distances from the present that no reading of "the last days" disputes.
pub(super) fn usage(now: i64) -> Vec<Usage> {
    let mut rows = Vec::new();
    for (number, ago) in [
        0,
        HOUR,
        23 * HOUR,
        25 * HOUR,
        3 * DAY,
        6 * DAY,
        9 * DAY,
        40 * DAY,
    ]
    .into_iter()
    .enumerate()
    {
        for (user, model) in [("ada", "small"), ("bob", "large"), ("ada", "large")] {
            let mut row = Usage::of(user, model, now - ago);
            row.cost = Some(1_000_003 * i64::try_from(number + 1).unwrap_or(1));
            rows.push(row);
        }
        rows.push(Usage {
            cost: None,
            input: None,
            ..Usage::of("carol", "unpriced", now - ago)
        });
    }
    rows
}

pub(super) async fn recent_usage(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let query = query(scripts, Documented::RecentUsage)?;
            let trial = scripts.migrated()?;
            let now = clock::epoch_ms();
            let rows = usage(now);
            log(&trial, &rows)?;
            let answer = asked(&trial, query)?;
            // What a view tells wrongly, a query over it tells wrongly as well.
            compare(&trial, BY_USER, &rows).map_err(|stop| stop.or_unmet("API-005"))?;
            let first = date(now - 7 * DAY);
            let mut wanted: BTreeMap<(String, &str), [i64; 4]> = BTreeMap::new();
            for row in rows.iter().filter(|row| date(row.created_at) >= first) {
                let user = row.user.as_deref().unwrap_or_default();
                let sums = wanted.entry((date(row.created_at), user)).or_default();
                let amounts = [
                    1,
                    row.input.unwrap_or(0),
                    row.output.unwrap_or(0),
                    row.cost.unwrap_or(0),
                ];
                for (sum, amount) in sums.iter_mut().zip(amounts) {
                    *sum += amount;
                }
            }
            let wanted = wanted.into_iter().map(|((date, user), sums)| {
                let sums = sums.map(Value::Integer);
                [Value::Text(date), text(user)]
                    .into_iter()
                    .chain(sums)
                    .collect()
            });
            let columns = [
                "date",
                "user_id",
                "requests",
                "input_tokens",
                "output_tokens",
                "cost_micros",
            ];
            let columns = columns.map(|name| answer.column(&[name]));
            let columns = columns.into_iter().collect::<Result<Vec<_>, _>>()?;
            same(&query.name, answer.values(&columns), wanted.collect())
        })
        .await
}

pub(super) async fn costs(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let query = query(scripts, Documented::Costs)?;
            let trial = scripts.migrated()?;
            let now = clock::epoch_ms();
            let rows = usage(now);
            log(&trial, &rows)?;
            let answer = asked(&trial, query)?;
            let mut wanted: BTreeMap<&str, i64> = BTreeMap::new();
            for row in rows.iter().filter(|row| row.created_at > now - DAY) {
                let model = row.model.as_deref().unwrap_or_default();
                *wanted.entry(model).or_default() += row.cost.unwrap_or(0);
            }
            let cost =
                answer.column(&["total_cost_micros", "total_cost", "cost_micros", "cost"])?;
            let model = answer.column(&["model"])?;
            let mut seen = answer.values(&[model, cost]);
            // A model of which no cost is known costs nothing, or nobody knows what.
            for row in &mut seen {
                if let Some(cost @ Value::Null) = row.get_mut(1) {
                    *cost = Value::Integer(0);
                }
            }
            let wanted = wanted
                .into_iter()
                .map(|(model, cost)| vec![text(model), Value::Integer(cost)]);
            same(&query.name, seen, wanted.collect())
        })
        .await
}

/// Puts the counts of requests into the windows that they belong to, each request once in a window of each kind.
fn count(trial: &Trial, requests: &[(&str, &str, i64)]) -> Result<(), Stop> {
    let mut windows: BTreeMap<(&str, &str, &str, i64), i64> = BTreeMap::new();
    for (kind, subject, at) in requests {
        for (window, length) in [("minute", MINUTE), ("hour", HOUR), ("day", DAY)] {
            let start = at - at.rem_euclid(length);
            *windows.entry((kind, subject, window, start)).or_default() += 1;
        }
    }
    let rows = windows
        .into_iter()
        .map(|((kind, subject, window, start), count)| {
            vec![
                ("subject_kind", text(kind)),
                ("subject", text(subject)),
                ("window_kind", text(window)),
                ("window_start", Value::Integer(start)),
                ("requests", Value::Integer(count)),
            ]
        });
    Table::of(trial, "rate_limits")?.fill(trial, rows)
}

/// The database's present where requests are counted: 2026-06-15, twenty minutes and thirty seconds after twelve.
const NOW: i64 = 1_781_526_030_000;

pub(super) async fn rate_limits(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let query = query(scripts, Documented::RateLimits)?;
            let trial = scripts.migrated()?;
            trial.tell(NOW)?;
            let ago = |minutes: i64| NOW - minutes * MINUTE;
            let mut requests = vec![("user", "ada", NOW); 57];
            requests.extend(vec![("user", "bob", NOW - (NOW % MINUTE)); 3]);
            // Within the last hour, on both sides of the hour's beginning.
            for (minutes, times) in [(5, 2), (19, 3), (21, 5), (40, 7), (58, 11)] {
                requests.extend(vec![("user", "ada", ago(minutes)); times]);
            }
            requests.extend(vec![("user", "dora", ago(30)); 4]);
            // Before it: in the same hour of the clock as some of those, and earlier.
            for (minutes, times) in [(63, 13), (75, 17), (122, 7)] {
                requests.extend(vec![("user", "ada", ago(minutes)); times]);
                requests.extend(vec![("user", "carol", ago(minutes)); times]);
            }
            requests.extend(vec![("ip", "192.0.2.1", NOW); 60]);
            count(&trial, &requests)?;
            let answer = asked(&trial, query)?;
            let columns = [
                answer.column(&["user_id", "subject"])?,
                answer.column(&["requests"])?,
            ];
            let wanted = [("ada", 85), ("bob", 3), ("dora", 4)];
            let wanted = wanted
                .map(|(user, count)| vec![text(user), number(count)])
                .into();
            same(&query.name, answer.values(&columns), wanted)
        })
        .await
}

pub(super) async fn version(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let query = query(scripts, Documented::SchemaVersion)?;
            let trial = scripts.migrated()?;
            // Not in the order of their versions, and with one whose text sorts before that of the last.
            let newest = 9_998;
            let rows = [9_997, newest, 9_996].into_iter().map(|version: i64| {
                vec![
                    ("file", Value::Text(format!("{version}_more.sql"))),
                    ("version", Value::Integer(version)),
                    ("environment", text("production")),
                    ("sha256", Value::Text("0a".repeat(32))),
                    ("applied_at", Value::Integer(1_790_000_000_000 + version)),
                ]
            });
            Table::of(&trial, "schema_metadata")?.fill(&trial, rows)?;
            let kept = trial.read("SELECT 1 FROM schema_metadata WHERE version > 9000")?;
            if kept.len() != 3 {
                let seen = "schema_metadata does not keep a row for each file";
                return Err(Stop::unmet("API-007", seen));
            }
            let answer = asked(&trial, query)?;
            let version = answer.column(&["version"])?;
            let mut seen = answer.values(&[version]);
            seen.truncate(2);
            same(&query.name, seen, vec![vec![Value::Integer(newest)]])
        })
        .await
}

pub(super) async fn tables(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let query = query(scripts, Documented::Tables)?;
            let trial = scripts.migrated()?;
            let answer = asked(&trial, query)?;
            let columns = [answer.column(&["name"])?, answer.column(&["sql"])?];
            let seen = answer.values(&columns);
            let declared = |which: &str| {
                let sql =
                    format!("SELECT name, sql FROM sqlite_schema WHERE type = 'table'{which}");
                let declared = trial.asked(&sql, &[]).map_err(Stop::Fault)?;
                Ok::<_, Stop>(declared.rows)
            };
            let wanted = declared(" AND name NOT GLOB 'sqlite_*'")?;
            for row in &wanted {
                if !seen.contains(row) {
                    let name = row
                        .first()
                        .map(crate::scripts::trial::told)
                        .unwrap_or_default();
                    let expected = format!(
                        "each table of the schema with its declaration in {}",
                        query.name
                    );
                    return Err(Stop::breach(
                        expected,
                        format!("the table {name} is missing"),
                    ));
                }
            }
            let real: BTreeSet<String> = declared("")?.iter().map(|row| told_row(row)).collect();
            if let Some(row) = seen.iter().find(|row| !real.contains(&told_row(row))) {
                let seen = format!("{} tells {}", query.name, told_row(row));
                return Err(Stop::breach("tables only, as they were declared", seen));
            }
            Ok(format!("{} tables", wanted.len()))
        })
        .await
}

/// Errors older than those that are told first, so that an answer with an end may leave them out.
const OLDER: usize = 300;

/// The newest errors, which no answer may leave out.
const NEWEST: usize = 9;

pub(super) async fn errors(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let query = query(scripts, Documented::RecentErrors)?;
            let mut statement = query.text.lines().filter(|line| !line.trim_start().starts_with("--"));
            if !statement.any(|line| line.contains("error")) {
                return Err(Stop::Unmet {
                    cause: Cause::Habit,
                    seen: format!("{} asks for failures that are kept otherwise than as metrics named `error.…`: none can be made for it", query.name),
                });
            }
            let trial = scripts.migrated()?;
            let now = clock::epoch_ms();
            let names = [
                "error.internal_error",
                "chat.latency_ms",
                "error.upstream_error",
                "errors_budget",
                "terror.level",
                "error.configuration_error",
            ];
            let older = (0..OLDER).map(|number| {
                let minutes = i64::try_from(60 + (number * 7) % OLDER).unwrap_or(60);
                (names[0], 100 + number, now - MINUTE * minutes)
            });
            let metrics: Vec<(&str, usize, i64)> = (0..2 * NEWEST)
                // Neither in the order of their times nor against it.
                .map(|number: usize| {
                    (
                        names[number % names.len()],
                        500 + number,
                        now - MINUTE * i64::try_from(1 + (number * 7) % 18).unwrap_or(1),
                    )
                })
                .chain(older)
                .collect();
            let rows = metrics.iter().map(|(name, value, at)| {
                vec![
                    ("name", text(name)),
                    ("value", number(*value)),
                    ("created_at", Value::Integer(*at)),
                ]
            });
            Table::of(&trial, "system_metrics")?.fill(&trial, rows)?;
            let answer = asked(&trial, query)?;
            let columns = [answer.column(&["name"])?, answer.column(&["value"])?];
            let mut wanted: Vec<_> = metrics
                .iter()
                .filter(|(name, ..)| name.starts_with("error."))
                .collect();
            wanted.sort_by_key(|(.., at)| std::cmp::Reverse(*at));
            let mut wanted: Vec<Vec<Value>> = wanted
                .into_iter()
                .map(|(name, value, _at)| vec![text(name), number(*value)])
                .collect();
            let seen = answer.values(&columns);
            wanted.truncate(seen.len().max(NEWEST));
            same(&query.name, seen.clone(), wanted.clone())?;
            if seen != wanted {
                let first = seen.first().map(|row| told_row(row)).unwrap_or_default();
                return Err(Stop::breach(
                    "the newest error first",
                    format!("{first} first"),
                ));
            }
            Ok(format!(
                "{} errors of {} metrics, newest first",
                wanted.len(),
                metrics.len()
            ))
        })
        .await
}
