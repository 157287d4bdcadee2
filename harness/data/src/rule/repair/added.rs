//! ADD COLUMN in a form that tables with rows take. Never decides whether a table has rows.

use super::definition::Definitions;
use crate::catalog::{Affinity, Column, Name};
use crate::text::{find_word, tokens};
use rusqlite::Connection;
use std::ops::Range;

/// The statement in a form that rows do not mind, by what SQLite says of it; more than one statement where the rows need their values.
pub(in crate::rule) fn added_column(sql: &str, table: &str, why: &str) -> Option<String> {
    let add = find_word(sql, "add", 0)?;
    let word = find_word(sql, "column", add.end);
    let word = word.filter(|word| sql[add.end..word.start].trim().is_empty());
    let start = word.map_or(add.end, |word| word.end);
    let table = Name::new(table).quoted();
    let definition = sql[start..].trim();
    let whole = format!("CREATE TABLE t ({definition})");
    let definitions = Definitions::of(&whole)?;
    let name = definitions.first()?;
    let default = definitions.default_of(&name);
    let is_reference = definitions.reference_of(&name).is_some();
    let without = |gone: &[Option<Range<usize>>]| {
        let mut text = whole.clone();
        let mut gone: Vec<&Range<usize>> = gone.iter().flatten().collect();
        gone.sort_by_key(|range| std::cmp::Reverse(range.start));
        for range in gone {
            text.replace_range(range.clone(), "");
        }
        let open = text.find('(').map_or(0, |open| open + 1);
        let inner = text
            .get(open..text.len().saturating_sub(1))
            .unwrap_or_default();
        let words: Vec<&str> = inner.split_whitespace().collect();
        format!("{} {}", sql[..start].trim_end(), words.join(" "))
    };
    let not_null = definitions.words_of(&name, &["not", "null"]);
    let clause = default.as_ref().map(|(clause, _)| clause.clone());
    if why.contains("NOT NULL column") {
        if is_reference {
            return Some(without(&[not_null, clause]));
        }
        let declared = definitions.type_of(&name)?;
        let mended = without(&[clause]);
        let value = value_of(&mended, sql[..start].len(), constant(&whole[declared]))?;
        return Some(format!("{mended} DEFAULT {value}"));
    }
    if why.contains("non-constant default") {
        let (_, value) = default?;
        return Some(format!(
            "{};\nUPDATE {table} SET {} = {}",
            without(&[not_null, clause]),
            name.quoted(),
            &whole[value]
        ));
    }
    if why.contains("REFERENCES column") {
        return Some(without(&[not_null, clause]));
    }
    if why.contains("STORED") {
        let stored = definitions.words_of(&name, &["stored"])?;
        let before = &whole[..stored.start];
        let inner = before.split_once('(')?.1;
        return Some(format!(
            "{} {inner}VIRTUAL{}",
            sql[..start].trim_end(),
            whole[stored.end..].strip_suffix(')')?
        ));
    }
    None
}

/// The value that rows may get: the constant, or the first text or number of the definition that its own CHECK lets pass.
fn value_of(sql: &str, definition: usize, constant: &str) -> Option<String> {
    let definition = sql.get(definition..)?.trim();
    let is_value =
        |form: &&str| form.starts_with(['\'', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
    let read = tokens(definition);
    let written = read.iter().map(|token| &definition[token.range.clone()]);
    let values = std::iter::once(constant).chain(written.filter(is_value));
    // A CHECK may name other columns, which stand in no table here: then nothing is offered.
    let takes = |value: &&str| {
        Connection::open_in_memory().is_ok_and(|connection| {
            let sql = format!(
                "CREATE TABLE t (a); INSERT INTO t VALUES (1); ALTER TABLE t ADD COLUMN {definition} DEFAULT {value};"
            );
            connection.execute_batch(&sql).is_ok()
        })
    };
    let mut values = values;
    values.find(takes).map(str::to_owned)
}

/// A value of a type that says that there is none.
fn constant(declared: &str) -> &'static str {
    let column = Column {
        name: Name::new(""),
        declared_type: declared.into(),
        not_null: false,
        default: None,
        generated: None,
    };
    match column.affinity() {
        Affinity::Text => "''",
        Affinity::Numeric | Affinity::Integer | Affinity::Real => "0",
        Affinity::Blob => "x''",
    }
}

#[cfg(test)]
mod tests {
    use super::added_column;

    #[track_caller]
    fn check(definition: &str, expected: &str) {
        let sql = format!("ALTER TABLE t ADD COLUMN {definition}");
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection
            .pragma_update(None, "foreign_keys", true)
            .unwrap();
        connection
            .execute_batch("CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (a); INSERT INTO t VALUES (1);")
            .unwrap();
        let why = connection.execute_batch(&sql).unwrap_err().to_string();
        let mended = added_column(&sql, "t", &why).unwrap();
        assert_eq!(mended, expected);
        connection.execute_batch(&mended).unwrap();
    }

    #[test]
    fn what_an_empty_table_takes_is_said_so_that_rows_take_it() {
        check(
            "a2 TEXT NOT NULL",
            "ALTER TABLE t ADD COLUMN a2 TEXT NOT NULL DEFAULT ''",
        );
        check(
            "s TEXT NOT NULL CHECK (s IN ('new', 'paid'))",
            "ALTER TABLE t ADD COLUMN s TEXT NOT NULL CHECK (s IN ('new', 'paid')) DEFAULT 'new'",
        );
        check(
            "n INTEGER NOT NULL CHECK (n BETWEEN 1 AND 5)",
            "ALTER TABLE t ADD COLUMN n INTEGER NOT NULL CHECK (n BETWEEN 1 AND 5) DEFAULT 1",
        );
        check(
            "at INTEGER NOT NULL DEFAULT (unixepoch())",
            "ALTER TABLE t ADD COLUMN at INTEGER;\nUPDATE \"t\" SET \"at\" = (unixepoch())",
        );
        check(
            "p INTEGER NOT NULL DEFAULT 1 REFERENCES p(id) ON DELETE CASCADE",
            "ALTER TABLE t ADD COLUMN p INTEGER REFERENCES p(id) ON DELETE CASCADE",
        );
        check(
            "b TEXT AS (a || 'x') STORED",
            "ALTER TABLE t ADD COLUMN b TEXT AS (a || 'x') VIRTUAL",
        );
    }
}
