//! API-009: audit, flags and preferences. Never takes a decision from the target.

use crate::aspect::Aspect;

/// What is judged of API-009.
pub(super) const ASPECTS: &[Aspect] = &[];
