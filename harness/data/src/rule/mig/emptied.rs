//! MIG-02: a table that is emptied by DELETE before it is made anew, and what goes with its rows. Never judges a DELETE that is meant for itself.

use super::copies::is_copied;
use super::rows_lost::dropped;
use crate::catalog::Name;
use crate::engine::Act;
use crate::replay::{Effect, ObjectKind};
use crate::subject::Subject;
use crate::text::{FileId, find_word};

/// The table whose rows a statement deletes, all of them and before the file drops it and makes it anew, where rows of another table go with them.
pub(super) fn emptied(subject: &Subject, file: FileId, effect: &Effect) -> Option<Name> {
    let step = &subject.replay.steps[effect.step];
    let sql = &step.statement.sql;
    find_word(sql, "delete", 0).filter(|word| word.start == 0)?;
    if find_word(sql, "where", 0).is_some() || effect.is_of_copy {
        return None;
    }
    let own = step.deeds.iter().filter(|deed| deed.trigger().is_none());
    let mut tables = own.filter_map(|deed| deed.table(Act::Delete));
    let parent = Name::new(tables.next()?);
    if parent == effect.table {
        return None;
    }
    // Rows that are copied are meant to stay, and so are those that belong to them; a child that the file drops by name is not.
    let steps = || subject.replay.steps_of(file);
    let is_child_dropped = steps().any(|(_, step)| dropped(step).as_ref() == Some(&effect.table));
    let first = subject.replay.files.get(file.0)?.start;
    if is_child_dropped || !is_copied(&subject.replay.steps[first..effect.step], &parent) {
        return None;
    }
    let mut later = steps().filter(|(place, _)| *place > effect.step);
    let is_dropped = later.any(|(_, step)| dropped(step).as_ref() == Some(&parent));
    let is_made_anew = later.any(|(_, step)| {
        let mut changes = step.changes.iter();
        changes.any(|change| {
            change.kind == ObjectKind::Table && change.name == parent && change.after.is_some()
        })
    });
    (is_dropped && is_made_anew).then_some(parent)
}
