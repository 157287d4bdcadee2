//! Whose fault it is when upstream calls are not as a scenario has them. Never finds anything broken itself.

use crate::doubles::{Attempt, Outcome};
use crate::oracle::routing::{FREE_MODEL, PREMIUM_MODEL};
use crate::run::scene::Scene;

/// Whose fault it is that calls are not as they should be, where it is not that of the scenario's criteria: AIG-007 is about which models are
/// asked, AIG-009 about how long one is waited for, AIG-011 about what is tried again, whatever the model is.
pub(super) fn other_fault(s: &Scene, seen: &str, expected: &str) -> Option<&'static str> {
    let only = |id: &str| s.planned.criteria.iter().all(|own| own == id);
    let calls = |text: &str| -> Vec<(String, String)> {
        let pairs = text.split(", ").filter_map(|call| call.split_once(' '));
        pairs
            .map(|(model, end)| (model.to_owned(), end.to_owned()))
            .collect()
    };
    let (seen, expected) = (calls(seen), calls(expected));
    // A model that the contract does not have, in the place of the tier's own: what tier gets which is AIG-004's and AIG-005's,
    // unless the caller has named it.
    let is_named = |model: &str| {
        let asked = s.exchanges.last().map(|answer| &answer.request);
        // In a query the slashes of its name may be written otherwise.
        let name = model.rsplit('/').next().unwrap_or(model);
        asked.is_some_and(|asked| asked.body.contains(name) || asked.path.contains(name))
    };
    let is_strange = |model: &str| model.starts_with('@') && !is_named(model);
    if let (Some((first, _)), Some((own, _))) = (seen.first(), expected.first())
        && is_strange(first)
        && !is_strange(own)
    {
        let fault = if own == "8b" { "AIG-004" } else { "AIG-005" };
        // Which model an enterprise tenant gets is AIG-006's.
        let is_own = s
            .planned
            .criteria
            .iter()
            .any(|id| id == fault || id == "AIG-006");
        return (!is_own).then_some(fault);
    }
    // Another tier's model in the place of this one's, all else being as it should: likewise.
    if let (Some((first, _)), Some((own, _))) = (seen.first(), expected.first())
        && first != own
        && ["8b", "70b"].contains(&first.as_str())
        && !is_named(if first == "8b" {
            FREE_MODEL
        } else {
            PREMIUM_MODEL
        })
        && seen.len() == expected.len()
        && seen.iter().zip(&expected).all(|(a, b)| a.1 == b.1)
    {
        let fault = if own == "8b" { "AIG-004" } else { "AIG-005" };
        let models = [fault, "AIG-006", "AIG-016", "AIG-022"];
        let is_own = s
            .planned
            .criteria
            .iter()
            .any(|id| models.contains(&id.as_str()));
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

/// Whether calls end with a failure that AIG-011 has tried again, though none of these is the plainest one, 500.
fn gave_up_early(seen: &[(String, String)], expected: &[(String, String)]) -> bool {
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
