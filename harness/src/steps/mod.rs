//! The words of the features. A step asks client, target, observers and oracles; it has no HTTP, SQL or waiting of its own.

use crate::run::book::Book;

/// Every step.
#[must_use]
pub fn all() -> Book {
    let mut book = Book::default();
    background::register(&mut book);
    access::register(&mut book);
    rate_limits::register(&mut book);
    gateway::register(&mut book);
    usage::register(&mut book);
    errors::register(&mut book);
    resolution::register(&mut book);
    security::register(&mut book);
    bindings::register(&mut book);
    identity::register(&mut book);
    isolation::register(&mut book);
    schema::register(&mut book);
    smoke::register(&mut book);
    patterns::register(&mut book);
    api_worker::register(&mut book);
    book
}

mod access;
mod api_worker;
mod background;
mod bindings;
mod errors;
mod gateway;
mod identity;
mod isolation;
pub(crate) mod operating;
mod patterns;
mod rate_limits;
mod resolution;
mod schema;
mod security;
mod smoke;
mod usage;
mod words;
