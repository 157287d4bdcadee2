//! The routes over real sockets, one module per route or gate. Never reaches beyond loopback.

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
