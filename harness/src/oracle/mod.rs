//! Expected values, worked out independently of any backend. Never asks a target, never uses code of the reference.

pub mod completion;
pub mod d1_migrations;
pub mod error_shape;
pub mod http_form;
pub mod leaks;
pub mod metadata;
pub mod routing;
pub mod sandbox_id;
pub mod schema;
pub mod usage;
pub mod vectors;
