//! Parameters written into SQL as literals, where a way to a database takes no bound ones. Never runs SQL.

use serde_json::Value;

/// The statement cannot be written out with these parameters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// `?2` where only one parameter was given.
    #[error("the statement asks for parameter {asked}, and there are {given}")]
    NoSuchParameter {
        /// Number of the placeholder, from 1.
        asked: usize,
        /// How many there are.
        given: usize,
    },
    /// `:name`, `@name` and `$name` have no value here.
    #[error("the statement has a named parameter: only ?1, ?2, … and ? have values")]
    Named,
}

/// The statement with every placeholder replaced by its value as a literal.
///
/// # Errors
/// [`Unwritable`] when a placeholder has no value.
pub fn inlined(sql: &str, params: &[Value]) -> Result<String, Unwritable> {
    rewritten(sql, params.len(), |index| literal(&params[index]))
}

/// The statement with every value but texts written out, and the texts in the order in which `?1`, `?2`, … now ask for them.
/// Evidence: the local explorer takes nothing but texts, and D1 binds every number as REAL, which stores 123 as "123.0" in a TEXT column.
///
/// # Errors
/// [`Unwritable`] when a placeholder has no value.
pub fn texts_bound(sql: &str, params: &[Value]) -> Result<(String, Vec<String>), Unwritable> {
    let mut texts = Vec::new();
    let mut places: Vec<Option<usize>> = vec![None; params.len()];
    let sql = rewritten(sql, params.len(), |index| {
        let Value::String(text) = &params[index] else {
            return literal(&params[index]);
        };
        let place = *places[index].get_or_insert_with(|| {
            texts.push(text.clone());
            texts.len()
        });
        format!("?{place}")
    })?;
    Ok((sql, texts))
}

/// A value as SQLite reads it: with the type that a bound parameter would have, and without an affinity.
#[must_use]
pub fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Bool(flag) => i64::from(*flag).to_string(),
        Value::Number(number) => number.as_i64().map_or_else(
            // The shortest text that reads back as the same number.
            || bracketed(format!("{:?}", number.as_f64().unwrap_or_default())),
            |whole| bracketed(whole.to_string()),
        ),
        Value::String(text) => quoted(text),
        Value::Array(_) | Value::Object(_) => quoted(&value.to_string()),
    }
}

/// A minus sign after another one would begin a comment.
fn bracketed(number: String) -> String {
    if number.starts_with('-') {
        format!("({number})")
    } else {
        number
    }
}

fn quoted(text: &str) -> String {
    let parts: Vec<String> = text
        .split('\0')
        .map(|part| format!("'{}'", part.replace('\'', "''")))
        .collect();
    // A statement ends at a NUL, and no command line can carry one.
    if parts.len() == 1 {
        parts.concat()
    } else {
        format!("({})", parts.join("||char(0)||"))
    }
}

/// Copies a statement, asking for the text of each placeholder by its index from 0.
fn rewritten(
    sql: &str,
    given: usize,
    mut text_of: impl FnMut(usize) -> String,
) -> Result<String, Unwritable> {
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    let mut largest = 0;
    while let Some(first) = rest.chars().next() {
        let passage = passage(rest, first);
        if passage > 0 {
            out.push_str(&rest[..passage]);
            rest = &rest[passage..];
            continue;
        }
        match first {
            '?' => {
                let digits = rest[1..]
                    .find(|letter: char| !letter.is_ascii_digit())
                    .unwrap_or(rest.len() - 1);
                let asked = rest[1..=digits].parse().unwrap_or(largest + 1);
                largest = largest.max(asked);
                if asked == 0 || asked > given {
                    return Err(Unwritable::NoSuchParameter { asked, given });
                }
                out.push_str(&text_of(asked - 1));
                rest = &rest[1 + digits..];
            }
            ':' | '@' | '$' => return Err(Unwritable::Named),
            other => {
                out.push(other);
                rest = &rest[other.len_utf8()..];
            }
        }
    }
    Ok(out)
}

/// Length of what begins here and is copied as it stands: a text, a quoted name, a comment, a word; 0 for anything else.
fn passage(rest: &str, first: char) -> usize {
    let until = |end: &str, from: usize| {
        rest[from..]
            .find(end)
            .map_or(rest.len(), |at| from + at + end.len())
    };
    match first {
        // A doubled quote ends one passage and begins the next: both are copied.
        '\'' => until("'", 1),
        '"' => until("\"", 1),
        '`' => until("`", 1),
        '[' => until("]", 1),
        '-' if rest.starts_with("--") => until("\n", 2),
        '/' if rest.starts_with("/*") => until("*/", 2),
        // A word may hold a `$`.
        letter if letter.is_alphanumeric() || letter == '_' => rest
            .find(|other: char| !(other.is_alphanumeric() || other == '_' || other == '$'))
            .unwrap_or(rest.len()),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rusqlite::types::Value as Sql;
    use serde_json::json;

    fn read_back(sql: &str) -> Sql {
        let database = rusqlite::Connection::open_in_memory().unwrap();
        database.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn check(value: &Value, expected: &Sql) {
        let sql = inlined("SELECT ?1", std::slice::from_ref(value)).unwrap();
        assert!(!sql.contains('\0'), "{sql:?}");
        assert_eq!(&read_back(&sql), expected, "{sql}");
    }

    #[test]
    fn each_kind_of_value_is_read_back_as_it_was() {
        check(&Value::Null, &Sql::Null);
        check(&json!(true), &Sql::Integer(1));
        check(&json!(i64::MIN), &Sql::Integer(i64::MIN));
        check(&json!(i64::MAX), &Sql::Integer(i64::MAX));
        check(&json!(-0.5), &Sql::Real(-0.5));
        check(&json!(3.0), &Sql::Real(3.0));
        check(
            &json!("Rob'); DROP TABLE t;--"),
            &Sql::Text("Rob'); DROP TABLE t;--".to_owned()),
        );
        check(&json!("\0a\0\0b'\0"), &Sql::Text("\0a\0\0b'\0".to_owned()));
        check(
            &json!({"a": "it's"}),
            &Sql::Text(r#"{"a":"it's"}"#.to_owned()),
        );
    }

    #[test]
    fn a_minus_before_a_negative_number_is_no_comment() {
        let sql = inlined("SELECT 5-?1 AS n", &[json!(-5)]).unwrap();
        assert_eq!(read_back(&sql), Sql::Integer(10));
    }

    #[test]
    fn a_text_compares_as_a_bound_one_does() {
        // A literal has no affinity, as a parameter has none: 5 is not '5'.
        for (value, same) in [(json!("5"), 0), (json!(5), 1)] {
            let sql = inlined("SELECT ?1 = 5", &[value]).unwrap();
            assert_eq!(read_back(&sql), Sql::Integer(same), "{sql}");
        }
    }

    #[test]
    fn placeholders_in_texts_names_and_comments_stay() {
        let sql = r#"SELECT '?1 it''s' AS "a?1", [b?1], `c?1` -- ?1
            /* ?1 ' */ , ?1, a$b FROM t"#;
        assert_eq!(
            inlined(sql, &[json!(7)]).unwrap(),
            sql.replace(", ?1, a$b", ", 7, a$b")
        );
    }

    #[test]
    fn an_unnumbered_placeholder_follows_the_largest_before_it() {
        let params = [json!(1), json!(2), json!(3)];
        assert_eq!(inlined("?, ?, ?1, ?", &params).unwrap(), "1, 2, 1, 3");
        assert_eq!(inlined("?2, ?", &params).unwrap(), "2, 3");
    }

    #[test]
    fn a_placeholder_without_a_value_is_an_error() {
        let none = Unwritable::NoSuchParameter { asked: 2, given: 1 };
        assert_eq!(inlined("SELECT ?1, ?2", &[json!(1)]), Err(none.clone()));
        assert_eq!(texts_bound("SELECT ?1, ?", &[json!("a")]), Err(none));
        assert!(inlined("SELECT ?0", &[json!(1)]).is_err());
        assert_eq!(inlined("SELECT :name", &[json!(1)]), Err(Unwritable::Named));
    }

    #[test]
    fn texts_stay_bound_and_are_numbered_anew() {
        let params = [json!(1), json!("b"), Value::Null, json!("d")];
        let (sql, texts) = texts_bound("?4, ?1, ?2, ?3, ?4", &params).unwrap();
        assert_eq!(sql, "?1, 1, ?2, NULL, ?1");
        assert_eq!(texts, ["d", "b"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_as_it_was(text in any::<String>(), next in "[\\x00-\\x7f]{0,40}") {
            for text in [text, next] {
                let sql = inlined("SELECT ?1", &[json!(text)]).unwrap();
                prop_assert_eq!(read_back(&sql), Sql::Text(text));
            }
        }

        #[test]
        fn two_texts_do_not_run_into_each_other(one in "[\\x00'?\"`-]{0,8}", other in "[\\x00'?\"`-]{0,8}") {
            let sql = inlined("SELECT ?1||'|'||?2", &[json!(one), json!(other)]).unwrap();
            prop_assert_eq!(read_back(&sql), Sql::Text(format!("{one}|{other}")));
        }

        #[test]
        fn any_whole_number_is_read_back_as_it_was(number in any::<i64>()) {
            check(&json!(number), &Sql::Integer(number));
        }

        #[test]
        fn any_other_number_is_read_back_as_near_as_sqlite_reads_it(number in -1e300_f64..1e300) {
            let sql = inlined("SELECT ?1", &[json!(number)]).unwrap();
            let Sql::Real(seen) = read_back(&sql) else {
                return Err(TestCaseError::fail(sql));
            };
            prop_assert!((seen - number).abs() <= number.abs() * 1e-15, "{} {}", number, seen);
        }
    }
}
