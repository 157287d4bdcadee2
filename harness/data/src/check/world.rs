//! A copy in memory through which every statement of a check goes, as a call of a Worker would: each call is a transaction of its own, a batch is one.
//! Never a file, and never the database that is judged.

pub use crate::engine::Seen;

use crate::engine::{Engine, Failure};
use crate::subject::Subject;
use crate::trace::Trace;
use rusqlite::types::Value;
use serde_json::{Value as Json, json};
use std::cell::Cell;

/// A database to which the migrations were applied, and the statements that go to it.
#[derive(Debug)]
pub struct World<'s> {
    engine: Engine,
    trace: &'s Trace,
    /// Which world of the trace this is, from 1; 0 where nothing is traced.
    number: u32,
    /// The number of the last batch.
    batch: Cell<u32>,
}

/// A statement that was refused; it changed nothing, and neither did its batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// By whom.
    pub kind: RefusedBy,
    /// What SQLite says.
    pub message: String,
}

/// Who refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedBy {
    /// A constraint: NOT NULL, CHECK, UNIQUE, a reference, a STRICT type.
    Constraint,
    /// A trigger, by `RAISE`.
    Trigger,
    /// D1 itself: a pragma, a function, a transaction.
    Authorizer,
    /// A limit of D1.
    Limit,
    /// SQLite: the statement cannot be prepared, or a value cannot be computed.
    Syntax,
}

impl<'s> World<'s> {
    /// The migrations applied to an empty database, and nothing else. Statements that fail there are left out.
    ///
    /// # Errors
    /// What SQLite says where the copy itself cannot be used.
    pub fn new(subject: &'s Subject) -> rusqlite::Result<Self> {
        let engine = subject.replay.at_the_end()?;
        Ok(Self {
            engine,
            trace: &subject.trace,
            number: subject.trace.begin(),
            batch: Cell::new(0),
        })
    }

    /// A database that is there already. Nothing of it is traced: no other database is made in the same way.
    pub(super) fn around(subject: &'s Subject, engine: Engine) -> Self {
        Self {
            engine,
            trace: &subject.trace,
            number: 0,
            batch: Cell::new(0),
        }
    }

    /// One statement, as a call of its own.
    ///
    /// # Errors
    /// [`Refused`]: nothing has changed.
    pub fn run(&self, sql: &str, parameters: &[Value]) -> Result<Seen, Refused> {
        let outcome = self.one(sql, parameters);
        self.note(sql, parameters, None, &outcome);
        outcome
    }

    /// Several statements as one transaction, as `db.batch([…])` runs them.
    ///
    /// # Errors
    /// [`Refused`], for the first one that is: nothing of the batch has changed anything. References that are still broken at its end refuse it too.
    pub fn batch(&self, statements: &[(&str, Vec<Value>)]) -> Result<Vec<Seen>, Refused> {
        self.batch.set(self.batch.get() + 1);
        let number = Some(self.batch.get());
        let begun = self
            .engine
            .ours(|connection| connection.execute_batch("BEGIN"));
        debug_assert!(begun.is_ok(), "no transaction is open between two calls");
        let mut all = Vec::with_capacity(statements.len());
        let mut refused = None;
        for (sql, parameters) in statements {
            let outcome = self.one(sql, parameters);
            self.note(sql, parameters, number, &outcome);
            match outcome {
                Ok(seen) => all.push(seen),
                Err(why) => {
                    refused = Some(why);
                    break;
                }
            }
        }
        let ended = match refused {
            None => self
                .engine
                .ours(|connection| connection.execute_batch("COMMIT")),
            Some(_) => Ok(()),
        };
        if let Err(error) = ended {
            let why = Refused {
                kind: RefusedBy::Constraint,
                message: error.to_string(),
            };
            // No statement of the batch was refused: the trace tells what was.
            self.note("COMMIT", &[], number, &Err(why.clone()));
            refused = Some(why);
        }
        let Some(why) = refused else { return Ok(all) };
        self.engine.ours(|connection| {
            // The transaction may have ended with what was refused.
            let _undone = connection.execute_batch("ROLLBACK");
        });
        Err(why)
    }

    /// The whole of a table in the order of its rows, for a comparison of before and after.
    #[must_use]
    pub fn table(&self, name: &crate::catalog::Name) -> Vec<Vec<Value>> {
        let all = self.run(&format!("SELECT * FROM {} ORDER BY 1", name.quoted()), &[]);
        all.map(|seen| seen.rows).unwrap_or_default()
    }

    /// The engine, for what no Worker could do: filling tables, reading the catalog. Nothing of it is traced.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    fn one(&self, sql: &str, parameters: &[Value]) -> Result<Seen, Refused> {
        let outcome = self.engine.query(sql, parameters);
        self.engine.take_deeds();
        outcome.map_err(Refused::from)
    }

    fn note(
        &self,
        sql: &str,
        parameters: &[Value],
        batch: Option<u32>,
        outcome: &Result<Seen, Refused>,
    ) {
        if self.number == 0 {
            return;
        }
        let (seen, changes) = match outcome {
            Ok(seen) => {
                let rows: Vec<Json> = seen
                    .rows
                    .iter()
                    .map(|row| row.iter().map(told).collect())
                    .collect();
                (json!({ "rows": rows }), Some(seen.changes))
            }
            Err(refused) => (json!({ "refused": refused.kind.word() }), None),
        };
        let parameters: Vec<Json> = parameters.iter().map(told).collect();
        self.trace.add(&json!({
            "world": self.number, "sql": sql, "params": parameters, "batch": batch, "outcome": seen, "changes": changes,
        }));
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        let limits = [
            "too many",
            "too long",
            "too big",
            "too large",
            "too complex",
            "too deep",
            "variable number must be",
        ];
        let is_limit = limits.iter().any(|words| failure.message.contains(words));
        // SQLITE_CONSTRAINT and SQLITE_MISMATCH, and SQLITE_CONSTRAINT_TRIGGER among the former.
        let kind = match (failure.code & 0xff, failure.code) {
            _ if failure.refusal.is_some() => RefusedBy::Authorizer,
            (_, rusqlite::ffi::SQLITE_CONSTRAINT_TRIGGER) => RefusedBy::Trigger,
            (rusqlite::ffi::SQLITE_CONSTRAINT | rusqlite::ffi::SQLITE_MISMATCH, _) => {
                RefusedBy::Constraint
            }
            (rusqlite::ffi::SQLITE_TOOBIG, _) => RefusedBy::Limit,
            _ if is_limit => RefusedBy::Limit,
            _ => RefusedBy::Syntax,
        };
        Self {
            kind,
            message: failure.message,
        }
    }
}

impl RefusedBy {
    /// The word of the trace.
    fn word(self) -> &'static str {
        match self {
            Self::Constraint => "constraint",
            Self::Trigger => "trigger",
            Self::Authorizer => "authorizer",
            Self::Limit => "limit",
            Self::Syntax => "syntax",
        }
    }
}

/// A value as the trace has it: a blob as an array of its bytes, as D1 gives one back.
fn told(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(number) => json!(number),
        Value::Real(number) => json!(number),
        Value::Text(text) => json!(text),
        Value::Blob(bytes) => json!(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::Data;
    use crate::source::Source;
    use crate::text::File;

    fn subject(text: &str) -> Subject {
        let file = File {
            name: "0001.sql".to_owned(),
            path: "0001.sql".into(),
            text: text.into(),
        };
        let source = Source {
            files: vec![file],
            ..Source::default()
        };
        Subject::of(source, Data::default(), 1).unwrap()
    }

    #[test]
    fn a_batch_is_undone_whole_and_tells_who_refused_it() {
        let subject = subject("CREATE TABLE a (x INTEGER PRIMARY KEY);");
        let world = World::new(&subject).unwrap();
        let twice = ("INSERT INTO a VALUES (?1)", vec![Value::Integer(1)]);
        let refused = world.batch(&[twice.clone(), twice]).unwrap_err();
        assert_eq!(refused.kind, RefusedBy::Constraint);
        assert!(world.run("SELECT * FROM a", &[]).unwrap().rows.is_empty());
    }

    #[test]
    fn references_that_are_broken_at_the_end_refuse_a_batch() {
        let subject = subject("CREATE TABLE a (x INTEGER PRIMARY KEY, y REFERENCES a (x));");
        subject.trace.turn_on();
        let world = World::new(&subject).unwrap();
        let defer = ("PRAGMA defer_foreign_keys = ON", Vec::new());
        let child = ("INSERT INTO a VALUES (1, 2)", Vec::new());
        assert!(world.batch(&[defer.clone(), child.clone()]).is_err());
        let lines = subject.trace.take();
        assert!(lines[2].contains(r#""sql":"COMMIT""#) && lines[2].contains("constraint"));
        assert!(
            world
                .batch(&[defer, child, ("INSERT INTO a VALUES (2, NULL)", Vec::new())])
                .is_ok()
        );
    }

    #[test]
    fn worlds_share_nothing_and_the_trace_tells_them_apart() {
        let subject = subject("CREATE TABLE a (x);");
        subject.trace.turn_on();
        let (first, second) = (World::new(&subject).unwrap(), World::new(&subject).unwrap());
        assert_eq!(
            first.run("INSERT INTO a VALUES (1)", &[]).unwrap().changes,
            1
        );
        assert!(second.run("SELECT * FROM a", &[]).unwrap().rows.is_empty());
        assert!(second.run("PRAGMA journal_mode = WAL", &[]).is_err());
        let lines = subject.trace.take();
        assert!(lines[0].contains(r#""world":1"#) && lines[1].contains(r#""world":2"#));
        assert!(lines[2].contains(r#"{"refused":"authorizer"}"#));
    }
}
