//! MIG-04: keys, references and CHECKs that a rebuilt table has no more. Never more than informs of what no later file makes again: a rebuild is the only way to take one away.

use super::left_behind::{Rebuilt, rebuilt};
use super::name_of;
use crate::catalog::{IndexOrigin, Name, Table};
use crate::finding::{Finding, Level};
use crate::subject::Subject;
use crate::text::{FileId, find_word};
use crate::tree;

pub(super) fn lost(subject: &Subject, findings: &mut Vec<Finding>) {
    for number in 0..subject.replay.files.len() {
        let file = FileId(number);
        for rebuilt in rebuilt(subject, file) {
            let Some(last) = subject.schema().tables.get(&rebuilt.new.name) else {
                continue;
            };
            for (lost, level) in lost_by(&rebuilt, last) {
                let message = format!(
                    "the rebuild of `{}` in `{}` leaves out {lost}",
                    rebuilt.name,
                    name_of(subject, file)
                );
                let object = format!("table {}: {lost}", rebuilt.name);
                findings.push(
                    Finding::new("MIG-04", level, object, message)
                        .at(
                            Some(rebuilt.drop.statement.span.clone()),
                            "goes with the old table",
                        )
                        .help("write it into the new table as well, unless it is meant to go"),
                );
            }
        }
    }
}

/// What the old table had, and neither the new one nor the one at the end has.
fn lost_by(rebuilt: &Rebuilt<'_>, last: &Table) -> Vec<(String, Level)> {
    let (old, new) = (&rebuilt.old, &rebuilt.new);
    let shown = |names: &[Name]| {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        names.join(", ")
    };
    let stays = |names: &[Name]| {
        let mut names = names.iter();
        names.all(|name| new.column(name).is_some() && last.column(name).is_some())
    };
    let mut lost = Vec::new();
    for index in old
        .indexes
        .iter()
        .filter(|index| index.origin == IndexOrigin::Unique)
    {
        let columns = index.key_columns(old);
        let holds = |table: &Table| {
            let mut keys = table.indexes.iter().filter(|index| index.unique);
            keys.any(|index| {
                index
                    .key_columns(table)
                    .iter()
                    .all(|name| columns.contains(name))
            }) || table.primary_key == columns
        };
        if !columns.is_empty() && stays(&columns) && !holds(new) {
            // Whoever makes it again later did not mean to take it away.
            let level = if holds(last) {
                Level::Warning
            } else {
                Level::Info
            };
            lost.push((format!("the unique key on {}", shown(&columns)), level));
        }
    }
    for key in &old.foreign_keys {
        let refers = |table: &Table| {
            let mut keys = table.foreign_keys.iter();
            keys.any(|other| other.columns.iter().any(|name| key.columns.contains(name)))
        };
        if stays(&key.columns) && !refers(new) && !refers(last) {
            let reference = format!(
                "the reference from {} to `{}`",
                shown(&key.columns),
                key.parent
            );
            lost.push((reference, Level::Info));
        }
    }
    if old.autoincrement && !new.autoincrement && !last.autoincrement {
        lost.push((
            "AUTOINCREMENT, so that ids of deleted rows are given again".to_owned(),
            Level::Info,
        ));
    }
    for column in old.columns.iter().filter(|column| column.default.is_some()) {
        let has_none = |table: &Table| {
            let own = table.column(&column.name);
            own.is_some_and(|own| own.not_null && own.default.is_none() && own.generated.is_none())
        };
        if has_none(new) && has_none(last) {
            let default = format!("the default of `{}`", column.name);
            lost.push((default, Level::Info));
        }
    }
    let checks = |table: &Table| tree::parse(&table.sql).map_or_else(Vec::new, |tree| tree.checks);
    let checks_of_new: Vec<_> = checks(new).into_iter().chain(checks(last)).collect();
    for (_, text) in checks(old) {
        let named: Vec<Name> = old
            .columns
            .iter()
            .map(|column| column.name.clone())
            .filter(|name| find_word(&text, name.as_str(), 0).is_some())
            .collect();
        let is_checked = |name: &Name| {
            let mut checks = checks_of_new.iter();
            checks.any(|(_, other)| find_word(other, name.as_str(), 0).is_some())
        };
        let is_gone = named.iter().all(|name| !is_checked(name));
        if !named.is_empty() && stays(&named) && is_gone && !new.strict {
            lost.push((format!("the CHECK on {}", shown(&named)), Level::Info));
        }
    }
    lost
}
