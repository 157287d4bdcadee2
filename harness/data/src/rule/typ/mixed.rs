//! TYP-02 within one column: a file or a trigger writes times of another form than the column's default. Never judges what the code writes.

use crate::catalog::{Affinity, Column, Name, Table};
use crate::engine::Deed;
use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::rule::object_of_column;
use crate::subject::Subject;
use crate::text::Span;
use crate::tree::{self, Kind, Node, Tree, Verb};
use crate::words::is_time;
use std::collections::{BTreeMap, BTreeSet};

/// Statements that are longer hold rows for the most part; what they write is judged by what the others write.
const LONGEST: usize = 20_000;

/// The form of a time as a text or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `2026-01-31 12:00:00`.
    Blank,
    /// `2026-01-31T12:00:00Z`.
    Iso,
    /// `2026-01-31`.
    Day,
    /// `12:00:00`.
    Clock,
    /// Seconds since 1970.
    Epoch,
    /// Milliseconds since 1970.
    Millis,
    /// Days since the Julian epoch.
    Julian,
}

impl Form {
    fn example(self) -> &'static str {
        match self {
            Self::Blank => "'2026-01-31 12:00:00'",
            Self::Iso => "'2026-01-31T12:00:00Z'",
            Self::Day => "'2026-01-31'",
            Self::Clock => "'12:00:00'",
            Self::Epoch => "1769860800",
            Self::Millis => "1769860800000",
            Self::Julian => "2461072.0",
        }
    }
}

pub(in crate::rule) fn in_one_column(subject: &Subject, findings: &mut Vec<Finding>) {
    by_default(subject, findings);
    across_tables(subject, findings);
    let schema = subject.schema();
    let mut told: BTreeSet<(Name, Name)> = BTreeSet::new();
    let mut tell = |tree: &Tree, span: Option<Span>, findings: &mut Vec<Finding>| {
        for (table, column, own, other) in differing(subject, tree) {
            if told.insert((table.name.clone(), column.name.clone())) {
                findings.push(finding(
                    subject,
                    (table, column),
                    (own, other),
                    span.clone(),
                ));
            }
        }
    };
    for step in &subject.replay.steps {
        let sql = &step.statement.sql;
        let is_done = step.failure.is_none() && step.deeds.iter().any(writes);
        if is_done && sql.len() < LONGEST && speaks_of_time(sql) {
            let tree = tree::parse(sql);
            let tree = tree.filter(|tree| matches!(tree.verb, Verb::Insert | Verb::Update));
            if let Some(tree) = tree {
                tell(&tree, Some(step.statement.span.clone()), findings);
            }
        }
    }
    for trigger in schema
        .triggers
        .values()
        .filter(|one| speaks_of_time(&one.sql))
    {
        let Some(tree) = tree::parse(&trigger.sql) else {
            continue;
        };
        let site = subject.site(ObjectKind::Trigger, &trigger.name);
        for statement in &tree.body {
            tell(statement, site.clone(), findings);
        }
    }
}

/// Time columns of one table whose defaults are of two forms. Whether one is a number and another a text is told by their types.
fn by_default(subject: &Subject, findings: &mut Vec<Finding>) {
    for table in subject
        .schema()
        .tables
        .values()
        .filter(|table| table.is_ordinary())
    {
        let formed = table.columns.iter().filter_map(|column| {
            let is_moment = |form: &Form| !matches!(form, Form::Day | Form::Clock);
            let default = column
                .default
                .as_deref()
                .filter(|_| is_time(column.name.as_str()))?;
            let form = form(&tree::expression(default)?).filter(is_moment)?;
            Some((column, form))
        });
        let formed: Vec<(&Column, Form)> = formed.collect();
        let Some(((first, usual), rest)) = formed.split_first() else {
            continue;
        };
        let is_text = |form: Form| matches!(form, Form::Blank | Form::Iso);
        let other = rest
            .iter()
            .find(|(_, form)| form != usual && is_text(*form) == is_text(*usual));
        let Some((column, form)) = other else {
            continue;
        };
        let message = format!(
            "`{0}.{1}` keeps times as {2}, and `{0}.{3}` as {4}, so the two neither sort together nor equal each other",
            table.name,
            column.name,
            form.example(),
            first.name,
            usual.example()
        );
        let site =
            |column: &Column| subject.site_of(ObjectKind::Table, &table.name, column.name.as_str());
        findings.push(
            Finding::new(
                "TYP-02",
                Level::Warning,
                object_of_column(table, column),
                message,
            )
            .at(site(column), form.example())
            .related(site(first), usual.example())
            .help("give both defaults the same form"),
        );
    }
}

/// Columns of one name in several tables whose defaults are of different forms: whoever joins or merges the tables compares them.
fn across_tables(subject: &Subject, findings: &mut Vec<Finding>) {
    let mut known: BTreeMap<Name, (&Table, &Column, Form)> = BTreeMap::new();
    let tables = subject.schema().tables.values();
    for table in tables.filter(|table| table.is_ordinary()) {
        for column in &table.columns {
            let default = column.default.as_deref();
            let is_moment = |form: &Form| !matches!(form, Form::Day | Form::Clock);
            let form = default
                .filter(|_| is_time(column.name.as_str()))
                .and_then(tree::expression)
                .and_then(|value| form(&value))
                .filter(is_moment);
            let Some(form) = form else { continue };
            let (first, other, usual) = *known
                .entry(column.name.clone())
                .or_insert((table, column, form));
            if usual == form {
                continue;
            }
            let message = format!(
                "`{}.{}` keeps times as {}, and `{}.{}` as {}: where the two tables meet in one query, the times neither sort together nor equal each other",
                table.name,
                column.name,
                form.example(),
                first.name,
                other.name,
                usual.example()
            );
            let site = |table: &Table, column: &Column| {
                subject.site_of(ObjectKind::Table, &table.name, column.name.as_str())
            };
            findings.push(
                Finding::new(
                    "TYP-02",
                    Level::Info,
                    object_of_column(table, column),
                    message,
                )
                .at(site(table, column), form.example())
                .related(site(first, other), usual.example())
                .help("keep all times of the schema in one form"),
            );
            return;
        }
    }
}

fn writes(deed: &Deed) -> bool {
    matches!(deed, Deed::Insert(..) | Deed::Update(..))
}

fn speaks_of_time(sql: &str) -> bool {
    let lower = sql.to_ascii_lowercase();
    ["time(", "date(", "unixepoch(", "current_"]
        .iter()
        .any(|word| lower.contains(word))
}

/// Columns that a statement gives a time of another form than their default has.
fn differing<'s>(subject: &'s Subject, tree: &Tree) -> Vec<(&'s Table, &'s Column, Form, Form)> {
    let table = tree
        .table
        .as_deref()
        .and_then(|name| subject.schema().table(name));
    let Some(table) = table.filter(|table| table.is_ordinary()) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for (name, value) in written(table, tree) {
        let Some(column) = table.column(&Name::new(&name)) else {
            continue;
        };
        let Some(own) = default_form(column) else {
            continue;
        };
        if let Some(other) = form(value).filter(|other| *other != own) {
            all.push((table, column, own, other));
        }
    }
    all
}

/// The columns that a statement writes, each with its value; of an INSERT what its first row or its query gives.
fn written<'t>(table: &Table, tree: &'t Tree) -> Vec<(String, &'t Node)> {
    let mut all: Vec<(String, &Node)> = tree
        .sets
        .iter()
        .map(|(column, value)| (column.clone(), value))
        .collect();
    let select = tree.parts.iter().find(|part| part.kind == Kind::Select);
    let row = select.and_then(|select| select.parts.iter().find(|part| part.kind == Kind::Columns));
    if let (Verb::Insert, Some(row)) = (tree.verb, row) {
        let names = if tree.columns.is_empty() {
            table
                .columns
                .iter()
                .map(|column| column.name.as_str().to_owned())
                .collect()
        } else {
            tree.columns.clone()
        };
        all.extend(names.into_iter().zip(&row.parts));
    }
    all
}

/// The form in which a column keeps times by its default, where it keeps texts.
fn default_form(column: &Column) -> Option<Form> {
    let keeps_texts = matches!(column.affinity(), Affinity::Text | Affinity::Numeric);
    if !keeps_texts || !is_time(column.name.as_str()) || column.generated.is_some() {
        return None;
    }
    form(&tree::expression(column.default.as_deref()?)?)
}

fn form(value: &Node) -> Option<Form> {
    let value = value.bare();
    let lower = value.text.to_ascii_lowercase();
    if value.kind == Kind::Cast {
        return form(value.parts.first()?);
    }
    if value.kind == Kind::Binary && value.text == "*" {
        let is_thousand = |part: &Node| matches!(part.bare().text.as_str(), "1000" | "1000.0");
        let seconds = value.parts.iter().find_map(form);
        let is_millis = seconds == Some(Form::Epoch) && value.parts.iter().any(is_thousand);
        return is_millis.then_some(Form::Millis);
    }
    if !matches!(value.kind, Kind::Constant | Kind::Call) {
        return None;
    }
    match lower.as_str() {
        "julianday" => Some(Form::Julian),
        "current_timestamp" | "datetime" => Some(Form::Blank),
        "current_date" | "date" => Some(Form::Day),
        "current_time" | "time" => Some(Form::Clock),
        "unixepoch" => Some(Form::Epoch),
        "strftime" => value
            .parts
            .first()
            .and_then(|format| of_format(&format.text)),
        _ => None,
    }
}

fn of_format(format: &str) -> Option<Form> {
    let has_day = format.contains("%Y-%m-%d") || format.contains("%F");
    if format == "%s" {
        Some(Form::Epoch)
    } else if has_day && format.contains('T') && format.contains("%H") {
        Some(Form::Iso)
    } else if has_day && format.contains(" %H") {
        Some(Form::Blank)
    } else {
        None
    }
}

fn finding(
    subject: &Subject,
    (table, column): (&Table, &Column),
    (own, other): (Form, Form),
    span: Option<Span>,
) -> Finding {
    let message = format!(
        "`{}.{}` holds times of two forms: {} by default, and {} from this statement, so they neither sort together nor equal each other",
        table.name,
        column.name,
        own.example(),
        other.example()
    );
    let default = subject.site_of(ObjectKind::Table, &table.name, column.name.as_str());
    Finding::new(
        "TYP-02",
        Level::Warning,
        object_of_column(table, column),
        message,
    )
    .at(span, format!("writes {}", other.example()))
    .related(default, format!("{} by default", own.example()))
    .help("write the form that the default has, or give the default the form that is written")
}
