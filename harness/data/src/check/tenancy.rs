//! PAT-001: whose a row is, by the schema. Never judges a table that is declared to belong to nobody.

use super::{Aspect, Broken, Outcome};
use crate::catalog::{Action, ForeignKey, Name, Schema, Table};
use crate::rows::{Owner, Tenancy};
use crate::subject::Subject;
use crate::text::counted;
use std::collections::BTreeSet;

/// The aspects of this family.
pub(super) const ASPECTS: &[Aspect] = &[
    Aspect {
        criterion: "PAT-001",
        sentence: "every table that belongs to tenants has a tenant key that is NOT NULL, or hangs on parents that are NOT NULL",
        judge: has_key,
    },
    Aspect {
        criterion: "PAT-001",
        sentence: "the tenant key refers to the table of tenants ON DELETE CASCADE, directly or through parents that cascade",
        judge: cascades,
    },
    Aspect {
        criterion: "PAT-001",
        sentence: "the tenant key is the first column of an index",
        judge: is_indexed,
    },
];

/// What is declared of tenants, or why nothing can be judged.
pub(super) fn tenancy(subject: &Subject) -> Result<Tenancy, Outcome> {
    Tenancy::of(subject.schema(), &subject.claims).map_err(|(key, reason)| Outcome::NotVerified {
        reason,
        key: Some(format!("data.{key}")),
    })
}

/// Whether a table is declared to outlive its tenant.
pub(super) fn outlives(subject: &Subject, table: &Name) -> bool {
    let mut names = subject.claims.outlives_tenant.keys();
    names.any(|name| *table == name.as_str())
}

/// The tables whose rows have to go with their tenant, with how they belong to it.
fn going<'t>(
    subject: &'t Subject,
    tenancy: &'t Tenancy,
) -> impl Iterator<Item = (&'t Table, &'t Owner)> {
    let scoped = tenancy.scoped.iter();
    scoped.filter_map(|(name, owner)| {
        let table = subject.schema().tables.get(name)?;
        let is_going = *owner != Owner::Tenant && !outlives(subject, name);
        is_going.then_some((table, owner))
    })
}

fn has_key(subject: &Subject) -> Outcome {
    let tenancy = match tenancy(subject) {
        Ok(tenancy) => tenancy,
        Err(outcome) => return outcome,
    };
    let mut broken = Vec::new();
    let mut judged = 0;
    for (table, owner) in going(subject, &tenancy) {
        judged += 1;
        let columns = match owner {
            Owner::Tenant => continue,
            Owner::Key(column) => vec![column.clone()],
            Owner::Through(key) => key.columns.clone(),
        };
        let open: Vec<String> = columns
            .iter()
            .filter_map(|name| table.column(name))
            .filter(|column| table.is_nullable(column))
            .map(|column| format!("`{}`", column.name))
            .collect();
        if !open.is_empty() {
            broken.push(Broken {
                object: format!("table {}", table.name),
                expected: "every row has a tenant".to_owned(),
                saw: format!(
                    "{} may be NULL, and a row without a tenant is deleted with none",
                    open.join(" and ")
                ),
                repeat: vec![format!("PRAGMA table_info({});", table.name.quoted())],
            });
        }
    }
    let nobodys = of_nobody(subject, &tenancy);
    broken.extend(
        nobodys
            .iter()
            .filter_map(|name| hangs_on_nothing(subject, name)),
    );
    if let (true, Some(first)) = (broken.is_empty(), nobodys.first()) {
        return Outcome::NotVerified {
            reason: format!(
                "`{first}` has no key of a tenant, refers to nothing of a tenant, and is not declared to belong to nobody{}",
                if nobodys.len() > 1 {
                    format!(" ({} such tables)", nobodys.len())
                } else {
                    String::new()
                }
            ),
            key: Some("data.global".to_owned()),
        };
    }
    Outcome::of(
        broken,
        format!(
            "{}, each with a key that is NOT NULL",
            counted(judged, "table")
        ),
    )
}

/// Tables that neither belong to tenants nor are declared to belong to nobody.
fn of_nobody(subject: &Subject, tenancy: &Tenancy) -> Vec<Name> {
    let claims = &subject.claims;
    let is_declared = |table: &Name| {
        let mut names = claims.global.keys().chain(claims.outlives_tenant.keys());
        names.any(|name| *table == name.as_str())
    };
    let tables = subject.schema().tables.values();
    tables
        .filter(|table| table.is_ordinary() && !tenancy.scoped.contains_key(&table.name))
        .filter(|table| !is_declared(&table.name))
        .map(|table| table.name.clone())
        .collect()
}

/// A table that belongs to its parent by references that cascade, and the parent is gone: its rows belong to nobody by now.
fn hangs_on_nothing(subject: &Subject, name: &Name) -> Option<Broken> {
    let tables = &subject.schema().tables;
    let table = tables.get(name)?;
    let lost = table
        .foreign_keys
        .iter()
        .find(|key| key.on_delete == Action::Cascade && !tables.contains_key(&key.parent))?;
    Some(Broken {
        object: format!("table {name}"),
        expected: "every row has a tenant".to_owned(),
        saw: format!("it hangs on `{}`, which is not there", lost.parent),
        repeat: vec![format!("PRAGMA foreign_key_list({});", name.quoted())],
    })
}

fn cascades(subject: &Subject) -> Outcome {
    let tenancy = match tenancy(subject) {
        Ok(tenancy) => tenancy,
        Err(outcome) => return outcome,
    };
    let cascading = cascading(subject.schema(), &tenancy);
    let mut judged = 0;
    let mut broken = Vec::new();
    for (table, _) in going(subject, &tenancy) {
        judged += 1;
        if cascading.contains(&table.name) {
            continue;
        }
        broken.push(Broken {
            object: format!("table {}", table.name),
            expected: format!(
                "a NOT NULL reference that leads to `{}` ON DELETE CASCADE",
                tenancy.tenants
            ),
            saw: why_not(subject.schema(), table, &tenancy, &cascading),
            repeat: vec![format!("PRAGMA foreign_key_list({});", table.name.quoted())],
        });
    }
    Outcome::of(
        broken,
        format!(
            "{}, each of which goes with its tenant",
            counted(judged, "table")
        ),
    )
}

/// Tables from which NOT NULL references lead to the tenants, each ON DELETE CASCADE.
fn cascading(schema: &Schema, tenancy: &Tenancy) -> BTreeSet<Name> {
    let mut cascading = BTreeSet::from([tenancy.tenants.clone()]);
    loop {
        let more: Vec<Name> = schema
            .tables
            .values()
            .filter(|table| !cascading.contains(&table.name))
            .filter(|table| {
                let mut keys = table.foreign_keys.iter();
                keys.any(|key| {
                    goes_along(table, key)
                        && cascading.contains(&key.parent)
                        && finds_parent(schema, key)
                })
            })
            .map(|table| table.name.clone())
            .collect();
        if more.is_empty() {
            return cascading;
        }
        cascading.extend(more);
    }
}

/// Whether the columns that a reference names tell its parents apart: otherwise no deletion of a parent goes through.
fn finds_parent(schema: &Schema, key: &ForeignKey) -> bool {
    let parent = schema.tables.get(&key.parent);
    parent.is_some_and(|parent| parent.is_unique(&key.parent_columns))
}

fn goes_along(table: &Table, key: &ForeignKey) -> bool {
    key.on_delete == Action::Cascade && is_required(table, key)
}

fn is_required(table: &Table, key: &ForeignKey) -> bool {
    let mut columns = key.columns.iter().filter_map(|name| table.column(name));
    columns.all(|column| !table.is_nullable(column))
}

fn why_not(
    schema: &Schema,
    table: &Table,
    tenancy: &Tenancy,
    cascading: &BTreeSet<Name>,
) -> String {
    let leads =
        |key: &&ForeignKey| tenancy.scoped.contains_key(&key.parent) && key.parent != table.name;
    let Some(key) = table.foreign_keys.iter().find(leads) else {
        return "it refers to nothing that goes with the tenant".to_owned();
    };
    if key.on_delete != Action::Cascade {
        return format!("the reference to `{}` does not cascade", key.parent);
    }
    if !is_required(table, key) {
        return format!("the reference to `{}` may be NULL", key.parent);
    }
    if !finds_parent(schema, key) {
        return format!(
            "the reference to `{}` cannot find its parent, since nothing makes the columns that it names unique",
            key.parent
        );
    }
    if cascading.contains(&key.parent) {
        "another reference is in the way".to_owned()
    } else {
        format!("`{}` does not go with the tenant itself", key.parent)
    }
}

fn is_indexed(subject: &Subject) -> Outcome {
    let tenancy = match tenancy(subject) {
        Ok(tenancy) => tenancy,
        Err(outcome) => return outcome,
    };
    let mut broken = Vec::new();
    let mut judged = 0;
    for (name, owner) in &tenancy.scoped {
        let Some(table) = subject.schema().tables.get(name) else {
            continue;
        };
        let columns = match owner {
            Owner::Tenant => continue,
            Owner::Key(column) => vec![column.clone()],
            Owner::Through(key) => key.columns.clone(),
        };
        judged += 1;
        let is_rowid = table
            .rowid_alias()
            .is_some_and(|alias| columns == [alias.name.clone()]);
        let first = |column: &Name| columns.contains(column);
        let by_key = table.without_rowid && table.primary_key.first().is_some_and(first);
        let by_index = table.indexes.iter().any(|index| {
            let leading = index.columns.first().and_then(|part| part.name.as_ref());
            index.condition.is_none() && leading.is_some_and(first)
        });
        if !(is_rowid || by_key || by_index) {
            let shown: Vec<String> = columns.iter().map(|column| format!("`{column}`")).collect();
            broken.push(Broken {
                object: format!("table {name}"),
                expected: format!(
                    "an index of all rows that begins with {}",
                    shown.join(" or ")
                ),
                saw: "no such index: whatever is asked for one tenant reads the rows of all"
                    .to_owned(),
                repeat: vec![format!("PRAGMA index_list({});", name.quoted())],
            });
        }
    }
    Outcome::of(
        broken,
        format!("{}, each with such an index", counted(judged, "table")),
    )
}
