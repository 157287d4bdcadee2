//! MIG-01: statements that fail because a reference fits no key. Never blames a file for a reference that another one makes.

use crate::replay::{Step, fails_for_its_own_reference};
use crate::text::find_word;

/// Whether a reference of the file fits no key, though all that would make it fit was carried out, and the statement is the first of its file to fail.
pub(super) fn is_at_fault(earlier: &[Step], step: &Step) -> bool {
    let message = step
        .failure
        .as_ref()
        .map_or("", |failure| &*failure.message);
    let parent = message.split('"').nth(3);
    let mentions = |sql: &str| parent.is_none_or(|parent| find_word(sql, parent, 0).is_some());
    let mut failed = earlier.iter().filter(|earlier| earlier.failure.is_some());
    let is_in_file = |one: &&Step| one.statement.span.file == step.statement.span.file;
    let own = earlier
        .iter()
        .filter(is_in_file)
        .chain(std::iter::once(step));
    step.is_unreferenced
        && fails_for_its_own_reference(&own)
        && failed.all(|failed| {
            !is_in_file(&failed) && (failed.is_carried_out() || !mentions(&failed.statement.sql))
        })
}
