//! Steps about usage rows: which there are, what they say, what becomes of them when D1 fails or the backend ends. Never judges routing.

mod control;
mod crowd;
mod gates;
mod outages;
mod rows;
mod shutdown;
mod timing;

use crate::run::book::Book;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    crowd::register(book);
    gates::register(book);
    outages::register(book);
    rows::register(book);
    shutdown::register(book);
    timing::register(book);
}
