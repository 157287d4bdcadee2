//! API-004: what a chat costs. Never takes a price from the target.

use crate::aspect::Aspect;

/// What is judged of API-004.
pub(super) const ASPECTS: &[Aspect] = &[];
