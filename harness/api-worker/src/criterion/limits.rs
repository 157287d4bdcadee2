//! API-003: rate limits of three windows. Never waits for a window to end.

use crate::aspect::Aspect;

/// What is judged of API-003.
pub(super) const ASPECTS: &[Aspect] = &[];
