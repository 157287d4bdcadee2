//! CHK-03: CHECKs that refuse nothing. Never calls one void for values that were tried at random: either it reads no column, or the values decide it.

use super::{checked, decided};
use crate::catalog::Table;
use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::rule::{repair, trial};
use crate::subject::Subject;
use crate::tree::{Kind, Node};

pub(super) fn void(subject: &Subject, findings: &mut Vec<Finding>) {
    let mut known = decided::Known::new();
    for (table, tree) in checked(subject) {
        for (node, (_, text)) in tree.parts.iter().zip(&tree.checks) {
            let is_column = |node: &&Node| {
                matches!(node.kind, Kind::Column | Kind::Quoted)
                    && table
                        .columns
                        .iter()
                        .any(|column| column.name == node.text.as_str())
            };
            let quoted = node
                .all()
                .into_iter()
                .find(|node| node.kind == Kind::Quoted && !is_column(node));
            let part = void_part(node, &is_column);
            let is_void = part.is_some_and(|term| always_true(term, text, node))
                || part.is_some_and(|term| term != node.bare() && is_a_true_number(term))
                || decided::is_never_false(table, node, text, &mut known);
            if is_void {
                findings.push(void_finding(subject, table, text, quoted));
            } else if let Some(word) = part.filter(|term| term.kind == Kind::Text) {
                findings.push(lone_text(subject, table, text, &word.text));
            } else if let Some(quoted) = quoted {
                let message = format!(
                    "CHECK ({}) compares with the text '{1}', not with a column: `{2}` has no column of this name, so SQLite reads \"{1}\" as a text, and a typo goes unnoticed",
                    text.trim(),
                    quoted.text,
                    table.name
                );
                findings.push(
                    Finding::new(
                        "CHK-03",
                        Level::Warning,
                        format!("table {}: check {}", table.name, text.trim()),
                        message,
                    )
                    .at(
                        subject.site_of(ObjectKind::Table, &table.name, &quoted.text),
                        "a text in double quotes",
                    )
                    .help("write texts in single quotes; double quotes are for names")
                    .patched(repair::named_in_check(
                        subject,
                        table,
                        &quoted.text,
                        false,
                    )),
                );
            }
        }
    }
}

/// `x = 1 OR 2`: the number alone is true.
fn is_a_true_number(term: &Node) -> bool {
    let number = term.text.parse::<f64>();
    term.kind == Kind::Number && number.is_ok_and(|number| number != 0.0)
}

/// `status = 'open' OR 'done'`: the text alone is no comparison, and false.
fn lone_text(subject: &Subject, table: &Table, text: &str, word: &str) -> Finding {
    let message = format!(
        "CHECK ({}) of `{}` refuses '{word}', which stands alone behind OR: a text by itself is no comparison, and false",
        text.trim(),
        table.name
    );
    Finding::new(
        "CHK-03",
        Level::Warning,
        format!("table {}: check {}", table.name, text.trim()),
        message,
    )
    .at(
        subject.site_of(ObjectKind::Table, &table.name, "check"),
        "compares with one text only",
    )
    .help("write column IN ('…', '…')")
}

fn void_finding(subject: &Subject, table: &Table, text: &str, quoted: Option<&Node>) -> Finding {
    let word = quoted.map_or("check", |node| node.text.as_str());
    let why = quoted.map_or_else(
        || "it is true for every row, whatever the row holds".to_owned(),
        |node| {
            format!(
                "\"{}\" is not one of its columns but a text, the same for each row",
                node.text
            )
        },
    );
    let message = format!(
        "CHECK ({}) of `{}` refuses nothing: {why}",
        text.trim(),
        table.name
    );
    Finding::new("CHK-03", Level::Error, format!("table {}: check {}", table.name, text.trim()), message)
        .at(subject.site_of(ObjectKind::Table, &table.name, word), "always true")
        .help("name the column that is meant, without quotes or in double quotes, and texts in single quotes")
        .patched(quoted.and_then(|node| repair::named_in_check(subject, table, &node.text, true)))
        .proof(proof(table, text))
}

/// A CHECK that reads no column is asked without a row; one that reads some, on a row that it ought to refuse.
fn proof(table: &Table, text: &str) -> Vec<String> {
    let columns = decided::columns(table, text);
    if columns.is_empty() {
        return trial::answering(vec![
            ".dbconfig dqs_dml on".to_owned(),
            format!("SELECT ({}) IS TRUE AS holds_without_any_row;", text.trim()),
        ]);
    }
    let declared: Vec<String> = columns
        .iter()
        .map(|column| format!("{} {}", column.name.quoted(), column.declared_type))
        .collect();
    let name = table.name.quoted();
    trial::answering(vec![
        format!(
            "CREATE TABLE {name} ({}, CHECK ({}));",
            declared.join(", "),
            text.trim()
        ),
        format!(
            "INSERT INTO {name} VALUES ({}), ({});",
            vec!["-987654321"; columns.len()].join(", "),
            vec!["'moltproof'"; columns.len()].join(", ")
        ),
        format!("SELECT count(*) FROM {name};"),
    ])
}

/// The CHECK itself, if no part of it reads a column; or a part of an OR that reads none.
fn void_part<'n>(node: &'n Node, is_column: &impl Fn(&&Node) -> bool) -> Option<&'n Node> {
    let terms = node.chain("OR");
    let reads = |term: &&Node| term.all().iter().any(is_column);
    terms.into_iter().find(|term| !reads(term))
}

/// Whether SQLite finds the whole CHECK true although it reads no column.
fn always_true(term: &Node, text: &str, check: &Node) -> bool {
    if term != check.bare() {
        return false;
    }
    let connection = rusqlite::Connection::open_in_memory();
    connection.is_ok_and(|connection| {
        let sql = format!("SELECT ({text}) IS TRUE");
        connection
            .query_row(&sql, [], |row| row.get(0))
            .unwrap_or(false)
    })
}
