//! API-013: history that is not rewritten. Never writes into the target's database.

use crate::aspect::Aspect;

/// What is judged of API-013.
pub(super) const ASPECTS: &[Aspect] = &[];
