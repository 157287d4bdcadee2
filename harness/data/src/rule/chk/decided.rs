//! Conditions whose truth hangs on nothing but where values stand among a few literals: a value for each place decides them. Never guesses about any other.

use crate::catalog::{Column, Table};
use crate::tree::{self, Kind, Node};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use std::collections::BTreeMap;

/// Combinations of values beyond which nothing is decided.
const COMBINATIONS: usize = 30_000;
/// Lengths beyond which no text is made to try them.
const LENGTH_MAX: usize = 20_000;

/// What was decided before, by the columns with their types and the condition: many tables have the same.
pub(super) type Known = BTreeMap<(String, String), bool>;

/// Whether a CHECK is false for no row at all. It may still be NULL, which refuses nothing either.
pub(super) fn is_never_false(table: &Table, check: &Node, text: &str, known: &mut Known) -> bool {
    let columns = columns_of(table, check);
    // Another collation takes texts for the same that are told apart here.
    let is_collated = table.sql.to_ascii_lowercase().contains("collate");
    if columns.is_empty() || is_collated || !is_decided(table, check) {
        return false;
    }
    let Some(values) = values(check) else {
        return false;
    };
    let count = u32::try_from(columns.len()).map(|columns| values.len().checked_pow(columns));
    if !count.is_ok_and(|count| count.is_some_and(|count| count <= COMBINATIONS)) {
        return false;
    }
    let declared = columns
        .iter()
        .map(|column| format!("{} {}", column.name.quoted(), column.declared_type));
    let declared = declared.collect::<Vec<_>>().join(", ");
    *known
        .entry((declared.clone(), text.to_owned()))
        .or_insert_with(|| refuses_none(&declared, columns.len(), &values, text).unwrap_or(false))
}

/// The columns that a condition reads.
pub(super) fn columns<'t>(table: &'t Table, text: &str) -> Vec<&'t Column> {
    tree::expression(text).map_or_else(Vec::new, |check| columns_of(table, &check))
}

fn columns_of<'t>(table: &'t Table, check: &Node) -> Vec<&'t Column> {
    let nodes = check.all();
    let is_read = |column: &&Column| nodes.iter().any(|node| is_column(node, column));
    table.columns.iter().filter(is_read).collect()
}

fn is_column(node: &Node, column: &Column) -> bool {
    matches!(node.kind, Kind::Column | Kind::Quoted) && column.name == node.text.as_str()
}

/// Whether a condition only compares columns, their lengths and their types, with each other and with literals.
fn is_decided(table: &Table, node: &Node) -> bool {
    let node = node.bare();
    let parts = node.parts.iter();
    match (node.kind, node.text.as_str()) {
        (Kind::Binary, "AND" | "OR") | (Kind::Unary, "NOT") => {
            parts.into_iter().all(|part| is_decided(table, part))
        }
        (Kind::Binary, "=" | "<>" | "<" | "<=" | ">" | ">=" | "IS" | "IS NOT")
        | (Kind::Between | Kind::In | Kind::IsNull | Kind::NotNull, _) => {
            parts.into_iter().all(|part| is_operand(table, part))
        }
        _ => false,
    }
}

fn is_operand(table: &Table, node: &Node) -> bool {
    let node = node.bare();
    let mut columns = table.columns.iter();
    let is_column = columns.any(|column| is_column(node, column));
    match (node.kind, node.text.as_str()) {
        (Kind::Column | Kind::Quoted, _) => is_column,
        (Kind::Number | Kind::Text, _) | (Kind::Constant, "NULL") => true,
        (Kind::Unary, "-" | "+") => node.parts.iter().all(|part| part.kind == Kind::Number),
        (Kind::Call, "length" | "typeof") => {
            node.parts.len() == 1
                && columns_of(table, node).len() == 1
                && node.parts[0].column().is_some()
        }
        _ => false,
    }
}

/// A value for each place that a value can have among the literals: at each, directly beside it, between two, and beyond all; of every type.
/// None where a length is too great to try.
fn values(check: &Node) -> Option<Vec<Value>> {
    let nodes = check.all();
    let has_length = nodes
        .iter()
        .any(|node| node.kind == Kind::Call && node.text == "length");
    let mut numbers: Vec<f64> = vec![0.0, 1e300, -1e300];
    let mut whole: Vec<i64> = Vec::new();
    let mut texts: Vec<String> = vec![String::new(), "\u{10ffff}".to_owned()];
    for node in nodes {
        if node.kind == Kind::Text {
            texts.extend([node.text.clone(), format!("{}\u{1}", node.text)]);
        }
        if !matches!(node.kind, Kind::Number | Kind::Text) {
            continue;
        }
        let Ok(number) = node.text.parse::<f64>() else {
            continue;
        };
        // Beyond 2^53 only a whole number is exact.
        if let Ok(number) = node.text.parse::<i64>() {
            let near = [number.saturating_sub(1), number, number.saturating_add(1)];
            whole.extend(
                near.into_iter()
                    .flat_map(|near| [near, near.saturating_neg()]),
            );
        }
        for number in [number, -number] {
            numbers.extend([
                number - 1.0,
                number - 0.5,
                number,
                number + 0.5,
                number + 1.0,
            ]);
            texts.extend([number.to_string(), format!("{number}\u{1}")]);
        }
        if has_length {
            let length: usize = node.text.parse().ok()?;
            if length > LENGTH_MAX {
                return None;
            }
            let lengths = [length.saturating_sub(1), length, length + 1];
            texts.extend(lengths.map(|length| "x".repeat(length)));
        }
    }
    numbers.sort_by(f64::total_cmp);
    numbers.dedup();
    texts.sort();
    texts.dedup();
    let mut all = vec![
        Value::Null,
        Value::Blob(Vec::new()),
        Value::Blob(vec![0xff; 3]),
    ];
    whole.sort_unstable();
    whole.dedup();
    all.extend(whole.into_iter().map(Value::Integer));
    all.extend(numbers.into_iter().map(Value::Real));
    all.extend(texts.into_iter().map(Value::Text));
    Some(all)
}

/// Whether no combination of values makes the condition false, in columns of the same types.
fn refuses_none(
    declared: &str,
    columns: usize,
    values: &[Value],
    text: &str,
) -> rusqlite::Result<bool> {
    let connection = Connection::open_in_memory()?;
    connection.execute_batch(&format!("CREATE TABLE one ({declared}); BEGIN"))?;
    let marks = vec!["?"; columns].join(", ");
    let mut insert = connection.prepare(&format!("INSERT INTO one VALUES ({marks})"))?;
    let mut places = vec![0; columns];
    loop {
        insert.execute(params_from_iter(places.iter().map(|place| &values[*place])))?;
        // The next combination: the first place that can go up does, those before it begin anew.
        let Some(up) = places.iter().position(|place| place + 1 < values.len()) else {
            break;
        };
        places[up] += 1;
        places[..up].fill(0);
    }
    let sql = format!("SELECT NOT EXISTS (SELECT 1 FROM one WHERE NOT ({text}))");
    connection.query_row(&sql, [], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;

    fn is_void(columns: &str, check: &str) -> bool {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(&format!("CREATE TABLE t ({columns})"))
            .unwrap();
        let schema = catalog::read(&connection).unwrap();
        let node = tree::expression(check).unwrap();
        is_never_false(schema.table("t").unwrap(), &node, check, &mut Known::new())
    }

    #[test]
    fn conditions_that_are_true_of_every_value_are_void() {
        for (columns, check) in [
            ("x INTEGER", "x >= 0 OR x <= 1"),
            ("x TEXT", "x <> 'a' OR x <> 'b'"),
            ("x TEXT", "x NOT IN ('a', 'b') OR x IN ('a', 'b')"),
            ("x TEXT", "length(x) >= 0"),
            ("x", "x = NULL"),
            ("x INT, y INT", "x < y OR x >= y"),
            ("\"x\" REAL", "\"x\" > -1.5 OR NOT \"x\" > 0"),
        ] {
            assert!(is_void(columns, check), "{check}");
        }
    }

    #[test]
    fn conditions_that_refuse_anything_or_call_what_is_not_known_are_not() {
        for (columns, check) in [
            ("x INTEGER", "x >= 0 OR x <= -1"),
            ("x INTEGER", "x IN (0, 1)"),
            ("x TEXT", "x <> 'a' AND x <> 'b'"),
            ("x TEXT", "length(x) <= 1000"),
            ("x TEXT", "length(x) <= 1000000"),
            ("x TEXT", "x NOT LIKE '% %'"),
            ("x TEXT", "x IS NOT NULL"),
            ("x INT, y INT", "x < y OR x > y"),
            ("x", "typeof(x) <> 'blob'"),
            ("x", "abs(x) >= 0"),
        ] {
            assert!(!is_void(columns, check), "{check}");
        }
    }
}
