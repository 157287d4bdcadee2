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
pub(in crate::rule) type Known = BTreeMap<(String, String), Verdict>;

/// What a condition does to rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rule) enum Verdict {
    /// It is false for some rows and not for others, or nothing was decided.
    Sorts,
    /// It is false for no row at all. It may still be NULL, which refuses nothing either.
    RefusesNone,
    /// It is false for every row.
    RefusesAll,
}

/// What a CHECK that reads columns does to the rows that the table may hold by its NOT NULLs.
pub(in crate::rule) fn decide(
    table: &Table,
    check: &Node,
    text: &str,
    known: &mut Known,
) -> Verdict {
    let Some((columns, values)) = places(table, &[check]) else {
        return Verdict::Sorts;
    };
    let declared = columns.iter().map(|column| {
        let nullable = if table.is_nullable(column) {
            ""
        } else {
            " NOT NULL ON CONFLICT IGNORE"
        };
        format!(
            "{} {}{nullable}",
            column.name.quoted(),
            column.declared_type
        )
    });
    let declared = declared.collect::<Vec<_>>().join(", ");
    let verdict = *known
        .entry((declared.clone(), text.to_owned()))
        .or_insert_with(|| {
            verdict(&declared, columns.len(), &values, text).unwrap_or(Verdict::Sorts)
        });
    // A single value that was not thought of would pass.
    if verdict == Verdict::RefusesAll && !has_every_place(table, check) {
        return Verdict::Sorts;
    }
    verdict
}

/// The columns that conditions read, and the values that decide them all; none where nothing decides them.
pub(in crate::rule) fn places<'t>(
    table: &'t Table,
    conditions: &[&Node],
) -> Option<(Vec<&'t Column>, Vec<Value>)> {
    let all = Node {
        kind: Kind::List,
        text: String::new(),
        parts: conditions.iter().map(|one| (*one).clone()).collect(),
    };
    let columns = columns_of(table, &all);
    // Another collation takes texts for the same that are told apart here.
    let is_collated = table.sql.to_ascii_lowercase().contains("collate");
    let mut conditions = conditions.iter();
    if columns.is_empty() || is_collated || !conditions.all(|one| is_decided(table, one)) {
        return None;
    }
    let values = values(&all)?;
    let count = values
        .len()
        .checked_pow(u32::try_from(columns.len()).ok()?)?;
    (count <= COMBINATIONS).then_some((columns, values))
}

/// Whether the values have one for each answer that a condition can give: no function is asked, and no column is compared with another one.
pub(in crate::rule) fn has_every_place(table: &Table, condition: &Node) -> bool {
    let nodes = condition.all();
    let mut nodes = nodes.into_iter();
    nodes.all(|node| {
        let is_joint = matches!(
            (node.kind, node.text.as_str()),
            (Kind::Binary, "AND" | "OR") | (Kind::Unary | Kind::List | Kind::Case, _)
        );
        node.kind != Kind::Call && (is_joint || columns_of(table, node).len() <= 1)
    })
}

/// Calls with each combination of so many values, until one call says that it is enough.
pub(in crate::rule) fn combinations(
    columns: usize,
    values: &[Value],
    mut with: impl FnMut(&[&Value]) -> rusqlite::Result<bool>,
) -> rusqlite::Result<()> {
    let mut places = vec![0; columns];
    loop {
        let row: Vec<&Value> = places.iter().map(|place| &values[*place]).collect();
        if with(&row)? {
            return Ok(());
        }
        // The next combination: the first place that can go up does, those before it begin anew.
        let Some(up) = places.iter().position(|place| place + 1 < values.len()) else {
            return Ok(());
        };
        places[up] += 1;
        places[..up].fill(0);
    }
}

/// The columns that a condition reads.
pub(in crate::rule) fn columns<'t>(table: &'t Table, text: &str) -> Vec<&'t Column> {
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
    let between: Vec<f64> = numbers
        .windows(2)
        .map(|pair| f64::midpoint(pair[0], pair[1]))
        .collect();
    numbers.extend(between);
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

/// Whether no combination of values makes the condition false, or all do, in columns of the same types.
fn verdict(
    declared: &str,
    columns: usize,
    values: &[Value],
    text: &str,
) -> rusqlite::Result<Verdict> {
    let connection = Connection::open_in_memory()?;
    connection.execute_batch(&format!("CREATE TABLE one ({declared}); BEGIN"))?;
    let marks = vec!["?"; columns].join(", ");
    let mut insert = connection.prepare(&format!("INSERT INTO one VALUES ({marks})"))?;
    combinations(columns, values, |row| {
        insert.execute(params_from_iter(row))?;
        Ok(false)
    })?;
    let has = |condition: &str| {
        let sql = format!("SELECT EXISTS (SELECT 1 FROM one WHERE ({text}) {condition})");
        connection.query_row(&sql, [], |row| row.get::<_, bool>(0))
    };
    Ok(match (has("IS FALSE")?, has("IS NOT FALSE")?) {
        (false, _) => Verdict::RefusesNone,
        (true, false) => Verdict::RefusesAll,
        (true, true) => Verdict::Sorts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;

    fn decided(columns: &str, check: &str) -> Verdict {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(&format!("CREATE TABLE t ({columns})"))
            .unwrap();
        let schema = catalog::read(&connection).unwrap();
        let node = tree::expression(check).unwrap();
        decide(schema.table("t").unwrap(), &node, check, &mut Known::new())
    }

    fn is_void(columns: &str, check: &str) -> bool {
        decided(columns, check) == Verdict::RefusesNone
    }

    #[test]
    fn conditions_that_are_false_of_every_value_that_the_column_takes_refuse_all_rows() {
        for (columns, check) in [
            ("x INTEGER NOT NULL", "x > 5 AND x < 3"),
            ("x TEXT NOT NULL", "x = 'a' AND x = 'b'"),
        ] {
            assert_eq!(decided(columns, check), Verdict::RefusesAll, "{check}");
        }
        for (columns, check) in [
            ("x INTEGER", "x > 5 AND x < 3"),
            ("x INTEGER NOT NULL", "x >= 5 AND x <= 5"),
            ("x TEXT NOT NULL", "x IN ('a')"),
            ("x INT NOT NULL", "x > 5 AND x < 6"),
            ("x REAL NOT NULL", "x > 1.2 AND x < 1.3"),
            ("x TEXT NOT NULL", "x > 'a' AND x < 'aa'"),
            ("x BLOB NOT NULL", "typeof(x) = 'blob' AND length(x) = 32"),
        ] {
            assert_eq!(decided(columns, check), Verdict::Sorts, "{check}");
        }
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
