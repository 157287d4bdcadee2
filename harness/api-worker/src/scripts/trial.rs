//! A database in memory with D1's rules, in which files are applied and anything is tried. Never touches a file.

use crate::database::Database;
use crate::oracle::dates::text_of;
use crate::outcome::Stop;
use crate::scripts::{Script, Scripts};
use crate::secret::hex;
use crate::words::Columns;
use moltproof_data::catalog::{self, Name, Schema};
use moltproof_data::engine::{Engine, Seen};
use moltproof_data::rows;
use moltproof_data::text::{File, FileId, statements};
use moltproof_doubles::clock;
use rusqlite::types::Value;
use rusqlite::{Connection, Statement};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// When the files of a trial are applied: 2026-01-01, and a second later each.
const APPLIED_AT: i64 = 1_767_225_600_000;

/// Rows that each table has at least where rows are needed.
const ROWS: usize = 1;

/// What is made up is made up by this seed; any other gives the same verdicts.
const SEED: u64 = 13;

/// A database in memory.
#[derive(Debug)]
pub(crate) struct Trial {
    engine: Engine,
    /// What the target calls its columns; here they are called as the judges call them, but while a file or a query of the target runs.
    columns: Arc<Columns>,
}

/// All rows of all tables of the application, sorted.
pub(crate) type State = BTreeMap<String, Vec<Vec<Value>>>;

impl Scripts {
    /// A database after all migrations, without rows but those of the migrations.
    pub(crate) fn trial(&self) -> Result<Trial, Stop> {
        copied(self.plain.get_or_init(|| self.applied("development")))
    }

    fn applied(&self, environment: &str) -> Result<Mutex<Trial>, Stop> {
        let trial = Trial::empty(&self.columns)?;
        for (number, script) in self.migrations.iter().enumerate() {
            if let Err(why) = trial.apply(script, environment, number) {
                let seen = format!("{} fails: {why}", script.name);
                return Err(Stop::breach("migrations that apply in order", seen));
            }
        }
        Ok(Mutex::new(trial))
    }

    /// The same as [`Self::migrated`], recorded as of this environment.
    pub(crate) fn migrated_for(&self, environment: &str) -> Result<Trial, Stop> {
        if environment != "production" {
            return self.migrated();
        }
        let made = self.of_production.get_or_init(|| self.applied(environment));
        copied(made).map_err(|stop| stop.or_unmet("API-001"))
    }

    /// The same for criteria other than API-001, which is at fault where the migrations do not apply.
    pub(crate) fn migrated(&self) -> Result<Trial, Stop> {
        self.trial().map_err(|stop| stop.or_unmet("API-001"))
    }

    /// The same with rows in each table that says when they were made.
    pub(crate) fn filled(&self) -> Result<Trial, Stop> {
        copied(self.filled.get_or_init(|| {
            let trial = self.migrated()?;
            // Rows of the seed spare rows that are made up, which takes far longer; whether it applies is judged elsewhere.
            if let Ok(seed) = self.development() {
                drop(trial.apply(seed, "development", self.next()));
            }
            trial.fill()?;
            Ok(Mutex::new(trial))
        }))
    }

    /// The number of migrations: files that come after them are recorded after them.
    pub(crate) fn next(&self) -> usize {
        self.migrations.len()
    }
}

fn copied(made: &Result<Mutex<Trial>, Stop>) -> Result<Trial, Stop> {
    let trial = made.as_ref().map_err(Clone::clone)?;
    let trial = trial.lock().unwrap_or_else(PoisonError::into_inner);
    let engine = trial.engine.copy().map_err(|error| fault(&error))?;
    let columns = Arc::clone(&trial.columns);
    // What stands before a view is not copied with the database.
    let shown = engine.ours(|connection| columns.show_views(connection));
    shown.map_err(|error| fault(&error))?;
    Ok(Trial { engine, columns })
}

/// Its columns cannot be called otherwise.
fn unnamed(error: &rusqlite::Error) -> Stop {
    Stop::Fault(format!(
        "the columns cannot be called as [api_worker.columns] says: {error}"
    ))
}

pub(crate) fn fault(error: &rusqlite::Error) -> Stop {
    Stop::Fault(format!("the copy in memory cannot be used: {error}"))
}

impl Trial {
    /// A database without anything.
    pub(crate) fn empty(columns: &Arc<Columns>) -> Result<Self, Stop> {
        let engine = Engine::in_memory().map_err(|error| fault(&error))?;
        let columns = Arc::clone(columns);
        Ok(Self { engine, columns })
    }

    /// A copy of a database.
    pub(crate) fn holding(connection: &Connection, columns: &Arc<Columns>) -> Result<Self, Stop> {
        let engine = Engine::holding(connection).map_err(|error| fault(&error))?;
        Self::of(engine, columns)
    }

    /// A copy of the target's own database.
    pub(crate) async fn of_target(database: &Database) -> Result<Self, Stop> {
        let engine = database.with_theirs(Engine::holding).await?;
        Self::of(engine, &database.columns)
    }

    /// A database of the target, whose columns are called as the judges call them from now on.
    fn of(engine: Engine, columns: &Arc<Columns>) -> Result<Self, Stop> {
        let columns = Arc::clone(columns);
        let named = engine.ours(|connection| columns.to_ours(connection));
        named.map_err(|error| unnamed(&error))?;
        Ok(Self { engine, columns })
    }

    /// Does something for which the columns are called as the target calls them.
    fn in_theirs<T>(&self, work: impl FnOnce() -> T) -> Result<T, String> {
        if self.columns.is_empty() {
            return Ok(work());
        }
        let renamed = |to: fn(&Columns, &Connection) -> rusqlite::Result<()>| {
            let named = self.engine.ours(|connection| to(&self.columns, connection));
            named.map_err(|error| error.to_string())
        };
        renamed(Columns::to_theirs)?;
        let done = work();
        renamed(Columns::to_ours)?;
        Ok(done)
    }

    /// Runs a query that the target brings.
    pub(crate) fn asked(&self, sql: &str, parameters: &[Value]) -> Result<Seen, String> {
        self.in_theirs(|| self.query(sql, parameters))?
    }

    /// Looks at a query that the target brings, without running it.
    pub(crate) fn prepared<T>(
        &self,
        sql: &str,
        look: impl FnOnce(&Statement<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, Stop> {
        let prepared = self.in_theirs(|| self.ours(|connection| look(&connection.prepare(sql)?)));
        prepared.map_err(Stop::Fault)?
    }

    /// What the columns of its result are called.
    pub(crate) fn results(&self, sql: &str) -> Result<Vec<String>, Stop> {
        self.prepared(sql, |statement| {
            let names = statement.column_names().into_iter();
            Ok(names.map(|name| self.columns.of_result(name)).collect())
        })
    }

    /// Does something that the judge itself wants done: no refusal of D1 stands in its way.
    pub(crate) fn ours<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Stop> {
        self.engine.ours(work).map_err(|error| fault(&error))
    }

    /// Runs one statement as the target's; why it is refused, if it is.
    pub(crate) fn run(&self, sql: &str) -> Result<(), String> {
        self.engine.run(sql).map_err(|failure| failure.message)
    }

    /// Runs one query as the target's.
    pub(crate) fn query(&self, sql: &str, parameters: &[Value]) -> Result<Seen, String> {
        let seen = self.engine.query(sql, parameters);
        seen.map_err(|failure| failure.message)
    }

    /// Tries something and takes everything back that it did.
    pub(crate) fn tried<T>(&self, work: impl FnOnce(&Self) -> T) -> Result<T, Stop> {
        self.ours(|connection| connection.execute_batch("SAVEPOINT moltproof_try"))?;
        let done = work(self);
        self.ours(|connection| {
            connection.execute_batch("ROLLBACK TO moltproof_try; RELEASE moltproof_try")
        })?;
        Ok(done)
    }

    /// Applies a file as one transaction and records it, as whoever applies files must; why it fails, if it does.
    pub(crate) fn apply(
        &self,
        script: &Script,
        environment: &str,
        number: usize,
    ) -> Result<(), String> {
        self.in_one(|trial| {
            trial.run_all(script)?;
            trial.record(script, environment, number);
            Ok(())
        })
    }

    /// Applies a file that is recorded already.
    pub(crate) fn apply_again(&self, script: &Script) -> Result<(), String> {
        self.in_one(|trial| trial.run_all(script))
    }

    /// Runs the statements of a file that was applied before, as a part of whatever is being tried.
    pub(crate) fn run_again(&self, script: &Script) -> Result<(), String> {
        self.run_all(script)
    }

    fn in_one(&self, work: impl FnOnce(&Self) -> Result<(), String>) -> Result<(), String> {
        let told = |error: rusqlite::Error| error.to_string();
        let batch = |sql: &str| {
            self.engine
                .ours(|connection| connection.execute_batch(sql).map_err(told))
        };
        batch("BEGIN")?;
        let done = work(self).and_then(|()| batch("COMMIT"));
        if done.is_err() && !self.engine.connection().is_autocommit() {
            batch("ROLLBACK")?;
        }
        done
    }

    fn run_all(&self, script: &Script) -> Result<(), String> {
        let all = || {
            statements_of(script)
                .iter()
                .try_for_each(|sql| self.run(sql))
        };
        self.in_theirs(all)?
    }

    /// The row of a file; a table that has no place for it is judged elsewhere.
    fn record(&self, script: &Script, environment: &str, number: usize) {
        let values = [
            Value::Text(script.name.clone()),
            Value::Integer(version_of(script, number)),
            Value::Text(environment.to_owned()),
            Value::Text(sha256(&script.text)),
            Value::Integer(APPLIED_AT + 1_000 * i64::try_from(number).unwrap_or_default()),
        ];
        let sql = "INSERT INTO schema_metadata (file, version, environment, sha256, applied_at) VALUES (?1, ?2, ?3, ?4, ?5)";
        if self.query(sql, &values).is_err() {
            let [file, version, environment, sha256, applied_at] = values;
            let values = [file, version, environment, sha256, in_words(applied_at)];
            drop(self.query(sql, &values));
        }
    }

    pub(crate) fn schema(&self) -> Result<Schema, Stop> {
        self.ours(catalog::read)
    }

    /// Puts rows into each table that says when they were made; those that take none stay empty.
    fn fill(&self) -> Result<(), Stop> {
        let schema = self.schema()?;
        let time = Name::new("created_at");
        let tables = schema.tables.values();
        let tables = tables.filter(|table| table.column(&time).is_some());
        let tables: Vec<Name> = tables.map(|table| table.name.clone()).collect();
        self.ours(|connection| rows::fill(connection, &schema, &schema, &tables, ROWS, SEED))
            .map(drop)
    }

    /// All rows.
    pub(crate) fn state(&self) -> Result<State, Stop> {
        let schema = self.schema()?;
        let tables = schema.tables.keys().map(Name::as_str);
        tables
            .filter(|table| *table != "d1_migrations")
            .map(|table| Ok((table.to_owned(), self.table(table)?)))
            .collect()
    }

    /// The rows of a table, sorted.
    pub(crate) fn table(&self, table: &str) -> Result<Vec<Vec<Value>>, Stop> {
        let sql = format!("SELECT * FROM {}", Name::new(table).quoted());
        let mut all = self.read(&sql)?;
        all.sort_by_cached_key(|row| row.iter().map(told).collect::<Vec<_>>());
        Ok(all)
    }

    /// The rows of a query of the judge's own.
    pub(crate) fn read(&self, sql: &str) -> Result<Vec<Vec<Value>>, Stop> {
        self.ours(|connection| {
            let mut statement = connection.prepare(sql)?;
            let columns = statement.column_count();
            let read =
                statement.query_map([], |row| (0..columns).map(|at| row.get(at)).collect())?;
            read.collect()
        })
    }
}

/// The statements of a file, as SQLite divides it, without those that wrangler takes out.
pub(crate) fn statements_of(script: &Script) -> Vec<String> {
    let file = File {
        path: script.name.as_str().into(),
        text: script.text.trim_start_matches('\u{feff}').into(),
        name: script.name.clone(),
    };
    let is_trimmed = script.text.contains("BEGIN TRANSACTION;");
    let all = statements(FileId(0), &file).into_iter();
    all.map(|statement| statement.sql.to_string())
        .filter(|sql| !is_trimmed || !matches!(sql.as_str(), "BEGIN TRANSACTION" | "COMMIT"))
        .collect()
}

/// The version of a file: the number that its name begins with, or its place.
pub(crate) fn version_of(script: &Script, number: usize) -> i64 {
    let digits: String = script
        .name
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    digits
        .parse()
        .unwrap_or_else(|_not_numbered| i64::try_from(number).unwrap_or_default())
}

/// The SHA-256 of a file's text in lower-case hexadecimal.
pub(crate) fn sha256(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    hex(digest.as_ref())
}

/// A value for people.
/// A time in words, where it was a number.
pub(crate) fn in_words(time: Value) -> Value {
    match time {
        Value::Integer(ms) => Value::Text(text_of(ms)),
        other @ (Value::Null | Value::Real(_) | Value::Text(_) | Value::Blob(_)) => other,
    }
}

/// A time that stands as a number or in words, epoch milliseconds; `None` if it is none.
pub(crate) fn instant(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(ms) => Some(*ms),
        Value::Text(text) => clock::epoch_ms_of(text),
        Value::Null | Value::Real(_) | Value::Blob(_) => None,
    }
}

/// A time as SQL, in words where the column has words.
pub(crate) fn time_like(column: &str, ms: i64) -> String {
    let text = text_of(ms);
    format!("CASE typeof({column}) WHEN 'text' THEN '{text}' ELSE {ms} END")
}

pub(crate) fn told(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => format!("'{text}'"),
        Value::Blob(bytes) => format!("{} bytes", bytes.len()),
    }
}

/// A row for people.
pub(crate) fn told_row(row: &[Value]) -> String {
    let values: Vec<String> = row.iter().map(told).collect();
    format!("({})", values.join(", "))
}

/// What differs between two states: the first table that does, and a row of it that only one of them has.
pub(crate) fn difference(before: &State, after: &State) -> Option<String> {
    let tables = before.keys().chain(after.keys());
    for table in tables {
        let (old, new) = (before.get(table), after.get(table));
        if old == new {
            continue;
        }
        let (old, new) = (
            old.cloned().unwrap_or_default(),
            new.cloned().unwrap_or_default(),
        );
        let added = new.iter().find(|row| !old.contains(row));
        let gone = old.iter().find(|row| !new.contains(row));
        return Some(match (gone, added) {
            (Some(gone), Some(added)) => {
                format!(
                    "{table} has {} in place of {}",
                    told_row(added),
                    told_row(gone)
                )
            }
            (None, Some(added)) => format!("{table} has {} more", told_row(added)),
            (Some(gone), None) => format!("{table} has {} no longer", told_row(gone)),
            (None, None) => format!("{table} has {} rows in place of {}", new.len(), old.len()),
        });
    }
    None
}
