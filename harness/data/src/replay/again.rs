//! One file with another text: what it would do, on the empty database and on one with rows. Never changes what was replayed.

use super::filled::Database;
use super::objects::Objects;
use super::touched::touched;
use super::{Replay, Step, WithRows, empty};
use crate::catalog::{self, Name, Schema};
use crate::rows::Filler;
use crate::text::{File, FileId, Span, statements};
use std::collections::BTreeSet;

/// What a file does with another text.
#[derive(Debug)]
pub struct Again {
    /// Its statements.
    pub steps: Vec<Step>,
    /// The schema behind it.
    pub schema: Schema,
    /// What became of it with rows in the tables that it touches.
    pub rows: WithRows,
}

impl Replay {
    /// Applies a file with another text, behind those that come before it.
    ///
    /// # Errors
    /// What SQLite says where the copy in memory itself cannot be used.
    pub fn again(&self, id: FileId, file: &File, seed: u64) -> rusqlite::Result<Again> {
        let mut database = Database::new()?;
        database.catch_up(self, id.0)?;
        let engine = database.copy()?;
        let mut objects = Objects::default();
        let start = Span {
            file: id,
            start: 0,
            end: 0,
        };
        objects.resume(&engine, &start)?;
        let before: BTreeSet<Name> = engine.ours(catalog::read)?.tables.into_keys().collect();
        engine.ours(|connection| connection.execute_batch("BEGIN"))?;
        let mut steps = Vec::new();
        for statement in statements(id, file) {
            steps.push(empty::step(&engine, &mut objects, statement, false)?);
        }
        let undone = empty::commit(&engine).err();
        if let (Some(last), Some(failure)) = (steps.last_mut(), undone) {
            last.failure.get_or_insert(failure);
        }
        let numbered: Vec<(usize, &Step)> = steps.iter().enumerate().collect();
        let touched = touched(&numbered, &before);
        let mut filler = Filler::new(seed)?;
        let rows = database.apply_with_rows(&numbered, touched, &self.schema, &mut filler)?;
        Ok(Again {
            schema: engine.ours(catalog::read)?,
            rows,
            steps,
        })
    }
}
