//! The worker's routes from outside, with a real database and everything else under the tests' control. Never shares a worker between tests.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

mod bad_input;
mod chats;
mod clocks;
mod hostile;
mod properties;
mod stage;
mod table;
mod webhooks;
