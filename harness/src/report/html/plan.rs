//! What stands on the page of each scenario, so that the page stays small: findings first, then what passed. Never drops a finding's sentence.

use super::scenario::{Depth, calm, case, is_case};
use crate::report::Report;
use crate::verdict::{Level, Severity};
use std::collections::BTreeSet;

/// The scenarios of the page, rendered.
pub(super) struct Plan {
    /// By criterion, then by scenario.
    pub(super) scenarios: Vec<Vec<String>>,
    /// Findings whose evidence is not whole.
    pub(super) findings_short: usize,
    /// Scenarios without a finding whose steps and exchanges are not all there.
    pub(super) calm_short: usize,
}

impl Plan {
    /// Everything that fits into so many bytes.
    pub(super) fn new(report: &Report, room: usize) -> Self {
        let mut plan = Self {
            scenarios: brief(report),
            findings_short: 0,
            calm_short: 0,
        };
        let used: usize = plan.scenarios.iter().flatten().map(String::len).sum();
        let mut room = room.saturating_sub(used);
        plan.deepen_findings(report, &mut room);
        plan.deepen_calm(report, room);
        plan
    }

    /// Whole evidence for the gravest findings, the decisive exchange for as many others as have room.
    /// Half of the room first goes to decisive exchanges: a cause in every finding is worth more than everything about a few.
    fn deepen_findings(&mut self, report: &Report, room: &mut usize) {
        let order = gravest_first(report);
        let mut depths = vec![Depth::Brief; order.len()];
        for (depth, reserve) in [(Depth::Decisive, 0), (Depth::Whole, 0)] {
            for (turn, &(at, nth)) in order.iter().enumerate() {
                let criterion = &report.criteria[at];
                let scenario = &criterion.scenarios[nth];
                if report.evidence_of(scenario).is_none() {
                    depths[turn] = Depth::Whole;
                    continue;
                }
                let more = case(report, criterion, scenario, depth).into_string();
                let held = &mut self.scenarios[at][nth];
                if more.len() + reserve <= *room + held.len() {
                    *room = *room + held.len() - more.len();
                    *held = more;
                    depths[turn] = depth;
                }
            }
        }
        let is_short = |depth: &&Depth| **depth != Depth::Whole;
        self.findings_short = depths.iter().filter(is_short).count();
    }

    /// Steps and exchanges of what passed: each has its share of the room, and what one does not need goes to those after it.
    fn deepen_calm(&mut self, report: &Report, mut room: usize) {
        let all = each(report).filter(|&(at, nth)| {
            let scenario = &report.criteria[at].scenarios[nth];
            !is_case(scenario) && report.evidence_of(scenario).is_some()
        });
        let all: Vec<_> = first_of_each(report, all);
        for (turn, &(at, nth)) in all.iter().enumerate() {
            let share = room / (all.len() - turn);
            let scenario = &report.criteria[at].scenarios[nth];
            let held = &mut self.scenarios[at][nth];
            // Markup around the lines, and characters that are escaped, take a part of the share.
            let more = calm(report, scenario, share.saturating_sub(share / 8 + 120)).into_string();
            if more.len() <= held.len() + share {
                room = room + held.len() - more.len();
                if more.contains(" more exchanges: ") || more.len() == held.len() {
                    self.calm_short += 1;
                }
                *held = more;
            } else {
                self.calm_short += 1;
            }
        }
    }
}

/// Every scenario with no more than must be said of it.
fn brief(report: &Report) -> Vec<Vec<String>> {
    let of_criterion = |criterion: &crate::report::CriterionReport| {
        let of_scenario = |scenario: &crate::report::ScenarioReport| {
            if is_case(scenario) {
                case(report, criterion, scenario, Depth::Brief).into_string()
            } else {
                calm(report, scenario, 0).into_string()
            }
        };
        criterion.scenarios.iter().map(of_scenario).collect()
    };
    report.criteria.iter().map(of_criterion).collect()
}

/// Places of all scenarios: criterion, then scenario.
fn each(report: &Report) -> impl Iterator<Item = (usize, usize)> {
    let criteria = report.criteria.iter().enumerate();
    criteria.flat_map(|(at, criterion)| (0..criterion.scenarios.len()).map(move |nth| (at, nth)))
}

/// A scenario that proves several criteria has its evidence on the page once.
fn first_of_each(
    report: &Report,
    places: impl Iterator<Item = (usize, usize)>,
) -> Vec<(usize, usize)> {
    let mut seen = BTreeSet::new();
    places
        .filter(|&(at, nth)| {
            let key = &report.criteria[at].scenarios[nth].evidence;
            key.as_ref().is_none_or(|key| seen.insert(key))
        })
        .collect()
}

/// Findings, those that break a MUST first, and of these those that nobody answers for.
fn gravest_first(report: &Report) -> Vec<(usize, usize)> {
    let cases = each(report).filter(|&(at, nth)| is_case(&report.criteria[at].scenarios[nth]));
    let mut order: Vec<_> = first_of_each(report, cases);
    order.sort_by_key(|&(at, nth)| {
        let criterion = &report.criteria[at];
        let scenario = &criterion.scenarios[nth];
        (
            !scenario.outcome.is_red(),
            criterion.level != Level::Must,
            scenario.severity != Some(Severity::Breach),
        )
    });
    order
}
