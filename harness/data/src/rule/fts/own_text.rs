//! FTS-02: an index that holds its own text, or whose text cannot be read again, and gets it from triggers. Never judges one that no trigger fills: the application keeps it.

use super::{full_text, option, unreadable};
use crate::catalog::{Name, Table, Trigger};
use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::subject::Subject;
use crate::text::find_word;
use crate::tree::{self, Verb};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn not_followed(subject: &Subject, findings: &mut Vec<Finding>) {
    for index in full_text(subject.schema()) {
        let content = option(&index.sql, "content");
        let is_elsewhere = content.as_deref().is_some_and(|name| !name.is_empty());
        // Where the text cannot be read again, FTS5 cannot be asked whether the index matches it.
        if is_elsewhere && unreadable::missing(subject, index).is_none() {
            continue;
        }
        for (table, by_event) in followed(subject, index) {
            let (Some(adds), Some(source)) =
                (by_event.get("INSERT"), subject.schema().tables.get(table))
            else {
                continue;
            };
            if let Some((trigger, verb)) = fails(subject, index, &by_event) {
                findings.push(refused(subject, index, source, trigger, verb));
                continue;
            }
            let events: BTreeSet<&str> = by_event.keys().map(String::as_str).collect();
            let (verb, what) = if !events.contains("DELETE") {
                ("DELETE", "finds rows that are gone")
            } else if !events.contains("UPDATE") {
                ("UPDATE", "finds the old text and not the new one")
            } else {
                continue;
            };
            let message = format!(
                "`{}` is told of what comes into `{table}` and not of its {verb}: unless the application writes both, a search {what}",
                index.name
            );
            let site = subject.site(ObjectKind::Trigger, &adds.name);
            let mut object = format!("table {}", index.name);
            if is_elsewhere {
                object = format!("{object}: {verb}");
            }
            findings.push(
                Finding::new("FTS-02", Level::Warning, object, message)
                    .at(site, "adds the text")
                    .related(subject.site(ObjectKind::Table, &index.name), "keeps it")
                    .help("three triggers keep it in step: INSERT adds the text, UPDATE changes it, DELETE removes it"),
            );
        }
    }
}

/// The tables whose triggers write an index, each with a trigger by event.
pub(super) fn followed<'s>(
    subject: &'s Subject,
    index: &Table,
) -> BTreeMap<&'s Name, BTreeMap<String, &'s Trigger>> {
    let mut found: BTreeMap<&Name, BTreeMap<String, &Trigger>> = BTreeMap::new();
    for trigger in subject.schema().triggers.values() {
        if find_word(&trigger.sql, index.name.as_str(), 0).is_none() {
            continue;
        }
        let Some(tree) = tree::parse(&trigger.sql) else {
            continue;
        };
        let is_written = tree.body.iter().any(|statement| {
            let named = statement.table.as_deref();
            named.is_some_and(|name| index.name == *name) && statement.verb != Verb::Select
        });
        if let Some((_, event)) = tree.fires.filter(|_fires| is_written) {
            found
                .entry(&trigger.table)
                .or_default()
                .insert(event, trigger);
        }
    }
    found
}

/// A trigger that deletes or updates where FTS5 takes no such statement: an index without content that is not `contentless_delete`.
fn fails<'s>(
    subject: &Subject,
    index: &Table,
    by_event: &BTreeMap<String, &'s Trigger>,
) -> Option<(&'s Trigger, &'static str)> {
    let is_contentless = option(&index.sql, "content").is_some_and(|name| name.is_empty());
    let name = index.name.quoted();
    let refuses = |sql: &str| {
        let engine = &subject.replay.empty;
        let outcome = engine.ours(|connection| {
            connection.execute_batch(&format!(
                "SAVEPOINT moltproof; INSERT INTO {name} (rowid) VALUES (987654321); {sql}"
            ))
        });
        engine.ours(|connection| {
            let _undone = connection.execute_batch("ROLLBACK TO moltproof; RELEASE moltproof");
        });
        outcome.is_err_and(|error| error.to_string().contains("contentless"))
    };
    by_event
        .values()
        .filter(|_one| is_contentless)
        .find_map(|trigger| {
            let tree = tree::parse(&trigger.sql)?;
            let mut body = tree.body.iter();
            let deletes = body.any(|statement| {
                let named = statement.table.as_deref();
                statement.verb == Verb::Delete && named.is_some_and(|name| index.name == *name)
            });
            let sql = format!("DELETE FROM {name} WHERE rowid = 987654321;");
            let (_, event) = tree.fires?;
            let verb = if event == "DELETE" {
                "DELETE"
            } else {
                "UPDATE"
            };
            (deletes && refuses(&sql)).then_some((*trigger, verb))
        })
}

fn refused(
    subject: &Subject,
    index: &Table,
    source: &Table,
    trigger: &Trigger,
    verb: &str,
) -> Finding {
    let message = format!(
        "every {verb} on `{}` fails: its trigger `{}` deletes from `{}`, which keeps no content, and FTS5 cannot delete from such an index",
        source.name, trigger.name, index.name
    );
    let name = index.name.quoted();
    Finding::new("FTS-02", Level::Error, format!("table {}", index.name), message)
        .at(subject.site(ObjectKind::Trigger, &trigger.name), "is refused")
        .related(subject.site(ObjectKind::Table, &index.name), "keeps no content")
        .help("make the index with contentless_delete=1, or remove by the 'delete' command with the old text")
        .proof(crate::rule::trial::failing(vec![
            format!("{};", index.sql),
            format!("INSERT INTO {name} (rowid) VALUES (1);"),
            format!("DELETE FROM {name} WHERE rowid = 1;"),
        ]))
}
