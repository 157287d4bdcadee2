//! What a reading of a schema shares between tables: the statements of indexes, and names. Never tells what they mean.

use super::Name;
use super::name::Names;
use rusqlite::{Connection, Row};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// Statements that are kept already, so that a schema of the same ones need not keep them again.
pub(crate) type Known = HashSet<Arc<str>>;

/// The statement in a column of a row, if there is one.
pub(super) fn statement(
    row: &Row<'_>,
    at: usize,
    known: &Known,
) -> rusqlite::Result<Option<Arc<str>>> {
    let text = row.get_ref(at)?.as_str_or_null()?;
    Ok(text.map(|text| known.get(text).map_or_else(|| Arc::from(text), Arc::clone)))
}

/// What is shared by all that is read.
pub(super) struct Texts {
    /// The statements of indexes, by their names.
    pub(super) indexes: BTreeMap<Name, Arc<str>>,
    /// Large schemas have a few names many thousand times.
    pub(super) names: Names,
}

impl Texts {
    /// The name in a column of a row.
    pub(super) fn name(&self, row: &Row<'_>, at: usize) -> rusqlite::Result<Name> {
        Ok(self.names.name(row.get_ref(at)?.as_str()?))
    }

    /// The same, if there is one.
    pub(super) fn optional_name(&self, row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Name>> {
        let text = row.get_ref(at)?.as_str_or_null()?;
        Ok(text.map(|text| self.names.name(text)))
    }

    /// The short text in a column of a row, if there is one.
    pub(super) fn text(&self, row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Arc<str>>> {
        let text = row.get_ref(at)?.as_str_or_null()?;
        Ok(text.map(|text| self.names.text(text)))
    }
}

/// All at once: `sqlite_schema` has no index of its own, so that looking each one up would read it all once per table.
pub(super) fn index_texts(
    connection: &Connection,
    of: Option<&Name>,
    known: &Known,
) -> rusqlite::Result<Texts> {
    let mut statement = connection.prepare_cached(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL AND (?1 IS NULL OR tbl_name = ?1 COLLATE NOCASE)",
    )?;
    let mut rows = statement.query([of.map(Name::as_str)])?;
    let mut indexes = BTreeMap::new();
    while let Some(row) = rows.next()? {
        if let Some(sql) = self::statement(row, 1, known)? {
            indexes.insert(Name::new(row.get_ref(0)?.as_str()?), sql);
        }
    }
    Ok(Texts {
        indexes,
        names: Names::default(),
    })
}
