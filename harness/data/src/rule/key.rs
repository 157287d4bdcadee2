//! The rules of primary keys. Never asks whether a natural key would be better than an artificial one.

use super::{Judge, object_of_column, repair, trial};
use crate::catalog::{Affinity, Column, Index, IndexColumn, Table};
use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::subject::Subject;
use crate::text::find_word;

/// The judges of this family.
pub(super) const JUDGES: &[(&str, Judge)] = &[
    ("KEY-01", none),
    ("KEY-02", nullable),
    ("KEY-03", int_is_not_integer),
    ("KEY-04", autoincrement),
];

fn tables(subject: &Subject) -> impl Iterator<Item = &Table> {
    let tables = subject.schema().tables.values();
    tables.filter(|table| table.is_ordinary())
}

fn none(subject: &Subject, findings: &mut Vec<Finding>) {
    for table in tables(subject).filter(|table| table.primary_key.is_empty()) {
        let (level, message) = match key_of_another_kind(table) {
            Some(index) => (
                Level::Info,
                format!(
                    "`{}` has no primary key; its rows are told apart by the unique index `{}` alone",
                    table.name, index.name
                ),
            ),
            None => (
                Level::Warning,
                format!(
                    "`{}` has no primary key, so the same row can be stored twice, and no statement can single out one of the two",
                    table.name
                ),
            ),
        };
        findings.push(
            Finding::new("KEY-01", level, format!("table {}", table.name), message)
            .at(
                subject.site_of(ObjectKind::Table, &table.name, table.name.as_str()),
                "no PRIMARY KEY",
            )
            .help(
                "declare what tells its rows apart as PRIMARY KEY, or add an INTEGER PRIMARY KEY",
            ),
        );
    }
}

/// An index that lets no two rows be the same: over all rows, and over columns that are never NULL, or expressions that stand for NULL as well.
fn key_of_another_kind(table: &Table) -> Option<&Index> {
    let mut indexes = table.indexes.iter();
    indexes.find(|index| {
        let is_never_null = |part: &IndexColumn| match &part.name {
            Some(name) => table
                .column(name)
                .is_some_and(|column| !table.is_nullable(column)),
            None => index.sql.as_deref().is_some_and(|sql| {
                ["coalesce", "ifnull"]
                    .iter()
                    .any(|call| find_word(sql, call, 0).is_some())
            }),
        };
        index.unique && index.condition.is_none() && index.columns.iter().all(is_never_null)
    })
}

fn nullable(subject: &Subject, findings: &mut Vec<Finding>) {
    let claims = &subject.claims;
    for table in tables(subject) {
        let open: Vec<&Column> = table
            .primary_key
            .iter()
            .filter_map(|name| table.column(name))
            .filter(|column| table.is_nullable(column))
            .collect();
        // An INT key that is no alias of the rowid is KEY-03's.
        let Some(first) = open.first().filter(|_| !is_int_key(table)) else {
            continue;
        };
        let is_owner = [&claims.tenants, &claims.users]
            .into_iter()
            .flatten()
            .any(|name| table.name == name.as_str());
        // Whoever is not there by a key of its own can neither sign in nor be deleted.
        let is_called_so = ["user", "users", "tenant", "tenants"]
            .iter()
            .any(|name| table.name == *name);
        let level = if is_owner || is_called_so {
            Level::Warning
        } else {
            Level::Info
        };
        let message = format!(
            "`{}.{}` is the primary key, yet it accepts NULL, even in several rows: SQLite implies NOT NULL for an INTEGER PRIMARY KEY only",
            table.name, first.name
        );
        findings.push(
            Finding::new("KEY-02", level, format!("table {}", table.name), message)
                .at(
                    subject.site_of(ObjectKind::Table, &table.name, first.name.as_str()),
                    "no NOT NULL",
                )
                .help("write PRIMARY KEY NOT NULL when the table is next rebuilt")
                .patched(repair::not_null(subject, table, &open)),
        );
    }
}

fn is_int_key(table: &Table) -> bool {
    let [only] = table.primary_key.as_slice() else {
        return false;
    };
    !table.without_rowid
        && table.rowid_alias().is_none()
        && table
            .column(only)
            .is_some_and(|column| column.affinity() == Affinity::Integer || is_serial(column))
}

/// Whether a column is declared with a type that counts by itself in `PostgreSQL`, and not in SQLite.
fn is_serial(column: &Column) -> bool {
    let types = ["serial", "bigserial", "smallserial"];
    types
        .iter()
        .any(|name| column.declared_type.eq_ignore_ascii_case(name))
}

fn int_is_not_integer(subject: &Subject, findings: &mut Vec<Finding>) {
    for table in tables(subject).filter(|table| is_int_key(table)) {
        let Some(column) = table
            .primary_key
            .first()
            .and_then(|name| table.column(name))
        else {
            continue;
        };
        let is_integer = column.declared_type.eq_ignore_ascii_case("integer");
        let desc = if is_integer { " DESC" } else { "" };
        let null = if table.is_nullable(column) {
            ", accepts NULL"
        } else {
            ""
        };
        let message = format!(
            "`{}.{}` is {} PRIMARY KEY{desc}, which is not the rowid: it does not count up by itself{null}, and costs a second index",
            table.name, column.name, column.declared_type
        );
        findings.push(
            Finding::new(
                "KEY-03",
                Level::Warning,
                object_of_column(table, column),
                message,
            )
            .at(
                subject.site_of(ObjectKind::Table, &table.name, column.name.as_str()),
                if is_integer {
                    "not the rowid with DESC"
                } else {
                    "only INTEGER, spelt out, is the rowid"
                },
            )
            .help("write INTEGER PRIMARY KEY when the table is next rebuilt")
            .patched(repair::integer_key(subject, table, column))
            .proof(trial::answering(vec![
                if is_integer {
                    format!(
                        "CREATE TABLE {} ({} INTEGER PRIMARY KEY DESC);",
                        table.name.quoted(),
                        column.name.quoted()
                    )
                } else {
                    trial::sketch(table, &[&column.name], &[], &[])
                },
                format!("INSERT INTO {} DEFAULT VALUES;", table.name.quoted()),
                format!(
                    "SELECT {} FROM {};",
                    column.name.quoted(),
                    table.name.quoted()
                ),
            ])),
        );
    }
}

fn autoincrement(subject: &Subject, findings: &mut Vec<Finding>) {
    for table in tables(subject).filter(|table| table.autoincrement) {
        let message = format!(
            "each INSERT into `{}` writes `sqlite_sequence` as well, and D1 bills that row too",
            table.name
        );
        findings.push(
            Finding::new("KEY-04", Level::Info, format!("table {}", table.name), message)
                .at(
                    subject.site_of(ObjectKind::Table, &table.name, "autoincrement"),
                    "writes a second row",
                )
                .help("INTEGER PRIMARY KEY alone counts up as well; AUTOINCREMENT is needed only where an id must never be used again"),
        );
    }
}
