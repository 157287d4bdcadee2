//! A trial's clock: what SQLite's functions of date and time take for the present. Never changes what they make of a time that is stated.

use super::trial::Trial;
use crate::outcome::Stop;
use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::Value;
use std::sync::Mutex;

/// The functions that may ask for the present, and at which place they take a time.
const FUNCTIONS: [(&str, usize); 7] = [
    ("date", 0),
    ("time", 0),
    ("datetime", 0),
    ("julianday", 0),
    ("unixepoch", 0),
    ("strftime", 1),
    ("timediff", 0),
];

/// Those that are the present by themselves.
const PRESENTS: [(&str, &str); 3] = [
    ("current_date", "date"),
    ("current_time", "time"),
    ("current_timestamp", "datetime"),
];

impl Trial {
    /// Tells the clock that it is this instant, epoch milliseconds, from now on.
    pub(crate) fn tell(&self, now: i64) -> Result<(), Stop> {
        self.ours(|connection| {
            for (name, at) in FUNCTIONS {
                told(connection, name, -1, move |arguments| {
                    (name, stated(arguments, at, now))
                })?;
            }
            for (name, function) in PRESENTS {
                told(connection, name, 0, move |_none| {
                    (function, vec![instant(now)])
                })?;
            }
            Ok(())
        })
    }
}

/// An instant as a value that each of the functions takes as a time.
fn instant(now: i64) -> Value {
    let (days, ms) = (now.div_euclid(86_400_000), now.rem_euclid(86_400_000));
    let date = crate::oracle::dates::date(days * 86_400_000);
    let (seconds, rest) = (ms / 1000, ms % 1000);
    Value::Text(format!(
        "{date} {:02}:{:02}:{:02}.{rest:03}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    ))
}

/// The arguments with the present stated where it is asked for: by `now`, by no time at all, or by nothing but a wish for fractions.
fn stated(mut arguments: Vec<Value>, at: usize, now: i64) -> Vec<Value> {
    let is = |argument: &Value, words: &[&str]| {
        let Value::Text(text) = argument else {
            return false;
        };
        words.iter().any(|word| text.eq_ignore_ascii_case(word))
    };
    let is_left_out = match arguments.get(at) {
        None => arguments.len() == at,
        Some(argument) => is(argument, &["subsec", "subsecond"]),
    };
    if is_left_out {
        arguments.insert(at, instant(now));
    }
    for argument in arguments.iter_mut().skip(at) {
        if is(argument, &["now"]) {
            *argument = instant(now);
        }
    }
    arguments
}

/// Puts a function in the place of SQLite's: it has another connection do what is wanted, with these arguments.
fn told(
    connection: &Connection,
    name: &'static str,
    count: i32,
    wanted: impl Fn(Vec<Value>) -> (&'static str, Vec<Value>) + Send + Sync + 'static,
) -> rusqlite::Result<()> {
    let plain = Mutex::new(Connection::open_in_memory()?);
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function(name, count, flags, move |context: &Context<'_>| {
        let arguments = (0..context.len()).map(|at| context.get::<Value>(at));
        let arguments = arguments.collect::<rusqlite::Result<Vec<_>>>()?;
        let (function, arguments) = wanted(arguments);
        let places: Vec<String> = (1..=arguments.len()).map(|at| format!("?{at}")).collect();
        let sql = format!("SELECT {function}({})", places.join(", "));
        let plain = plain
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        plain
            .prepare_cached(&sql)?
            .query_row(rusqlite::params_from_iter(arguments), |row| {
                row.get::<_, Value>(0)
            })
    })
}
