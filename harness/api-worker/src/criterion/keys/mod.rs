//! API-002: API keys. Never keeps a credential beyond its scene.

mod ending;
mod leaks;
mod refused;
mod rights;

use crate::aspect::Aspect;

/// What is judged of API-002, by family.
pub(super) const FAMILIES: [&[Aspect]; 4] = [
    leaks::ASPECTS,
    rights::ASPECTS,
    ending::ASPECTS,
    refused::ASPECTS,
];
