//! The words of the features. A step asks client, target, observers and oracles; it has no HTTP, SQL or waiting of its own.

pub mod book;

use book::Book;

/// Every step.
#[must_use]
pub fn all() -> Book {
    let mut book = Book::default();
    background::register(&mut book);
    access::register(&mut book);
    rate_limits::register(&mut book);
    book
}

mod access;
mod background;
mod rate_limits;
