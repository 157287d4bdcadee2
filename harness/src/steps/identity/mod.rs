//! Steps of the sandbox id: derivation, refusal of wrong ones, spellings. Never takes the expected id from the target.

mod changes;
mod derivation;
mod spelling;
mod wrong_id;

use super::book::Book;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    derivation::register(book);
    changes::register(book);
    spelling::register(book);
    wrong_id::register(book);
}
