//! What the copies of a row hold in each column. Never writes.

use crate::catalog::{Name, Table};
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};

/// Which columns get values of their own in each copy, references aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freedom {
    /// All that an index has in its key, but for those with a constant as default, which are words of a short list more often than not.
    Indexes,
    /// Those of unique keys.
    Keys,
    /// Those of unique keys without a reference; the others are told apart by their references.
    OwnKeys,
    /// Those of unique keys, while references lead to what they led to: another column may be tied to them by a CHECK or a trigger.
    KeysOfTheSameParents,
}

impl Freedom {
    /// The most lifelike one first.
    pub(super) const ALL: [Self; 4] = [
        Self::Indexes,
        Self::Keys,
        Self::OwnKeys,
        Self::KeysOfTheSameParents,
    ];
}

/// How a text or a blob becomes another one by a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// The number comes behind it.
    Behind,
    /// The number comes before it.
    Before,
    /// Eight digits instead of its end.
    AtTheEnd,
    /// Eight digits instead of its beginning.
    AtTheStart,
}

impl Shape {
    pub(super) const ALL: [Self; 4] =
        [Self::Behind, Self::Before, Self::AtTheEnd, Self::AtTheStart];

    fn sql(self, value: &str, number: &str) -> String {
        match self {
            Self::Behind => format!("{value} || '-' || {number}"),
            Self::Before => format!("{number} || '-' || {value}"),
            Self::AtTheEnd => format!(
                "substr({value}, 1, max(length({value}) - 8, 0)) || printf('%08d', {number})"
            ),
            Self::AtTheStart => format!("printf('%08d', {number}) || substr({value}, 9)"),
        }
    }
}

/// What the copies hold in one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// What the row holds.
    Kept,
    /// A value of the copy's own number; a whole number grows by the step for each number.
    Own(Shape, i64),
    /// What the parent's copy holds.
    Followed(Shape, i64),
}

impl Role {
    /// The role of a column that refers to one of this role.
    pub(super) fn followed(self) -> Self {
        match self {
            Self::Kept => Self::Kept,
            Self::Own(shape, step) | Self::Followed(shape, step) => Self::Followed(shape, step),
        }
    }
}

/// What the copies of a table's rows hold.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    pub(super) roles: BTreeMap<Name, Role>,
    /// A unique key tells copies apart by their parents alone: there are as many as there are copies of these.
    pub(super) is_bound: bool,
}

impl Columns {
    /// The value of a column, by the row `t`, the copy's number `n` and that of its parents, `m`.
    pub(super) fn value(&self, column: &Name) -> String {
        let value = format!("t.{}", column.quoted());
        let role = self.roles.get(column).copied().unwrap_or(Role::Kept);
        let (number, shape, step) = match role {
            Role::Kept => return value,
            Role::Own(shape, step) => ("n", shape, step),
            Role::Followed(shape, step) => ("m", shape, step),
        };
        let text = shape.sql(&value, number);
        format!(
            "CASE WHEN {number} = 0 THEN {value} ELSE CASE typeof({value}) WHEN 'integer' THEN {value} + {number} * {step} \
            WHEN 'real' THEN {value} + {number} WHEN 'text' THEN {text} WHEN 'blob' THEN CAST({text} AS BLOB) ELSE {value} END END"
        )
    }
}

/// The columns that are written.
pub(super) fn written(table: &Table) -> impl Iterator<Item = &Name> {
    let columns = table.columns.iter();
    columns
        .filter(|column| column.generated.is_none())
        .map(|column| &column.name)
}

/// What becomes of each column. `marks` say that a row is deleted, and stay as they are; `tenant` is the column that holds a tenant's key without a reference.
pub(super) fn columns(
    (connection, first): (&Connection, &str),
    table: &Table,
    filled: &BTreeMap<Name, Columns>,
    (freedom, shape): (Freedom, Shape),
    (marks, tenant): (&BTreeSet<Name>, Option<(Name, Role)>),
) -> rusqlite::Result<Columns> {
    let mut roles: BTreeMap<Name, Role> = BTreeMap::new();
    let mut follow = |column: &Name, role: Role| {
        let known = roles.entry(column.clone()).or_insert(Role::Kept);
        if *known == Role::Kept && freedom != Freedom::KeysOfTheSameParents {
            *known = role;
        }
    };
    if let Some((column, role)) = &tenant {
        follow(column, *role);
    }
    for key in &table.foreign_keys {
        let parent = filled.get(&key.parent);
        for (column, of_parent) in key.columns.iter().zip(&key.parent_columns) {
            let role = parent.and_then(|parent| parent.roles.get(of_parent));
            follow(column, role.map_or(Role::Kept, |role| role.followed()));
        }
    }
    let keys = unique_keys(table);
    for column in own(table, &keys, freedom) {
        if roles.contains_key(&column) || marks.contains(&column) {
            continue;
        }
        let step = step(connection, first, &column)?;
        roles.insert(column, Role::Own(shape, step));
    }
    for key in table
        .foreign_keys
        .iter()
        .filter(|key| key.parent == table.name)
    {
        for (column, of_parent) in key.columns.iter().zip(&key.parent_columns) {
            let role = roles.get(of_parent).copied().unwrap_or(Role::Kept);
            if roles.get(column) == Some(&Role::Kept) && freedom != Freedom::KeysOfTheSameParents {
                roles.insert(column.clone(), role.followed());
            }
        }
    }
    let is_own = |column: &Name| matches!(roles.get(column), Some(Role::Own(..)));
    let is_bound = keys.iter().any(|key| !key.iter().any(is_own));
    Ok(Columns { roles, is_bound })
}

/// The columns of each unique key.
fn unique_keys(table: &Table) -> Vec<Vec<Name>> {
    let indexes = table.indexes.iter().filter(|index| index.unique);
    let mut keys: Vec<Vec<Name>> = indexes.map(|index| index.key_columns(table)).collect();
    keys.push(table.primary_key.clone());
    keys.retain(|key| !key.is_empty());
    keys
}

/// The columns that get values of their own, where they are no references.
fn own(table: &Table, keys: &[Vec<Name>], freedom: Freedom) -> BTreeSet<Name> {
    let refers = |column: &Name| {
        let mut keys = table.foreign_keys.iter();
        keys.any(|key| key.columns.contains(column))
    };
    let keys = keys
        .iter()
        .filter(|key| freedom != Freedom::OwnKeys || !key.iter().any(refers));
    let mut own: BTreeSet<Name> = keys.flatten().cloned().collect();
    if freedom == Freedom::Indexes {
        let of_indexes = table
            .indexes
            .iter()
            .flat_map(|index| index.key_columns(table));
        own.extend(of_indexes.filter(|column| !has_constant_default(table, column)));
    }
    own.retain(|column| written(table).any(|name| name == column));
    own
}

fn has_constant_default(table: &Table, column: &Name) -> bool {
    let default = table
        .column(column)
        .and_then(|column| column.default.as_deref());
    default.is_some_and(|default| {
        !default.contains('(') && !default.to_ascii_lowercase().starts_with("current_")
    })
}

/// By how much the whole numbers of a column grow for each copy, so that no two copies meet.
fn step(connection: &Connection, first: &str, column: &Name) -> rusqlite::Result<i64> {
    let column = column.quoted();
    let sql = format!(
        "SELECT CAST(min(max({column}) * 1.0 - min({column}) + 1, 1e12) AS INTEGER) FROM {first} WHERE typeof({column}) = 'integer'"
    );
    let step: Option<i64> = connection.query_row(&sql, [], |row| row.get(0))?;
    Ok(step.unwrap_or(1).max(1))
}
