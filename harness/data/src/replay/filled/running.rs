//! The statements of one file on the database with rows, those behind a failure included. Never tells what they did to rows: that is watched.

use super::{Database, may_remove};
use crate::catalog::Name;
use crate::engine::{Deed, Failure};
use crate::replay::Step;
use crate::replay::bare::drops_a_parent;
use crate::replay::mended::{self, has_no_parent, is_a_copy};
use crate::replay::watch::Watch;
use crate::text::find_word;
use std::collections::BTreeMap;

/// What became of the statements of a file.
pub(super) struct Ran {
    /// Those that failed for a reason of their own.
    pub(super) failures: Vec<(usize, Failure)>,
    /// Copies that failed and were run as they will be mended: what stands behind them is judged as if they were.
    pub(super) mended: BTreeMap<usize, String>,
    /// Whether the first one fails whatever the rows hold.
    pub(super) is_certain: bool,
}

impl Database {
    pub(super) fn run(&self, steps: &[(usize, &Step)], watch: &mut Watch) -> Ran {
        let mut failures: Vec<(usize, Failure)> = Vec::new();
        let mut mended: BTreeMap<usize, String> = BTreeMap::new();
        let mut is_certain = false;
        for (place, step) in steps {
            if !step.is_carried_out() {
                continue;
            }
            let is_behind = failures.len() > mended.len();
            if !is_behind {
                watch.look_before(&self.engine, step);
            }
            match step.run(&self.engine) {
                Ok(()) if !is_behind && (step.deeds.iter().any(may_remove) || replaces(step)) => {
                    watch.look(&self.engine, *place, step);
                }
                Ok(()) => {}
                // What follows a failure may fail for it; a column that cannot be added, or a table whose children are still there
                // because nothing but copies failed before, fails for itself.
                Err(why) if !is_behind && is_a_copy(steps, *place) => {
                    if let Some(sql) = mended::run(&self.engine, step, &why) {
                        mended.insert(*place, sql);
                    }
                    is_certain |= failures.is_empty() && has_no_parent(&self.engine, step, &why);
                    failures.push((*place, why));
                }
                Err(why)
                    if !is_behind
                        || why.message.starts_with("Cannot add a")
                        || drops_a_parent(step, &why)
                            && failures.iter().all(|(at, _)| is_a_copy(steps, *at)) =>
                {
                    is_certain |= failures.is_empty() && has_no_parent(&self.engine, step, &why);
                    failures.push((*place, why));
                }
                Err(_follows) => {}
            }
        }
        Ran {
            failures,
            mended,
            is_certain,
        }
    }
}

/// Whether a statement inserts rows in the place of those that have their keys: these are deleted first, and what refers to them goes along.
fn replaces(step: &Step) -> bool {
    let inserts = |deed: &Deed| matches!(deed, Deed::Insert(..));
    let word = find_word(&step.statement.sql, "replace", 0);
    word.is_some_and(|word| word.start < "insert or ".len() + 4) && step.deeds.iter().any(inserts)
}

/// The table of the first failure that is a DROP which children stop.
pub(super) fn dropped_parent<'f>(
    steps: &[(usize, &Step)],
    mut failures: impl Iterator<Item = &'f (usize, Failure)>,
) -> Option<Name> {
    failures.find_map(|(at, why)| {
        let (_, step) = steps.iter().find(|(place, _)| place == at)?;
        step.deeds
            .iter()
            .filter(|_| drops_a_parent(step, why))
            .find_map(dropped_table)
    })
}

fn dropped_table(deed: &Deed) -> Option<Name> {
    if let Deed::DropTable(table) = deed {
        Some(Name::new(table))
    } else {
        None
    }
}
