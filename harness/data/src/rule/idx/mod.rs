//! The rules of indexes that cost writes and serve nothing. Never asks for an index: that is FK's, TEN's and QRY's.

mod constant;
mod twice;
mod unused;

use super::Judge;

/// The judges of this family.
pub(super) const JUDGES: &[(&str, Judge)] = &[
    ("IDX-01", twice::covered_by_an_index),
    ("IDX-02", twice::covered_by_a_constraint),
    ("IDX-03", unused::of_few_values),
    ("IDX-04", unused::partial_that_no_query_implies),
    ("IDX-05", constant::of_a_string),
];
