//! The reference backend as a program. Never does more than start it.

use clap::Parser;
use moltworker_reference::command::{self, ServeArgs};
use std::process::ExitCode;

/// Reference implementation of the Moltworker Phase 1 contract.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    serve: ServeArgs,
}

fn main() -> ExitCode {
    command::run(&Arguments::parse().serve)
}
