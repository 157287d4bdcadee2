//! The steps of security. Never sends a secret that is worth anything, or a payload that would do lasting harm.

pub(super) mod canaries;
mod cursors;
mod hostile_host;
mod injection;
mod secrets;
mod untouched;

use crate::run::book::Book;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    hostile_host::register(book);
    secrets::register(book);
    injection::register(book);
    cursors::register(book);
    untouched::register(book);
}
