//! API-014: one format of times, whole numbers for money. Never judges a value that is no time or money.

use crate::aspect::Aspect;

/// What is judged of API-014.
pub(super) const ASPECTS: &[Aspect] = &[];
