//! Trials on the copy in memory, and small sketches of tables for proofs. Never leaves a trace of a trial.

use crate::catalog::{Affinity, Column, ForeignKey, Name, Table};
use crate::engine::Engine;
use crate::subject::Subject;
use rusqlite::Connection;
use rusqlite::limits::Limit;
use std::collections::BTreeMap;

/// D1's limit on nested triggers, cascades among them (workerd's `LIMIT_TRIGGER_DEPTH`).
const TRIGGER_DEPTH: i32 = 10;

/// A transaction on the empty database at the end of the files; it is undone in any case.
/// CHECKs are off and references are deferred, so that rows can be made of what matters to the trial alone.
pub(super) struct Trial<'s> {
    engine: &'s Engine,
    depth: i32,
}

/// A row as it was inserted: SQL literals by column.
pub(super) type Row = BTreeMap<Name, String>;

impl<'s> Trial<'s> {
    /// Begins a trial; none if the database is in no state for it.
    pub(super) fn begin(subject: &'s Subject) -> Option<Self> {
        let engine = &subject.replay.empty;
        engine.ours(|connection| {
            let depth = connection.limit(Limit::SQLITE_LIMIT_TRIGGER_DEPTH).ok()?;
            connection
                .set_limit(Limit::SQLITE_LIMIT_TRIGGER_DEPTH, TRIGGER_DEPTH)
                .ok()?;
            let begun = connection.execute_batch(
                "BEGIN; PRAGMA defer_foreign_keys=ON; PRAGMA ignore_check_constraints=ON;",
            );
            begun.ok().map(|()| Self { engine, depth })
        })
    }

    /// Inserts a row with the given values; the other columns get one of their type, or their default.
    pub(super) fn row(&self, table: &Table, given: &Row) -> Option<Row> {
        let mut row = given.clone();
        for column in &table.columns {
            let is_needed = column.not_null || table.primary_key.contains(&column.name);
            if column.generated.is_none() && is_needed && !row.contains_key(&column.name) {
                row.insert(column.name.clone(), value(column));
            }
        }
        let sql = insert(&table.name, &row);
        self.run(&sql).ok().map(|()| row)
    }

    /// Runs a statement; SQLite's message if it fails.
    pub(super) fn run(&self, sql: &str) -> Result<(), String> {
        self.engine
            .ours(|connection| connection.execute_batch(sql))
            .map_err(|error| message(&error))
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        self.engine.ours(|connection| {
            let _none_open = connection.execute_batch("ROLLBACK");
            let _set = connection.execute_batch("PRAGMA ignore_check_constraints=OFF");
            let _kept = connection.set_limit(Limit::SQLITE_LIMIT_TRIGGER_DEPTH, self.depth);
        });
    }
}

/// What SQLite says of a statement when it only prepares it on the database at the end of the files; none if nothing is wrong.
pub(super) fn prepared(subject: &Subject, sql: &str) -> Option<String> {
    let outcome = subject
        .replay
        .empty
        .ours(|connection| connection.prepare(sql).map(|_statement| ()));
    outcome.err().map(|error| message(&error))
}

/// Why D1 refuses a statement that SQLite itself would prepare; none if it takes it.
pub(super) fn refused(subject: &Subject, sql: &str) -> Option<String> {
    let engine = &subject.replay.empty;
    engine.take_deeds();
    let outcome = engine.connection().prepare(sql).map(|_statement| ());
    let (_, refusal) = engine.take_deeds();
    outcome.err()?;
    refusal.map(|refusal| format!("D1 refuses {refusal}"))
}

/// SQLite's own words.
pub(super) fn message(error: &rusqlite::Error) -> String {
    if let rusqlite::Error::SqlInputError { msg, .. } = error {
        msg.clone()
    } else if let rusqlite::Error::SqliteFailure(_, Some(message)) = error {
        message.clone()
    } else {
        error.to_string()
    }
}

/// A value that a column takes. It is far from what seeds hold.
pub(super) fn value(column: &Column) -> String {
    match column.affinity() {
        Affinity::Text => "'moltproof-1'",
        Affinity::Integer | Affinity::Numeric | Affinity::Real => "987654321",
        Affinity::Blob => "x'6d6f6c74'",
    }
    .to_owned()
}

/// `INSERT INTO table (…) VALUES (…);`
pub(super) fn insert(table: &Name, row: &Row) -> String {
    if row.is_empty() {
        return format!("INSERT INTO {} DEFAULT VALUES;", table.quoted());
    }
    let columns: Vec<String> = row.keys().map(Name::quoted).collect();
    let values: Vec<&str> = row.values().map(String::as_str).collect();
    format!(
        "INSERT INTO {} ({}) VALUES ({});",
        table.quoted(),
        columns.join(", "),
        values.join(", ")
    )
}

/// `a, b`.
pub(super) fn plain(columns: &[Name]) -> String {
    let names: Vec<&str> = columns.iter().map(Name::as_str).collect();
    names.join(", ")
}

/// `"a", "b"`.
pub(super) fn list(columns: &[Name]) -> String {
    let quoted: Vec<String> = columns.iter().map(Name::quoted).collect();
    quoted.join(", ")
}

/// A table with nothing but some of its columns and references, as one line of SQL. `unique` are columns that are a key beside the primary one.
pub(super) fn sketch(
    table: &Table,
    columns: &[&Name],
    keys: &[&ForeignKey],
    unique: &[Name],
) -> String {
    let mut parts: Vec<String> = Vec::new();
    let has = |name: &Name| columns.contains(&name);
    for column in table.columns.iter().filter(|column| has(&column.name)) {
        let mut part = column.name.quoted();
        if !column.declared_type.is_empty() {
            part = format!("{part} {}", column.declared_type);
        }
        if column.not_null {
            part.push_str(" NOT NULL");
        }
        if let Some(default) = &column.default {
            part = format!("{part} DEFAULT ({default})");
        }
        parts.push(part);
    }
    let is_whole = !table.primary_key.is_empty() && table.primary_key.iter().all(has);
    if is_whole {
        parts.push(format!("PRIMARY KEY ({})", list(&table.primary_key)));
    }
    let is_told = is_whole && unique == table.primary_key;
    if !(unique.is_empty() || is_told) {
        parts.push(format!("UNIQUE ({})", list(unique)));
    }
    for key in keys {
        parts.push(reference(key));
    }
    let strict = if table.strict { " STRICT" } else { "" };
    format!(
        "CREATE TABLE {} ({}){strict};",
        table.name.quoted(),
        parts.join(", ")
    )
}

fn reference(key: &ForeignKey) -> String {
    use crate::catalog::Action;
    let action = match key.on_delete {
        Action::NoAction => "",
        Action::Restrict => " ON DELETE RESTRICT",
        Action::Cascade => " ON DELETE CASCADE",
        Action::SetNull => " ON DELETE SET NULL",
        Action::SetDefault => " ON DELETE SET DEFAULT",
    };
    let parent = if key.parent_columns.is_empty() {
        key.parent.quoted()
    } else {
        format!("{} ({})", key.parent.quoted(), list(&key.parent_columns))
    };
    format!(
        "FOREIGN KEY ({}) REFERENCES {parent}{action}",
        list(&key.columns)
    )
}

/// The lines, if all but the last one run on a fresh database with foreign keys on, and the last one fails.
pub(super) fn failing(lines: Vec<String>) -> Vec<String> {
    failing_with(lines, "")
}

/// The lines, if all but the last one run, and the last one fails with a message that has this in it.
pub(super) fn failing_with(lines: Vec<String>, why: &str) -> Vec<String> {
    let Some((last, before)) = lines.split_last() else {
        return lines;
    };
    let shows = fresh().is_some_and(|connection| {
        before.iter().all(|line| line_runs(&connection, line))
            && connection
                .execute_batch(last)
                .is_err_and(|error| message(&error).contains(why))
    });
    if shows { lines } else { Vec::new() }
}

/// An empty database as the sqlite3 shell opens it, with foreign keys on.
fn fresh() -> Option<Connection> {
    let connection = Connection::open_in_memory().ok()?;
    connection.pragma_update(None, "foreign_keys", true).ok()?;
    Some(connection)
}

/// Runs a line as the shell would: `.limit NAME N` and `.dbconfig` are the only commands of its own that proofs use.
fn line_runs(connection: &Connection, line: &str) -> bool {
    if let Some((name, number)) = shell_limit(line) {
        return connection.set_limit(name, number).is_ok();
    }
    line.starts_with(".dbconfig ") || connection.execute_batch(line).is_ok()
}

/// The limit that a line of the shell sets.
pub(super) fn shell_limit(line: &str) -> Option<(Limit, i32)> {
    let mut words = line.strip_prefix(".limit ")?.split(' ');
    let limit = match words.next()? {
        "trigger_depth" => Limit::SQLITE_LIMIT_TRIGGER_DEPTH,
        "column" => Limit::SQLITE_LIMIT_COLUMN,
        "sql_length" => Limit::SQLITE_LIMIT_SQL_LENGTH,
        "compound_select" => Limit::SQLITE_LIMIT_COMPOUND_SELECT,
        "expr_depth" => Limit::SQLITE_LIMIT_EXPR_DEPTH,
        "variable_number" => Limit::SQLITE_LIMIT_VARIABLE_NUMBER,
        "like_pattern_length" => Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH,
        _ => return None,
    };
    Some((limit, words.next()?.parse().ok()?))
}

/// The lines with what the last one, a query, returns as a comment behind it; nothing if one of them fails.
pub(super) fn answering(mut lines: Vec<String>) -> Vec<String> {
    let answer = fresh().and_then(|connection| {
        let (last, before) = lines.split_last()?;
        if !before.iter().all(|line| line_runs(&connection, line)) {
            return None;
        }
        answer(&connection, last)
    });
    let (Some(answer), Some(last)) = (answer, lines.last_mut()) else {
        return Vec::new();
    };
    *last = format!("{last} -- {answer}");
    lines
}

/// The rows of a query, columns parted by `|` and rows by commas; `no row` if there is none.
fn answer(connection: &Connection, sql: &str) -> Option<String> {
    let mut statement = connection.prepare(sql).ok()?;
    let count = statement.column_count();
    let rows = statement.query_map([], |row| {
        let values: rusqlite::Result<Vec<String>> = (0..count)
            .map(|at| row.get_ref(at).map(crate::text::literal))
            .collect();
        values.map(|values| values.join("|"))
    });
    let rows: Vec<String> = rows.ok()?.collect::<rusqlite::Result<_>>().ok()?;
    Some(if rows.is_empty() {
        "no row".to_owned()
    } else {
        rows.join(", ")
    })
}
