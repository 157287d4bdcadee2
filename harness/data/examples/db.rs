//! `moltproof db` alone, without the rest of the program: `cargo run -p moltproof-data --example db -- lint migrations`. Never does what the program does not.

use clap::Parser as _;
use moltproof_data::command::{DbArgs, run};
use std::process::ExitCode;

/// The data contract of Moltproof, alone.
#[derive(Debug, clap::Parser)]
struct Alone {
    #[command(flatten)]
    db: DbArgs,
}

fn main() -> ExitCode {
    run(&Alone::parse().db)
}
