//! Rows for tables that take none as they stand: a CHECK for which none was found is off, a reference that fits no key is left out.
//! Never says that such a table takes them.

use super::{Database, ROWS};
use crate::catalog::{ForeignKey, Name, Schema};
use crate::replay::empty;
use crate::rows::{Filler, Unfilled};

impl Database {
    /// Fills tables with a reference that fits no key as if it were not there; which those are.
    pub(super) fn fill_mismatched(
        &self,
        schema: &Schema,
        tables: &[Name],
        unfilled: &mut Vec<Unfilled>,
        filler: &mut Filler,
    ) -> rusqlite::Result<Vec<Unfilled>> {
        let is_mismatched = |one: &Unfilled| empty::is_a_mismatch(&one.reason);
        let (mismatched, others): (Vec<_>, Vec<_>) = unfilled.drain(..).partition(is_mismatched);
        if mismatched.is_empty() {
            *unfilled = others;
            return Ok(mismatched);
        }
        let mut loosened = schema.clone();
        let fits = |key: &ForeignKey| {
            let parent = schema.tables.get(&key.parent);
            parent.is_some_and(|parent| parent.is_unique(&key.parent_columns))
        };
        for table in loosened.tables.values_mut() {
            table.foreign_keys.retain(fits);
        }
        // Those that refer to them had no row to refer to.
        let left = self.engine.ours(|connection| {
            connection.pragma_update(None, "foreign_keys", false)?;
            let left = filler.fill(connection, &loosened, &loosened, tables, ROWS);
            connection.pragma_update(None, "foreign_keys", true)?;
            left
        })?;
        *unfilled = left;
        Ok(mismatched)
    }

    /// Fills tables whose CHECKs no row was found for with rows that their CHECKs forbid: a DROP takes the rows of children along whatever they hold.
    pub(super) fn fill_unchecked(
        &mut self,
        schema: &Schema,
        unfilled: &[Unfilled],
        filler: &mut Filler,
    ) -> rusqlite::Result<()> {
        let tables: Vec<Name> = unfilled.iter().map(|one| one.table.clone()).collect();
        if tables.is_empty() {
            return Ok(());
        }
        let left = self.engine.ours(|connection| {
            connection.pragma_update(None, "ignore_check_constraints", true)?;
            filler.fill(connection, schema, schema, &tables, ROWS)
        })?;
        self.is_unchecked = left.len() < tables.len();
        if !self.is_unchecked {
            self.engine.ours(|connection| {
                connection.pragma_update(None, "ignore_check_constraints", false)
            })?;
        }
        Ok(())
    }
}
