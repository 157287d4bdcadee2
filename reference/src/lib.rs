//! The reference implementation of the Moltworker Phase 1 contract.
//!
//! It keeps every promise of the contract with real parts: SQLite files for D1 and KV, a directory for R2, sockets for everything else.
//! It knows nothing of the harness that judges it, and has no switch that breaks a rule.

pub mod access_keys;
pub mod ai_gateway;
pub mod app;
pub mod backend;
pub mod bucket;
pub mod clock;
pub mod command;
pub mod config;
pub mod domain;
pub mod http;
pub mod kv;
pub mod limiter;
pub mod log;
pub mod ports;
pub mod sandbox;
pub mod server;
pub mod store;
pub mod upstream_client;
