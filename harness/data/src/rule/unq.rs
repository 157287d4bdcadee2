//! The rules of unique keys that are less unique than they look. Never judges across tenants, which is TEN's.

use super::words::{has_any, is_deletion, is_made_by_a_machine, words};
use super::{Judge, object_of_columns};
use crate::catalog::{Index, IndexOrigin, Name, Table};
use crate::finding::{Finding, Level, Patch};
use crate::replay::ObjectKind;
use crate::subject::Subject;
use crate::text::{Span, find_word};
use std::collections::BTreeSet;

/// The judges of this family.
pub(super) const JUDGES: &[(&str, Judge)] = &[
    ("UNQ-01", over_nullable_columns),
    ("UNQ-02", blocked_by_deleted_rows),
    ("UNQ-03", case_tells_apart),
];

/// Where a unique key was made: the index, or the first of its columns.
pub(super) fn site(subject: &Subject, table: &Table, index: &Index, column: &Name) -> Option<Span> {
    if index.origin == IndexOrigin::Created {
        subject.site(ObjectKind::Index, &index.name)
    } else {
        subject.site_of(ObjectKind::Table, &table.name, column.as_str())
    }
}

fn over_nullable_columns(subject: &Subject, findings: &mut Vec<Finding>) {
    for table in subject.schema().tables.values() {
        for (index, columns) in table.unique_keys() {
            let open = columns.iter().position(|name| {
                table
                    .column(name)
                    .is_some_and(|column| table.is_nullable(column))
            });
            // A key that holds the primary one is there to be referred to; that the latter may be NULL is KEY-02's.
            let holds_key = columns.len() > table.primary_key.len()
                && table.primary_key.iter().all(|name| columns.contains(name));
            let is_keys = |place: usize| holds_key && table.primary_key.contains(&columns[place]);
            let is_whole = index.condition.is_none() && !open.is_some_and(is_keys);
            let Some(place) = open.filter(|_| is_whole) else {
                continue;
            };
            if let [column] = columns.as_slice() {
                findings.push(of_one_column(subject, table, index, column));
                continue;
            }
            let column = &columns[place];
            // The last column alone, and no reference: often a value that some rows lack and only the others must not share.
            let is_optional = place + 1 == columns.len()
                && !is_deletion(column.as_str())
                && !words(column.as_str()).iter().any(|word| word == "id")
                && !table
                    .foreign_keys
                    .iter()
                    .any(|key| key.columns.contains(column));
            let level = if is_optional {
                Level::Info
            } else {
                Level::Warning
            };
            let message = if is_deletion(column.as_str()) {
                format!(
                    "`{}({})` never refuses a row that is not deleted: `{column}` is NULL there, and NULL equals nothing",
                    table.name,
                    shown(&columns)
                )
            } else {
                format!(
                    "`{}({})` accepts the same row twice where `{column}` is NULL, because NULL equals nothing",
                    table.name,
                    shown(&columns)
                )
            };
            let others: Vec<Name> = columns
                .iter()
                .filter(|name| *name != column)
                .cloned()
                .collect();
            findings.push(
                Finding::new(
                    "UNQ-01",
                    level,
                    format!("table {}: unique {}", table.name, shown(&columns)),
                    message,
                )
                .at(
                    site(subject, table, index, column),
                    format!("`{column}` may be NULL"),
                )
                .help(format!(
                    "add NOT NULL, or a second unique index for these rows: CREATE UNIQUE INDEX … ON {} ({}) WHERE {column} IS NULL",
                    table.name,
                    shown(&others)
                )),
            );
        }
    }
}

/// A key of one column that rows need not have: often meant, and never more than informed of.
fn of_one_column(subject: &Subject, table: &Table, index: &Index, column: &Name) -> Finding {
    let message = format!(
        "any number of rows of `{}` may have no `{column}`: NULL equals nothing, so the unique key refuses none of them",
        table.name
    );
    let object = format!("table {}: unique {column}", table.name);
    Finding::new("UNQ-01", Level::Info, object, message)
        .at(
            site(subject, table, index, column),
            format!("`{column}` may be NULL"),
        )
        .help("add NOT NULL if each row is to be known by it; where some rows rightly have none, nothing is to be done")
}

fn shown(columns: &[Name]) -> String {
    let names: Vec<&str> = columns.iter().map(Name::as_str).collect();
    names.join(", ")
}

fn blocked_by_deleted_rows(subject: &Subject, findings: &mut Vec<Finding>) {
    let schema = subject.schema();
    let parents: BTreeSet<(&Name, Vec<Name>)> = schema
        .tables
        .values()
        .flat_map(|table| &table.foreign_keys)
        .map(|key| {
            let mut columns = key.parent_columns.clone();
            columns.sort();
            (&key.parent, columns)
        })
        .collect();
    for table in schema.tables.values() {
        let Some((mark, active)) = deletion(subject, table) else {
            continue;
        };
        let keys = table.indexes.iter().filter(|index| index.unique);
        for index in keys.filter(|index| index.origin != IndexOrigin::PrimaryKey) {
            let columns = index.key_columns(table);
            let Some(first) = columns.first() else {
                continue;
            };
            let mut sorted = columns.clone();
            sorted.sort();
            let holds_key = !table.primary_key.is_empty()
                && table.primary_key.iter().all(|name| columns.contains(name));
            let is_free = columns.contains(&mark)
                || index
                    .condition
                    .as_deref()
                    .is_some_and(|condition| is_of_living(condition, table, &mark))
                || holds_key
                || parents.contains(&(&table.name, sorted))
                || columns
                    .iter()
                    .all(|name| is_made_by_a_machine(name.as_str()))
                    && !columns.iter().all(|name| is_reference(table, name));
            if is_free {
                continue;
            }
            let names = shown(&columns);
            let message = format!(
                "a row of `{}` that is marked as deleted still occupies its `{names}`, so no other row can use it",
                table.name
            );
            let mut finding = Finding::new(
                "UNQ-02",
                Level::Warning,
                object_of_columns(&table.name, &columns),
                message,
            )
            .at(
                site(subject, table, index, first),
                "deleted rows count as well",
            )
            .related(
                subject.site_of(ObjectKind::Table, &table.name, mark.as_str()),
                "marks deleted rows",
            )
            .help(format!(
                "make it a unique index with WHERE {active} instead of a constraint"
            ));
            if let Some(sql) = index.sql.as_deref() {
                let joined = if index.condition.is_some() {
                    "AND"
                } else {
                    "WHERE"
                };
                finding = finding.patch(Patch::Migration {
                    sql: format!(
                        "DROP INDEX {};\n{} {joined} {active};",
                        index.name.quoted(),
                        sql.trim_end()
                    ),
                });
            }
            findings.push(finding);
        }
    }
}

/// Whether the condition of an index may leave deleted rows out: it names their mark, or a state beside it.
fn is_of_living(condition: &str, table: &Table, mark: &Name) -> bool {
    let mut columns = table.columns.iter().map(|column| &column.name);
    columns.any(|name| {
        let is_state = name == mark
            || has_any(
                name.as_str(),
                &[
                    "status", "state", "active", "deleted", "removed", "archived", "current",
                    "enabled", "live",
                ],
            );
        is_state && find_word(condition, name.as_str(), 0).is_some()
    })
}

/// Whether a column refers to another row: the same pair of those is put together again, unlike an id of its own.
fn is_reference(table: &Table, name: &Name) -> bool {
    let mut keys = table.foreign_keys.iter();
    keys.any(|key| key.columns.contains(name))
}

/// The column that marks deleted rows of a table, and the condition that the others meet.
fn deletion(subject: &Subject, table: &Table) -> Option<(Name, String)> {
    let mut claimed = subject.claims.soft_delete.iter();
    if let Some(claim) = claimed.find(|claim| table.name == claim.table.as_str()) {
        let null = || format!("{} IS NULL", Name::new(&claim.column).quoted());
        let active = claim.active.clone().unwrap_or_else(null);
        return Some((Name::new(&claim.column), active));
    }
    let column = table
        .columns
        .iter()
        .find(|column| is_deletion(column.name.as_str()))?;
    let is_flag = table.is_nullable(column)
        && has_any(
            column.name.as_str(),
            &["at", "on", "date", "time", "deletedat"],
        );
    let active = if is_flag {
        format!("{} IS NULL", column.name.quoted())
    } else {
        format!("{} = 0", column.name.quoted())
    };
    Some((column.name.clone(), active))
}

fn case_tells_apart(subject: &Subject, findings: &mut Vec<Finding>) {
    for table in subject.schema().tables.values() {
        for (index, columns) in table.unique_keys() {
            let part = index.columns.iter().find(|part| {
                part.name.as_ref().is_some_and(|name| {
                    has_any(name.as_str(), &["email", "mail", "hostname", "domain"])
                        && !is_made_by_a_machine(name.as_str())
                })
            });
            let Some(name) = part
                .filter(|part| &*part.collation == "BINARY")
                .and_then(|part| part.name.as_ref())
            else {
                continue;
            };
            if is_text(table, name) && !is_folded(table, name) {
                let message = format!(
                    "`X@example.com` and `x@example.com` are two different values of `{}.{name}`: one person, two accounts",
                    table.name
                );
                findings.push(
                    Finding::new("UNQ-03", Level::Info, format!("table {}: {name}", table.name), message)
                        .at(site(subject, table, index, columns.first().unwrap_or(name)), "tells upper and lower case apart")
                        .help("declare the column COLLATE NOCASE, index lower(column), or CHECK that it is lower case"),
                );
            }
        }
    }
}

fn is_text(table: &Table, name: &Name) -> bool {
    table
        .column(name)
        .is_some_and(|column| column.affinity() == crate::catalog::Affinity::Text)
}

/// Whether the table or one of its indexes speaks of the lower case of the column.
fn is_folded(table: &Table, name: &Name) -> bool {
    let indexes = table
        .indexes
        .iter()
        .filter_map(|index| index.sql.as_deref());
    let mut texts = std::iter::once(&*table.sql).chain(indexes);
    texts.any(|sql| {
        let mut from = 0;
        while let Some(word) = find_word(sql, "lower", from) {
            from = word.end;
            let rest = &sql[word.end..];
            let inner = rest.split(')').next().unwrap_or_default();
            if find_word(inner, name.as_str(), 0).is_some() {
                return true;
            }
        }
        false
    })
}
