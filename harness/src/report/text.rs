//! The report for people: verdict, findings, what stayed open. Never says less than the JSON.

mod findings;

use super::generated;
use super::lines::Lines;
use super::{ProfileReport, Report, ScenarioReport, Summary};
use crate::counted::counted;
use crate::verdict::{Level, OutcomeKind, RunVerdict, Tally, Verdict};
use anstyle::{AnsiColor, Style};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const RED: Style = AnsiColor::Red.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// How many criteria of an area have a verdict.
type Count = fn(&Tally) -> usize;

/// The columns of the table of areas. All of them take 78 of 80 columns.
const COLUMNS: [(&str, Count); 9] = [
    ("total", |tally| tally.total),
    ("passed", |tally| tally.passed),
    ("failed", |tally| tally.failed),
    ("flaky", |tally| tally.flaky),
    ("known", |tally| tally.known),
    ("accepted", |tally| tally.accepted),
    ("not verified", |tally| tally.not_verified),
    ("n/a", |tally| tally.not_applicable),
    ("error", |tally| tally.error),
];

/// Those that are there even where every count is nought.
const ALWAYS: [&str; 3] = ["total", "passed", "failed"];

/// The report as text with ANSI colours; the writer strips them where they do not belong.
#[must_use]
pub fn render(report: &Report) -> String {
    render_within(report, None)
}

/// The same, wrapped between words to so many columns, if any.
#[must_use]
pub fn render_within(report: &Report, width: Option<usize>) -> String {
    let mut out = Lines::within(width);
    if let Some(first) = report.unjudged().or_else(|| report.judged_in_part()) {
        let target = &report.target;
        out.put(0, &format!("{YELLOW}{target}{YELLOW:#}: {first}"));
        out.blank();
    }
    findings::findings(&mut out, report);
    findings::generated(&mut out, report);
    declared(&mut out, report);
    open(&mut out, report);
    areas(&mut out, report);
    generated_rows(&mut out, report);
    headline(&mut out, report);
    out.finished()
}

fn generated_rows(out: &mut Lines, report: &Report) {
    if report.generated.is_empty() {
        return;
    }
    for (outcome, row) in generated::rows(report) {
        let colour = match outcome {
            Some(OutcomeKind::Passed) => GREEN,
            Some(outcome) if outcome.is_red() => RED,
            Some(_) => YELLOW,
            None => DIM,
        };
        let word = outcome.map_or("left out", OutcomeKind::word);
        out.put(0, &format!("{colour}{word}{colour:#} {row}"));
    }
    out.blank();
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
fn declared(out: &mut Lines, report: &Report) {
    let declared = report
        .criteria
        .iter()
        .filter(|criterion| matches!(criterion.verdict, Verdict::Known | Verdict::Accepted));
    for criterion in declared {
        let (word, level) = (criterion.verdict.word(), criterion.level.word());
        let (id, reason) = (&criterion.id, &criterion.reason);
        out.put(
            0,
            &format!("{YELLOW}{word}{YELLOW:#} {id} ({level}): {reason}"),
        );
    }
    for warning in &report.warnings {
        out.put(0, &format!("{YELLOW}warning{YELLOW:#} {warning}"));
    }
}

/// What was not verified, grouped by reason: a reader provides one thing and gains many criteria.
fn open(out: &mut Lines, report: &Report) {
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
        out.put(0, &format!("{YELLOW}not verified{YELLOW:#}"));
        for (reason, ids) in by_reason {
            out.put(2, reason);
            out.put(4, &format!("{DIM}{}{DIM:#}", ids.join(" ")));
        }
        out.blank();
    }
    let noted = |verdict| {
        report
            .criteria
            .iter()
            .filter(move |criterion| criterion.verdict == verdict && !criterion.reason.is_empty())
    };
    for (verdict, words) in [
        (Verdict::NotApplicable, "not applicable"),
        (Verdict::Passed, "passed in part"),
    ] {
        for criterion in noted(verdict) {
            let (id, reason) = (&criterion.id, &criterion.reason);
            out.put(0, &format!("{DIM}{words}{DIM:#} {id}: {reason}"));
        }
    }
}

/// A count for each area and verdict; verdicts that there are none of have no column.
fn areas(out: &mut Lines, report: &Report) {
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    let mut whole = Tally::default();
    for criterion in &report.criteria {
        tallies
            .entry(criterion.letters())
            .or_default()
            .count(criterion.verdict);
        whole.count(criterion.verdict);
    }
    let columns: Vec<(&str, Count)> = COLUMNS
        .into_iter()
        .filter(|(word, of)| ALWAYS.contains(word) || of(&whole) > 0)
        .collect();
    let head: Vec<&str> = columns.iter().map(|(word, _)| *word).collect();
    out.whole(0, &format!("{DIM}area   {}{DIM:#}", head.join("  ")));
    for (area, tally) in tallies {
        let colour = if tally.failed + tally.flaky + tally.error > 0 {
            RED
        } else if tally.not_verified + tally.accepted + tally.known > 0 {
            YELLOW
        } else {
            GREEN
        };
        let counts: Vec<String> = columns
            .iter()
            .map(|(word, of)| format!("{:>1$}", of(&tally), word.len()))
            .collect();
        let counts = counts.join("  ");
        out.whole(0, &format!("{colour}{area:<5}{colour:#}  {counts}"));
    }
    out.blank();
}

fn headline(out: &mut Lines, report: &Report) {
    let summary = &report.summary;
    let colour = colour_of(summary.verdict);
    let word = word(summary.verdict);
    let seconds = report.duration_ms / 1000.0;
    if report.profiles.is_empty() {
        out.put(
            0,
            &format!(
                "{colour}{} {word}{colour:#} — {}; {}",
                report.target,
                level(Level::Must, &summary.must),
                level(Level::Should, &summary.should)
            ),
        );
    } else {
        out.put(0, &format!("{colour}{} {word}{colour:#}", report.target));
        for one in &report.profiles {
            let colour = colour_of(one.verdict);
            out.put(2, &format!("{colour}{}{colour:#}", profile(one)));
        }
    }
    for line in report.unjudged_lines() {
        out.put(0, &format!("{YELLOW}{line}{YELLOW:#}"));
    }
    weaker(out, report);
    out.put(
        0,
        &format!(
            "{} in {seconds:.2} s · {} · seed {} · contract {} ({})",
            made(summary),
            report.harness,
            report.seed,
            report.contract_version,
            short(&report.contract_digest)
        ),
    );
    if !report.is_about_a_worker() {
        return;
    }
    spent(out, report);
}

fn spent(out: &mut Lines, report: &Report) {
    let build = report
        .build
        .as_ref()
        .map_or_else(String::new, |build| format!(" · build {build}"));
    let spent = &report.spent;
    out.put(
        0,
        &format!(
            "spent: {}, {}, at most {} to one host in a second{build}",
            counted(spent.requests, "request"),
            counted(spent.model_calls, "model call"),
            counted(spent.largest_burst, "request")
        ),
    );
    out.put(
        0,
        &format!(
            "{DIM}Isolation here means routing and identity; containers as a boundary against hostile code are out of scope.{DIM:#}"
        ),
    );
}

/// What a run was made of, in words.
pub(super) fn made(summary: &Summary) -> String {
    format!(
        "{}, {}, {}",
        counted(summary.scenarios_run, "scenario"),
        counted(summary.exchanges, "exchange"),
        counted(summary.checks, "assertion")
    )
}

/// What makes the verdict weaker, and how a finding is run again.
fn weaker(out: &mut Lines, report: &Report) {
    let in_part = report
        .criteria
        .iter()
        .filter(|one| one.verdict == Verdict::Passed && !one.reason.is_empty())
        .count();
    let mut weak = |head: &str, text: &str| {
        out.put(0, &format!("{YELLOW}{head}{YELLOW:#}{text}"));
    };
    if in_part > 0 {
        let head = format!("{in_part} of them passed in part:");
        weak(&head, " not all of their scenarios ran");
    }
    if let Some(line) = shards(report) {
        weak("not the whole run:", &format!(" {line}"));
    }
    if let Some(part) = report.part() {
        weak(&part, "");
    }
    if let Some(incomplete) = report.incomplete() {
        weak(&incomplete, "");
    }
    if let Some(few) = report.below_floor() {
        weak("too little was judged:", &format!(" {few}"));
    }
    let is_red = report.criteria.iter().any(|one| one.verdict.is_red());
    if let Some(replay) = report.replay("ID").filter(|_| is_red) {
        let line = format!("{DIM}`{replay}` runs a finding again and compares{DIM:#}");
        out.put(0, &line);
    }
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
