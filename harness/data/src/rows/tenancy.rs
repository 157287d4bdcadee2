//! Which rows belong to which tenant, as conditions in SQL. Never guesses: the table of tenants and their key are declared.

use crate::catalog::{ForeignKey, Name, Schema, Table};
use crate::claims::Data;
use crate::text::literal;
use rusqlite::types::Value;
use std::collections::BTreeMap;

/// How a table's rows belong to tenants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// It is the table of tenants.
    Tenant,
    /// This column holds the tenant's key.
    Key(Name),
    /// They belong to whom the row belongs that this reference names.
    Through(ForeignKey),
}

/// Which tables belong to tenants, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenancy {
    /// The table of tenants.
    pub tenants: Name,
    /// Its key, one column.
    pub key: Name,
    /// Every table that belongs to tenants, the table of tenants itself among them.
    pub scoped: BTreeMap<Name, Owner>,
}

impl Tenancy {
    /// Nothing belongs to anybody.
    #[must_use]
    pub fn nobody() -> Self {
        Self {
            tenants: Name::new(""),
            key: Name::new(""),
            scoped: BTreeMap::new(),
        }
    }

    /// What the claims say of a schema. Tables declared as `global` belong to nobody.
    ///
    /// # Errors
    /// The key of the manifest that is missing or names nothing, and why nothing can be said without it.
    pub fn of(schema: &Schema, claims: &Data) -> Result<Self, (&'static str, String)> {
        let Some(tenants) = &claims.tenants else {
            let reason = "no table of tenants is declared; nothing is judged on a guess";
            return Err(("tenants", reason.to_owned()));
        };
        let Some(table) = schema.table(tenants) else {
            return Err(("tenants", format!("there is no table `{tenants}`")));
        };
        let [key] = table.primary_key.as_slice() else {
            let reason = format!("`{tenants}` has no primary key of one column");
            return Err(("tenants", reason));
        };
        let key = key.clone();
        let mut tenancy = Self {
            tenants: table.name.clone(),
            key,
            scoped: BTreeMap::from([(table.name.clone(), Owner::Tenant)]),
        };
        let is_global = |name: &Name| claims.global.keys().any(|global| *name == global.as_str());
        let candidates: Vec<&Table> = schema
            .tables
            .values()
            .filter(|table| table.is_ordinary() && !is_global(&table.name))
            .collect();
        for table in &candidates {
            if let Some(column) = key_of(table, &tenancy, claims) {
                let owner = Owner::Key(column);
                tenancy.scoped.entry(table.name.clone()).or_insert(owner);
            }
        }
        tenancy.add_children(&candidates);
        Ok(tenancy)
    }

    /// Adds tables that hang on tenants through others, until there are no more.
    fn add_children(&mut self, candidates: &[&Table]) {
        loop {
            let mut found = Vec::new();
            for table in candidates {
                if !self.scoped.contains_key(&table.name) {
                    let through = self.through(table);
                    found.extend(through.map(|key| (table.name.clone(), Owner::Through(key))));
                }
            }
            if found.is_empty() {
                return;
            }
            self.scoped.extend(found);
        }
    }

    /// The reference through which a table hangs on tenants: one that cannot be NULL, if there is one.
    fn through(&self, table: &Table) -> Option<ForeignKey> {
        let keys = table.foreign_keys.iter();
        let mut through: Vec<&ForeignKey> = keys
            .filter(|key| self.scoped.contains_key(&key.parent) && key.parent != table.name)
            .collect();
        through.sort_by_key(|key| !is_required(table, key));
        through.first().map(|key| (*key).clone())
    }

    /// The condition that rows of a table belong to a tenant, with the table as `alias`; none if they belong to nobody.
    #[must_use]
    pub fn condition(&self, table: &Name, alias: &str, tenant: &Value) -> Option<String> {
        Some(match self.scoped.get(table)? {
            Owner::Tenant => format!(
                "{alias}.{} IS {}",
                self.key.quoted(),
                literal(tenant.into())
            ),
            Owner::Key(column) => {
                format!("{alias}.{} IS {}", column.quoted(), literal(tenant.into()))
            }
            Owner::Through(key) => {
                let parent = format!("{alias}p");
                let pairs = key.columns.iter().zip(&key.parent_columns);
                let joined: Vec<String> = pairs
                    .map(|(column, of)| {
                        format!("{parent}.{} = {alias}.{}", of.quoted(), column.quoted())
                    })
                    .collect();
                format!(
                    "EXISTS (SELECT 1 FROM {} AS {parent} WHERE {} AND {})",
                    key.parent.quoted(),
                    joined.join(" AND "),
                    self.condition(&key.parent, &parent, tenant)?
                )
            }
        })
    }
}

/// Whether a reference cannot be NULL.
fn is_required(table: &Table, key: &ForeignKey) -> bool {
    let mut columns = key.columns.iter().filter_map(|name| table.column(name));
    columns.all(|column| !table.is_nullable(column))
}

/// The column that holds the tenant's key: the declared one, or one that refers to the table of tenants.
fn key_of(table: &Table, tenancy: &Tenancy, claims: &Data) -> Option<Name> {
    let declared = claims.tenant_key.as_deref().map(Name::new);
    let declared = declared.filter(|name| table.column(name).is_some());
    declared.or_else(|| {
        let mut keys = table.foreign_keys.iter();
        let key = keys.find(|key| {
            key.parent == tenancy.tenants && key.parent_columns == [tenancy.key.clone()]
        })?;
        key.columns.first().cloned()
    })
}
