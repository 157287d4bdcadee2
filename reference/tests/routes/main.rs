//! The routes over real sockets, one module per route or gate. Never reaches beyond loopback.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

mod access;
mod bad_input;
mod chat;
mod client;
mod configuration;
mod fakes;
mod gates;
mod properties;
mod shutdown;
mod stage;
mod tenants;
