//! The `moltproof` program. Never does more than call the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    moltproof::cli::main(std::env::args_os())
}
