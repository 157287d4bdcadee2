//! The rules of the contract as pure functions and types. Never does input or output, never asks the time.

pub mod hostname;
pub mod sandbox_id;
pub mod tenant;
pub mod usage;
pub mod usage_cursor;
