//! API-005: the three views, recomputed from the raw rows. Never trusts the target's SQL.

use crate::aspect::Aspect;

/// What is judged of API-005.
pub(super) const ASPECTS: &[Aspect] = &[];
