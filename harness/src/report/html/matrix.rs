//! The criteria by area at a glance, each a link with its verdict as sign and colour, and the controls that filter them. Never leaves a criterion out.

use super::deviants::Teeth;
use crate::report::{CriterionReport, Report};
use crate::verdict::{Level, Verdict};
use maud::{Markup, html};

/// Every verdict, as a reader wants to meet them.
const VERDICTS: [Verdict; 8] = [
    Verdict::Failed,
    Verdict::Flaky,
    Verdict::Error,
    Verdict::NotVerified,
    Verdict::Known,
    Verdict::Accepted,
    Verdict::NotApplicable,
    Verdict::Passed,
];

/// The verdict as a sign that needs no colour.
pub(super) fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "✓",
        Verdict::Failed => "✗",
        Verdict::Flaky => "≈",
        Verdict::Known => "◆",
        Verdict::Accepted => "±",
        Verdict::NotVerified => "?",
        Verdict::NotApplicable => "–",
        Verdict::Error => "!",
    }
}

/// The verdict as a class and as the filter's word.
pub(super) fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "failed",
        Verdict::Flaky => "flaky",
        Verdict::Known => "known",
        Verdict::Accepted => "accepted",
        Verdict::NotVerified => "not_verified",
        Verdict::NotApplicable => "not_applicable",
        Verdict::Error => "error",
    }
}

/// The level as a class.
pub(super) fn level(level: Level) -> &'static str {
    match level {
        Level::Must => "must",
        Level::Should => "should",
        Level::May => "may",
    }
}

/// The criteria of each area, in the order of the first of them.
pub(super) fn areas(report: &Report) -> Vec<(String, Vec<usize>)> {
    let mut areas: Vec<(String, Vec<usize>)> = Vec::new();
    for (place, criterion) in report.criteria.iter().enumerate() {
        let area = format!("{} · {}", criterion.letters(), criterion.area());
        match areas.iter_mut().find(|(name, _)| *name == area) {
            Some((_, places)) => places.push(place),
            None => areas.push((area, vec![place])),
        }
    }
    areas
}

/// The table.
pub(super) fn table(report: &Report, areas: &[(String, Vec<usize>)], teeth: Teeth) -> Markup {
    html! {
        section aria-labelledby="areas" {
            h2 id="areas" { "By area" }
            ul.legend {
                @for verdict in present(report) { li { (sign(verdict)) " " (verdict.word()) } }
                li { "dashed: SHOULD" } li { "dotted: MAY" }
            }
            table.area {
                @if teeth.of_criterion("").is_some() {
                    caption { "Deviants are backends that break a criterion of the area on purpose: they test its checks." }
                }
                thead { tr {
                    th scope="col" { "area" } th scope="col" { "criteria" }
                    th.number scope="col" { "hold" }
                    @if teeth.of_criterion("").is_some() { th.number scope="col" { "deviants" } }
                } }
                tbody {
                    @for (name, places) in areas {
                        tr {
                            th scope="row" { (name) }
                            td { @for &place in places { (chip(&report.criteria[place])) } }
                            td.number { (held(report, places)) " of " (places.len()) }
                            @if let Some(count) = deviants(report, places, teeth) { td.number { (count) } }
                        }
                    }
                }
            }
        }
    }
}

fn present(report: &Report) -> Vec<Verdict> {
    let is_there = |verdict: &Verdict| report.criteria.iter().any(|one| one.verdict == *verdict);
    VERDICTS.into_iter().filter(is_there).collect()
}

fn held(report: &Report, places: &[usize]) -> usize {
    let holds = |place: &&usize| report.criteria[**place].verdict == Verdict::Passed;
    places.iter().filter(holds).count()
}

fn deviants(report: &Report, places: &[usize], teeth: Teeth) -> Option<usize> {
    places
        .iter()
        .map(|&place| teeth.of_criterion(&report.criteria[place].id))
        .sum()
}

fn chip(criterion: &CriterionReport) -> Markup {
    let number = criterion.id.rsplit('-').next().unwrap_or_default();
    let label = format!(
        "{} {}, {}",
        criterion.id,
        criterion.verdict.word(),
        criterion.level.word()
    );
    html! {
        a class={ "chip " (class(criterion.verdict)) " " (level(criterion.level)) } href={ "#" (criterion.id) } aria-label=(label) title=(label) {
            (sign(criterion.verdict)) " " (number)
        }
    }
}

/// A link to a criterion from a sentence.
pub(super) fn link(id: &str) -> Markup {
    html! { a.chip href={ "#" (id) } { (id) } " " }
}

/// Search and filters; hidden until the script is there to serve them.
pub(super) fn controls(report: &Report, areas: &[(String, Vec<usize>)]) -> Markup {
    let levels = [Level::Must, Level::Should, Level::May];
    let has = |wanted: &Level| report.criteria.iter().any(|one| one.level == *wanted);
    let count = |verdict| {
        report
            .criteria
            .iter()
            .filter(|one| one.verdict == verdict)
            .count()
    };
    html! {
        div.bar role="search" data-script hidden {
            input type="search" id="search" aria-label="Search id, sentence or finding" placeholder="Search id, sentence or finding";
            fieldset role="group" aria-label="Verdict" {
                @for verdict in present(report) {
                    button type="button" aria-pressed="false" data-by="verdict" data-is=(class(verdict)) {
                        (sign(verdict)) " " (verdict.word()) " " (count(verdict))
                    }
                }
            }
            fieldset role="group" aria-label="Level" {
                @for one in levels.into_iter().filter(|one| has(one)) {
                    button type="button" aria-pressed="false" data-by="level" data-is=(level(one)) { (one.word()) }
                }
            }
            select data-by="area" aria-label="Area" {
                option value="" { "all areas" }
                @for (name, _) in areas { option { (name) } }
            }
            button type="button" id="reset" { "Show all" }
            span id="shown" role="status" {}
        }
    }
}
