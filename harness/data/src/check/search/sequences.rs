//! PAT-003: sequences of writes to a searched table that nobody planned, and the shortest one after which the index is out of step.
//! Never says more of a sequence than the rows themselves do: what a row holds is read from its table, and the search must agree.

#[cfg(test)]
mod tests;
mod write;

use self::write::{Write, write};
use super::super::populated::Row;
use super::super::settled::Settled;
use super::super::{Broken, Outcome};
use super::new_rows::another;
use super::{Case, word};
use crate::catalog::{Action, ForeignKey, Name};
use crate::text::written;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use rusqlite::types::Value;
use std::cell::RefCell;

/// Rows that a sequence works on.
const ROWS: usize = 3;
/// Sequences of each searched table, and writes of the longest.
const SEQUENCES: u32 = 40;
const WRITES_MAX: usize = 7;
/// Attempts to shorten a sequence after which the index is out of step.
const SHRINKS_MAX: u32 = 400;
/// The same sequences every time: no verdict hangs on chance.
const SEED: u64 = 3;
/// Where the words of sequences begin.
const FIRST_WORD: usize = 2_000;

/// Draws sequences; the shortest one that brings the index out of step, with its lines of SQL.
pub(super) fn out_of_step(case: &Case<'_>) -> Result<Option<Broken>, Outcome> {
    drawn_by(SEED, case)
}

fn drawn_by(seed: u64, case: &Case<'_>) -> Result<Option<Broken>, Outcome> {
    let config = Config {
        cases: SEQUENCES,
        max_shrink_iters: SHRINKS_MAX,
        failure_persistence: None,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let chance = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let unjudged = RefCell::new(None);
    let sequences = proptest::collection::vec(write(), 1..=WRITES_MAX);
    let outcome = TestRunner::new_with_rng(config, chance).run(&sequences, |writes| {
        match Sequence::run(case, &writes) {
            Ok(None) => Ok(()),
            Ok(Some(broken)) => Err(TestCaseError::fail(broken.saw)),
            Err(outcome) => {
                *unjudged.borrow_mut() = Some(outcome);
                Ok(())
            }
        }
    });
    match outcome {
        Err(TestError::Fail(_, writes)) => Sequence::run(case, &writes),
        Ok(()) | Err(TestError::Abort(_)) => unjudged.into_inner().map_or(Ok(None), Err),
    }
}

/// A row that a sequence works on, as it is now or was when it went.
struct Slot {
    row: Row,
    is_there: bool,
}

struct Sequence<'c, 's> {
    /// The search among rows of its own.
    case: Case<'s>,
    declared: &'c Case<'s>,
    slots: Vec<Slot>,
    words: usize,
    lines: Vec<String>,
}

type Statements = Vec<(String, Vec<Value>)>;

impl<'c, 's> Sequence<'c, 's> {
    fn run(declared: &'c Case<'s>, writes: &[Write]) -> Result<Option<Broken>, Outcome> {
        let copy = declared.settled.copy();
        let settled = copy.map_err(|error| Outcome::not_judged(&error))?;
        let case = declared.again(settled);
        let rows = case.settled.rows(case.table, 0).into_iter().take(ROWS);
        let slots = rows.map(|row| Slot {
            row,
            is_there: true,
        });
        let mut sequence = Self {
            slots: slots.collect(),
            case,
            declared,
            words: 0,
            lines: Vec::new(),
        };
        for place in 0..sequence.slots.len() {
            sequence.write(Write::Update(place));
        }
        sequence.only_what_is_searched()?;
        for write in writes {
            if sequence.write(*write)
                && let Some(broken) = sequence.judged()?
            {
                return Ok(Some(broken));
            }
        }
        Ok(None)
    }

    /// Leaves out rows that the search does not show though they hold a word: it may have its reasons.
    fn only_what_is_searched(&mut self) -> Result<(), Outcome> {
        let mut shown = Vec::new();
        for slot in std::mem::take(&mut self.slots) {
            if let Value::Text(held) = slot.row.value(&self.case.column)
                && self.case.is_found(&slot.row, &held)?.0
            {
                shown.push(slot);
            }
        }
        if shown.is_empty() {
            return Err(Settled::unmet(
                "no row is found by a word that it holds",
                "[[data.search]] sql",
            ));
        }
        self.slots = shown;
        Ok(())
    }

    /// Makes a write; whether the database took it. One that it does not take changes nothing.
    fn write(&mut self, write: Write) -> bool {
        let text = Value::Text(word(FIRST_WORD + self.words));
        self.words += 1;
        let Some(statements) = self.statements(write, &text) else {
            return false;
        };
        let all: Vec<(&str, Vec<Value>)> = statements
            .iter()
            .map(|(sql, values)| (sql.as_str(), values.clone()))
            .collect();
        let is_taken = self.case.settled.world().batch(&all).is_ok();
        let is_undone = matches!(write, Write::RolledBack(_));
        if !is_taken && !is_undone {
            return false;
        }
        let lines = statements.iter().map(|(sql, values)| written(sql, values));
        if is_undone {
            self.lines.push("BEGIN;".to_owned());
            self.lines.extend(lines.take(statements.len() - 1));
            self.lines.push("ROLLBACK;".to_owned());
        } else {
            self.lines.extend(lines);
        }
        if let (Write::NewKey(place, _), Some(key)) = (write, self.case.table.primary_key.last())
            && let Some(slot) = self.slots.get_mut(place)
            && let Some(new) = another(&slot.row.value(key))
        {
            slot.row.values.insert(key.clone(), new.clone());
            if let Some((_, value)) = slot.row.key.last_mut() {
                *value = new;
            }
        }
        self.look();
        true
    }

    /// Reads which rows are there, and what they hold.
    fn look(&mut self) {
        let rows = self.case.settled.rows(self.case.table, 0);
        for slot in &mut self.slots {
            let now = rows.iter().find(|row| row.key == slot.row.key);
            slot.is_there = now.is_some();
            if let Some(now) = now {
                slot.row = now.clone();
            }
        }
    }

    fn statements(&self, write: Write, text: &Value) -> Option<Statements> {
        let table = self.case.table.name.quoted();
        let column = self.case.column.quoted();
        let slot = |place: usize| self.slots.get(place).map(|slot| (&slot.row, slot.is_there));
        let there = |place| slot(place).and_then(|(row, is_there)| is_there.then_some(row));
        let update = |row: &Row, verb: &str| {
            let found = row.found();
            (
                format!("{verb} {table} SET {column} = ?1 WHERE {found}"),
                vec![text.clone()],
            )
        };
        let one = |statement| Some(vec![statement]);
        match write {
            Write::Update(place) => one(update(there(place)?, "UPDATE")),
            Write::UpdateOrReplace(place) => one(update(there(place)?, "UPDATE OR REPLACE")),
            Write::UpdateAll => {
                let found: Vec<String> = self.present().map(|slot| slot.row.found()).collect();
                let found = format!("({})", found.join(") OR ("));
                (found.len() > 2).then(|| {
                    let sql = format!("UPDATE {table} SET {column} = ?1 WHERE {found}");
                    vec![(sql, vec![text.clone()])]
                })
            }
            Write::Replace(place) => one(self.inserting("REPLACE", &[slot(place)?.0], text, "")),
            Write::Upsert(place) => {
                let key = &self.case.table.primary_key;
                let key: Vec<String> = key.iter().map(Name::quoted).collect();
                let end = format!(
                    " ON CONFLICT ({}) DO UPDATE SET {column} = excluded.{column}",
                    key.join(", ")
                );
                (!key.is_empty())
                    .then_some(slot(place)?.0)
                    .map(|row| vec![self.inserting("INSERT", &[row], text, &end)])
            }
            Write::InsertOrIgnore(place) => {
                one(self.inserting("INSERT OR IGNORE", &[slot(place)?.0], text, ""))
            }
            Write::Empty(place) => {
                let (sql, _) = update(there(place)?, "UPDATE");
                one((sql, vec![Value::Null]))
            }
            Write::NewKey(place, with_text) => {
                let row = there(place)?;
                let key = self.case.table.primary_key.last()?;
                let and_text = if with_text {
                    format!(", {column} = ?2")
                } else {
                    String::new()
                };
                let sql = format!(
                    "UPDATE {table} SET {} = ?1{and_text} WHERE {}",
                    key.quoted(),
                    row.found()
                );
                let mut values = vec![another(&row.value(key))?];
                values.extend(with_text.then(|| text.clone()));
                one((sql, values))
            }
            Write::Delete(place) => one(self.deleting(there(place)?)),
            Write::ComeBack => {
                let gone: Vec<&Row> = self
                    .slots
                    .iter()
                    .filter(|slot| !slot.is_there)
                    .map(|slot| &slot.row)
                    .collect();
                (!gone.is_empty()).then(|| vec![self.inserting("INSERT", &gone, text, "")])
            }
            Write::DeleteParent(place) => one(self.deleting_parent(there(place)?)?),
            Write::RolledBack(place) => {
                let row = there(place)?;
                let fails = (
                    "INSERT INTO no_such_table VALUES (1)".to_owned(),
                    Vec::new(),
                );
                Some(vec![update(row, "UPDATE"), self.deleting(row), fails])
            }
        }
    }

    fn present(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|slot| slot.is_there)
    }

    /// One statement that makes rows, with a text in the searched column.
    fn inserting(
        &self,
        verb: &str,
        rows: &[&Row],
        text: &Value,
        end: &str,
    ) -> (String, Vec<Value>) {
        let table = self.case.table;
        let columns: Vec<&Name> = super::super::references::given(table).collect();
        let mut values = Vec::new();
        let mut tuples = Vec::new();
        for row in rows {
            let from = values.len() + 1;
            values.extend(columns.iter().map(|name| {
                if **name == self.case.column {
                    text.clone()
                } else {
                    row.value(name)
                }
            }));
            let marks: Vec<String> = (from..=values.len())
                .map(|place| format!("?{place}"))
                .collect();
            tuples.push(format!("({})", marks.join(", ")));
        }
        let names: Vec<String> = columns.iter().map(|name| name.quoted()).collect();
        let sql = format!(
            "{verb} INTO {} ({}) VALUES {}{end}",
            table.name.quoted(),
            names.join(", "),
            tuples.join(", ")
        );
        (sql, values)
    }

    fn deleting(&self, row: &Row) -> (String, Vec<Value>) {
        let table = self.case.table.name.quoted();
        (
            format!("DELETE FROM {table} WHERE {}", row.found()),
            Vec::new(),
        )
    }

    /// The deletion of a parent with which its children go; never of the tenant, whose search would have nobody left to ask.
    fn deleting_parent(&self, row: &Row) -> Option<(String, Vec<Value>)> {
        let tenants = self.case.settled.tenants_table();
        let goes_along = |key: &&ForeignKey| {
            key.on_delete == Action::Cascade
                && key.parent != self.case.table.name
                && Some(&key.parent) != tenants.as_ref()
        };
        let key = self.case.table.foreign_keys.iter().find(goes_along)?;
        let conditions: Vec<String> = key
            .parent_columns
            .iter()
            .enumerate()
            .map(|(place, name)| format!("{} = ?{}", name.quoted(), place + 1))
            .collect();
        let sql = format!(
            "DELETE FROM {} WHERE {}",
            key.parent.quoted(),
            conditions.join(" AND ")
        );
        Some((sql, row.values_of(&key.columns)))
    }

    /// Whether the search shows each row by what it holds and by nothing else.
    fn judged(&self) -> Result<Option<Broken>, Outcome> {
        if let Some(message) = self.case.integrity() {
            let index = &self.case.claim.index;
            let check =
                format!("INSERT INTO {index}({index}, rank) VALUES ('integrity-check', 1);");
            return Ok(Some(self.broken(
                "an index in step with its rows after any sequence of writes",
                message,
                check,
            )));
        }
        let first = FIRST_WORD + self.words.saturating_sub(WRITES_MAX + ROWS);
        for number in first..FIRST_WORD + self.words {
            let text = word(number);
            let (found, asked) = self.case.found(&text, 0)?;
            for slot in &self.slots {
                let is_held =
                    slot.is_there && slot.row.value(&self.case.column) == Value::Text(text.clone());
                let is_found = slot.row.key.iter().any(|(_, value)| found.contains(value));
                if is_held && !is_found {
                    return Ok(Some(self.broken(
                        "after any sequence of writes a row is found by the word that it holds",
                        "it is not found",
                        asked,
                    )));
                }
            }
            let is_held_by_somebody = self
                .present()
                .any(|slot| slot.row.value(&self.case.column) == Value::Text(text.clone()));
            if !is_held_by_somebody && !found.is_empty() {
                return Ok(Some(self.broken(
                    "after any sequence of writes nothing is found by a word that no row holds",
                    "a row is found",
                    asked,
                )));
            }
        }
        Ok(None)
    }

    fn broken(&self, expected: &str, saw: impl Into<String>, asked: String) -> Broken {
        let mut repeat = self.lines.clone();
        repeat.push(asked);
        self.declared.broken(expected, saw, repeat)
    }
}
