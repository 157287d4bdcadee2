//! The rules of tenants: they need the claims `tenants` and `tenant_key`; without them two rules warn where a table of tenants cannot be mistaken. Never guesses which table is whose.

mod keys;
mod recognised;
mod references;

use super::Judge;
use crate::catalog::{Action, Column, Name, Table};
use crate::subject::Subject;
use std::collections::BTreeSet;

/// The judges of this family.
pub(super) const JUDGES: &[(&str, Judge)] = &[
    ("TEN-01", keys::not_indexed),
    ("TEN-02", references::without_tenant),
    ("TEN-03", references::not_composite),
    ("TEN-04", keys::unique_for_all),
    ("TEN-05", keys::nullable),
];

/// What is claimed of tenants.
struct Tenancy<'s> {
    subject: &'s Subject,
    tenants: Name,
    key: Name,
}

impl<'s> Tenancy<'s> {
    /// None where tenants are not claimed, or are not in the schema.
    fn of(subject: &'s Subject) -> Option<Self> {
        let tenants = Name::new(subject.claims.tenants.as_deref()?);
        let key = Name::new(subject.claims.tenant_key.as_deref()?);
        subject
            .schema()
            .tables
            .contains_key(&tenants)
            .then_some(Self {
                subject,
                tenants,
                key,
            })
    }

    /// Tables that belong to tenants: all but that of tenants itself, and those that are declared to be nobody's.
    fn tables(&self) -> impl Iterator<Item = &'s Table> {
        let claims = &self.subject.claims;
        let tenants = self.tenants.clone();
        self.subject.schema().tables.values().filter(move |table| {
            let is_global = claims.global.keys().any(|name| table.name == name.as_str());
            table.is_ordinary() && table.name != tenants && !is_global
        })
    }

    /// The tenant key of a table, if it has one.
    fn key_of(&self, table: &'s Table) -> Option<&'s Column> {
        table
            .column(&self.key)
            .filter(|_| table.name != self.tenants)
    }

    fn outlives(&self, table: &Table) -> bool {
        let mut names = self.subject.claims.outlives_tenant.keys();
        names.any(|name| table.name == name.as_str())
    }

    /// The tables that are deleted with their tenant: those that refer to it, or to such a table, by columns that are NOT NULL, on delete cascade.
    fn followers(&self) -> BTreeSet<&'s Name> {
        let tables = &self.subject.schema().tables;
        let mut followers: BTreeSet<&Name> = tables
            .keys()
            .filter(|name| **name == self.tenants)
            .collect();
        loop {
            let before = followers.len();
            for table in tables.values() {
                let follows = table.foreign_keys.iter().any(|key| {
                    let needed = key.columns.iter().all(|name| {
                        table
                            .column(name)
                            .is_some_and(|column| !table.is_nullable(column))
                    });
                    needed && key.on_delete == Action::Cascade && followers.contains(&key.parent)
                });
                if follows {
                    followers.insert(&table.name);
                }
            }
            if followers.len() == before {
                return followers;
            }
        }
    }
}
