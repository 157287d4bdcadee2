//! What is red, for people: each cause once and whole, with the scenarios that saw the same below it. Never leaves one out.

use super::{DIM, RED, YELLOW, why};
use crate::report::causes::{Case, Cause, causes};
use crate::report::lines::Lines;
use crate::report::{GeneratedReport, Report, ScenarioReport};
use crate::verdict::Severity;
use std::fmt::Write as _;

/// Everything red in written scenarios.
pub(super) fn findings(out: &mut Lines, report: &Report) {
    for cause in causes(report) {
        finding(out, report, cause.first());
        others(out, &cause);
        out.blank();
    }
}

fn finding(out: &mut Lines, report: &Report, case: &Case<'_>) {
    let scenario = case.scenario;
    let line = scenario.step_line.unwrap_or(scenario.line);
    let step = report.step_said(scenario).unwrap_or(&scenario.name);
    out.put(
        0,
        &format!("{RED}{}:{line}{RED:#}  {step}", scenario.feature),
    );
    if let Some(step) = report.step_of(scenario) {
        out.table(4, &step.table);
        if let Some(block) = &step.block {
            out.put(4, block);
        }
    }
    out.put(
        2,
        &format!("{DIM}scenario{DIM:#} {}", report.name_of(scenario)),
    );
    said(out, scenario);
    let shape = if scenario.severity == Some(Severity::Shape) {
        " · kept, in another shape"
    } else {
        ""
    };
    for criterion in &case.criteria {
        let level = criterion.level.word();
        let (id, sentence) = (&criterion.id, &criterion.sentence);
        out.put(2, &format!("criterion {id} ({level}){shape}: {sentence}"));
    }
    if let Some(shown) = report.shown(scenario) {
        out.put(2, &format!("{DIM}{}{DIM:#}", shown.line()));
        out.command(2, &shown.exchange.curl);
    }
    for line in report.sql(scenario) {
        out.whole(2, line);
    }
    let id = &case.criteria[0].id;
    out.command(2, &report.repeat(id));
    out.command(2, &format!("moltproof explain {id}"));
}

fn said(out: &mut Lines, scenario: &ScenarioReport) {
    if let (Some(expected), Some(seen)) = (&scenario.expected, &scenario.seen) {
        out.put(2, &format!("expected {expected}"));
        out.put(2, &format!("saw {seen}"));
    }
    if let Some(reason) = &scenario.reason {
        out.put(2, &format!("{YELLOW}{}{YELLOW:#} {reason}", why(scenario)));
    }
}

/// The scenarios that are red for the same reason, a line for each criterion.
fn others(out: &mut Lines, cause: &Cause<'_>) {
    let Some(more) = cause.more() else {
        return;
    };
    out.put(2, &format!("{YELLOW}{more}{YELLOW:#}"));
    for (criterion, scenarios) in cause.others() {
        let mut text = format!("{} ({})", criterion.id, criterion.level.word());
        let mut feature = "";
        for scenario in scenarios {
            if feature == scenario.feature {
                let _infallible = write!(text, ", {}", scenario.line);
            } else {
                feature = &scenario.feature;
                let _infallible = write!(text, " {feature}:{}", scenario.line);
            }
        }
        out.put(4, &text);
    }
}

/// What generated checks found: the smallest sequence, and how to repeat it.
pub(super) fn generated(out: &mut Lines, report: &Report) {
    let is_red = |one: &&GeneratedReport| one.outcome.is_red();
    for one in report.generated.iter().filter(is_red) {
        out.put(0, &format!("{RED}{}{RED:#}  {}", one.id, one.name));
        for line in one.finding(report).lines() {
            let text = line.trim_start();
            let indent = line.len() - text.len();
            let is_command = ["curl ", "printf ", "moltproof "];
            if is_command.iter().any(|word| text.starts_with(word)) {
                out.command(indent, text);
            } else {
                out.put(indent, text);
            }
        }
        for id in &one.criteria {
            if let Some(criterion) = report.criteria.iter().find(|own| own.id == *id) {
                let level = criterion.level.word();
                let sentence = &criterion.sentence;
                out.put(2, &format!("criterion {id} ({level}): {sentence}"));
            }
        }
        out.blank();
    }
}
