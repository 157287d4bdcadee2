//! Expected values, worked out independently of any backend. Never asks a target, never uses code of the reference.

pub mod cache_control;
pub mod completion;
pub mod d1_migrations;
pub mod error_shape;
pub mod http_form;
pub mod leaks;
pub mod metadata;
pub mod rate_window;
pub mod retry_after;
pub mod routing;
pub mod sandbox_id;
pub mod schema;
pub mod usage;
pub mod vectors;
