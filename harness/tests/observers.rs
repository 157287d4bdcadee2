//! Every way to look at a target does the same, against real SQLite and against the shapes that Cloudflare answers in. Never asks Cloudflare.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

#[path = "observers/cloudflare.rs"]
mod cloudflare;
#[path = "observers/commands.rs"]
mod commands;
#[path = "observers/d1.rs"]
mod d1;
#[path = "observers/duties.rs"]
mod duties;
#[path = "observers/failures.rs"]
mod failures;
#[path = "observers/gateway_log.rs"]
mod gateway_log;
#[path = "observers/kv.rs"]
mod kv;
#[path = "observers/launched.rs"]
mod launched;
#[path = "observers/manifest.rs"]
mod manifest;
