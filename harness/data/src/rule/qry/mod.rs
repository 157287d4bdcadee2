//! The rules of declared statements. Never judges a statement that is not declared, but for texts in double quotes and NOT IN.

mod copied;
mod fails;
mod not_in;
mod null;
mod nullable;
mod quoted;
mod scans;
#[cfg(test)]
mod tests;
mod times;

use super::Judge;
pub(super) use fails::proof;

/// The judges of this family.
pub(super) const JUDGES: &[(&str, Judge)] = &[
    ("QRY-01", scans::not_served),
    ("QRY-02", times::compared),
    ("QRY-03", fails::not_prepared),
    ("QRY-04", fails::text_in_double_quotes),
    ("QRY-05", not_in::never_true),
    ("QRY-06", null::compared),
];
