//! Steps about the AI Gateway: what is asked of it, what it answers, what the caller is told. Never judges usage rows.

mod answers;
mod bodies;
mod calls;
mod faults;
mod headers;
mod metadata;
mod operator;
mod phases;
mod prompts;
mod replies;
mod streams;
mod timing;

pub(super) use calls::{last_answering, model_word};
pub(super) use prompts::{chat_body, prompt};
pub(super) use replies::parse_tokens;

use crate::run::book::Book;

/// The text of every answer, scripted or not.
pub(super) const TEXT: &str = "Hello.";

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    answers::register(book);
    bodies::register(book);
    calls::register(book);
    headers::register(book);
    metadata::register(book);
    operator::register(book);
    phases::register(book);
    prompts::register(book);
    replies::register(book);
    streams::register(book);
    timing::register(book);
}
