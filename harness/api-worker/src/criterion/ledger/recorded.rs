//! What stands in `schema_metadata`: of any database that the files make, and of the target's own. Never asks a route.

use super::{ENVIRONMENTS, all_recorded, records, wanted};
use crate::outcome::{Judged, Stop};
use crate::sample::Table;
use crate::scripts::trial::Trial;
use crate::subject::Subject;
use moltproof_doubles::clock;
use rusqlite::types::Value;
use std::collections::BTreeSet;

/// The earliest time of an application that is believed: 2020-01-01.
const EARLIEST: i64 = 1_577_836_800_000;
/// How far ahead of the judge's clock a time may be. Evidence: a told clock begins at the next full hour.
const AHEAD_MAX: i64 = 86_400_000;

fn row(file: &str, version: i64, environment: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("file", Value::Text(file.to_owned())),
        ("version", Value::Integer(version)),
        ("environment", Value::Text(environment.to_owned())),
        ("sha256", Value::Text("0a".repeat(32))),
        ("applied_at", Value::Integer(1_790_000_000_000 + version)),
    ]
}

pub(super) async fn table(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let trial = scripts.migrated()?;
            let before = records(&trial)?.len();
            let table = Table::of(&trial, "schema_metadata")?;
            let put = |file: &str, version: i64, environment: &str| {
                table.fill(&trial, [row(file, version, environment)])
            };
            for (version, environment) in (9_001..).zip(ENVIRONMENTS) {
                put(&format!("{version}_moltproof.sql"), version, environment).map_err(|stop| {
                    let expected = format!("a row for each file of {environment}");
                    Stop::breach(expected, stop.to_string())
                })?;
            }
            let kept = records(&trial)?.len() - before;
            if kept != ENVIRONMENTS.len() {
                let seen = format!("{kept} rows of {} files", ENVIRONMENTS.len());
                return Err(Stop::breach("a row for each file", seen));
            }
            let twice = put("9001_moltproof.sql", 9_001, "production");
            if twice.is_ok() && records(&trial)?.len() > before + kept {
                let seen = "a second row of a file is taken";
                return Err(Stop::breach("one row for each file", seen));
            }
            Ok(format!("{kept} files have a row each, and none has two"))
        })
        .await
}

pub(super) async fn digests(subject: &Subject) -> Judged {
    let scripts = subject.scripts()?;
    let trial = Trial::of_target(&subject.own_database()?).await?;
    // What cannot be applied is rightly not recorded.
    drop(scripts.migrated()?);
    let wanted = wanted(&scripts);
    all_recorded(&records(&trial)?, &wanted)?;
    Ok(format!("{} migrations", wanted.len()))
}

/// The names of what a database is made of.
fn objects(trial: &Trial) -> Result<BTreeSet<String>, Stop> {
    trial.ours(|connection| {
        let sql = "SELECT type || ' ' || name FROM sqlite_schema WHERE name NOT GLOB 'sqlite_*'";
        let mut statement = connection.prepare(sql)?;
        let names = statement.query_map([], |row| row.get(0))?;
        names.collect()
    })
}

pub(super) async fn applied(subject: &Subject) -> Judged {
    let scripts = subject.scripts()?;
    let target = Trial::of_target(&subject.own_database()?).await?;
    let recorded: BTreeSet<String> = records(&target)?
        .into_iter()
        .map(|record| record.file)
        .collect();
    let there = objects(&target)?;
    let trial = Trial::empty(&scripts.columns)?;
    let (mut before, mut count) = (BTreeSet::new(), 0);
    // What a later file takes away again is not missing.
    let last = objects(&scripts.migrated()?)?;
    for (number, script) in scripts.migrations.iter().enumerate() {
        trial
            .apply(script, "production", number)
            .map_err(|why| Stop::unmet("API-001", why))?;
        let after = objects(&trial)?;
        if recorded.contains(&script.name) {
            let mut made = after
                .difference(&before)
                .filter(|name| last.contains(*name));
            if let Some(missing) = made.find(|name| !there.contains(*name)) {
                return Err(Stop::breach(
                    format!("what {} makes, for it is recorded", script.name),
                    format!("no {missing} in the database"),
                ));
            }
            count += 1;
        }
        before = after;
    }
    if count == 0 {
        return Err(Stop::breach(
            "a row for each file that was applied",
            "no row of any migration",
        ));
    }
    Ok(format!("{count} recorded files, and all that they make"))
}

pub(super) async fn order(subject: &Subject) -> Judged {
    let scripts = subject.scripts()?;
    let trial = Trial::of_target(&subject.own_database()?).await?;
    let records = records(&trial)?;
    let latest = clock::epoch_ms() + AHEAD_MAX;
    for record in &records {
        if !ENVIRONMENTS.contains(&record.environment.as_str()) {
            let seen = format!("{} was applied in {}", record.file, record.environment);
            return Err(Stop::breach(
                format!("one of {}", ENVIRONMENTS.join(", ")),
                seen,
            ));
        }
        if !(EARLIEST..=latest).contains(&record.applied_at) {
            let seen = format!("{} was applied at {}", record.file, record.applied_at);
            return Err(Stop::breach(
                "the time of the application in epoch milliseconds",
                seen,
            ));
        }
    }
    let wanted = wanted(&scripts);
    let mut times = Vec::new();
    for (file, ..) in &wanted {
        let record = records.iter().find(|record| record.file == *file);
        times.extend(record.map(|record| (record.applied_at, file)));
    }
    let swapped = times.windows(2).find(|pair| pair[0].0 > pair[1].0);
    if let Some([(_, first), (_, second)]) = swapped {
        let seen = format!("{second} before {first}");
        return Err(Stop::breach("migrations applied in their order", seen));
    }
    Ok(format!("{} rows in order", records.len()))
}
