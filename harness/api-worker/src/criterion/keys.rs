//! API-002: API keys. Never keeps a credential beyond its scene.

use crate::aspect::Aspect;

/// What is judged of API-002.
pub(super) const ASPECTS: &[Aspect] = &[];
