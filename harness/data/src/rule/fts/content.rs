//! FTS-03, FTS-04, FTS-05: what becomes of an index when its content table is rebuilt, replaced into, or exported. Never judges indexes that hold their own text as stale.

use super::external;
use crate::catalog::TableKind;
use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::rule::declared;
use crate::subject::Subject;
use crate::tree;

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
        let Some(tree) = tree::parse(&one.sql).filter(|tree| tree.replaces) else {
            continue;
        };
        let written = tree.table.as_deref().unwrap_or_default();
        let Some(index) = indexes.iter().find(|index| index.content.name == written) else {
            continue;
        };
        let message = format!(
            "REPLACE removes the old row of `{}` without firing its DELETE triggers, so `{}` keeps the old text under a row that is gone, and reading it fails with \"malformed\"",
            index.content.name, index.table.name
        );
        findings.push(
            Finding::new("FTS-04", Level::Warning, one.object.clone(), message)
                .at(subject.site(ObjectKind::Table, &index.table.name), "is not told of the old row")
                .related(subject.site(ObjectKind::Table, &index.content.name), "is replaced into")
                .help("write INSERT … ON CONFLICT (…) DO UPDATE SET …, which fires the UPDATE triggers"),
        );
    }
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
