//! TRG-06: a trigger for each row that writes every row of a table. Never judges a table that holds one row, or another table that it empties.

use crate::catalog::{Name, Table, Trigger};
use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::rule::trial;
use crate::subject::Subject;
use crate::text::find_word;
use crate::tree::{self, Kind, Node, Tree, Verb};

pub(in crate::rule) fn written(subject: &Subject, findings: &mut Vec<Finding>) {
    let schema = subject.schema();
    for trigger in schema.triggers.values() {
        let (Some(own), Some(tree)) =
            (schema.tables.get(&trigger.table), tree::parse(&trigger.sql))
        else {
            continue;
        };
        for statement in &tree.body {
            let Some(table) = statement
                .table
                .as_deref()
                .and_then(|name| schema.table(name))
            else {
                continue;
            };
            let is_own = table.name == own.name;
            if !writes_all(statement) || !table.is_ordinary() || has_one_row(subject, table) {
                continue;
            }
            // Other tables may well be emptied, as caches are, or marked as a whole.
            if !is_own && (statement.verb == Verb::Delete || !speaks_of_the_row(statement)) {
                continue;
            }
            if is_reset(statement) && marks_one(&tree, statement) {
                continue;
            }
            findings.push(told(subject, trigger, &tree, (own, table, statement)));
        }
    }
}

/// Whether it is an UPDATE or a DELETE without a condition.
fn writes_all(statement: &Tree) -> bool {
    let narrows = |part: &Node| matches!(part.kind, Kind::Where | Kind::From | Kind::Limit);
    let is_write = matches!(statement.verb, Verb::Update | Verb::Delete);
    is_write && !statement.parts.iter().any(narrows)
}

/// Whether all that it sets are numbers, texts or NULL, as flags are that one row at most may have: every row may be meant.
fn is_reset(statement: &Tree) -> bool {
    let is_fixed = |(_, value): &(String, Node)| {
        let value = value.bare();
        matches!(value.kind, Kind::Number | Kind::Text)
            || value.kind == Kind::Constant && value.text.eq_ignore_ascii_case("null")
    };
    statement.verb == Verb::Update && statement.sets.iter().all(is_fixed)
}

/// Whether the trigger changes some row of the same table by a condition as well.
fn marks_one(tree: &Tree, reset: &Tree) -> bool {
    let mut others = tree.body.iter();
    others
        .any(|other| other.verb == Verb::Update && other.table == reset.table && !writes_all(other))
}

/// Whether what it sets hangs on the row that fires the trigger.
fn speaks_of_the_row(statement: &Tree) -> bool {
    let is_of_row = |node: &&Node| {
        let of = node.parts.first().filter(|_| node.kind == Kind::Column);
        of.is_some_and(|of| ["new", "old"].contains(&&*of.text.to_ascii_lowercase()))
    };
    statement.all().iter().any(is_of_row)
}

/// Whether a table is made for one row: its key is fixed by a CHECK, or the files put one into it.
fn has_one_row(subject: &Subject, table: &Table) -> bool {
    let is_key = |node: &Node| {
        let name = node.column().map(Name::new);
        name.is_some_and(|name| table.is_unique(&[name]))
    };
    let tree = tree::parse(&table.sql);
    let is_fixed = tree.is_some_and(|tree| {
        let mut terms = tree.parts.iter().flat_map(|check| check.chain("AND"));
        terms.any(|term| {
            let is_equal = term.kind == Kind::Binary && matches!(&*term.text, "=" | "==" | "IS");
            let is_list = term.kind == Kind::In && term.parts.len() == 2;
            (is_equal || is_list) && term.parts.iter().any(is_key)
        })
    });
    let counted = format!("SELECT count(*) FROM main.{}", table.name.quoted());
    let count = subject
        .replay
        .empty
        .ours(|connection| connection.query_row(&counted, [], |row| row.get::<_, i64>(0)));
    is_fixed || count.is_ok_and(|count| count == 1)
}

fn told(
    subject: &Subject,
    trigger: &Trigger,
    tree: &Tree,
    (own, table, statement): (&Table, &Table, &Tree),
) -> Finding {
    let event = tree.fires.as_ref().map_or("", |(_, event)| event);
    let when = tree.fires.as_ref().map_or("", |(when, _)| when);
    let (verb, word) = if statement.verb == Verb::Delete {
        ("deletes", "delete")
    } else {
        ("changes", "update")
    };
    let is_own = own.name == table.name;
    let lines = if is_own && when == "AFTER" && !is_reset(statement) {
        proof(trigger, tree, (table, statement), event)
    } else {
        Vec::new()
    };
    let level = if lines.is_empty() {
        Level::Warning
    } else {
        Level::Error
    };
    let message = format!(
        "the trigger `{}` {verb} every row of `{}` with each {event} of one row of `{}`: its {} has no WHERE",
        trigger.name,
        table.name,
        own.name,
        word.to_ascii_uppercase()
    );
    let body = find_word(&trigger.sql, "begin", 0).map_or(0, |found| found.end);
    let site = subject
        .site(ObjectKind::Trigger, &trigger.name)
        .map(|span| {
            let text = subject
                .source
                .file(span.file)
                .and_then(|file| file.text.get(span.range()));
            let from = text.and_then(|text| {
                let begin = find_word(text, "begin", 0).map_or(body, |found| found.end);
                find_word(text, word, begin)
            });
            from.map_or(span.clone(), |found| crate::text::Span {
                file: span.file,
                start: span.start + found.start,
                end: span.start + found.end,
            })
        });
    Finding::new(
        "TRG-06",
        level,
        format!("trigger {}", trigger.name),
        message,
    )
    .at(site, "writes every row")
    .help("add a WHERE that finds the row by its key: WHERE id = NEW.id")
    .proof(lines)
}

/// Two rows, a change of one of them or a third one, and whether the other one is as it was; nothing if it is, or if that cannot be shown.
fn proof(
    trigger: &Trigger,
    tree: &Tree,
    (table, statement): (&Table, &Tree),
    event: &str,
) -> Vec<String> {
    let of = table.name.quoted();
    let columns: Vec<&Name> = table.columns.iter().map(|column| &column.name).collect();
    let row = |number: usize| {
        let plain = table.columns.iter().filter(|one| one.generated.is_none());
        let row = plain.map(|column| {
            let is_key = table.primary_key.contains(&column.name);
            let value = match (is_key, column.affinity()) {
                (true, crate::catalog::Affinity::Text) => format!("'{number}'"),
                (true, _) => number.to_string(),
                (false, _) => trial::value(column),
            };
            (column.name.clone(), value)
        });
        trial::insert(&table.name, &row.collect())
    };
    let mut lines = vec![
        trial::sketch(table, &columns, &[], &[]),
        row(1),
        row(2),
        format!("{};", trigger.sql.trim_end_matches(';')),
    ];
    let fired = match event {
        "INSERT" => Some(row(3)),
        "DELETE" => Some(format!("DELETE FROM {of} WHERE rowid = 1;")),
        _ => changed(tree, table, statement),
    };
    let (Some(fired), Some(asked)) = (fired, asked(table, statement)) else {
        return Vec::new();
    };
    lines.extend([fired, asked]);
    let lines = trial::answering(lines);
    let is_shown = lines.last().is_some_and(|last| last.ends_with("; -- 1"));
    if is_shown { lines } else { Vec::new() }
}

/// An UPDATE of the first row that fires the trigger, of a column that the trigger does not write.
fn changed(tree: &Tree, table: &Table, statement: &Tree) -> Option<String> {
    let watched = tree.columns.first().map(|name| Name::new(name));
    let column = if let Some(name) = watched {
        table.column(&name)?
    } else {
        let mut plain = table.columns.iter().filter(|one| one.generated.is_none());
        plain.find(|one| {
            let mut sets = statement.sets.iter();
            let is_set = sets.any(|(set, _)| one.name == *set.as_str());
            !table.primary_key.contains(&one.name) && !is_set
        })?
    };
    let value = trial::value(column).replace("moltproof-1", "moltproof-2");
    let value = value.replace("987654321", "987654322");
    Some(format!(
        "UPDATE {} SET {} = {value} WHERE rowid = 1;",
        table.name.quoted(),
        column.name.quoted()
    ))
}

/// Whether the second row is gone, or holds another value.
fn asked(table: &Table, statement: &Tree) -> Option<String> {
    let of = table.name.quoted();
    if statement.verb == Verb::Delete {
        return Some(format!("SELECT count(*) = 0 FROM {of} WHERE rowid = 2;"));
    }
    let (name, _) = statement.sets.first()?;
    let column = table.column(&Name::new(name))?;
    Some(format!(
        "SELECT {} IS NOT {} FROM {of} WHERE rowid = 2;",
        column.name.quoted(),
        trial::value(column)
    ))
}
