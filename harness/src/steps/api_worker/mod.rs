//! Steps of the profile `api-worker`: each aspect of a criterion is a sentence that moltproof-api-worker judges. Never judges an aspect itself.

use crate::run::book::{Args, Book};
use crate::run::scene::Scene;
use crate::verdict::{Check, Stop};
use moltproof_api_worker::aspects;

/// What every scenario of the profile begins from.
const GIVEN: &str = "the API worker that the target offers, with users and models of this scenario";

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    let sentences: Vec<String> = aspects()
        .iter()
        .map(|aspect| regex::escape(aspect.sentence))
        .collect();
    book.step(GIVEN, |s, _a| Box::pin(s.has_api_worker()));
    book.step(&format!("({})", sentences.join("|")), |s, a| {
        Box::pin(holds(s, a))
    });
}

async fn holds(s: &mut Scene, a: Args) -> Check {
    let aspect = aspects()
        .iter()
        .find(|aspect| aspect.sentence == a.text(1))
        .ok_or_else(|| Stop::Fault(format!("nothing judges `{}`", a.text(1))))?;
    s.judge_api_worker(aspect).await
}
