//! The report for people: verdict, findings, what stayed open. Never says less than the JSON.

use super::generated;
use super::{CriterionReport, GeneratedReport, ProfileReport, Report, ScenarioReport};
use crate::verdict::{Level, OutcomeKind, RunVerdict, Severity, Tally, Verdict};
use anstyle::{AnsiColor, Style};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

const RED: Style = AnsiColor::Red.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// The report as text with ANSI colours; the writer strips them where they do not belong.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    write(&mut out, report).unwrap_or_default();
    out
}

fn write(out: &mut String, report: &Report) -> fmt::Result {
    if let Some(first) = report.unjudged().or_else(|| report.judged_in_part()) {
        writeln!(out, "{YELLOW}{}{YELLOW:#}: {first}\n", report.target)?;
    }
    findings(out, report)?;
    generated_findings(out, report)?;
    declared(out, report)?;
    open(out, report)?;
    areas(out, report)?;
    generated_rows(out, report)?;
    headline(out, report)
}

/// What generated checks found: the smallest sequence, and how to repeat it.
fn generated_findings(out: &mut String, report: &Report) -> fmt::Result {
    let not_passed = |one: &&GeneratedReport| one.outcome.is_red();
    for one in report.generated.iter().filter(not_passed) {
        writeln!(out, "{RED}{}{RED:#}  {}", one.id, one.name)?;
        writeln!(out, "{}", one.finding(report))?;
        for id in &one.criteria {
            if let Some(criterion) = report.criteria.iter().find(|own| own.id == *id) {
                let level = criterion.level.word();
                writeln!(out, "  criterion {id} ({level}): {}", criterion.sentence)?;
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

fn generated_rows(out: &mut String, report: &Report) -> fmt::Result {
    if report.generated.is_empty() {
        return Ok(());
    }
    for (outcome, row) in generated::rows(report) {
        let colour = match outcome {
            Some(OutcomeKind::Passed) => GREEN,
            Some(outcome) if outcome.is_red() => RED,
            Some(_) => YELLOW,
            None => DIM,
        };
        let word = outcome.map_or("left out", OutcomeKind::word);
        writeln!(out, "{colour}{word}{colour:#} {row}")?;
    }
    writeln!(out)
}

fn findings(out: &mut String, report: &Report) -> fmt::Result {
    for criterion in &report.criteria {
        for scenario in criterion
            .scenarios
            .iter()
            // Generated findings are told once, for all their criteria.
            .filter(|scenario| scenario.line > 0 && scenario.outcome.is_red())
        {
            finding(out, report, criterion, scenario)?;
        }
    }
    Ok(())
}

fn finding(
    out: &mut String,
    report: &Report,
    criterion: &CriterionReport,
    scenario: &ScenarioReport,
) -> fmt::Result {
    let line = scenario.step_line.unwrap_or(scenario.line);
    let step = scenario.step.as_deref().unwrap_or(&scenario.name);
    writeln!(out, "{RED}{}:{line}{RED:#}  {step}", scenario.feature)?;
    writeln!(out, "  {DIM}scenario{DIM:#} {}", scenario.name)?;
    if let (Some(expected), Some(seen)) = (&scenario.expected, &scenario.seen) {
        writeln!(out, "  expected {expected}")?;
        writeln!(out, "  saw {seen}")?;
    }
    if let Some(reason) = &scenario.reason {
        writeln!(out, "  {YELLOW}{}{YELLOW:#} {reason}", why(scenario))?;
    }
    let shape = if scenario.severity == Some(Severity::Shape) {
        " · kept, in another shape"
    } else {
        ""
    };
    writeln!(
        out,
        "  criterion {} ({}){shape}: {}",
        criterion.id,
        criterion.level.word(),
        criterion.sentence
    )?;
    if let Some(exchange) = report.decisive(scenario) {
        writeln!(out, "  {}", exchange.curl)?;
    }
    for line in report.sql(scenario) {
        writeln!(out, "  {line}")?;
    }
    let again = report.repeat(&criterion.id);
    writeln!(out, "  moltproof explain {} · {again}\n", criterion.id)
}

/// What the reason of a scenario that is red tells.
pub(super) fn why(scenario: &ScenarioReport) -> &'static str {
    if scenario.outcome == OutcomeKind::Error {
        "error, no finding:"
    } else {
        "repeated:"
    }
}

/// What somebody answers for, and which of these declarations nothing met.
fn declared(out: &mut String, report: &Report) -> fmt::Result {
    let declared = report
        .criteria
        .iter()
        .filter(|criterion| matches!(criterion.verdict, Verdict::Known | Verdict::Accepted));
    for criterion in declared {
        writeln!(
            out,
            "{YELLOW}{}{YELLOW:#} {} ({}): {}",
            criterion.verdict.word(),
            criterion.id,
            criterion.level.word(),
            criterion.reason
        )?;
    }
    for warning in &report.warnings {
        writeln!(out, "{YELLOW}warning{YELLOW:#} {warning}")?;
    }
    Ok(())
}

/// What was not verified, grouped by reason: a reader provides one thing and gains many criteria.
fn open(out: &mut String, report: &Report) -> fmt::Result {
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for criterion in report
        .criteria
        .iter()
        .filter(|criterion| criterion.verdict == Verdict::NotVerified)
    {
        by_reason
            .entry(&criterion.reason)
            .or_default()
            .push(&criterion.id);
    }
    if !by_reason.is_empty() {
        writeln!(out, "{YELLOW}not verified{YELLOW:#}")?;
        for (reason, ids) in by_reason {
            writeln!(out, "  {reason}\n    {DIM}{}{DIM:#}", ids.join(" "))?;
        }
        writeln!(out)?;
    }
    let noted = |verdict| {
        report
            .criteria
            .iter()
            .filter(move |criterion| criterion.verdict == verdict && !criterion.reason.is_empty())
    };
    for criterion in noted(Verdict::NotApplicable) {
        writeln!(
            out,
            "{DIM}not applicable{DIM:#} {}: {}",
            criterion.id, criterion.reason
        )?;
    }
    for criterion in noted(Verdict::Passed) {
        writeln!(
            out,
            "{DIM}passed in part{DIM:#} {}: {}",
            criterion.id, criterion.reason
        )?;
    }
    Ok(())
}

fn areas(out: &mut String, report: &Report) -> fmt::Result {
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    for criterion in &report.criteria {
        let area = criterion
            .id
            .split_once('-')
            .map_or(criterion.id.as_str(), |(area, _)| area);
        tallies.entry(area).or_default().count(criterion.verdict);
    }
    writeln!(
        out,
        "{DIM}area   criteria  passed  failed  flaky  known  accepted  not verified  n/a  error{DIM:#}"
    )?;
    for (area, tally) in tallies {
        let Tally {
            total,
            passed,
            failed,
            flaky,
            known,
            accepted,
            not_verified,
            not_applicable,
            error,
        } = tally;
        let colour = if failed + flaky + error > 0 {
            RED
        } else if not_verified + accepted + known > 0 {
            YELLOW
        } else {
            GREEN
        };
        writeln!(
            out,
            "{colour}{area:<5}{colour:#}  {total:>8}  {passed:>6}  {failed:>6}  {flaky:>5}  {known:>5}  {accepted:>8}  {not_verified:>12}  {not_applicable:>3}  {error:>5}"
        )?;
    }
    writeln!(out)
}

fn headline(out: &mut String, report: &Report) -> fmt::Result {
    let summary = &report.summary;
    let colour = colour_of(summary.verdict);
    let word = word(summary.verdict);
    let seconds = report.duration_ms / 1000.0;
    if report.profiles.is_empty() {
        writeln!(
            out,
            "{colour}{} {word}{colour:#} — {}; {}",
            report.target,
            level(Level::Must, &summary.must),
            level(Level::Should, &summary.should)
        )?;
    } else {
        writeln!(out, "{colour}{} {word}{colour:#}", report.target)?;
        for one in &report.profiles {
            let colour = colour_of(one.verdict);
            writeln!(out, "  {colour}{}{colour:#}", profile(one))?;
        }
    }
    let in_part = report
        .criteria
        .iter()
        .filter(|one| one.verdict == Verdict::Passed && !one.reason.is_empty())
        .count();
    if in_part > 0 {
        writeln!(
            out,
            "{YELLOW}{in_part} of them passed in part:{YELLOW:#} not all of their scenarios ran"
        )?;
    }
    if let Some(line) = shards(report) {
        writeln!(out, "{YELLOW}not the whole run:{YELLOW:#} {line}")?;
    }
    if let Some(part) = report.part() {
        writeln!(out, "{YELLOW}{part}{YELLOW:#}")?;
    }
    if let Some(few) = report.below_floor() {
        writeln!(out, "{YELLOW}too little was judged:{YELLOW:#} {few}")?;
    }
    writeln!(
        out,
        "{} scenarios, {} exchanges, {} assertions in {seconds:.2} s · {} · seed {} · contract {} ({})",
        summary.scenarios_run,
        summary.exchanges,
        summary.checks,
        report.harness,
        report.seed,
        report.contract_version,
        short(&report.contract_digest)
    )?;
    let build = report
        .build
        .as_ref()
        .map_or_else(String::new, |build| format!(" · build {build}"));
    if !report.is_about_a_worker() {
        return Ok(());
    }
    writeln!(
        out,
        "spent: {} requests, {} model calls, at most {} requests to one host in a second{build}",
        report.spent.requests, report.spent.model_calls, report.spent.largest_burst
    )?;
    writeln!(
        out,
        "{DIM}Isolation here means routing and identity; containers as a boundary against hostile code are out of scope.{DIM:#}"
    )
}

fn colour_of(verdict: RunVerdict) -> Style {
    match verdict {
        RunVerdict::Conforms => GREEN,
        RunVerdict::Violates => RED,
        RunVerdict::Known | RunVerdict::Inconclusive => YELLOW,
    }
}

/// Verdict and counts of one profile, in a line.
pub(crate) fn profile(one: &ProfileReport) -> String {
    format!(
        "{} {} — {}; {}",
        one.profile,
        word(one.verdict),
        level(Level::Must, &one.must),
        level(Level::Should, &one.should)
    )
}

/// Which shards are missing; `None` where nothing is.
pub(super) fn shards(report: &Report) -> Option<String> {
    let shards = report.shards.as_ref()?;
    let missing = shards.missing();
    let list = |numbers: &[usize]| {
        let words: Vec<_> = numbers.iter().map(usize::to_string).collect();
        words.join(", ")
    };
    (!missing.is_empty()).then(|| {
        format!(
            "shard {} of {}; `moltproof report merge` wants {} too",
            list(&shards.present),
            shards.of,
            list(&missing)
        )
    })
}

/// The beginning of a digest: enough to tell contracts apart at sight.
pub(super) fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

/// The verdict on a target, as it follows its name.
pub(crate) fn word(verdict: RunVerdict) -> &'static str {
    match verdict {
        RunVerdict::Conforms => "conforms",
        RunVerdict::Violates => "violates the contract",
        RunVerdict::Known => "violates the contract, as its baseline knows",
        RunVerdict::Inconclusive => "inconclusive",
    }
}

/// The counts of a level, none that is not nought left out.
pub(super) fn level(level: Level, tally: &Tally) -> String {
    let mut text = format!(
        "{}: {} of {} passed",
        level.word(),
        tally.passed,
        tally.total
    );
    let deviations = if tally.accepted == 1 {
        "accepted deviation"
    } else {
        "accepted deviations"
    };
    for (count, word) in [
        (tally.failed, "failed"),
        (tally.flaky, "flaky"),
        (tally.known, "known to fail"),
        (tally.accepted, deviations),
        (tally.not_verified, "not verified"),
        (tally.not_applicable, "not applicable"),
        (tally.error, "in error"),
    ] {
        if count > 0 {
            let _infallible = write!(text, ", {count} {word}");
        }
    }
    text
}
