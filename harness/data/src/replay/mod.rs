//! Applies the files of a source one by one as D1 does, to an empty database and to one with rows, and keeps what each statement did.
//! Never touches a database of the user's.

use crate::catalog::{Name, Schema};
use crate::engine::{Deed, Engine, Failure};
use crate::progress::{Nobody, Progress};
use crate::rows::Unfilled;
use crate::source::Source;
use crate::text::{FileId, Span, Statement};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

mod added;
mod again;
mod alike;
mod bare;
mod bulk;
mod called;
mod collisions;
mod empty;
mod filled;
mod image;
mod json;
mod mended;
mod needs;
mod objects;
mod orphans;
mod replaced;
#[cfg(test)]
mod shortcuts;
mod swept;
#[cfg(test)]
mod tests;
mod tightened;
mod touched;
mod typed;
mod watch;

pub use again::Again;

/// A replayed source.
#[derive(Debug)]
pub struct Replay {
    /// Every statement in order. One that failed changed nothing; those behind it were tried nevertheless, so that a single mistake hides no other.
    pub steps: Vec<Step>,
    /// The steps of each file.
    pub files: Vec<Range<usize>>,
    /// The first file that did not apply to the empty database, and its first step that failed: there D1 stops.
    pub failed: Option<(FileId, usize)>,
    /// The schema at the end, on the empty database.
    pub schema: Schema,
    /// The empty database at the end.
    pub empty: Engine,
    /// The statements that made each object of the final schema and changed it since, by kind and name.
    pub sites: BTreeMap<(ObjectKind, Name), Vec<Span>>,
    /// What became of each file on the database with rows; none for files to which rows cannot matter.
    pub with_rows: Vec<Option<WithRows>>,
}

/// Kinds of objects in `sqlite_schema`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// A table, virtual ones included.
    Table,
    /// An index.
    Index,
    /// A trigger.
    Trigger,
    /// A view.
    View,
}

/// One statement and what became of it.
#[derive(Debug)]
pub struct Step {
    /// The statement.
    pub statement: Statement,
    /// What it did, as far as SQLite prepared it.
    pub deeds: Vec<Deed>,
    /// What it changed in `sqlite_schema`.
    pub changes: Vec<Change>,
    /// Why it failed on the empty database, if it did.
    pub failure: Option<Failure>,
    /// Wrangler takes it out of the file before D1 sees it: the first `BEGIN TRANSACTION;` and the first `COMMIT;`.
    pub is_trimmed: bool,
    /// It fails because a reference fits no key, or because its parent is not there, and for nothing else: the statements behind it, which were written
    /// where nobody looked at references, are judged as if it had been carried out.
    pub is_unreferenced: bool,
}

impl Step {
    /// Whether it changes the database that the statements behind it find.
    #[must_use]
    pub fn is_carried_out(&self) -> bool {
        !self.is_trimmed && (self.failure.is_none() || self.is_unreferenced)
    }

    /// Carries it out as the first pass did.
    pub(crate) fn run(&self, engine: &Engine) -> Result<(), Failure> {
        self.run_as(engine, &self.statement.sql)
    }

    /// The same with another text in its place.
    fn run_as(&self, engine: &Engine, sql: &str) -> Result<(), Failure> {
        match engine.run(sql) {
            Err(_about_references) if self.is_unreferenced => engine.run_without_references(sql),
            outcome => outcome,
        }
    }
}

/// Whether a statement of a file fails for a reference that the file itself makes. One that an earlier file makes is that file's fault, and D1 undoes
/// it where it fails.
pub(crate) fn fails_for_its_own_reference<'s>(
    steps: &(impl Iterator<Item = &'s Step> + Clone),
) -> bool {
    let mut failed = steps
        .clone()
        .enumerate()
        .filter(|(_, step)| step.is_unreferenced);
    failed.any(|(place, step)| {
        let is_made_before = |child: &str| {
            let mut changes = steps.clone().take(place).flat_map(|step| &step.changes);
            changes.any(|change| {
                let is_table = change.kind == ObjectKind::Table && change.name == child;
                is_table && change.after.is_some()
            })
        };
        let message = step
            .failure
            .as_ref()
            .map_or("", |failure| &*failure.message);
        message.split('"').nth(1).is_none_or(is_made_before)
    })
}

/// An object before and after a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its name.
    pub name: Name,
    /// The table that it belongs to; itself for a table.
    pub table: Name,
    /// Its statement before; none if it was not there.
    pub before: Option<Arc<str>>,
    /// Its statement after; none if it is gone.
    pub after: Option<Arc<str>>,
}

/// A file on the database with rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WithRows {
    /// The first step that failed, though it applies to the empty database, and why.
    pub failure: Option<(usize, Failure)>,
    /// Whether it fails whatever the rows hold: it refers to a table that the file has emptied.
    pub is_certain: bool,
    /// What fails behind it for a reason of its own, so that one mistake does not hide the next one: columns that cannot be added, tables whose
    /// children keep them, and whatever fails behind copies that were run as they will be mended.
    pub more_failures: Vec<(usize, Failure)>,
    /// What the file did, all in all, to rows of tables that were there before and are there after it; if it failed, what no statement
    /// behind could have mended.
    pub effects: Vec<Effect>,
    /// Keys, NOT NULLs, CHECKs and references that it brings to tables that were there before it, each tried with rows in which it does not hold;
    /// and keys in which rows are equal once it has copied or changed them.
    pub tightened: Vec<Tightened>,
    /// Tables that it touches and that could not be filled; nothing is known of them.
    pub unfilled: Vec<Unfilled>,
    /// Tables that took no row as they stood before the file, because a reference fits no key of its parent, or its parent is not there.
    pub mismatched: Vec<Unfilled>,
    /// Steps that replace rows which no file inserted: those that hold their keys, and are referred to, were made up.
    pub made_up: Vec<usize>,
}

/// A key, a NOT NULL, a CHECK, a strict type or a reference that a file brings to a table that was there before it. Rows that the table took until then need not keep it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tightened {
    /// The table.
    pub table: Name,
    /// The columns that the key is about, or the one that must not be NULL any more, on which there is a new CHECK, or that refers to another table.
    pub columns: Vec<Name>,
    /// Whether it is a CHECK on a column that had none: nobody had said before what it may hold.
    pub is_first_check: bool,
    /// Whether it is the type that the column was declared to have, and need not keep until now.
    pub is_first_type: bool,
    /// Whether it is a reference, and the file goes through with rows whose parents it does not find.
    pub leaves_orphans: bool,
    /// The index that keeps the key; none for a NOT NULL, a CHECK, a type or an INTEGER PRIMARY KEY.
    pub key: Option<Name>,
    /// The step at which the file fails with such rows, and why; none if it sorts them out.
    pub failure: Option<(usize, Failure)>,
}

/// What a file did to the rows of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// The table, by its name before and after the file.
    pub table: Name,
    /// The step at which it happened first.
    pub step: usize,
    /// What happened.
    pub kind: EffectKind,
    /// Whether it happened to the copy that the file made of the table.
    pub is_of_copy: bool,
}

/// What can happen to rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EffectKind {
    /// There are fewer of them.
    RowsGone {
        /// How many there were before the file.
        before: u32,
        /// How many are left after it.
        after: u32,
    },
    /// A column that refers to another table holds NULL where it held a value.
    Nulled {
        /// The column.
        column: Name,
        /// In how many rows.
        rows: u32,
    },
    /// A column that refers to another table holds its default where it held another value.
    Defaulted {
        /// The column.
        column: Name,
        /// The default, as SQL.
        value: String,
        /// In how many rows.
        rows: u32,
    },
}

impl Replay {
    /// Applies the files of a source.
    ///
    /// # Errors
    /// What SQLite says where the copy in memory itself cannot be used.
    pub fn of(source: &Source, seed: u64) -> rusqlite::Result<Self> {
        Self::telling(source, seed, &Nobody)
    }

    /// The same, and tells how far it is.
    ///
    /// # Errors
    /// What SQLite says where the copy in memory itself cannot be used.
    pub fn telling(source: &Source, seed: u64, progress: &dyn Progress) -> rusqlite::Result<Self> {
        let mut replay = empty::replay(source, progress)?;
        replay.with_rows = filled::replay(&replay, seed, progress)?;
        Ok(replay)
    }

    /// The same without looking at what files do to rows: [`Replay::with_rows`] holds nothing.
    ///
    /// # Errors
    /// What SQLite says where the copy in memory itself cannot be used.
    pub fn without_rows(source: &Source) -> rusqlite::Result<Self> {
        empty::replay(source, &Nobody)
    }

    /// Whether rows were seen in a table before a file was applied.
    #[must_use]
    pub fn had_rows(&self, file: FileId, table: &Name) -> bool {
        let with_rows = self.with_rows.get(file.0).and_then(Option::as_ref);
        with_rows.is_some_and(|file| {
            file.unfilled
                .iter()
                .all(|unfilled| &unfilled.table != table)
        })
    }

    /// The steps of a file, with their places.
    pub fn steps_of(&self, file: FileId) -> impl Iterator<Item = (usize, &Step)> {
        let range = self.files.get(file.0).cloned().unwrap_or_default();
        range.map(|place| (place, &self.steps[place]))
    }

    /// An empty database with the schema as it is before a step.
    ///
    /// # Errors
    /// What SQLite says where the copy in memory itself cannot be used.
    pub fn before(&self, place: usize) -> rusqlite::Result<Engine> {
        let engine = Engine::in_memory()?;
        build(&engine, &self.steps[..place]);
        Ok(engine)
    }

    /// The statement before a place that made an object of this name, the last one if there are several; none if the object is gone again by then.
    #[must_use]
    pub fn made_before(&self, place: usize, kind: ObjectKind, name: &Name) -> Option<&Step> {
        let steps = self.steps.get(..place)?.iter().rev();
        let changes = steps.flat_map(|step| step.changes.iter().map(move |change| (step, change)));
        let mut changes = changes.filter(|(_, change)| change.kind == kind && change.name == *name);
        let (step, change) = changes.next()?;
        change.after.as_ref()?;
        if change.before.is_none() {
            return Some(step);
        }
        let mut made = changes.filter(|(_, change)| change.before.is_none());
        made.next().map(|(step, _)| step)
    }

    /// Applies a file to a database that was made of those before it. Whether it went through.
    ///
    /// # Errors
    /// What SQLite says where the database itself cannot be used.
    pub fn apply(&self, engine: &Engine, file: FileId) -> rusqlite::Result<bool> {
        engine.ours(|connection| connection.execute_batch("BEGIN"))?;
        let mut steps = self.steps_of(file);
        let goes = steps.all(|(_, step)| !step.is_carried_out() || step.run(engine).is_ok());
        engine.take_deeds();
        Ok(empty::commit(engine).is_ok() && goes)
    }

    /// Applies a file and all behind it to a database that was made of those before it. Whether every one of them went through.
    ///
    /// # Errors
    /// What SQLite says where the database itself cannot be used.
    pub fn go_on(&self, engine: &Engine, from: FileId) -> rusqlite::Result<bool> {
        for number in from.0..self.files.len() {
            if !self.apply(engine, FileId(number))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The last file that makes a table of this name.
    #[must_use]
    pub fn maker(&self, table: &Name) -> Option<FileId> {
        let is_made = |step: &Step| {
            step.changes.iter().any(|change| {
                let is_new = change.before.is_none() && change.after.is_some();
                change.kind == ObjectKind::Table && change.name == *table && is_new
            })
        };
        let makes = |file: &FileId| self.steps_of(*file).any(|(_, step)| is_made(step));
        (0..self.files.len()).rev().map(FileId).find(makes)
    }

    /// A copy of the database at the end: no rows but those that the files insert themselves.
    ///
    /// # Errors
    /// What SQLite says where the copy in memory itself cannot be used.
    pub fn at_the_end(&self) -> rusqlite::Result<Engine> {
        self.empty.copy()
    }

    /// Looks at the schema after each file, on an empty database.
    ///
    /// # Errors
    /// What SQLite says where the copy in memory itself cannot be used.
    pub fn after_each_file(&self, mut look: impl FnMut(FileId, &Engine)) -> rusqlite::Result<()> {
        let engine = Engine::in_memory()?;
        for (number, steps) in self.files.iter().enumerate() {
            build(&engine, &self.steps[steps.clone()]);
            look(FileId(number), &engine);
        }
        Ok(())
    }
}

/// Repeats what steps did to the schema.
fn build(engine: &Engine, steps: &[Step]) {
    for step in steps {
        if step.is_carried_out() && !step.changes.is_empty() {
            let _told_by_the_replay = step.run(engine);
        }
    }
    engine.take_deeds();
}
