//! The reference implementation of the API worker's contract: keys, rate limits, conversations, usage and cost, webhooks, jobs.
//!
//! It stands beside the reference of Phase 1, from which it takes the server, Access, the AI Gateway client and the store's foundation.
//! It knows nothing of the harness that judges it, and has no switch that breaks a rule.

pub mod app;
pub mod backend;
pub mod command;
pub mod config;
pub mod domain;
pub mod http;
pub mod store;
mod webhook_names;
pub mod webhook_sender;
