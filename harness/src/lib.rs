//! Moltproof: proves whether a multi-tenant Moltworker backend keeps its contract. It never takes an expected value from a target.

pub mod doubles;
