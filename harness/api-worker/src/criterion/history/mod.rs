//! API-013: history is not rewritten. What is tried is tried in a copy; the target's own database is only looked at.

mod replaced;
mod routes;
mod said;

use crate::aspect::{Aspect, aspect};
use crate::oracle::sums::Usage;
use crate::outcome::{Judged, Stop};
use crate::sample::{self, log};
use crate::scripts::Scripts;
use crate::scripts::trial::{Trial, instant, time_like, told_row};
use crate::subject::Subject;
use moltproof_data::catalog::{Name, Table};
use rusqlite::types::Value;
use said::HISTORY;

/// What is judged of API-013.
pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-013",
        Beside,
        "no UPDATE gives a row of any table another created_at",
        update_of_time
    ),
    aspect!(
        "API-013",
        Beside,
        "no change of another column, and no trigger, touches created_at",
        triggers
    ),
    aspect!(
        "API-013",
        Beside,
        "no REPLACE gives a key, or a row of history, another created_at",
        replaced::of_time
    ),
    aspect!(
        "API-013",
        Beside,
        "usage, messages, prices, daily sums and audit entries cannot be changed: a correction is a row of its own",
        update
    ),
    aspect!(
        "API-013",
        Beside,
        "usage, messages, prices, daily sums and audit entries cannot be replaced",
        replaced::of_history
    ),
    aspect!(
        "API-013",
        Beside,
        "the end of a price is set once",
        end_of_price
    ),
    aspect!(
        "API-013",
        Beside,
        "no statement removes an audit entry or a price",
        removal
    ),
    aspect!(
        "API-013",
        Beside,
        "the production set-up gives nothing that it finds another created_at",
        of_set_up
    ),
    aspect!(
        "API-013",
        Beside,
        "whatever the routes change, no row of the target's database gets another created_at or another past",
        routes::routes
    ),
];

/// Another time than the one that stands there, in the form that it has.
const ANOTHER_TIME: &str = "CASE typeof(created_at) WHEN 'integer' THEN created_at + 1000 ELSE '2001-02-03T04:05:06.000Z' END";

/// The tables that have a `created_at` and rows, which is what a trial needs.
fn timed(trial: &Trial) -> Result<Vec<Table>, Stop> {
    let schema = trial.schema()?;
    let time = Name::new("created_at");
    let tables = schema.tables.into_values();
    let timed: Vec<Table> = tables
        .filter(|table| table.is_ordinary() && table.column(&time).is_some())
        .collect();
    for (name, _) in HISTORY {
        if trial.table(name).map_or(true, |rows| rows.is_empty()) {
            let seen = format!("{name} takes no row, so that nothing can be tried with it");
            return Err(Stop::unmet("API-001", seen));
        }
    }
    Ok(timed)
}

/// Some columns of a table, sorted.
fn columns(trial: &Trial, table: &str, columns: &str) -> Result<Vec<Vec<Value>>, Stop> {
    trial.read(&format!(
        "SELECT {columns} FROM \"{table}\" ORDER BY {columns}"
    ))
}

/// Tries a statement, and takes it back. The first row that it has changed, if it has changed any of these columns.
fn changed(trial: &Trial, table: &str, of: &str, sql: &str) -> Result<Option<String>, Stop> {
    let before = columns(trial, table, of)?;
    let after = trial.tried(|trial| {
        drop(trial.run(sql));
        columns(trial, table, of)
    })??;
    if before == after {
        return Ok(None);
    }
    let (old, new) = (
        before.iter().find(|row| !after.contains(row)),
        after.iter().find(|row| !before.contains(row)),
    );
    let told = |row: Option<&Vec<Value>>| row.map_or("nothing".to_owned(), |row| told_row(row));
    Ok(Some(format!(
        "`{sql}` makes {} of {} in {table} ({of})",
        told(new),
        told(old)
    )))
}

/// That none of these statements changes the columns.
fn unchanged(
    trial: &Trial,
    expected: &str,
    statements: impl IntoIterator<Item = (String, String, String)>,
) -> Judged {
    let mut count = 0;
    for (table, of, sql) in statements {
        if let Some(seen) = changed(trial, &table, &of, &sql)? {
            return Err(Stop::breach(expected, seen));
        }
        count += 1;
    }
    Ok(format!("{count} statements changed nothing of it"))
}

const TIME: &str = "created_at";

/// When rows that are added here were made: 2026-01-01.
const MADE_AT: i64 = 1_767_225_600_000;

/// A preference of a user: those of the files may be for everybody.
fn of_a_user(trial: &Trial) {
    let text = |text: &str| Value::Text(text.to_owned());
    let row = vec![
        ("scope", text("user")),
        ("subject", text("ada")),
        ("name", text("theme")),
        ("value", text("\"dark\"")),
        ("created_at", Value::Integer(MADE_AT)),
        ("updated_at", Value::Integer(MADE_AT)),
    ];
    // A table that does not take it is API-001's matter.
    if let Ok(table) = sample::Table::of(trial, "user_preferences") {
        drop(table.fill(trial, [row]));
    }
}

async fn update_of_time(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let trial = scripts.filled()?;
            of_a_user(&trial);
            let mut statements = Vec::new();
            for table in timed(&trial)? {
                for row in rows(&trial, &table)? {
                    let sql = format!(
                        "UPDATE {} SET created_at = {ANOTHER_TIME}{row}",
                        table.name.quoted()
                    );
                    statements.push((table.name.as_str().to_owned(), TIME.to_owned(), sql));
                }
            }
            unchanged(&trial, "a created_at that no UPDATE changes", statements)
        })
        .await
}

async fn triggers(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let trial = scripts.filled()?;
            let mut statements = Vec::new();
            for table in timed(&trial)? {
                let name = table.name.quoted();
                let others = table.columns.iter();
                let others = others
                    .filter(|column| column.generated.is_none() && column.name.as_str() != TIME);
                for column in others {
                    let column = column.name.quoted();
                    for value in [
                        column.clone(),
                        format!("{column} + 1"),
                        format!("{column} || 'x'"),
                        "NULL".to_owned(),
                        "'failed'".to_owned(),
                    ] {
                        let sql = format!("UPDATE {name} SET {column} = {value}");
                        statements.push((table.name.as_str().to_owned(), TIME.to_owned(), sql));
                    }
                }
            }
            unchanged(
                &trial,
                "a created_at that no change of another column touches",
                statements,
            )
        })
        .await
}

/// Rows of a table that are each tried by themselves: a guard may hold for some rows and not for others.
const ROWS_MAX: usize = 6;

/// Conditions that each name some rows of a table: all of them, and each of the first by its key.
fn rows(trial: &Trial, table: &Table) -> Result<Vec<String>, Stop> {
    let key: Vec<String> = table.primary_key.iter().map(Name::quoted).collect();
    let mut all = vec![String::new()];
    if key.is_empty() {
        return Ok(all);
    }
    let told: Vec<String> = key
        .iter()
        .map(|name| format!("'{} IS ' || quote({name})", name.replace('\'', "''")))
        .collect();
    let sql = format!(
        "SELECT {} FROM {} LIMIT {ROWS_MAX}",
        told.join(" || ' AND ' || "),
        table.name.quoted()
    );
    for row in trial.read(&sql)?.into_iter().flatten() {
        if let Value::Text(condition) = row {
            all.push(format!(" WHERE {condition}"));
        }
    }
    Ok(all)
}

/// A row of usage of which neither tokens nor cost are known: what is not known does not become known later.
fn unknown(trial: &Trial) {
    let usage = Usage {
        input: None,
        output: None,
        cost: None,
        ..Usage::of("ada", "unpriced", MADE_AT)
    };
    // A table that does not take it is API-001's matter.
    drop(log(trial, &[usage]));
}

async fn update(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let trial = scripts.filled()?;
            unknown(&trial);
            let tables = timed(&trial)?;
            let mut statements = Vec::new();
            for HistoryTable { table, says, all } in tables_of_history(&tables) {
                for row in rows(&trial, table)? {
                    for (column, value) in &says {
                        let sql =
                            format!("UPDATE {} SET {column} = {value}{row}", table.name.quoted());
                        statements.push((table.name.as_str().to_owned(), all.clone(), sql));
                    }
                }
            }
            unchanged(&trial, "history that no UPDATE changes", statements)
        })
        .await
}

/// A table of history: what its columns of history might be made to say, and all their names in one list.
struct HistoryTable<'t> {
    table: &'t Table,
    says: Vec<(&'static str, &'static str)>,
    all: String,
}

/// The tables of history that are there.
fn tables_of_history(tables: &[Table]) -> Vec<HistoryTable<'_>> {
    let there = HISTORY.iter().filter_map(|(name, says)| {
        let table = tables.iter().find(|table| table.name.as_str() == *name)?;
        let says = says.iter().copied();
        let says = says.filter(|(column, _)| table.column(&Name::new(column)).is_some());
        let says: Vec<_> = says.collect();
        let all: Vec<&str> = says.iter().map(|(column, _)| *column).collect();
        let all = all.join(", ");
        Some(HistoryTable { table, says, all })
    });
    there.collect()
}

/// What the production set-up sets, as it may stand before: the limits of a user and two flags.
fn set_before(trial: &Trial) -> Result<(), Stop> {
    let of_time = || {
        [
            ("created_at", Value::Integer(EARLIER)),
            ("updated_at", Value::Integer(EARLIER)),
        ]
    };
    let text = |text: &str| Value::Text(text.to_owned());
    let limits = ["minute", "hour", "day"].map(|window| {
        let own = [
            ("scope", text("environment")),
            ("subject", text("production")),
            ("name", text(&format!("rate_limit.user.{window}"))),
            ("value", text("7")),
        ];
        own.into_iter().chain(of_time()).collect()
    });
    sample::Table::of(trial, "user_preferences")?.fill(trial, limits)?;
    let flags = [("audit", 0), ("debug", 1)].map(|(name, enabled)| {
        let own = [("name", text(name)), ("enabled", Value::Integer(enabled))];
        own.into_iter().chain(of_time()).collect()
    });
    sample::Table::of(trial, "feature_flags")?.fill(trial, flags)
}

/// When what the set-up finds was made, epoch milliseconds.
const EARLIER: i64 = 1_735_689_612_345;

async fn of_set_up(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let trial = scripts.migrated_for("production")?;
            set_before(&trial)?;
            let missing = |stop: Stop| stop.or_unmet("API-012");
            let set_up = scripts.production().map_err(missing)?;
            let applied = trial.apply(set_up, "production", scripts.next());
            applied.map_err(|why| {
                Stop::unmet("API-012", format!("{} fails: {why}", set_up.name))
            })?;
            for (table, which) in [
                ("user_preferences", "scope = 'environment' AND subject = 'production' AND name GLOB 'rate_limit.user.*'"),
                ("feature_flags", "name IN ('audit', 'debug')"),
            ] {
                let rows = trial.read(&format!("SELECT name, created_at FROM {table} WHERE {which}"))?;
                let other = rows.iter().find(|row| row.get(1).and_then(instant) != Some(EARLIER));
                if let Some(row) = other {
                    return Err(Stop::breach(
                        format!("what stands in {table} to keep its created_at {EARLIER}"),
                        told_row(row),
                    ));
                }
            }
            Ok("the limits and flags that stood are as old as before".to_owned())
        })
        .await
}

/// When an open price is ended: 2027-01-15.
const ENDED_AT: i64 = 1_800_000_000_000;

/// A time of a column, a millisecond earlier (`-`) or later (`+`).
fn shifted(column: &str, sign: char) -> String {
    format!(
        "CASE typeof({column}) WHEN 'text' THEN strftime('%Y-%m-%dT%H:%M:%fZ', {column}, '{sign}0.001 seconds') ELSE {column} {sign} 1 END"
    )
}

/// A database with a price that has ended and one that has not.
fn priced(scripts: &Scripts) -> Result<Trial, Stop> {
    let trial = scripts.migrated()?;
    let row = |from: i64, to: Value| {
        vec![
            ("model", Value::Text("small".to_owned())),
            ("input_micros_per_million", Value::Integer(1)),
            ("output_micros_per_million", Value::Integer(2)),
            ("valid_from", Value::Integer(from)),
            ("valid_to", to),
            ("created_at", Value::Integer(from)),
        ]
    };
    let (first, second) = (MADE_AT, 1_769_904_000_000);
    let rows = [row(first, Value::Integer(second)), row(second, Value::Null)];
    sample::Table::of(&trial, "model_pricing")?.fill(&trial, rows)?;
    Ok(trial)
}

async fn end_of_price(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let trial = priced(scripts)?;
            let end = time_like("valid_from", ENDED_AT);
            let open = format!("UPDATE model_pricing SET valid_to = {end} WHERE valid_to IS NULL");
            if changed(&trial, "model_pricing", "valid_to", &open)?.is_none() {
                let seen = "a price without an end takes none";
                return Err(Stop::unmet("API-004", seen));
            }
            let ended = "FROM model_pricing WHERE valid_to IS NOT NULL";
            let statements = [
                "NULL".to_owned(),
                shifted("valid_to", '-'),
                shifted("valid_to", '+'),
            ]
            .map(|value| {
                let sql = format!(
                    "UPDATE model_pricing SET valid_to = {value} {}",
                    &ended["FROM model_pricing ".len()..]
                );
                (
                    "model_pricing".to_owned(),
                    "valid_from, valid_to".to_owned(),
                    sql,
                )
            });
            unchanged(&trial, "an end that stays once it is set", statements)
        })
        .await
}

async fn removal(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let trial = scripts.filled()?;
            timed(&trial)?;
            let statements = [
                ("audit_logs", "actor, action, resource"),
                ("model_pricing", "model, valid_from"),
            ]
            .map(|(table, of)| {
                (
                    table.to_owned(),
                    of.to_owned(),
                    format!("DELETE FROM {table}"),
                )
            });
            unchanged(&trial, "audit entries and prices that stay", statements)
        })
        .await
}
