//! MIG-02: a table that is emptied by DELETE before it is made anew or filled again, and what goes with its rows. Never judges a DELETE that is meant for itself.

use super::copies::is_copied;
use super::rows_lost::dropped;
use crate::catalog::Name;
use crate::engine::Act;
use crate::replay::{Effect, ObjectKind, Step};
use crate::subject::Subject;
use crate::text::{FileId, find_word};

/// Why a file deletes all rows of a table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Emptied {
    /// The rows are elsewhere, and the table is dropped and made anew.
    MadeAnew,
    /// The rows are elsewhere, and come back into the same table.
    FilledAgain,
    /// Other rows take their place.
    Replaced,
}

/// The table whose rows a statement deletes, all of them and before the file makes it anew or writes rows again, where rows of another table go with them.
pub(super) fn emptied(subject: &Subject, file: FileId, effect: &Effect) -> Option<(Name, Emptied)> {
    let step = &subject.replay.steps[effect.step];
    let sql = &step.statement.sql;
    find_word(sql, "delete", 0).filter(|word| word.start == 0)?;
    if find_word(sql, "where", 0).is_some() || effect.is_of_copy {
        return None;
    }
    let parent = Name::new(own(step, Act::Delete).next()?);
    if parent == effect.table {
        return None;
    }
    // Rows that are copied are meant to stay, and so are those that belong to them; a child that the file drops by name is not.
    let steps = || subject.replay.steps_of(file);
    let is_child_dropped = steps().any(|(_, step)| dropped(step).as_ref() == Some(&effect.table));
    let first = subject.replay.files.get(file.0)?.start;
    if is_child_dropped {
        return None;
    }
    let is_copied = is_copied(&subject.replay.steps[first..effect.step], &parent);
    let later = || steps().filter(|(place, _)| *place > effect.step);
    if later().any(|(_, step)| dropped(step).as_ref() == Some(&parent)) {
        let is_made_anew = later().any(|(_, step)| {
            let mut changes = step.changes.iter();
            changes.any(|change| {
                change.kind == ObjectKind::Table && change.name == parent && change.after.is_some()
            })
        });
        return (is_copied && is_made_anew).then_some((parent, Emptied::MadeAnew));
    }
    let mut others = steps().filter(|(place, _)| *place != effect.step);
    let is_child_written = others.any(|(_, step)| {
        let mut written = own(step, Act::Delete).chain(own(step, Act::Insert));
        written.any(|table| effect.table == *table)
    });
    let is_filled = later().any(|(_, step)| own(step, Act::Insert).any(|table| parent == *table));
    (is_filled && !is_child_written).then_some(if is_copied {
        (parent, Emptied::FilledAgain)
    } else {
        (parent, Emptied::Replaced)
    })
}

/// The tables that a statement writes itself, not by a trigger.
fn own(step: &Step, act: Act) -> impl Iterator<Item = &str> {
    let deeds = step.deeds.iter().filter(|deed| deed.trigger().is_none());
    deeds.filter_map(move |deed| deed.table(act))
}
