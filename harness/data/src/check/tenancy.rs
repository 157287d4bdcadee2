//! PAT-001: whose a row is, and what becomes of it when its tenant is deleted. Never judges a table that is declared to belong to nobody.

use super::populated::{Populated, Row, written};
use super::{Aspect, Broken, Outcome, counted};
use crate::catalog::{Action, ForeignKey, Name, Schema, Table};
use crate::rows::{Owner, Tenancy};
use crate::subject::Subject;
use rusqlite::types::Value;
use std::collections::{BTreeMap, BTreeSet};

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
    Aspect {
        criterion: "PAT-001",
        sentence: "deleting a tenant removes all of its rows and none of another's",
        judge: deletion,
    },
    Aspect {
        criterion: "PAT-001",
        sentence: "nothing dangles when a tenant is deleted",
        judge: nothing_dangles,
    },
    Aspect {
        criterion: "PAT-001",
        sentence: "tables that are declared to outlive a tenant keep its rows",
        judge: survivors,
    },
];

/// What is declared of tenants, or why nothing can be judged.
fn tenancy(subject: &Subject) -> Result<Tenancy, Outcome> {
    Tenancy::of(subject.schema(), &subject.claims).map_err(|(key, reason)| Outcome::NotVerified {
        reason,
        key: Some(format!("data.{key}")),
    })
}

fn outlives(subject: &Subject, table: &Name) -> bool {
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
            saw: why_not(table, &tenancy, &cascading),
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
                keys.any(|key| goes_along(table, key) && cascading.contains(&key.parent))
            })
            .map(|table| table.name.clone())
            .collect();
        if more.is_empty() {
            return cascading;
        }
        cascading.extend(more);
    }
}

fn goes_along(table: &Table, key: &ForeignKey) -> bool {
    key.on_delete == Action::Cascade && is_required(table, key)
}

fn is_required(table: &Table, key: &ForeignKey) -> bool {
    let mut columns = key.columns.iter().filter_map(|name| table.column(name));
    columns.all(|column| !table.is_nullable(column))
}

fn why_not(table: &Table, tenancy: &Tenancy, cascading: &BTreeSet<Name>) -> String {
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

/// What was there before a tenant was deleted, and the world after it.
struct Deleted<'s> {
    populated: Populated<'s>,
    /// Rows of the deleted tenant, and rows of all others, by table.
    own: BTreeMap<Name, Vec<Row>>,
    others: BTreeMap<Name, Vec<Row>>,
    /// Lines that repeat it.
    repeat: Vec<String>,
    refused: Option<String>,
}

fn delete(subject: &Subject) -> Result<Deleted<'_>, Outcome> {
    let populated = Populated::new(subject)?;
    let tenancy = &populated.tenants.tenancy;
    let (mut own, mut others) = (BTreeMap::new(), BTreeMap::new());
    for table in populated.scoped() {
        let mine = populated.rows(table, 0);
        let mut rest = populated.rows_where(table, "1");
        rest.retain(|row| !mine.contains(row));
        own.insert(table.name.clone(), mine);
        others.insert(table.name.clone(), rest);
    }
    let sql = format!(
        "DELETE FROM {} WHERE {} = ?1",
        tenancy.tenants.quoted(),
        tenancy.key.quoted()
    );
    let key = vec![populated.tenants.keys[0].clone()];
    let outcome = populated.world.run(&sql, &key);
    let tables: Vec<&Name> = tenancy.scoped.keys().collect();
    let mut repeat = populated.script(&tables);
    repeat.push(written(&sql, &key));
    Ok(Deleted {
        refused: outcome.err().map(|refused| refused.message),
        populated,
        own,
        others,
        repeat,
    })
}

fn deletion(subject: &Subject) -> Outcome {
    let deleted = match delete(subject) {
        Ok(deleted) => deleted,
        Err(outcome) => return outcome,
    };
    let tenancy = &deleted.populated.tenants.tenancy;
    if let Some(message) = deleted.refused {
        return Outcome::Broken(vec![Broken {
            object: format!("table {}", tenancy.tenants),
            expected: "a tenant can be deleted".to_owned(),
            saw: format!("the deletion is refused: {message}"),
            repeat: deleted.repeat,
        }]);
    }
    let mut broken = Vec::new();
    for (name, mine) in &deleted.own {
        let Some(table) = subject.schema().tables.get(name) else {
            continue;
        };
        let left: BTreeSet<String> = deleted
            .populated
            .rows_where(table, "1")
            .iter()
            .map(Row::found)
            .collect();
        let stayed = mine
            .iter()
            .filter(|row| left.contains(&row.found()))
            .count();
        if stayed > 0 && !outlives(subject, name) {
            broken.push(deleted.broken(
                name,
                "all rows of the deleted tenant are gone",
                format!("{} of it left", counted(stayed, "row")),
            ));
        }
        let now = deleted.populated.rows_where(table, "1");
        let others = &deleted.others[name];
        let hit = others.iter().filter(|row| !now.contains(row)).count();
        if hit > 0 {
            broken.push(deleted.broken(
                name,
                "the rows of other tenants stay as they are",
                format!(
                    "{} of another tenant removed or changed",
                    counted(hit, "row")
                ),
            ));
        }
    }
    if broken.is_empty()
        && let Some(unfilled) = deleted.empty_table(subject)
    {
        return unfilled;
    }
    let rows: usize = deleted.own.values().map(Vec::len).sum();
    let saw = format!(
        "one of 3 tenants deleted: {} in {} gone, all others untouched",
        counted(rows, "row"),
        counted(deleted.own.len(), "table")
    );
    Outcome::of(broken, saw)
}

impl Deleted<'_> {
    fn broken(&self, table: &Name, expected: &str, saw: String) -> Broken {
        let mut repeat = self.repeat.clone();
        repeat.push(format!("SELECT * FROM {};", table.quoted()));
        Broken {
            object: format!("table {table}"),
            expected: expected.to_owned(),
            saw,
            repeat,
        }
    }

    /// A table in which the tenant had no row, so that nothing was seen of it.
    fn empty_table(&self, subject: &Subject) -> Option<Outcome> {
        let (name, _) = self.own.iter().find(|(_, rows)| rows.is_empty())?;
        let mut unfilled = self.populated.tenants.unfilled.iter();
        let why = unfilled.find(|unfilled| unfilled.table == *name);
        let reason = why.map_or("no row of a tenant could be made for it", |why| &why.reason);
        let file = subject.site(crate::replay::ObjectKind::Table, name);
        debug_assert!(
            file.is_some() || subject.source.files.is_empty(),
            "tables come from files"
        );
        Some(Outcome::NotVerified {
            reason: format!("nothing was seen of `{name}`: {reason}"),
            key: None,
        })
    }
}

fn nothing_dangles(subject: &Subject) -> Outcome {
    let deleted = match delete(subject) {
        Ok(deleted) => deleted,
        Err(outcome) => return outcome,
    };
    if let Some(message) = &deleted.refused {
        return Outcome::NotVerified {
            reason: format!("no tenant can be deleted: {message}"),
            key: None,
        };
    }
    let tenancy = &deleted.populated.tenants.tenancy;
    let mut broken = Vec::new();
    for (name, owner) in &tenancy.scoped {
        let (Some(table), Owner::Key(column)) = (subject.schema().tables.get(name), owner) else {
            continue;
        };
        let condition = format!(
            "t.{} NOT IN (SELECT {} FROM {})",
            column.quoted(),
            tenancy.key.quoted(),
            tenancy.tenants.quoted()
        );
        let orphans = deleted.populated.rows_where(table, &condition).len();
        if orphans > 0 && !outlives(subject, name) {
            broken.push(deleted.broken(
                name,
                "no row names a tenant that is gone",
                format!("{} of a tenant that is gone", counted(orphans, "row")),
            ));
        }
    }
    let dangling = deleted.populated.world.engine().ours(dangling);
    for (child, parent) in dangling {
        broken.push(deleted.broken(
            &child,
            "every reference has its parent",
            format!("a row that refers to no row of `{parent}`"),
        ));
    }
    Outcome::of(
        broken,
        "after the deletion every reference has its parent, and every tenant key its tenant",
    )
}

/// Tables with a row whose parent is gone, and the parent's table.
fn dangling(connection: &rusqlite::Connection) -> BTreeSet<(Name, Name)> {
    let found = connection
        .prepare("PRAGMA foreign_key_check")
        .and_then(|mut check| {
            let rows = check.query_map([], |row| {
                Ok((
                    Name::new(&row.get::<_, String>(0)?),
                    Name::new(&row.get::<_, String>(2)?),
                ))
            })?;
            rows.collect()
        });
    found.unwrap_or_default()
}

fn survivors(subject: &Subject) -> Outcome {
    if subject.claims.outlives_tenant.is_empty() {
        return match tenancy(subject) {
            Ok(_) => Outcome::Held {
                saw: "no table is declared to outlive its tenant".to_owned(),
            },
            Err(outcome) => outcome,
        };
    }
    let deleted = match delete(subject) {
        Ok(deleted) => deleted,
        Err(outcome) => return outcome,
    };
    if let Some(message) = &deleted.refused {
        return Outcome::NotVerified {
            reason: format!("no tenant can be deleted: {message}"),
            key: None,
        };
    }
    let mut broken = Vec::new();
    let mut seen = 0;
    for claimed in subject.claims.outlives_tenant.keys() {
        let Some(table) = subject.schema().table(claimed) else {
            return Outcome::NotVerified {
                reason: format!("there is no table `{claimed}`"),
                key: Some("data.outlives_tenant".to_owned()),
            };
        };
        let Some(before) = deleted.own.get(&table.name) else {
            return Outcome::NotVerified {
                reason: format!("`{claimed}` does not say which tenant a row belongs to"),
                key: Some("data.tenant_key".to_owned()),
            };
        };
        if before.is_empty() {
            return deleted
                .empty_table(subject)
                .unwrap_or_else(|| Outcome::undeclared("no row", "data.outlives_tenant"));
        }
        seen += before.len();
        let after = deleted.populated.rows(table, 0);
        let left: BTreeSet<String> = after.iter().map(Row::found).collect();
        let gone = before
            .iter()
            .filter(|row| !left.contains(&row.found()))
            .count();
        if gone > 0 {
            broken.push(deleted.broken(
                &table.name,
                "its rows stay when the tenant is deleted",
                format!("{} of the deleted tenant gone", counted(gone, "row")),
            ));
        }
    }
    Outcome::of(
        broken,
        format!("{} of the deleted tenant stayed", counted(seen, "row")),
    )
}

/// The values of columns of a row, in order.
pub(super) fn values_of(row: &Row, columns: &[Name]) -> Vec<Value> {
    columns.iter().map(|column| row.value(column)).collect()
}
