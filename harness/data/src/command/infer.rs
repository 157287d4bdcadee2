//! `moltproof db infer`: a first `[data]` section. Never writes over a file that is there, unless it is told to.

use super::input::Place;
use super::{Exit, Failed, output};
use crate::infer::infer as guess;
use crate::replay::Replay;
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = "Examples:
  moltproof db infer migrations
  moltproof db infer migrations --output data.toml";

/// Options of `db infer`.
#[derive(Debug, clap::Args)]
pub(super) struct InferArgs {
    #[command(flatten)]
    place: Place,
    /// Write the section to a file.
    #[arg(long, value_name = "FILE", env = "MOLTPROOF_DB_INFER_OUTPUT")]
    output: Option<PathBuf>,
    /// Write over a file that is there.
    #[arg(long, requires = "output", env = "MOLTPROOF_DB_INFER_FORCE")]
    force: bool,
}

pub(super) fn infer(args: &InferArgs) -> Result<Exit, Failed> {
    if let Some(file) = args
        .output
        .as_ref()
        .filter(|file| file.exists() && !args.force)
    {
        return Err(Failed::usage(format!(
            "{} is there already; --force writes over it",
            file.display()
        )));
    }
    let source = args.place.source()?;
    let replay = Replay::of(&source, 1).map_err(Failed::fault)?;
    output::put(&guess(&replay.schema), args.output.as_deref())?;
    Ok(Exit::Clean)
}
