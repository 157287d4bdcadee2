//! Full-text search over the rows of another table, with the statement that an application would write. Never runs it.

use super::{list, quoted};
use crate::catalog::{Name, Schema, Table, TableKind};
use crate::text::normal;
use std::fmt::Write as _;

/// An FTS5 table with external content.
pub(super) fn search(text: &mut String, schema: &Schema, index: &Table, key: Option<&Name>) {
    let TableKind::Virtual { module } = &index.kind else {
        return;
    };
    let sql = normal(&index.sql);
    let words: Vec<&str> = sql.split(' ').collect();
    let option = |name: &str| {
        let at = words
            .windows(2)
            .position(|pair| pair[0] == name && pair[1] == "=")?;
        words.get(at + 2).map(|value| value.trim_matches('\''))
    };
    let Some(table) = option("content")
        .and_then(|name| schema.table(name))
        .filter(|_table| module == "fts5")
    else {
        return;
    };
    let rowid = option("content_rowid").unwrap_or("rowid");
    let columns: Vec<&str> = index
        .columns
        .iter()
        .filter(|column| {
            table
                .column(&column.name)
                .is_some_and(|own| own.name != rowid)
        })
        .map(|column| column.name.as_str())
        .filter(|name| key.is_none_or(|key| key != name))
        .collect();
    let (fts, own) = (index.name.quoted(), table.name.quoted());
    let id = table
        .primary_key
        .first()
        .map_or_else(|| "rowid".to_owned(), Name::quoted);
    let mut sql = format!(
        "SELECT {own}.{id} FROM {fts} JOIN {own} ON {own}.{} = {fts}.rowid WHERE {fts} MATCH ?1",
        Name::new(rowid).quoted()
    );
    let mut parameters = vec!["text"];
    if let Some(key) = key.filter(|key| table.column(key).is_some()) {
        let _infallible = write!(sql, " AND {own}.{} = ?2", key.quoted());
        parameters.push("tenant");
    }
    let _infallible = write!(
        text,
        "\n# an FTS5 table over the rows of another one; the statement is made up\n[[data.search]]\ntable = {}\ncolumns = {}\nindex = {}\nsql = {}\nparameters = {}\n",
        quoted(table.name.as_str()),
        list(&columns),
        quoted(index.name.as_str()),
        quoted(&sql),
        list(&parameters)
    );
}
