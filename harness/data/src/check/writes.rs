//! What each declared write writes, as D1 bills it, on a copy with rows. Never a criterion: what is demanded of it, the write itself declares.

use super::items::Key;
use super::settled::Settled;
use super::{Outcome, limits};
use crate::claims::Write;
use crate::subject::Subject;
use crate::written::{Meter, Uncounted, Written};

/// What one declared write costs with one item, on a copy of which every table holds some eighty rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteCost {
    /// The write's name.
    pub name: String,
    /// What its statements wrote, or why that is not known.
    pub written: Result<Written, String>,
    /// As much as it may write, where it says so.
    pub allowed: Option<u64>,
}

/// What became of a declared `rows_written`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// It wrote no more.
    Held,
    /// It wrote more.
    Broken,
    /// Nothing was counted, or nothing was written.
    Open,
}

impl WriteCost {
    /// What became of its `rows_written`; none where it declares none.
    #[must_use]
    pub fn bound(&self) -> Option<Bound> {
        let allowed = self.allowed?;
        let billed = self.written.as_ref().map(Written::billed);
        Some(match billed {
            // It found no row to write, so that its bound was not put to the test.
            Ok(0) | Err(_) => Bound::Open,
            Ok(billed) if billed <= allowed => Bound::Held,
            Ok(_) => Bound::Broken,
        })
    }
}

/// The costs of the declared writes, in their order.
#[must_use]
pub fn writes(subject: &Subject) -> Vec<WriteCost> {
    let declared = &subject.claims.write;
    if declared.is_empty() {
        return Vec::new();
    }
    let settled = Settled::new(subject).map_err(|outcome| why(&outcome));
    let settled = settled.and_then(|settled| {
        let multiplied = settled.multiply();
        multiplied.map_err(|error| error.to_string())?;
        Ok(settled)
    });
    let costs = declared.iter().map(|write| WriteCost {
        name: write.name.clone(),
        written: match &settled {
            Ok(settled) => written(settled, write),
            Err(reason) => Err(reason.clone()),
        },
        allowed: write.rows_written.map(|bound| u64::from(bound.get())),
    });
    costs.collect()
}

/// What a write of one item writes, with the first kind of key with which it works.
fn written(settled: &Settled<'_>, write: &Write) -> Result<Written, String> {
    let mut last = "it has no statement".to_owned();
    for key in Key::ALL.into_iter().filter(|_key| !write.sql.is_empty()) {
        let calls = limits::statements(settled, write, (1, 0, key));
        let calls = calls.map_err(|outcome| why(&outcome))?;
        let counted =
            Meter::on(settled.world().engine(), settled.schema()).and_then(|mut meter| {
                let mut all = Written::default();
                for (sql, values) in &calls {
                    all.add(&meter.run(sql, values)?);
                }
                meter.end().map(|()| all)
            });
        match counted {
            Ok(all) => return Ok(all),
            Err(Uncounted::Beyond(reason)) => return Err(reason),
            Err(Uncounted::Failed(message)) => last = format!("it fails: {message}"),
        }
    }
    Err(last)
}

/// Why something could not be judged, in words.
fn why(outcome: &Outcome) -> String {
    match outcome {
        Outcome::NotVerified { reason, key } => {
            let key = key.as_ref().map(|key| format!(" ({key})"));
            format!("{reason}{}", key.unwrap_or_default())
        }
        Outcome::Held { saw } => saw.clone(),
        Outcome::Broken(ways) => {
            let saw: Vec<&str> = ways.iter().map(|way| way.saw.as_str()).collect();
            saw.join("; ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::Data;
    use crate::source::Source;
    use crate::text::File;

    fn costs(claims: &str) -> Vec<WriteCost> {
        let file = File {
            name: "0001.sql".to_owned(),
            path: "0001.sql".into(),
            text: "CREATE TABLE notes (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, title TEXT NOT NULL);\n\
                CREATE INDEX notes_by_kind ON notes (kind);\n\
                CREATE TABLE log (id INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT NOT NULL);\n\
                CREATE TRIGGER notes_logged AFTER UPDATE OF title ON notes BEGIN INSERT INTO log (what) VALUES (new.title); END;"
                .into(),
        };
        let source = Source {
            files: vec![file],
            ..Source::default()
        };
        let subject = Subject::of(source, Data::parse(claims).unwrap(), 1).unwrap();
        writes(&subject)
    }

    #[test]
    fn a_write_costs_the_rows_and_entries_of_all_its_statements_and_triggers() {
        let all = costs(
            "[[write]]\nname = 'two steps'\nsql = ['INSERT INTO notes VALUES (?1, ?2, ?2)', 'UPDATE notes SET title = ?2 WHERE id = ?1']\n\
             parameters = [['new', \"'a'\"], ['new', \"'b'\"]]\nrows_written = 4\n\
             [[write]]\nname = 'the same, bounded well'\nsql = ['INSERT INTO notes VALUES (?1, ?2, ?2)', 'UPDATE notes SET title = ?2 WHERE id = ?1']\n\
             parameters = [['new', \"'a'\"], ['new', \"'b'\"]]\nrows_written = 5\n",
        );
        let [tight, wide] = &all[..] else {
            panic!("two writes are declared: {all:?}")
        };
        // The note and its entry; the note again; the entry of the log and its number.
        assert_eq!(tight.written.as_ref().map(Written::billed), Ok(5));
        assert_eq!(tight.bound(), Some(Bound::Broken));
        assert_eq!(wide.bound(), Some(Bound::Held));
    }

    #[test]
    fn a_bound_that_was_not_put_to_the_test_is_open() {
        let all = costs(
            "[[write]]\nname = 'of no row'\nsql = ['DELETE FROM notes WHERE id = ?1']\nparameters = [['new']]\nrows_written = 1\n\
             [[write]]\nname = 'of no table'\nsql = ['DELETE FROM nothing_here']\nrows_written = 1\n\
             [[write]]\nname = 'of the schema'\nsql = ['CREATE TABLE more (id)']\nrows_written = 1\n\
             [[write]]\nname = 'unbounded'\nsql = ['DELETE FROM notes WHERE id = ?1']\nparameters = [['new']]\n",
        );
        let bounds: Vec<Option<Bound>> = all.iter().map(WriteCost::bound).collect();
        let open = Some(Bound::Open);
        assert_eq!(bounds, [open, open, open, None], "{all:?}");
        let reason = all[1].written.clone().unwrap_err();
        assert_eq!(reason, "it fails: no such table: nothing_here");
    }
}
