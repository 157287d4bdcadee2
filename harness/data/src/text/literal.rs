//! Values as SQL writes them. Never reads SQL.

use rusqlite::types::ValueRef;

/// A value as SQL.
#[must_use]
pub fn literal(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => format!("{number:?}"),
        ValueRef::Text(text) => format!("'{}'", String::from_utf8_lossy(text).replace('\'', "''")),
        ValueRef::Blob(bytes) => {
            bytes
                .iter()
                .fold("x'".to_owned(), |text, byte| format!("{text}{byte:02x}"))
                + "'"
        }
    }
}
