//! FTS-02: an index with external content that names a table or a column which is not there. Never judges whether its triggers keep it in step.

use super::{full_text, option};
use crate::catalog::{Name, Table};
use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::rule::trial::{self, Trial};
use crate::subject::Subject;

pub(super) fn names_nothing(subject: &Subject, findings: &mut Vec<Finding>) {
    for index in full_text(subject.schema()) {
        let Some(missing) = missing(subject, index) else {
            continue;
        };
        let name = &index.name;
        let message = format!(
            "`{name}` takes its text from {missing}, which does not exist: FTS5 can neither build the index nor read a text of it again"
        );
        findings.push(
            Finding::new("FTS-02", Level::Error, format!("table {name}"), message)
                .at(
                    subject.site_of(ObjectKind::Table, name, missing.option()),
                    "does not exist",
                )
                .help("drop the index and make it anew: content= names the table, content_rowid= its INTEGER PRIMARY KEY, and each column of the index is called like one of the table")
                .proof(proof(subject, index)),
        );
    }
}

/// What an index names that is not there.
pub(super) enum Missing {
    Content(String),
    Rowid(String, String),
    Column(Name, String),
}

impl Missing {
    /// The word of the statement that names it.
    fn option(&self) -> &str {
        match self {
            Self::Content(_) => "content",
            Self::Rowid(..) => "content_rowid",
            Self::Column(column, _) => column.as_str(),
        }
    }
}

impl std::fmt::Display for Missing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Content(table) => write!(formatter, "`{table}`"),
            Self::Rowid(column, table) => {
                write!(formatter, "the rows of `{table}` by its column `{column}`")
            }
            Self::Column(column, table) => write!(formatter, "`{table}.{column}`"),
        }
    }
}

/// What is missing; none if FTS5 itself can build the index.
pub(super) fn missing(subject: &Subject, index: &Table) -> Option<Missing> {
    let content = option(&index.sql, "content").filter(|name| !name.is_empty())?;
    let name = index.name.quoted();
    let trial = Trial::begin(subject)?;
    let rebuild = format!("INSERT INTO {name} ({name}) VALUES ('rebuild');");
    trial.run(&rebuild).err()?;
    drop(trial);
    let schema = subject.schema();
    if schema.views.contains_key(&Name::new(&content)) {
        return None;
    }
    let Some(table) = schema.table(&content) else {
        return Some(Missing::Content(content));
    };
    let is_rowid = |name: &str| {
        let names = ["rowid", "_rowid_", "oid"];
        names.iter().any(|one| one.eq_ignore_ascii_case(name))
    };
    let rowid = option(&index.sql, "content_rowid")
        .filter(|name| !is_rowid(name) && table.column(&Name::new(name)).is_none());
    if let Some(rowid) = rowid {
        return Some(Missing::Rowid(rowid, content));
    }
    let mut columns = index.columns.iter();
    let column = columns.find(|column| table.column(&column.name).is_none())?;
    Some(Missing::Column(column.name.clone(), content))
}

fn proof(subject: &Subject, index: &Table) -> Vec<String> {
    let name = index.name.quoted();
    let content = option(&index.sql, "content");
    let table = content.and_then(|content| subject.schema().table(&content));
    let mut lines: Vec<String> = table
        .map(|table| format!("{};", table.sql))
        .into_iter()
        .collect();
    lines.push(format!("{};", index.sql));
    lines.push(format!("INSERT INTO {name} ({name}) VALUES ('rebuild');"));
    trial::failing(lines)
}
