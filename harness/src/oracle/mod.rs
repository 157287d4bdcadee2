//! Expected values, worked out independently of any backend. Never asks a target, never uses code of the reference.

pub mod cache_control;
pub mod rate_window;
pub mod retry_after;
pub mod sandbox_id;
