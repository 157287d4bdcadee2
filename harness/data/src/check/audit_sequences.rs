//! PAT-005: sequences of writes to a tracked table and of attempts on its log that nobody planned, and the shortest one that the log does not stand.
//! Never takes a statement that the database refuses for a gap.

#[cfg(test)]
mod tests;

use super::Broken;
use super::audit_actors::nobody;
use super::audit_attacks::Target;
use super::audit_log::{Log, complaint};
use super::audit_rows::Rows;
use super::populated::{Populated, Row};
use super::world::World;
use crate::catalog::{Name, Table};
use crate::rows::Statements;
use crate::subject::Subject;
use crate::text::written;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use rusqlite::types::Value;

/// Sequences for each tracked table, and the steps of the longest.
const SEQUENCES: u32 = 30;
const STEPS_MAX: usize = 6;
/// Attempts to shorten a sequence that the log does not stand.
const SHRINKS_MAX: u32 = 300;
/// The same sequences every time: no verdict hangs on chance.
const SEED: u64 = 5;
/// Attempts on an entry, of which one is drawn: more than there are.
const ATTEMPTS: usize = 1_000;

/// What is asked of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// That each write leaves its entry.
    Entries,
    /// That entries stay, whatever was written before.
    Kept,
}

/// A step of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// One of the writes that are drawn from.
    Write(usize),
    /// An attempt on the newest entry.
    Attempt(usize),
}

/// Draws sequences; the shortest one that the log does not stand, with its lines of SQL.
pub(super) fn not_stood(
    subject: &Subject,
    populated: &Populated<'_>,
    log: &Log<'_>,
    asked: Asked,
) -> Option<Broken> {
    let mut tracked = log.tracks.iter();
    tracked.find_map(|tracked| drawn_by(SEED, subject, populated, (log, tracked), asked))
}

fn drawn_by(
    seed: u64,
    subject: &Subject,
    populated: &Populated<'_>,
    (log, tracked): (&Log<'_>, &Table),
    asked: Asked,
) -> Option<Broken> {
    let drawn = Drawn {
        subject,
        populated,
        log,
        tracked,
        asked,
        writes: writes(&Rows::of(populated, tracked).ok()?),
    };
    let config = Config {
        cases: SEQUENCES,
        max_shrink_iters: SHRINKS_MAX,
        failure_persistence: None,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let chance = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let attempts = u32::from(asked == Asked::Kept);
    let step = prop_oneof![
        2 => (0..drawn.writes.len()).prop_map(Step::Write),
        attempts => (0..ATTEMPTS).prop_map(Step::Attempt),
    ];
    let sequences = proptest::collection::vec(step, 1..=STEPS_MAX);
    let outcome =
        TestRunner::new_with_rng(config, chance).run(&sequences, |steps| match drawn.run(&steps) {
            None => Ok(()),
            Some(broken) => Err(TestCaseError::fail(broken.saw)),
        });
    match outcome {
        Err(TestError::Fail(_, steps)) => drawn.run(&steps),
        Ok(()) | Err(TestError::Abort(_)) => None,
    }
}

/// Writes to a table, each a batch of its own: to two of its rows, as they are at the beginning, and of new ones.
fn writes(rows: &Rows<'_>) -> Vec<Statements> {
    let mut all: Vec<Statements> = rows.spare.iter().cloned().collect();
    let table = rows.table.name.quoted();
    let sets = || rows.changes.iter().chain(&rows.shapes);
    for row in std::iter::once(&rows.row).chain(&rows.other) {
        all.push(vec![rows.delete(row)]);
        let (into, values) = rows.filled(row);
        let upsert = rows.changes.first().map(|(column, _)| {
            let column = column.quoted();
            format!("INSERT {into} ON CONFLICT DO UPDATE SET {column} = excluded.{column}")
        });
        let inserts =
            ["INSERT", "INSERT OR IGNORE", "REPLACE"].map(|verb| format!("{verb} {into}"));
        all.extend(
            inserts
                .into_iter()
                .chain(upsert)
                .map(|sql| vec![(sql, values.clone())]),
        );
        all.extend(sets().map(|set| vec![rows.update(row, set)]));
        all.extend(sets().map(|set| vec![rows.update_or_replace(row, std::slice::from_ref(set))]));
        let fails = (
            "INSERT INTO no_such_table VALUES (1)".to_owned(),
            Vec::new(),
        );
        all.extend(
            sets()
                .next()
                .map(|set| vec![rows.update(row, set), rows.delete(row), fails]),
        );
    }
    if let Some(other) = &rows.other {
        let both = format!("({}) OR ({})", rows.row.found(), other.found());
        all.push(vec![(
            format!("DELETE FROM {table} WHERE {both}"),
            Vec::new(),
        )]);
        all.extend(sets().map(|(column, value)| {
            let sql = format!("UPDATE {table} SET {} = ?1 WHERE {both}", column.quoted());
            vec![(sql, vec![value.clone()])]
        }));
    }
    all
}

/// What sequences are drawn for.
struct Drawn<'d, 's> {
    subject: &'s Subject,
    populated: &'d Populated<'s>,
    log: &'d Log<'s>,
    tracked: &'d Table,
    asked: Asked,
    writes: Vec<Statements>,
}

impl Drawn<'_, '_> {
    /// Makes the steps among rows of their own.
    fn run(&self, steps: &[Step]) -> Option<Broken> {
        let engine = self.populated.world.engine().copy().ok()?;
        let here = Populated {
            world: World::around(self.subject, engine),
            ..*self.populated
        };
        let mut lines = Vec::new();
        for step in steps {
            let statements = match step {
                Step::Write(place) => self.writes.get(*place)?.clone(),
                Step::Attempt(place) => vec![(self.attempt(&here, *place)?, Vec::new())],
            };
            let entries = here.rows_where(self.log.table, "1");
            let rows = here.rows_where(self.tracked, "1");
            let is_taken = here.batch(&statements).is_ok();
            let saw = match self.asked {
                Asked::Entries => self.left(&here, &entries, &rows),
                Asked::Kept => self.lost(&here, &entries, *step),
            };
            if is_taken || saw.is_some() {
                lines.extend(statements.iter().map(|(sql, values)| written(sql, values)));
            }
            if let Some(saw) = saw {
                return Some(self.broken(saw, lines));
            }
        }
        None
    }

    /// A statement that would change, remove or replace the entry that came last.
    fn attempt(&self, here: &Populated<'_>, place: usize) -> Option<String> {
        let entries = here.rows_where(self.log.table, "1");
        let known = self.populated.rows_where(self.log.table, "1");
        let is_new = |row: &&Row| !known.contains(row);
        let entry = entries.iter().rfind(is_new).or(entries.last())?;
        let target = Target {
            populated: here,
            table: self.log.table,
            entry,
            other: entries.iter().find(|other| *other != entry),
        };
        let attacks = target.attacks();
        let place = place.checked_rem(attacks.len())?;
        attacks.into_iter().nth(place)
    }

    /// Whether an entry is no longer what it was behind a step. A write may take the actor away that goes with it, an attempt may not.
    fn lost(&self, here: &Populated<'_>, entries: &[Row], step: Step) -> Option<String> {
        let now = here.rows_where(self.log.table, "1");
        let of_actor = self.actor_columns();
        let is_forgotten = |entry: &Row, now: &Row| {
            let mut values = entry.values.iter();
            now.key == entry.key
                && values.all(|(column, value)| {
                    let new = now.value(column);
                    new == *value || of_actor.contains(column) && new == Value::Null
                })
        };
        let is_kept = |entry: &Row| {
            now.contains(entry)
                || matches!(step, Step::Write(_)) && now.iter().any(|now| is_forgotten(entry, now))
        };
        (!entries.iter().all(is_kept)).then(|| "an entry is gone, or is not what it was".to_owned())
    }

    /// The columns that name an actor.
    fn actor_columns(&self) -> Vec<Name> {
        let Some(actor) = self.log.claim.actor.as_deref().map(Name::new) else {
            return Vec::new();
        };
        let mut keys = self.log.table.foreign_keys.iter();
        let key = keys.find(|key| key.columns.contains(&actor));
        key.map_or_else(|| vec![actor], |key| key.columns.clone())
    }

    /// What is wrong with the entries that a step leaves.
    fn left(&self, here: &Populated<'_>, entries: &[Row], rows: &[Row]) -> Option<String> {
        let now = here.rows_where(self.log.table, "1");
        let known: Vec<String> = entries.iter().map(Row::found).collect();
        let new: Vec<Row> = now
            .into_iter()
            .filter(|entry| !known.contains(&entry.found()))
            .collect();
        let after = here.rows_where(self.tracked, "1");
        let removed: Vec<&Row> = rows.iter().filter(|row| !after.contains(row)).collect();
        let made: Vec<&Row> = after.iter().filter(|row| !rows.contains(row)).collect();
        if removed.is_empty() && made.is_empty() {
            return None;
        }
        complaint(self.log, &removed, &made, &new)
            .or_else(|| nobody(here, self.log, &removed, &made, &new))
    }

    fn broken(&self, saw: String, lines: Vec<String>) -> Broken {
        let (log, tracked) = (&self.log.table.name, &self.tracked.name);
        let mut repeat = self.populated.script(&[tracked, log]);
        repeat.extend(lines);
        repeat.push(format!("SELECT * FROM {};", log.quoted()));
        let expected = match self.asked {
            Asked::Entries => format!(
                "after any sequence of writes to `{tracked}` each leaves one entry with its action, resource and values"
            ),
            Asked::Kept => {
                "after any sequence of writes entries stay as they were written".to_owned()
            }
        };
        Broken {
            object: format!("table {log}"),
            expected,
            saw,
            repeat,
        }
    }
}
