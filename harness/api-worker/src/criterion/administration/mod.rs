//! API-009: what operators do is audited; flags and preferences resolve as they should. Never takes a decision from the target.

mod append_only;
mod audit;
mod flags;
mod preferences;
mod refused;

use crate::aspect::Aspect;

/// What is judged of API-009, by family.
pub(super) const FAMILIES: [&[Aspect]; 5] = [
    audit::ASPECTS,
    append_only::ASPECTS,
    flags::ASPECTS,
    preferences::ASPECTS,
    refused::ASPECTS,
];
