//! FTS-02: an index by triggers that does not follow its table. Never calls an index stale that was not seen to be: rows are written, and FTS5 itself is asked.

use super::{Index, damaged, external, own_text, unbuilt, unreadable};
use crate::catalog::{Affinity, Name, Trigger};
use crate::finding::{Finding, Level, Patch};
use crate::replay::ObjectKind;
use crate::rule::trial::{Row, Trial, sketch};
use crate::subject::Subject;
use crate::text::find_word;
use crate::tree;

pub(in crate::rule) fn stale(subject: &Subject, findings: &mut Vec<Finding>) {
    unreadable::names_nothing(subject, findings);
    unbuilt::over_rows(subject, findings);
    unbuilt::own_text_over_rows(subject, findings);
    damaged::by_files(subject, findings);
    own_text::not_followed(subject, findings);
    for index in external(subject.schema()) {
        if unreadable::missing(subject, index.table).is_some() {
            continue;
        }
        let triggers = triggers(subject, &index);
        let (level, verb, column) = if triggers.is_empty() {
            // The application may keep the index itself; nothing can be seen of that.
            (Level::Warning, "INSERT", None)
        } else {
            match fails_after(subject, &index, &triggers) {
                Some((verb, column)) => (Level::Error, verb, Some(column)),
                None => continue,
            }
        };
        let (table, content) = (&index.table.name, &index.content.name);
        let message = if triggers.is_empty() {
            format!(
                "no trigger tells `{table}` of changes of `{content}`: unless the application writes both, searches find what is no longer there"
            )
        } else {
            format!(
                "after {verb} on `{content}` the index `{table}` no longer matches it: searches find texts that are gone, and FTS5's own integrity check fails"
            )
        };
        let site = triggers.first().map_or_else(
            || subject.site(ObjectKind::Table, table),
            |trigger| subject.site(ObjectKind::Trigger, &trigger.name),
        );
        let mut finding = Finding::new("FTS-02", level, format!("table {table}"), message)
            .at(site, "does not keep the index in step")
            .related(subject.site(ObjectKind::Table, content), "its text is indexed")
            .help("three triggers keep it in step: INSERT adds the new text, DELETE removes the old one by the 'delete' command, UPDATE does both");
        if let Some(sql) = repair(&index, &triggers) {
            finding = finding.patch(Patch::Migration { sql });
        }
        findings.push(finding.proof(proof(&index, &triggers, (verb, column))));
    }
}

/// The triggers of the content table that write the index.
pub(super) fn triggers<'s>(subject: &'s Subject, index: &Index<'s>) -> Vec<&'s Trigger> {
    let triggers = subject.schema().triggers.values();
    triggers
        .filter(|trigger| {
            trigger.table == index.content.name
                && find_word(&trigger.sql, index.table.name.as_str(), 0).is_some()
        })
        .collect()
}

/// The indexed columns that the content table has, each with a text.
pub(super) fn texts(index: &Index<'_>, text: &str) -> Row {
    let columns = index.table.columns.iter();
    columns
        .filter(|column| {
            index
                .content
                .column(&column.name)
                .is_some_and(|own| own.generated.is_none())
        })
        .map(|column| (column.name.clone(), format!("'{text}'")))
        .collect()
}

/// The first of INSERT, UPDATE and DELETE after which FTS5 finds that the index does not match its content, and the column that was changed.
fn fails_after(
    subject: &Subject,
    index: &Index<'_>,
    triggers: &[&Trigger],
) -> Option<(&'static str, Name)> {
    let trial = Trial::begin(subject)?;
    let name = index.table.name.quoted();
    let check = format!("INSERT INTO {name} ({name}, rank) VALUES ('integrity-check', 1);");
    trial.run(&check).ok()?;
    let row = texts(index, "moltproof before");
    if row.is_empty() {
        return None;
    }
    let mut given = row.clone();
    let number = || "987654321".to_owned();
    if !index.content.without_rowid && index.content.rowid_alias().is_none() {
        given.insert(Name::new("rowid"), number());
    }
    // A number that a trigger takes for the rowid may be meant to be it: the application keeps the two equal.
    for column in &index.content.columns {
        let is_used = triggers
            .iter()
            .any(|trigger| find_word(&trigger.sql, column.name.as_str(), 0).is_some());
        if column.affinity() == Affinity::Integer && column.generated.is_none() && is_used {
            given.entry(column.name.clone()).or_insert_with(number);
        }
    }
    trial.row(index.content, &given)?;
    if trial.run(&check).is_err() {
        return Some(("INSERT", row.first_key_value()?.0.clone()));
    }
    let content = index.content.name.quoted();
    // A trigger may name the columns whose changes it follows, and leave out one of them.
    let mut changed = None;
    for name in row.keys() {
        let column = name.quoted();
        let is_done = trial.run(&format!(
            "UPDATE {content} SET {column} = 'moltproof after' WHERE {column} = 'moltproof before';"
        ));
        if is_done.is_err() {
            continue;
        }
        if trial.run(&check).is_err() {
            return Some(("UPDATE", name.clone()));
        }
        changed = Some(name);
    }
    let name = changed?;
    let column = name.quoted();
    trial
        .run(&format!(
            "DELETE FROM {content} WHERE {column} = 'moltproof after';"
        ))
        .ok()?;
    trial.run(&check).is_err().then(|| ("DELETE", name.clone()))
}

/// The right triggers in the place of those that write the index and nothing else.
fn repair(index: &Index<'_>, triggers: &[&Trigger]) -> Option<String> {
    let own = |trigger: &&Trigger| {
        tree::parse(&trigger.sql).is_some_and(|tree| {
            tree.body.iter().all(|statement| {
                statement
                    .table
                    .as_deref()
                    .is_some_and(|name| index.table.name == name)
            })
        })
    };
    let columns: Vec<Name> = index
        .table
        .columns
        .iter()
        .map(|column| column.name.clone())
        .collect();
    let is_plain = columns
        .iter()
        .all(|name| index.content.column(name).is_some());
    if index.content.without_rowid || !is_plain || !triggers.iter().all(own) {
        return None;
    }
    let mut lines: Vec<String> = triggers
        .iter()
        .map(|trigger| format!("DROP TRIGGER {};", trigger.name.quoted()))
        .collect();
    lines.extend(right_triggers(index, &columns));
    let name = index.table.name.quoted();
    lines.push(format!("INSERT INTO {name} ({name}) VALUES ('rebuild');"));
    Some(lines.join("\n"))
}

fn right_triggers(index: &Index<'_>, columns: &[Name]) -> Vec<String> {
    let (name, content) = (index.table.name.quoted(), index.content.name.quoted());
    let rowid = index
        .rowid
        .as_ref()
        .map_or_else(|| "rowid".to_owned(), Name::quoted);
    let list = crate::rule::trial::list(columns);
    let of = |row: &str| {
        let columns: Vec<String> = columns
            .iter()
            .map(|column| format!("{row}.{}", column.quoted()))
            .collect();
        columns.join(", ")
    };
    let add = format!(
        "INSERT INTO {name} (rowid, {list}) VALUES (NEW.{rowid}, {});",
        of("NEW")
    );
    let remove = format!(
        "INSERT INTO {name} ({name}, rowid, {list}) VALUES ('delete', OLD.{rowid}, {});",
        of("OLD")
    );
    let trigger = |suffix: &str, event: &str, body: &str| {
        let trigger = Name::new(&format!("{}_after_{suffix}", index.table.name)).quoted();
        format!("CREATE TRIGGER {trigger} AFTER {event} ON {content} BEGIN\n  {body}\nEND;")
    };
    vec![
        trigger("insert", "INSERT", &add),
        trigger("delete", "DELETE", &remove),
        trigger("update", "UPDATE", &format!("{remove}\n  {add}")),
    ]
}

/// The tables in small, the triggers as they are, and the changes up to the one that the index does not follow.
fn proof(
    index: &Index<'_>,
    triggers: &[&Trigger],
    (verb, column): (&str, Option<Name>),
) -> Vec<String> {
    let texts = texts(index, "before");
    let mut columns: Vec<&Name> = texts.keys().collect();
    let key = index.content.rowid_alias();
    columns.extend(
        key.map(|key| &key.name)
            .filter(|name| !texts.contains_key(*name)),
    );
    let (name, content) = (index.table.name.quoted(), index.content.name.quoted());
    let Some(column) = column.as_ref().or_else(|| texts.keys().next()) else {
        return Vec::new();
    };
    let column = column.quoted();
    let mut lines = vec![
        sketch(index.content, &columns, &[], &[]),
        format!("{};", index.table.sql),
    ];
    lines.extend(triggers.iter().map(|trigger| format!("{};", trigger.sql)));
    lines.push(crate::rule::trial::insert(&index.content.name, &texts));
    match verb {
        "UPDATE" => lines.push(format!("UPDATE {content} SET {column} = 'after';")),
        "DELETE" => lines.push(format!("DELETE FROM {content};")),
        _ => {}
    }
    lines.push(format!(
        "INSERT INTO {name} ({name}, rank) VALUES ('integrity-check', 1);"
    ));
    crate::rule::trial::failing(lines)
}
