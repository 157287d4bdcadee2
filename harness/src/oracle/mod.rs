//! Expected values, worked out independently of any backend. Never asks a target, never uses code of the reference.

pub mod d1_migrations;
pub mod sandbox_id;
pub mod schema;
pub mod vectors;
