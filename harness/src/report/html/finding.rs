//! One cause of findings: told whole once, with the scenarios that saw the same below it. Never leaves one of them out.

use super::matrix::link;
use super::outside::{line, prose};
use super::scenario::{Depth, place, said, shown};
use crate::counted::counted;
use crate::report::causes::{Case, Cause};
use crate::report::{Report, ScenarioReport};
use crate::verdict::Severity;
use maud::{Markup, html};

/// Findings that stand whole on paper. Evidence: one takes about a page, and what was found is meant to fit on fifteen.
const ON_PAPER_MAX: usize = 9;
/// Findings that stand on paper at all before the appendix: five without their evidence fit on a page.
pub(super) const BRIEF_ON_PAPER_MAX: usize = 24;

/// A finding with this number, from 1.
pub(super) fn finding(report: &Report, cause: &Cause<'_>, number: usize, depth: Depth) -> Markup {
    let case = cause.first();
    let scenario = case.scenario;
    let evidence = report
        .evidence_of(scenario)
        .filter(|_| depth != Depth::Brief);
    let paper = match number {
        0..=ON_PAPER_MAX => "case",
        10..=BRIEF_ON_PAPER_MAX => "case brief-on-paper",
        _ => "case not-on-paper",
    };
    html! {
        section class=(paper) id={ "finding-" (number) } {
            h3 { (number) ". " (scenario.outcome.word()) ": " (line(report.name_of(scenario), 300)) }
            @for criterion in &case.criteria {
                p { (link(&criterion.id)) span.level { (criterion.level.word()) } " " (prose(&criterion.sentence, 600)) }
            }
            (facts(scenario))
            (said(report, scenario, depth))
            @if let Some(evidence) = evidence { div.evidence { (shown(report, case.criteria[0], scenario, evidence, depth)) } }
            @else if report.evidence_of(scenario).is_some() { (left_out(report, case)) }
            (others(cause))
        }
    }
}

fn left_out(report: &Report, case: &Case<'_>) -> Markup {
    html! {
        p.dim { "Its evidence is left out here: the JSON report has it, and " code { (report.repeat(&case.criteria[0].id)) } " repeats it." }
    }
}

/// Where it stands, and how grave it is.
pub(super) fn facts(scenario: &ScenarioReport) -> Markup {
    html! {
        p.dim {
            code { (place(scenario)) } " · " (counted(scenario.checks, "assertion")) " held before · " (super::exchange::ms(scenario.duration_ms))
            @match scenario.severity {
                Some(Severity::Breach) => " · the promise is broken",
                Some(Severity::Shape) => " · the promise is kept, in another form",
                None => "",
            }
        }
    }
}

/// The scenarios that are red for the same reason, a line for each criterion.
fn others(cause: &Cause<'_>) -> Markup {
    html! {
        @if let Some(more) = cause.more() {
            div.others {
                h4 { (upper(&more)) }
                ul {
                    @for (criterion, scenarios) in cause.others() {
                        li {
                            (link(&criterion.id)) span.level { (criterion.level.word()) } " "
                            small { (places(&scenarios)) }
                        }
                    }
                }
            }
        }
    }
}

/// Feature and lines.
fn places(scenarios: &[&ScenarioReport]) -> String {
    let (mut text, mut feature) = (String::new(), "");
    for scenario in scenarios {
        if feature == scenario.feature {
            text.push_str(", ");
        } else {
            feature = &scenario.feature;
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(feature);
            text.push(':');
        }
        text.push_str(&scenario.line.to_string());
    }
    text
}

fn upper(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// What stands in a criterion's row of a scenario that is told whole elsewhere.
pub(super) fn told_above(scenario: &ScenarioReport, number: usize, is_first: bool) -> Markup {
    html! {
        p.q {
            b { (scenario.outcome.word()) ": " } (line(&scenario.name, 200)) " "
            small { (scenario.feature.rsplit('/').next().unwrap_or_default()) ":" (scenario.line) }
            " · " a href={ "#finding-" (number) } {
                @if is_first { "told above, number " (number) } @else { "the same as number " (number) " above" }
            }
        }
    }
}

/// Which cause tells of a scenario, from 0, and whether it is the one that is told whole.
pub(super) fn number_of(causes: &[Cause<'_>], scenario: &ScenarioReport) -> Option<(usize, bool)> {
    let is_it = |case: &Case<'_>| {
        let own = case.scenario;
        own.line == scenario.line
            && own.feature == scenario.feature
            && own.outcome == scenario.outcome
    };
    let at = causes
        .iter()
        .position(|cause| cause.cases.iter().any(is_it))?;
    Some((at, is_it(causes[at].first())))
}
