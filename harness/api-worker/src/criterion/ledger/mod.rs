//! API-007: what `schema_metadata` tells of the files that were applied. Never applies one to the target's own database.

mod recorded;
mod route;
mod runner;

use crate::aspect::{Aspect, aspect};
use crate::outcome::Stop;
use crate::scripts::Scripts;
use crate::scripts::trial::{Trial, instant, sha256, version_of};
use rusqlite::types::Value;

pub(crate) use runner::{seeder_works, tool_works};

/// What is judged of API-007.
pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-007",
        Beside,
        "schema_metadata keeps file, version, environment, SHA-256 and time of each file, one row for each",
        recorded::table
    ),
    aspect!(
        "API-007",
        Beside,
        "the target's database has a row for each migration, with the SHA-256 of its text",
        recorded::digests
    ),
    aspect!(
        "API-007",
        Beside,
        "what the target's database records has been applied to it",
        recorded::applied
    ),
    aspect!(
        "API-007",
        Beside,
        "the rows of the target's database are in order: by version, by time, in a known environment",
        recorded::order
    ),
    aspect!(
        "API-007",
        Beside,
        "the operators' route tells version, environment and the history with the SHA-256 of each file",
        route::told
    ),
    aspect!(
        "API-007",
        Beside,
        "the operators' route tells what the database holds",
        route::same
    ),
    aspect!(
        "API-007",
        Apart,
        "the target's own tool applies the missing migrations in order and records each with its SHA-256",
        runner::first
    ),
    aspect!(
        "API-007",
        Apart,
        "the target's own tool applies nothing twice, and a new file without touching the rows of older ones",
        runner::again
    ),
    aspect!(
        "API-007",
        Apart,
        "the target's own tool refuses a file that was edited after it was applied, and applies nothing after it",
        runner::edited
    ),
    aspect!(
        "API-007",
        Apart,
        "the target's own tool records no file that failed, and goes on from it once it is mended",
        runner::failed
    ),
    aspect!(
        "API-007",
        Apart,
        "the target's own tool records no seed that failed, and the seed once it is mended",
        runner::seeds
    ),
];

/// The environments of the contract.
const ENVIRONMENTS: [&str; 3] = ["development", "staging", "production"];

/// A row of `schema_metadata`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    /// The name of the file, without folders.
    file: String,
    version: i64,
    environment: String,
    sha256: String,
    applied_at: i64,
}

/// What each migration at hand must be recorded as: name, version, SHA-256.
fn wanted(scripts: &Scripts) -> Vec<(String, i64, String)> {
    let migrations = scripts.migrations.iter().enumerate();
    migrations
        .map(|(number, script)| {
            let version = version_of(script, number);
            (script.name.clone(), version, sha256(&script.text))
        })
        .collect()
}

/// The rows of a ledger, in the order in which they came to be.
fn records(trial: &Trial) -> Result<Vec<Record>, Stop> {
    let sql = "SELECT file, version, environment, sha256, applied_at FROM schema_metadata ORDER BY applied_at, version, file";
    let expected = "schema_metadata (file, version, environment, sha256, applied_at)";
    let seen = trial
        .query(sql, &[])
        .map_err(|why| Stop::breach(expected, why))?;
    seen.rows
        .iter()
        .map(|row| {
            record(row).ok_or_else(|| Stop::breach(expected, crate::scripts::trial::told_row(row)))
        })
        .collect()
}

fn record(row: &[Value]) -> Option<Record> {
    let [
        Value::Text(file),
        Value::Integer(version),
        Value::Text(environment),
        Value::Text(sha256),
        applied_at,
    ] = row
    else {
        return None;
    };
    Some(Record {
        file: file.rsplit('/').next().unwrap_or(file).to_owned(),
        version: *version,
        environment: environment.clone(),
        sha256: sha256.to_lowercase(),
        applied_at: instant(applied_at)?,
    })
}

/// That each of these files is recorded, with its version and SHA-256.
fn all_recorded(records: &[Record], wanted: &[(String, i64, String)]) -> Result<(), Stop> {
    for (file, version, sha256) in wanted {
        let expected = format!("a row for {file} with version {version} and SHA-256 {sha256}");
        let rows: Vec<&Record> = records
            .iter()
            .filter(|record| record.file == *file)
            .collect();
        match rows.as_slice() {
            [] => return Err(Stop::breach(expected, "no row of this file")),
            [one] if one.version != *version => {
                return Err(Stop::breach(expected, format!("version {}", one.version)));
            }
            [one] if one.sha256 != *sha256 => {
                return Err(Stop::breach(expected, format!("SHA-256 {}", one.sha256)));
            }
            [_one] => {}
            many => return Err(Stop::breach(expected, format!("{} rows of it", many.len()))),
        }
    }
    Ok(())
}
