//! API-002: API keys. Never keeps a credential beyond its scene.

mod ending;
mod leaks;
mod rights;

use crate::aspect::Aspect;

/// What is judged of API-002, by family.
pub(super) const FAMILIES: [&[Aspect]; 3] = [leaks::ASPECTS, rights::ASPECTS, ending::ASPECTS];
