//! The API worker's reference as a program. Never does more than start it.

use clap::Parser;
use moltworker_api_reference::command::{self, Command};
use std::process::ExitCode;

/// Reference implementation of the API worker's contract.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    command::run(&Arguments::parse().command)
}
