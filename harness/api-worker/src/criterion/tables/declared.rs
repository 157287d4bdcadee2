//! The fourteen tables as the migrations make them: keys, references, indexes, constraints. Never asks the target.

use crate::aspect::{Aspect, aspect};
use crate::outcome::{Judged, Stop};
use crate::sample::Table;
use crate::scripts::Scripts;
use crate::scripts::trial::Trial;
use crate::subject::Subject;
use crate::words::TABLES;
use moltproof_data::catalog::{Name, Schema};
use rusqlite::types::Value;

pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-001",
        Beside,
        "the migrations apply in order and make the fourteen tables, each with a primary key",
        tables
    ),
    aspect!(
        "API-001",
        Beside,
        "messages refer to conversations and sessions to keys, each reference by an index",
        references
    ),
    aspect!(
        "API-001",
        Beside,
        "what the routes look for is found by an index",
        indexes
    ),
    aspect!(
        "API-001",
        Beside,
        "no table takes a kind, an amount or a text that the contract does not know",
        constraints
    ),
];

async fn tables(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let schema = scripts.trial()?.schema()?;
            for name in TABLES {
                let table = schema.table(name).ok_or_else(|| {
                    Stop::breach(format!("a table {name}"), "the migrations make none")
                })?;
                if table.primary_key.is_empty() {
                    return Err(Stop::breach(
                        format!("a primary key of {name}"),
                        "it has none",
                    ));
                }
            }
            Ok(format!("{} tables with their keys", TABLES.len()))
        })
        .await
}

fn schema(scripts: &Scripts) -> Result<Schema, Stop> {
    scripts.migrated()?.schema()
}

async fn references(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let schema = schema(scripts)?;
            for (child, parent) in super::schema::REFERENCES {
                let Some(table) = schema.table(child) else {
                    return Err(Stop::breach(
                        format!("a table {child}"),
                        "the migrations make none",
                    ));
                };
                if !table
                    .foreign_keys
                    .iter()
                    .any(|key| key.parent.as_str() == parent)
                {
                    let expected = format!("a reference of {child} to {parent}");
                    return Err(Stop::breach(expected, "no reference to it"));
                }
            }
            let mut count = 0;
            for name in TABLES {
                let Some(table) = schema.table(name) else {
                    continue;
                };
                for key in &table.foreign_keys {
                    count += 1;
                    let columns = told(&key.columns);
                    let leads = |index: &[Name]| {
                        key.columns.iter().all(|column| {
                            index
                                .iter()
                                .take(key.columns.len())
                                .any(|part| part == column)
                        })
                    };
                    let is_indexed =
                        table.index_on(&key.columns).is_some() || leads(&table.primary_key);
                    if !is_indexed {
                        let expected = format!("an index of {name} that begins with {columns}");
                        return Err(Stop::breach(expected, "no such index"));
                    }
                    let parent = schema.tables.get(&key.parent);
                    if !parent.is_some_and(|parent| parent.is_unique(&key.parent_columns)) {
                        let expected = format!(
                            "{} to be a key of {}",
                            told(&key.parent_columns),
                            key.parent.as_str()
                        );
                        return Err(Stop::breach(
                            expected,
                            format!("{name} refers to it, and it is none"),
                        ));
                    }
                }
            }
            Ok(format!("{count} references"))
        })
        .await
}

fn told(columns: &[Name]) -> String {
    let names: Vec<&str> = columns.iter().map(Name::as_str).collect();
    names.join(", ")
}

/// The part of a condition that a table of messages may have no column for.
const OF_ITS_USER: &str = " AND user_id = 'ada'";

/// What the routes of the contract look for, by table.
const LOOKUPS: [(&str, &str); 7] = [
    ("usage_logs", "user_id = 'ada' AND created_at >= 1"),
    ("conversations", "user_id = 'ada'"),
    ("messages", "conversation_id = 'one' AND user_id = 'ada'"),
    ("api_keys", "id = 'one'"),
    ("audit_logs", "created_at >= 1 AND created_at < 2"),
    (
        "system_metrics",
        "name = 'error.internal_error' AND created_at >= 1",
    ),
    (
        "daily_usage_stats",
        "date >= '2026-01-01' AND date <= '2026-01-02'",
    ),
];

async fn indexes(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let trial = scripts.migrated()?;
            for (table, condition) in LOOKUPS {
                let planned = |condition: &str| {
                    let sql = format!("EXPLAIN QUERY PLAN SELECT * FROM {table} WHERE {condition}");
                    trial.query(&sql, &[])
                };
                let plan = planned(condition).or_else(|why| {
                    // A message may reach its user through its conversation alone.
                    let by_conversation = condition.strip_suffix(OF_ITS_USER);
                    by_conversation.map_or(Err(why), planned)
                });
                let plan = plan.map_err(|why| {
                    Stop::breach(format!("{table} with the columns of the contract"), why)
                })?;
                let first = plan.rows.first().and_then(|row| row.get(3));
                if let Some(Value::Text(step)) = first
                    && step.starts_with("SCAN")
                {
                    let expected = format!("an index for {condition} in {table}");
                    return Err(Stop::breach(expected, "it is read from end to end"));
                }
            }
            Ok(format!("{} questions", LOOKUPS.len()))
        })
        .await
}

/// What no row may say: table, column, value.
const FORBIDDEN: [(&str, &str, &str); 18] = [
    ("usage_logs", "input_tokens", "-1"),
    ("usage_logs", "output_tokens", "-1"),
    ("usage_logs", "cost_micros", "-1"),
    ("usage_logs", "model", "NULL"),
    ("usage_logs", "created_at", "NULL"),
    ("messages", "role", "'oracle'"),
    ("messages", "tool_calls", "'{'"),
    ("messages", "position", "-1"),
    ("api_keys", "permissions", "'all'"),
    ("api_keys", "user_id", "NULL"),
    ("model_pricing", "input_micros_per_million", "-1"),
    ("model_pricing", "output_micros_per_million", "-1"),
    ("rate_limits", "window_kind", "'week'"),
    ("rate_limits", "subject_kind", "'planet'"),
    ("user_preferences", "scope", "'planet'"),
    ("user_preferences", "value", "'{'"),
    ("feature_flags", "rollout_percent", "101"),
    ("webhooks", "events", "'all'"),
];

/// A database with rows and without triggers, so that it is the tables that refuse.
fn bare(scripts: &Scripts) -> Result<Trial, Stop> {
    let trial = scripts.filled()?;
    let window = vec![
        ("subject_kind", Value::Text("user".to_owned())),
        ("subject", Value::Text("ada".to_owned())),
        ("window_kind", Value::Text("minute".to_owned())),
        ("window_start", Value::Integer(1_767_225_600_000)),
        ("requests", Value::Integer(1)),
    ];
    Table::of(&trial, "rate_limits")?.fill(&trial, [window])?;
    for name in trial.schema()?.triggers.keys() {
        trial.ours(|connection| {
            connection.execute_batch(&format!("DROP TRIGGER {}", name.quoted()))
        })?;
    }
    Ok(trial)
}

async fn constraints(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let trial = bare(scripts)?;
            let mut count = 0;
            for (table, column, value) in FORBIDDEN {
                let set = |value: &str| format!("UPDATE {table} SET {column} = {value}");
                // The row can be written, only not with this.
                if trial.table(table)?.is_empty() || trial.run(&set(column)).is_err() {
                    continue;
                }
                count += 1;
                if trial.tried(|trial| trial.run(&set(value)))?.is_ok() {
                    return Err(Stop::breach(
                        format!("{table} to refuse {column} {value}"),
                        "it was taken",
                    ));
                }
            }
            if count < FORBIDDEN.len() / 2 {
                let seen = format!("only {count} of {} columns could be tried", FORBIDDEN.len());
                return Err(Stop::Fault(seen));
            }
            Ok(format!(
                "{count} of {} values were tried and refused",
                FORBIDDEN.len()
            ))
        })
        .await
}
