//! API-006: what a development database and a production database begin with, and that the one never becomes the other. Never runs a file in the target's own database.

mod flags;

use super::files::applied;
use super::workplace::on_a_thread;
use crate::aspect::{Aspect, aspect};
use crate::outcome::{Judged, Stop};
use crate::scripts::trial::{Trial, difference, statements_of, told_row};
use crate::scripts::{Script, Scripts};
use crate::secret::hashes;
use crate::subject::Subject;
use rusqlite::types::Value;
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// What is judged of API-006.
pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-006",
        Beside,
        "the development seed brings two users with a key each, which its comment tells",
        test_keys
    ),
    aspect!(
        "API-006",
        Beside,
        "the development seed brings sample usage",
        sample_usage
    ),
    aspect!(
        "API-006",
        Beside,
        "the development seed allows a user ten times the usual",
        relaxed_limits
    ),
    aspect!(
        "API-006",
        Beside,
        "the development seed turns debugging and verbose logging on",
        verbose
    ),
    aspect!(
        "API-006",
        Beside,
        "the production set-up allows a user half the usual",
        strict_limits
    ),
    aspect!(
        "API-006",
        Beside,
        "the production set-up turns auditing on and debugging off",
        flags::audited
    ),
    aspect!(
        "API-006",
        Beside,
        "the production set-up states how long usage, sessions and rate limits are kept",
        retained
    ),
    aspect!(
        "API-006",
        Beside,
        "the production set-up brings no key, no user and no sample data",
        bare
    ),
    aspect!(
        "API-006",
        Beside,
        "the production set-up is refused over development data and leaves nothing behind",
        no_production
    ),
    aspect!(
        "API-006",
        Beside,
        "the development seed is refused over a production database and leaves nothing behind",
        no_development
    ),
    aspect!(
        "API-006",
        Beside,
        "the target's own database takes at most one of the two, and nothing of the other",
        own
    ),
    aspect!(
        "API-006",
        Apart,
        "the target's own tool refuses the production set-up over development data, and leaves nothing",
        by_tool
    ),
    aspect!(
        "API-006",
        Beside,
        "the production set-up leaves nothing over development data where its statements are run one by one",
        one_by_one
    ),
];

const DEVELOPMENT: &str = "development";
const PRODUCTION: &str = "production";

/// What a user may do where nothing is set.
const USUAL: [(&str, i64); 3] = [
    ("rate_limit.user.minute", 60),
    ("rate_limit.user.hour", 1_000),
    ("rate_limit.user.day", 10_000),
];

/// How long rows are kept in production, in days.
const KEPT: [(&str, i64); 3] = [
    ("usage_logs", 90),
    ("user_sessions", 30),
    ("rate_limits", 7),
];

/// Tables that production's set-up leaves as they are: credentials and what users did.
const OF_USERS: [&str; 7] = [
    "api_keys",
    "user_sessions",
    "conversations",
    "messages",
    "usage_logs",
    "daily_usage_stats",
    "rate_limits",
];

fn development(scripts: &Scripts) -> Result<Trial, Stop> {
    applied(scripts, scripts.development()?, DEVELOPMENT)
}

fn production(scripts: &Scripts) -> Result<Trial, Stop> {
    applied(scripts, scripts.production()?, PRODUCTION)
}

fn text(value: Option<&Value>) -> &str {
    match value {
        Some(Value::Text(text)) => text,
        Some(Value::Null | Value::Integer(_) | Value::Real(_) | Value::Blob(_)) | None => "",
    }
}

/// The rows of a query over the contract's columns; without them nothing can be judged.
fn looked(trial: &Trial, sql: &str) -> Result<Vec<Vec<Value>>, Stop> {
    let seen = trial.query(sql, &[]);
    seen.map(|seen| seen.rows)
        .map_err(|why| Stop::unmet("API-001", why))
}

/// Characters of a key at least: 128 bits in base64 take 22.
const KEY_LENGTH_MIN: usize = 22;

async fn test_keys(subject: &Subject) -> Judged {
    subject.judge_files(|scripts| {
        let trial = development(scripts)?;
        let seed = &scripts.development()?.text;
        let is_of_key = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
        let words = seed.split(|letter| !is_of_key(letter));
        // Whatever form keys have, they are long.
        let told: BTreeSet<Vec<u8>> = words
            .filter(|word| word.len() >= KEY_LENGTH_MIN)
            .flat_map(hashes)
            .collect();
        let users = looked(
            &trial,
            "SELECT user_id, count(*) FROM api_keys GROUP BY user_id",
        )?;
        let is_one_each = users
            .iter()
            .all(|row| row.get(1) == Some(&Value::Integer(1)));
        if users.len() != 2 || !is_one_each {
            let seen = format!("keys of {} users: {}", users.len(), told_counts(&users));
            return Err(Stop::breach("two users with one key each", seen));
        }
        let keys = trial.table("api_keys")?;
        let usable = keys.iter().filter(|row| {
            row.iter().any(|cell| match cell {
                Value::Text(text) => told.contains(text.as_bytes()),
                Value::Blob(bytes) => told.contains(bytes),
                Value::Null | Value::Integer(_) | Value::Real(_) => false,
            })
        });
        let usable = usable.count();
        if usable != keys.len() {
            return Err(Stop::breach(
                "the key of each user in the seed's comment, and its SHA-256 in api_keys",
                format!(
                    "{usable} of {} rows of api_keys hold the hash of a key that the seed tells",
                    keys.len()
                ),
            ));
        }
        Ok(format!(
            "{usable} keys, whose hashes are those of what the seed tells"
        ))
    })
    .await
}

fn told_counts(rows: &[Vec<Value>]) -> String {
    let rows: Vec<String> = rows.iter().map(|row| told_row(row)).collect();
    rows.join(", ")
}

async fn sample_usage(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let trial = development(scripts)?;
            let rows = trial.table("usage_logs")?.len();
            if rows == 0 {
                return Err(Stop::breach(
                    "sample usage",
                    "usage_logs is empty after the development seed",
                ));
            }
            Ok(format!("{rows} rows of usage"))
        })
        .await
}

/// What holds for every user in an environment: its own value, else the default's.
fn limit(trial: &Trial, environment: &str, name: &str) -> Result<Option<i64>, Stop> {
    let sql = format!(
        "SELECT value FROM user_preferences WHERE name = '{name}' AND (scope = 'default' OR scope = 'environment' AND subject = '{environment}') \
         ORDER BY scope = 'default'"
    );
    let rows = looked(trial, &sql)?;
    let value = rows.first().and_then(|row| row.first());
    Ok(match value {
        Some(Value::Integer(number)) => Some(*number),
        other => text(other).parse().ok(),
    })
}

/// Compares the limits of users with what holds where none is set; how far they go is the target's own matter.
fn limits(trial: &Trial, environment: &str, (what, wanted): (&str, Ordering)) -> Judged {
    let mut told = Vec::new();
    for (name, usual) in USUAL {
        let found = limit(trial, environment, name)?;
        let Some(found) = found.filter(|found| found.cmp(&usual) == wanted) else {
            let seen = found.map_or("no such preference".to_owned(), |found| found.to_string());
            return Err(Stop::breach(
                format!("{name} {what} {usual} in {environment}"),
                seen,
            ));
        };
        told.push(found.to_string());
    }
    Ok(format!("{} a minute, hour and day", told.join(", ")))
}

async fn relaxed_limits(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            limits(
                &development(scripts)?,
                DEVELOPMENT,
                ("above", Ordering::Greater),
            )
        })
        .await
}

async fn strict_limits(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| limits(&production(scripts)?, PRODUCTION, ("below", Ordering::Less)))
        .await
}

async fn verbose(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            flags::flags(
                &development(scripts)?,
                &[("debug", true), ("verbose_logging", true)],
            )
        })
        .await
}

async fn retained(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let trial = production(scripts)?;
            let schema = trial.schema()?;
            for (subject, days) in KEPT {
                let mut is_stated = false;
                for (name, table) in &schema.tables {
                    let columns: Vec<String> = table
                        .columns
                        .iter()
                        .map(|column| column.name.as_str().to_lowercase())
                        .collect();
                    let rows = trial.table(name.as_str())?;
                    is_stated |= rows.iter().any(|row| states(&columns, row, subject, days));
                }
                if !is_stated {
                    let seen = "no row of any table that names both";
                    return Err(Stop::breach(
                        format!("{subject} kept for {days} days"),
                        seen,
                    ));
                }
            }
            Ok("90 days of usage, 30 of sessions, 7 of rate limits".to_owned())
        })
        .await
}

/// Whether a row says that rows of a table are kept for so many days: in a column named after it, or beside its name.
fn states(columns: &[String], row: &[Value], subject: &str, days: i64) -> bool {
    let is_days =
        |value: &Value| *value == Value::Integer(days) || text(Some(value)) == days.to_string();
    let is_named = row.iter().any(|value| text(Some(value)).contains(subject));
    let mut cells = columns.iter().zip(row);
    cells.any(|(column, value)| is_days(value) && (is_named || column.contains(subject)))
}

async fn bare(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let before = scripts.migrated_for(PRODUCTION)?;
            let schema = before.schema()?;
            let is_there = |table: &str| schema.table(table).is_some();
            let trial = production(scripts)?;
            for table in OF_USERS {
                if !is_there(table) {
                    continue;
                }
                let (old, new) = (before.table(table)?.len(), trial.table(table)?.len());
                if new != old {
                    let seen = format!("{new} rows in {table}, where there were {old}");
                    return Err(Stop::breach(
                        "nothing of users in a production set-up",
                        seen,
                    ));
                }
            }
            Ok(format!(
                "{} tables of users are as they were",
                OF_USERS.len()
            ))
        })
        .await
}

/// Applies one file after the other has been: refused, with nothing left.
fn refused(scripts: &Scripts, trial: &Trial, script: &Script, environment: &str) -> Judged {
    let before = trial.state()?;
    let outcome = trial.apply(script, environment, scripts.next() + 1);
    let change = difference(&before, &trial.state()?);
    let expected = format!("{} to be refused as a whole", script.name);
    match (outcome, change) {
        (Err(why), None) => Ok(format!("refused: {why}")),
        (Err(why), Some(change)) => Err(Stop::breach(
            expected,
            format!("refused ({why}), but {change}"),
        )),
        (Ok(()), Some(change)) => Err(Stop::breach(expected, format!("it was applied: {change}"))),
        (Ok(()), None) => Err(Stop::breach(expected, "it was applied without a word")),
    }
}

async fn no_production(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            // It applies where it should.
            production(scripts)?;
            let trial = development(scripts)?;
            refused(scripts, &trial, scripts.production()?, PRODUCTION)
        })
        .await
}

async fn no_development(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            development(scripts)?;
            let trial = production(scripts)?;
            refused(scripts, &trial, scripts.development()?, DEVELOPMENT)
        })
        .await
}

async fn own(subject: &Subject) -> Judged {
    let scripts = subject.scripts()?;
    let trial = Trial::of_target(&subject.own_database()?).await?;
    let (seed, setup) = (scripts.development()?, scripts.production()?);
    if trial.apply(seed, DEVELOPMENT, scripts.next()).is_ok() {
        return refused(&scripts, &trial, setup, PRODUCTION);
    }
    trial
        .apply(setup, PRODUCTION, scripts.next())
        .map_err(|why| Stop::unmet("API-012", format!("it takes neither of the two: {why}")))?;
    refused(&scripts, &trial, seed, DEVELOPMENT)
}

async fn by_tool(subject: &Subject) -> Judged {
    on_a_thread(subject, |work| {
        work.migrated(DEVELOPMENT)?;
        let before = work.seeded(DEVELOPMENT)?.state()?;
        let name = &work.scripts.production()?.name;
        let (has_succeeded, trial) = work.seed(PRODUCTION)?;
        let expected = format!("{name} to be refused as a whole");
        match (has_succeeded, difference(&before, &trial.state()?)) {
            (false, None) => Ok(format!("{name} was refused, and the database is as it was")),
            (false, Some(change)) => Err(Stop::breach(expected, format!("refused, but {change}"))),
            (true, Some(change)) => {
                Err(Stop::breach(expected, format!("it was applied: {change}")))
            }
            (true, None) => Err(Stop::breach(
                expected,
                "the tool said that it succeeded, and nothing is there",
            )),
        }
    })
    .await
}

async fn one_by_one(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            production(scripts)?;
            let (trial, script) = (development(scripts)?, scripts.production()?);
            let before = trial.state()?;
            let statements = statements_of(script);
            // As by a shell that goes on after a statement that failed.
            let refused = statements.iter().filter(|sql| trial.run(sql).is_err());
            let refused = refused.count();
            if let Some(change) = difference(&before, &trial.state()?) {
                return Err(Stop::breach(
                    format!("nothing of {} over development data", script.name),
                    format!(
                        "{refused} of its {} statements fail, but {change}",
                        statements.len()
                    ),
                ));
            }
            Ok(format!(
                "{refused} of {} statements fail, and the others change nothing",
                statements.len()
            ))
        })
        .await
}
