//! MIG-03, MIG-04: tables that are made anew, and what they lose. Never judges their rows.

use super::{constraints, name_of};
use crate::catalog::Name;
use crate::finding::{Finding, Level, Patch};
use crate::replay::{Change, ObjectKind, Step};
use crate::rule::{proof, repair};
use crate::subject::Subject;
use crate::text::{FileId, find_word};
use crate::tree;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn renamed_away(subject: &Subject, findings: &mut Vec<Finding>) {
    let schema = subject.schema();
    for table in schema.tables.values() {
        let mut told = BTreeSet::new();
        for key in &table.foreign_keys {
            // Several references to one table break by one rename.
            if schema.tables.contains_key(&key.parent) || !told.insert(&key.parent) {
                continue;
            }
            let Some((step, old)) = renamed_to(subject, &key.parent) else {
                continue;
            };
            let message = format!(
                "renaming `{old}` out of the way took the references along: `{}` refers to `{}`, which is dropped, so every write to it fails",
                table.name, key.parent
            );
            let object = format!("table {}", table.name);
            findings.push(
                Finding::new("MIG-03", Level::Error, object, message)
                    .at(Some(step.statement.span.clone()), format!("`{}` follows this rename", table.name))
                    .related(subject.site_of(ObjectKind::Table, &table.name, "references"), "the reference")
                    .help(format!("make the new table under another name, copy, drop `{old}`, and rename the new one to `{old}`"))
                    .patched(repair::other_parent(subject, table, &key.parent, &old))
                    .proof(proof::of_dangling_reference(subject, table)),
            );
        }
    }
}

/// The step that renamed a table to this name, and the table's name before.
fn renamed_to<'s>(subject: &'s Subject, name: &Name) -> Option<(&'s Step, Name)> {
    let mut steps = subject.replay.steps.iter().rev();
    steps.find_map(|step| {
        let is_made = |change: &&Change| {
            change.kind == ObjectKind::Table && change.before.is_none() && &change.name == name
        };
        step.changes.iter().find(is_made)?;
        let is_gone = |change: &&Change| change.kind == ObjectKind::Table && change.after.is_none();
        let old = step.changes.iter().find(is_gone)?;
        Some((step, old.name.clone()))
    })
}

pub(super) fn loses_objects(subject: &Subject, findings: &mut Vec<Finding>) {
    constraints::lost(subject, findings);
    for number in 0..subject.replay.files.len() {
        let file = FileId(number);
        for lost in lost_in(subject, file) {
            if is_on_a_column_that_is_gone(subject, &lost) {
                continue;
            }
            let kind = if lost.change.kind == ObjectKind::Index {
                "index"
            } else {
                "trigger"
            };
            let Change { name, before, .. } = lost.change;
            let table = lost.table;
            let message = format!(
                "the rebuild of `{table}` in `{}` drops its {kind} `{name}` and does not make it again",
                name_of(subject, file)
            );
            let mut finding = Finding::new(
                "MIG-04",
                Level::Warning,
                format!("{kind} {name}"),
                message,
            )
            .at(
                Some(lost.step.statement.span.clone()),
                format!("`{name}` goes with the table"),
            )
            .help(format!(
                "create it again after the rename, or write DROP {} {name} if it is meant to go",
                kind.to_uppercase()
            ));
            if let Some(sql) = before {
                finding = finding.patch(Patch::Migration {
                    sql: format!("{sql};"),
                });
            }
            findings.push(finding);
        }
    }
}

/// Whether an index cannot be made again, because the rebuilt table has none of its columns any more.
fn is_on_a_column_that_is_gone(subject: &Subject, lost: &Lost<'_>) -> bool {
    let tree = lost.change.before.as_deref().and_then(tree::parse);
    let table = subject.schema().tables.get(lost.table);
    let (Some(tree), Some(table), ObjectKind::Index) = (tree, table, lost.change.kind) else {
        return false;
    };
    let names: Vec<&str> = tree.parts.iter().filter_map(tree::Node::column).collect();
    let is_gone = |name: &&str| table.column(&Name::new(name)).is_none();
    !names.is_empty() && names.iter().all(is_gone)
}

struct Lost<'s> {
    step: &'s Step,
    change: &'s Change,
    /// The table by the name that it has before and after the file.
    table: &'s Name,
}

/// Indexes and triggers that went with a table which the same file makes again, and did not come back.
fn lost_in(subject: &Subject, file: FileId) -> Vec<Lost<'_>> {
    let mut gone: Vec<Lost<'_>> = Vec::new();
    let mut rebuilt: BTreeMap<&Name, bool> = BTreeMap::new();
    for (_, step) in subject.replay.steps_of(file) {
        let dropped = super::rows_lost::dropped(step);
        for change in &step.changes {
            let is_table = change.kind == ObjectKind::Table;
            match (&change.before, &change.after) {
                (Some(_), None) if is_table && dropped.as_ref() == Some(&change.name) => {
                    rebuilt.insert(&change.name, false);
                }
                (None, Some(_)) if is_table => {
                    if let Some(again) = rebuilt.get_mut(&change.name) {
                        *again = true;
                    }
                }
                (Some(_), None) if dropped.as_ref() == Some(&change.table) => {
                    let table = &change.table;
                    gone.push(Lost {
                        step,
                        change,
                        table,
                    });
                }
                (_, Some(after)) => gone.retain(|lost| !is_same(lost.change, change, after)),
                (Some(_) | None, None) => {}
            }
        }
    }
    gone.retain(|lost| rebuilt.get(&lost.change.table) == Some(&true));
    gone.extend(lost_out_of_the_way(subject, file));
    gone.retain(|lost| !is_at_the_end(subject, lost.change));
    gone
}

/// The same for tables that are renamed out of the way, made anew under their name, and dropped then: what belongs to them follows the rename.
fn lost_out_of_the_way(subject: &Subject, file: FileId) -> Vec<Lost<'_>> {
    let mut lost = Vec::new();
    for (place, step) in subject.replay.steps_of(file) {
        let Some((old, away)) = renames(step) else {
            continue;
        };
        let behind = || {
            subject
                .replay
                .steps_of(file)
                .filter(move |(at, _)| *at > place)
        };
        let changes = || behind().flat_map(|(_, step)| &step.changes);
        let is_made_again = changes().any(|change| {
            change.kind == ObjectKind::Table && change.name == *old && change.before.is_none()
        });
        let drop =
            behind().find(|(_, step)| super::rows_lost::dropped(step).as_ref() == Some(away));
        let Some((dropped, drop)) = drop.filter(|_| is_made_again) else {
            continue;
        };
        for change in step.changes.iter().filter(|change| {
            change.kind != ObjectKind::Table && change.table == *away && change.before.is_some()
        }) {
            let comes_back = changes().any(|came| {
                let text = came.after.as_deref();
                text.is_some_and(|text| is_same(change, came, text))
            });
            let is_dropped = behind()
                .take_while(|(at, _)| *at < dropped)
                .any(|(_, step)| {
                    let mut gone = step.changes.iter().filter(|gone| gone.after.is_none());
                    gone.any(|gone| gone.kind == change.kind && gone.name == change.name)
                });
            if !comes_back && !is_dropped {
                lost.push(Lost {
                    step: drop,
                    change,
                    table: old,
                });
            }
        }
    }
    lost
}

/// The names of a table before and after a step that does nothing but rename it.
fn renames(step: &Step) -> Option<(&Name, &Name)> {
    let mut tables = step
        .changes
        .iter()
        .filter(|change| change.kind == ObjectKind::Table);
    let gone = |change: &&Change| change.after.is_none();
    let came = |change: &&Change| change.before.is_none();
    let old = tables.clone().find(gone)?;
    let new = tables.find(came)?;
    Some((&old.name, &new.name))
}

/// Whether what came is what went: the same name, or the same text behind the name.
fn is_same(lost: &Change, came: &Change, text: &str) -> bool {
    let rest = |sql: &str| {
        let on = find_word(sql, "on", 0).map_or(0, |word| word.start);
        let words: Vec<String> = sql[on..]
            .split(|letter: char| letter.is_whitespace() || "\"`[](),".contains(letter))
            .filter(|word| !word.is_empty())
            .map(str::to_ascii_lowercase)
            .collect();
        words
    };
    lost.kind == came.kind
        && (lost.name == came.name
            || lost
                .before
                .as_deref()
                .is_some_and(|before| rest(before) == rest(text)))
}

/// Whether a later file makes it again.
fn is_at_the_end(subject: &Subject, lost: &Change) -> bool {
    subject
        .replay
        .sites
        .contains_key(&(lost.kind, lost.name.clone()))
}
