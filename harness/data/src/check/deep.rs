//! The copy whose tables hold as many rows as `--deep` asks for, with the statistics of `ANALYZE`. Never made where nobody asks for it.

use super::Outcome;
use super::settled::Settled;
use crate::catalog::Name;
use crate::claims::Query;
use crate::engine::{Act, Engine};
use crate::progress::{Nobody, Progress};
use crate::rows::{Many, Tenancy, fill_many};
use crate::subject::Subject;
use std::collections::BTreeSet;

/// The copy, and what its tables hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deep<'s> {
    subject: &'s Subject,
    pub(super) engine: &'s Engine,
    many: &'s Many,
    /// The rows that were asked for.
    pub(super) rows: u64,
}

impl<'s> Deep<'s> {
    /// The copy, made at the first call; none where few rows are asked for.
    pub(super) fn of(subject: &'s Subject) -> Result<Option<Self>, Outcome> {
        let Some(rows) = subject.deep else {
            return Ok(None);
        };
        Self::telling(subject, rows, &Nobody)
    }

    fn telling(
        subject: &'s Subject,
        rows: u64,
        progress: &dyn Progress,
    ) -> Result<Option<Self>, Outcome> {
        let made = subject.many.get_or_init(|| {
            make(subject, rows, progress).map_err(|outcome| match outcome {
                Outcome::NotVerified { reason, key } => (reason, key),
                Outcome::Held { saw } => (saw, None),
                Outcome::Broken(_) => ("its first rows cannot be made".to_owned(), None),
            })
        });
        match made {
            Ok((engine, many)) => Ok(Some(Self {
                subject,
                engine,
                many,
                rows,
            })),
            Err((reason, key)) => Err(Outcome::NotVerified {
                reason: reason.clone(),
                key: key.clone(),
            }),
        }
    }

    /// The tables that a query reads, and their rows.
    ///
    /// # Errors
    /// Not verified, where one of them does not hold so many rows.
    pub(super) fn held(&self, query: &Query) -> Result<Vec<(Name, u64)>, Outcome> {
        let mut held = Vec::new();
        for table in read_by(self.subject, query) {
            if let Some(why) = self.many.refused.get(&table) {
                return Err(Outcome::NotVerified {
                    reason: format!("`{table}` does not hold {} rows: {why}", told(self.rows)),
                    key: None,
                });
            }
            let rows = self.many.held.get(&table).copied();
            held.extend(rows.map(|rows| (table, rows)));
        }
        Ok(held)
    }
}

/// Makes the copy before anything is judged on it, and tells how far it is; nothing where few rows are asked for.
pub fn fill_deep(subject: &Subject, progress: &dyn Progress) {
    if let Some(rows) = subject.deep {
        let _told_by_what_is_judged_on_it = Deep::telling(subject, rows, progress);
    }
}

impl Deep<'_> {
    /// Lines of SQL that tell a database without rows the statistics of these tables.
    pub(super) fn statistics(&self, tables: &[(Name, u64)]) -> Vec<String> {
        let read = |connection: &rusqlite::Connection| -> rusqlite::Result<Vec<String>> {
            let sql =
                "SELECT format('(%Q, %Q, %Q)', tbl, idx, stat) FROM sqlite_stat1 WHERE tbl = ?1";
            let mut statement = connection.prepare(sql)?;
            let mut all = Vec::new();
            for (table, _) in tables {
                let rows = statement.query_map([table.as_str()], |row| row.get(0))?;
                all.extend(rows.collect::<rusqlite::Result<Vec<String>>>()?);
            }
            Ok(all)
        };
        let told = self.engine.ours(read).unwrap_or_default();
        if told.is_empty() {
            return Vec::new();
        }
        vec![
            "ANALYZE;".to_owned(),
            format!("INSERT INTO sqlite_stat1 VALUES {};", told.join(", ")),
            "ANALYZE sqlite_schema;".to_owned(),
        ]
    }
}

fn make(subject: &Subject, rows: u64, progress: &dyn Progress) -> Result<(Engine, Many), Outcome> {
    let hot = subject.claims.query.iter().filter(|query| query.hot);
    let tables: BTreeSet<Name> = hot.flat_map(|query| read_by(subject, query)).collect();
    let tables: Vec<Name> = tables.into_iter().collect();
    let schema = subject.schema();
    let claims = &subject.claims;
    let settled = Settled::new(subject)?;
    let tenancy = Tenancy::of(schema, claims).unwrap_or_else(|_none| Tenancy::nobody());
    let fault = |error: rusqlite::Error| Outcome::not_judged(&error);
    settled.multiply().map_err(fault)?;
    let engine = settled.world().engine().copy().map_err(fault)?;
    let many = engine
        .ours(|connection| {
            fill_many(
                connection,
                (schema, claims),
                &tenancy,
                (&tables, rows),
                progress,
            )
        })
        .map_err(fault)?;
    Ok((engine, many))
}

/// The tables of the schema that a query reads, through views too; none where it cannot be prepared.
fn read_by(subject: &Subject, query: &Query) -> BTreeSet<Name> {
    let engine = &subject.replay.empty;
    engine.take_deeds();
    let prepared = engine.only_prepare(&query.sql);
    let (deeds, _) = engine.take_deeds();
    if prepared.is_err() {
        return BTreeSet::new();
    }
    let read = deeds.iter().filter_map(|deed| deed.table(Act::Read));
    let read = read.map(Name::new);
    read.filter(|table| subject.schema().tables.contains_key(table))
        .collect()
}

/// A number with its thousands set apart: `1,000,000`.
pub(super) fn told(number: u64) -> String {
    let digits = number.to_string();
    let mut told = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            told.push(',');
        }
        told.push(digit);
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::Data;
    use crate::progress::Work;
    use crate::source::Source;
    use crate::text::File;
    use std::cell::RefCell;

    #[derive(Default)]
    struct Heard(RefCell<Vec<(Work, usize, usize)>>);

    impl Progress for Heard {
        fn hear(&self, work: Work, done: usize, all: usize) {
            self.0.borrow_mut().push((work, done, all));
        }
    }

    #[test]
    fn filling_tells_how_far_it_is_and_is_done_once() {
        let text = "CREATE TABLE owners (id INTEGER PRIMARY KEY);\n\
            CREATE TABLE notes (id INTEGER PRIMARY KEY, owner_id INTEGER NOT NULL REFERENCES owners (id));";
        let source = Source {
            files: vec![File {
                name: "0001.sql".to_owned(),
                path: "0001.sql".into(),
                text: text.into(),
            }],
            ..Source::default()
        };
        let claims = "[[data.query]]\nname = 'one'\nsql = 'SELECT id FROM notes WHERE owner_id = ?1'\nparameters = ['notes.owner_id']\nhot = true\n";
        let mut subject = Subject::of(source, Data::parse(claims).unwrap(), 1).unwrap();
        let heard = Heard::default();
        fill_deep(&subject, &heard);
        assert!(heard.0.borrow().is_empty(), "nobody asked for rows");
        subject.deep = Some(1_000);
        fill_deep(&subject, &heard);
        let told: Vec<_> = (0..=2).map(|done| (Work::Tables, done, 2)).collect();
        assert_eq!(*heard.0.borrow(), told);
        assert!(matches!(Deep::of(&subject), Ok(Some(_))));
        fill_deep(&subject, &heard);
        assert_eq!(heard.0.borrow().len(), told.len(), "it is made once");
    }
}
