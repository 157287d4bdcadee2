//! The rules of triggers and views. Never judges what a trigger is for, beyond append-only logs.

mod deaf;
mod every_row;
mod guards;
mod history;
mod prepares;
mod refusals;
mod splitting;

pub(super) use prepares::uses;

use super::Judge;

/// The judges of this family.
pub(super) const JUDGES: &[(&str, Judge)] = &[
    ("TRG-01", history::falsified),
    ("TRG-02", prepares::broken),
    ("TRG-03", splitting::cut),
    ("TRG-04", guards::replaceable),
    ("TRG-05", refusals::refuse_all),
    ("TRG-06", every_row::written),
];
