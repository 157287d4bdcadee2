//! One scenario: its finding with all evidence, or, if it found nothing, its steps and exchanges in lines. Never hides that something is left out.

use super::exchange::{cut, in_a_line, ms, whole};
use super::finding::facts;
use super::outside::{line, visible};
use super::{sequence, timings};
use crate::counted::counted;
use crate::report::{CriterionReport, Evidence, Report, ScenarioReport, StepReport};
use crate::verdict::OutcomeKind;
use maud::{Markup, html};
use std::borrow::Cow;
use std::fmt::Write as _;

/// Bytes of what was expected and seen where a finding has no room for more. Evidence: 800 findings of this length fit on the page.
const SAID_BRIEF_MAX: usize = 160;
/// The same beside whole evidence. Evidence: the longest that the catalogue of deviants leads to is a listing of 2 KiB.
const SAID_MAX: usize = 4096;
/// Bytes of a body of the decisive exchange, and of one beside it.
const BODY_MAX: usize = 8192;
const OTHER_BODY_MAX: usize = 2048;
/// Bytes of one of many things in a finding. Evidence: what it is about stands in its first words.
const ITEM_MAX: usize = 160;
/// Bytes of what was seen in a store. Evidence: a row of usage has 220.
const SAW_MAX: usize = 1600;
/// Bytes of a line that can be copied. Evidence: bodies are kept up to 4 KiB, and quoting makes them somewhat longer.
const CURL_MAX: usize = 16 * 1024;
/// Exchanges beside the decisive one that stand whole: those nearest to it.
const OTHERS_MAX: usize = 6;
/// Lines of exchanges, model calls, looks into stores and log lines of a finding; the last ones, which decide.
const LINES_MAX: usize = 40;

/// How much of a finding is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// What was expected and seen.
    Brief,
    /// With the decisive exchange.
    Decisive,
    /// With all.
    Whole,
}

/// Whether a scenario has a finding or a fault to show.
pub(super) fn is_case(scenario: &ScenarioReport) -> bool {
    scenario.outcome.is_red() || scenario.expected.is_some()
}

/// Where a scenario, or its step that ended it, stands.
pub(super) fn place(scenario: &ScenarioReport) -> String {
    match scenario.step_line.unwrap_or(scenario.line) {
        0 => scenario.feature.clone(),
        line => format!("{}:{line}", scenario.feature),
    }
}

/// A scenario with a finding that is told in the row of its criterion: a generated one, or one that somebody answers for.
pub(super) fn case(
    report: &Report,
    criterion: &CriterionReport,
    scenario: &ScenarioReport,
    depth: Depth,
) -> Markup {
    let evidence = report
        .evidence_of(scenario)
        .filter(|_| depth != Depth::Brief);
    html! {
        section class=(if scenario.outcome.is_red() { "case" } else { "case calm" }) {
            h4.s { (scenario.outcome.word()) ": " (line(report.name_of(scenario), 300)) }
            (facts(scenario))
            (said(report, scenario, depth))
            @if let Some(evidence) = evidence { div.evidence { (shown(report, criterion, scenario, evidence, depth)) } }
            @else if report.evidence_of(scenario).is_some() {
                p.dim { "Its evidence is left out here: the JSON report has it, and " code { (report.repeat(&criterion.id)) } " repeats it." }
            }
        }
    }
}

/// Step, expected and seen.
pub(super) fn said(report: &Report, scenario: &ScenarioReport, depth: Depth) -> Markup {
    let max = if depth == Depth::Brief {
        SAID_BRIEF_MAX
    } else {
        SAID_MAX
    };
    html! {
        dl.said {
            @if let Some(step) = report.step_said(scenario) { dt { "at the step" } dd { (cut(step, max)) } }
            @if let Some(expected) = &scenario.expected { dt { "expected" } dd.s { (cut(expected, max)) } }
            @if let Some(seen) = &scenario.seen { dt { "saw" } dd.s.saw { (cut(&listed(seen), max)) } }
            @if let Some(reason) = &scenario.reason { dt { "why" } dd.s { (cut(reason, max)) } }
        }
    }
}

/// A finding that lists many things with a line for each, none so long that it hides the next; any other as it is.
fn listed(seen: &str) -> Cow<'_, str> {
    match serde_json::from_str::<Vec<String>>(seen) {
        Ok(items) => Cow::Owned(
            items
                .iter()
                .map(|item| line(item, ITEM_MAX))
                .collect::<Vec<_>>()
                .join("\n"),
        ),
        Err(_no_list) => Cow::Borrowed(seen),
    }
}

/// What was seen in a store, a line for each row.
fn rows(saw: &str) -> String {
    let rows: Result<Vec<serde_json::Value>, _> = serde_json::from_str(saw);
    match rows {
        Ok(rows) if rows.len() > 1 => {
            let rows = rows.iter().map(|row| line(&row.to_string(), SAW_MAX / 4));
            cut(&rows.collect::<Vec<_>>().join("\n"), SAW_MAX)
        }
        Ok(_) | Err(_) => line(saw, SAW_MAX),
    }
}

/// The evidence below a finding; what goes deeper than the exchange is not printed on paper.
pub(super) fn shown(
    report: &Report,
    criterion: &CriterionReport,
    scenario: &ScenarioReport,
    evidence: &Evidence,
    depth: Depth,
) -> Markup {
    let finding = scenario.seen.as_ref().map(|seen| format!("saw {seen}"));
    html! {
        (steps(scenario, evidence))
        @if let Some(shown) = evidence.shown() {
            h4 {
                @if shown.has_decided { "The exchange that decided" } @else { "The last exchange" }
            }
            (whole(shown.exchange, BODY_MAX))
        }
        h4 { "Do it again" }
        (again(report, criterion, evidence))
        @if depth == Depth::Whole {
            div.deep {
                (sequence::figure(evidence, finding.as_deref()))
                (model_calls(evidence))
                (observations(evidence))
                (log_lines(evidence))
                (timings::figure(evidence))
                (others(evidence))
            }
        } @else if evidence.exchanges.len() > 1 {
            p.dim { (counted(evidence.exchanges.len() - 1, "more exchange")) " left out here: the JSON report has all." }
        }
        @for what in &evidence.left_out { p.dim { "Left out at capture: " (line(what, 300)) } }
    }
}

fn steps(scenario: &ScenarioReport, evidence: &Evidence) -> Markup {
    html! {
        @if !evidence.steps.is_empty() {
            h4 { "Steps" }
            ol.steps {
                @for step in &evidence.steps {
                    // A step holds unless the scenario ended at it.
                    li class=[(!step.held).then_some("no")] {
                        (if step.held { "✓ " } else if is_case(scenario) { "✗ " } else { "– " })
                        (line(step.said(), 400)) " " @if let Some(told) = &step.told { "→ " (line(told, 300)) " " } small { ":" (step.line) " · " (ms(step.duration_ms)) }
                        (table(step))
                    }
                }
            }
        }
    }
}

/// What stands below a step: its table or its text.
fn table(step: &StepReport) -> Markup {
    let rows = step.table.iter().take(LINES_MAX);
    html! {
        @if !step.table.is_empty() {
            table.below { @for row in rows { tr { @for cell in row { td { (line(cell, ITEM_MAX)) } } } } }
            (left_out(step.table.len().saturating_sub(LINES_MAX), "row"))
        }
        @if let Some(block) = &step.block { pre { (cut(block, OTHER_BODY_MAX)) } }
    }
}

/// The lines that repeat it, each with a button.
fn again(report: &Report, criterion: &CriterionReport, evidence: &Evidence) -> Markup {
    html! {
        div.copies {
            @if let Some(decisive) = evidence.decisive_exchange() {
                @if decisive.curl.len() <= CURL_MAX && visible(&decisive.curl) == decisive.curl { (copied(&decisive.curl)) }
                @else {
                    p.dim { "The request is too long or holds characters that cannot be shown; the JSON report has its line as it is." }
                    div.line { pre { (cut(&decisive.curl, BODY_MAX)) } }
                }
            }
            @if !evidence.sql.is_empty() { (copied(&cut(&evidence.sql.join("\n"), CURL_MAX))) }
            (copied(&report.repeat(&criterion.id)))
            (copied(&format!("moltproof explain {}", criterion.id)))
        }
    }
}

fn copied(text: &str) -> Markup {
    html! {
        div.line {
            pre { code { (text) } }
            button.copy type="button" data-script hidden { "Copy" }
        }
    }
}

fn model_calls(evidence: &Evidence) -> Markup {
    let calls = &evidence.model_calls;
    let left = calls.len().saturating_sub(LINES_MAX);
    html! {
        @if !calls.is_empty() {
            h4 { "What the AI Gateway saw" }
            (left_out(left, "earlier model call"))
            div.scroll {
                table {
                    thead { tr { th scope="col" { "at" } th scope="col" { "model and path" } th scope="col" { "metadata" } th scope="col" { "outcome" } } }
                    tbody {
                        @for call in &calls[left..] {
                            tr {
                                td.id { (ms(call.at_ms)) }
                                td {
                                    (line(&call.model, 120)) br; code { (line(&call.path, 200)) }
                                    @if !call.headers.is_empty() {
                                        details { summary { "headers" } pre { @for (name, value) in &call.headers { (line(name, 100)) ": " (line(value, 400)) "\n" } } }
                                    }
                                }
                                td { @match &call.metadata { Some(text) => code { (line(text, 600)) }, None => "none" } }
                                td {
                                    (line(&call.outcome, 200))
                                    @if let Some(took) = call.duration_ms { " after " (ms(took)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn observations(evidence: &Evidence) -> Markup {
    let all = &evidence.observations;
    let left = all.len().saturating_sub(LINES_MAX);
    html! {
        @if !all.is_empty() {
            h4 { "What was seen in stores, before and after" }
            (left_out(left, "earlier look"))
            div.scroll {
                table {
                    thead { tr { th.id scope="col" { "at" } th.id scope="col" { "store" } th scope="col" { "asked" } th scope="col" { "saw" } } }
                    tbody {
                        @for one in &all[left..] {
                            tr {
                                td.id { (ms(one.at_ms)) }
                                td.id { (line(&one.store, 40)) }
                                td { code { (line(&one.asked, 600)) } }
                                td {
                                    code.rows { (rows(&one.saw)) }
                                    @if one.times > 1 { " " small { (one.times) " times" } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn log_lines(evidence: &Evidence) -> Markup {
    let all = &evidence.log_lines;
    let left = all.len().saturating_sub(LINES_MAX);
    html! {
        @if !all.is_empty() {
            h4 { "Lines of the target's log" }
            (left_out(left, "earlier line"))
            pre { @for one in &all[left..] { (one.number) " " (line(&one.text, 800)) "\n" } }
        }
    }
}

fn left_out(count: usize, what: &str) -> Markup {
    html! { @if count > 0 { p.dim { "Left out here: " (counted(count, what)) "; the JSON report has all." } } }
}

/// The exchanges beside the decisive one: the nearest whole, the others in lines.
fn others(evidence: &Evidence) -> Markup {
    let all = &evidence.exchanges;
    let decisive = evidence.decisive_exchange().map(|one| one.number);
    let at = all.iter().position(|one| Some(one.number) == decisive);
    let at = at.unwrap_or(all.len());
    let first_whole = at.saturating_sub(OTHERS_MAX - 1);
    let last_whole = (first_whole + OTHERS_MAX + 1).min(all.len());
    let first_line = first_whole.saturating_sub(LINES_MAX);
    let last_line = (last_whole + LINES_MAX).min(all.len());
    html! {
        @if all.len() > 1 {
            h4 { "The other exchanges" }
            (left_out(first_line, "earlier exchange"))
            @if first_line < first_whole { pre { (lines(evidence, first_line, first_whole)) } }
            @for one in &all[first_whole..last_whole] {
                @if Some(one.number) != decisive {
                    details {
                        summary { code { (in_a_line(one, &mut one.host.clone()).trim_end()) } }
                        (whole(one, OTHER_BODY_MAX))
                    }
                }
            }
            @if last_whole < last_line { pre { (lines(evidence, last_whole, last_line)) } }
            @if last_line < all.len() { (left_out(all.len() - last_line, "later exchange")) }
        }
    }
}

fn lines(evidence: &Evidence, from: usize, to: usize) -> String {
    let mut host = String::new();
    let shown = &evidence.exchanges[from..to];
    shown.iter().map(|one| in_a_line(one, &mut host)).collect()
}

/// A scenario without a finding in a line; with `room` bytes for its steps and exchanges, if it has any.
pub(super) fn calm(report: &Report, scenario: &ScenarioReport, room: usize) -> Markup {
    let evidence = report.evidence_of(scenario);
    let head = html! {
        @if scenario.outcome != OutcomeKind::Passed { b { (scenario.outcome.word()) ": " } }
        (line(&scenario.name, 200)) " "
        small {
            (scenario.feature.rsplit('/').next().unwrap_or_default()) ":" (scenario.line)
            @if let Some(evidence) = evidence {
                " · " (counted(scenario.checks, "assertion")) " · " (counted(evidence.exchanges.len() + evidence.unkept, "exchange")) " · " (ms(scenario.duration_ms))
            }
        }
        @if let Some(reason) = &scenario.reason { br; small { (line(reason, 300)) } }
    };
    let inside = evidence.map_or_else(String::new, |evidence| compact(evidence, room));
    html! {
        @if inside.is_empty() { p.q { (head) } }
        @else { details.q { summary { (head) } pre { (inside) } } }
    }
}

/// Steps and exchanges in lines within so many bytes, and a line that says what is left out.
fn compact(evidence: &Evidence, room: usize) -> String {
    if room == 0 {
        return String::new();
    }
    let mut text = String::new();
    for step in &evidence.steps {
        let mark = if step.held { '✓' } else { '–' };
        let _infallible = writeln!(text, "{mark} {}", line(step.said(), 160));
    }
    if text.len() > room {
        return String::new();
    }
    let mut host = String::new();
    for (place, one) in evidence.exchanges.iter().enumerate() {
        let next = in_a_line(one, &mut host);
        if text.len() + next.len() > room {
            let left = evidence.exchanges.len() - place;
            let _infallible = writeln!(
                text,
                "… {}: the JSON report has all",
                counted(left, "more exchange")
            );
            break;
        }
        text.push_str(&next);
    }
    text
}
