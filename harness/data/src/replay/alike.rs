//! Texts that a table tells apart and that a derived value need not: other letters, blanks, or only an end that differs. Never makes two rows equal.

use crate::catalog::{Name, Table};
use rusqlite::Connection;

/// Two forms of a text `?1` that people, and what is made of them, take for the same.
pub(super) const FORMS: [(&str, &str); 7] = [
    ("?1", "upper(?1)"),
    ("?1", "?1 || ' '"),
    ("?1", "' ' || ?1"),
    ("?1 || ' a'", "?1 || '-a'"),
    ("?1 || ' a'", "?1 || 'a'"),
    ("?1", "?1 || '-'"),
    ("?1 || hex(zeroblob(64))", "?1 || hex(zeroblob(64)) || '-'"),
];

/// Gives two rows that agree in some columns texts of such forms in another one; whether the table took them.
pub(super) fn liken(
    connection: &Connection,
    table: &Table,
    agree: &[Name],
    column: &Name,
    (first, second): (&str, &str),
) -> bool {
    let (name, column) = (table.name.quoted(), column.quoted());
    let alike = agree.iter().map(|other| {
        let other = other.quoted();
        format!(" AND a.{other} IS b.{other}")
    });
    let pair = format!(
        "SELECT a.rowid, b.rowid, a.{column} FROM main.{name} a JOIN main.{name} b ON a.rowid < b.rowid{} WHERE typeof(a.{column}) = 'text' LIMIT 1",
        alike.collect::<String>()
    );
    let row = connection.query_row(&pair, [], |row| {
        Ok((
            row.get::<_, i64>(0)?,
            row.get::<_, i64>(1)?,
            row.get::<_, String>(2)?,
        ))
    });
    let Ok((one, other, text)) = row else {
        return false;
    };
    let put = |form: &str, rowid: i64| {
        let update = format!("UPDATE main.{name} SET {column} = {form} WHERE rowid = ?2");
        let written = connection.execute(&update, (&text, rowid));
        written.is_ok_and(|rows| rows > 0)
    };
    put(first, one) && put(second, other)
}
