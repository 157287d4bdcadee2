//! PAT-001: what becomes of rows when their tenant is deleted. Never counts an absence where there was no row before.

use super::populated::{Populated, Row};
use super::tenancy::{outlives, tenancy};
use super::{Aspect, Broken, Outcome};
use crate::catalog::{Affinity, Name, Table};
use crate::rows::Owner;
use crate::subject::Subject;
use crate::text::counted;
use crate::text::written;
use std::collections::{BTreeMap, BTreeSet};

/// The aspects of this family.
pub(super) const ASPECTS: &[Aspect] = &[
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
    let same = with_the_same_texts(&populated);
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
    repeat.extend(same);
    repeat.push(written(&sql, &key));
    Ok(Deleted {
        refused: outcome.err().map(|refused| refused.message),
        populated,
        own,
        others,
        repeat,
    })
}

/// Gives all rows the same texts where these neither identify nor refer: a trigger that takes rows by a name must not take those of others of that name.
/// The statements that did it; none where there is no trigger.
fn with_the_same_texts(populated: &Populated<'_>) -> Vec<String> {
    let mut done = Vec::new();
    if populated.schema.triggers.is_empty() {
        return done;
    }
    for table in populated.scoped() {
        let is_bound = |name: &Name| {
            let mut referring = populated.schema.references_to(&table.name);
            let mut unique = table.indexes.iter().filter(|index| index.unique);
            table.primary_key.contains(name)
                || table
                    .foreign_keys
                    .iter()
                    .any(|key| key.columns.contains(name))
                || referring.any(|(_, key)| key.parent_columns.contains(name))
                || unique.any(|index| {
                    index
                        .columns
                        .iter()
                        .any(|part| part.name.as_ref() == Some(name))
                })
        };
        let texts = table.columns.iter().filter(|column| {
            column.affinity() == Affinity::Text
                && column.generated.is_none()
                && !is_bound(&column.name)
        });
        for column in texts {
            let (name, table) = (column.name.quoted(), table.name.quoted());
            let sql = format!("UPDATE {table} SET {name} = 'the same' WHERE {name} IS NOT NULL");
            if populated.world.run(&sql, &[]).is_ok() {
                done.push(format!("{sql};"));
            }
        }
    }
    done
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
            saw: format!(
                "the deletion is refused by `{}`: {message}",
                blocker(&deleted.populated, &deleted.own)
            ),
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

/// The table whose rows of the tenant cannot be deleted, though nothing that refers to them is in the way.
fn blocker(populated: &Populated<'_>, own: &BTreeMap<Name, Vec<Row>>) -> Name {
    let is_blocked = |name: &Name, rows: &Vec<Row>| {
        let deletions = rows.iter().map(|row| {
            let sql = format!("DELETE FROM {} WHERE {}", name.quoted(), row.found());
            (sql, Vec::new())
        });
        populated.try_out(&deletions.collect()).is_err()
    };
    let blocked: Vec<&Name> = own
        .iter()
        .filter(|(name, rows)| is_blocked(name, rows))
        .map(|(name, _)| name)
        .collect();
    let is_last = |name: &&&Name| {
        let mut children = populated.schema.references_to(name);
        !children.any(|(child, _)| child.name != ***name && blocked.contains(&&child.name))
    };
    let found = blocked.iter().find(is_last).or(blocked.first());
    found.map_or_else(
        || populated.tenants.tenancy.tenants.clone(),
        |name| (*name).clone(),
    )
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
        let left = left_of(&deleted.populated, table);
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

/// What the rows are known by that a deleted tenant has left in a table. A row that names its tenant through a user alone names nobody when the user is gone.
pub(super) fn left_of(populated: &Populated<'_>, table: &Table) -> BTreeSet<String> {
    let rows = match populated.tenants.tenancy.scoped.get(&table.name) {
        Some(Owner::Through(_)) => populated.rows_where(table, "1"),
        Some(Owner::Tenant | Owner::Key(_)) | None => populated.rows(table, 0),
    };
    rows.iter().map(Row::found).collect()
}
