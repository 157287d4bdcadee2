//! PAT-010: how deep a deletion goes. Never judges a tree within one table, whose depth is that of its rows.

use super::super::populated::Populated;
use super::super::world::RefusedBy;
use super::super::{Broken, Outcome, counted};
use crate::catalog::{Action, Name, Table};
use crate::subject::Subject;

pub(super) fn deletions(subject: &Subject) -> Outcome {
    let populated = match Populated::of_anybody(subject) {
        Ok(populated) => populated,
        Err(outcome) => return outcome,
    };
    let (mut broken, mut seen) = (Vec::new(), 0);
    let tables = subject.schema().tables.values();
    for table in tables.filter(|table| table.is_ordinary()) {
        let goes_on = subject
            .schema()
            .references_to(&table.name)
            .any(|(child, key)| child.name != table.name && is_followed(key.on_delete));
        let watched = subject.schema().triggers.values();
        if goes_on
            || watched
                .into_iter()
                .any(|trigger| trigger.table == table.name)
        {
            seen += 1;
            broken.extend(too_deep(&populated, table));
        }
    }
    broken.retain({
        let all: Vec<Name> = broken.iter().map(|(table, _)| table.name.clone()).collect();
        // Where the deletion of a parent fails as well, it is the parent's chain that is too long.
        move |(table, _)| {
            let mut keys = table.foreign_keys.iter();
            !keys.any(|key| key.parent != table.name && all.contains(&key.parent))
        }
    });
    Outcome::of(
        broken.into_iter().map(|(_, way)| way).collect(),
        format!(
            "{} whose deletion does more, each within ten levels",
            counted(seen, "table")
        ),
    )
}

fn is_followed(action: Action) -> bool {
    match action {
        Action::Cascade | Action::SetNull | Action::SetDefault => true,
        Action::NoAction | Action::Restrict => false,
    }
}

/// A row whose deletion is refused by the limit: some row at the end of each chain has one at its beginning.
fn too_deep<'s>(populated: &Populated<'_>, table: &'s Table) -> Option<(&'s Table, Broken)> {
    for row in populated.rows_where(table, "1") {
        let sql = format!("DELETE FROM {} WHERE {}", table.name.quoted(), row.found());
        let Err(refused) = populated.try_out(&vec![(sql.clone(), Vec::new())]) else {
            continue;
        };
        if refused.kind == RefusedBy::Limit {
            let every: Vec<&Name> = populated.schema.tables.keys().collect();
            let mut repeat = populated.script(&every);
            repeat.push(format!("{sql};"));
            let way = Broken {
                object: format!("table {}", table.name),
                expected: "D1 deletes a row with all that hangs on it: ten levels below it at most"
                    .to_owned(),
                saw: refused.message,
                repeat,
            };
            return Some((table, way));
        }
    }
    None
}
