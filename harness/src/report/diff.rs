//! What has changed between two reports, criterion by criterion. Never runs anything and never judges a target itself.

use crate::contract::profile::Profile;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The part of a report that a comparison needs.
#[derive(Debug, Clone, Deserialize)]
pub struct Judged {
    /// Which contract was judged.
    pub contract_digest: String,
    /// What was judged.
    pub target: String,
    /// Its criteria.
    pub criteria: Vec<JudgedCriterion>,
}

/// One criterion of a report.
#[derive(Debug, Clone, Deserialize)]
pub struct JudgedCriterion {
    /// Its id.
    pub id: String,
    /// The profile that it belongs to; `core` in reports that do not say.
    #[serde(default = "core")]
    pub profile: String,
    /// Its verdict, as the JSON report spells it.
    pub verdict: String,
}

fn core() -> String {
    Profile::Core.to_string()
}

/// How a criterion's verdict moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Move {
    /// It is worse in the second report, or missing there.
    Regressed,
    /// It is better in the second report, or new there.
    Improved,
    /// Another verdict that is neither.
    Changed,
}

/// One criterion that two reports judge differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Its id.
    pub id: String,
    /// Where it moved.
    pub moved: Move,
    /// In the first report; `None` if it is not in there.
    pub before: Option<String>,
    /// In the second.
    pub after: Option<String>,
}

/// How good a verdict is to rely on; a verdict of a later version ranks with what is not verified.
fn rank(verdict: &str) -> u8 {
    match verdict {
        "passed" => 4,
        "not_applicable" | "accepted" => 3,
        "known" | "error" => 1,
        "failed" | "flaky" => 0,
        _ => 2,
    }
}

/// The criteria that the two judge differently, in order of their ids.
#[must_use]
pub fn differences(before: &Judged, after: &Judged) -> Vec<Difference> {
    let verdicts = |report: &Judged| -> BTreeMap<String, String> {
        let pairs = report.criteria.iter();
        pairs
            .map(|criterion| (criterion.id.clone(), criterion.verdict.clone()))
            .collect()
    };
    let (first, second) = (verdicts(before), verdicts(after));
    let mut ids: Vec<_> = first.keys().chain(second.keys()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.into_iter()
        .filter_map(|id| {
            let (before, after) = (first.get(id), second.get(id));
            let moved = match (before, after) {
                _ if before == after => return None,
                (Some(_), None) => Move::Regressed,
                (None, _) => Move::Improved,
                (Some(before), Some(after)) => match rank(after).cmp(&rank(before)) {
                    std::cmp::Ordering::Less => Move::Regressed,
                    std::cmp::Ordering::Greater => Move::Improved,
                    std::cmp::Ordering::Equal => Move::Changed,
                },
            };
            Some(Difference {
                id: id.clone(),
                moved,
                before: before.cloned(),
                after: after.cloned(),
            })
        })
        .collect()
}

/// For people: one line per difference and a last line that counts.
#[must_use]
pub fn text(before: &Judged, after: &Judged, found: &[Difference]) -> String {
    let mut out = String::new();
    if before.contract_digest != after.contract_digest {
        let _infallible = writeln!(
            out,
            "the two judge different contracts ({} and {}): a criterion may have got other scenarios",
            before.contract_digest, after.contract_digest
        );
    }
    let word = |verdict: &Option<String>| {
        verdict
            .as_deref()
            .map_or("absent".to_owned(), |verdict| verdict.replace('_', " "))
    };
    for one in found {
        let how = match one.moved {
            Move::Regressed => "regressed",
            Move::Improved => "improved",
            Move::Changed => "changed",
        };
        let _infallible = writeln!(
            out,
            "{how:<10} {:<8} {} -> {}",
            one.id,
            word(&one.before),
            word(&one.after)
        );
    }
    let count = |wanted: Move| found.iter().filter(|one| one.moved == wanted).count();
    let _infallible = writeln!(
        out,
        "{} -> {}: {} criteria, {} regressed, {} improved, {} changed otherwise",
        before.target,
        after.target,
        after.criteria.len(),
        count(Move::Regressed),
        count(Move::Improved),
        count(Move::Changed)
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(verdicts: &[(&str, &str)]) -> Judged {
        Judged {
            contract_digest: "d".to_owned(),
            target: "t".to_owned(),
            criteria: verdicts
                .iter()
                .map(|(id, verdict)| JudgedCriterion {
                    id: (*id).to_owned(),
                    profile: core(),
                    verdict: (*verdict).to_owned(),
                })
                .collect(),
        }
    }

    fn moved(before: &[(&str, &str)], after: &[(&str, &str)]) -> Vec<Move> {
        differences(&report(before), &report(after))
            .iter()
            .map(|one| one.moved)
            .collect()
    }

    #[test]
    fn equal_reports_do_not_differ() {
        assert!(
            moved(
                &[("A", "passed"), ("B", "failed")],
                &[("B", "failed"), ("A", "passed")]
            )
            .is_empty()
        );
    }

    #[test]
    fn whatever_can_be_relied_on_less_has_regressed() {
        for (before, after) in [
            ("passed", "failed"),
            ("passed", "not_verified"),
            ("passed", "accepted"),
            ("not_verified", "failed"),
            ("not_verified", "error"),
            ("passed", "a_word_of_a_later_version"),
        ] {
            assert_eq!(
                moved(&[("A", before)], &[("A", after)]),
                [Move::Regressed],
                "{before} {after}"
            );
            assert_eq!(
                moved(&[("A", after)], &[("A", before)]),
                [Move::Improved],
                "{after} {before}"
            );
        }
        assert_eq!(moved(&[("A", "passed")], &[]), [Move::Regressed]);
        assert_eq!(moved(&[], &[("A", "failed")]), [Move::Improved]);
        assert_eq!(
            moved(&[("A", "accepted")], &[("A", "not_applicable")]),
            [Move::Changed]
        );
    }
}
