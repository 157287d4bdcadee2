//! Values as SQL writes them. Never reads SQL.

use rusqlite::types::{Value, ValueRef};

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

/// A statement with its parameters written into it: those are `?` without a number, in order, or `?1` and so on.
#[must_use]
pub fn written(sql: &str, values: &[Value]) -> String {
    let mut text = String::new();
    let mut next = 0;
    let mut quote = None;
    let mut letters = sql.chars().peekable();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), _) if open == letter => quote = None,
            (None, '\'' | '"' | '`') => quote = Some(letter),
            (None, '?') => {
                let mut number = String::new();
                while let Some(digit) = letters.next_if(char::is_ascii_digit) {
                    number.push(digit);
                }
                let place = number.parse().unwrap_or(next + 1);
                next = place;
                let value = values.get(place - 1).unwrap_or(&Value::Null);
                text.push_str(&literal(value.into()));
                continue;
            }
            (Some(_) | None, _) => {}
        }
        text.push(letter);
    }
    let text = text
        .trim_end()
        .trim_end_matches(';')
        .replace("INSERT OR ABORT INTO main.", "INSERT INTO ");
    format!("{text};")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_written_into_a_statement_but_not_into_its_strings() {
        let values = [Value::Integer(1), Value::Text("it's".to_owned())];
        assert_eq!(
            written("SELECT '?', ?2, \"a?\" FROM t WHERE x = ?1", &values),
            "SELECT '?', 'it''s', \"a?\" FROM t WHERE x = 1;"
        );
        assert_eq!(written("VALUES (?, ?)", &values), "VALUES (1, 'it''s');");
    }
}
