//! `moltproof history`: how a target went over its last runs, and which criteria changed when. Never runs anything.

use super::keeping::StoreArgs;
use super::{Failure, Format, put, say};
use crate::clock;
use crate::report::text;
use crate::store::history::{Change, Line, When, changes};
use crate::verdict::{Exit, Tally};
use std::fmt::Write as _;

pub(super) const EXAMPLES: &str = "Examples:
  moltproof history
  moltproof history --target https://staging.example --last 30
  moltproof history --format json > history.json";

/// Options of `history`.
#[derive(Debug, clap::Args)]
pub(super) struct HistoryArgs {
    /// Only runs of this target: its name in reports, or what `--target` had. Without it every target, each for itself.
    #[arg(long, value_name = "NAME", env = "MOLTPROOF_HISTORY_TARGET")]
    target: Option<String>,
    /// The last N runs of a target.
    #[arg(
        long,
        value_name = "N",
        env = "MOLTPROOF_HISTORY_LAST",
        default_value_t = 10
    )]
    last: usize,
    #[command(flatten)]
    store: StoreArgs,
    /// Form of the output.
    #[arg(long, env = "MOLTPROOF_FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn history(args: &HistoryArgs) -> Result<Exit, Failure> {
    let store = args.store.open().ok_or_else(|| {
        Failure::usage("there is no history with `--store none`; name the folder of the store")
    })?;
    let folder = store.folder().display().to_string();
    let (lines, broken) = store
        .lines()
        .map_err(|error| Failure::usage(format!("cannot read the history in {folder}: {error}")))?;
    if broken > 0 {
        say(&format!(
            "warning: {broken} lines of the history in {folder} cannot be read and are left out"
        ));
    }
    let mut targets: Vec<&str> = Vec::new();
    for line in lines.iter().rev() {
        if !targets.contains(&line.target.as_str()) {
            targets.push(&line.target);
        }
    }
    let meant = |line: &Line| match &args.target {
        Some(name) => *name == line.target || *name == line.named,
        None => true,
    };
    let shown: Vec<Trend> = targets
        .iter()
        .map(|target| {
            let own = lines.iter().filter(|line| line.target == *target);
            let own: Vec<&Line> = own.filter(|line| meant(line)).collect();
            Trend::of(target, &own[own.len().saturating_sub(args.last.max(1))..])
        })
        .filter(|trend| !trend.runs.is_empty())
        .collect();
    if shown.is_empty() {
        return Err(Failure::usage(match (&args.target, targets.as_slice()) {
            (Some(name), [_, ..]) => format!(
                "no run of `{name}` is in the history in {folder}; there are runs of {}",
                targets.join(", ")
            ),
            _ => format!("no run is in the history in {folder}; `moltproof run` writes it"),
        }));
    }
    match args.format {
        Format::Text => put(&told(&shown))?,
        Format::Json => put(&format!("{:#}\n", serde_json::json!({ "targets": shown })))?,
    }
    Ok(Exit::Conforms)
}

/// One target's runs.
#[derive(serde::Serialize)]
struct Trend<'a> {
    target: &'a str,
    runs: Vec<&'a Line>,
    changes: Vec<Change>,
}

impl<'a> Trend<'a> {
    fn of(target: &'a str, runs: &[&'a Line]) -> Self {
        Self {
            target,
            runs: runs.to_vec(),
            changes: changes(runs),
        }
    }
}

fn told(trends: &[Trend]) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    trends
        .iter()
        .try_for_each(|trend| write_trend(&mut out, trend))
        .unwrap_or_default();
    out
}

fn write_trend(out: &mut String, trend: &Trend) -> std::fmt::Result {
    let count = trend.runs.len();
    let runs = match count {
        1 => "the last run".to_owned(),
        count => format!("the last {count} runs"),
    };
    writeln!(out, "{}: {runs}", trend.target)?;
    writeln!(
        out,
        "  run     began                 passed  failed  not verified       time  verdict"
    )?;
    for run in &trend.runs {
        let all = [run.must, run.should, run.may];
        let sum = |count: fn(&Tally) -> usize| all.iter().map(count).sum::<usize>();
        let part = if run.is_whole() {
            ""
        } else {
            " (a part of the contract)"
        };
        let build = run.build.as_ref();
        writeln!(
            out,
            "  {:<6}  {}  {:>6}  {:>6}  {:>12}  {:>7.2} s  {}{part}{}",
            run.run_id,
            second(run.started_at_ms),
            sum(|tally| tally.passed),
            sum(|tally| tally.failed + tally.flaky + tally.error),
            sum(|tally| tally.not_verified),
            run.duration_ms / 1000.0,
            text::word(run.verdict),
            build.map_or_else(String::new, |build| format!(" · build {build}")),
        )?;
    }
    if trend.changes.is_empty() {
        writeln!(out, "  no criterion changed\n")?;
        return Ok(());
    }
    for change in &trend.changes {
        let often = match change.changes {
            1 => String::new(),
            count => format!(" ({count} changes)"),
        };
        writeln!(
            out,
            "  {}: {} first in {}, {} last in {}{often}",
            change.id,
            change.now.word(),
            run(&change.first_in),
            change.before.word(),
            run(&change.last_in),
        )?;
    }
    writeln!(out)
}

fn run(when: &When) -> String {
    let build = when.build.as_ref();
    let build = build.map_or_else(String::new, |build| format!(", build {build}"));
    format!("{} ({}{build})", when.run_id, second(when.started_at_ms))
}

/// A moment, to the second.
fn second(epoch_ms: i64) -> String {
    clock::rfc3339(epoch_ms - epoch_ms.rem_euclid(1000))
}
