//! Steps of the profile `data`: each aspect of a criterion is a sentence that moltproof-data judges. Never judges an aspect itself.

use crate::run::book::{Args, Book};
use crate::run::scene::Scene;
use crate::verdict::{Check, Stop};
use moltproof_data::check;

/// What every scenario of the profile begins from.
const GIVEN: &str =
    "the database that the target declares, replayed in memory with rows of two tenants";

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    let sentences: Vec<String> = check::aspects()
        .iter()
        .map(|aspect| regex::escape(aspect.sentence))
        .collect();
    if sentences.is_empty() {
        return;
    }
    book.step(GIVEN, |s, _a| Box::pin(s.has_database()));
    book.step(&format!("({})", sentences.join("|")), |s, a| {
        Box::pin(holds(s, a))
    });
}

async fn holds(s: &mut Scene, a: Args) -> Check {
    let aspect = check::aspects()
        .iter()
        .find(|aspect| aspect.sentence == a.text(1))
        .ok_or_else(|| Stop::Fault(format!("nothing judges `{}`", a.text(1))))?;
    s.judge(aspect).await
}
