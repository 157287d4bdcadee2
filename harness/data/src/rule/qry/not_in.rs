//! QRY-05: NOT IN a list or a query that holds NULL, which is true for no row. Never tells of a NULL that the table was not seen to take.

use super::nullable::{self, Scope};
use crate::catalog::{self, Column, Name, Schema, Table};
use crate::engine::Engine;
use crate::finding::{Finding, Level, Patch};
use crate::replay::{ObjectKind, Step};
use crate::rows::{Filler, put_value};
use crate::rule::{declared, repair, trial};
use crate::subject::Subject;
use crate::text::{FileId, find_word};
use crate::tree::{self, Kind, Node, Tree, Verb};
use rusqlite::types::Value;
use std::collections::BTreeSet;

/// Rows are made by it; any other one must give the same findings.
const SEED: u64 = 1;

/// Statements that are longer hold rows for the most part.
const LONGEST: usize = 20_000;

pub(in crate::rule) fn never_true(subject: &Subject, findings: &mut Vec<Finding>) {
    let schema = subject.schema();
    for one in declared::all(subject) {
        for fault in at_the_end(subject, &one.sql) {
            let patch = fault.mended(schema, &one.sql).map(|mended| mended.whole);
            let site = fault.site(subject);
            findings.push(
                fault
                    .finding(&one.object)
                    .at(site, "may hold NULL there")
                    .patched(patch.map(|sql| Patch::Statement { sql })),
            );
        }
    }
    let views = schema.views.values().map(|view| {
        let label = "true for no row then";
        (ObjectKind::View, "view", &view.name, &view.sql, label)
    });
    let triggers = schema.triggers.values().map(|trigger| {
        let label = "never true then";
        (
            ObjectKind::Trigger,
            "trigger",
            &trigger.name,
            &trigger.sql,
            label,
        )
    });
    for (kind, word, name, sql, label) in views.chain(triggers) {
        for fault in at_the_end(subject, sql) {
            let site = subject.site_of(kind, name, "not");
            let finding = fault.finding(&format!("{word} {name}"));
            findings.push(
                finding
                    .at(site, label)
                    .related(fault.site(subject), "may hold NULL there"),
            );
        }
    }
    for number in 0..subject.replay.files.len() {
        in_file(subject, FileId(number), findings);
    }
}

/// What a statement at the end of the files is wrong in.
fn at_the_end(subject: &Subject, sql: &str) -> Vec<Fault> {
    let mut faults = faults(subject.schema(), sql);
    faults.retain(|fault| {
        let Some((table, column)) = &fault.source else {
            return true;
        };
        let takes_null = || -> rusqlite::Result<bool> {
            let engine = subject.replay.at_the_end()?;
            takes_null(&engine, subject.schema(), table, column)
        };
        takes_null().unwrap_or(false)
    });
    faults
}

fn in_file(subject: &Subject, file: FileId, findings: &mut Vec<Finding>) {
    let name = subject
        .source
        .file(file)
        .map_or("", |file| file.name.as_str());
    let mut told: BTreeSet<String> = BTreeSet::new();
    for (place, step) in subject.replay.steps_of(file) {
        let sql = &step.statement.sql;
        let is_read = step.failure.is_none() && step.changes.is_empty() && sql.len() < LONGEST;
        if !is_read || !may_be_void(sql) {
            continue;
        }
        let Ok(schema) =
            (subject.replay.before(place)).and_then(|engine| engine.ours(catalog::read))
        else {
            continue;
        };
        for fault in faults(&schema, sql) {
            let holds = |(table, column): &(Table, Column)| {
                holds_null(subject, (file, place), table, column).unwrap_or(false)
            };
            let object = format!("file {name}: {}", fault.subject());
            if !fault.source.as_ref().is_none_or(holds) || !told.insert(object.clone()) {
                continue;
            }
            findings.push(of_step(&fault, &schema, step, &object));
        }
    }
}

fn of_step(fault: &Fault, schema: &Schema, step: &Step, object: &str) -> Finding {
    let mended = fault.mended(schema, &step.statement.sql);
    let span = match &mended {
        Some(mended) => step.statement.part(mended.range.clone()),
        None => step.statement.word("not"),
    };
    let patch = mended.map(|mended| Patch::Replace {
        span: step.statement.part(mended.range),
        with: mended.part,
    });
    fault
        .finding(object)
        .at(Some(span), "true for no row then")
        .patched(patch)
}

fn has_words(sql: &str) -> bool {
    find_word(sql, "not", 0).is_some() && find_word(sql, "in", 0).is_some()
}

/// Whether a statement is worth a look at the schema of its moment: a text that holds both words is not.
fn may_be_void(sql: &str) -> bool {
    let holds_one = |tree: Tree| {
        let mut nodes = tree.all().into_iter();
        nodes.any(|node| node.kind == Kind::InQuery || holds_null_itself(node))
    };
    has_words(sql) && tree::parse(sql).is_some_and(holds_one)
}

/// Whether it is IN a list that holds NULL.
fn holds_null_itself(node: &Node) -> bool {
    let mut values = node.parts.iter().skip(1).map(Node::bare);
    let is_null = |value: &Node| value.kind == Kind::Constant && value.text == "NULL";
    node.kind == Kind::In && values.any(is_null)
}

/// A NOT IN that NULL makes void.
struct Fault {
    verb: Verb,
    /// The query, or the list.
    among: Node,
    /// The column whose NULL does it; none for a list that holds NULL itself.
    source: Option<(Table, Column)>,
}

/// Every condition of a statement that is void once NULL is among the values, by what the schema says alone.
fn faults(schema: &Schema, sql: &str) -> Vec<Fault> {
    if !has_words(sql) {
        return Vec::new();
    }
    let Some(whole) = tree::parse(sql) else {
        return Vec::new();
    };
    let mut found = of_tree(schema, sql, &whole);
    for tree in &whole.body {
        let of_body = of_tree(schema, sql, tree).into_iter();
        // A trigger that only selects does so to refuse.
        found.extend(of_body.map(|fault| Fault {
            verb: if fault.verb == Verb::Select {
                Verb::Trigger
            } else {
                fault.verb
            },
            ..fault
        }));
    }
    found
}

fn of_tree(schema: &Schema, sql: &str, tree: &Tree) -> Vec<Fault> {
    let own = tree
        .parts
        .iter()
        .chain(tree.sets.iter().map(|(_, value)| value));
    let nodes: Vec<&Node> = own.flat_map(Node::all).collect();
    let named = nodes
        .iter()
        .filter(|node| node.kind == Kind::With)
        .flat_map(|with| &with.parts);
    let scope = Scope {
        schema,
        named: named.collect(),
    };
    let is_condition = |node: &&&Node| {
        matches!(node.kind, Kind::Where | Kind::On | Kind::Group) && tree.verb != Verb::Index
    };
    let conditions = nodes.iter().filter(is_condition);
    let mut found = Vec::new();
    for condition in conditions.flat_map(|node| &node.parts) {
        excluded(condition, false, &mut found);
    }
    let of_node = |node: &Node| {
        let verb = tree.verb;
        if node.kind == Kind::In {
            return holds_null_itself(node).then(|| Fault {
                verb,
                among: node.clone(),
                source: None,
            });
        }
        let query = node.parts.get(1)?;
        // Of these the tree does not tell one from the other, nor which columns they compare.
        let is_beyond = |word: &str| find_word(sql, word, 0).is_some();
        if ["using", "natural", "except", "intersect", "right", "full"]
            .into_iter()
            .any(is_beyond)
            || node.parts[0].bare().kind == Kind::List
        {
            return None;
        }
        let (table, column) = nullable::column(&scope, query)?;
        Some(Fault {
            verb,
            among: query.clone(),
            source: Some((table.clone(), column.clone())),
        })
    };
    found.into_iter().filter_map(of_node).collect()
}

/// The INs of a condition that must not be true. What stands in other expressions may have been meant to see NULL.
fn excluded<'t>(node: &'t Node, is_denied: bool, found: &mut Vec<&'t Node>) {
    let node = node.bare();
    match (node.kind, &*node.text) {
        (Kind::Binary, "AND" | "OR") => {
            for part in &node.parts {
                excluded(part, is_denied, found);
            }
        }
        (Kind::Unary, "NOT") => {
            for part in &node.parts {
                excluded(part, !is_denied, found);
            }
        }
        (Kind::In | Kind::InQuery, text) if (text == "NOT") != is_denied => found.push(node),
        _ => {}
    }
}

/// Whether a table takes a row with NULL in a column: one was made.
fn takes_null(
    engine: &Engine,
    schema: &Schema,
    table: &Table,
    column: &Column,
) -> rusqlite::Result<bool> {
    let mut filler = Filler::new(SEED)?;
    if !table.is_nullable(column) {
        // An outer join gives NULL where there is no row.
        return Ok(true);
    }
    engine.ours(|connection| {
        // Its parents, and whatever else a row of it needs.
        let own = std::slice::from_ref(&table.name);
        let _none_if_refused = filler.fill(connection, schema, schema, own, 1)?;
        Ok(put_value(connection, table, &column.name, &Value::Null)
            || filler.null(connection, schema, table, &column.name)?)
    })
}

/// Whether a column holds NULL where a statement of a file reads it, if a row of before the file holds NULL there and the statements before it see to nothing.
fn holds_null(
    subject: &Subject,
    (file, place): (FileId, usize),
    table: &Table,
    column: &Column,
) -> rusqlite::Result<bool> {
    let Some(first) = subject.replay.files.get(file.0).map(|steps| steps.start) else {
        return Ok(false);
    };
    let engine = subject.replay.before(first)?;
    let schema = engine.ours(catalog::read)?;
    // What the file makes itself holds what the file puts there.
    let Some(old) = schema.tables.get(&table.name) else {
        return Ok(false);
    };
    let is_made = match old.column(&column.name) {
        Some(column) => takes_null(&engine, &schema, old, column)?,
        None => engine.ours(|connection| {
            let own = std::slice::from_ref(&old.name);
            let left = Filler::new(SEED)?.fill(connection, &schema, &schema, own, 1)?;
            Ok::<_, rusqlite::Error>(left.is_empty())
        })?,
    };
    for step in &subject.replay.steps[first..place] {
        if step.is_carried_out() {
            let _told_by_the_replay = step.run(&engine);
        }
    }
    if !table.is_nullable(column) {
        return Ok(is_made);
    }
    let ask = format!(
        "SELECT EXISTS (SELECT 1 FROM main.{} WHERE {} IS NULL)",
        table.name.quoted(),
        column.name.quoted()
    );
    Ok(is_made && engine.ours(|connection| connection.query_row(&ask, [], |row| row.get(0)))?)
}

impl Fault {
    /// What a finding about it is known again by, within its statement or file.
    fn subject(&self) -> String {
        match &self.source {
            Some((table, column)) => format!("NOT IN {}.{}", table.name, column.name),
            None => "NOT IN NULL".to_owned(),
        }
    }

    fn site(&self, subject: &Subject) -> Option<crate::text::Span> {
        let (table, column) = self.source.as_ref()?;
        subject.site_of(ObjectKind::Table, &table.name, column.name.as_str())
    }

    fn mended(&self, schema: &Schema, sql: &str) -> Option<repair::Mended> {
        self.source.as_ref()?;
        let mended = repair::leaving_null_out(sql, &self.among)?;
        let is_mended = faults(schema, &mended.whole).len() < faults(schema, sql).len();
        is_mended.then_some(mended)
    }

    fn finding(&self, object: &str) -> Finding {
        let nothing = match self.verb {
            Verb::Delete => "nothing is deleted",
            Verb::Update => "nothing is changed",
            Verb::Insert => "nothing is inserted",
            Verb::Select | Verb::View | Verb::Index | Verb::Table => "nothing is found",
            Verb::Trigger => "the trigger does nothing",
        };
        let Some((table, column)) = &self.source else {
            let message = format!(
                "NOT IN a list that holds NULL is never true: {nothing}, and no error says so"
            );
            return Finding::new("QRY-05", Level::Warning, object, message)
                .help("leave NULL out of the list, and ask for it by IS NOT NULL where it is meant")
                .proof(trial::answering(vec![
                    "SELECT 'found' WHERE 2 NOT IN (1, NULL);".to_owned(),
                ]));
        };
        let (table, column) = (&table.name, &column.name);
        let message = format!(
            "NOT IN is true for no row once its query gives NULL, as it does for a row of `{table}` without `{column}`: {nothing} then, and no error says so"
        );
        Finding::new("QRY-05", Level::Warning, object, message)
            .help(format!(
                "leave NULL out of the query (WHERE {column} IS NOT NULL), or write NOT EXISTS (SELECT 1 FROM {table} WHERE {table}.{column} = …)"
            ))
            .proof(proof(table, column))
    }
}

fn proof(table: &Name, column: &Name) -> Vec<String> {
    let (table, column) = (table.quoted(), column.quoted());
    trial::answering(vec![
        format!("CREATE TABLE {table} ({column});"),
        format!("INSERT INTO {table} ({column}) VALUES (1), (NULL);"),
        format!("SELECT 'found' WHERE 2 NOT IN (SELECT {column} FROM {table});"),
    ])
}
