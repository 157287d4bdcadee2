//! x

pub mod doubles;
