//! API-008: retention and daily statistics. Never judges at a time that others use.

use crate::aspect::Aspect;

/// What is judged of API-008.
pub(super) const ASPECTS: &[Aspect] = &[];
