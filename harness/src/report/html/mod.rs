//! The report as one page to hand on: the verdict first, then what was found with its evidence, what makes the verdict weaker, and every criterion. Never fetches anything.
//!
//! The page stays below [`PAGE_LEN_MAX`]: findings have their evidence whole as long as there is room, what passed is folded, and
//! whatever is left out is said where it would stand. Text from outside is escaped, and what turns or hides text is made visible.

mod deviants;
mod exchange;
mod finding;
pub(crate) mod frame;
mod matrix;
mod outside;
mod plan;
mod scenario;
mod sequence;
mod timings;

use self::deviants::Teeth;
use self::matrix::{areas, class, level, link, sign};
use self::outside::{line, prose};
use self::plan::Plan;
use super::causes::{Cause, causes};
use super::story::{sentence, weaknesses};
use super::{CriterionReport, Report, text};
use crate::clock;
use crate::counted::counted;
use crate::verdict::{OutcomeKind, RunVerdict};
use maud::{Markup, PreEscaped, html};

/// Bytes of the page. Evidence: what mail gateways and chat tools show without a download is 1 MB.
pub const PAGE_LEN_MAX: usize = 1_000_000;

/// Bytes kept free for what is said about what was left out, and for secrets whose mask is longer than they are.
const RESERVE: usize = 8 * 1024;

/// Bytes of a page that has found nothing. Evidence: with every criterion and scenario in a line it has 250 KB, and is sent along in a chat.
const CALM_LEN_MAX: usize = 295_000;

/// The page.
#[must_use]
pub fn render(report: &Report) -> String {
    let teeth = Teeth::of(report);
    let areas = areas(report);
    let causes = causes(report);
    let heads: Vec<Markup> = report.criteria.iter().map(|one| head(one, teeth)).collect();
    let around = html! {
        (header(report)) (generated(report)) (weak(report)) (matrix::table(report, &areas, teeth)) (believed(report, teeth))
        (matrix::controls(report, &areas))
    };
    let empty = document(report, &html! {}).into_string().len();
    let fixed: usize = heads.iter().map(|head| head.0.len() + 160).sum();
    let used = empty + around.0.len() + fixed + RESERVE;
    let plan = Plan::new(
        report,
        &causes,
        PAGE_LEN_MAX.saturating_sub(used),
        CALM_LEN_MAX.saturating_sub(used),
    );
    let body = html! {
        (header(report))
        (found(&plan, &causes))
        (generated(report))
        (weak(report))
        (matrix::table(report, &areas, teeth))
        (believed(report, teeth))
        section.appendix aria-labelledby="criteria" {
            h2 id="criteria" { "Every criterion" }
            (left_out(&plan))
            p.paper { "On paper each criterion stands in a line; its scenarios and what they did are on the page on a screen, and in the JSON report." }
            (matrix::controls(report, &areas))
            @for (name, places) in &areas {
                section.group {
                    h3 { (name) }
                    @for &place in places { (criterion(&report.criteria[place], &heads[place], &plan.scenarios[place])) }
                }
            }
        }
    };
    document(report, &body).into_string()
}

fn document(report: &Report, body: &Markup) -> Markup {
    let title = format!(
        "{} {} · Moltproof",
        line(&report.target, 100),
        text::word(report.summary.verdict)
    );
    frame::document(
        &title,
        &html! {
            main id="main" tabindex="-1" { (body) }
            footer {
                p { "Isolation here means routing and identity; containers as a boundary against hostile code are out of scope." }
                p {
                    (report.harness) " · run " code { (report.run_id) } " · seed " (report.seed) " · contract " (report.contract_version) " " code { (report.contract_digest) }
                }
                p { "Secrets were taken out at capture. This page loads nothing and needs nothing else; the JSON report of the same run has everything." }
            }
        },
    )
}

/// The verdict, and what it is about.
fn header(report: &Report) -> Markup {
    let (tone, kicker) = match report.summary.verdict {
        RunVerdict::Conforms => ("good", "✓ Verdict"),
        RunVerdict::Violates => ("bad", "✗ Verdict"),
        RunVerdict::Known => ("warn", "◆ Verdict"),
        RunVerdict::Inconclusive => ("warn", "? Verdict"),
    };
    let summary = &report.summary;
    html! {
        header {
            (frame::over("conformance report"))
            div class={ "banner " (tone) } {
                p.kicker { (kicker) }
                h1 { (line(&report.target, 200)) " " (text::word(summary.verdict)) }
                p { (sentence(report)) }
                @for line in report.unjudged_lines() { p { (prose(&line, 400)) } }
            }
            dl.plate {
                div { dt { "Target" } dd { (line(&report.named, 200)) } }
                div { dt { "Build" } dd { @match &report.build { Some(build) => (line(build, 120)), None => "not told by the target" } } }
                div { dt { "Judged at" } dd { (clock::rfc3339(report.started_at_ms).split('.').next().unwrap_or_default().replace('T', " ")) " UTC" } }
                div { dt { "Contract" } dd { (report.contract_version) " · " code { (text::short(&report.contract_digest)) } } }
                div { dt { "Harness" } dd { (report.harness) } }
                @if report.profiles.is_empty() {
                    @for (level, tally) in [("MUST", &summary.must), ("SHOULD", &summary.should), ("MAY", &summary.may)] {
                        @if tally.total > 0 { div { dt { (level) } dd { (tally.passed) " of " (tally.total) " hold" } } }
                    }
                }
                @for one in &report.profiles {
                    div { dt { "Profile " (one.profile) } dd { (text::profile(one)) } }
                }
                div { dt { "Evidence" } dd { (text::made(summary)) } }
                div { dt { "Run" } dd { code { (report.run_id) } " · " (exchange::ms(report.duration_ms)) " · seed " (report.seed) } }
                div { dt { "Spent" } dd { (counted(report.spent.requests, "request")) ", " (counted(report.spent.model_calls, "model call")) } }
            }
        }
    }
}

/// What makes the verdict weaker.
fn weak(report: &Report) -> Markup {
    let all = weaknesses(report);
    html! {
        section aria-labelledby="weaker" {
            h2 id="weaker" { "What makes this verdict weaker" }
            @if all.is_empty() { p { "Nothing: the whole contract was run, and every criterion was verified." } }
            @else {
                ul.weak {
                    @for one in &all {
                        li {
                            strong { (one.title) }
                            ul {
                                @for (reason, ids) in &one.reasons {
                                    li { (prose(reason, 800)) @if !ids.is_empty() { br; @for id in ids { (link(id)) } } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What is broken: each cause whole, with the scenarios that saw the same.
fn found(plan: &Plan, causes: &[Cause<'_>]) -> Markup {
    html! {
        @if !causes.is_empty() {
            section aria-labelledby="found" {
                h2 id="found" { "What was found" }
                p.dim { (at_a_glance(causes)) }
                @if plan.findings_short > 0 {
                    p.dim { "So that this page stays small, " (counted(plan.findings_short, "finding")) " with a part of the evidence only; the JSON report has all of it." }
                }
                @for one in &plan.findings { (PreEscaped(one)) }
                @if causes.len() > finding::BRIEF_ON_PAPER_MAX {
                    p.paper { "On paper " (counted(causes.len() - finding::BRIEF_ON_PAPER_MAX, "more finding")) " with the criteria in the appendix only." }
                }
                p.paper { "On paper long texts end after some lines, and model calls, stores, log lines, times and further exchanges are left out; they are on the page on a screen, and in the JSON report." }
            }
        }
    }
}

/// How many causes there are, of what kinds.
fn at_a_glance(causes: &[Cause<'_>]) -> String {
    let count = |outcome: OutcomeKind| {
        let own = causes
            .iter()
            .filter(|cause| cause.first().scenario.outcome == outcome);
        own.count()
    };
    let kinds = [
        (count(OutcomeKind::Failed), "finding"),
        (count(OutcomeKind::Flaky), "flaky finding"),
        (count(OutcomeKind::Error), "error"),
    ];
    let kinds = kinds.into_iter().filter(|(count, _)| *count > 0);
    let kinds: Vec<String> = kinds.map(|(count, noun)| counted(count, noun)).collect();
    format!(
        "{}; what was seen in several scenarios is told once, and what explains most stands first.",
        kinds.join(", ")
    )
}

fn left_out(plan: &Plan) -> Markup {
    html! {
        @if plan.calm_short > 0 {
            p.dim { "So that this page stays small, what holds is told in a line: of " (counted(plan.calm_short, "scenario")) " the JSON report has steps and exchanges." }
        }
    }
}

/// What stands of a criterion before its scenarios.
fn head(criterion: &CriterionReport, teeth: Teeth) -> Markup {
    html! {
        summary {
            span class={ "pill " (class(criterion.verdict)) } { (sign(criterion.verdict)) " " (criterion.verdict.word()) }
            h4 { strong.s { (criterion.id) } " " span.level { (criterion.level.word()) } " " span.s { (prose(&criterion.sentence, 2000)) } }
        }
        @if !criterion.reason.is_empty() { p.s { (prose(&criterion.reason, 600)) } }
        p.dim {
            @if !criterion.source.is_empty() { code { (criterion.source) } " · " }
            "profile " (criterion.profile) " · " (counts(criterion))
            @match teeth.of_criterion(&criterion.id) {
                Some(0) => " · no deviant tests this check",
                Some(1) => " · this check is itself tested by one backend that breaks the criterion",
                Some(count) => { " · this check is itself tested by " (count) " backends that break the criterion" }
                None => "",
            }
        }
    }
}

fn counts(criterion: &CriterionReport) -> String {
    let kinds = [
        OutcomeKind::Passed,
        OutcomeKind::Failed,
        OutcomeKind::Flaky,
        OutcomeKind::Error,
        OutcomeKind::Known,
        OutcomeKind::Accepted,
        OutcomeKind::Unmet,
        OutcomeKind::NotVerified,
        OutcomeKind::NotApplicable,
        OutcomeKind::NotSelected,
    ];
    let count = |kind: OutcomeKind| {
        let is_kind = criterion.scenarios.iter().filter(|one| one.outcome == kind);
        let count = is_kind.count();
        (count > 0).then(|| format!("{count} {}", kind.word()))
    };
    let counts: Vec<_> = kinds.into_iter().filter_map(count).collect();
    format!("scenarios: {}", counts.join(", "))
}

fn criterion(criterion: &CriterionReport, head: &Markup, scenarios: &[String]) -> Markup {
    let is_relevant = criterion.scenarios.iter().any(scenario::is_case);
    html! {
        details.row.relevant[is_relevant] id=(criterion.id) data-verdict=(class(criterion.verdict)) data-level=(level(criterion.level)) data-area={ (criterion.letters()) " · " (criterion.area()) } open[is_relevant] {
            (head)
            div.body { @for one in scenarios { (PreEscaped(one)) } }
        }
    }
}

/// The generated checks and what they left out.
fn generated(report: &Report) -> Markup {
    html! {
        @if !report.generated.is_empty() {
            section aria-labelledby="generated" {
                h2 id="generated" { "Generated checks" }
                p { "Beyond the written scenarios: what they find breaks criteria, what they do not find proves none." }
                @for one in &report.generated {
                    details.relevant[one.outcome.is_red()] id=(one.id) open[one.outcome.is_red()] {
                        summary { b { (one.outcome.word()) } " " strong { (one.id) } " " (one.name) ": " (counted(one.cases, "case")) ", " (counted(one.checks, "assertion")) ", seed " (one.seed) }
                        @if !one.criteria.is_empty() { p { "Breaks " @for id in &one.criteria { (link(id)) } } }
                        @for what in &one.left_out { p.dim { "Left out: " (line(what, 400)) } }
                        @if one.outcome != OutcomeKind::Passed { pre { (exchange::cut(&one.finding(report), 16 * 1024)) } }
                    }
                }
            }
        }
    }
}

/// Why a green may be believed.
fn believed(report: &Report, teeth: Teeth) -> Markup {
    let measured = teeth.measured();
    html! {
        section aria-labelledby="believed" {
            h2 id="believed" { "Can this verdict be wrong?" }
            p {
                "A criterion passes only if a scenario made its assertion, and a refusal is believed only beside the same request allowed. "
                "The checks are themselves measured: backends that each break one thing must turn the criteria they break red, servers that do nothing must pass nothing, and other correct backends must raise no alarm."
            }
            @if measured.is_empty() {
                p { "This report is of another contract than the one built into the program that made this page, so that its figures do not hold here; " code { "moltproof teeth" } " of " (report.harness) " measures them." }
            } @else {
                ul.tiles { @for figure in measured { li { (figure) } } }
                p.dim { "Measured when this version was made; " code { "moltproof teeth --report html" } " measures it anew and shows which assertion caught what." }
            }
        }
    }
}

#[cfg(test)]
mod tests;
