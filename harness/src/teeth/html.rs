//! The kill matrix as one page that needs nothing else: the figures first, then what weakens them, then every row. Never fetches anything.

use super::kill::KilledBy;
use super::matrix::{DeviantRow, Fate, KillMatrix, NullRow, VariantRow};
use super::text::figures;
use crate::clock;
use crate::contract::profile::Profile;
use crate::evidence::cut;
use crate::reference::deviants::Kind;
use crate::report::html::frame;
use maud::{Markup, html};

/// Characters of an assertion that the page shows; the JSON has all. Evidence: whole answers made it larger than 1 MB.
const TEXT_MAX: usize = 300;

/// The page.
#[must_use]
pub fn render(matrix: &KillMatrix) -> String {
    let complaints = matrix.complaints();
    let unproven = matrix.unproven();
    let has_teeth = matrix.has_teeth();
    let headline = match (has_teeth, matrix.whole) {
        (true, true) => "The contract run has its teeth",
        (true, false) => "What was tried is caught: a part of the catalogue",
        (false, _) => "The contract run has gaps",
    };
    let body = html! {
        main id="main" tabindex="-1" {
            header {
                (frame::over("kill matrix"))
                h1 class=(if has_teeth { "good" } else { "bad" }) {
                    (headline)
                }
                (tiles(matrix))
                p.facts {
                    (matrix.harness) " · contract " code { (matrix.contract_digest.get(..12).unwrap_or_default()) }
                    " · " (clock::rfc3339(matrix.started_at_ms))
                    " · " (matrix.summary.duration_ms / 1000) " s · seed " (matrix.seed)
                }
            }
            @if !has_teeth {
                section {
                    h2 { "What is wrong" }
                    ul.complaints {
                        @if !unproven.is_empty() { li { "No deviant turned these red: " (unproven.join(" ")) } }
                        @for complaint in &complaints { li { (complaint) } }
                    }
                }
            }
            div.bar role="search" data-script hidden {
                input type="search" id="search" aria-label="Criterion, deviant or words" placeholder="Criterion, deviant or words";
                span id="shown" role="status" {}
            }
            (musts(matrix))
            @if !matrix.criteria.is_empty() { (recalls(matrix)) }
            section {
                h2 { (if matrix.profile == Profile::Data { "Databases that break one thing" } else { "Backends that break one thing" }) }
                @for row in &matrix.deviants { (deviant(row)) }
            }
            @if !matrix.null_servers.is_empty() { (nulls(&matrix.null_servers)) }
            (variants(&matrix.correct_variants))
        }
    };
    frame::document("Moltproof kill matrix", &body).into_string()
}

fn tiles(matrix: &KillMatrix) -> Markup {
    html! {
        ul.tiles {
            @for figure in figures(&matrix.summary) { li { (figure) } }
        }
    }
}

fn musts(matrix: &KillMatrix) -> Markup {
    html! {
        section {
            h2 { "Every MUST and what turned it red" }
            table {
                thead { tr { th.id scope="col" { "criterion" } th scope="col" { "deviants" } } }
                tbody {
                    @for (must, killers) in &matrix.musts {
                        tr.row class=[killers.is_empty().then_some("bad")] {
                            th.id scope="row" { (must) }
                            td {
                                @if killers.is_empty() { "none" }
                                @for killer in killers { a.chip href={ "#" (killer) } { (killer) } " " }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Every criterion, and every rule of databases, with how many of the deviants that were to break it did.
fn recalls(matrix: &KillMatrix) -> Markup {
    html! {
        section {
            h2 { (if matrix.rules.is_empty() { "Every criterion" } else { "Every criterion and every rule" }) }
            table {
                thead { tr { th.id scope="col" { (if matrix.rules.is_empty() { "criterion" } else { "criterion or rule" }) } th.number scope="col" { "seen" } th scope="col" { "deviants" } } }
                tbody {
                    @for (id, recall) in matrix.criteria.iter().chain(&matrix.rules) {
                        tr.row class=[recall.killed_by.is_empty().then_some("bad")] {
                            th.id scope="row" { (id) }
                            td.number { (recall.killed_by.len()) " of " (recall.deviants) }
                            td {
                                @if recall.killed_by.is_empty() { "none" }
                                @for killer in &recall.killed_by { a.chip href={ "#" (killer) } { (killer) } " " }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn deviant(row: &DeviantRow) -> Markup {
    let killed = row.verdict == Fate::Killed;
    let kind = match row.kind {
        Kind::Ports => "ports",
        Kind::Wire => "wire",
        Kind::Schema => "schema",
    };
    html! {
        details.row.relevant id=(row.id) open[!killed] {
            summary {
                span class=(if killed { "verdict good" } else { "verdict bad" }) {
                    @if killed { "killed" } @else { "survived" }
                }
                " " strong { (row.breaks) }
                " " span.dim { (row.id) " · " (kind) " · " (row.expected.join(" ")) }
            }
            @for (criterion, instead) in &row.missed {
                p.bad { (criterion) " did not turn red: " (instead) }
            }
            @if let Some(excuse) = &row.excuse { p.dim { "May survive: " (excuse) } }
            @for red in &row.killed_by { (assertion(red)) }
            @for (id, why) in &row.false_blame { p.bad { "Falsely blamed for " (id) ": " (why) } }
            @if !row.also_red.is_empty() { p.dim { "Also red: " (row.also_red.join(" ")) } }
        }
    }
}

fn assertion(red: &KilledBy) -> Markup {
    html! {
        dl {
            dt { (red.criterion) } dd { code { (red.at) } " " (red.step) }
            dt { "scenario" } dd { (red.scenario) }
            dt { "expected" } dd { (cut(&red.expected, TEXT_MAX)) }
            dt { "saw" } dd { (cut(&red.seen, TEXT_MAX)) }
        }
    }
}

fn nulls(rows: &[NullRow]) -> Markup {
    html! {
        section {
            h2 { "Servers that do nothing" }
            table {
                thead { tr { th scope="col" { "server" } th scope="col" { "MUST passed" } th scope="col" { "MUST failed" } } }
                tbody {
                    @for row in rows {
                        tr.row class=[(!row.musts_passed.is_empty()).then_some("bad")] {
                            th scope="row" { (row.does) " " span.dim { (row.id) } }
                            td { (row.musts_passed.len()) " " (row.musts_passed.join(" ")) }
                            td { (row.musts_failed) @if let Some(why) = &row.ruined { " " (why) } }
                        }
                    }
                }
            }
        }
    }
}

fn variants(rows: &[VariantRow]) -> Markup {
    html! {
        section {
            h2 { "Correct backends of other habits" }
            table {
                thead { tr { th scope="col" { "backend" } th scope="col" { "passed" } th scope="col" { "false alarms" } th scope="col" { "could not be told" } } }
                tbody {
                    @for row in rows {
                        tr.row class=[(!row.false_alarms.is_empty() || row.ruined.is_some()).then_some("bad")] {
                            th scope="row" { (row.does) " " span.dim { (row.id) } }
                            td { (row.passed) }
                            td {
                                (row.false_alarms.len())
                                @for (id, why) in &row.false_alarms { p { (id) ": " (why) } }
                                @if let Some(why) = &row.ruined { p { (why) } }
                            }
                            td { @for (id, why) in &row.not_verified { p { (id) ": " (why) } } }
                        }
                    }
                }
            }
        }
    }
}
