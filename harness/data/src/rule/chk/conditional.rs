//! CHECKs over several columns that are neither true nor false where one of them is NULL, against a condition that is declared. Never judges a column without a claim.

use super::{decided, trial};
use crate::catalog::{Column, Table};
use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::subject::Subject;
use crate::text::{literal, written};
use crate::tree::{self, Kind, Node};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

/// Combinations of values beyond which nothing is looked for.
const COMBINATIONS: usize = 5_000;

/// What a CHECK lets through although the declared condition of its row does not hold, because a column is NULL.
pub(super) fn passes_null(
    subject: &Subject,
    table: &Table,
    check: &Node,
    text: &str,
) -> Option<Finding> {
    let columns = decided::columns(table, text);
    let mut claims = subject.claims.constraint.iter();
    let (column, holds) = claims.find_map(|claim| {
        let holds = claim
            .holds
            .as_deref()
            .filter(|_| table.name == claim.table.as_str())?;
        let column = columns
            .iter()
            .find(|column| column.name == claim.column.as_str())?;
        table.is_nullable(column).then_some((*column, holds))
    })?;
    if columns.len() < 2 {
        return None;
    }
    let mut all = columns;
    let others = decided::columns(table, holds);
    all.extend(
        others
            .into_iter()
            .filter(|other| !check_reads(check, other)),
    );
    let row = let_through(&all, column, (text, holds), &literals(check, holds)).ok()??;
    let name = &column.name;
    let message = format!(
        "CHECK ({}) lets a row with NULL in `{name}` through: it refuses only what is false, and NULL is neither true nor false",
        text.trim()
    );
    let declared: Vec<String> = all.iter().map(|column| declared(column)).collect();
    let insert = format!(
        "INSERT INTO {} VALUES ({});",
        table.name.quoted(),
        row.iter()
            .map(|value| literal(value.into()))
            .collect::<Vec<_>>()
            .join(", ")
    );
    Some(
        Finding::new(
            "CHK-02",
            Level::Warning,
            format!("table {}: {name}", table.name),
            message,
        )
        .at(
            subject.site_of(ObjectKind::Table, &table.name, name.as_str()),
            "may be NULL",
        )
        .help(format!("say in the CHECK what NULL in `{name}` means: add `{name} IS NOT NULL AND …` or `{name} IS NULL`"))
        .proof(trial::answering(vec![
            format!("CREATE TABLE {} ({}, CHECK ({text}));", table.name.quoted(), declared.join(", ")),
            written(&insert, &[]),
            format!("SELECT count(*) FROM {};", table.name.quoted()),
        ])),
    )
}

fn check_reads(check: &Node, column: &Column) -> bool {
    let nodes = check.all();
    nodes.iter().any(|node| {
        matches!(node.kind, Kind::Column | Kind::Quoted) && column.name == node.text.as_str()
    })
}

fn declared(column: &Column) -> String {
    format!("{} {}", column.name.quoted(), column.declared_type)
}

/// The literals of both conditions.
fn literals(check: &Node, holds: &str) -> Vec<Value> {
    let holds = tree::expression(holds);
    let nodes = check
        .all()
        .into_iter()
        .chain(holds.iter().flat_map(Node::all));
    let mut all: Vec<Value> = Vec::new();
    for node in nodes {
        let value = match (node.kind, node.text.parse()) {
            (Kind::Text, _) => Value::Text(node.text.clone()),
            (Kind::Number, Ok(number)) => Value::Integer(number),
            (_, _) => continue,
        };
        if !all.contains(&value) {
            all.push(value);
        }
    }
    all
}

/// A row with NULL in a column of which the CHECK is NULL and the declared condition not true.
fn let_through(
    columns: &[&Column],
    column: &Column,
    (check, holds): (&str, &str),
    values: &[Value],
) -> rusqlite::Result<Option<Vec<Value>>> {
    let others = u32::try_from(columns.len().saturating_sub(1)).unwrap_or(u32::MAX);
    let count = values.len().checked_pow(others).unwrap_or(usize::MAX);
    if count > COMBINATIONS {
        return Ok(None);
    }
    let connection = Connection::open_in_memory()?;
    let all: Vec<String> = columns.iter().map(|column| declared(column)).collect();
    connection.execute_batch(&format!("CREATE TABLE one ({}); BEGIN", all.join(", ")))?;
    let marks = vec!["?"; columns.len()].join(", ");
    let mut insert = connection.prepare(&format!("INSERT INTO one VALUES ({marks})"))?;
    for number in 0..count {
        let mut rest = number;
        let row = columns.iter().map(|other| {
            if other.name == column.name {
                return Value::Null;
            }
            let value = values[rest % values.len()].clone();
            rest /= values.len();
            value
        });
        insert.execute(params_from_iter(row))?;
    }
    let sql = format!("SELECT * FROM one WHERE ({check}) IS NULL AND ({holds}) IS NOT TRUE");
    let mut found = connection.prepare(&sql)?;
    let mut rows = found.query([])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let row = (0..columns.len()).map(|at| row.get(at));
    row.collect::<rusqlite::Result<Vec<Value>>>().map(Some)
}
