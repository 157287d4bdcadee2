//! What a table of a file is called before the file and behind it. Never looks at its columns.

use super::{Change, ObjectKind, Step};
use crate::catalog::Name;

/// The name that a table has behind the file, if it is there then; it has this one at a step.
pub(super) fn at_the_end(steps: &[(usize, &Step)], place: usize, name: &str) -> Option<Name> {
    let mut behind = steps.iter().filter(|(at, _)| *at > place);
    behind.try_fold(Name::new(name), |name, (_, step)| {
        let Some((from, to)) = renamed(step) else {
            return (!is_dropped(step, &name)).then_some(name);
        };
        Some(if *from == name { to.clone() } else { name })
    })
}

/// The name that a table had before the file; it has this one at a step.
pub(super) fn at_the_start(steps: &[(usize, &Step)], place: usize, name: &str) -> Name {
    let before = steps.iter().filter(|(at, _)| *at < place).rev();
    before.fold(Name::new(name), |name, (_, step)| match renamed(step) {
        Some((from, to)) if *to == name => from.clone(),
        _ => name,
    })
}

fn tables(step: &Step) -> impl Iterator<Item = &Change> {
    let carried_out = step.changes.iter().filter(|_| step.is_carried_out());
    carried_out.filter(|change| change.kind == ObjectKind::Table)
}

fn is_dropped(step: &Step, name: &Name) -> bool {
    tables(step).any(|change| change.name == *name && change.after.is_none())
}

fn renamed(step: &Step) -> Option<(&Name, &Name)> {
    let from = tables(step).find(|change| change.after.is_none())?;
    let to = tables(step).find(|change| change.before.is_none())?;
    Some((&from.name, &to.name))
}
