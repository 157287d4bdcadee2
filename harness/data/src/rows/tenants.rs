//! Rows for several tenants, such that all rows of one refer to rows of that one only, or to nobody's. Never mixes two tenants.

use super::world::{Scope, World};
use super::{Filler, Tenancy, Unfilled, order};
use crate::catalog::{Affinity, Name, Schema, Table};
use crate::claims::Data;
use rusqlite::Connection;
use rusqlite::types::Value;
use std::collections::BTreeMap;

/// Rows of several tenants.
#[derive(Debug, Clone, PartialEq)]
pub struct Tenants {
    /// Which tables belong to tenants, and how. [`Tenancy::condition`] finds a tenant's rows.
    pub tenancy: Tenancy,
    /// The keys of the tenants that were made.
    pub keys: Vec<Value>,
    /// The statements that made the rows, in order, with their parameters: they make the same rows in any database with the same schema.
    pub statements: Vec<(String, Vec<Value>)>,
    /// Tables that could not be filled for every tenant.
    pub unfilled: Vec<Unfilled>,
}

/// Makes a number of tenants, and for each of them rows in every table that belongs to tenants; tables that belong to nobody get as many in all.
/// Rows that are marked by a declared soft deletion are active. `later` is what the schema will be, as for [`super::fill`].
///
/// # Errors
/// What SQLite says where the database itself cannot be used.
pub fn fill_tenants(
    connection: &Connection,
    (schema, later): (&Schema, &Schema),
    claims: &Data,
    tenancy: Tenancy,
    tenants: usize,
    rows: usize,
) -> rusqlite::Result<Tenants> {
    let tables: Vec<Name> = schema
        .tables
        .values()
        .filter(|table| table.is_ordinary())
        .map(|table| table.name.clone())
        .collect();
    let tables = order::parents_first(schema, &tables);
    let mut making = Making {
        connection,
        schema,
        later,
        active: active(schema, claims),
        filler: Filler::new(1)?,
        unfilled: Vec::new(),
    };
    // What tenants and users refer to themselves comes first, if it belongs to nobody.
    let (scoped, global): (Vec<Name>, Vec<Name>) = tables
        .into_iter()
        .partition(|name| tenancy.scoped.contains_key(name));
    let free: Vec<Name> = global
        .iter()
        .filter(|name| {
            let all = order::parents_first(schema, std::slice::from_ref(name));
            !all.iter().any(|name| tenancy.scoped.contains_key(name))
        })
        .cloned()
        .collect();
    making.fill(&free, tenants.max(rows), &Scope::default())?;
    let keys = if tenancy.scoped.is_empty() {
        Vec::new()
    } else {
        making.tenants(&tenancy, tenants)?
    };
    let children: Vec<Name> = scoped
        .into_iter()
        .filter(|name| *name != tenancy.tenants)
        .collect();
    for key in &keys {
        let scope = scope_of(&tenancy, key, &making.active);
        making.fill(&children, rows, &scope)?;
    }
    let rest: Vec<Name> = global
        .into_iter()
        .filter(|name| !free.contains(name))
        .collect();
    making.fill(&rest, tenants.max(rows), &Scope::default())?;
    Ok(Tenants {
        tenancy,
        keys,
        statements: making.filler.take_journal(),
        unfilled: making.unfilled,
    })
}

/// Makes rows of one tenant, that is there, until it has so many in every table that belongs to tenants.
///
/// # Errors
/// What SQLite says where the database itself cannot be used.
pub fn fill_one_tenant(
    connection: &Connection,
    (schema, claims): (&Schema, &Data),
    (tenancy, key): (&Tenancy, &Value),
    rows: usize,
) -> rusqlite::Result<()> {
    let tables = tenancy
        .scoped
        .keys()
        .filter(|name| **name != tenancy.tenants);
    let tables: Vec<Name> = tables.cloned().collect();
    let mut tables = order::parents_first(schema, &tables);
    tables.retain(|name| tenancy.scoped.contains_key(name) && *name != tenancy.tenants);
    let mut making = Making {
        connection,
        schema,
        later: schema,
        active: active(schema, claims),
        filler: Filler::new(2)?,
        unfilled: Vec::new(),
    };
    let scope = scope_of(tenancy, key, &making.active);
    making.fill(&tables, rows, &scope)
}

struct Making<'m> {
    connection: &'m Connection,
    schema: &'m Schema,
    later: &'m Schema,
    /// Values of active rows, by table.
    active: Active,
    filler: Filler,
    unfilled: Vec<Unfilled>,
}

impl Making<'_> {
    fn fill(&mut self, tables: &[Name], rows: usize, scope: &Scope) -> rusqlite::Result<()> {
        let world = World {
            connection: self.connection,
            schema: self.schema,
            later: self.later,
            rows,
            scope,
        };
        let unfilled = self.filler.fill_in_order(&world, tables)?;
        self.unfilled.extend(unfilled);
        self.unfilled.dedup();
        Ok(())
    }

    /// Makes tenants; their keys.
    fn tenants(&mut self, tenancy: &Tenancy, number: usize) -> rusqlite::Result<Vec<Value>> {
        let before = self.keys(tenancy)?;
        let mut scope = Scope {
            pinned: self.active.clone(),
            ..Scope::default()
        };
        // A new tenant refers to nothing that belongs to another one.
        for name in tenancy
            .scoped
            .keys()
            .filter(|name| **name != tenancy.tenants)
        {
            scope.conditions.insert(name.clone(), "0".to_owned());
        }
        self.tenants_by_number(tenancy, &before, number, &scope)?;
        self.fill(
            std::slice::from_ref(&tenancy.tenants),
            before.len() + number,
            &scope,
        )?;
        let mut keys = self.keys(tenancy)?;
        keys.retain(|key| !before.contains(key));
        Ok(keys)
    }

    /// Makes tenants of integer keys such that the first one's digits begin those of the others: who compares beginnings takes them for one.
    /// What the table refuses is left to the usual way.
    fn tenants_by_number(
        &mut self,
        tenancy: &Tenancy,
        before: &[Value],
        number: usize,
        scope: &Scope,
    ) -> rusqlite::Result<()> {
        let column = self
            .schema
            .tables
            .get(&tenancy.tenants)
            .and_then(|table| table.column(&tenancy.key));
        if column.is_none_or(|column| column.affinity() != Affinity::Integer) {
            return Ok(());
        }
        let is_free = |key: &i64| !before.contains(&Value::Integer(*key));
        let Some(first) = (1..10).find(is_free) else {
            return Ok(());
        };
        let others = (10 * first + 1..10 * first + 10).filter(is_free);
        let wanted = std::iter::once(first).chain(others).take(number);
        for (made, key) in wanted.enumerate() {
            let mut scope = scope.clone();
            let pinned = scope.pinned.entry(tenancy.tenants.clone()).or_default();
            pinned.push((tenancy.key.clone(), Value::Integer(key)));
            let table = std::slice::from_ref(&tenancy.tenants);
            self.fill(table, before.len() + made + 1, &scope)?;
        }
        // Whether it takes other keys is seen next.
        self.unfilled
            .retain(|unfilled| unfilled.table != tenancy.tenants);
        Ok(())
    }

    fn keys(&self, tenancy: &Tenancy) -> rusqlite::Result<Vec<Value>> {
        let sql = format!(
            "SELECT {key} FROM main.{} WHERE {key} IS NOT NULL",
            tenancy.tenants.quoted(),
            key = tenancy.key.quoted()
        );
        let mut statement = self.connection.prepare(&sql)?;
        let keys = statement.query_map([], |row| row.get(0))?;
        keys.collect()
    }
}

/// What rows of a tenant are bound to.
pub(super) fn scope_of(tenancy: &Tenancy, key: &Value, active: &Active) -> Scope {
    let mut scope = Scope {
        pinned: active.clone(),
        ..Scope::default()
    };
    for (name, owner) in &tenancy.scoped {
        let condition = tenancy.condition(name, "t", key);
        scope
            .conditions
            .extend(condition.map(|condition| (name.clone(), condition)));
        if let super::Owner::Key(column) = owner {
            let pinned = scope.pinned.entry(name.clone()).or_default();
            pinned.push((column.clone(), key.clone()));
        }
    }
    scope
}

/// Values of active rows, by table.
pub(super) type Active = BTreeMap<Name, Vec<(Name, Value)>>;

/// Values that mark a row as active, by table.
pub(super) fn active(schema: &Schema, claims: &Data) -> Active {
    let mut active = Active::new();
    for claim in &claims.soft_delete {
        let (table, column) = (Name::new(&claim.table), Name::new(&claim.column));
        let Some(value) = schema
            .tables
            .get(&table)
            .and_then(|table| marked_active(table, &column, claim.active.as_deref()))
        else {
            continue;
        };
        active.entry(table).or_default().push((column, value));
    }
    active
}

/// The value of an active row: NULL for `… IS NULL`, else the number or text that the condition ends with.
fn marked_active(table: &Table, column: &Name, condition: Option<&str>) -> Option<Value> {
    let condition = condition.unwrap_or("is null").trim().to_ascii_lowercase();
    if condition.ends_with("is null") {
        let column = table.column(column)?;
        return table.is_nullable(column).then_some(Value::Null);
    }
    let last = condition.rsplit(['=', ' ']).next()?.trim();
    let text = last.trim_matches('\'');
    last.parse()
        .ok()
        .map(Value::Integer)
        .or_else(|| (text.len() < last.len()).then(|| Value::Text(text.to_owned())))
}
