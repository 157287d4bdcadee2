//! Which columns the files read as JSON: rows that hold other texts there would make a file fail for our reason, not for its own. Never judges whether a column is meant to hold JSON.

use super::Replay;
use crate::catalog::Name;
use crate::tree::{self, Kind, Node, Tree};
use std::collections::BTreeSet;

/// Statements that are longer hold rows for the most part.
const LONGEST: usize = 20_000;

/// The functions whose first argument is a text of JSON.
const READERS: [&str; 10] = [
    "json_array_length",
    "json_each",
    "json_extract",
    "json_insert",
    "json_patch",
    "json_remove",
    "json_replace",
    "json_set",
    "json_tree",
    "json_type",
];

/// The columns, each with every table that its statement names.
pub(super) fn columns_read(replay: &Replay) -> BTreeSet<(Name, Name)> {
    let mut found = BTreeSet::new();
    for step in &replay.steps {
        let sql = &step.statement.sql;
        if sql.len() > LONGEST || !is_about(sql) {
            continue;
        }
        if let Some(tree) = tree::parse(sql) {
            for tree in std::iter::once(&tree).chain(&tree.body) {
                collect(tree, &mut found);
            }
        }
    }
    found
}

fn is_about(sql: &str) -> bool {
    let mut windows = sql.as_bytes().windows(5);
    sql.contains("->") || windows.any(|five| five.eq_ignore_ascii_case(b"json_"))
}

fn collect(tree: &Tree, found: &mut BTreeSet<(Name, Name)>) {
    let nodes = tree.all();
    let from = nodes.iter().filter(|node| node.kind == Kind::Table);
    let tables: Vec<&str> = from
        .map(|table| table.text.as_str())
        .chain(tree.table.as_deref())
        .collect();
    let columns = nodes.iter().filter_map(|node| argument(node)?.column());
    for column in columns {
        let pairs = tables
            .iter()
            .map(|table| (Name::new(table), Name::new(column)));
        found.extend(pairs);
    }
}

/// What a node reads as JSON.
fn argument(node: &Node) -> Option<&Node> {
    let text = node.text.as_str();
    let reads = node.kind == Kind::Call && READERS.contains(&text)
        || node.kind == Kind::Binary && matches!(text, "->" | "->>");
    node.parts.first().filter(|_| reads)
}
