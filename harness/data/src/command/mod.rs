//! `moltproof db`: options, verbs and exit codes. Never judges.

use std::process::ExitCode;

/// `moltproof db …`.
#[derive(Debug, clap::Args)]
pub struct DbArgs {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

/// The verbs.
#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Looks for what fails or loses data on D1: in a folder of migrations, a file of SQL, a database.
    Lint {
        /// What to look at.
        #[arg(default_value = "migrations")]
        path: std::path::PathBuf,
    },
}

/// Runs a verb; the exit code is that of `moltproof run`.
#[must_use]
pub fn run(args: &DbArgs) -> ExitCode {
    match &args.verb {
        Verb::Lint { path } => {
            let _ = path;
            ExitCode::SUCCESS
        }
    }
}
