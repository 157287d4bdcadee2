//! `moltproof report …`: what can be done with reports that are already written. Never runs a contract.

use super::run::{ReportFile, can_be_written, print, report_file, write_files};
use super::{Failure, Format, put};
use crate::report::diff::{self, Move};
use crate::report::{Report, json, merge};
use crate::verdict::Exit;
use clap::Subcommand;
use std::path::PathBuf;

/// Options of `report`.
#[derive(Debug, clap::Args)]
pub(super) struct ReportArgs {
    #[command(subcommand)]
    verb: ReportVerb,
}

#[derive(Debug, Subcommand)]
enum ReportVerb {
    /// Compares two JSON reports per criterion; exits 1 if a criterion regressed from the first to the second.
    Diff(DiffArgs),
    /// Makes reports of other kinds from a JSON report, without running anything.
    Render(RenderArgs),
    /// Merges the JSON reports of all shards of one run; exits as that run would have.
    Merge(MergeArgs),
}

/// Options of `report render`.
#[derive(Debug, clap::Args)]
struct RenderArgs {
    /// A JSON report, as `run --report json` writes it.
    run: PathBuf,
    /// The kind to make: html, markdown, junit, badge, json or github, with `=PATH` for where. May be repeated.
    #[arg(long, env = "MOLTPROOF_REPORT", value_name = "KIND[=PATH]", value_delimiter = ',', value_parser = report_file, required = true)]
    report: Vec<ReportFile>,
    /// Folder for reports that are given without a path.
    #[arg(
        long,
        env = "MOLTPROOF_REPORT_DIR",
        value_name = "DIR",
        default_value = "."
    )]
    report_dir: PathBuf,
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
    /// Also write a report of the whole, as `run` does: a kind, with `=PATH` for where. May be repeated.
    #[arg(long, env = "MOLTPROOF_REPORT", value_name = "KIND[=PATH]", value_delimiter = ',', value_parser = report_file)]
    report: Vec<ReportFile>,
    /// Folder for reports that are given without a path.
    #[arg(
        long,
        env = "MOLTPROOF_REPORT_DIR",
        value_name = "DIR",
        default_value = "."
    )]
    report_dir: PathBuf,
    /// Exit 4 if a MUST could not be verified, 1 if a SHOULD is not met, and 4 if a shard is missing.
    #[arg(long, env = "MOLTPROOF_STRICT")]
    strict: bool,
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
    /// Exit 1 on any difference, not on regressions only: the two must judge alike.
    #[arg(long)]
    exact: bool,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn report(args: &ReportArgs) -> Result<Exit, Failure> {
    match &args.verb {
        ReportVerb::Diff(args) => compare(args),
        ReportVerb::Render(args) => render(args),
        ReportVerb::Merge(args) => merged(args),
    }
}

/// Exits 0 whatever the verdict: that one was told by the run.
fn render(args: &RenderArgs) -> Result<Exit, Failure> {
    can_be_written(&args.report)?;
    let report: Report =
        json::read(&args.run).map_err(|error| Failure::usage(error.to_string()))?;
    write_files(&args.report, &args.report_dir, &report, args.quiet)?;
    Ok(Exit::Conforms)
}

fn merged(args: &MergeArgs) -> Result<Exit, Failure> {
    can_be_written(&args.report)?;
    let parts = args.shards.iter().map(|path| {
        let report: Report = json::read(path).map_err(|error| Failure::usage(error.to_string()))?;
        Ok((path.display().to_string(), report))
    });
    let parts = parts.collect::<Result<Vec<_>, Failure>>()?;
    let whole = merge::merge(parts).map_err(|error| Failure::usage(error.to_string()))?;
    write_files(&args.report, &args.report_dir, &whole, args.quiet)?;
    print(args.format, &whole)?;
    let exit = whole.exit(args.strict);
    let missing = whole
        .shards
        .as_ref()
        .is_some_and(|own| !own.missing().is_empty());
    Ok(if exit == Exit::Conforms && args.strict && missing {
        Exit::NotVerified
    } else {
        exit
    })
}

fn compare(args: &DiffArgs) -> Result<Exit, Failure> {
    let read = |path: &PathBuf| {
        json::read::<diff::Judged>(path).map_err(|error| Failure::usage(error.to_string()))
    };
    let (before, after) = (read(&args.before)?, read(&args.after)?);
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
