//! The `moltproof` program. Never does more than say what it was built from and call the library.

use moltproof::cli::Build;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Read here and not in the library: another commit compiles this file anew, and nothing else.
    let build = Build {
        commit: option_env!("MOLTPROOF_BUILD_COMMIT").or(option_env!("MOLTPROOF_BUILD_CHECKOUT")),
        target: env!("MOLTPROOF_BUILD_TARGET"),
    };
    moltproof::cli::main(std::env::args_os(), build)
}
