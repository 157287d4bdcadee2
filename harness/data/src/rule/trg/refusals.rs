//! TRG-05: triggers that make every statement of their kind fail: by RAISE on each path, by what the log that they write refuses, or by what they
//! leave out. Never judges a table that is closed on purpose, by one RAISE without a condition.

use crate::catalog::{Name, Table, Trigger};
use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::rule::chk::decided;
use crate::rule::trial::{self, Row};
use crate::subject::Subject;
use crate::text::find_word;
use crate::tree::{self, Kind, Node, Tree, Verb};
use rusqlite::{Connection, params_from_iter};

pub(in crate::rule) fn refuse_all(subject: &Subject, findings: &mut Vec<Finding>) {
    let schema = subject.schema();
    for trigger in schema.triggers.values() {
        let may_refuse = ["raise", "insert"];
        if !may_refuse
            .iter()
            .any(|word| find_word(&trigger.sql, word, 0).is_some())
        {
            continue;
        }
        let tree = tree::parse(&trigger.sql);
        let Some((tree, event)) = tree.and_then(|tree| {
            let event = tree.fires.clone()?.1;
            Some((tree, event))
        }) else {
            continue;
        };
        let table = schema.tables.get(&trigger.table);
        let by_itself = table.filter(|table| {
            table.is_ordinary() && event == "INSERT" && raises_for_each(table, trigger, &tree)
        });
        let (why, log) = if by_itself.is_some() {
            ("each path of it ends in RAISE".to_owned(), None)
        } else {
            let mut all = tree.body.iter();
            let Some((why, log)) = all.find_map(|statement| {
                let log = schema.tables.get(&Name::new(statement.table.as_deref()?))?;
                Some((refused_by_log(subject, statement, log)?, log))
            }) else {
                continue;
            };
            (why, Some(log))
        };
        let is_asked = log.is_some() && !tree.parts.is_empty();
        let finding = told(subject, trigger, &event, (&why, log), is_asked);
        let proof = table.map_or_else(Vec::new, |table| {
            proof(subject, (table, trigger), &event, log)
        });
        findings.push(finding.proof(proof));
    }
}

fn told(
    subject: &Subject,
    trigger: &Trigger,
    event: &str,
    (why, log): (&str, Option<&Table>),
    is_asked: bool,
) -> Finding {
    let (level, which) = if is_asked {
        (Level::Warning, " for which its WHEN holds")
    } else {
        (Level::Error, "")
    };
    let what = match event {
        "INSERT" => "INSERT into",
        "DELETE" => "DELETE from",
        _ => "UPDATE of",
    };
    let message = format!(
        "each {what} `{}`{which} fails in trigger `{}`: {why}",
        trigger.table, trigger.name
    );
    let word = if log.is_some() { "insert" } else { "raise" };
    let mut finding = Finding::new(
        "TRG-05",
        level,
        format!("trigger {}", trigger.name),
        message,
    )
    .at(
        subject
            .site_of(ObjectKind::Trigger, &trigger.name, word)
            .or_else(|| subject.site(ObjectKind::Trigger, &trigger.name)),
        "fails whatever the row holds",
    );
    if let Some(log) = log {
        finding = finding.related(
            subject.site(ObjectKind::Table, &log.name),
            "does not take what the trigger writes",
        );
        return finding.help(
            "let the trigger give every column that the table demands, in words that it takes",
        );
    }
    finding.help("leave one path without RAISE for the rows that are welcome")
}

/// The table as a sketch, what the trigger writes as it is, a row, the trigger, and the statement that fails.
fn proof(
    subject: &Subject,
    (table, trigger): (&Table, &Trigger),
    event: &str,
    log: Option<&Table>,
) -> Vec<String> {
    let columns = || {
        let columns = table.columns.iter();
        columns.filter(|column| column.generated.is_none())
    };
    let names: Vec<&Name> = columns().map(|column| &column.name).collect();
    let mut lines = vec![trial::sketch(table, &names, &[], &[])];
    if let Some(log) = log {
        lines.push(format!("{};", log.sql));
        let guards = subject.triggers(&log.name);
        lines.extend(guards.map(|guard| format!("{};", guard.sql)));
    }
    let demanded = columns().filter(|column| column.not_null);
    let row: Row = demanded
        .map(|column| (column.name.clone(), trial::value(column)))
        .collect();
    let insert = trial::insert(&table.name, &row);
    let name = table.name.quoted();
    let last = match event {
        "INSERT" => insert,
        "DELETE" => {
            lines.push(insert);
            format!("DELETE FROM {name};")
        }
        _ => {
            lines.push(insert);
            let sets = names.iter().map(|name| format!("{0} = {0}", name.quoted()));
            format!("UPDATE {name} SET {};", sets.collect::<Vec<_>>().join(", "))
        }
    };
    lines.push(format!("{};", trigger.sql));
    lines.push(last);
    // A log that refers to tables which the proof leaves out would fail for these.
    let is_whole = log.is_none_or(|log| log.foreign_keys.is_empty());
    if is_whole {
        trial::failing(lines)
    } else {
        Vec::new()
    }
}

/// Whether an INSERT trigger that asks for something refuses every row, whatever it holds: seen on a sketch of the table, with each combination of
/// values that its conditions can tell apart.
fn raises_for_each(table: &Table, trigger: &Trigger, tree: &Tree) -> bool {
    let selects: Option<Vec<&Node>> = tree
        .body
        .iter()
        .map(|statement| {
            let select = statement
                .parts
                .iter()
                .find(|part| part.kind == Kind::Select)?;
            (statement.verb == Verb::Select && select.part(Kind::From).is_none()).then_some(select)
        })
        .collect();
    let Some(selects) = selects else {
        return false;
    };
    let mut conditions: Vec<&Node> = tree.parts.iter().flat_map(|when| &when.parts).collect();
    for select in selects {
        let asked = select.part(Kind::Where);
        conditions.extend(asked.iter().flat_map(|asked| &asked.parts));
        for node in select
            .all()
            .into_iter()
            .filter(|node| node.kind == Kind::Case)
        {
            if node.text == "of" {
                return false;
            }
            conditions.extend(node.parts.chunks_exact(2).map(|pair| &pair[0]));
        }
    }
    let mut all = conditions.iter();
    if !all.all(|one| decided::has_every_place(table, one)) {
        return false;
    }
    let Some((columns, values)) = decided::places(table, &conditions) else {
        return false;
    };
    let attempt = || -> rusqlite::Result<bool> {
        let connection = Connection::open_in_memory()?;
        let declared: Vec<String> = table
            .columns
            .iter()
            .map(|column| format!("{} {}", column.name.quoted(), column.declared_type))
            .collect();
        let name = table.name.quoted();
        connection.execute_batch(&format!(
            "CREATE TABLE {name} ({}); {}",
            declared.join(", "),
            trigger.sql
        ))?;
        let names: Vec<String> = columns.iter().map(|column| column.name.quoted()).collect();
        let marks = vec!["?"; names.len()].join(", ");
        let sql = format!("INSERT INTO {name} ({}) VALUES ({marks})", names.join(", "));
        let mut insert = connection.prepare(&sql)?;
        let mut is_taken = false;
        decided::combinations(columns.len(), &values, |row| {
            let is_closed =
                |(column, value): (&&crate::catalog::Column, &&rusqlite::types::Value)| {
                    **value == rusqlite::types::Value::Null && !table.is_nullable(column)
                };
            if columns.iter().zip(row).any(is_closed) {
                return Ok(false);
            }
            let outcome = insert.execute(params_from_iter(row));
            let is_raised = matches!(&outcome, Err(error) if error.sqlite_error().is_some_and(|error| {
                error.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_TRIGGER
            }));
            is_taken = !is_raised;
            Ok(is_taken)
        })?;
        Ok(!is_taken)
    };
    attempt().unwrap_or(false)
}

/// Why a table takes no row that this statement of a trigger inserts; none where it may.
fn refused_by_log(subject: &Subject, statement: &Tree, log: &Table) -> Option<String> {
    let select = statement
        .parts
        .iter()
        .find(|part| part.kind == Kind::Select)?;
    let runs = [Kind::From, Kind::Where, Kind::Group, Kind::Limit]
        .iter()
        .all(|clause| select.part(*clause).is_none());
    if statement.verb != Verb::Insert || !runs || !log.is_ordinary() {
        return None;
    }
    if let Some(guard) = closed_by(subject, log) {
        return Some(format!(
            "it writes `{}`, and trigger `{guard}` refuses every INSERT there",
            log.name
        ));
    }
    let mut rows = select
        .parts
        .iter()
        .filter(|part| part.kind == Kind::Columns);
    let row = rows.next().filter(|_| rows.next().is_none())?;
    let sorts_out = find_word(&log.sql, "conflict", 0).is_some();
    if statement.replaces || statement.ignores || sorts_out {
        return None;
    }
    let given: Vec<(&Name, Option<&Node>)> = log
        .columns
        .iter()
        .filter(|column| column.generated.is_none())
        .enumerate()
        .map(|(place, column)| {
            let place = if statement.columns.is_empty() {
                Some(place)
            } else {
                let mut named = statement.columns.iter();
                named.position(|name| column.name == name.as_str())
            };
            (&column.name, place.and_then(|place| row.parts.get(place)))
        })
        .collect();
    left_out(log, &given).or_else(|| against_a_check(log, &given))
}

/// A trigger that refuses every row of a table by a RAISE without a condition.
fn closed_by<'s>(subject: &'s Subject, log: &Table) -> Option<&'s Name> {
    let mut triggers = subject.triggers(&log.name);
    let guard = triggers.find(|trigger| {
        find_word(&trigger.sql, "raise", 0).is_some()
            && tree::parse(&trigger.sql).is_some_and(|tree| {
                let is_insert = tree.fires.as_ref().is_some_and(|(_, on)| on == "INSERT");
                is_insert && tree.parts.is_empty() && tree.body.iter().any(is_raise)
            })
    })?;
    Some(&guard.name)
}

/// Whether a statement of a trigger is nothing but a RAISE that fails.
fn is_raise(statement: &Tree) -> bool {
    let mut parts = statement.parts.iter();
    let Some(select) = parts.find(|part| part.kind == Kind::Select) else {
        return false;
    };
    let is_plain = select.part(Kind::From).is_none() && select.part(Kind::Where).is_none();
    let columns = select.part(Kind::Columns);
    let mut columns = columns.iter().flat_map(|columns| &columns.parts);
    statement.verb == Verb::Select
        && is_plain
        && columns.any(|part| part.bare().kind == Kind::Raise && !part.bare().parts.is_empty())
}

/// A column that must hold a value and gets none, or NULL.
fn left_out(log: &Table, given: &[(&Name, Option<&Node>)]) -> Option<String> {
    let alias = log.rowid_alias().map(|alias| &alias.name);
    let (name, is_null) = given.iter().find_map(|(name, value)| {
        let column = log.column(name)?;
        let is_demanded = !log.is_nullable(column) && alias != Some(name);
        let is_null =
            value.is_some_and(|value| value.kind == Kind::Constant && value.text == "NULL");
        let is_missing = value.is_none()
            && column
                .default
                .as_deref()
                .is_none_or(|text| text.eq_ignore_ascii_case("null"));
        (is_demanded && (is_null || is_missing)).then_some((name, is_null))
    })?;
    let how = if is_null { "with NULL in" } else { "without" };
    Some(format!(
        "it writes `{}` {how} `{name}`, which must hold a value",
        log.name
    ))
}

/// A CHECK that reads nothing but columns whose values the statement itself says, and is false for these.
fn against_a_check(log: &Table, given: &[(&Name, Option<&Node>)]) -> Option<String> {
    let made = tree::parse(&log.sql)?;
    made.checks.iter().find_map(|(_, text)| {
        let columns = decided::columns(log, text);
        let values: Option<Vec<String>> = columns
            .iter()
            .map(|column| {
                let (_, value) = given.iter().find(|(name, _)| **name == column.name)?;
                match value {
                    Some(value) => literal(value),
                    None => Some(column.default.as_deref().unwrap_or("NULL").to_owned()),
                }
            })
            .collect();
        let values = values.filter(|values| !values.is_empty())?;
        let declared: Vec<String> = columns
            .iter()
            .map(|column| format!("{} {}", column.name.quoted(), column.declared_type))
            .collect();
        let connection = Connection::open_in_memory().ok()?;
        let make = format!(
            "CREATE TABLE one ({}); INSERT INTO one VALUES ({});",
            declared.join(", "),
            values.join(", ")
        );
        connection.execute_batch(&make).ok()?;
        let sql = format!("SELECT ({text}) IS FALSE FROM one");
        let is_false: bool = connection.query_row(&sql, [], |row| row.get(0)).ok()?;
        is_false.then(|| {
            format!(
                "it writes {} into `{}`, where CHECK ({}) refuses it",
                values.join(", "),
                log.name,
                text.trim()
            )
        })
    })
}

/// A value that is the same for each row, as SQL.
fn literal(value: &Node) -> Option<String> {
    let value = value.bare();
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what is no literal hangs on the row"
    )]
    match value.kind {
        Kind::Text => Some(format!("'{}'", value.text.replace('\'', "''"))),
        Kind::Number => Some(value.text.clone()),
        Kind::Constant => (value.text == "NULL").then(|| value.text.clone()),
        Kind::Unary => {
            let [number] = value.parts.as_slice() else {
                return None;
            };
            let is_number = number.kind == Kind::Number && value.text == "-";
            is_number.then(|| format!("-{}", number.text))
        }
        _ => None,
    }
}
