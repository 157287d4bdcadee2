//! Whose fault it is when upstream calls are not as a scenario has them. Never finds anything broken itself.

use crate::doubles::{Attempt, Outcome};
use crate::oracle::routing::{FREE_MODEL, PREMIUM_MODEL};
use crate::run::scene::Scene;

/// Whose fault it is that calls are not as they should be, where it is not that of the scenario's criteria: AIG-007 is about which models are
/// asked, AIG-009 about how long one is waited for, AIG-011 about what is tried again, whatever the model is.
pub(super) fn other_fault(s: &Scene, seen: &str, expected: &str) -> Option<&'static str> {
    let only = |id: &str| s.planned.criteria.iter().all(|own| own == id);
    let calls = |text: &str| -> Vec<Words> {
        let pairs = text.split(", ").filter_map(|call| call.split_once(' '));
        pairs
            .map(|(model, end)| (model.to_owned(), end.to_owned()))
            .collect()
    };
    let (seen, expected) = (calls(seen), calls(expected));
    if let Some(fault) = another_model(s, &seen, &expected) {
        // Which models enterprise tenants, workloads and changed tiers get is promised by themselves.
        let of_models = [fault, "AIG-006", "AIG-016", "AIG-022"];
        let mut own = s.planned.criteria.iter();
        let is_own = own.any(|id| of_models.contains(&id.as_str()));
        return (!is_own).then_some(fault);
    }
    let is_model = |model: &String| expected.iter().any(|(known, _)| known == model);
    let same_models = seen.iter().zip(&expected).all(|(a, b)| a.0 == b.0);
    let same_ends = seen.iter().zip(&expected).all(|(a, b)| a.1 == b.1);
    if only("AIG-007") && seen.iter().all(|(model, _)| is_model(model)) {
        return Some("AIG-010");
    }
    if only("AIG-009") && (!same_models || same_ends) {
        return Some(if same_models { "AIG-010" } else { "AIG-006" });
    }
    if only("AIG-011") && same_ends && seen.len() == expected.len() {
        return Some("AIG-005");
    }
    // A tier that has no second try, or no fallback, is routed otherwise; one that takes a failure as final is not.
    let has_no_second = only("AIG-006") && seen.len() == 1;
    let is_early = (only("AIG-010") || has_no_second) && gave_up_early(&seen, &expected);
    is_early.then_some("AIG-011")
}

/// A call by the features' words: the model, how it ended.
type Words = (String, String);

/// The criterion by which the first call ought to have gone to another model: which one a tier gets is promised by AIG-004 and AIG-005, unless
/// the caller has named the one that was asked. `None` where the first model is right, or where other things are wrong as well.
fn another_model(s: &Scene, seen: &[Words], expected: &[Words]) -> Option<&'static str> {
    let ((first, _), (own, _)) = (seen.first()?, expected.first()?);
    let is_strange = |model: &str| model.starts_with('@');
    let model = match first.as_str() {
        "8b" => FREE_MODEL,
        "70b" => PREMIUM_MODEL,
        other => other,
    };
    let is_all_else_right =
        seen.len() == expected.len() && seen.iter().zip(expected).all(|(a, b)| a.1 == b.1);
    // One that the contract does not have makes the rest of a sequence another one too.
    let is_another = if is_strange(first) {
        !is_strange(own)
    } else {
        first != own && [FREE_MODEL, PREMIUM_MODEL].contains(&model) && is_all_else_right
    };
    if !is_another || is_named(s, model) {
        return None;
    }
    Some(if own == "8b" { "AIG-004" } else { "AIG-005" })
}

/// Whether the caller has named a model; in a query the slashes of its name may be written otherwise.
fn is_named(s: &Scene, model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    let asked = s.exchanges.last().map(|answer| &answer.request);
    asked.is_some_and(|asked| asked.body.contains(name) || asked.path.contains(name))
}

/// Whether calls end with a failure that AIG-011 has tried again, though none of these is the plainest one, 500.
fn gave_up_early(seen: &[Words], expected: &[Words]) -> bool {
    let ends_so = seen
        .last()
        .is_some_and(|(_, end)| ["429", "503", "524", "timeout"].contains(&end.as_str()));
    seen.len() < expected.len() && ends_so && expected.starts_with(seen)
}

/// Whether calls end with a failure that is to be tried again, other than 500, which every backend knows that tries anything again.
pub(super) fn ends_otherwise_than_500(calls: &[Attempt]) -> bool {
    match calls.last().map(|call| call.outcome) {
        Some(Outcome::Answered(status)) => [429, 503, 524].contains(&status),
        Some(Outcome::TimedOut | Outcome::Hung) => true,
        Some(Outcome::Reset | Outcome::Cut | Outcome::InProgress) | None => false,
    }
}
