//! QRY-02: times of one form compared with times of another. Never judges a column whose form is checked by the table.

use crate::catalog::{Affinity, Column, Table};
use crate::claims::TimeFormat;
use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::rule::names::Names;
use crate::rule::words::is_time;
use crate::rule::{declared, trial};
use crate::subject::Subject;
use crate::text::find_word;
use crate::tree::{self, Kind, Node};

pub(in crate::rule) fn compared(subject: &Subject, findings: &mut Vec<Finding>) {
    // Most views and triggers compare no times at all, and trees cost.
    let of_schema = declared::of_schema(subject).filter(|one| {
        TEXTS
            .iter()
            .chain(&NUMBERS)
            .any(|name| find_word(&one.sql, name, 0).is_some())
    });
    for one in declared::all(subject).into_iter().chain(of_schema) {
        let Some(whole) = tree::parse(&one.sql) else {
            continue;
        };
        let trees = std::iter::once(&whole).chain(&whole.body);
        let found = trees.into_iter().find_map(|tree| {
            let names = Names::of(subject, tree);
            let nodes = tree.all();
            nodes
                .iter()
                .find_map(|node| mismatch(subject, &names, node))
        });
        let Some((table, column, why)) = found else {
            continue;
        };
        if column.affinity() == Affinity::Text && why == TEXT_BY_NUMBER {
            findings.push(by_a_number(subject, &one.object, table, column));
            continue;
        }
        let message = format!(
            "the comparison of `{}.{}` with datetime() does not say what it seems to: {why}",
            table.name, column.name
        );
        findings.push(
            Finding::new("QRY-02", Level::Warning, one.object.clone(), message)
                .at(subject.site_of(ObjectKind::Table, &table.name, column.name.as_str()), "kept in another form")
                .help("bind the time in the column's own form, or make it so: unixepoch('now', '-1 day'), or strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 day')")
                .proof(trial::answering(vec![
                    trial::sketch(table, &[&column.name], &[], &[]),
                    format!("INSERT INTO {} ({}) VALUES (1000);", table.name.quoted(), column.name.quoted()),
                    format!("SELECT {} >= datetime('1970-01-01') FROM {};", column.name.quoted(), table.name.quoted()),
                ])),
        );
    }
}

/// The column that a comparison with a text of `datetime()` misjudges, and how.
fn mismatch<'s>(
    subject: &Subject,
    names: &Names<'s>,
    node: &Node,
) -> Option<(&'s Table, &'s Column, &'static str)> {
    let is_comparison = node.kind == Kind::Between
        || node.kind == Kind::Binary && matches!(node.text.as_str(), "=" | "<" | "<=" | ">" | ">=");
    if !is_comparison {
        return None;
    }
    let name = node.parts.iter().find(|part| part.column().is_some())?;
    if node.parts.iter().any(makes_number) {
        let columns = names.columns(name);
        let is_text = |(_, column): &(&Table, &Column)| {
            let says =
                subject.claims.time == Some(TimeFormat::Iso) && is_time(column.name.as_str());
            column.affinity() == Affinity::Text && (says || gives_text(column))
        };
        let (table, column) = columns.first().filter(|_| columns.iter().all(is_text))?;
        return Some((table, column, TEXT_BY_NUMBER));
    }
    node.parts
        .iter()
        .map(Node::bare)
        .find(|part| makes_text(part))?;
    names
        .columns(name)
        .into_iter()
        .find_map(|(table, column)| {
            let why = match column.affinity() {
                Affinity::Integer | Affinity::Real => "the column keeps numbers, and every number is less than any text",
                Affinity::Numeric if find_word(&table.sql, "check", 0).is_none() => {
                    "the column takes numbers and texts in any form as well, which are less than any text, or sort by the T between date and time"
                }
                Affinity::Text if subject.claims.time == Some(TimeFormat::Iso) || is_iso(column) => {
                    "ISO times have a T where datetime() has a blank, so every time of the same day is later"
                }
                Affinity::Numeric | Affinity::Text | Affinity::Blob => return None,
            };
            Some((table, column, why))
        })
}

/// Whether the column gives itself times with a T between date and time.
fn is_iso(column: &Column) -> bool {
    let default = column.default.as_deref();
    default.is_some_and(|default| default.contains("%dT%H"))
}

/// What gives such texts.
const TEXTS: [&str; 2] = ["datetime", "current_timestamp"];

/// Whether an expression gives `YYYY-MM-DD HH:MM:SS`.
fn makes_text(node: &Node) -> bool {
    node.kind == Kind::Call && node.text == "datetime"
        || node.kind == Kind::Constant && node.text == "CURRENT_TIMESTAMP"
}

/// What gives seconds since 1970, or days, as far as a call of it does.
const NUMBERS: [&str; 3] = ["unixepoch", "strftime", "julianday"];

/// Why a text is compared with a number in vain.
const TEXT_BY_NUMBER: &str = "the column keeps dates as texts";

/// Whether an expression gives a time as a number, or its digits.
fn makes_number(node: &Node) -> bool {
    let node = node.bare();
    let is_sum = node.kind == Kind::Binary && matches!(&*node.text, "+" | "-" | "*" | "/");
    if is_sum || node.kind == Kind::Cast {
        return node.parts.iter().any(makes_number);
    }
    let format = node.parts.first().map(Node::bare);
    let is_number = match &*node.text {
        "unixepoch" | "julianday" => true,
        "strftime" => format.is_some_and(|format| matches!(&*format.text, "%s" | "%J")),
        _ => false,
    };
    node.kind == Kind::Call && is_number
}

/// Whether the column gives itself dates as texts.
fn gives_text(column: &Column) -> bool {
    let default = column.default.as_deref().unwrap_or_default();
    let default = default.to_ascii_lowercase();
    is_iso(column) || TEXTS.iter().any(|name| default.contains(name))
}

fn by_a_number(subject: &Subject, object: &str, table: &Table, column: &Column) -> Finding {
    let (of, name) = (&table.name, &column.name);
    let message = format!(
        "`{of}.{name}` keeps dates as texts and is compared with a number of seconds or days: by their letters '2001-…' is greater than any time of now, so that what has expired has not"
    );
    Finding::new("QRY-02", Level::Warning, object, message)
        .at(
            subject.site_of(ObjectKind::Table, of, name.as_str()),
            "kept as text",
        )
        .help(format!(
            "compare numbers, unixepoch({name}) > unixepoch(), or keep seconds in an INTEGER column"
        ))
        .proof(trial::answering(vec![
            format!("CREATE TABLE {} ({} TEXT);", of.quoted(), name.quoted()),
            format!(
                "INSERT INTO {} ({}) VALUES ('2001-01-01 00:00:00');",
                of.quoted(),
                name.quoted()
            ),
            format!(
                "SELECT {} > unixepoch() FROM {};",
                name.quoted(),
                of.quoted()
            ),
        ]))
}
