//! API-011: monitoring and debug queries. Never writes into the target's database.

use crate::aspect::Aspect;

/// What is judged of API-011.
pub(super) const ASPECTS: &[Aspect] = &[];
