//! A diagnosis for people: what fits on a screen, or everything that the JSON has. Never hides a check.

use super::{Check, Diagnosis, LevelCoverage, Open, State};
use crate::counted::counted;
use anstyle::{AnsiColor, Style};

const RED: Style = AnsiColor::Red.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// Ids that stand beside a cause on a screen.
const IDS_MAX: usize = 4;

/// Lines of a diagnosis, unless more are asked for.
const LINES_MAX: usize = 40;

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// What fits on a screen: one line for each cause.
    Screen,
    /// Everything: each capability and each id.
    Whole,
}

/// The diagnosis as text with ANSI colours; the writer strips them where they do not belong.
#[must_use]
pub fn render(diagnosis: &Diagnosis, length: Length) -> String {
    let end = end(diagnosis);
    let mut lines = vec![diagnosis.target.clone()];
    for check in &diagnosis.checks {
        check_lines(check, length, &mut lines);
    }
    if length == Length::Whole {
        capabilities(diagnosis, &mut lines);
    }
    let room = match length {
        Length::Screen => LINES_MAX.saturating_sub(lines.len() + end.len()),
        Length::Whole => usize::MAX,
    };
    open(&diagnosis.coverage.open, length, room, &mut lines);
    lines.extend(end);
    lines.push(String::new());
    lines.join("\n")
}

fn mark(state: State) -> (Style, &'static str) {
    match state {
        State::Ok => (GREEN, "✓"),
        State::Unknown => (YELLOW, "?"),
        State::Warning => (YELLOW, "!"),
        State::Wrong | State::Unreachable => (RED, "✗"),
    }
}

fn check_lines(check: &Check, length: Length, lines: &mut Vec<String>) {
    let (colour, sign) = mark(check.state);
    let saw = check.saw.trim_end();
    let saw = match length {
        Length::Screen => first_lines(saw),
        Length::Whole => saw.replace('\n', "\n               "),
    };
    let remedy = if check.remedy.is_empty() {
        String::new()
    } else {
        format!(" {DIM}→{DIM:#} {}", check.remedy)
    };
    lines.push(format!(
        "{colour}{sign}{colour:#} {:<12} {saw}{remedy}",
        check.id
    ));
}

/// A text of one line; of a longer one, such as what a server said, its first and its last.
fn first_lines(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    match lines.next_back() {
        None => first.to_owned(),
        Some(last) => format!("{first} … {last}"),
    }
}

fn capabilities(diagnosis: &Diagnosis, lines: &mut Vec<String>) {
    if diagnosis.capabilities.is_empty() {
        return;
    }
    lines.extend([String::new(), "capabilities".to_owned()]);
    for capability in &diagnosis.capabilities {
        let (colour, sign) = if capability.met {
            (GREEN, "✓")
        } else {
            (YELLOW, "✗")
        };
        let line = format!(
            "{colour}{sign}{colour:#} {:<29} {}",
            capability.need, capability.reason
        );
        lines.push(line.trim_end().to_owned());
    }
}

/// Each cause with how much hangs on it, the largest first, as far as there is room.
fn open(causes: &[Open], length: Length, room: usize, lines: &mut Vec<String>) {
    if causes.is_empty() || room < 3 {
        return;
    }
    lines.extend([String::new(), "cannot be verified".to_owned()]);
    let room = room - 2;
    let shown = if causes.len() <= room {
        causes.len()
    } else {
        room - 1
    };
    for cause in &causes[..shown] {
        let count = cause.criteria.len();
        let ids = match length {
            Length::Whole => cause.criteria.join(" "),
            Length::Screen if count <= IDS_MAX => cause.criteria.join(" "),
            Length::Screen => format!("{} …", cause.criteria[..IDS_MAX].join(" ")),
        };
        lines.push(format!(
            "{count:>4} {} {DIM}({ids}){DIM:#}",
            first_lines(&cause.reason)
        ));
    }
    if shown < causes.len() {
        let rest: usize = causes[shown..]
            .iter()
            .map(|cause| cause.criteria.len())
            .sum();
        let why = counted(causes.len() - shown, "further reason");
        lines.push(format!("{rest:>4} for {why}; --verbose tells all"));
    }
}

/// The verdict of the doctor, and the count.
fn end(diagnosis: &Diagnosis) -> Vec<String> {
    let (colour, word) = match diagnosis.worst() {
        State::Ok | State::Unknown | State::Warning => (GREEN, "nothing wrong"),
        State::Wrong => (
            RED,
            "verdicts would be wrong or missing: mend what is marked ✗ first",
        ),
        State::Unreachable => (RED, "out of reach"),
    };
    let coverage = &diagnosis.coverage;
    let (total, verifiable) = [coverage.must, coverage.should, coverage.may]
        .iter()
        .fold((0, 0), |(total, verifiable), level| {
            (total + level.total, verifiable + level.verifiable)
        });
    vec![
        String::new(),
        format!("{colour}{word}{colour:#}"),
        format!(
            "{verifiable} of {total} criteria can be verified: MUST {}, SHOULD {}, MAY {}",
            level(coverage.must),
            level(coverage.should),
            level(coverage.may)
        ),
    ]
}

fn level(level: LevelCoverage) -> String {
    let part = if level.in_part > 0 {
        format!(" ({} in part)", level.in_part)
    } else {
        String::new()
    };
    format!("{} of {}{part}", level.verifiable, level.total)
}
