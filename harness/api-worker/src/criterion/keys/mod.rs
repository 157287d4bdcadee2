//! API-002: API keys. Never keeps a credential beyond its scene.

mod ending;
mod leaks;
mod refused;
mod rights;
mod told;

use crate::aspect::Aspect;

/// What is judged of API-002, by family.
pub(super) const FAMILIES: [&[Aspect]; 5] = [
    leaks::ASPECTS,
    told::ASPECTS,
    rights::ASPECTS,
    ending::ASPECTS,
    refused::ASPECTS,
];
