//! A tool that applies migrations as it should, or with one bad habit. Never keeps a state of its own.

use super::target::sha256;
use crate::subject::{Applied, Runner};
use crate::tool;
use rusqlite::{Connection, params};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// What tools do wrongly, one each; the first is no mistake.
pub(super) const HABITS: [&str; 26] = [
    "none",
    "two transactions",
    "records first",
    "constant checksum",
    "checksum of the name",
    "ignores edits",
    "passes over edited files",
    "says that it succeeded",
    "records what failed",
    "goes on after a failure",
    "applies all again",
    "as the folder has them",
    "always development",
    "renews the rows",
    "records the newest only",
    "compares only where something is missing",
    "compares the newest only",
    "applies above the newest only",
    "applies no lower number",
    "refuses what comes late",
    "records a seed first",
    "records a seed that failed",
    "records no seed",
    "takes a database over",
    "takes line ends for alike",
    "records each seed anew",
];

/// A tool with this habit.
pub(super) fn with(habit: &'static str) -> Runner {
    Arc::new(move |migrations, folder, environment| {
        let database = folder.join("api.sqlite");
        let files = files(habit, migrations)?;
        let has_succeeded =
            apply(habit, &files, &database, environment).map_err(io::Error::other)?;
        Ok(Applied {
            has_succeeded,
            database,
        })
    })
}

/// The same tool, where it applies the seed of an environment.
pub(super) fn seeding(habit: &'static str) -> Runner {
    Arc::new(move |migrations, folder, environment| {
        let database = folder.join("api.sqlite");
        let name = format!("{}.sql", tool::seed_of(environment));
        let text = fs::read_to_string(migrations.join("seeds").join(&name))?;
        let has_succeeded =
            seed(habit, &database, (&name, &text), environment).map_err(io::Error::other)?;
        Ok(Applied {
            has_succeeded,
            database,
        })
    })
}

/// Applies a seed, which may run again, and records it once. Whether it succeeded.
fn seed(
    habit: &str,
    database: &Path,
    (name, text): (&str, &str),
    environment: &str,
) -> rusqlite::Result<bool> {
    let connection = Connection::open(database)?;
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA foreign_keys = ON")?;
    let version = recorded(&connection)?.keys().map(|name| number(name)).max();
    let time = newest(&connection) + 1;
    let record = || {
        let once = "WHERE NOT EXISTS (SELECT 1 FROM schema_metadata WHERE file = ?1)";
        let sql = format!(
            "INSERT INTO schema_metadata (file, version, environment, sha256, applied_at) SELECT ?1, ?2, ?3, ?4, ?5 {}",
            if habit == "records each seed anew" {
                ""
            } else {
                once
            }
        );
        let values = params![name, version, environment, sha256(text), time];
        connection.execute(&sql, values).map(drop)
    };
    if habit == "records a seed first" {
        record()?;
    }
    if habit == "takes a database over" {
        let other = "DROP TRIGGER IF EXISTS deployment_is_not_removed; DELETE FROM deployment";
        connection.execute_batch(other)?;
    }
    connection.execute_batch("BEGIN")?;
    if connection.execute_batch(text).is_err() {
        connection.execute_batch("ROLLBACK")?;
        if habit == "records a seed that failed" {
            record()?;
        }
        return Ok(false);
    }
    if habit != "records no seed" && record().is_err() {
        connection.execute_batch("ROLLBACK")?;
        return Ok(false);
    }
    connection.execute_batch("COMMIT")?;
    Ok(true)
}

/// The files in the order in which they are applied.
fn files(habit: &str, folder: &Path) -> io::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        files.push((name, fs::read_to_string(entry.path())?));
    }
    files.sort();
    if habit == "as the folder has them" {
        // Any order but the right one: what a folder lists first depends on the machine.
        let later = files.iter().position(|(name, _)| name.starts_with('9'));
        let later = later.unwrap_or(files.len());
        files[later..].reverse();
    }
    Ok(files)
}

/// The number that a file's name begins with.
fn number(name: &str) -> i64 {
    let digits = name.get(..4).and_then(|digits| digits.parse().ok());
    digits.unwrap_or_default()
}

fn recorded(connection: &Connection) -> rusqlite::Result<BTreeMap<String, String>> {
    let Ok(mut rows) = connection.prepare("SELECT file, sha256 FROM schema_metadata") else {
        return Ok(BTreeMap::new());
    };
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

fn apply(
    habit: &str,
    files: &[(String, String)],
    database: &Path,
    environment: &str,
) -> rusqlite::Result<bool> {
    let connection = Connection::open(database)?;
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA foreign_keys = ON")?;
    let known = recorded(&connection)?;
    let is_recorded = |name: &str| known.contains_key(name);
    let is_current = files.iter().all(|(name, _)| is_recorded(name));
    if habit == "compares only where something is missing" && is_current {
        return Ok(true);
    }
    let newest_file = known.keys().next_back().cloned().unwrap_or_default();
    let is_late = |name: &str| number(name) <= number(&newest_file) && !is_recorded(name);
    if habit == "refuses what comes late" && files.iter().any(|(name, _)| is_late(name)) {
        return Ok(false);
    }
    let mut time = 1_790_000_000_000;
    let mut has_failed = false;
    for (name, text) in files {
        let known = recorded(&connection)?;
        time = time.max(newest(&connection)) + 1;
        if let Some(sha256_then) = known.get(name) {
            let is_alike = habit == "takes line ends for alike"
                && *sha256_then == sha256(&text.replace('\r', ""));
            let is_edited = *sha256_then != sha256(text) && !is_alike;
            match habit {
                "ignores edits" | "constant checksum" | "checksum of the name" => {}
                "compares the newest only" if *name != newest_file => {}
                "passes over edited files" if is_edited => {
                    has_failed = true;
                }
                _ if is_edited => return Ok(habit == "says that it succeeded"),
                _ => {}
            }
            if habit == "applies all again" && name.starts_with('9') {
                // It may fail, as this tool does not mind.
                drop(connection.execute_batch(text));
                again(&connection, name)?;
            }
            if habit == "renews the rows" {
                again(&connection, name)?;
            }
            continue;
        }
        let is_passed_over = match habit {
            "applies above the newest only" => is_late(name),
            "applies no lower number" => number(name) < number(&newest_file),
            _ => false,
        };
        if is_passed_over {
            continue;
        }
        if !one(habit, &connection, (name, text), environment, time)? {
            has_failed = true;
            if habit != "goes on after a failure" {
                break;
            }
        }
    }
    if habit == "records the newest only" {
        let newest = "DROP TRIGGER IF EXISTS schema_metadata_is_not_removed; DELETE FROM schema_metadata WHERE version < (SELECT max(version) FROM schema_metadata)";
        connection.execute_batch(newest)?;
    }
    Ok(!has_failed || habit == "says that it succeeded")
}

fn newest(connection: &Connection) -> i64 {
    let sql = "SELECT coalesce(max(applied_at), 0) FROM schema_metadata";
    connection.query_row(sql, [], |row| row.get(0)).unwrap_or(0)
}

/// Gives the row of a file another time.
fn again(connection: &Connection, name: &str) -> rusqlite::Result<()> {
    connection.execute_batch("DROP TRIGGER IF EXISTS schema_metadata_is_not_changed")?;
    let sql = "UPDATE schema_metadata SET applied_at = applied_at + 1 WHERE file = ?1";
    connection.execute(sql, [name]).map(drop)
}

/// Applies one file and records it. Whether it succeeded.
fn one(
    habit: &str,
    connection: &Connection,
    (name, text): (&str, &str),
    environment: &str,
    time: i64,
) -> rusqlite::Result<bool> {
    let checksum = match habit {
        "constant checksum" => "0".repeat(64),
        "checksum of the name" => sha256(name),
        _ => sha256(text),
    };
    let environment = if habit == "always development" {
        "development"
    } else {
        environment
    };
    let version = number(name);
    let record = || {
        let sql = "INSERT INTO schema_metadata (file, version, environment, sha256, applied_at) VALUES (?1, ?2, ?3, ?4, ?5)";
        connection.execute(sql, params![name, version, environment, checksum, time])
    };
    if habit == "records first" && version > 1 {
        record()?;
        return Ok(connection.execute_batch(text).is_ok());
    }
    connection.execute_batch("BEGIN")?;
    let outcome = connection.execute_batch(text);
    if outcome.is_err() {
        connection.execute_batch("ROLLBACK")?;
        if habit == "records what failed" {
            record()?;
        }
        return Ok(false);
    }
    if habit == "two transactions" {
        connection.execute_batch("COMMIT; BEGIN")?;
    }
    record()?;
    connection.execute_batch("COMMIT")?;
    Ok(true)
}
