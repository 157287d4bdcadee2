//! What a reading of a schema shares between tables: the statements of indexes, and names. Never tells what they mean.

use super::Name;
use super::name::Names;
use rusqlite::{Connection, Row};
use std::collections::BTreeMap;
use std::sync::Arc;

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
}

/// All at once: `sqlite_schema` has no index of its own, so that looking each one up would read it all once per table.
pub(super) fn index_texts(connection: &Connection, of: Option<&Name>) -> rusqlite::Result<Texts> {
    let mut statement = connection.prepare_cached(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL AND (?1 IS NULL OR tbl_name = ?1 COLLATE NOCASE)",
    )?;
    let rows = statement.query_map([of.map(Name::as_str)], |row| {
        let name: String = row.get(0)?;
        let sql: String = row.get(1)?;
        Ok((Name::new(&name), Arc::from(sql)))
    })?;
    Ok(Texts {
        indexes: rows.collect::<rusqlite::Result<_>>()?,
        names: Names::default(),
    })
}
