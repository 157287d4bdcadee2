//! API-001: the fourteen tables, usage and conversations from end to end. Never judges a rule of another criterion.

use crate::aspect::Aspect;

/// What is judged of API-001.
pub(super) const ASPECTS: &[Aspect] = &[];
