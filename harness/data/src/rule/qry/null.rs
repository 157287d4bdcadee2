//! QRY-06: a comparison with NULL by `=`, `<>`, `<` and the like, which is true for no row. Never judges IS, or a value that is set to NULL.

use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::rule::{declared, trial};
use crate::subject::Subject;
use crate::text::{FileId, Span, find_word};
use crate::tree::{self, Kind, Node};

/// Statements that are longer hold rows for the most part.
const LONGEST: usize = 20_000;

/// The operators that give NULL where one side is NULL.
const COMPARISONS: [&str; 8] = ["=", "==", "<>", "!=", "<", "<=", ">", ">="];

pub(in crate::rule) fn compared(subject: &Subject, findings: &mut Vec<Finding>) {
    for one in declared::all(subject) {
        findings.extend(judged(&one.object, &one.sql, None));
    }
    let schema = subject.schema();
    let views = schema.views.values();
    let views = views.map(|view| (ObjectKind::View, "view", &view.name, &view.sql));
    let triggers = schema.triggers.values();
    let triggers = triggers.map(|one| (ObjectKind::Trigger, "trigger", &one.name, &one.sql));
    let tables = schema.tables.values();
    let tables = tables.map(|table| (ObjectKind::Table, "table", &table.name, &table.sql));
    let indexes = schema.tables.values().flat_map(|table| &table.indexes);
    let indexes = indexes
        .filter_map(|index| Some((ObjectKind::Index, "index", &index.name, index.sql.as_ref()?)));
    for (kind, word, name, sql) in views.chain(triggers).chain(tables).chain(indexes) {
        let site = || subject.site_of(kind, name, "null");
        findings.extend(judged(&format!("{word} {name}"), sql, Some(&site)));
    }
    for number in 0..subject.replay.files.len() {
        let file = FileId(number);
        let name = subject
            .source
            .file(file)
            .map_or("", |file| file.name.as_str());
        for (_, step) in subject.replay.steps_of(file) {
            let is_read = step.failure.is_none() && step.changes.is_empty();
            if is_read {
                let site = || Some(step.statement.word("null"));
                let object = format!("file {name}");
                findings.extend(judged(&object, &step.statement.sql, Some(&site)));
            }
        }
    }
}

fn judged(object: &str, sql: &str, site: Option<&dyn Fn() -> Option<Span>>) -> Option<Finding> {
    if sql.len() > LONGEST || find_word(sql, "null", 0).is_none() {
        return None;
    }
    let tree = tree::parse(sql)?;
    let is_null = |node: &Node| {
        let node = node.bare();
        node.kind == Kind::Constant && node.text.eq_ignore_ascii_case("null")
    };
    let nodes = tree.all();
    let found = nodes.into_iter().find(|node| {
        let is_comparison = node.kind == Kind::Binary && COMPARISONS.contains(&&*node.text);
        is_comparison && node.parts.iter().any(is_null)
    })?;
    let operator = &found.text;
    let column = found.parts.iter().find_map(Node::column);
    let of = column.map_or_else(|| "…".to_owned(), str::to_owned);
    let message = format!(
        "`{of} {operator} NULL` is true for no row, whatever `{of}` holds: a comparison with NULL is unknown, and no error says so"
    );
    let is_equal = matches!(&**operator, "=" | "==");
    let instead = if is_equal { "IS NULL" } else { "IS NOT NULL" };
    Some(
        Finding::new("QRY-06", Level::Warning, object, message)
            .at(site.and_then(|site| site()), "true for no row")
            .help(format!("write {of} {instead}"))
            .proof(trial::answering(vec![format!(
                "SELECT 'true' WHERE 1 {operator} NULL OR NULL {operator} NULL;"
            )])),
    )
}
