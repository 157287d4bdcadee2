//! The rules of JSON in text columns. Never judges what the JSON means.

mod said;
mod used;

use said::{has_json_first, is_called_like_json, speaks_of_json};

use super::names::Names;
use super::words::words;
use super::{Judge, declared, object_of_column, repair, trial};
use crate::catalog::{Affinity, Column, Name, Table};
use crate::claims::Shape;
use crate::finding::{Finding, Level, Patch};
use crate::replay::ObjectKind;
use crate::subject::Subject;
use crate::text::{Span, find_word};
use crate::tree::{self, Kind, Node, Tree};

/// The judges of this family.
pub(super) const JUDGES: &[(&str, Judge)] = &[
    ("JSN-01", unchecked),
    ("JSN-02", nests),
    ("JSN-03", searched_by_like),
];

/// Whether a column holds JSON: it is declared to, its type, its name or the comment on its line says so, or its default is an empty array or object.
pub(super) fn is_json(subject: &Subject, table: &Table, column: &Column) -> bool {
    let mut claims = subject.claims.json.iter();
    let is_claimed = claims
        .any(|claim| table.name == claim.table.as_str() && column.name == claim.column.as_str());
    let default = column.default.as_deref().unwrap_or_default();
    let is_text = matches!(column.affinity(), Affinity::Text | Affinity::Numeric);
    let is_said = || {
        ["json", "jsonb"]
            .iter()
            .any(|name| column.declared_type.eq_ignore_ascii_case(name))
            || words(column.name.as_str())
                .last()
                .is_some_and(|last| last.ends_with("json"))
            || is_said_in_a_comment(subject, table, column)
    };
    is_text
        && column.generated.is_none()
        && (is_claimed || matches!(default, "'[]'" | "'{}'") || is_said())
}

/// Whether the comment on the column's line begins with JSON: `dependencies TEXT, -- JSON array of ids`.
fn is_said_in_a_comment(subject: &Subject, table: &Table, column: &Column) -> bool {
    let comment = || {
        let site = subject.site_of(ObjectKind::Table, &table.name, column.name.as_str())?;
        let line = subject
            .source
            .file(site.file)?
            .text
            .get(site.end..)?
            .lines()
            .next()?;
        let (_, comment) = line.split_once("--")?;
        comment.split_whitespace().next()
    };
    comment().is_some_and(|word| {
        let word = word.trim_end_matches([':', ',', '-', '.', '[', ']']);
        word.eq_ignore_ascii_case("json")
    }) || is_said_above(table, column)
        || repair::comment_of(table, column).is_some_and(has_json_first)
}

/// Whether the comment on the lines above the column speaks of JSON, and no other column stands on its own line.
fn is_said_above(table: &Table, column: &Column) -> bool {
    let comment = repair::comment_above(table, column);
    comment.is_some_and(|comment| speaks_of_json(&comment))
}

fn unchecked(subject: &Subject, findings: &mut Vec<Finding>) {
    let used = used::columns(subject);
    let said = said::columns(subject);
    for table in subject
        .schema()
        .tables
        .values()
        .filter(|table| table.is_ordinary())
    {
        for column in &table.columns {
            let key = (table.name.clone(), column.name.clone());
            let is_said = is_json(subject, table, column);
            let shown = (!is_said).then(|| used.get(&key)).flatten();
            let is_known = is_said
                || shown.is_some() && used::takes_anything(subject, table, column)
                || said.contains(&key);
            let is_likely = || column.affinity() == Affinity::Text && is_called_like_json(column);
            if !is_known && !is_likely() || is_checked(subject, table, column) {
                continue;
            }
            let level = if is_known {
                Level::Warning
            } else {
                Level::Info
            };
            let name = &column.name;
            let whether = if is_known {
                String::new()
            } else {
                format!("if `{name}` holds JSON, as its name says, ")
            };
            let message = format!(
                "{whether}a single row of `{}` whose `{name}` is not valid JSON makes every query that looks into that column fail with \"malformed JSON\"",
                table.name
            );
            findings.push(
                Finding::new("JSN-01", level, object_of_column(table, column), message)
                    .at(subject.site_of(ObjectKind::Table, &table.name, name.as_str()), "takes any text")
                    .related(shown.cloned().flatten(), "it is used as JSON here")
                    .help(format!("add CHECK (json_valid({name})) when the table is next rebuilt; until then two triggers refuse what is no JSON"))
                    .patch(Patch::Migration { sql: guards(table, column) }),
            );
        }
    }
}

/// Whether a CHECK or a trigger of the table passes the column to a function of JSON.
pub(super) fn is_checked(subject: &Subject, table: &Table, column: &Column) -> bool {
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
                    let part = part.bare();
                    let is_json = part.kind == Kind::Call && part.text == "json";
                    let inner = part.parts.first().filter(|_| is_json).unwrap_or(part);
                    let name = inner.column();
                    name.is_some_and(|name| name.eq_ignore_ascii_case(column))
                })
        };
        value.all().iter().any(is_nested).then_some(column.as_str())
    })
}

/// A statement that the rules of JSON look at.
struct Place {
    object: String,
    sql: String,
    site: Option<Span>,
    kind: Origin,
}

/// Where a statement stands, which is how it is repaired.
enum Origin {
    /// The `[data]` section and the code.
    Code,
    /// The schema: a kind of object and its name.
    Schema(&'static str, Name),
    /// A file.
    File,
}

impl Place {
    /// The repair, if the statement can be written otherwise.
    fn repaired(&self, sql: Option<String>) -> Option<Patch> {
        let sql = sql?;
        Some(match &self.kind {
            Origin::Code => Patch::Statement { sql },
            Origin::Schema(kind, name) => Patch::Migration {
                sql: format!("DROP {kind} {};\n{sql};", name.quoted()),
            },
            Origin::File => Patch::Replace {
                span: self.site.clone()?,
                with: sql,
            },
        })
    }
}

/// The declared statements, triggers, views and files' own statements in which one of some words stands.
fn places(subject: &Subject, words: &[&str]) -> Vec<Place> {
    let schema = subject.schema();
    let has = |sql: &str| words.iter().any(|word| find_word(sql, word, 0).is_some());
    let declared = declared::all(subject).into_iter().map(|one| Place {
        object: one.object,
        sql: one.sql,
        site: None,
        kind: Origin::Code,
    });
    let triggers = schema.triggers.values().map(|trigger| Place {
        object: format!("trigger {}", trigger.name),
        sql: trigger.sql.to_string(),
        site: subject.site_of(ObjectKind::Trigger, &trigger.name, words[0]),
        kind: Origin::Schema("TRIGGER", trigger.name.clone()),
    });
    let views = schema.views.values().map(|view| Place {
        object: format!("view {}", view.name),
        sql: view.sql.to_string(),
        site: subject.site_of(ObjectKind::View, &view.name, words[0]),
        kind: Origin::Schema("VIEW", view.name.clone()),
    });
    let steps = subject.replay.steps.iter();
    let steps = steps.filter(|step| {
        step.changes.is_empty() && step.failure.is_none() && has(&step.statement.sql)
    });
    let files = steps.map(|step| {
        let file = subject.source.file(step.statement.span.file);
        Place {
            object: format!("file {}", file.map_or("", |file| file.name.as_str())),
            sql: step.statement.sql.to_string(),
            site: Some(step.statement.span.clone()),
            kind: Origin::File,
        }
    });
    let all = declared.chain(triggers).chain(views).chain(files);
    all.filter(|place| has(&place.sql)).collect()
}

fn nests(subject: &Subject, findings: &mut Vec<Finding>) {
    for place in places(subject, &["json_array"]) {
        let Some(whole) = tree::parse(&place.sql) else {
            continue;
        };
        let trees = std::iter::once(&whole).chain(&whole.body);
        let mut nesting = trees.filter_map(|tree| Some((tree, nesting(tree)?)));
        if let Some((tree, column)) = nesting.next() {
            findings.push(nest(subject, &place, tree, column));
        }
    }
}

/// Whether a column is known to hold an array: it is declared to, or that is its default.
fn is_array(subject: &Subject, table: &str, column: &str) -> bool {
    let mut claims = subject.claims.json.iter();
    claims.any(|claim| {
        claim.table.eq_ignore_ascii_case(table)
            && claim.column.eq_ignore_ascii_case(column)
            && claim.shape == Shape::Array
    }) || subject.schema().table(table).is_some_and(|table| {
        table
            .columns
            .iter()
            .any(|own| own.name == column && own.default.as_deref() == Some("'[]'"))
    })
}

/// It is an error where the column is known to hold an array: a single value that becomes an array is no mistake.
fn nest(subject: &Subject, place: &Place, tree: &Tree, column: &str) -> Finding {
    let table = tree.table.as_deref().unwrap_or_default();
    let level = if is_array(subject, table, column) {
        Level::Error
    } else {
        Level::Warning
    };
    let message = format!(
        "json_array wraps `{column}` in a new array instead of appending to it: after two such updates the first element is buried in a text within a text, and no search finds it"
    );
    let quoted = Name::new(column).quoted();
    let site = place.site.clone().or_else(|| {
        let table = Name::new(table);
        subject.site_of(ObjectKind::Table, &table, column)
    });
    let object = match place.kind {
        Origin::File => format!("{}: {table}.{column}", place.object),
        Origin::Code | Origin::Schema(..) => place.object.clone(),
    };
    Finding::new("JSN-02", level, object, message)
        .at(site, "becomes an array in an array")
        .patched(place.repaired(repair::inserting(&place.sql, column)))
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
    for place in places(subject, &["like", "glob"]) {
        // What a file does once is over; what the schema and the code do is done again and again.
        if matches!(place.kind, Origin::File) {
            continue;
        }
        let Some(whole) = tree::parse(&place.sql) else {
            continue;
        };
        let trees = std::iter::once(&whole).chain(&whole.body);
        let found = trees
            .into_iter()
            .find_map(|tree| like_over_json(subject, tree));
        let Some((table, column)) = found else {
            continue;
        };
        let message = format!(
            "LIKE searches `{}.{}` as plain text: it also finds other values that contain the word, ignores case, and fails for patterns beyond D1's limit of 50 bytes",
            table.name, column.name
        );
        let site = place
            .site
            .clone()
            .or_else(|| subject.site_of(ObjectKind::Table, &table.name, column.name.as_str()));
        let search = is_array(subject, table.name.as_str(), column.name.as_str())
            .then(|| repair::by_elements(&place.sql, column.name.as_str()));
        findings.push(
            Finding::new("JSN-03", Level::Warning, place.object.clone(), message)
                .at(site, "holds JSON")
                .help(format!(
                    "write EXISTS (SELECT 1 FROM json_each({}) WHERE value = ?1)",
                    column.name
                ))
                .patched(place.repaired(search.flatten())),
        );
    }
}

/// The column of JSON that a statement searches by a pattern. `LIKE '[%'` asks for its form only.
fn like_over_json<'s>(subject: &'s Subject, tree: &Tree) -> Option<(&'s Table, &'s Column)> {
    let names = Names::of(subject, tree);
    let nodes = tree.all();
    nodes.iter().find_map(|node| {
        let is_like = node.kind == Kind::Like && matches!(node.text.as_str(), "LIKE" | "GLOB");
        let [name, pattern, ..] = node.parts.as_slice() else {
            return None;
        };
        let asks_for_form = pattern.kind == Kind::Text && pattern.text.starts_with(['[', '{']);
        let mut meant = names.columns(name).into_iter();
        meant.find(|(table, column)| is_like && !asks_for_form && is_json(subject, table, column))
    })
}
