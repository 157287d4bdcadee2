//! The rules of JSON in text columns. Never judges what the JSON means.

use super::names::Names;
use super::{Judge, declared, object_of_column, trial};
use crate::catalog::{Affinity, Column, Name, Table};
use crate::claims::Shape;
use crate::finding::{Finding, Level, Patch};
use crate::replay::ObjectKind;
use crate::subject::Subject;
use crate::text::{Span, find_word};
use crate::tree::{self, Kind, Node, Tree, Verb};

/// The judges of this family.
pub(super) const JUDGES: &[(&str, Judge)] = &[
    ("JSN-01", unchecked),
    ("JSN-02", nests),
    ("JSN-03", searched_by_like),
];

/// Whether a column holds JSON: it is declared to, or its default is an empty array or object.
fn is_json(subject: &Subject, table: &Table, column: &Column) -> bool {
    let mut claims = subject.claims.json.iter();
    let is_claimed = claims
        .any(|claim| table.name == claim.table.as_str() && column.name == claim.column.as_str());
    let default = column.default.as_deref().unwrap_or_default();
    let is_text = matches!(column.affinity(), Affinity::Text | Affinity::Numeric);
    is_text && column.generated.is_none() && (is_claimed || matches!(default, "'[]'" | "'{}'"))
}

fn unchecked(subject: &Subject, findings: &mut Vec<Finding>) {
    for table in subject
        .schema()
        .tables
        .values()
        .filter(|table| table.is_ordinary())
    {
        for column in &table.columns {
            if !is_json(subject, table, column) || is_checked(subject, table, column) {
                continue;
            }
            let name = &column.name;
            let message = format!(
                "one row of `{}` whose `{name}` is no JSON stops every query that looks into that column with \"malformed JSON\"",
                table.name
            );
            findings.push(
                Finding::new("JSN-01", Level::Warning, object_of_column(table, column), message)
                    .at(subject.site_of(ObjectKind::Table, &table.name, name.as_str()), "takes any text")
                    .help(format!("add CHECK (json_valid({name})) when the table is made anew; until then two triggers refuse what is no JSON"))
                    .patch(Patch::Migration { sql: guards(table, column) }),
            );
        }
    }
}

/// Whether a CHECK or a trigger of the table passes the column to a function of JSON.
fn is_checked(subject: &Subject, table: &Table, column: &Column) -> bool {
    let names_json = |sql: &str| {
        let lower = sql.to_ascii_lowercase();
        let mut from = 0;
        while let Some(place) = lower[from..].find("json") {
            from += place + 4;
            let rest = &lower[from..];
            let end = rest.find(')').unwrap_or(rest.len());
            let is_test =
                rest.starts_with("_valid") || rest.starts_with("_type") || rest.starts_with('(');
            if is_test && find_word(&rest[..end], column.name.as_str(), 0).is_some() {
                return true;
            }
        }
        false
    };
    names_json(&table.sql)
        || subject.schema().triggers.values().any(|trigger| {
            trigger.table == table.name
                && find_word(&trigger.sql, "raise", 0).is_some()
                && names_json(&trigger.sql)
        })
}

/// Two triggers that refuse what is no JSON: they keep the table and all that refers to it.
fn guards(table: &Table, column: &Column) -> String {
    let name = &column.name;
    let guard = |suffix: &str, event: &str| {
        let trigger = Name::new(&format!("{}_{name}_json_{suffix}", table.name));
        format!(
            "CREATE TRIGGER {} BEFORE {event} ON {} WHEN NOT json_valid(NEW.{}) BEGIN\n  SELECT RAISE(ABORT, '{} is no JSON');\nEND;",
            trigger.quoted(),
            table.name.quoted(),
            name.quoted(),
            name.as_str().replace('\'', "''")
        )
    };
    let update = format!("UPDATE OF {}", name.quoted());
    format!(
        "{}\n{}",
        guard("insert", "INSERT"),
        guard("update", &update)
    )
}

/// `SET tags = json_array(tags, …)`.
fn nesting(tree: &Tree) -> Option<&str> {
    tree.sets.iter().find_map(|(column, value)| {
        let is_nested = |node: &&Node| {
            node.kind == Kind::Call
                && node.text == "json_array"
                && node.parts.len() > 1
                && node.parts.iter().any(|part| {
                    part.column()
                        .is_some_and(|name| name.eq_ignore_ascii_case(column))
                })
        };
        value.all().iter().any(is_nested).then_some(column.as_str())
    })
}

fn nests(subject: &Subject, findings: &mut Vec<Finding>) {
    for one in declared::all(subject) {
        if !one.sql.contains("json_array") {
            continue;
        }
        if let Some((tree, column)) = tree::parse(&one.sql).and_then(|tree| {
            let column = nesting(&tree)?.to_owned();
            Some((tree, column))
        }) {
            findings.push(nest(subject, one.object, &tree, &column, None));
        }
    }
    for trigger in subject.schema().triggers.values() {
        if !trigger.sql.contains("json_array") {
            continue;
        }
        let Some(whole) = tree::parse(&trigger.sql) else {
            continue;
        };
        if let Some((tree, column)) = whole
            .body
            .iter()
            .find_map(|tree| Some((tree, nesting(tree)?)))
        {
            let site = subject.site_of(ObjectKind::Trigger, &trigger.name, "json_array");
            findings.push(nest(
                subject,
                format!("trigger {}", trigger.name),
                tree,
                column,
                site,
            ));
        }
    }
}

/// It is an error where the column is known to hold an array: a single value that becomes an array is no mistake.
fn nest(
    subject: &Subject,
    object: String,
    tree: &Tree,
    column: &str,
    site: Option<Span>,
) -> Finding {
    let table = tree.table.as_deref().unwrap_or_default();
    let mut claims = subject.claims.json.iter();
    let is_array = claims.any(|claim| {
        claim.table.eq_ignore_ascii_case(table)
            && claim.column.eq_ignore_ascii_case(column)
            && claim.shape == Shape::Array
    }) || subject.schema().table(table).is_some_and(|table| {
        table
            .columns
            .iter()
            .any(|own| own.name == column && own.default.as_deref() == Some("'[]'"))
    });
    let level = if is_array {
        Level::Error
    } else {
        Level::Warning
    };
    let message = format!(
        "json_array makes a new array around `{column}` instead of adding to it: after the second time the first tag stands in a text within a text, and no search finds it"
    );
    let quoted = Name::new(column).quoted();
    let site = site.or_else(|| {
        let table = Name::new(table);
        subject.site_of(ObjectKind::Table, &table, column)
    });
    Finding::new("JSN-02", level, object, message)
        .at(site, "becomes an array in an array")
        .help(format!(
            "write json_insert({column}, '$[#]', value), which adds at the end"
        ))
        .proof(trial::answering(vec![
            format!("CREATE TABLE t ({quoted} TEXT);"),
            format!("INSERT INTO t VALUES ('[\"a\"]');"),
            format!("UPDATE t SET {quoted} = json_array({quoted}, 'b');"),
            format!("SELECT json_extract({quoted}, '$[0]') = 'a' FROM t;"),
        ]))
}

fn searched_by_like(subject: &Subject, findings: &mut Vec<Finding>) {
    for one in declared::all(subject) {
        let Some(tree) =
            tree::parse(&one.sql).filter(|tree| tree.verb == Verb::Select || tree.table.is_some())
        else {
            continue;
        };
        let names = Names::of(subject, &tree);
        let nodes = tree.all();
        let found = nodes.iter().find_map(|node| {
            let is_like = node.kind == Kind::Like && matches!(node.text.as_str(), "LIKE" | "GLOB");
            let name = node.parts.first().filter(|_| is_like)?;
            let mut meant = names.columns(name).into_iter();
            meant.find(|(table, column)| is_json(subject, table, column))
        });
        let Some((table, column)) = found else {
            continue;
        };
        let message = format!(
            "LIKE looks at `{}.{}` as a text: it finds other values that contain the word, in any case, and fails for words beyond D1's pattern limit of 50 bytes",
            table.name, column.name
        );
        findings.push(
            Finding::new("JSN-03", Level::Warning, one.object.clone(), message)
                .at(
                    subject.site_of(ObjectKind::Table, &table.name, column.name.as_str()),
                    "holds JSON",
                )
                .help(format!(
                    "write EXISTS (SELECT 1 FROM json_each({}) WHERE value = ?1)",
                    column.name
                )),
        );
    }
}
