//! IDX-03, IDX-04: indexes that the planner has no reason to use. Never judges a unique index, which is there to refuse.

use crate::catalog::{Affinity, Column, Index, IndexOrigin, Name, Table};
use crate::finding::{Finding, Level, Patch};
use crate::indexes::covered;
use crate::references::is_served;
use crate::replay::ObjectKind;
use crate::rule::declared::{self, Declared};
use crate::rule::trial::Trial;
use crate::rule::words::{is_deletion, words};
use crate::subject::Subject;
use crate::text::find_word;
use crate::tree::{self, Kind, Node};
use std::collections::BTreeSet;

pub(in crate::rule) fn of_few_values(subject: &Subject, findings: &mut Vec<Finding>) {
    for table in subject.schema().tables.values() {
        for index in &table.indexes {
            let [only] = index.columns.as_slice() else {
                continue;
            };
            let Some(column) = only.name.as_ref().and_then(|name| table.column(name)) else {
                continue;
            };
            let is_reference = table
                .foreign_keys
                .iter()
                .any(|key| key.columns.contains(&column.name));
            let is_lone = index.origin == IndexOrigin::Created
                && !index.unique
                && index.condition.is_none()
                && !is_reference;
            let is_flag =
                || is_flag_by_default(column) || is_checked_to_be_a_flag(table, &column.name);
            if !is_lone
                || !has_few_values(column.name.as_str(), &column.declared_type) && !is_flag()
            {
                continue;
            }
            let message = format!(
                "`{}` is of little use: most rows of `{}` share one value of `{}`, so SQLite either ignores the index or reads most rows twice",
                index.name, table.name, column.name
            );
            let key = super::super::trial::list(&table.primary_key);
            let mut finding = Finding::new(
                "IDX-03",
                Level::Info,
                format!("index {}", index.name),
                message,
            )
            .at(
                subject.site(ObjectKind::Index, &index.name),
                "an index on this column alone",
            )
            .help("put the column behind the one that is searched by, or make the index partial");
            if is_deletion(column.name.as_str()) && !key.is_empty() {
                finding = finding.help("rows that are not deleted are what is searched for: put WHERE … IS NULL on the indexes that find them, and drop this one");
            }
            findings.push(finding.patch(Patch::Migration {
                sql: format!("DROP INDEX {};", index.name.quoted()),
            }));
        }
    }
}

/// `spendable INTEGER NOT NULL DEFAULT 0`: a number that is 0 or 1 by default and is called by a quality.
fn is_flag_by_default(column: &Column) -> bool {
    const QUALITIES: [&str; 20] = [
        "paid",
        "read",
        "seen",
        "sent",
        "verified",
        "processed",
        "synced",
        "hidden",
        "locked",
        "approved",
        "blocked",
        "featured",
        "public",
        "private",
        "resolved",
        "confirmed",
        "banned",
        "muted",
        "favorite",
        "starred",
    ];
    let words = words(column.name.as_str());
    let [only] = words.as_slice() else {
        return false;
    };
    let is_quality = only.ends_with("able") || QUALITIES.contains(&only.as_str());
    let default = column.default.as_deref();
    is_quality
        && column.affinity() == Affinity::Integer
        && matches!(default, Some("0" | "1" | "(0)" | "(1)" | "false" | "true"))
}

/// `CHECK (done IN (0, 1))`.
fn is_checked_to_be_a_flag(table: &Table, column: &Name) -> bool {
    if !table.sql.to_ascii_lowercase().contains("check") {
        return false;
    }
    let tree = tree::parse(&table.sql);
    let checks: Vec<Node> = tree.into_iter().flat_map(|tree| tree.parts).collect();
    let mut nodes = checks.iter().flat_map(Node::all);
    nodes.any(|node| {
        let is_number = |part: &Node| part.kind == Kind::Number;
        let listed = node.parts.iter().skip(1).flat_map(Node::all);
        let values: Vec<&Node> = listed.filter(|part| part.kind != Kind::List).collect();
        let name = node.parts.first().and_then(Node::column);
        node.kind == Kind::In
            && name.is_some_and(|name| *column == *name)
            && values.len() == 2
            && values.into_iter().all(is_number)
    })
}

fn has_few_values(name: &str, declared: &str) -> bool {
    let words = words(name);
    let first = words.first().map(String::as_str).unwrap_or_default();
    let is_whole = words.len() == 1;
    declared.to_ascii_lowercase().starts_with("bool")
        || is_deletion(name)
        || matches!(first, "is" | "has") && words.len() > 1
        || is_whole
            && matches!(
                first,
                "status"
                    | "state"
                    | "active"
                    | "enabled"
                    | "disabled"
                    | "archived"
                    | "published"
                    | "visible"
                    | "completed"
                    | "done"
                    | "pinned"
                    | "gender"
            )
}

pub(in crate::rule) fn partial_that_no_query_implies(
    subject: &Subject,
    findings: &mut Vec<Finding>,
) {
    let declared = declared::all(subject);
    if declared.is_empty() {
        return;
    }
    let used: BTreeSet<Name> = declared
        .iter()
        .flat_map(|one| used_by(subject, &one.sql))
        .collect();
    // Of two that do the same work, only one is ever used.
    let twice = covered(subject);
    let serves = |index: &Index| {
        used.contains(&index.name)
            || twice.iter().any(|(_, one, other)| {
                other.is_some_and(|other| {
                    one.name == index.name && used.contains(&other.name)
                        || other.name == index.name && used.contains(&one.name)
                })
            })
    };
    for table in subject.schema().tables.values() {
        for index in &table.indexes {
            let Some(condition) = &index.condition else {
                continue;
            };
            if index.unique || serves(index) {
                continue;
            }
            let message = if let Some(missed) = missed_by(subject, table, index, &declared) {
                format!(
                    "the statement \"{missed}\" would be served by `{}`, but does not say `{condition}` in the words of the index, so no declared statement uses it",
                    index.name
                )
            } else if let Some(parent) = missed_by_deletions(subject, table, index) {
                format!(
                    "the deletion of a row of `{parent}` would be served by `{}`, but the rows of `{}` that do not meet `{condition}` are not in it, so neither the deletion nor a declared statement uses it",
                    index.name, table.name
                )
            } else {
                continue;
            };
            findings.push(
                Finding::new("IDX-04", Level::Warning, format!("index {}", index.name), message)
                    .at(subject.site(ObjectKind::Index, &index.name), "used by no declared statement")
                    .help("write the condition into the statement as the index has it, without parameters"),
            );
        }
    }
}

/// The parent whose deletions search by the columns with which the index begins, if no other index serves them.
fn missed_by_deletions<'s>(
    subject: &'s Subject,
    table: &'s Table,
    index: &Index,
) -> Option<&'s Name> {
    let mut keys = table.foreign_keys.iter();
    let missed = keys.find(|key| {
        let leading = index.columns.iter().take(key.columns.len());
        let leading: Vec<&Name> = leading.filter_map(|part| part.name.as_ref()).collect();
        leading.len() == key.columns.len()
            && key.columns.iter().all(|name| leading.contains(&name))
            && subject
                .schema()
                .tables
                .get(&key.parent)
                .is_some_and(|parent| !is_served(subject, table, key, parent))
    });
    missed.map(|key| &key.parent)
}

/// The indexes that SQLite uses for a statement.
fn used_by(subject: &Subject, sql: &str) -> Vec<Name> {
    let plan = declared::plan(subject, sql);
    let lines = plan.into_iter().flatten();
    lines
        .filter_map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let place = words.iter().position(|word| *word == "INDEX")?;
            words.get(place + 1).map(|name| Name::new(name))
        })
        .collect()
}

/// The declared statement that would use the index if it had no condition, as SQLite plans it with such an index beside it.
fn missed_by(
    subject: &Subject,
    table: &Table,
    index: &Index,
    declared: &[Declared],
) -> Option<String> {
    let sql = index.sql.as_deref()?;
    let on = find_word(sql, "on", 0)?;
    let mut last = None;
    let mut from = on.end;
    while let Some(word) = find_word(sql, "where", from) {
        from = word.end;
        last.get_or_insert(word.start);
    }
    let whole = Name::new("moltproof_whole");
    let create = format!("CREATE INDEX {} {}", whole.quoted(), &sql[on.start..last?]);
    let reading: Vec<&Declared> = declared
        .iter()
        .filter(|one| find_word(&one.sql, table.name.as_str(), 0).is_some())
        .collect();
    let trial = Trial::begin(subject)?;
    trial.run(&create).ok()?;
    let missed = reading
        .iter()
        .find(|one| used_by(subject, &one.sql).contains(&whole));
    missed.map(|one| one.object.clone())
}
