//! IDX-01, IDX-02: an index that another one, or a key, does the work of. Compares columns, order, collation, condition and expressions.

use crate::catalog::{Index, IndexOrigin, Name, Table};
use crate::finding::{Finding, Level, Patch};
use crate::indexes::covered;
use crate::replay::ObjectKind;
use crate::subject::Subject;

pub(in crate::rule) fn covered_by_an_index(subject: &Subject, findings: &mut Vec<Finding>) {
    for (table, index, other) in covered(subject) {
        let Some(other) = other.filter(|other| other.origin == IndexOrigin::Created) else {
            continue;
        };
        let (how, cost) = if other.columns.len() == index.columns.len() {
            ("is the same as", "")
        } else {
            ("is the beginning of", "")
        };
        let message = format!(
            "`{}` {how} `{}`{cost}, so each write to `{}` is billed for an index that nothing needs",
            index.name, other.name, table.name
        );
        findings.push(finding("IDX-01", subject, index, message).related(
            subject.site(ObjectKind::Index, &other.name),
            "serves the same searches",
        ));
    }
}

pub(in crate::rule) fn covered_by_a_constraint(subject: &Subject, findings: &mut Vec<Finding>) {
    for (table, index, other) in covered(subject) {
        if index.origin != IndexOrigin::Created {
            findings.push(word_too_many(subject, table));
            continue;
        }
        let key = match other.map(|other| other.origin) {
            Some(IndexOrigin::Created) => continue,
            Some(IndexOrigin::Unique) => "a UNIQUE constraint",
            Some(IndexOrigin::PrimaryKey) | None => "the primary key",
        };
        let message = format!(
            "`{}` repeats {key} of `{}`, which is an index already, so each write is billed for both",
            index.name, table.name
        );
        findings.push(
            finding("IDX-02", subject, index, message)
                .related(subject.site(ObjectKind::Table, &table.name), "has the key"),
        );
    }
}

fn finding(rule: &'static str, subject: &Subject, index: &Index, message: String) -> Finding {
    Finding::new(
        rule,
        Level::Warning,
        format!("index {}", index.name),
        message,
    )
    .at(subject.site(ObjectKind::Index, &index.name), "can go")
    .help("drop it")
    .patch(Patch::Migration {
        sql: format!("DROP INDEX {};", index.name.quoted()),
    })
}

/// `INTEGER PRIMARY KEY UNIQUE`: the rowid is unique as it is, and SQLite makes an index all the same.
fn word_too_many(subject: &Subject, table: &Table) -> Finding {
    let key = table.primary_key.first().map_or("", Name::as_str);
    let message = format!(
        "UNIQUE on `{key}` repeats the primary key of `{}`: the rowid is unique anyway, and each write is billed for an index more",
        table.name
    );
    Finding::new(
        "IDX-02",
        Level::Warning,
        format!("table {}: unique {key}", table.name),
        message,
    )
    .at(
        subject.site_of(ObjectKind::Table, &table.name, key),
        "is unique without the word",
    )
    .help("leave UNIQUE out when the table is next rebuilt")
}
