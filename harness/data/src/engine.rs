//! SQLite as D1 runs it: a connection with D1's limits and refusals, and what each statement did. Never opens a file of the user's for writing.

mod deed;
mod reads;

pub use d1_platform::Refusal;
pub use deed::{Act, Deed};
pub use reads::Reads;

use crate::text::{find_word, shortened};
use d1_platform::Line;
use deed::Names;
use rusqlite::backup::Backup;
use rusqlite::hooks::{AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::Value;
use rusqlite::{Connection, MAIN_DB, Statement, StatementStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A connection that records what its statements do.
#[derive(Debug)]
pub struct Engine {
    connection: Connection,
    seen: Arc<Mutex<Record>>,
}

#[derive(Debug, Default)]
struct Record {
    deeds: Vec<Deed>,
    names: Names,
    refusal: Option<Refusal>,
    /// The statement is our own: transactions, looks at the schema.
    is_ours: bool,
}

/// What a statement gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// Its rows; empty where it returns none.
    pub rows: Vec<Vec<Value>>,
    /// How many rows it inserted, changed or deleted itself (cascades and triggers not counted); 0 for one that only reads.
    pub changes: u64,
    /// How many instructions of SQLite's machine it took: the same for the same rows and schema, whatever else the machine does.
    pub instructions: u32,
    /// Over how many rows its scans stepped; those of searches by index are not among them.
    pub scanned: u32,
}

/// Why a statement failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// D1's refusal, if it was that.
    pub refusal: Option<Refusal>,
    /// What SQLite says.
    pub message: String,
    /// SQLite's extended result code.
    pub code: i32,
    /// The byte of the statement that SQLite points at.
    pub offset: Option<usize>,
}

impl Engine {
    /// An empty database in memory.
    ///
    /// # Errors
    /// What SQLite says, for example that there is no memory.
    pub fn in_memory() -> rusqlite::Result<Self> {
        Self::on(Connection::open_in_memory()?)
    }

    /// An empty database in a temporary file of SQLite's own, which nobody else sees and which goes with it: of a large one, little is in memory.
    ///
    /// # Errors
    /// What SQLite says. Whether there is room for the file shows only when it is filled.
    pub(crate) fn in_a_file() -> rusqlite::Result<Self> {
        Self::on(Connection::open("")?)
    }

    fn on(connection: Connection) -> rusqlite::Result<Self> {
        d1_platform::constrain(&connection)?;
        let seen = Arc::new(Mutex::new(Record::default()));
        let hook = Arc::clone(&seen);
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            let mut seen = hook.lock().unwrap_or_else(PoisonError::into_inner);
            if seen.is_ours {
                return Authorization::Allow;
            }
            if let Some(refusal) = d1_platform::refusal(&context, Line::Current) {
                seen.refusal = Some(refusal);
                return Authorization::Deny;
            }
            let Record { deeds, names, .. } = &mut *seen;
            deeds.extend(Deed::of(&context, names));
            Authorization::Allow
        }))?;
        Ok(Self { connection, seen })
    }

    /// The connection itself.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Runs one statement to its end, as the user's; what it returns is dropped.
    ///
    /// # Errors
    /// [`Failure`], with D1's refusal if it was that.
    pub fn run(&self, sql: &str) -> Result<(), Failure> {
        let outcome = self.prepare(sql).and_then(|mut statement| {
            let mut rows = statement.raw_query();
            while rows.next()?.is_some() {}
            Ok(())
        });
        outcome.map_err(|error| self.failure(&error))
    }

    /// The same as if all references held: none is checked, and no row of another table goes along. Within a transaction no pragma does that.
    ///
    /// # Errors
    /// [`Failure`], with D1's refusal if it was that.
    pub(crate) fn run_without_references(&self, sql: &str) -> Result<(), Failure> {
        let set = |on: bool| {
            let option = rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY;
            let outcome = self.connection.set_db_config(option, on);
            outcome.map_err(|error| self.failure(&error))
        };
        set(false)?;
        let outcome = self.run(sql);
        set(true)?;
        outcome
    }

    /// Prepares one statement, as the user's, and does not run it.
    ///
    /// # Errors
    /// [`Failure`], with D1's refusal if it was that.
    pub(crate) fn only_prepare(&self, sql: &str) -> Result<(), Failure> {
        let outcome = self.prepare(sql).map(|_statement| ());
        outcome.map_err(|error| self.failure(&error))
    }

    /// Prepares a statement. D1's SQLite takes `DELETE … LIMIT` and `UPDATE … LIMIT`, the one that is built in does not: they are said otherwise.
    fn prepare(&self, sql: &str) -> rusqlite::Result<Statement<'_>> {
        let outcome = self.connection.prepare(sql);
        let is_limited = outcome.as_ref().is_err_and(|error| {
            let said = error.to_string();
            said.contains("near \"LIMIT\": syntax error")
                || said.contains("near \"ORDER\": syntax error")
        });
        match said_otherwise(sql).filter(|_sql| is_limited) {
            Some(otherwise) => self.connection.prepare(&otherwise).or(outcome),
            None => outcome,
        }
    }

    /// Runs one statement with parameters; its rows, and what it took.
    ///
    /// # Errors
    /// [`Failure`], with D1's refusal if it was that.
    pub fn query(&self, sql: &str, parameters: &[Value]) -> Result<Seen, Failure> {
        let before = self.connection.total_changes();
        let outcome = self.prepare(sql).and_then(|mut statement| {
            let columns = statement.column_count();
            let mut rows = Vec::new();
            let mut cursor = statement.query(rusqlite::params_from_iter(parameters))?;
            while let Some(row) = cursor.next()? {
                rows.push(
                    (0..columns)
                        .map(|at| row.get(at))
                        .collect::<rusqlite::Result<_>>()?,
                );
            }
            drop(cursor);
            let instructions = statement.get_status(StatementStatus::VmStep);
            let scanned = statement.get_status(StatementStatus::FullscanStep);
            Ok((rows, statement.readonly(), (instructions, scanned)))
        });
        let (rows, is_reading, (instructions, scanned)) =
            outcome.map_err(|error| self.failure(&error))?;
        let has_changed = !is_reading && self.connection.total_changes() != before;
        Ok(Seen {
            rows,
            changes: if has_changed {
                self.connection.changes()
            } else {
                0
            },
            instructions: instructions.unsigned_abs(),
            scanned: scanned.unsigned_abs(),
        })
    }

    /// How many rows a query read that was run with these parameters and saw this; none where nothing can be said of it.
    #[must_use]
    pub fn reads(&self, sql: &str, parameters: &[Value], seen: &Seen) -> Option<Reads> {
        let counted = reads::Counted {
            instructions: seen.instructions,
            returned: seen.rows.len(),
            scanned: seen.scanned,
        };
        self.ours(|connection| reads::reads(connection, sql, parameters, counted))
    }

    /// Another database in memory with the same content.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn copy(&self) -> rusqlite::Result<Self> {
        Self::holding(&self.connection)
    }

    /// A database in memory with the content of another one.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn holding(connection: &Connection) -> rusqlite::Result<Self> {
        let mut engine = Self::in_memory()?;
        engine.take_over(connection)?;
        Ok(engine)
    }

    /// Takes the content of a database instead of its own.
    ///
    /// # Errors
    /// What SQLite says.
    pub(crate) fn take_over(&mut self, from: &Connection) -> rusqlite::Result<()> {
        // All pages at once: nobody else uses either database.
        Backup::new(from, &mut self.connection)?
            .step(-1)
            .map(|_done| ())
    }

    /// Takes the bytes of a database instead of its own. They are kept as they are, which takes a third less memory than its pages one by one.
    ///
    /// # Errors
    /// What SQLite says.
    pub(crate) fn take_bytes(&mut self, from: &Connection) -> rusqlite::Result<()> {
        let bytes = from.serialize(MAIN_DB)?;
        let size = bytes.len();
        // SQLite asks the authorizer as if a database were attached.
        self.lock().is_ours = true;
        let taken = self
            .connection
            .deserialize_read_exact(MAIN_DB, &bytes[..], size, false);
        self.lock().is_ours = false;
        taken
    }

    /// Does something of our own with the connection: nothing is refused or recorded meanwhile.
    pub fn ours<T>(&self, work: impl FnOnce(&Connection) -> T) -> T {
        self.lock().is_ours = true;
        // A pragma about all tables takes instructions for each, of which D1 allows a statement 25,000.
        self.limit_instructions(i32::MAX);
        let done = work(&self.connection);
        self.limit_instructions(d1_platform::limits().instructions.used);
        self.lock().is_ours = false;
        done
    }

    fn limit_instructions(&self, limit: i32) {
        let set = self
            .connection
            .set_limit(Limit::SQLITE_LIMIT_VDBE_OP, limit);
        debug_assert!(set.is_ok(), "the limit is one that SQLite has");
    }

    fn failure(&self, error: &rusqlite::Error) -> Failure {
        let refusal = self.lock().refusal.take();
        let (message, offset) = if let rusqlite::Error::SqlInputError { msg, offset, .. } = error {
            (msg.clone(), usize::try_from(*offset).ok())
        } else if let rusqlite::Error::SqliteFailure(_, Some(message)) = error {
            (message.clone(), None)
        } else {
            (error.to_string(), None)
        };
        Failure {
            refusal,
            message: first_line(&message),
            code: error.sqlite_error().map_or(0, |code| code.extended_code),
            offset,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the statements since the last call did, and what D1 refused of them.
    pub fn take_deeds(&self) -> (Vec<Deed>, Option<Refusal>) {
        let mut seen = self.lock();
        let mut deeds = std::mem::take(&mut seen.deeds);
        // They are kept with each statement, tens of thousands in a large schema.
        deeds.shrink_to_fit();
        (deeds, seen.refusal.take())
    }
}

/// `DELETE FROM t WHERE c LIMIT n` as a deletion of the rows that `SELECT rowid FROM t WHERE c LIMIT n` finds; the same for `UPDATE t SET …`.
fn said_otherwise(sql: &str) -> Option<String> {
    let sql = sql.trim().trim_end_matches(';');
    let verb = ["delete", "update"]
        .into_iter()
        .find(|verb| find_word(sql, verb, 0).is_some_and(|word| word.start == 0))?;
    let first = find_word(sql, "where", 0)
        .or_else(|| find_word(sql, "order", 0))
        .or_else(|| find_word(sql, "limit", 0))?;
    let (head, rest) = sql.split_at(first.start);
    let before = if verb == "delete" {
        find_word(head, "from", 0)?.end
    } else {
        verb.len()
    };
    let table = head[before..].trim_start();
    let end = table.find(char::is_whitespace).unwrap_or(table.len());
    let table = &table[..end];
    Some(format!(
        "{head} WHERE rowid IN (SELECT rowid FROM {table} {rest})"
    ))
}

/// What SQLite says, without most of what it quotes: an unclosed quotation mark makes it repeat the rest of a file.
fn first_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let mark = if line.len() < message.len() {
        "…"
    } else {
        ""
    };
    format!("{}{mark}", shortened(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deletions_and_changes_of_some_rows_only_are_taken_as_d1_takes_them() {
        let engine = Engine::in_memory().unwrap();
        engine.run("CREATE TABLE a (x, y)").unwrap();
        engine
            .run("INSERT INTO a VALUES (1, 0), (2, 0), (3, 0)")
            .unwrap();
        engine
            .run("UPDATE a SET y = 1 WHERE x > 1 ORDER BY x DESC LIMIT 1")
            .unwrap();
        engine.run("DELETE FROM a ORDER BY x LIMIT 1").unwrap();
        let left = engine
            .query("SELECT x, y FROM a ORDER BY x", &[])
            .unwrap()
            .rows;
        let number = Value::Integer;
        assert_eq!(left, [[number(2), number(0)], [number(3), number(1)]]);
        assert!(engine.run("DELETE FROM a LIMIT").is_err());
    }
}
