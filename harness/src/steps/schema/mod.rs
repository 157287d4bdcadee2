//! Steps of the database's schema: tables, migrations, access paths, refused rows. Never writes to a target's schema.

mod applying;
mod paths;
mod refusals;
mod tables;

use crate::oracle::schema::{self, Entry, Schema};
use crate::run::book::Book;
use crate::run::scene::{Scene, misshapen};
use crate::subject::layout::Table;
use crate::verdict::{Check, Stop};
use rusqlite::Connection;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    applying::register(book);
    paths::register(book);
    refusals::register(book);
    tables::register(book);
}

/// What the target's database says of its own schema.
async fn entries(s: &mut Scene) -> Result<Vec<Entry>, Stop> {
    let sql = "SELECT type, name, sql FROM sqlite_master ORDER BY type, name";
    let rows = s.d1().await?.query(sql, &[]).await?;
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    Ok(rows
        .iter()
        .map(|row| Entry {
            kind: text(&row["type"]).unwrap_or_default(),
            name: text(&row["name"]).unwrap_or_default(),
            sql: text(&row["sql"]),
        })
        .collect())
}

/// A database in memory with the target's schema and no rows.
async fn copy(s: &mut Scene) -> Result<Connection, Stop> {
    schema::copy(&entries(s).await?).map_err(|error| unreadable(&error))
}

/// The target's name of a table of the contract.
fn own_table(s: &Scene, name: &str) -> String {
    let layout = s.run.target.layout();
    Table::parse(name).map_or_else(|| name.to_owned(), |table| layout.table(table).to_owned())
}

/// The target's names of a table's columns; not verified where it has none of the name.
fn own_columns(s: &Scene, table: &str, names: &[String]) -> Result<Vec<String>, Stop> {
    let layout = s.run.target.layout();
    let Some(table) = Table::parse(table) else {
        return Ok(names.to_vec());
    };
    names
        .iter()
        .map(|name| layout.column(table, name).map(str::to_owned))
        .collect::<Result<_, _>>()
        .map_err(Stop::NotVerified)
}

/// A finding about names, where the manifest says which other names the same things have: then it is one of shape.
fn of_shape_where_declared(s: &Scene, check: Check) -> Check {
    let layout = s.run.target.layout();
    match check {
        Err(Stop::Violation(finding)) if !layout.is_the_contracts() && layout.lacks().is_none() => {
            Err(misshapen(finding.expected, finding.seen))
        }
        check => check,
    }
}

/// The target's schema, as SQLite understands it.
async fn described(s: &mut Scene) -> Result<Schema, Stop> {
    schema::describe(&copy(s).await?).map_err(|error| unreadable(&error))
}

fn unreadable(error: &rusqlite::Error) -> Stop {
    Stop::Fault(format!("the schema cannot be copied: {error}"))
}
