//! Prices that a schema holds apart. Never asks for a guard: a worker may be the one that keeps prices from overlapping.

use crate::aspect::{Aspect, aspect};
use crate::oracle::dates::DAY;
use crate::outcome::{Judged, Stop};
use crate::sample::Table;
use crate::subject::Subject;
use rusqlite::types::Value;

pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-004",
        Beside,
        "a schema that keeps a price from beginning within another one keeps it from every overlap",
        in_the_schema
    ),
    aspect!(
        "API-004",
        Beside,
        "a schema that keeps a price from being replaced keeps it whatever the other one is for",
        not_replaced
    ),
];

/// When the price that stands begins, epoch milliseconds.
const BEGIN: i64 = 1_767_225_600_000;

/// Beginning and end of a price, in days after that; some have no end.
type Days = (i64, Option<i64>);

/// The price that stands.
const STANDS: Days = (0, Some(10));

/// Begins as that one ends, and so does not overlap with it.
const NEXT: Days = (10, None);

/// Begins within that one: what a schema with a guard refuses at least.
const WITHIN: Days = (5, Some(15));

/// Further ways to overlap with it.
const OVERLAPS: [(&str, Days); 5] = [
    ("that begins within it and has no end", (5, None)),
    ("that begins and ends within it", (2, Some(8))),
    ("that begins before it and ends within it", (-5, Some(5))),
    ("that begins before it and ends after it", (-5, Some(15))),
    ("that begins before it and has no end", (-5, None)),
];

fn row((begin, end): Days) -> Vec<(&'static str, Value)> {
    let at = |days: i64| Value::Integer(BEGIN + days * DAY);
    vec![
        ("model", Value::Text("small".to_owned())),
        ("input_micros_per_million", Value::Integer(1)),
        ("output_micros_per_million", Value::Integer(2)),
        ("valid_from", at(begin)),
        ("valid_to", end.map_or(Value::Null, at)),
        ("created_at", Value::Integer(BEGIN)),
    ]
}

async fn in_the_schema(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let trial = scripts.migrated()?;
            let prices = Table::of(&trial, "model_pricing")?;
            prices.fill(&trial, [row(STANDS)])?;
            if let Err(why) = prices.takes(&trial, &row(NEXT))? {
                let seen = format!("the next price is refused: {why}");
                return Err(Stop::unmet("API-001", seen));
            }
            if prices.takes(&trial, &row(WITHIN))?.is_ok() {
                return Ok("the schema leaves overlaps to the worker".to_owned());
            }
            for (what, days) in OVERLAPS {
                if prices.takes(&trial, &row(days))?.is_ok() {
                    return Err(Stop::breach(
                        format!("a price {what} to be refused, as one that begins within it is"),
                        "it is taken",
                    ));
                }
            }
            Ok(format!("{} overlaps are refused", OVERLAPS.len() + 1))
        })
        .await
}

/// Replacements of the price that stands by its id, of which each overlaps with less of it than the one before.
const REPLACEMENTS: [(&str, &str); 4] = [
    (
        "with another amount",
        "input_micros_per_million = input_micros_per_million + 1",
    ),
    (
        "by one of the days after it",
        "valid_from = valid_to, valid_to = NULL",
    ),
    ("by one of another model", "model = model || 'x'"),
    (
        "by one of another model and time",
        "model = model || 'x', valid_from = valid_to, valid_to = NULL",
    ),
];

async fn not_replaced(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let trial = scripts.migrated()?;
            Table::of(&trial, "model_pricing")?.fill(&trial, [row(STANDS)])?;
            let mut kept = Vec::new();
            for (what, set) in REPLACEMENTS {
                // What is put in its place is the row itself, changed in a table beside it.
                let replace = [
                    "CREATE TABLE moltproof_price AS SELECT * FROM model_pricing".to_owned(),
                    format!("UPDATE moltproof_price SET {set}"),
                    "INSERT OR REPLACE INTO model_pricing SELECT * FROM moltproof_price".to_owned(),
                ];
                let is_kept = trial.tried(|trial| {
                    let before = trial.table("model_pricing")?;
                    for sql in &replace {
                        drop(trial.run(sql));
                    }
                    let after = trial.table("model_pricing")?;
                    Ok::<_, Stop>(before.iter().all(|price| after.contains(price)))
                })??;
                kept.push((what, is_kept));
            }
            // API-013 asks for the guard; here it is to hold for all if it is there.
            if !kept[0].1 {
                return Ok("the schema lets prices be replaced".to_owned());
            }
            match kept.iter().find(|(_, is_kept)| !is_kept) {
                None => Ok(format!("a price stayed beside {} replacements", kept.len())),
                Some((what, _)) => Err(Stop::breach(
                    "a price that no REPLACE takes away, for history is kept",
                    format!("it is gone when it is replaced {what}"),
                )),
            }
        })
        .await
}
