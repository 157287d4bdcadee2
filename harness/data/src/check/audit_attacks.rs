//! Statements that would change, remove or replace an entry of an audit log. Never runs one of them.

use super::populated::{Populated, Row};
use super::references::given;
use crate::catalog::{ForeignKey, Name, Table};
use crate::rows::candidates;
use crate::text::literal;
use rusqlite::types::Value;

/// Values that are tried in each column, and rows that each reference is turned to.
const VALUES: usize = 4;
/// Columns that can hold NULL of which two are emptied together: all pairs of that many.
const PAIRED_MAX: usize = 6;

/// An entry, and what can be tried on it.
pub(super) struct Target<'a, 's> {
    pub(super) populated: &'a Populated<'s>,
    pub(super) table: &'a Table,
    pub(super) entry: &'a Row,
    pub(super) other: Option<&'a Row>,
}

impl Target<'_, '_> {
    /// Statements that would change, remove or replace the entry, by whatever way there is.
    pub(super) fn attacks(&self) -> Vec<String> {
        let name = self.table.name.quoted();
        let found = self.entry.found();
        let mut all = vec![format!("DELETE FROM {name} WHERE {found}")];
        for column in given(self.table) {
            for (way, new) in self.forgeries(column) {
                all.push(format!(
                    "{way} {name} SET {} = {new} WHERE {found}",
                    column.quoted()
                ));
            }
        }
        all.extend(self.emptied());
        let keys = self.table.foreign_keys.iter();
        all.extend(keys.flat_map(|key| self.turned(key)));
        all.extend(self.replacing());
        all.extend(self.renumbering());
        all
    }

    fn values(&self) -> Vec<String> {
        given(self.table)
            .map(|column| literal((&self.entry.value(column)).into()))
            .collect()
    }

    /// Other values for a column, and how they are set: another trigger may mind one of them and not the next.
    fn forgeries(&self, column: &Name) -> Vec<(&'static str, String)> {
        let value = self.entry.value(column);
        if value == Value::Null {
            return Vec::new();
        }
        let other = self.other.map(|other| other.value(column));
        let plain = match &value {
            Value::Integer(number) => Value::Integer(number.wrapping_add(1_000)),
            Value::Null | Value::Text(_) | Value::Real(_) | Value::Blob(_) => {
                Value::Text("forged".to_owned())
            }
        };
        // Values that CHECKs let one think of: the plain one may be refused by them alone.
        let condition = format!("{} IS NULL", column.quoted());
        let pools = candidates(self.populated.schema, self.table, &condition);
        let checked = pools.into_iter().flat_map(|(_, values)| values);
        let mut new: Vec<Value> = Vec::new();
        for one in other.into_iter().chain([plain]).chain(checked) {
            if one != value && one != Value::Null && !new.contains(&one) {
                new.push(one);
            }
        }
        let new = new
            .iter()
            .take(VALUES)
            .map(|value| literal(value.into()))
            .flat_map(|new| [("UPDATE", new.clone()), ("UPDATE OR REPLACE", new)]);
        new.chain([("UPDATE", "NULL".to_owned())]).collect()
    }

    /// Columns that are emptied by one statement: those of each reference, and any two.
    fn emptied(&self) -> Vec<String> {
        let holds = |name: &&Name| {
            let column = self.table.column(name);
            column.is_some_and(|column| self.table.is_nullable(column))
                && self.entry.value(name) != Value::Null
        };
        let columns: Vec<&Name> = given(self.table).filter(holds).collect();
        let mut sets: Vec<Vec<&Name>> = self
            .table
            .foreign_keys
            .iter()
            .map(|key| key.columns.iter().filter(holds).collect())
            .collect();
        let paired = &columns[..columns.len().min(PAIRED_MAX)];
        for (place, one) in paired.iter().enumerate() {
            sets.extend(paired[place + 1..].iter().map(|other| vec![*one, *other]));
        }
        sets.sort();
        sets.dedup();
        let sets = sets.iter().filter(|set| set.len() > 1);
        sets.map(|set| {
            let nothing: Vec<String> = set
                .iter()
                .map(|column| format!("{} = NULL", column.quoted()))
                .collect();
            self.update("UPDATE", &nothing.join(", "))
        })
        .collect()
    }

    /// The reference is turned to other rows that are there, as when somebody else is to have done it.
    fn turned(&self, key: &ForeignKey) -> Vec<String> {
        let Some(parent) = self.populated.schema.tables.get(&key.parent) else {
            return Vec::new();
        };
        let now = self.entry.values_of(&key.columns);
        let mut rows = self.populated.rows_where(parent, "1");
        rows.retain(|row| row.values_of(&key.parent_columns) != now);
        // Those that share a part of the key, as the tenant, come first.
        rows.sort_by_key(|row| {
            let values = row.values_of(&key.parent_columns);
            values
                .iter()
                .zip(&now)
                .filter(|(one, other)| one != other)
                .count()
        });
        let turned = rows.iter().take(VALUES).map(|row| {
            let pairs = key
                .columns
                .iter()
                .zip(row.values_of(&key.parent_columns))
                .map(|(column, value)| {
                    format!("{} = {}", column.quoted(), literal((&value).into()))
                })
                .collect::<Vec<_>>();
            self.update("UPDATE", &pairs.join(", "))
        });
        turned.collect()
    }

    fn update(&self, way: &str, set: &str) -> String {
        format!(
            "{way} {} SET {set} WHERE {}",
            self.table.name.quoted(),
            self.entry.found()
        )
    }

    /// Entries that take the place of this one.
    fn replacing(&self) -> Vec<String> {
        let name = self.table.name.quoted();
        let columns: Vec<&Name> = given(self.table).collect();
        let listed: Vec<String> = columns.iter().map(|column| column.quoted()).collect();
        let (listed, values) = (listed.join(", "), self.values());
        let mut all: Vec<String> = self
            .changed(&columns, &values)
            .iter()
            .map(|forged| {
                format!(
                    "REPLACE INTO {name} ({listed}) VALUES ({})",
                    forged.join(", ")
                )
            })
            .collect();
        all.push(format!(
            "INSERT INTO {name} ({listed}) VALUES ({}) ON CONFLICT DO UPDATE SET {}",
            values.join(", "),
            self.set(&columns)
        ));
        all
    }

    /// The number of the entry's row is changed, or taken by another one, under each name that it has.
    fn renumbering(&self) -> Vec<String> {
        let name = self.table.name.quoted();
        let found = self.entry.found();
        let mut all = Vec::new();
        for rowid in self.table.rowid_names() {
            all.push(self.update("UPDATE", &format!("{rowid} = {rowid} + 100000")));
            let other = self.other.map(Row::found);
            all.extend(other.map(|other| {
                format!("UPDATE OR REPLACE {name} SET {rowid} = (SELECT {rowid} FROM {name} WHERE {found}) WHERE {other}")
            }));
            if self.table.rowid_alias().is_none() {
                let listed: Vec<String> = given(self.table).map(Name::quoted).collect();
                all.push(format!(
                    "REPLACE INTO {name} ({rowid}, {}) SELECT {rowid}, {} FROM {name} WHERE {found}",
                    listed.join(", "),
                    self.with_another_key().join(", ")
                ));
            }
        }
        all
    }

    /// The values of the entry, each time another one beyond its key forged.
    fn changed(&self, columns: &[&Name], values: &[String]) -> Vec<Vec<String>> {
        let free = columns.iter().enumerate().filter(|(_, column)| {
            is_free(self.table, column)
                && matches!(self.entry.value(column), Value::Text(_) | Value::Integer(_))
        });
        free.map(|(place, column)| {
            let mut values = values.to_vec();
            values[place] = forged(&self.entry.value(column));
            values
        })
        .collect()
    }

    /// The same with another key, so that only the rowid is the entry's.
    fn with_another_key(&self) -> Vec<String> {
        let mut values = self.values();
        for (column, value) in given(self.table).zip(&mut values) {
            if self.table.primary_key.contains(column) {
                "'moltproof-forged'".clone_into(value);
            }
        }
        values
    }

    fn set(&self, columns: &[&Name]) -> String {
        let free = columns
            .iter()
            .find(|column| is_free(self.table, column) && self.entry.value(column) != Value::Null);
        free.map_or_else(
            || "rowid = rowid".to_owned(),
            |column| {
                format!(
                    "{} = {}",
                    column.quoted(),
                    forged(&self.entry.value(column))
                )
            },
        )
    }
}

/// A column that is in no key, no reference and under no list of words that a forged text would break.
fn is_free(table: &Table, column: &Name) -> bool {
    let mut keys = table.foreign_keys.iter();
    let is_checked = crate::rows::conditions_of(table, column) > 0;
    !table.primary_key.contains(column)
        && !is_checked
        && !keys.any(|key| key.columns.contains(column))
}

fn forged(value: &Value) -> String {
    match value {
        Value::Integer(number) => (number + 1).to_string(),
        Value::Text(_) | Value::Null | Value::Real(_) | Value::Blob(_) => "'forged'".to_owned(),
    }
}
