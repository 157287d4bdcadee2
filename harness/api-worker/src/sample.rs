//! Random rows, and how they get into tables of which only the contract's columns are known. Never takes a value from the target.

use crate::oracle::dates::{DAY, text_of};
use crate::oracle::sums::Usage;
use crate::outcome::Stop;
use crate::scene::unique;
use crate::scripts::trial::{self, Trial, in_words};
use crate::words::is_instant;
use fastrand::Rng;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

/// Users of whom two differ by case only, and one whose name is a pattern.
const USERS: [&str; 5] = ["ada", "Ada", "bob", "user_1", "user.1"];
/// Models of the same kind.
const MODELS: [&str; 4] = ["gpt-4o", "gpt-4o-mini", "GPT-4o", "@cf/meta/llama"];
/// 2024-02-27: days around it have a 29 February among them.
const FIRST_DAY: i64 = 1_708_992_000_000;
/// Days over which rows are spread.
const DAYS: i64 = 5;

impl Usage {
    /// Any row of the contract; names are NULL only where the table takes that.
    pub(crate) fn random(random: &mut Rng, is_nullable: Nullable) -> Self {
        let tokens = |random: &mut Rng| match random.u8(0..6) {
            0 => None,
            1 => Some(0),
            2 => Some(1_000_000_000),
            _ => Some(random.i64(1..5_000)),
        };
        let (input, output) = (tokens(random), tokens(random));
        let cost = match random.u8(0..5) {
            0 => None,
            1 => Some(0),
            2 => Some(2_000_000_000_000),
            _ => Some(random.i64(1..9_000_000)),
        };
        Self {
            user: name(random, &USERS, is_nullable.user),
            model: name(random, &MODELS, is_nullable.model),
            input,
            output,
            cost,
            // Some are answered within the millisecond.
            latency: random.i64(-1_000..4_000).max(0),
            created_at: instant(random),
        }
    }

    /// A row of a user and model at a time, with everything known.
    pub(crate) fn of(user: &str, model: &str, created_at: i64) -> Self {
        Self {
            user: Some(user.to_owned()),
            model: Some(model.to_owned()),
            input: Some(7),
            output: Some(3),
            cost: Some(11),
            latency: 13,
            created_at,
        }
    }

    fn values(&self) -> Vec<(&'static str, Value)> {
        let text = |text: &Option<String>| text.clone().map_or(Value::Null, Value::Text);
        let amount = |amount: Option<i64>| amount.map_or(Value::Null, Value::Integer);
        vec![
            ("request_id", Value::Text(format!("request-{}", unique(12)))),
            ("user_id", text(&self.user)),
            ("api_key_id", Value::Text("some-key".to_owned())),
            ("conversation_id", Value::Null),
            ("model", text(&self.model)),
            ("input_tokens", amount(self.input)),
            ("output_tokens", amount(self.output)),
            ("cost_micros", amount(self.cost)),
            ("latency_ms", Value::Integer(self.latency)),
            ("created_at", Value::Integer(self.created_at)),
        ]
    }
}

fn name(random: &mut Rng, names: &[&str], is_nullable: bool) -> Option<String> {
    if is_nullable && random.u8(0..4) == 0 {
        return None;
    }
    names
        .get(random.usize(0..names.len()))
        .map(|name| (*name).to_owned())
}

/// A time of one of the days, of which the first and last instants come often.
fn instant(random: &mut Rng) -> i64 {
    let day = FIRST_DAY + random.i64(0..DAYS) * DAY;
    match random.u8(0..4) {
        0 => day,
        1 => day + DAY - 1,
        _ => day + random.i64(0..DAY),
    }
}

/// Which names a usage row may leave out.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Nullable {
    user: bool,
    model: bool,
}

/// A table whose columns were looked up, to put rows into it.
#[derive(Debug)]
pub(crate) struct Table {
    name: &'static str,
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    name: String,
    declared: String,
    is_required: bool,
    is_key: bool,
}

impl Table {
    /// Looks a table up.
    pub(crate) fn of(trial: &Trial, name: &'static str) -> Result<Self, Stop> {
        let sql = format!(
            "SELECT name, upper(type), \"notnull\" AND dflt_value IS NULL, pk FROM pragma_table_xinfo('{name}') WHERE hidden = 0"
        );
        let columns = trial.ours(|connection| {
            let mut statement = connection.prepare(&sql)?;
            let read = statement.query_map([], |row| {
                Ok(Column {
                    name: row.get(0)?,
                    declared: row.get(1)?,
                    is_required: row.get(2)?,
                    is_key: row.get::<_, i64>(3)? > 0,
                })
            })?;
            read.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        if columns.is_empty() {
            let seen = format!("there is no table {name}");
            return Err(Stop::unmet("API-001", seen));
        }
        Ok(Self { name, columns })
    }

    /// Whether a row may leave this column out.
    fn is_nullable(&self, name: &str) -> bool {
        let mut columns = self.columns.iter();
        columns.any(|column| column.name == name && !column.is_required && !column.is_key)
    }

    /// Puts a row with these values into it; what else a row must have is made up. What the database says, if it refuses.
    fn put(&self, connection: &Connection, values: &[(&str, Value)]) -> rusqlite::Result<()> {
        let made_up = self.columns.iter().filter(|column| {
            let is_given = values.iter().any(|(name, _)| *name == column.name);
            let is_alias = column.is_key && column.declared == "INTEGER";
            !is_given && !is_alias && (column.is_required || column.is_key)
        });
        let made_up: Vec<(&str, Value)> = made_up
            .map(|column| (column.name.as_str(), column.value()))
            .collect();
        let values: Vec<(&str, Value)> = values
            .iter()
            .map(|(name, value)| (*name, self.as_it_stands(name, value)))
            .collect();
        let all = || values.iter().chain(&made_up);
        let names: Vec<String> = all().map(|(name, _)| format!("\"{name}\"")).collect();
        let places: Vec<String> = (1..=names.len()).map(|at| format!("?{at}")).collect();
        let sql = format!(
            "INSERT INTO {} ({}) VALUES ({})",
            self.name,
            names.join(", "),
            places.join(", ")
        );
        let mut statement = connection.prepare_cached(&sql)?;
        statement
            .execute(params_from_iter(all().map(|(_, value)| value)))
            .map(drop)
    }

    /// A value as the column has it: a time in words, where it keeps words.
    fn as_it_stands(&self, name: &str, value: &Value) -> Value {
        let mut columns = self.columns.iter();
        let in_text = columns.any(|column| column.name == name && column.holds_text());
        if in_text && is_instant(name) {
            in_words(value.clone())
        } else {
            value.clone()
        }
    }

    /// Whether it takes a row, which is taken back then; why not, if it does not.
    pub(crate) fn takes(
        &self,
        trial: &Trial,
        row: &[(&str, Value)],
    ) -> Result<Result<(), String>, Stop> {
        trial.tried(|trial| {
            let put = trial.ours(|connection| Ok(self.put(connection, row)));
            put.map(|put| put.map_err(|error| error.to_string()))
        })?
    }

    /// Puts rows into it. A row that is refused is API-001's matter.
    pub(crate) fn fill<'v>(
        &self,
        trial: &Trial,
        rows: impl IntoIterator<Item = Vec<(&'v str, Value)>>,
    ) -> Result<(), Stop> {
        let refused = trial.ours(|connection| {
            // What the rows refer to is no matter here.
            connection.pragma_update(None, "foreign_keys", false)?;
            for row in rows {
                if let Err(error) = self.put(connection, &row) {
                    return Ok(Some(error.to_string()));
                }
            }
            Ok(None)
        })?;
        match refused {
            None => Ok(()),
            Some(why) => {
                let seen = format!("{} refuses a row of the contract: {why}", self.name);
                Err(Stop::unmet("API-001", seen))
            }
        }
    }
}

impl Column {
    fn holds_text(&self) -> bool {
        let declared = &self.declared;
        ["TEXT", "CHAR", "CLOB"]
            .iter()
            .any(|kind| declared.contains(kind))
    }

    fn value(&self) -> Value {
        if self.declared.contains("INT") {
            return Value::Integer(fastrand::i64(1..1 << 40));
        }
        if is_instant(&self.name) {
            return Value::Text(text_of(fastrand::i64(1..1 << 40)));
        }
        Value::Text(unique(16))
    }
}

/// Which names usage rows may leave out here.
pub(crate) fn nullable(trial: &Trial) -> Result<Nullable, Stop> {
    let table = Table::of(trial, "usage_logs")?;
    Ok(Nullable {
        user: table.is_nullable("user_id"),
        model: table.is_nullable("model"),
    })
}

/// Puts usage into a database that holds none of these rows yet.
pub(crate) fn log(trial: &Trial, rows: &[Usage]) -> Result<(), Stop> {
    let table = Table::of(trial, "usage_logs")?;
    table.fill(trial, rows.iter().map(Usage::values))
}

/// Every usage row of a database, as it stands there.
pub(crate) fn logged(trial: &Trial) -> Result<Vec<Usage>, Stop> {
    let sql = "SELECT user_id, model, input_tokens, output_tokens, cost_micros, latency_ms, created_at FROM usage_logs";
    let read = trial.ours(|connection| {
        let Ok(mut statement) = connection.prepare(sql) else {
            return Ok(None);
        };
        let read = statement.query_map([], |row| {
            Ok(Usage {
                user: row.get(0)?,
                model: row.get(1)?,
                input: row.get(2)?,
                output: row.get(3)?,
                cost: row.get(4)?,
                latency: row.get(5)?,
                created_at: trial::instant(&row.get(6)?).ok_or(rusqlite::Error::InvalidQuery)?,
            })
        })?;
        Ok(Some(read.collect::<rusqlite::Result<Vec<_>>>()))
    })?;
    match read {
        Some(Ok(rows)) => Ok(rows),
        Some(Err(error)) => {
            let seen = format!("usage_logs holds what the contract does not know: {error}");
            Err(Stop::unmet("API-014", seen))
        }
        None => Err(Stop::unmet(
            "API-001",
            "usage_logs lacks a column of the contract",
        )),
    }
}

/// A sum that is a whole number, as an integer: whether it is one in the database is API-014's matter.
pub(crate) fn whole(row: Vec<Value>) -> Vec<Value> {
    let values = row.into_iter().map(|value| match value {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it is a whole number below 2^53"
        )]
        Value::Real(number) if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 => {
            Value::Integer(number as i64)
        }
        other @ (Value::Null
        | Value::Integer(_)
        | Value::Real(_)
        | Value::Text(_)
        | Value::Blob(_)) => other,
    });
    values.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripts::Scripts;
    use crate::scripts::trial::time_like;

    const IN_WORDS: &str = "CREATE TABLE usage_logs (id INTEGER PRIMARY KEY, request_id TEXT, user_id TEXT, api_key_id TEXT, conversation_id TEXT, model TEXT, input_tokens INTEGER, output_tokens INTEGER,
        cost_micros INTEGER, latency_ms INTEGER, created_at TEXT NOT NULL CHECK (created_at IS strftime('%Y-%m-%dT%H:%M:%fZ', created_at)))";

    fn times(trial: &Trial) -> Result<Vec<i64>, Stop> {
        let mut times: Vec<i64> = logged(trial)?.iter().map(|row| row.created_at).collect();
        times.sort_unstable();
        Ok(times)
    }

    #[test]
    fn rows_are_put_and_read_where_times_are_kept_in_words() -> Result<(), Stop> {
        let trial = Scripts::of([("0001_usage.sql", IN_WORDS)]).trial()?;
        let boundary = FIRST_DAY + DAY;
        let rows = [boundary - 1, boundary].map(|at| Usage::of("ada", "small", at));
        log(&trial, &rows)?;
        assert_eq!(times(&trial)?, [boundary - 1, boundary]);
        let old = time_like("created_at", boundary);
        let removed = trial.run(&format!("DELETE FROM usage_logs WHERE created_at < {old}"));
        assert_eq!((removed, times(&trial)?), (Ok(()), vec![boundary]));
        Ok(())
    }
}
