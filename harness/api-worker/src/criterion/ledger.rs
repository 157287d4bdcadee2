//! API-007: what was applied, and what was edited. Never writes into the target's database.

use crate::aspect::Aspect;

/// What is judged of API-007.
pub(super) const ASPECTS: &[Aspect] = &[];
