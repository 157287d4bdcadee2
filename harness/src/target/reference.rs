//! The reference as a target.
