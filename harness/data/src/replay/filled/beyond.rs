//! Files that are not tried with rows, because they fail without any. Never says why.

use crate::engine::Failure;
use crate::replay::{Step, fails_for_its_own_reference};

/// Whether a statement failed on the empty database for a reason that only its author can mend. What D1 refuses can be left out, and what an
/// earlier file is to blame for is not there where D1 has undone that file.
pub(super) fn is_beyond_repair(steps: &[(usize, &Step)]) -> bool {
    let all = steps.iter().map(|(_, step)| *step);
    let fails = |step: &Step| {
        let mut failure = step.failure.iter();
        !step.is_unreferenced && failure.any(|failure| failure.refusal.is_none())
    };
    all.clone().any(fails) || fails_for_its_own_reference(&all)
}

/// Whether a statement misses a table, a view or a trigger, which hangs on no row.
pub(super) fn misses_an_object((_, failure): &(usize, Failure)) -> bool {
    let message = &failure.message;
    ["no such ", "error in "]
        .iter()
        .any(|start| message.starts_with(start))
}
