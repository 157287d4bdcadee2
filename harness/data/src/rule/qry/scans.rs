//! QRY-01: conditions that no index can serve, by what SQLite plans. Never reports a condition while the plan searches.

use crate::catalog::Table;
use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::rule::declared;
use crate::subject::Subject;
use crate::text::find_word;
use crate::tree::{self, Kind, Node};
use std::collections::BTreeSet;

pub(in crate::rule) fn not_served(subject: &Subject, findings: &mut Vec<Finding>) {
    for one in declared::all(subject) {
        let Some(tree) = tree::parse(&one.sql) else {
            continue;
        };
        let Some(plan) = declared::plan(subject, &one.sql) else {
            continue;
        };
        let scans = plan.iter().any(|line| {
            line.starts_with("SCAN")
                && !line.contains("VIRTUAL TABLE")
                && !line.contains("json_each")
        });
        let nodes = tree.all();
        let mut told = BTreeSet::new();
        for node in nodes {
            let Some((what, message, help)) = fault(subject, &one.sql, node, scans) else {
                continue;
            };
            if !told.insert(what) {
                continue;
            }
            let table = named(subject, &one.sql);
            let site = table.and_then(|table| subject.site(ObjectKind::Table, &table.name));
            findings.push(
                Finding::new(
                    "QRY-01",
                    Level::Warning,
                    format!("{}: {what}", one.object),
                    message,
                )
                .at(site, "is read for it")
                .help(help),
            );
        }
    }
}

/// The first ordinary table that a statement names.
fn named<'s>(subject: &'s Subject, sql: &str) -> Option<&'s Table> {
    let mut tables = subject
        .schema()
        .tables
        .values()
        .filter(|table| table.is_ordinary());
    tables.find(|table| find_word(sql, table.name.as_str(), 0).is_some())
}

/// What is wrong in a word or two, the sentence, and what to do.
type Fault = (&'static str, String, &'static str);

fn fault(subject: &Subject, sql: &str, node: &Node, scans: bool) -> Option<Fault> {
    offset(node)
        .or_else(|| is_parameter(subject, sql, node, scans))
        .or_else(|| {
            let found = leading_percent(node).or_else(|| either_column(node));
            found
                .or_else(|| function(subject, sql, node))
                .filter(|_| scans)
        })
}

fn offset(node: &Node) -> Option<Fault> {
    let part = node.parts.first().filter(|_| node.kind == Kind::Offset)?;
    let skips = part.kind != Kind::Number || part.text != "0";
    skips.then(|| {
        (
            "OFFSET",
            "OFFSET reads every row that it skips, and D1 bills them: page 100 costs a hundred times page 1".to_owned(),
            "page by key: WHERE (created_at, id) < (?1, ?2) ORDER BY created_at DESC, id DESC LIMIT …",
        )
    })
}

fn is_parameter(subject: &Subject, sql: &str, node: &Node, scans: bool) -> Option<Fault> {
    let is_test = node.kind == Kind::Binary && matches!(node.text.as_str(), "IS" | "IS NOT");
    let [column, value] = node.parts.as_slice() else {
        return None;
    };
    let name = column.column().filter(|_| is_test)?;
    let is_hindered = scans || partial_on(subject, sql, name);
    (value.bare().kind == Kind::Parameter && is_hindered).then(|| {
        (
            "IS",
            format!("`{name} IS ?` serves NULL and a value by one statement, so SQLite cannot use a partial index for either"),
            "write two statements, one with IS NULL and one with IS NOT NULL or =",
        )
    })
}

fn leading_percent(node: &Node) -> Option<Fault> {
    let is_like = node.kind == Kind::Like && node.text == "LIKE";
    let pattern = node.parts.get(1).filter(|_| is_like)?;
    let first = *pattern.chain("||").first()?;
    (first.kind == Kind::Text && first.text.starts_with(['%', '_'])).then(|| {
        (
            "LIKE",
            "a pattern that begins with % reads every row: an index finds beginnings only".to_owned(),
            "look up words by a full-text index (FTS5), or keep what is searched for in a column of its own",
        )
    })
}

fn function(subject: &Subject, sql: &str, node: &Node) -> Option<Fault> {
    let is_comparison =
        node.kind == Kind::Binary && matches!(node.text.as_str(), "=" | "<" | "<=" | ">" | ">=");
    let mut parts = node.parts.iter().map(Node::bare);
    let call = parts
        .find(|part| part.kind == Kind::Call && reads_index(subject, sql, part))
        .filter(|_| is_comparison)?;
    Some((
        "function",
        format!(
            "{}(…) around an indexed column hides the column from its index, and every row is read",
            call.text
        ),
        "compare the bare column with a range or a value made beforehand, or index the expression",
    ))
}

fn either_column(node: &Node) -> Option<Fault> {
    if node.kind != Kind::Binary || node.text != "OR" {
        return None;
    }
    let terms = node.chain("OR");
    let names: BTreeSet<String> = terms
        .iter()
        .filter_map(|part| part.parts.first()?.column().map(str::to_ascii_lowercase))
        .collect();
    (names.len() > 1).then(|| {
        (
            "OR",
            "OR over two columns is served only if an index begins with each of them; here one does not, and every row is read".to_owned(),
            "index both columns, or write two queries joined by UNION",
        )
    })
}

/// Whether a partial index of a table of the statement is conditioned on this column.
fn partial_on(subject: &Subject, sql: &str, column: &str) -> bool {
    let tables = subject.schema().tables.values();
    tables
        .filter(|table| find_word(sql, table.name.as_str(), 0).is_some())
        .any(|table| {
            table.indexes.iter().any(|index| {
                let condition = index.condition.as_deref().unwrap_or_default();
                find_word(condition, column, 0).is_some()
            }) || table.columns.iter().any(|own| own.name == column)
                && crate::rule::words::is_deletion(column)
        })
}

/// Whether a call holds the first column of an index, and no value made by a clock.
fn reads_index(subject: &Subject, sql: &str, call: &Node) -> bool {
    let parts = call.parts.iter().flat_map(Node::all);
    let names: Vec<&str> = parts.filter_map(Node::column).collect();
    let tables = subject.schema().tables.values();
    tables
        .filter(|table| find_word(sql, table.name.as_str(), 0).is_some())
        .any(|table| {
            table.indexes.iter().any(|index| {
                let first = index.columns.first().and_then(|part| part.name.as_ref());
                first.is_some_and(|first| names.iter().any(|name| first == name))
            })
        })
}
