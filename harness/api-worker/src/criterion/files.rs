//! API-012: seeds and set-up files, twice. Never writes into the target's database.

use crate::aspect::Aspect;

/// What is judged of API-012.
pub(super) const ASPECTS: &[Aspect] = &[];
