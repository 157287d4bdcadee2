//! PAT-008: rows that have no value in a unique column. Never judges a column that tells whose the row is, or since when it counts.

use super::super::populated::Populated;
use super::super::references::given;
use super::super::world::RefusedBy;
use super::super::{Broken, Outcome, counted};
use crate::catalog::{Name, Table};
use crate::rows::{Owner, Statements, Wanted};
use crate::subject::Subject;
use crate::text::written;
use crate::words::{is_deletion, is_time};
use rusqlite::types::Value;
use std::collections::BTreeSet;

pub(super) fn several(subject: &Subject) -> Outcome {
    let populated = match Populated::of_anybody(subject) {
        Ok(populated) => populated,
        Err(outcome) => return outcome,
    };
    let (mut broken, mut seen) = (Vec::new(), 0);
    for table in subject.schema().tables.values() {
        for column in unique_columns(&populated, table) {
            match twice(&populated, table, &column) {
                Seen::Taken => seen += 1,
                Seen::Refused(way) => broken.push(way),
                Seen::Unclear => {}
            }
        }
    }
    Outcome::of(
        broken,
        format!(
            "{} that may be NULL, each of which takes several rows without a value",
            counted(seen, "unique column")
        ),
    )
}

/// Columns that may be NULL and that alone make a unique key beside those that say whose the row is.
fn unique_columns(populated: &Populated<'_>, table: &Table) -> BTreeSet<Name> {
    let owner = populated.tenants.tenancy.scoped.get(&table.name);
    let mut bound: Vec<&Name> = table
        .foreign_keys
        .iter()
        .flat_map(|key| &key.columns)
        .collect();
    if let Some(Owner::Key(column)) = owner {
        bound.push(column);
    }
    let mut found = BTreeSet::new();
    for index in table
        .indexes
        .iter()
        .filter(|index| index.unique && table.is_ordinary())
    {
        let mut columns = index.key_columns(table);
        columns.retain(|column| !bound.contains(&column));
        let [only] = columns.as_slice() else { continue };
        let may_be_null = table
            .column(only)
            .is_some_and(|column| table.is_nullable(column) && column.generated.is_none());
        // "One that is not over" is a rule about rows that have no end, not about values.
        let is_end = is_time(only.as_str()) || is_deletion(only.as_str());
        if may_be_null && !is_end && !table.primary_key.contains(only) {
            found.insert(only.clone());
        }
    }
    found
}

enum Seen {
    Taken,
    Refused(Broken),
    /// Something else refuses it.
    Unclear,
}

fn twice(populated: &Populated<'_>, table: &Table, column: &Name) -> Seen {
    let free = populated.wanted(&table.name, 0);
    let without = Wanted {
        pinned: vec![(column.clone(), Value::Null)],
        ..free.clone()
    };
    if all(populated.spares(&[without.clone(), without])).is_some() {
        return Seen::Taken;
    }
    let Some(mut two) = all(populated.spares(&[free.clone(), free.clone()])) else {
        return Seen::Unclear;
    };
    let place = given(table).position(|name| name == column);
    for made in &mut two {
        if let (Some((_, values)), Some(place)) = (made.last_mut(), place) {
            values[place] = Value::Null;
        }
    }
    let both: Statements = two.concat();
    let Err(refused) = populated.try_out(&both) else {
        return Seen::Taken;
    };
    let is_told_apart = refused.message.starts_with("UNIQUE") || refused.kind == RefusedBy::Trigger;
    // Whoever refuses the first one as well wants a value, not a single row without one.
    let rows = match free.tenant {
        Some(tenant) => populated.rows(table, tenant),
        None => populated.rows_where(table, "1"),
    };
    let has_one = rows.iter().any(|row| row.value(column) == Value::Null)
        || populated.try_out(&two[0]).is_ok();
    if !is_told_apart || !has_one {
        return Seen::Unclear;
    }
    let mut repeat = populated.script(&[&table.name]);
    repeat.extend(both.iter().map(|(sql, values)| written(sql, values)));
    Seen::Refused(Broken {
        object: format!("table {}", table.name),
        expected: format!("several rows without a `{column}`"),
        saw: format!("a second row without one is refused ({})", refused.message),
        repeat,
    })
}

/// All of them, if none is missing.
fn all(made: Vec<Option<Statements>>) -> Option<Vec<Statements>> {
    made.into_iter().collect()
}
