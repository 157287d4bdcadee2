//! Independent expected values: what the contract says comes out. Never asks an implementation.

pub(crate) mod cost;
pub(crate) mod dates;
pub(crate) mod rollout;
pub(crate) mod signature;
pub(crate) mod sums;
pub(crate) mod window;
