//! What a documented query reads: it is given rows that it does not ask for, and must not read them. Never trusts a plan's wording.

use super::{further, only_statement, query};
use crate::oracle::dates::{DAY, HOUR, MINUTE};
use crate::oracle::sums::Usage;
use crate::outcome::{Judged, Stop};
use crate::sample::{Table, log};
use crate::scripts::Documented;
use crate::scripts::trial::Trial;
use crate::subject::Subject;
use moltproof_doubles::clock;
use rusqlite::types::Value;

/// Rows that no query asks for, before the first and before the second look.
pub(super) const FEW: usize = 50;
pub(super) const MANY: usize = 250;

/// Instructions of SQLite's machine by which the second look may take more. Evidence: an index grows by a level, and a scan takes 6 for each row at least.
pub(super) const MORE_MAX: u32 = 200;

pub(super) async fn bounded(subject: &Subject) -> Judged {
    subject.judge_files(|scripts| {
        let trial = scripts.migrated()?;
        let now = clock::epoch_ms();
        let asked = [
            Documented::RecentUsage,
            Documented::Costs,
            Documented::RateLimits,
            Documented::SchemaVersion,
            Documented::RecentErrors,
        ];
        let mut before = Vec::new();
        for documented in asked {
            unasked(&trial, documented, now, 0..FEW)?;
            before.push(steps(&trial, &only_statement(query(scripts, documented)?)?)?);
        }
        for (documented, before) in asked.into_iter().zip(before) {
            unasked(&trial, documented, now, FEW..MANY)?;
            let query = query(scripts, documented)?;
            let after = steps(&trial, &only_statement(query)?)?;
            if after > before + MORE_MAX {
                let seen = format!(
                    "{before} instructions beside {FEW} rows that it does not ask for, {after} beside {MANY}: it reads them"
                );
                return Err(Stop::breach(format!("an index for {}", query.name), seen));
            }
        }
        let count = asked.len() + further::bounded(scripts, now)?;
        Ok(format!("{count} queries take the same beside {FEW} and {MANY} rows"))
    })
    .await
}

fn steps(trial: &Trial, sql: &str) -> Result<u32, Stop> {
    let seen = trial.asked(sql, &[]);
    seen.map(|seen| seen.instructions)
        .map_err(|why| Stop::unmet("API-011", why))
}

/// Puts rows in place that a query does not ask for.
fn unasked(
    trial: &Trial,
    documented: Documented,
    now: i64,
    numbers: std::ops::Range<usize>,
) -> Result<(), Stop> {
    let text = |text: &str| Value::Text(text.to_owned());
    let integer = |number: usize| i64::try_from(number).unwrap_or_default();
    match documented {
        Documented::RecentUsage | Documented::Costs => {
            // Twice the same: both look at one table, and each is measured by itself.
            let old = now
                - if documented == Documented::Costs {
                    20 * DAY
                } else {
                    10 * DAY
                };
            let rows: Vec<Usage> = numbers
                .map(|number| Usage::of("ada", "small", old - integer(number) * HOUR))
                .collect();
            log(trial, &rows)
        }
        Documented::RateLimits => {
            let last = (now - 3 * HOUR).div_euclid(MINUTE) * MINUTE;
            let rows = numbers.map(|number| {
                vec![
                    ("subject_kind", text("user")),
                    ("subject", text("ada")),
                    ("window_kind", text("minute")),
                    (
                        "window_start",
                        Value::Integer(last - integer(number) * MINUTE),
                    ),
                    ("requests", Value::Integer(1)),
                ]
            });
            Table::of(trial, "rate_limits")?.fill(trial, rows)
        }
        Documented::SchemaVersion => {
            let rows = numbers.map(|number| {
                vec![
                    ("file", Value::Text(format!("before_{number}.sql"))),
                    ("version", Value::Integer(0)),
                    ("environment", text("production")),
                    ("sha256", Value::Text("0a".repeat(32))),
                    (
                        "applied_at",
                        Value::Integer(1_700_000_000_000 + integer(number)),
                    ),
                ]
            });
            Table::of(trial, "schema_metadata")?.fill(trial, rows)
        }
        Documented::RecentErrors => {
            let rows = numbers.map(|number| {
                vec![
                    ("name", text("chat.latency_ms")),
                    ("value", Value::Integer(1)),
                    ("created_at", Value::Integer(now - integer(number) * 1_000)),
                ]
            });
            Table::of(trial, "system_metrics")?.fill(trial, rows)
        }
        Documented::Tables => Ok(()),
    }
}
