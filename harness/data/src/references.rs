//! What holds of references whoever asks: whether an index finds the children of a deleted parent, whether a default has a parent, and whether a first
//! row can be made. Never tells anybody.

use crate::catalog::{ForeignKey, IndexColumn, Name, Table};
use crate::subject::Subject;
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};

/// Whether children are found by an index: as the schema shows it, else as SQLite plans it.
pub(crate) fn is_served(
    subject: &Subject,
    table: &Table,
    key: &ForeignKey,
    parent: &Table,
) -> bool {
    let is_alias = table
        .rowid_alias()
        .is_some_and(|alias| key.columns == [alias.name.clone()]);
    let collations: Vec<Option<&str>> = key
        .parent_columns
        .iter()
        .map(|name| collation(parent, name.as_str()))
        .collect();
    let same = table.index_on(&key.columns).is_some_and(|index| {
        key.columns.iter().zip(&collations).all(|(name, wanted)| {
            let part = index
                .columns
                .iter()
                .find(|part| part.name.as_ref() == Some(name));
            wanted.is_none_or(|wanted| part.is_some_and(|part| *part.collation == *wanted))
        })
    });
    is_alias
        || same
        || is_told_apart(table, key, &collations)
        || is_planned(subject, table, key, &collations)
}

/// Whether a unique index on some columns of the reference finds one child at most, as where each tenant has one row.
fn is_told_apart(table: &Table, key: &ForeignKey, collations: &[Option<&str>]) -> bool {
    table.indexes.iter().any(|index| {
        let is_part_of_key = |part: &IndexColumn| {
            key.columns.iter().zip(collations).any(|(name, collation)| {
                part.name.as_ref() == Some(name)
                    && collation.is_none_or(|wanted| *part.collation == *wanted)
            })
        };
        index.unique && index.condition.is_none() && index.columns.iter().all(is_part_of_key)
    })
}

/// The collation by which the parent's column is unique.
fn collation<'t>(parent: &'t Table, column: &str) -> Option<&'t str> {
    parent
        .indexes
        .iter()
        .filter(|index| index.unique)
        .flat_map(|index| &index.columns)
        .find(|part| part.name.as_ref().is_some_and(|name| name == column))
        .map(|part| &*part.collation)
}

/// Whether SQLite finds the children by all columns of the reference, or by one that tells them apart better than the tenant does.
fn is_planned(
    subject: &Subject,
    table: &Table,
    key: &ForeignKey,
    collations: &[Option<&str>],
) -> bool {
    let parts: Vec<String> = key
        .columns
        .iter()
        .zip(collations)
        .map(|(name, collation)| {
            let collate = collation.map_or_else(String::new, |name| format!(" COLLATE {name}"));
            format!("{}{collate} = ?", name.quoted())
        })
        .collect();
    let sql = format!(
        "EXPLAIN QUERY PLAN SELECT 1 FROM {} WHERE {}",
        table.name.quoted(),
        parts.join(" AND ")
    );
    let plan = subject.replay.empty.ours(|connection| {
        let mut statement = connection.prepare(&sql).ok()?;
        let nulls = vec![rusqlite::types::Null; statement.parameter_count()];
        let first = statement.query_row(rusqlite::params_from_iter(nulls), |row| {
            row.get::<_, String>(3)
        });
        first.ok()
    });
    let Some(plan) = plan.filter(|plan| plan.starts_with("SEARCH")) else {
        return false;
    };
    let used = plan.matches("=?").count();
    let tenant = subject.claims.tenant_key.as_deref();
    let by_tenant = tenant.is_some_and(|tenant| plan.contains(&format!("({tenant}=?)")));
    used == key.columns.len() || used > 0 && !by_tenant
}

/// Whether the default of the reference is NULL where that is allowed, or a row that the migrations themselves make.
pub(crate) fn has_default_parent(
    subject: &Subject,
    table: &Table,
    key: &ForeignKey,
    parent: &Table,
) -> bool {
    let mut conditions = Vec::new();
    for (own, other) in key.columns.iter().zip(&key.parent_columns) {
        let Some(column) = table.column(own) else {
            return true;
        };
        match &column.default {
            None if table.is_nullable(column) => return true,
            None => return false,
            Some(default) if default.eq_ignore_ascii_case("null") => {
                return table.is_nullable(column);
            }
            Some(default) => conditions.push(format!("{} = ({default})", other.quoted())),
        }
    }
    let sql = format!(
        "SELECT count(*) FROM {} WHERE {}",
        parent.name.quoted(),
        conditions.join(" AND ")
    );
    let count = subject
        .replay
        .empty
        .ours(|connection| connection.query_row(&sql, [], |row| row.get::<_, i64>(0)));
    count.map_or(true, |count| count > 0)
}

/// Circles of references, none of which may be NULL or waits for the end of a transaction: no first row can enter them by an INSERT of its own.
/// Those that hold a row are left out.
pub(crate) fn circles(subject: &Subject) -> Vec<Vec<&Name>> {
    let tables = &subject.schema().tables;
    let mut edges: BTreeMap<&Name, Vec<&ForeignKey>> = BTreeMap::new();
    for table in tables.values() {
        let keys = table
            .foreign_keys
            .iter()
            .filter(|key| is_immediate_and_needed(table, key) && tables.contains_key(&key.parent));
        edges.insert(&table.name, keys.collect());
    }
    // What leads nowhere is in no circle; what is left leads round.
    loop {
        let ends: Vec<&Name> = edges
            .iter()
            .filter(|(_, keys)| keys.iter().all(|key| !edges.contains_key(&key.parent)))
            .map(|(name, _)| *name)
            .collect();
        if ends.is_empty() {
            break;
        }
        for end in ends {
            edges.remove(end);
        }
    }
    let mut done: BTreeSet<&Name> = BTreeSet::new();
    let mut found = Vec::new();
    for start in edges.keys() {
        let circle = circle(&edges, start);
        if circle.iter().any(|name| !done.insert(*name)) {
            continue;
        }
        if !circle.is_empty() && circle.iter().all(|name| is_empty(subject, name)) {
            found.push(circle);
        }
    }
    found
}

/// Whether no migration puts a row into a table.
fn is_empty(subject: &Subject, table: &Name) -> bool {
    let sql = format!("SELECT NOT EXISTS (SELECT 1 FROM {})", table.quoted());
    let row = |connection: &Connection| connection.query_row(&sql, [], |row| row.get(0));
    subject.replay.empty.ours(row).unwrap_or(true)
}

/// Whether a row of the child cannot be made before its parent.
fn is_immediate_and_needed(table: &Table, key: &ForeignKey) -> bool {
    let needed = key.columns.iter().all(|name| {
        table
            .column(name)
            .is_some_and(|column| !table.is_nullable(column))
    });
    let sql = table.sql.to_ascii_lowercase();
    needed && key.parent != table.name && !sql.contains("initially deferred")
}

/// The circle that the first edges from a table lead into.
fn circle<'s>(edges: &BTreeMap<&'s Name, Vec<&'s ForeignKey>>, start: &'s Name) -> Vec<&'s Name> {
    let mut path: Vec<&Name> = Vec::new();
    let mut at = start;
    loop {
        if let Some(first) = path.iter().position(|name| *name == at) {
            return path.split_off(first);
        }
        path.push(at);
        let next = edges
            .get(at)
            .and_then(|keys| keys.iter().find(|key| edges.contains_key(&key.parent)));
        let Some(next) = next else { return Vec::new() };
        at = &next.parent;
    }
}
