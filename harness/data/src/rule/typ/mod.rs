//! The rules of types: what a declared type promises and SQLite does not keep. Never judges values.

mod times;
mod values;

use super::Judge;

/// The judges of this family.
pub(super) const JUDGES: &[(&str, Judge)] = &[
    ("TYP-01", values::money_in_floats),
    ("TYP-02", times::of_two_formats),
    ("TYP-03", times::text_into_integers),
    ("TYP-04", values::unknown_type),
    ("TYP-05", values::length_that_is_no_limit),
    ("TYP-06", times::unchecked),
];
