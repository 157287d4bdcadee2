//! `moltproof report …`: what can be done with reports that are already written. Never runs a contract.

use super::{Failure, Format, put};
use crate::report::diff::{self, Move};
use crate::report::json;
use crate::verdict::Exit;
use clap::Subcommand;
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = DIFF_EXAMPLES;

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
}

/// Options of `report diff`.
#[derive(Debug, clap::Args)]
struct DiffArgs {
    /// A JSON report: the earlier run, or the target to compare with.
    before: PathBuf,
    /// Another one.
    after: PathBuf,
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
    }
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
