//! The rules of the contract as pure functions and types. Never does input or output, never asks the time.

pub mod chat;
pub mod completion;
pub mod error_code;
pub mod hostname;
pub mod json;
pub mod metadata;
pub mod names;
pub mod path;
pub mod routing;
pub mod sandbox_id;
pub mod sse;
pub mod tenant;
pub mod timestamp;
pub mod usage;
pub mod usage_cursor;
