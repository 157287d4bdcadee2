//! PAT-005: what an audit log holds of changes. Never judges entries that the application writes itself.

use super::audit_attacks::Target;
use super::audit_changes::Change;
use super::audit_log::{Log, log_of, logs};
use super::audit_sequences::{Asked, not_stood};
use super::populated::{Populated, Row};
use super::world::{Refused, RefusedBy};
use super::{Aspect, Broken, Outcome};
use crate::catalog::{Action, Name, Table};
use crate::claims::{Audit, Writer};
use crate::subject::Subject;
use crate::text::counted;
use crate::text::{literal, written};
use rusqlite::types::Value;

/// The aspects of this family.
pub(super) const ASPECTS: &[Aspect] = &[
    Aspect {
        criterion: "PAT-005",
        sentence: "every change of a tracked table leaves exactly one entry that tells what was changed",
        judge: entries,
    },
    Aspect {
        criterion: "PAT-005",
        sentence: "no entry can be changed, removed or replaced",
        judge: append_only,
    },
    Aspect {
        criterion: "PAT-005",
        sentence: "entries survive their tenant where that is declared",
        judge: survive,
    },
    Aspect {
        criterion: "PAT-005",
        sentence: "the entries of a deleted user stay, without an actor",
        judge: without_actor,
    },
];

fn judge(
    subject: &Subject,
    saw: &str,
    look: impl Fn(&Populated<'_>, &Log<'_>) -> Result<Vec<Broken>, String>,
) -> Outcome {
    if subject.claims.audit.is_empty() {
        return Outcome::undeclared("no audit log is declared", "[[data.audit]]");
    }
    let (mut broken, mut unseen) = (Vec::new(), None);
    for claim in &subject.claims.audit {
        let populated = match Populated::of_anybody(subject) {
            Ok(populated) => populated,
            Err(outcome) => return outcome,
        };
        let found = log_of(subject, claim).and_then(|log| look(&populated, &log));
        match found {
            Ok(ways) => broken.extend(ways),
            Err(why) => unseen = Some(why),
        }
    }
    if let (true, Some(reason)) = (broken.is_empty(), unseen) {
        return Outcome::NotVerified {
            reason,
            key: Some("[[data.audit]]".to_owned()),
        };
    }
    Outcome::of(
        broken,
        format!("{}: {saw}", counted(subject.claims.audit.len(), "log")),
    )
}

fn by_application(claim: &Audit) -> Option<String> {
    let is_it = claim.writer == Writer::Application;
    is_it.then(|| {
        format!(
            "the application writes the entries of `{}`; nothing is judged on a guess",
            claim.log
        )
    })
}

fn entries(subject: &Subject) -> Outcome {
    judge(
        subject,
        "INSERT, UPDATE, DELETE, REPLACE and UPSERT left one entry each",
        |populated, log| {
            if let Some(reason) = by_application(log.claim) {
                return Err(reason);
            }
            let (mut broken, mut unseen) = (Vec::new(), None);
            for tracked in &log.tracks {
                for change in Change::all(populated, tracked)? {
                    let fresh = Populated::of_anybody(subject)
                        .map_err(|_same| "the rows cannot be made twice".to_owned())?;
                    match change.seen(&fresh, log, tracked) {
                        Ok(way) => broken.extend(way),
                        Err(why) => unseen = Some(why),
                    }
                }
            }
            match unseen {
                Some(why) if broken.is_empty() => Err(why),
                Some(_) => Ok(broken),
                None => {
                    if broken.is_empty() {
                        broken.extend(not_stood(subject, populated, log, Asked::Entries));
                    }
                    Ok(broken)
                }
            }
        },
    )
}

/// What an entry is chosen by: the one with the fewest NULLs, then by all that it holds but its key, which may be made by chance.
fn without_key(table: &Table, row: &Row) -> (usize, String) {
    let values = row
        .values
        .iter()
        .filter(|(column, _)| !table.primary_key.contains(column));
    let nulls = row
        .values
        .values()
        .filter(|value| **value == Value::Null)
        .count();
    (nulls, format!("{:?}", values.collect::<Vec<_>>()))
}

fn append_only(subject: &Subject) -> Outcome {
    judge(
        subject,
        "every attempt to change, remove or replace an entry left it as it was",
        |populated, log| {
            if populated.rows_where(log.table, "1").is_empty() {
                return Err(format!("no entry could be made in `{}`", log.table.name));
            }
            let (mut world, mut place) = (populated, 0);
            let mut anew: Populated<'_>;
            loop {
                // Keys may be made by chance: what is tried is thought of in the world in which it is tried.
                let rows = world.rows_where(log.table, "1");
                let mut chosen = rows.clone();
                chosen.sort_by_cached_key(|row| without_key(log.table, row));
                let Some(entry) = chosen.first() else { break };
                let target = Target {
                    populated: world,
                    table: log.table,
                    entry,
                    other: chosen.get(1),
                };
                let mut left = target.attacks().into_iter().skip(place);
                let accepted = left.find(|attack| {
                    place += 1;
                    world.world.run(attack, &[]).is_ok()
                });
                let Some(attack) = accepted else { break };
                let after = world.rows_where(log.table, "1");
                if !rows.iter().all(|row| after.contains(row)) {
                    let mut repeat = world.script(&[&log.table.name]);
                    repeat.push(written(&attack, &[]));
                    return Ok(vec![Broken {
                        object: format!("table {}", log.table.name),
                        expected: "entries stay as they were written".to_owned(),
                        saw: format!("this is accepted: {attack}"),
                        repeat,
                    }]);
                }
                anew = Populated::of_anybody(subject)
                    .map_err(|_same| "the rows cannot be made twice".to_owned())?;
                world = &anew;
            }
            let broken = not_stood(subject, world, log, Asked::Kept);
            Ok(broken.into_iter().collect())
        },
    )
}

fn survive(subject: &Subject) -> Outcome {
    judge(
        subject,
        "the entries of a deleted tenant are still there, or go as declared",
        |populated, log| {
            let outlives = super::tenancy::outlives(subject, &log.table.name);
            if !outlives || populated.tenants.keys.is_empty() {
                return Ok(Vec::new());
            }
            let tenancy = &populated.tenants.tenancy;
            let before = populated.rows(log.table, 0);
            if before.is_empty() {
                return Err(format!("the tenant has no entry in `{}`", log.table.name));
            }
            let sql = format!(
                "DELETE FROM {} WHERE {} = ?1",
                tenancy.tenants.quoted(),
                tenancy.key.quoted()
            );
            let key = vec![populated.tenants.keys[0].clone()];
            if let Err(refused) = populated.world.run(&sql, &key) {
                if !stands_in_the_way(populated, log, &before[0], &refused) {
                    return Err(format!("no tenant can be deleted: {}", refused.message));
                }
                let mut repeat = populated.script(&[&log.table.name, &tenancy.tenants]);
                repeat.push(written(&sql, &key));
                return Ok(vec![Broken {
                    object: format!("table {}", log.table.name),
                    expected: "the entries stay when their tenant is deleted".to_owned(),
                    saw: format!(
                        "they refer to what goes with it, so it cannot be deleted: {}",
                        refused.message
                    ),
                    repeat,
                }]);
            }
            let after = super::deletion::left_of(populated, log.table);
            let gone = before
                .iter()
                .filter(|row| !after.contains(&row.found()))
                .count();
            let mut repeat = populated.script(&[&log.table.name, &tenancy.tenants]);
            repeat.push(written(&sql, &key));
            Ok((gone > 0)
                .then(|| Broken {
                    object: format!("table {}", log.table.name),
                    expected: "the entries stay when their tenant is deleted".to_owned(),
                    saw: format!(
                        "{} gone",
                        counted(gone, "entry").replace("entrys", "entries")
                    ),
                    repeat,
                })
                .into_iter()
                .collect())
        },
    )
}

/// Whether a tenant cannot be deleted for its entries: they would have to go with it and cannot, or refer to it and stay.
fn stands_in_the_way(
    populated: &Populated<'_>,
    log: &Log<'_>,
    entry: &Row,
    refused: &Refused,
) -> bool {
    let has = |wanted: &dyn Fn(Action, &Name) -> bool| {
        let mut keys = log.table.foreign_keys.iter();
        keys.any(|key| {
            let names_one = key
                .columns
                .iter()
                .all(|name| entry.value(name) != Value::Null);
            names_one && wanted(key.on_delete, &key.parent)
        })
    };
    let delete = format!(
        "DELETE FROM {} WHERE {}",
        log.table.name.quoted(),
        entry.found()
    );
    // The guard of the log says the same when an entry is deleted by itself.
    let by_guard = has(&|action, _| action == Action::Cascade)
        && populated
            .try_out(&vec![(delete, Vec::new())])
            .is_err_and(|guard| guard.kind == RefusedBy::Trigger && guard == *refused);
    let tenants = &populated.tenants.tenancy.tenants;
    let by_reference = has(&|action, parent| refuses(action) && parent == tenants);
    by_guard || by_reference
}

/// Whether a row beside the log refers to a user and says that the user has to stay.
fn is_held_elsewhere(populated: &Populated<'_>, log: &Table, users: &Table, person: &Row) -> bool {
    let references = populated.schema.references_to(&users.name);
    let mut others =
        references.filter(|(child, key)| child.name != log.name && refuses(key.on_delete));
    others.any(|(child, key)| {
        let named = person.values_of(&key.parent_columns);
        let rows = populated.rows_where(child, "1");
        rows.iter().any(|row| row.values_of(&key.columns) == named)
    })
}

fn refuses(action: Action) -> bool {
    matches!(action, Action::NoAction | Action::Restrict)
}

fn without_actor(subject: &Subject) -> Outcome {
    judge(
        subject,
        "a deleted user's entries stayed, and name nobody",
        |populated, log| {
            let users = subject
                .claims
                .users
                .as_deref()
                .and_then(|users| subject.schema().table(users));
            let (Some(actor), Some(users)) = (&log.claim.actor, users) else {
                return Ok(Vec::new());
            };
            let actor = Name::new(actor);
            let Some(key) = users.primary_key.last() else {
                return Err(format!("`{}` has no primary key", users.name));
            };
            // A user who did something, or the entry that a first change of theirs leaves.
            let entries = logs(populated, log, &actor);
            let people = populated.rows_where(users, "1");
            let found = entries.iter().find_map(|entry| {
                let person = people
                    .iter()
                    .find(|person| person.value(key) == entry.value(&actor))?;
                Some((entry.clone(), person.clone()))
            });
            let Some((entry, person)) = found else {
                return Err(format!("no entry of `{}` names a user", log.table.name));
            };
            let sql = format!(
                "DELETE FROM {} WHERE {}",
                users.name.quoted(),
                person.found()
            );
            if let Err(refused) = populated.world.run(&sql, &[]) {
                let keys = log.table.foreign_keys.iter();
                let mut held = keys.filter(|key| key.columns.contains(&actor)).peekable();
                let is_by_log = held.peek().is_some()
                    && (held.any(|key| refuses(key.on_delete))
                        || !is_held_elsewhere(populated, log.table, users, &person));
                if !is_by_log {
                    return Err(format!("the user cannot be deleted: {}", refused.message));
                }
                let mut repeat = populated.script(&[&log.table.name, &users.name]);
                repeat.push(format!("{sql};"));
                return Ok(vec![Broken {
                    object: format!("table {}", log.table.name),
                    expected: "a user can be deleted, and the entries keep a null actor".to_owned(),
                    saw: format!("the deletion is refused: {}", refused.message),
                    repeat,
                }]);
            }
            let after = populated.rows_where(log.table, &entry.found());
            let saw = match after.first().map(|row| row.value(&actor)) {
                Some(Value::Null) => return Ok(Vec::new()),
                Some(still) => format!("the entry still names {}", literal((&still).into())),
                None => "the entry is gone".to_owned(),
            };
            let mut repeat = populated.script(&[&log.table.name, &users.name]);
            repeat.push(format!("{sql};"));
            Ok(vec![Broken {
                object: format!("table {}", log.table.name),
                expected: "the entries of a deleted user stay, with a null actor".to_owned(),
                saw,
                repeat,
            }])
        },
    )
}
