//! `moltproof report …`: what can be done with reports that are already written. Never runs a contract.

use super::files::{Files, print};
use super::{Failure, Format, put, verify};
use crate::contract::profile::Profile;
use crate::report::diff::{self, Move};
use crate::report::{Report, json, merge};
use crate::verdict::Exit;
use clap::Subcommand;
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = "Examples:
  moltproof report diff yesterday.json today.json
  moltproof report render run.json --report html
  moltproof report merge shard-1.json shard-2.json --report json=run.json
  moltproof report verify moltproof.statement.toml";

const RENDER_EXAMPLES: &str = "Examples:
  moltproof report render run.json --report html,junit
  moltproof report render run.json --report badge=docs/contract.svg";

const MERGE_EXAMPLES: &str = "Examples:
  moltproof report merge shard-1.json shard-2.json --report json=run.json --strict";

const DIFF_EXAMPLES: &str = "Examples:
  moltproof report diff yesterday.json today.json
  moltproof report diff reference.json staging.json --exact";

/// Options of `report`.
#[derive(Debug, clap::Args)]
pub(super) struct ReportArgs {
    #[command(subcommand)]
    verb: ReportVerb,
}

#[derive(Debug, Subcommand)]
enum ReportVerb {
    /// Compares two JSON reports per criterion; exits 1 if a criterion regressed from the first to the second.
    #[command(after_help = DIFF_EXAMPLES)]
    Diff(DiffArgs),
    /// Makes reports of other kinds from a JSON report, without running anything.
    #[command(after_help = RENDER_EXAMPLES)]
    Render(RenderArgs),
    /// Merges the JSON reports of all shards of one run; exits as that run would have.
    #[command(after_help = MERGE_EXAMPLES)]
    Merge(MergeArgs),
    /// Checks a conformance statement offline, or an in-toto one: its signature, its files, its verdicts, its contract; exits 1 if something does not hold.
    #[command(after_help = verify::EXAMPLES)]
    Verify(verify::VerifyArgs),
}

/// Options of `report render`.
#[derive(Debug, clap::Args)]
struct RenderArgs {
    /// A JSON report, as `run --report json` writes it.
    run: PathBuf,
    #[command(flatten)]
    files: Files,
    /// Do not tell where they are.
    #[arg(long, short, env = "MOLTPROOF_QUIET")]
    quiet: bool,
}

/// Options of `report merge`.
#[derive(Debug, clap::Args)]
struct MergeArgs {
    /// The JSON reports, one of each shard.
    #[arg(required = true, num_args = 2..)]
    shards: Vec<PathBuf>,
    #[command(flatten)]
    files: Files,
    /// Exit 4 if a MUST could not be verified, 1 if a SHOULD is not met. A missing shard always leaves the verdict open: exit 4.
    #[arg(long, env = "MOLTPROOF_STRICT")]
    strict: bool,
    /// Exit 4 if fewer than N MUST criteria could be judged in all shards together.
    #[arg(long, env = "MOLTPROOF_MIN_VERIFIED", value_name = "N")]
    min_verified: Option<usize>,
    /// Form of the report on standard output.
    #[arg(long, env = "MOLTPROOF_FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
    /// No notes on standard error.
    #[arg(long, short, env = "MOLTPROOF_QUIET")]
    quiet: bool,
}

/// Options of `report diff`.
#[derive(Debug, clap::Args)]
struct DiffArgs {
    /// A JSON report: the earlier run, or the target to compare with.
    before: PathBuf,
    /// Another one.
    after: PathBuf,
    /// Compare only this profile: core, data, api-worker. May be repeated; without it, all that either report judges.
    #[arg(
        long,
        env = "MOLTPROOF_PROFILE",
        value_name = "PROFILE",
        value_delimiter = ','
    )]
    profile: Vec<Profile>,
    /// Exit 1 on any difference, not on regressions only: the two must judge alike.
    #[arg(long, env = "MOLTPROOF_EXACT")]
    exact: bool,
    /// Form of the output.
    #[arg(long, env = "MOLTPROOF_FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn report(args: &ReportArgs) -> Result<Exit, Failure> {
    match &args.verb {
        ReportVerb::Diff(args) => compare(args),
        ReportVerb::Render(args) => render(args),
        ReportVerb::Merge(args) => merged(args),
        ReportVerb::Verify(args) => verify::verify(args),
    }
}

/// Exits 0 whatever the verdict: that one was told by the run.
fn render(args: &RenderArgs) -> Result<Exit, Failure> {
    if args.files.is_empty() {
        return Err(Failure::usage(
            "nothing is asked for; say which kinds to make, such as --report html,junit",
        ));
    }
    args.files.can_be_written()?;
    let report: Report =
        json::read(&args.run).map_err(|error| Failure::usage(error.to_string()))?;
    args.files.write(&report, args.quiet)?;
    Ok(Exit::Conforms)
}

fn merged(args: &MergeArgs) -> Result<Exit, Failure> {
    args.files.can_be_written()?;
    let parts = args.shards.iter().map(|path| {
        let report: Report = json::read(path).map_err(|error| Failure::usage(error.to_string()))?;
        Ok((path.display().to_string(), report))
    });
    let parts = parts.collect::<Result<Vec<_>, Failure>>()?;
    let whole = merge::merge(parts).map_err(|error| Failure::usage(error.to_string()))?;
    args.files.write(&whole, args.quiet)?;
    print(args.format, &whole)?;
    Ok(whole.exit(args.strict))
}

fn compare(args: &DiffArgs) -> Result<Exit, Failure> {
    let read = |path: &PathBuf| {
        json::read::<diff::Judged>(path).map_err(|error| Failure::usage(error.to_string()))
    };
    let (mut before, mut after) = (read(&args.before)?, read(&args.after)?);
    for report in [&mut before, &mut after] {
        let is_compared =
            |one: &diff::JudgedCriterion| args.profile.iter().any(|own| own.name() == one.profile);
        report
            .criteria
            .retain(|one| args.profile.is_empty() || is_compared(one));
    }
    let found = diff::differences(&before, &after);
    match args.format {
        Format::Text => put(&diff::text(&before, &after, &found))?,
        Format::Json => {
            let value = serde_json::json!({ "before": before.target, "after": after.target, "differences": found });
            put(&format!("{value:#}\n"))?;
        }
    }
    let counts = |one: &diff::Difference| args.exact || one.moved == Move::Regressed;
    Ok(if found.iter().any(counts) {
        Exit::Violation
    } else {
        Exit::Conforms
    })
}
