//! What stands on the page of each scenario, so that the page stays small: findings first, then what passed. Never drops a finding's sentence.

use super::finding::{finding, number_of, told_above};
use super::scenario::{Depth, calm, case, is_case};
use crate::report::causes::Cause;
use crate::report::{CriterionReport, Report, ScenarioReport};
use crate::verdict::{Level, Severity};
use std::collections::BTreeSet;

/// The scenarios of the page, rendered.
pub(super) struct Plan {
    /// What was found, by cause.
    pub(super) findings: Vec<String>,
    /// By criterion, then by scenario.
    pub(super) scenarios: Vec<Vec<String>>,
    /// Findings whose evidence is not whole.
    pub(super) findings_short: usize,
    /// Scenarios without a finding whose steps and exchanges are not all there.
    pub(super) calm_short: usize,
}

impl Plan {
    /// Everything that fits into so many bytes, of which what holds may fill `calm_room` together with the rest of the page.
    pub(super) fn new(
        report: &Report,
        causes: &[Cause<'_>],
        room: usize,
        calm_room: usize,
    ) -> Self {
        let told = |(at, cause)| finding(report, cause, at + 1, Depth::Brief).into_string();
        let mut plan = Self {
            findings: causes.iter().enumerate().map(told).collect(),
            scenarios: brief(report, causes),
            findings_short: 0,
            calm_short: 0,
        };
        let mut left = room.saturating_sub(plan.len());
        plan.deepen_findings(report, causes, &mut left);
        plan.deepen_known(report, causes, &mut left);
        let calm = calm_room.saturating_sub(plan.len());
        plan.deepen_calm(report, left.min(calm));
        plan
    }

    fn len(&self) -> usize {
        let all = self.scenarios.iter().flatten().chain(&self.findings);
        all.map(String::len).sum()
    }

    /// Whole evidence for the first findings, the decisive exchange for as many others as have room.
    fn deepen_findings(&mut self, report: &Report, causes: &[Cause<'_>], room: &mut usize) {
        let mut depths = vec![Depth::Brief; causes.len()];
        for depth in [Depth::Decisive, Depth::Whole] {
            for (at, cause) in causes.iter().enumerate() {
                if report.evidence_of(cause.first().scenario).is_none() {
                    depths[at] = Depth::Whole;
                    continue;
                }
                let more = finding(report, cause, at + 1, depth).into_string();
                let held = &mut self.findings[at];
                if more.len() <= *room + held.len() {
                    *room = *room + held.len() - more.len();
                    *held = more;
                    depths[at] = depth;
                }
            }
        }
        let is_short = |depth: &&Depth| **depth != Depth::Whole;
        self.findings_short = depths.iter().filter(is_short).count();
    }

    /// The same for findings that stand in the row of their criterion.
    fn deepen_known(&mut self, report: &Report, causes: &[Cause<'_>], room: &mut usize) {
        for (at, nth) in gravest_first(report, causes) {
            let criterion = &report.criteria[at];
            let scenario = &criterion.scenarios[nth];
            if report.evidence_of(scenario).is_none() {
                continue;
            }
            let more = case(report, criterion, scenario, Depth::Whole).into_string();
            let held = &mut self.scenarios[at][nth];
            if more.len() <= *room + held.len() {
                *room = *room + held.len() - more.len();
                *held = more;
            } else {
                self.findings_short += 1;
            }
        }
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
                if more.contains(": the JSON report has all") || more.len() == held.len() {
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
fn brief(report: &Report, causes: &[Cause<'_>]) -> Vec<Vec<String>> {
    let of_scenario = |criterion: &CriterionReport, scenario: &ScenarioReport| {
        let told = match number_of(causes, scenario) {
            Some((number, is_first)) => told_above(scenario, number + 1, is_first),
            None if is_case(scenario) => case(report, criterion, scenario, Depth::Brief),
            None => calm(report, scenario, 0),
        };
        told.into_string()
    };
    let of_criterion = |criterion: &CriterionReport| {
        let scenarios = criterion.scenarios.iter();
        scenarios.map(|one| of_scenario(criterion, one)).collect()
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

/// Findings that no cause tells of, those that break a MUST first, and of these those that nobody answers for.
fn gravest_first(report: &Report, causes: &[Cause<'_>]) -> Vec<(usize, usize)> {
    let cases = each(report).filter(|&(at, nth)| {
        let scenario = &report.criteria[at].scenarios[nth];
        is_case(scenario) && number_of(causes, scenario).is_none()
    });
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
