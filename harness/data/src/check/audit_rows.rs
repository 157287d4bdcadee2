//! Rows of a tracked table, and the values that they can hold instead. Never leaves what it tries out in the database.

use super::populated::{Populated, Row};
use super::references::given;
use crate::catalog::{Name, Table};
use crate::rows::{Statements, candidates, candidates_of_trigger};
use rusqlite::types::Value;

/// A column and a value for it.
pub(super) type Set = (Name, Value);

/// Values that are tried in a column beside NULL, of those that the conditions of triggers let one think of.
const VALUES: usize = 6;

/// Rows of a table, and what can be done to them.
pub(super) struct Rows<'s> {
    pub(super) table: &'s Table,
    /// The table of tenants; an empty name where there are none.
    pub(super) tenants: Name,
    /// A row that is there.
    pub(super) row: Row,
    /// Another one of the same tenant.
    pub(super) other: Option<Row>,
    /// Statements that make a new one.
    pub(super) spare: Option<Statements>,
    /// What a column of the row can be changed to: each column beyond keys, with another value, and with NULL where it takes that.
    pub(super) changes: Vec<Set>,
    /// Values on which a trigger may make something depend: NULL, another parent, and what its conditions speak of.
    pub(super) shapes: Vec<Set>,
}

impl<'s> Rows<'s> {
    pub(super) fn of(populated: &Populated<'s>, tracked: &'s Table) -> Result<Self, String> {
        let Some(row) = populated.rows_where(tracked, "1").into_iter().next() else {
            return Err(format!("no row could be made for `{}`", tracked.name));
        };
        let tenants = 0..populated.tenants.keys.len();
        let tenant = tenants
            .clone()
            .find(|tenant| populated.rows(tracked, *tenant).contains(&row));
        let of_tenant = |table: &Table| match tenant {
            Some(tenant) if populated.tenants.tenancy.scoped.contains_key(&table.name) => {
                populated.rows(table, tenant)
            }
            Some(_) | None => populated.rows_where(table, "1"),
        };
        let mut rows = Self {
            table: tracked,
            tenants: populated.tenants.tenancy.tenants.clone(),
            other: of_tenant(tracked).into_iter().find(|other| *other != row),
            spare: populated.spare(&tracked.name, tenant.unwrap_or(0)),
            row,
            changes: Vec::new(),
            shapes: Vec::new(),
        };
        rows.changes = rows.changes(populated, &of_tenant);
        rows.shapes = rows.shapes(populated);
        Ok(rows)
    }

    /// `INTO table (…) VALUES (…)`, and the values of a row for it.
    pub(super) fn filled(&self, row: &Row) -> (String, Vec<Value>) {
        let columns: Vec<String> = given(self.table).map(Name::quoted).collect();
        let marks: Vec<String> = (1..=columns.len())
            .map(|place| format!("?{place}"))
            .collect();
        let into = format!(
            "INTO {} ({}) VALUES ({})",
            self.table.name.quoted(),
            columns.join(", "),
            marks.join(", ")
        );
        (
            into,
            given(self.table).map(|name| row.value(name)).collect(),
        )
    }

    pub(super) fn delete(&self, row: &Row) -> (String, Vec<Value>) {
        let sql = format!(
            "DELETE FROM {} WHERE {}",
            self.table.name.quoted(),
            row.found()
        );
        (sql, Vec::new())
    }

    pub(super) fn update(&self, row: &Row, (column, value): &Set) -> (String, Vec<Value>) {
        let sql = format!(
            "UPDATE {} SET {} = ?1 WHERE {}",
            self.table.name.quoted(),
            column.quoted(),
            row.found()
        );
        (sql, vec![value.clone()])
    }

    pub(super) fn update_or_replace(&self, row: &Row, sets: &[Set]) -> (String, Vec<Value>) {
        let columns: Vec<String> = sets
            .iter()
            .enumerate()
            .map(|(place, (column, _))| format!("{} = ?{}", column.quoted(), place + 1))
            .collect();
        let sql = format!(
            "UPDATE OR REPLACE {} SET {} WHERE {}",
            self.table.name.quoted(),
            columns.join(", "),
            row.found()
        );
        (sql, sets.iter().map(|(_, value)| value.clone()).collect())
    }

    /// Statements that make a row, with another value in a column of it; none where that changes nothing.
    pub(super) fn holding(&self, spare: &Statements, (column, value): &Set) -> Option<Statements> {
        let place = given(self.table).position(|name| name == column)?;
        let mut made = spare.clone();
        let held = made.last_mut()?.1.get_mut(place)?;
        if held == value {
            return None;
        }
        *held = value.clone();
        Some(made)
    }

    fn takes(&self, populated: &Populated<'_>, set: &Set) -> bool {
        populated
            .try_out(&vec![self.update(&self.row, set)])
            .is_ok()
    }

    /// Whether the column says which row it is, or whose: neither is changed here.
    fn is_fixed(&self, populated: &Populated<'_>, name: &Name) -> bool {
        let is_parent = populated
            .schema
            .references_to(&self.table.name)
            .any(|(_, key)| key.parent_columns.contains(name));
        let owner = populated.tenants.tenancy.scoped.get(&self.table.name);
        let is_owner = match owner {
            Some(crate::rows::Owner::Key(key)) => key == name,
            Some(crate::rows::Owner::Through(key)) => key.columns.contains(name),
            Some(crate::rows::Owner::Tenant) | None => false,
        };
        is_parent || is_owner || self.table.primary_key.contains(name)
    }

    /// Values of other parents that a column can name.
    fn parents(
        &self,
        populated: &Populated<'_>,
        of_tenant: &impl Fn(&Table) -> Vec<Row>,
        name: &Name,
    ) -> Option<Vec<Value>> {
        let mut keys = self.table.foreign_keys.iter();
        let key = keys.find(|key| key.columns.contains(name))?;
        let place = key.columns.iter().position(|column| column == name)?;
        let parent_column = key.parent_columns.get(place)?;
        let parent = populated.schema.tables.get(&key.parent)?;
        let rows = of_tenant(parent).into_iter();
        Some(rows.map(|row| row.value(parent_column)).collect())
    }

    fn changes(
        &self,
        populated: &Populated<'_>,
        of_tenant: &impl Fn(&Table) -> Vec<Row>,
    ) -> Vec<Set> {
        let mut all = Vec::new();
        for name in given(self.table).filter(|name| !self.is_fixed(populated, name)) {
            let before = self.row.value(name);
            let mut values = self
                .parents(populated, of_tenant, name)
                .unwrap_or_else(|| self.others(populated, name, &before));
            values.retain(|value| *value != before && *value != Value::Null);
            let sets = values.into_iter().map(|value| (name.clone(), value));
            all.extend(sets.into_iter().find(|set| self.takes(populated, set)));
            let null = (name.clone(), Value::Null);
            if before != Value::Null && self.takes(populated, &null) {
                all.push(null);
            }
        }
        all
    }

    /// Other values for a column that refers to nothing.
    fn others(&self, populated: &Populated<'_>, name: &Name, before: &Value) -> Vec<Value> {
        let mut values: Vec<Value> = match before {
            Value::Integer(number) => number
                .checked_add(1)
                .map(Value::Integer)
                .into_iter()
                .collect(),
            Value::Text(text) => vec![Value::Text(format!("{text} changed"))],
            Value::Null | Value::Real(_) | Value::Blob(_) => Vec::new(),
        };
        let condition = format!("{} IS NULL", name.quoted());
        let pools = candidates(populated.schema, self.table, &condition);
        values.extend(pools.into_iter().flat_map(|(_, values)| values));
        values
    }

    /// NULL and what it is not, and what the conditions of triggers speak of.
    fn shapes(&self, populated: &Populated<'_>) -> Vec<Set> {
        let nullable = |(name, _): &&Set| {
            let column = self.table.column(name);
            column.is_some_and(|column| self.table.is_nullable(column))
        };
        let mut all: Vec<Set> = self.changes.iter().filter(nullable).cloned().collect();
        let triggers = populated.schema.triggers.values();
        for trigger in triggers.filter(|trigger| trigger.table == self.table.name) {
            for (name, values) in candidates_of_trigger(populated.schema, self.table, &trigger.sql)
            {
                if self.is_fixed(populated, &name) {
                    continue;
                }
                let before = self.row.value(&name);
                let other = values.into_iter().filter(|value| *value != before);
                let sets = other.map(|value| (name.clone(), value));
                all.extend(sets.filter(|set| self.takes(populated, set)).take(VALUES));
            }
        }
        let mut told: Vec<Set> = Vec::new();
        for set in all {
            if !told.contains(&set) {
                told.push(set);
            }
        }
        told
    }
}
