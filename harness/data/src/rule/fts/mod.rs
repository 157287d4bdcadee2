//! The rules of full-text search. Never judges what a search should find: that is PAT-003's and PAT-014's.

mod content;
mod damaged;
mod own_text;
mod search;
mod sync;
#[cfg(test)]
mod tests;
mod unbuilt;
mod unreadable;

use super::Judge;
use crate::catalog::{Name, Schema, Table, TableKind};

/// The judges of this family.
pub(super) const JUDGES: &[(&str, Judge)] = &[
    ("FTS-01", search::by_the_wrong_key),
    ("FTS-02", sync::stale),
    ("FTS-03", content::without_integer_key),
    ("FTS-04", content::replaced),
    ("FTS-05", content::not_exported),
];

/// A full-text table that keeps its text in another one.
struct Index<'s> {
    table: &'s Table,
    content: &'s Table,
    /// The column of the content table that is the rowid, where one is named.
    rowid: Option<Name>,
}

/// The full-text tables.
fn full_text(schema: &Schema) -> impl Iterator<Item = &Table> {
    let tables = schema.tables.values();
    tables.filter(|table| matches!(&table.kind, TableKind::Virtual { module } if module == "fts5"))
}

/// Those of them that keep their text in another table.
fn external(schema: &Schema) -> Vec<Index<'_>> {
    full_text(schema)
        .filter_map(|table| {
            let content = option(&table.sql, "content").filter(|name| !name.is_empty())?;
            Some(Index {
                table,
                content: schema.table(&content)?,
                rowid: option(&table.sql, "content_rowid").map(|name| Name::new(&name)),
            })
        })
        .collect()
}

/// The value of an option of the virtual table: `content='notes'`.
fn option(sql: &str, wanted: &str) -> Option<String> {
    let open = sql.find('(')?;
    let close = sql.rfind(')')?;
    let parts = sql.get(open + 1..close)?.split(',');
    parts
        .filter_map(|part| part.split_once('='))
        .find_map(|(name, value)| {
            let is_it = name.trim().eq_ignore_ascii_case(wanted);
            is_it.then(|| {
                value
                    .trim()
                    .trim_matches(['\'', '"', '`', '[', ']'])
                    .to_owned()
            })
        })
}
