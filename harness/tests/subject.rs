//! The harness as its own subject: what it makes of scenarios that end in every way, of parts that die under it, and of any order. Never judges a backend.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, its helpers included, a panic that names the line is the failure wanted"
)]

#[path = "subject/losses.rs"]
mod losses;
#[path = "subject/order.rs"]
mod order;
#[path = "subject/stage.rs"]
mod stage;
#[path = "subject/streams.rs"]
mod streams;
