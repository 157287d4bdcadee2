//! FTS-03, FTS-04, FTS-05: what becomes of an index when its content table is rebuilt, replaced into, or exported. Never judges indexes that hold their own text as stale.

use super::{Index, external};
use crate::catalog::TableKind;
use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::rule::declared;
use crate::subject::Subject;
use crate::text::find_word;
use crate::tree::{self, Tree};

pub(in crate::rule) fn without_integer_key(subject: &Subject, findings: &mut Vec<Finding>) {
    for index in external(subject.schema()) {
        let (table, content) = (index.table, index.content);
        if content.rowid_alias().is_some() || !content.is_ordinary() {
            continue;
        }
        let message = format!(
            "after `{1}` is rebuilt or restored from a dump, `{0}` finds other rows than it says: `{1}` has no INTEGER PRIMARY KEY, so its rowids are given anew",
            table.name, content.name
        );
        findings.push(
            Finding::new("FTS-03", Level::Warning, format!("table {}", table.name), message)
                .at(subject.site_of(ObjectKind::Table, &table.name, content.name.as_str()), "goes by the rowid of this table")
                .related(subject.site(ObjectKind::Table, &content.name), "its rowids are nobody's")
                .help("put the text into a side table with rowid INTEGER PRIMARY KEY that refers to the row, and index that one"),
        );
    }
}

pub(in crate::rule) fn replaced(subject: &Subject, findings: &mut Vec<Finding>) {
    let indexes = external(subject.schema());
    if indexes.is_empty() {
        return;
    }
    for one in declared::all(subject) {
        let Some(tree) = tree::parse(&one.sql) else {
            continue;
        };
        if let Some(index) = replaced_into(&indexes, &tree) {
            let finding = replaces(one.object, index);
            findings.push(finding.at(
                subject.site(ObjectKind::Table, &index.table.name),
                "is not told of the old row",
            ));
        }
    }
    let schema = subject.schema();
    for trigger in schema.triggers.values() {
        let tree = word(&trigger.sql).and_then(|_| tree::parse(&trigger.sql));
        let mut body = tree.iter().flat_map(|tree| &tree.body);
        if let Some(index) = body.find_map(|tree| replaced_into(&indexes, tree)) {
            let site = subject.site_of(ObjectKind::Trigger, &trigger.name, "replace");
            let object = format!("trigger {}", trigger.name);
            findings.push(replaces(object, index).at(site, "replaces rows"));
        }
    }
    for step in &subject.replay.steps {
        let Some(at) = word(&step.statement.sql).filter(|at| *at < "insert or ".len() + 4) else {
            continue;
        };
        let tree = tree::parse(&step.statement.sql);
        let Some(index) = tree.and_then(|tree| replaced_into(&indexes, &tree)) else {
            continue;
        };
        let span = &step.statement.span;
        let made = subject.site(ObjectKind::Table, &index.table.name);
        // Rows that come before the index are read when it is built.
        let is_behind = made.is_some_and(|made| (made.file, made.start) < (span.file, span.start));
        if is_behind && step.is_carried_out() {
            let file = subject.source.file(span.file);
            let file = file.map_or("", |file| file.name.as_str());
            let object = format!("file {file}: {}", index.content.name);
            let site = step.statement.part(at..at + "replace".len());
            findings.push(replaces(object, index).at(Some(site), "replaces rows"));
        }
    }
}

fn word(sql: &str) -> Option<usize> {
    find_word(sql, "replace", 0).map(|word| word.start)
}

/// The index whose content a statement replaces rows of.
fn replaced_into<'i, 's>(indexes: &'i [Index<'s>], tree: &Tree) -> Option<&'i Index<'s>> {
    let written = tree.table.as_deref().filter(|_| tree.replaces)?;
    indexes.iter().find(|index| index.content.name == *written)
}

fn replaces(object: String, index: &Index<'_>) -> Finding {
    let message = format!(
        "REPLACE removes the old row of `{}` without firing its DELETE triggers, so `{}` keeps the old text under a row that is gone, and reading it fails with \"malformed\"",
        index.content.name, index.table.name
    );
    Finding::new("FTS-04", Level::Warning, object, message)
        .help("write INSERT … ON CONFLICT (…) DO UPDATE SET …, which fires the UPDATE triggers")
}

pub(in crate::rule) fn not_exported(subject: &Subject, findings: &mut Vec<Finding>) {
    for table in subject.schema().tables.values() {
        let TableKind::Virtual { module } = &table.kind else {
            continue;
        };
        let message = format!(
            "`wrangler d1 export` refuses the whole database while `{}` is in it: D1 exports no virtual table ({module})",
            table.name
        );
        findings.push(
            Finding::new("FTS-05", Level::Info, format!("table {}", table.name), message)
                .at(subject.site(ObjectKind::Table, &table.name), "a virtual table")
                .help("export table by table with --table, or drop the index for the export and build it again; Time Travel keeps working"),
        );
    }
}
