//! `moltproof db`: options, verbs and exit codes. Never judges.

mod lint;

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
    Lint(lint::LintArgs),
}

/// How a verb ends; the codes are those of `moltproof run`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Nothing is wrong.
    Clean = 0,
    /// Something is.
    Found = 1,
    /// The input or the options cannot be used.
    Usage = 2,
}

/// Why a verb could not do its work: a sentence for standard error, and the code.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failed {
    message: String,
    exit: Exit,
}

impl Failed {
    fn usage(message: impl std::fmt::Display) -> Self {
        Self {
            message: message.to_string(),
            exit: Exit::Usage,
        }
    }
}

/// Runs a verb.
#[must_use]
pub fn run(args: &DbArgs) -> ExitCode {
    let outcome = match &args.verb {
        Verb::Lint(args) => lint::lint(args),
    };
    let exit = outcome.unwrap_or_else(|failed| {
        anstream::eprintln!("error: {failed}");
        failed.exit
    });
    ExitCode::from(exit as u8)
}
