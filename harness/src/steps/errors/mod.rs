//! The steps of errors: provoking them, and judging their shape, codes and silence. Never asserts a message.

mod envelope;
mod escapes;
mod inside;
mod provoke;
mod routes;
mod whole_run;

use crate::run::book::Book;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    envelope::register(book);
    escapes::register(book);
    inside::register(book);
    provoke::register(book);
    routes::register(book);
    whole_run::register(book);
}
