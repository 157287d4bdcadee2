//! `moltproof baseline update`, and what a run says of its baseline. Never judges a target.

use super::{Failure, put, say};
use crate::baseline::{self, Baseline, Updated};
use crate::report::{Report, json};
use crate::scrub;
use crate::verdict::Exit;
use clap::Subcommand;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

pub(super) const AFTER_HELP: &str = "A baseline is a TOML file of findings that are known, each for one assertion of one scenario:

  [[known]]
  criterion = \"ACC-001\"
  feature = \"features/access/token_required.feature\"
  scenario = \"A request without a token is refused\"
  row = 2                       # which of the scenarios of this name, where there are several
  step = \"Then the answer is refused with 403\"
  expected = \"status 403\"
  seen = \"status 200 {\\\"id\\\":\\\"<uuid-1>\\\"}\"
  reason = \"The admin gate is rolled out with release 41\"
  owner = \"platform team\"
  link = \"https://tracker.example/MW-118\"
  expires = \"2027-03-31\"        # last day; at most a year from now

`moltproof run --baseline FILE` counts a finding that is exactly this one as known, and any other one as failed.
UUIDs, runs, ports and times are written as <uuid-1>, <run-1>, <port> and <time>, and compared so.
A `*` stands for one more word or value that is new in every run, never for a status code; `\\*` is a star.
An entry that is unused (its scenario ran and did not show it), expired, vague, unknown or double fails the run with exit 5.
Entries whose scenario was not selected or not verified are left alone.
Findings of generated checks (GEN-…) and flaky ones cannot be known.

Examples:
  moltproof run --baseline known.toml --report json=run.json
  moltproof baseline update known.toml run.json   then fill in reason, owner and link of the new entries";

/// Options of `baseline`.
#[derive(Debug, clap::Args)]
pub(super) struct BaselineArgs {
    #[command(subcommand)]
    verb: BaselineVerb,
}

#[derive(Debug, Subcommand)]
enum BaselineVerb {
    /// Brings the file up to a report: keeps what is still met, takes out what its scenario did not show any more, adds new findings
    /// without reason, owner and link, which the next run rejects until somebody fills them in.
    #[command(after_help = AFTER_HELP)]
    Update(UpdateArgs),
}

/// Options of `baseline update`.
#[derive(Debug, clap::Args)]
struct UpdateArgs {
    /// The baseline; made if there is none yet.
    file: PathBuf,
    /// The JSON report of a run.
    report: PathBuf,
}

pub(super) fn baseline(args: &BaselineArgs) -> Result<Exit, Failure> {
    match &args.verb {
        BaselineVerb::Update(args) => update(args),
    }
}

fn update(args: &UpdateArgs) -> Result<Exit, Failure> {
    let usage = |error: &dyn std::fmt::Display| Failure::usage(error.to_string());
    let report: Report = json::read(&args.report).map_err(|error| usage(&error))?;
    let shown = args.file.display().to_string();
    let before = match std::fs::read_to_string(&args.file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Failure::usage(format!("cannot read {shown}: {error}"))),
    };
    let updated = baseline::update(&args.file, &before, &report).map_err(|error| usage(&error))?;
    let text = scrub::clean_report(&updated.text);
    json::write_whole(&args.file, text.as_bytes())
        .map_err(|error| Failure::fault(format!("cannot write {shown}: {error}")))?;
    put(&told(&shown, &updated))?;
    Ok(Exit::Conforms)
}

fn told(file: &str, updated: &Updated) -> String {
    let mut text = format!(
        "{file}: {} kept, {} added, {} removed\n",
        updated.kept,
        updated.added.len(),
        updated.removed.len()
    );
    for (word, list) in [
        ("added", &updated.added),
        ("removed", &updated.removed),
        ("left out", &updated.left_out),
    ] {
        for one in list {
            let _infallible = writeln!(text, "  {word:<8} {one}");
        }
    }
    if !updated.added.is_empty() {
        text.push_str("Fill in reason, owner and link of what was added: until then a run with this baseline exits 5.\n");
    }
    text
}

/// Reads the baseline of a run, if it is given one.
pub(super) fn read(path: Option<&Path>) -> Result<Option<Baseline>, Failure> {
    path.map(Baseline::read)
        .transpose()
        .map_err(|error| Failure::usage(error.to_string()))
}

/// Lists the entries that do not hold.
pub(super) fn complain(report: &Report) {
    let Some(baseline) = report.baseline.as_ref().filter(|one| !one.stale.is_empty()) else {
        return;
    };
    say(&format!(
        "moltproof: the baseline {} does not hold:",
        baseline.file
    ));
    for stale in &baseline.stale {
        say(&format!("  {stale}"));
    }
    say(&format!(
        "  `moltproof baseline update {} REPORT.json` takes out what is unused; the rest is for its owner",
        baseline.file
    ));
}
