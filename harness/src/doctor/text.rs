//! A diagnosis for people. Never says less than the JSON.

use super::{Diagnosis, LevelCoverage, State};
use anstyle::{AnsiColor, Style};
use std::fmt::{self, Write as _};

const RED: Style = AnsiColor::Red.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// The diagnosis as text with ANSI colours; the writer strips them where they do not belong.
#[must_use]
pub fn render(diagnosis: &Diagnosis) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    write(&mut out, diagnosis).unwrap_or_default();
    out
}

fn mark(state: State) -> (Style, &'static str) {
    match state {
        State::Ok => (GREEN, "✓"),
        State::Unknown => (YELLOW, "?"),
        State::Warning => (YELLOW, "!"),
        State::Wrong | State::Unreachable => (RED, "✗"),
    }
}

fn write(out: &mut String, diagnosis: &Diagnosis) -> fmt::Result {
    writeln!(out, "{}", diagnosis.target)?;
    for check in &diagnosis.checks {
        let (colour, sign) = mark(check.state);
        let saw = check.saw.trim_end().replace('\n', "\n               ");
        writeln!(out, "{colour}{sign}{colour:#} {:<12} {saw}", check.id)?;
        if !check.remedy.is_empty() {
            writeln!(out, "               {DIM}→{DIM:#} {}", check.remedy)?;
        }
    }
    if !diagnosis.capabilities.is_empty() {
        writeln!(out, "\ncapabilities")?;
    }
    for capability in &diagnosis.capabilities {
        let state = if capability.met {
            State::Ok
        } else {
            State::Unknown
        };
        let (colour, _) = mark(state);
        let sign = if capability.met { "✓" } else { "✗" };
        let reason = if capability.met {
            ""
        } else {
            &capability.reason
        };
        writeln!(
            out,
            "{colour}{sign}{colour:#} {:<29} {reason}",
            capability.need
        )?;
    }
    let coverage = &diagnosis.coverage;
    if !coverage.open.is_empty() {
        writeln!(out, "\ncannot be verified")?;
        for open in &coverage.open {
            writeln!(
                out,
                "  {}\n    {DIM}{}{DIM:#}",
                open.reason,
                open.criteria.join(" ")
            )?;
        }
    }
    let headline = match diagnosis.worst() {
        State::Ok | State::Unknown | State::Warning => (GREEN, "nothing wrong"),
        State::Wrong => (RED, "verdicts would be wrong: mend what is marked ✗ first"),
        State::Unreachable => (RED, "out of reach"),
    };
    let (colour, word) = headline;
    writeln!(out, "\n{colour}{word}{colour:#}")?;
    let (total, verifiable) = [coverage.must, coverage.should, coverage.may]
        .iter()
        .fold((0, 0), |(total, verifiable), level| {
            (total + level.total, verifiable + level.verifiable)
        });
    writeln!(
        out,
        "{verifiable} of {total} criteria can be verified: MUST {}, SHOULD {}, MAY {}",
        level(coverage.must),
        level(coverage.should),
        level(coverage.may)
    )
}

fn level(level: LevelCoverage) -> String {
    let part = if level.in_part > 0 {
        format!(" ({} in part)", level.in_part)
    } else {
        String::new()
    };
    format!("{} of {}{part}", level.verifiable, level.total)
}
