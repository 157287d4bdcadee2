//! API-014: one format of times in a database, and money in integers. Never judges which values stand there.

mod requests;

use crate::aspect::{Aspect, aspect};
use crate::outcome::{Judged, Stop};
use crate::scripts::Scripts;
use crate::scripts::trial::{Trial, told};
use crate::subject::Subject;
use crate::words::is_instant;
use moltproof_data::catalog::{Affinity, Column, Schema};
use rusqlite::types::Value;
use std::collections::BTreeMap;

/// What is judged of API-014.
pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-014",
        Beside,
        "every column of times is declared in one type",
        declared_times
    ),
    aspect!(
        "API-014",
        Beside,
        "the seed, the set-up and the schema's own defaults write times in one format",
        written_times
    ),
    aspect!(
        "API-014",
        Beside,
        "every column of money is declared as an integer",
        declared_money
    ),
    aspect!(
        "API-014",
        Beside,
        "the seed and the views hold money in integers",
        written_money
    ),
    aspect!(
        "API-014",
        Beside,
        "the target's own database holds times in one format and money in integers",
        own
    ),
    aspect!(
        "API-014",
        Beside,
        "what requests leave, those that fail among them, has times in one format and money in integers",
        requests::written
    ),
];

/// How a time can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Format {
    Seconds,
    Milliseconds,
    Microseconds,
    Iso,
    Sql,
    Fraction,
    Other,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds since 1970",
            Self::Milliseconds => "milliseconds since 1970",
            Self::Microseconds => "microseconds since 1970",
            Self::Iso => "text of ISO 8601",
            Self::Sql => "text as CURRENT_TIMESTAMP writes it",
            Self::Fraction => "a number with a fraction",
            Self::Other => "something else",
        }
    }

    /// The format of a time between 1973 and 5138; none of a value that may be in any.
    fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => return None,
            Value::Integer(number) => match number {
                100_000_000..=99_999_999_999 => Self::Seconds,
                100_000_000_000..=99_999_999_999_999 => Self::Milliseconds,
                100_000_000_000_000.. => Self::Microseconds,
                _ => return None,
            },
            Value::Real(_) => Self::Fraction,
            Value::Text(text) => match text.as_bytes().get(10) {
                Some(b'T') => Self::Iso,
                Some(b' ') => Self::Sql,
                Some(_) | None => Self::Other,
            },
            Value::Blob(_) => Self::Other,
        })
    }
}

/// Whether a column holds money, by its name.
fn is_money(name: &str) -> bool {
    let name = name.to_lowercase();
    let ends = [
        "cost",
        "price",
        "amount",
        "micros",
        "cents",
        "per_million",
        "per_1k",
        "per_token",
        "_usd",
    ];
    ends.iter().any(|end| name.ends_with(end))
}

/// The columns of all tables whose names say so.
fn columns(schema: &Schema, is_wanted: fn(&str) -> bool) -> Vec<(&str, &Column)> {
    let tables = schema.tables.iter();
    let columns = tables.flat_map(|(name, table)| {
        let columns = table.columns.iter();
        columns.map(move |column| (name.as_str(), column))
    });
    columns
        .filter(|(table, column)| is_wanted(column.name.as_str()) && *table != "d1_migrations")
        .collect()
}

/// Those that are declared so that they hold numbers of that kind; by `what`, which names them all.
fn declared(
    scripts: &Scripts,
    is_wanted: fn(&str) -> bool,
) -> Result<BTreeMap<&'static str, Vec<String>>, Stop> {
    let schema = scripts.migrated()?.schema()?;
    let mut by_type: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for (table, column) in columns(&schema, is_wanted) {
        let kind = match column.affinity() {
            Affinity::Integer => INTEGER,
            Affinity::Text => "TEXT",
            Affinity::Real => "REAL",
            Affinity::Numeric => "NUMERIC",
            Affinity::Blob => "no type",
        };
        by_type
            .entry(kind)
            .or_default()
            .push(format!("{table}.{}", column.name.as_str()));
    }
    Ok(by_type)
}

async fn declared_times(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let mut by_type = declared(scripts, is_instant)?;
            // DATETIME and the like hold numbers as well as INTEGER does; which stand there is seen by the values.
            if let Some(numeric) = by_type.remove("NUMERIC") {
                by_type.entry(INTEGER).or_default().extend(numeric);
            }
            let told: Vec<String> = by_type
                .iter()
                .map(|(kind, columns)| format!("{kind}: {}", short(columns)))
                .collect();
            match by_type.len() {
                0 => Err(Stop::unmet("API-001", "no column of any table holds times")),
                1 => Ok(format!(
                    "{} columns, all of one type",
                    by_type.values().map(Vec::len).sum::<usize>()
                )),
                _ => Err(Stop::breach(
                    "one type for all columns of times",
                    told.join("; "),
                )),
            }
        })
        .await
}

/// The type of whole numbers.
const INTEGER: &str = "INTEGER";

/// The first of some names, and how many there are.
fn short(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [one, rest @ ..] => format!("{one} and {} more", rest.len()),
    }
}

async fn declared_money(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let by_type = declared(scripts, is_money)?;
            let wrong = by_type.iter().find(|(kind, _)| **kind != INTEGER);
            match (wrong, by_type.get(INTEGER)) {
                (Some((kind, columns)), _) => Err(Stop::breach(
                    "INTEGER for each column of money",
                    format!("{kind} for {}", short(columns)),
                )),
                (None, Some(columns)) => Ok(format!("{} columns", columns.len())),
                (None, None) => Err(Stop::unmet("API-001", "no column of any table holds money")),
            }
        })
        .await
}

/// Which formats the times of a database are in, each with a place.
fn formats(trial: &Trial) -> Result<(BTreeMap<Format, String>, usize), Stop> {
    let schema = trial.schema()?;
    let (mut formats, mut count) = (BTreeMap::new(), 0);
    for (table, column) in columns(&schema, is_instant) {
        let sql = format!("SELECT {} FROM \"{table}\"", column.name.quoted());
        for value in trial.read(&sql)?.into_iter().flatten() {
            if let Some(format) = Format::of(&value) {
                count += 1;
                let place = format!("{table}.{} {}", column.name.as_str(), told(&value));
                formats.entry(format).or_insert(place);
            }
        }
    }
    Ok((formats, count))
}

fn one_format(found: &BTreeMap<Format, String>) -> Result<&'static str, Stop> {
    let is_one = found.len() == 1
        && !found.contains_key(&Format::Other)
        && !found.contains_key(&Format::Fraction);
    match found.keys().next() {
        Some(format) if is_one => Ok(format.name()),
        Some(_) => {
            let told: Vec<String> = found
                .iter()
                .map(|(format, place)| format!("{}: {place}", format.name()))
                .collect();
            Err(Stop::breach("one format of times", told.join("; ")))
        }
        None => Err(Stop::unmet("API-001", "no time stands anywhere")),
    }
}

/// Databases that the files make: of development, of production, and with a row in each table by the schema's own defaults.
fn made(scripts: &Scripts) -> Result<Vec<Trial>, Stop> {
    let missing = |stop: Stop| stop.or_unmet("API-006");
    let (seed, setup) = (
        scripts.development().map_err(missing)?,
        scripts.production().map_err(missing)?,
    );
    let development = super::files::applied(scripts, seed, "development")?;
    let production = super::files::applied(scripts, setup, "production")?;
    Ok(vec![development, production])
}

async fn written_times(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let (mut all, mut count) = (BTreeMap::new(), 0);
            for trial in made(scripts)? {
                let (found, times) = formats(&trial)?;
                count += times;
                for (format, place) in found {
                    all.entry(format).or_insert(place);
                }
            }
            let trial = scripts.migrated()?;
            for (table, column) in columns(&trial.schema()?, is_instant) {
                let Some(default) = &column.default else {
                    continue;
                };
                let sql = format!("SELECT {default}");
                // A default that is no expression of its own was judged with the schema.
                let Ok(seen) = trial.query(&sql, &[]) else {
                    continue;
                };
                let value = seen.rows.into_iter().flatten().next();
                if let Some(format) = value.as_ref().and_then(Format::of) {
                    let place = format!("the default of {table}.{}", column.name.as_str());
                    all.entry(format).or_insert(place);
                }
            }
            let format = one_format(&all)?;
            Ok(format!("{count} times, all {format}"))
        })
        .await
}

/// A sum of money that is no integer.
fn fraction(trial: &Trial) -> Result<(Option<String>, usize), Stop> {
    let schema = trial.schema()?;
    let mut places: Vec<(String, String)> = columns(&schema, is_money)
        .into_iter()
        .map(|(table, column)| (table.to_owned(), column.name.as_str().to_owned()))
        .collect();
    for view in [
        "user_usage_summary",
        "model_usage_stats",
        "daily_usage_trends",
    ] {
        let sql = format!("SELECT name FROM pragma_table_info('{view}')");
        let names = trial.read(&sql)?.into_iter().flatten();
        let names = names.filter_map(|name| match name {
            Value::Text(name) if is_money(&name) => Some(name),
            Value::Text(_) | Value::Null | Value::Integer(_) | Value::Real(_) | Value::Blob(_) => {
                None
            }
        });
        places.extend(names.map(|name| (view.to_owned(), name)));
    }
    let mut count = 0;
    for (table, column) in places {
        let seen = trial.query(&format!("SELECT \"{column}\" FROM \"{table}\""), &[]);
        let Ok(seen) = seen else { continue };
        for value in seen.rows.into_iter().flatten() {
            match value {
                Value::Null => {}
                Value::Integer(_) => count += 1,
                Value::Real(_) | Value::Text(_) | Value::Blob(_) => {
                    return Ok((Some(format!("{table}.{column} {}", told(&value))), count));
                }
            }
        }
    }
    Ok((None, count))
}

async fn written_money(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let mut all = 0;
            for trial in made(scripts)? {
                let (wrong, count) = fraction(&trial)?;
                if let Some(place) = wrong {
                    return Err(Stop::breach("money in integers", place));
                }
                all += count;
            }
            if all == 0 {
                return Err(Stop::unmet(
                    "API-006",
                    "neither seed nor set-up holds money",
                ));
            }
            Ok(format!("{all} sums"))
        })
        .await
}

async fn own(subject: &Subject) -> Judged {
    let trial = Trial::of_target(&subject.own_database()?).await?;
    let (found, times) = formats(&trial)?;
    let format = one_format(&found)?;
    let (wrong, sums) = fraction(&trial)?;
    if let Some(place) = wrong {
        return Err(Stop::breach("money in integers", place));
    }
    Ok(format!("{times} times, all {format}; {sums} sums of money"))
}
