//! Which columns hold JSON by what the schema and the files do with them. Never takes a name for a proof.

use crate::catalog::{Affinity, Column, Name, Table};
use crate::replay::{ObjectKind, Step};
use crate::rule::names::Names;
use crate::rule::trial::{Row, Trial};
use crate::subject::Subject;
use crate::text::{Span, find_word};
use crate::tree::{self, Kind, Node, Tree, Verb};
use std::collections::BTreeMap;

/// Statements that are longer hold rows for the most part, and their tables are known by what others do.
const LONGEST: usize = 20_000;

/// Columns by their tables, each with the place that shows it.
pub(super) type Used = BTreeMap<(Name, Name), Option<Span>>;

/// The functions whose first argument is a text of JSON.
const READERS: [&str; 13] = [
    "json_each",
    "json_tree",
    "json_extract",
    "json_array_length",
    "json_type",
    "json_set",
    "json_insert",
    "json_replace",
    "json_remove",
    "json_patch",
    "json_quote",
    "jsonb_extract",
    "jsonb_set",
];

/// The functions that answer a text of JSON.
const MAKERS: [&str; 9] = [
    "json",
    "json_array",
    "json_object",
    "json_group_array",
    "json_group_object",
    "json_set",
    "json_insert",
    "json_replace",
    "json_remove",
];

/// The columns that something reads or writes as JSON.
pub(super) fn columns(subject: &Subject) -> Used {
    let mut used = Used::new();
    let schema = subject.schema();
    for view in schema.views.values().filter(|view| is_about(&view.sql)) {
        let site = || subject.site(ObjectKind::View, &view.name);
        read(subject, &view.sql, None, &site, &mut used);
    }
    for trigger in schema.triggers.values().filter(|one| is_about(&one.sql)) {
        let site = || subject.site(ObjectKind::Trigger, &trigger.name);
        let table = schema.tables.get(&trigger.table);
        read(subject, &trigger.sql, table, &site, &mut used);
    }
    for table in schema.tables.values().filter(|one| is_about(&one.sql)) {
        generated(subject, table, &mut used);
    }
    for step in &subject.replay.steps {
        let sql = &step.statement.sql;
        let is_done = step.failure.is_none() && step.changes.is_empty();
        if is_done && sql.len() < LONGEST && (is_about(sql) || holds_json(sql)) {
            let site = || Some(step.statement.span.clone());
            read(subject, sql, None, &site, &mut used);
            written(subject, step, &mut used);
        }
    }
    used
}

fn is_about(sql: &str) -> bool {
    let mut windows = sql.as_bytes().windows(4);
    sql.contains("->") || windows.any(|four| four.eq_ignore_ascii_case(b"json"))
}

/// Whether a string of a statement begins as JSON does.
fn holds_json(sql: &str) -> bool {
    sql.contains("'{") || sql.contains("'[")
}

/// Columns that a statement passes to a function that reads JSON, unless it asks `json_valid` first.
fn read(
    subject: &Subject,
    sql: &str,
    watched: Option<&Table>,
    site: &dyn Fn() -> Option<Span>,
    used: &mut Used,
) {
    let Some(whole) = tree::parse(sql) else {
        return;
    };
    for tree in std::iter::once(&whole).chain(&whole.body) {
        let names = Names::of(subject, tree);
        let nodes = tree.all();
        let is_asked = |column: &str| {
            nodes.iter().any(|node| {
                let mut arguments = node.parts.iter();
                node.kind == Kind::Call
                    && node.text == "json_valid"
                    && arguments.any(|one| one.column() == Some(column))
            })
        };
        for node in nodes.iter().filter_map(|node| argument(node)) {
            let Some(name) = node.column().filter(|name| !is_asked(name)) else {
                continue;
            };
            let mut meant = names.columns(node);
            let row = node
                .bare()
                .parts
                .first()
                .map(|row| row.text.to_ascii_lowercase());
            if let (Some(table), Some("new" | "old")) = (watched, row.as_deref()) {
                let own = table.columns.iter().find(|column| column.name == name);
                meant.extend(own.map(|column| (table, column)));
            }
            if let [(table, column)] = meant.as_slice() {
                add(table, column, site(), used);
            }
        }
    }
}

/// What a node reads as JSON.
fn argument(node: &Node) -> Option<&Node> {
    let text = node.text.as_str();
    let reads = node.kind == Kind::Call && READERS.contains(&text)
        || node.kind == Kind::Binary && matches!(text, "->" | "->>");
    node.parts.first().filter(|_| reads)
}

/// Columns from which a column that is computed when it is read takes its value.
fn generated(subject: &Subject, table: &Table, used: &mut Used) {
    let is_computed = table
        .columns
        .iter()
        .any(|column| column.generated.is_some());
    if !is_computed || !table.is_ordinary() {
        return;
    }
    for column in table.columns.iter().filter(|one| one.generated.is_none()) {
        let name = column.name.as_str();
        let mut from = 0;
        while let Some(word) = find_word(&table.sql, name, from) {
            from = word.end;
            let before = table.sql[..word.start].trim_end_matches(['"', '`', '[', ' ']);
            let behind = table.sql[word.end..].trim_start_matches(['"', '`', ']', ' ']);
            let is_passed = READERS.iter().any(|reader| {
                let call = before.strip_suffix('(').unwrap_or_default();
                call.len() >= reader.len()
                    && call.is_char_boundary(call.len() - reader.len())
                    && call[call.len() - reader.len()..].eq_ignore_ascii_case(reader)
            });
            if is_passed || behind.starts_with("->") {
                let site = subject.site_of(ObjectKind::Table, &table.name, name);
                add(table, column, site, used);
            }
        }
    }
}

/// Columns into which a file writes arrays and objects of JSON, and nothing else.
fn written(subject: &Subject, step: &Step, used: &mut Used) {
    let Some(tree) = tree::parse(&step.statement.sql) else {
        return;
    };
    let named = tree.table.as_deref();
    let Some(table) = named.and_then(|name| subject.schema().table(name)) else {
        return;
    };
    let mut values: BTreeMap<Name, Vec<&Node>> = BTreeMap::new();
    for (column, value) in &tree.sets {
        values.entry(Name::new(column)).or_default().push(value);
    }
    for (column, value) in rows(table, &tree) {
        values.entry(Name::new(&column)).or_default().push(value);
    }
    for (name, values) in values {
        let Some(column) = table.column(&name) else {
            continue;
        };
        let mut given = values.iter().filter(|value| !is_null(value)).peekable();
        // What one setting holds says nothing of the others.
        let is_of_settings = column.name == "value";
        if !is_of_settings && given.peek().is_some() && given.all(|value| is_json(value)) {
            add(table, column, Some(step.statement.span.clone()), used);
        }
    }
}

/// The values of the rows that an INSERT gives, with the names of their columns.
fn rows<'t>(table: &Table, tree: &'t Tree) -> Vec<(String, &'t Node)> {
    let select = tree.parts.iter().find(|part| part.kind == Kind::Select);
    let (Verb::Insert, Some(select)) = (tree.verb, select) else {
        return Vec::new();
    };
    let names: Vec<String> = if tree.columns.is_empty() {
        let columns = table.columns.iter();
        columns
            .map(|column| column.name.as_str().to_owned())
            .collect()
    } else {
        tree.columns.clone()
    };
    let rows = select
        .parts
        .iter()
        .filter(|part| part.kind == Kind::Columns);
    rows.flat_map(|row| names.iter().cloned().zip(&row.parts))
        .collect()
}

fn is_null(value: &Node) -> bool {
    let value = value.bare();
    value.kind == Kind::Constant && value.text.eq_ignore_ascii_case("null")
}

fn is_json(value: &Node) -> bool {
    let value = value.bare();
    let text = value.text.as_str();
    let is_written = value.kind == Kind::Text
        && text.starts_with(['{', '['])
        && serde_json::from_str::<serde_json::Value>(text).is_ok();
    is_written || value.kind == Kind::Call && MAKERS.contains(&text)
}

fn add(table: &Table, column: &Column, site: Option<Span>, used: &mut Used) {
    let is_text = matches!(
        column.affinity(),
        Affinity::Text | Affinity::Numeric | Affinity::Blob
    );
    if table.is_ordinary() && is_text && column.generated.is_none() {
        used.entry((table.name.clone(), column.name.clone()))
            .or_insert(site);
    }
}

/// Whether the table takes what is no JSON into the column: an index or a trigger that looks into it refuses it without a CHECK.
pub(super) fn takes_anything(subject: &Subject, table: &Table, column: &Column) -> bool {
    let Some(trial) = Trial::begin(subject) else {
        return false;
    };
    let row = Row::from([(column.name.clone(), "'{}'".to_owned())]);
    let (name, column) = (table.name.quoted(), column.name.quoted());
    trial.row(table, &row).is_some()
        && trial
            .run(&format!(
                "UPDATE {name} SET {column} = 'moltproof {{' WHERE {column} = '{{}}';"
            ))
            .is_ok()
}
