//! API-006: development seed and production set-up. Never writes into the target's database.

use crate::aspect::Aspect;

/// What is judged of API-006.
pub(super) const ASPECTS: &[Aspect] = &[];
