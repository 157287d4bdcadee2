//! The order in which tables are filled, parents first. Never looks at rows.

use crate::catalog::{ForeignKey, Name, Schema, Table};
use std::collections::{BTreeMap, BTreeSet};

/// The tables and all that they refer to, parents before children as far as there is no circle.
pub(super) fn parents_first(schema: &Schema, tables: &[Name]) -> Vec<Name> {
    let mut walk = Walk {
        schema,
        seen: BTreeSet::new(),
        ordered: Vec::new(),
    };
    for name in tables {
        walk.visit(name);
    }
    walk.ordered
}

struct Walk<'s> {
    schema: &'s Schema,
    seen: BTreeSet<Name>,
    ordered: Vec<Name>,
}

impl Walk<'_> {
    fn visit(&mut self, name: &Name) {
        let Some(table) = self.schema.tables.get(name) else {
            return;
        };
        if !self.seen.insert(table.name.clone()) {
            return;
        }
        // References that must be kept come first, so that a circle is cut where it can be NULL.
        let (required, optional): (Vec<&ForeignKey>, Vec<&ForeignKey>) = table
            .foreign_keys
            .iter()
            .partition(|key| is_required(table, key));
        for key in required.into_iter().chain(optional) {
            self.visit(&key.parent);
        }
        self.ordered.push(table.name.clone());
    }
}

fn is_required(table: &Table, key: &ForeignKey) -> bool {
    key.columns.iter().all(|name| {
        table
            .column(name)
            .is_some_and(|column| !table.is_nullable(column))
    })
}

/// Those of the tables that are in a circle of references none of which can be NULL; a reference to the table itself is none.
pub(super) fn circle(schema: &Schema, tables: &[Name]) -> Vec<Name> {
    let mut parents: BTreeMap<&Name, Vec<&Name>> = BTreeMap::new();
    for table in tables.iter().filter_map(|name| schema.tables.get(name)) {
        let required = table
            .foreign_keys
            .iter()
            .filter(|key| is_required(table, key));
        let others = required
            .map(|key| &key.parent)
            .filter(|parent| **parent != table.name);
        parents.insert(&table.name, others.collect());
    }
    // Tables without parents are taken away until none is left that has none; then those without children.
    loop {
        let before = parents.len();
        let there: BTreeSet<&Name> = parents.keys().copied().collect();
        for of in parents.values_mut() {
            of.retain(|parent| there.contains(parent));
        }
        let named: BTreeSet<&Name> = parents.values().flatten().copied().collect();
        parents.retain(|name, of| !of.is_empty() && named.contains(name));
        if parents.len() == before {
            return parents.into_keys().cloned().collect();
        }
    }
}
