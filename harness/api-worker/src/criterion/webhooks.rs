//! API-010: deliveries of webhooks. Never lets a webhook go anywhere but to the receiver.

use crate::aspect::Aspect;

/// What is judged of API-010.
pub(super) const ASPECTS: &[Aspect] = &[];
