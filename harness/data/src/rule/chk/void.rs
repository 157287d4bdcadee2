//! CHK-03: CHECKs that refuse nothing. Never calls one void for values that were tried at random: either it reads no column, or the values decide it.

use super::checked;
use super::decided::{self, Verdict};
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
            let verdict = decided::decide(table, node, text, &mut known);
            let is_void = part.is_some_and(|term| is_always(true, term, text, node))
                || part.is_some_and(|term| term != node.bare() && is_a_true_number(term))
                || verdict == Verdict::RefusesNone;
            let refuses_all = part.is_some_and(|term| is_always(false, term, text, node))
                || verdict == Verdict::RefusesAll;
            if is_void {
                findings.push(void_finding(subject, table, text, quoted));
            } else if refuses_all {
                findings.push(refusing_finding(subject, table, text));
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
        .proof(proof(table, text, "TRUE"))
}

fn refusing_finding(subject: &Subject, table: &Table, text: &str) -> Finding {
    let columns = decided::columns(table, text);
    let why = if columns.is_empty() {
        "it reads no column, and is false"
    } else {
        "it is false for every row, whatever the row holds"
    };
    let message = format!(
        "CHECK ({}) of `{}` refuses every row: {why}",
        text.trim(),
        table.name
    );
    let word = columns
        .first()
        .map_or("check", |column| column.name.as_str());
    Finding::new("CHK-03", Level::Error, format!("table {}: check {}", table.name, text.trim()), message)
        .at(subject.site_of(ObjectKind::Table, &table.name, word), "always false")
        .help("name the column that is meant, without quotes or in double quotes, and texts in single quotes")
        .proof(proof(table, text, "FALSE"))
}

/// A CHECK that reads no column is asked without a row; one that reads some, on a row that it ought to refuse.
fn proof(table: &Table, text: &str, word: &str) -> Vec<String> {
    let columns = decided::columns(table, text);
    let is_refusing = word == "FALSE";
    if columns.is_empty() {
        let as_what = if is_refusing { "is_false" } else { "holds" };
        return trial::answering(vec![
            ".dbconfig dqs_dml on".to_owned(),
            format!(
                "SELECT ({}) IS {word} AS {as_what}_without_any_row;",
                text.trim()
            ),
        ]);
    }
    let insert = if is_refusing {
        "INSERT OR IGNORE"
    } else {
        "INSERT"
    };
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
            "{insert} INTO {name} VALUES ({}), ({});",
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

/// Whether SQLite finds the whole CHECK true, or false, although it reads no column.
fn is_always(holds: bool, term: &Node, text: &str, check: &Node) -> bool {
    if term != check.bare() {
        return false;
    }
    let connection = rusqlite::Connection::open_in_memory();
    let word = if holds { "TRUE" } else { "FALSE" };
    connection.is_ok_and(|connection| {
        let sql = format!("SELECT ({text}) IS {word}");
        connection
            .query_row(&sql, [], |row| row.get(0))
            .unwrap_or(false)
    })
}
