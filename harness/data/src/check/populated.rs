//! A world in which several tenants have rows in every table, and which rows belong to whom. Never mixes what belongs to two of them.

use super::Outcome;
use super::world::{Refused, Seen, World};
use crate::catalog::{Name, Schema, Table};
use crate::claims::Data;
use crate::rows::{Effort, Statements, Tenants, Wanted, spares};
use crate::subject::{NoTenants, Subject};
use crate::text::{literal, written};
use rusqlite::types::Value;
use std::collections::BTreeMap;

/// A world with rows of several tenants.
#[derive(Debug)]
pub struct Populated<'s> {
    /// Where statements go.
    pub world: World<'s>,
    /// Its schema.
    pub schema: &'s Schema,
    /// What it claims.
    pub claims: &'s Data,
    /// The tenants, and which tables belong to them; nobody's rows have no tenants.
    pub tenants: &'s Tenants,
}

/// A statement that fails whatever the schema is, and what SQLite says of it.
const UNDOING: &str = "SELECT json('{')";
const UNDONE: &str = "malformed JSON";

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its table.
    pub table: Name,
    /// What it is known by: the columns of the primary key, or the rowid.
    pub key: Vec<(String, Value)>,
    /// What it holds, generated columns included.
    pub values: BTreeMap<Name, Value>,
}

impl<'s> Populated<'s> {
    /// The migrations applied, and the rows of [`crate::subject::TENANTS`] tenants.
    ///
    /// # Errors
    /// Not verified, with the reason.
    pub fn new(subject: &'s Subject) -> Result<Self, Outcome> {
        Self::with(subject, subject.tenants())
    }

    /// The same, or rows of nobody where no tenants are declared.
    ///
    /// # Errors
    /// Not verified, with the reason.
    pub fn of_anybody(subject: &'s Subject) -> Result<Self, Outcome> {
        Self::with(subject, subject.rows())
    }

    fn with(
        subject: &'s Subject,
        made: Result<&'s Tenants, &'s NoTenants>,
    ) -> Result<Self, Outcome> {
        let tenants = made.map_err(|(key, reason)| Outcome::NotVerified {
            reason: reason.clone(),
            key: key.map(|key| format!("data.{key}")),
        })?;
        let world = World::new(subject).map_err(|error| Outcome::not_judged(&error))?;
        let mut statements = vec![("PRAGMA defer_foreign_keys = ON", Vec::new())];
        let made = tenants.statements.iter();
        statements.extend(made.map(|(sql, values)| (sql.as_str(), values.clone())));
        world
            .batch(&statements)
            .map_err(|refused| Outcome::NotVerified {
                reason: format!(
                    "the rows of the copy cannot be made twice: {}",
                    refused.message
                ),
                key: None,
            })?;
        Ok(Self {
            world,
            schema: subject.schema(),
            claims: &subject.claims,
            tenants,
        })
    }

    /// Rows that the schema would take, one after the other; none of them is left. Not traced.
    #[must_use]
    pub fn spares(&self, wanted: &[Wanted]) -> Vec<Option<Statements>> {
        let look = |connection: &rusqlite::Connection| {
            spares(connection, self.schema, self.claims, self.tenants, wanted)
        };
        self.world.engine().ours(look).unwrap_or_default()
    }

    /// A row that the schema would take, for a tenant if the table belongs to tenants.
    #[must_use]
    pub fn spare(&self, table: &Name, tenant: usize) -> Option<Statements> {
        self.spares(&[self.wanted(table, tenant)]).pop().flatten()
    }

    /// Any row of a table, for a tenant if the table belongs to tenants.
    #[must_use]
    pub fn wanted(&self, table: &Name, tenant: usize) -> Wanted {
        let is_scoped = self.tenants.tenancy.scoped.contains_key(table);
        let is_tenants = *table == self.tenants.tenancy.tenants;
        Wanted {
            table: table.clone(),
            tenant: (is_scoped && !is_tenants).then_some(tenant),
            pinned: Vec::new(),
            effort: Effort::Full,
        }
    }

    /// Runs statements as one batch.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn batch(&self, statements: &Statements) -> Result<Vec<Seen>, Refused> {
        let all: Vec<(&str, Vec<Value>)> = statements
            .iter()
            .map(|(sql, values)| (sql.as_str(), values.clone()))
            .collect();
        self.world.batch(&all)
    }

    /// Whether statements would pass as one batch; they are undone in any case. References that are kept at the end only are not looked at.
    ///
    /// # Errors
    /// [`Refused`], for the first one that is.
    pub fn try_out(&self, statements: &Statements) -> Result<(), Refused> {
        let mut all: Vec<(&str, Vec<Value>)> = statements
            .iter()
            .map(|(sql, values)| (sql.as_str(), values.clone()))
            .collect();
        // What undoes a batch is a statement that fails whatever the schema is.
        all.push((UNDOING, Vec::new()));
        match self.world.batch(&all) {
            Err(refused) if refused.message == UNDONE => Ok(()),
            Err(refused) => Err(refused),
            Ok(_) => Ok(()),
        }
    }

    /// The tables that belong to tenants, the table of tenants itself left out.
    pub fn scoped(&self) -> impl Iterator<Item = &'s Table> {
        let tenancy = &self.tenants.tenancy;
        let tables = tenancy
            .scoped
            .keys()
            .filter(|name| **name != tenancy.tenants);
        tables.filter_map(|name| self.schema.tables.get(name))
    }

    /// The rows of a table that belong to a tenant, by its place in [`Tenants::keys`]. Not traced.
    #[must_use]
    pub fn rows(&self, table: &Table, tenant: usize) -> Vec<Row> {
        self.rows_that(table, tenant, "1")
    }

    /// Those of them that meet a condition as well.
    #[must_use]
    pub(super) fn rows_that(&self, table: &Table, tenant: usize, condition: &str) -> Vec<Row> {
        let key = self.tenants.keys.get(tenant);
        let owned = key.and_then(|key| self.tenants.tenancy.condition(&table.name, "t", key));
        owned.map_or_else(Vec::new, |owned| {
            self.rows_where(table, &format!("{owned} AND ({condition})"))
        })
    }

    /// The rows of a table that meet a condition on `t`, by their keys. Not traced.
    #[must_use]
    pub fn rows_where(&self, table: &Table, condition: &str) -> Vec<Row> {
        rows_of(&self.world, table, condition)
    }

    /// Every row of every ordinary table, for a comparison of before and after. Not traced.
    #[must_use]
    pub fn everything(&self) -> BTreeMap<Name, Vec<Row>> {
        let tables = self
            .schema
            .tables
            .values()
            .filter(|table| table.is_ordinary());
        tables
            .map(|table| (table.name.clone(), self.rows_where(table, "1")))
            .collect()
    }

    /// Lines of SQL that make the rows of these tables, and all that they refer to.
    #[must_use]
    pub fn script(&self, tables: &[&Name]) -> Vec<String> {
        let mut needed: Vec<&Name> = tables.to_vec();
        let mut at = 0;
        while let Some(name) = needed.get(at).copied() {
            at += 1;
            let keys = self
                .schema
                .tables
                .get(name)
                .into_iter()
                .flat_map(|table| &table.foreign_keys);
            for key in keys {
                if !needed.contains(&&key.parent) {
                    needed.push(&key.parent);
                }
            }
        }
        let into: Vec<String> = needed
            .iter()
            .map(|name| format!("INSERT OR ABORT INTO main.{} ", name.quoted()))
            .collect();
        let made = self.tenants.statements.iter();
        made.filter(|(sql, _)| into.iter().any(|start| sql.starts_with(start.as_str())))
            .map(|(sql, values)| written(sql, values))
            .collect()
    }
}

impl Row {
    /// The condition that finds it.
    #[must_use]
    pub fn found(&self) -> String {
        let parts: Vec<String> = self
            .key
            .iter()
            .map(|(column, value)| format!("{column} IS {}", literal(value.into())))
            .collect();
        parts.join(" AND ")
    }

    /// Values of it, in order.
    #[must_use]
    pub fn values_of(&self, columns: &[Name]) -> Vec<Value> {
        columns.iter().map(|column| self.value(column)).collect()
    }

    /// A value of it; NULL for a column that it does not have.
    #[must_use]
    pub fn value(&self, column: &Name) -> Value {
        self.values.get(column).cloned().unwrap_or(Value::Null)
    }
}

/// The rows of a table that meet a condition on `t`, by their keys. Not traced.
pub(super) fn rows_of(world: &World<'_>, table: &Table, condition: &str) -> Vec<Row> {
    let engine = world.engine();
    engine.ours(|connection| rows(connection, table, condition).unwrap_or_default())
}

fn rows(
    connection: &rusqlite::Connection,
    table: &Table,
    condition: &str,
) -> rusqlite::Result<Vec<Row>> {
    let by_key = !table.primary_key.is_empty();
    let keys: Vec<String> = if by_key {
        table.primary_key.iter().map(Name::quoted).collect()
    } else {
        vec!["rowid".to_owned()]
    };
    let columns: Vec<String> = table
        .columns
        .iter()
        .map(|column| format!("t.{}", column.name.quoted()))
        .collect();
    let sql = format!(
        "SELECT {}, {} FROM main.{} AS t WHERE {condition} ORDER BY {}",
        keys.iter()
            .map(|key| format!("t.{key}"))
            .collect::<Vec<_>>()
            .join(", "),
        columns.join(", "),
        table.name.quoted(),
        (1..=keys.len())
            .map(|place| place.to_string())
            .collect::<Vec<_>>()
            .join(", ")
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let found = statement.query_map([], |row| {
        let key = keys
            .iter()
            .enumerate()
            .map(|(at, column)| Ok((column.clone(), row.get(at)?)));
        let values = table
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| Ok((column.name.clone(), row.get(keys.len() + at)?)));
        Ok(Row {
            table: table.name.clone(),
            key: key.collect::<rusqlite::Result<_>>()?,
            values: values.collect::<rusqlite::Result<_>>()?,
        })
    })?;
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::From;
    use std::path::Path;

    /// Three rows of each tenant in each table that belongs to tenants, and no reference from one tenant's row to another's.
    fn check(folder: &Path) {
        let claims =
            Data::parse(&std::fs::read_to_string(folder.join("data.toml")).unwrap()).unwrap();
        let Some(From::Migrations(migrations)) = &claims.from else {
            return;
        };
        if claims.tenants.is_none() {
            return;
        }
        let source = crate::source::open(&folder.join(migrations)).unwrap();
        let subject = Subject::of(source, claims, 7).unwrap();
        let shown = folder.display();
        let populated = Populated::new(&subject).unwrap_or_else(|why| panic!("{shown}: {why:?}"));
        assert_eq!(populated.tenants.unfilled, [], "{shown}");
        for table in populated.scoped() {
            for tenant in 0..populated.tenants.keys.len() {
                let rows = populated.rows(table, tenant);
                assert!(
                    !rows.is_empty(),
                    "{shown}: {} has no row of tenant {tenant}",
                    table.name
                );
                for row in &rows {
                    assert_no_stranger(&populated, table, row, tenant);
                }
            }
        }
    }

    fn assert_no_stranger(populated: &Populated<'_>, table: &Table, row: &Row, tenant: usize) {
        for key in &table.foreign_keys {
            let Some(parent) = populated.schema.tables.get(&key.parent) else {
                continue;
            };
            if !populated.tenants.tenancy.scoped.contains_key(&parent.name) {
                continue;
            }
            let wanted: Vec<Value> = key.columns.iter().map(|column| row.value(column)).collect();
            let is_it = |of: &Row| {
                key.parent_columns
                    .iter()
                    .map(|column| of.value(column))
                    .eq(wanted.iter().cloned())
            };
            let is_own = populated.rows(parent, tenant).iter().any(is_it);
            assert!(
                is_own || wanted.contains(&Value::Null),
                "{}: {row:?}",
                table.name
            );
        }
    }

    #[test]
    fn every_tenant_of_the_healthy_schemas_has_rows_that_refer_to_its_own_only() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for entry in std::fs::read_dir(root.join("fixtures/data/correct")).unwrap() {
            let folder = entry.unwrap().path();
            if folder.join("data.toml").is_file() {
                check(&folder);
            }
        }
        check(&root.join("migrations/patterns"));
    }
}
