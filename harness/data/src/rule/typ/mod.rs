//! The rules of types: what a declared type promises and SQLite does not keep. Never judges values.

mod defaults;
mod mixed;
mod nulls;
mod times;
mod values;

use super::Judge;
use crate::finding::Finding;
use crate::subject::Subject;

/// The judges of this family.
pub(super) const JUDGES: &[(&str, Judge)] = &[
    ("TYP-01", values::money_in_floats),
    ("TYP-02", times_in_two_forms),
    ("TYP-03", defaults::text_into_integers),
    ("TYP-04", values::unknown_type),
    ("TYP-05", values::length_that_is_no_limit),
    ("TYP-06", times::unchecked),
    ("TYP-07", nulls::as_texts),
];

/// In two columns of a table, or in one.
fn times_in_two_forms(subject: &Subject, findings: &mut Vec<Finding>) {
    times::of_two_formats(subject, findings);
    mixed::in_one_column(subject, findings);
}
