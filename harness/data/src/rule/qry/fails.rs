//! QRY-03, QRY-04: statements that D1 refuses, and typing errors that pass for texts. Never decides by a list of names: SQLite prepares each statement.

use super::copied;
use crate::catalog::{Name, Table};
use crate::engine::{Deed, Engine};
use crate::finding::{Finding, Level, Patch};
use crate::replay::{ObjectKind, Step};
use crate::rule::{declared, trial};
use crate::subject::Subject;
use crate::text::{FileId, find_word};
use crate::tree::{self, Kind, Node, Tree, Verb};
use rusqlite::config::DbConfig;

pub(in crate::rule) fn not_prepared(subject: &Subject, findings: &mut Vec<Finding>) {
    for one in declared::all(subject) {
        if one.sql.contains("/*items*/") {
            continue;
        }
        let Some((why, is_refused)) = why(subject, &one.sql) else {
            continue;
        };
        // What a limit refuses is LIM's; what a file that failed was to make may be there in truth.
        let is_limit = ["too many", "Expression tree", "variable number"]
            .iter()
            .any(|words| why.starts_with(words));
        if is_limit {
            continue;
        }
        if lies_elsewhere(&one.sql, &why) {
            continue;
        }
        let level = if subject.replay.failed.is_some() && !is_refused {
            Level::Warning
        } else {
            Level::Error
        };
        let told = if is_refused {
            format!("D1 refuses the declared statement: it refuses {why}")
        } else {
            format!("the declared statement always fails: {why}")
        };
        let proof = if is_refused {
            Vec::new()
        } else {
            proof(subject, &one.sql, &why)
        };
        findings.push(
            Finding::new("QRY-03", level, one.object.clone(), told)
                .help("correct the statement in the code and in the `[data]` section, or the schema that it refers to")
                .proof(proof),
        );
    }
    defaults(subject, findings);
}

/// Whether what is missing is no name of the statement's own: a reference, a view or a trigger behind it is broken, of which other rules tell.
fn lies_elsewhere(sql: &str, why: &str) -> bool {
    let missing = why.strip_prefix("no such table: ");
    let name = missing.and_then(|name| name.rsplit('.').next());
    name.is_some_and(|name| find_word(sql, name, 0).is_none())
}

/// Tables whose defaults call what D1 has not: SQLite notices it at the first INSERT that leaves the column out.
fn defaults(subject: &Subject, findings: &mut Vec<Finding>) {
    let calls = |table: &&Table| {
        let mut columns = table.columns.iter();
        table.is_ordinary()
            && columns.any(|column| {
                column
                    .default
                    .as_ref()
                    .is_some_and(|text| text.contains('('))
            })
    };
    for table in subject.schema().tables.values().filter(calls) {
        let insert = format!("INSERT INTO {} DEFAULT VALUES", table.name.quoted());
        let Some((why, is_refused)) = why(subject, &insert) else {
            continue;
        };
        let Some(name) = why.split("function").nth(1).and_then(|rest| {
            let rest = rest.trim_start_matches([':', ' ']);
            let name = rest.split('(').next()?.trim();
            (!name.is_empty()).then(|| name.to_owned())
        }) else {
            continue;
        };
        let message = format!(
            "an INSERT into `{}` that leaves out the column whose default calls {name}() fails: D1 has no such function",
            table.name
        );
        let proof = if is_refused {
            Vec::new()
        } else {
            let columns: Vec<&Name> = table.columns.iter().map(|column| &column.name).collect();
            trial::failing_with(
                vec![
                    trial::sketch(table, &columns, &[], &[]),
                    format!("{insert};"),
                ],
                &why,
            )
        };
        findings.push(
            Finding::new("QRY-03", Level::Error, format!("table {}", table.name), message)
                .at(subject.site_of(ObjectKind::Table, &table.name, &name), "not on D1")
                .help("let the code give the value, or use what SQLite has: lower(hex(randomblob(16))), unixepoch(), strftime(…)")
                .proof(proof),
        );
    }
}

/// Why a statement cannot be prepared, and whether D1 refuses it where SQLite would not.
fn why(subject: &Subject, sql: &str) -> Option<(String, bool)> {
    let engine = &subject.replay.empty;
    engine.take_deeds();
    let outcome = engine.connection().prepare(sql).map(|_statement| ());
    let (_, refusal) = engine.take_deeds();
    let error = outcome.err()?;
    Some(match refusal {
        Some(refusal) => (refusal.to_string(), true),
        None => (trial::message(&error), false),
    })
}

/// The tables that the statement names, in small, and the statement.
pub(in crate::rule) fn proof(subject: &Subject, sql: &str, why: &str) -> Vec<String> {
    let schema = subject.schema();
    let mut lines = Vec::new();
    for table in schema.tables.values() {
        if find_word(sql, table.name.as_str(), 0).is_some() && table.is_ordinary() {
            let columns: Vec<&Name> = table.columns.iter().map(|column| &column.name).collect();
            lines.push(trial::sketch(table, &columns, &[], &[]));
        } else if find_word(sql, table.name.as_str(), 0).is_some() {
            lines.push(format!("{};", table.sql));
        }
    }
    if lines.len() > 4 {
        return Vec::new();
    }
    let words: Vec<&str> = sql.split_whitespace().collect();
    lines.push(format!("{};", words.join(" ")));
    trial::failing_with(lines, why)
}

pub(in crate::rule) fn text_in_double_quotes(subject: &Subject, findings: &mut Vec<Finding>) {
    for one in declared::all(subject) {
        if !one.sql.contains('"') {
            continue;
        }
        let Some(name) = taken_for_a_text(subject, &one.sql) else {
            continue;
        };
        let message = format!(
            "\"{name}\" is not a column of any table in the statement, so SQLite reads it as the text '{name}'; a misspelt column would go unnoticed in the same way"
        );
        findings.push(
            Finding::new("QRY-04", Level::Warning, one.object.clone(), message).help(format!(
                "write '{name}' for a text; double quotes are for names"
            )),
        );
    }
    super::quoted::in_schema(subject, findings);
    for number in 0..subject.replay.files.len() {
        in_file(subject, FileId(number), findings);
    }
}

/// The name that SQLite does not know once it takes no texts in double quotes.
pub(super) fn taken_for_a_text(subject: &Subject, sql: &str) -> Option<String> {
    unknown_name(&subject.replay.empty, sql)
}

/// The same on another database.
pub(super) fn unknown_name(engine: &Engine, sql: &str) -> Option<String> {
    engine.ours(|connection| {
        connection.prepare(sql).ok()?;
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)
            .ok()?;
        let outcome = connection.prepare(sql).map(|_statement| ());
        let _kept = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, true);
        let message = trial::message(&outcome.err()?);
        let name = message.strip_prefix("no such column: ")?;
        Some(name.split(" - ").next()?.trim_matches('"').to_owned())
    })
}

fn in_file(subject: &Subject, file: FileId, findings: &mut Vec<Finding>) {
    let name = subject
        .source
        .file(file)
        .map_or("", |file| file.name.as_str());
    let copied = copied::in_file(subject, file);
    let is_told = |place: usize| copied.iter().any(|(at, _)| *at == place);
    let found = subject
        .replay
        .steps_of(file)
        .filter(|(place, _)| !is_told(*place))
        .find_map(|(place, step)| {
            let text = value(step).or_else(|| unread(subject, place, step))?;
            Some((step, text))
        });
    findings.extend(copied.into_iter().map(|(_, finding)| finding));
    let Some((step, text)) = found else {
        return;
    };
    let quoted = format!("\"{}\"", text.replace('"', "\"\""));
    let start = step.statement.sql.find(&quoted);
    let message = format!(
        "`{name}` writes \"{text}\", a name in double quotes that SQLite reads as the text '{text}' because there is no such column"
    );
    let mut finding = Finding::new("QRY-04", Level::Warning, format!("file {name}"), message)
        .at(
            Some(start.map_or_else(
                || step.statement.span.clone(),
                |start| step.statement.part(start..start + quoted.len()),
            )),
            "a text in double quotes",
        )
        .help("write texts in single quotes");
    if let Some(start) = start {
        finding = finding.patch(Patch::Replace {
            span: step.statement.part(start..start + quoted.len()),
            with: format!("'{}'", text.replace('\'', "''")),
        });
    }
    findings.push(finding);
}

/// A value in double quotes in a VALUES list, where no column can be meant.
fn value(step: &Step) -> Option<String> {
    let sql = &step.statement.sql;
    if step.failure.is_some() || !sql.contains('"') || find_word(sql, "values", 0).is_none() {
        return None;
    }
    let tree = tree::parse(sql).filter(|tree| tree.verb == Verb::Insert)?;
    let select = tree.parts.iter().find(|part| part.kind == Kind::Select)?;
    if select.part(Kind::From).is_some() {
        return None;
    }
    let rows = select
        .parts
        .iter()
        .filter(|part| part.kind == Kind::Columns);
    let mut values = rows.flat_map(|row| &row.parts).flat_map(Node::all);
    values
        .find(|node| node.kind == Kind::Quoted)
        .map(|node| node.text.clone())
}

/// A name in double quotes that stands for a value, though SQLite knows no such column when it prepares the statement.
fn unread(subject: &Subject, place: usize, step: &Step) -> Option<String> {
    let sql = &step.statement.sql;
    if step.failure.is_some() || !sql.contains('"') {
        return None;
    }
    let is_write = |verb| matches!(verb, Verb::Insert | Verb::Update | Verb::Delete);
    let tree = tree::parse(sql).filter(|tree| is_write(tree.verb) && tree.fires.is_none())?;
    let quoted = tree
        .all()
        .into_iter()
        .filter(|node| node.kind == Kind::Quoted);
    let mut names = quoted.map(|node| &node.text);
    names.find(|name| stands_for_no_column(step, &tree, name))?;
    let engine = subject.replay.before(place).ok()?;
    unknown_name(&engine, sql)
}

/// Whether a name stands for a value, though SQLite read no column of this name when it prepared the statement.
pub(super) fn stands_for_no_column(step: &Step, tree: &Tree, name: &str) -> bool {
    let nodes = tree.all();
    let from = nodes.iter().filter(|node| node.kind == Kind::From);
    let named: Vec<&str> = from
        .flat_map(|from| from.parts.iter().filter(|part| part.kind == Kind::Table))
        .map(|table| table.text.as_str())
        .chain(tree.table.as_deref())
        .collect();
    let reads = |table: &str| {
        let is_it = |deed: &Deed| matches!(deed, Deed::Read(of, _) | Deed::Insert(of, _) if of.eq_ignore_ascii_case(table));
        step.deeds.iter().any(is_it)
    };
    // A view reads tables that the statement does not name, and a reference reads its parent, which is not meant.
    let is_plain = named.iter().all(|table| reads(table));
    let is_meant = |of: &str| !is_plain || named.iter().any(|table| of.eq_ignore_ascii_case(table));
    let is_read = step.deeds.iter().any(|deed| {
        matches!(deed, Deed::Read(of, column) if column.eq_ignore_ascii_case(name) && is_meant(of))
    });
    let sql = step.statement.sql.to_lowercase();
    let is_alias = sql.contains(&format!("as \"{}\"", name.to_lowercase()));
    !is_read && !is_alias && !name.eq_ignore_ascii_case("rowid")
}
