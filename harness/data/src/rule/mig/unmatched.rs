//! MIG-18: an UPDATE of all rows from a query that finds nothing for some. Never judges a column that the same file adds or fills behind it, unless the file fails.

use super::object_of;
use crate::catalog::{self, Column, Name, Schema, Table};
use crate::engine::Engine;
use crate::finding::{Finding, Level};
use crate::replay::Step;
use crate::rows;
use crate::rule::trial;
use crate::subject::Subject;
use crate::text::{FileId, find_word};
use crate::tree::{self, Kind, Node, Tree, Verb};
use std::collections::BTreeSet;

/// Rows are made by it; any other one must give the same findings.
const SEED: u64 = 1;

/// What becomes of a row for which the query finds nothing.
enum Fate {
    /// The column held a value, and holds NULL.
    Emptied,
    /// The column takes no NULL, and the file fails.
    Refused(String),
}

pub(in crate::rule) fn by_a_query(subject: &Subject, findings: &mut Vec<Finding>) {
    for number in 0..subject.replay.files.len() {
        let file = FileId(number);
        for (place, step) in subject.replay.steps_of(file) {
            let sql = &step.statement.sql;
            let is_update = find_word(sql, "update", 0).is_some_and(|word| word.start == 0);
            if !is_update || !step.is_carried_out() || find_word(sql, "select", 0).is_none() {
                continue;
            }
            let Some(tree) = tree::parse(sql).filter(updates_all_rows) else {
                continue;
            };
            for (column, query) in &tree.sets {
                if let Some(finding) = judged(subject, (file, place), &tree, (column, query)) {
                    findings.push(finding);
                }
            }
        }
    }
}

/// Whether it is an UPDATE without a condition, a join or a limit.
fn updates_all_rows(tree: &Tree) -> bool {
    let narrows = |part: &Node| matches!(part.kind, Kind::Where | Kind::From | Kind::Limit);
    tree.verb == Verb::Update && !tree.ignores && !tree.parts.iter().any(narrows)
}

fn judged(
    subject: &Subject,
    (file, place): (FileId, usize),
    tree: &Tree,
    (column, query): (&str, &Node),
) -> Option<Finding> {
    let query = query.bare();
    if query.kind != Kind::Select || gives_always(query) {
        return None;
    }
    let engine = subject.replay.before(place).ok()?;
    let schema = engine.ours(catalog::read).ok()?;
    let table = schema.table(tree.table.as_deref()?)?;
    let column = table.column(&Name::new(column))?;
    let sources = sources(&schema, table, query)?;
    let fate = fate(
        &engine,
        (&schema, table, column),
        &sources,
        &subject.replay.steps[place].statement.sql,
    )?;
    let step = &subject.replay.steps[place];
    // MIG-17 tells what was seen to fail with the rows that every file is tried with.
    let with_rows = subject
        .replay
        .with_rows
        .get(file.0)
        .and_then(Option::as_ref);
    let failure = with_rows.and_then(|one| one.failure.as_ref());
    if failure.is_some_and(|(at, _)| *at == place) {
        return None;
    }
    if matches!(fate, Fate::Emptied) && !held_values(subject, (file, place), table, column) {
        return None;
    }
    Some(told(subject, (file, step), (table, column), &fate))
}

/// Whether a query without a row to look at gives a value nevertheless, because it counts.
fn gives_always(query: &Node) -> bool {
    let Some([only]) = query.part(Kind::Columns).map(|part| part.parts.as_slice()) else {
        return true;
    };
    let never_null = [
        "count",
        "total",
        "coalesce",
        "ifnull",
        "json_group_array",
        "json_group_object",
    ];
    let is_counted = only.bare().kind == Kind::Call && never_null.contains(&&*only.bare().text);
    let is_aggregate = |node: &&Node| {
        let all = [
            "count",
            "total",
            "sum",
            "max",
            "min",
            "avg",
            "group_concat",
            "json_group_array",
            "json_group_object",
        ];
        node.kind == Kind::Call && all.contains(&&*node.text)
    };
    let has_row = query.part(Kind::Group).is_none() && only.all().iter().any(is_aggregate);
    is_counted && has_row
}

/// The tables that a query reads beside the one that is updated, if it asks for the row that is.
fn sources(schema: &Schema, table: &Table, query: &Node) -> Option<BTreeSet<Name>> {
    let nodes = query.all();
    let from = nodes.iter().filter(|node| node.kind == Kind::From);
    let mut read = BTreeSet::new();
    for node in from.flat_map(|from| &from.parts) {
        if node.kind == Kind::Table {
            read.insert(schema.table(&node.text)?.name.clone());
        }
    }
    if read.is_empty() || read.contains(&table.name) {
        return None;
    }
    let is_own = |node: &&&Node| {
        let (Some(name), Some(of)) = (node.column(), node.parts.first()) else {
            return false;
        };
        table.name == of.text.as_str() && table.column(&Name::new(name)).is_some()
    };
    nodes.iter().find(is_own)?;
    Some(read)
}

/// What becomes of a row of the table that holds a value in the column, when the tables that the query reads are empty.
fn fate(
    engine: &Engine,
    (schema, table, column): (&Schema, &Table, &Column),
    sources: &BTreeSet<Name>,
    sql: &str,
) -> Option<Fate> {
    engine.ours(|connection| {
        let own = std::slice::from_ref(&table.name);
        let left = rows::fill(connection, schema, schema, own, 2, SEED).ok()?;
        if !left.is_empty() {
            return None;
        }
        let name = column.name.quoted();
        let of = table.name.quoted();
        let held = || {
            let held = format!("SELECT count({name}), count(*) FROM main.{of}");
            let held = connection.query_row(&held, [], |row| Ok((row.get(0)?, row.get(1)?)));
            held.ok().map(|(values, rows): (i64, i64)| (values, rows))
        };
        if held()?.0 == 0 {
            let value = trial::value(column);
            let _stays = connection.execute(&format!("UPDATE {of} SET {name} = {value}"), []);
        }
        let (_, rows) = held()?;
        // What the rows refer to is not empty where they are: either it stays, or they go along.
        for source in sources {
            let emptied = format!("DELETE FROM main.{}", source.quoted());
            connection.execute(&emptied, []).ok()?;
        }
        let (before, left) = held()?;
        if before == 0 || left < rows {
            return None;
        }
        match connection.execute(sql, []) {
            Err(why) => {
                let message = trial::message(&why);
                let is_null = message.starts_with("NOT NULL constraint failed");
                is_null.then_some(Fate::Refused(message))
            }
            Ok(_) => (held()?.0 < before).then_some(Fate::Emptied),
        }
    })
}

/// Whether the column was there before the file, and the file does not go on to fill what is NULL.
fn held_values(
    subject: &Subject,
    (file, place): (FileId, usize),
    table: &Table,
    column: &Column,
) -> bool {
    let Some(first) = subject.replay.files.get(file.0).map(|steps| steps.start) else {
        return false;
    };
    let before = subject.replay.before(first).ok();
    let before = before.and_then(|engine| engine.ours(catalog::read).ok());
    let was_there = before.is_some_and(|schema| {
        let table = schema.tables.get(&table.name);
        table.is_some_and(|table| table.column(&column.name).is_some())
    });
    let fills = |step: &Step| {
        let tree = tree::parse(&step.statement.sql).filter(|tree| tree.verb == Verb::Update);
        tree.is_some_and(|tree| {
            let is_same = tree.table.as_deref().is_some_and(|name| table.name == name);
            let mut sets = tree.sets.iter();
            is_same && sets.any(|(name, _)| column.name == name.as_str())
        })
    };
    let mut behind = subject.replay.steps_of(file).filter(|(at, _)| *at > place);
    was_there && !behind.any(|(_, step)| fills(step))
}

fn told(
    subject: &Subject,
    (file, step): (FileId, &Step),
    (table, column): (&Table, &Column),
    fate: &Fate,
) -> Finding {
    let (of, name) = (&table.name, &column.name);
    let (level, message, label) = match fate {
        Fate::Emptied => (
            Level::Warning,
            format!(
                "rows of `{of}` for which the query finds nothing lose the `{name}` that they had: it is set to NULL, as was seen on a copy"
            ),
            "NULL where the query finds nothing",
        ),
        Fate::Refused(why) => (
            Level::Error,
            format!(
                "with a row of `{of}` for which the query finds nothing the file fails: `{name}` is set to NULL, which it does not take ({why})"
            ),
            "fails where the query finds nothing",
        ),
    };
    let object = format!("{}: column {of}.{name}", object_of(subject, file));
    Finding::new("MIG-18", level, object, message)
        .at(Some(step.statement.word(name.as_str())), label)
        .help(format!(
            "add WHERE EXISTS (SELECT 1 FROM …) for the rows that it finds something for, or write coalesce((SELECT …), {name})"
        ))
        .proof(proof(table, column))
}

fn proof(table: &Table, column: &Column) -> Vec<String> {
    let (of, name) = (table.name.quoted(), column.name.quoted());
    let (value, source) = (trial::value(column), "found");
    let lines = vec![
        trial::sketch(table, &[&column.name], &[], &[]),
        format!("CREATE TABLE {source} (value);"),
        format!("INSERT INTO {of} ({name}) VALUES ({value});"),
        format!("UPDATE {of} SET {name} = (SELECT value FROM {source});"),
    ];
    if column.not_null {
        return trial::failing(lines);
    }
    let mut lines = lines;
    lines.push(format!("SELECT {name} FROM {of};"));
    trial::answering(lines)
}
