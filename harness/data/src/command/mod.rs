//! `moltproof db`: options, verbs and exit codes. Never judges.

mod check;
mod costs;
mod diff;
mod explain;
mod fix;
mod git;
mod infer;
mod input;
mod lint;
mod output;
mod progress;

use std::io::Write as _;
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
    #[command(after_help = lint::EXAMPLES)]
    Lint(lint::LintArgs),
    /// Proves the patterns that a database declares (tenants, soft delete, search, audit, sessions, …) on a copy in memory.
    #[command(after_help = check::EXAMPLES)]
    Check(check::CheckArgs),
    /// Compares two databases by what they mean: folders, files, local and remote ones.
    #[command(after_help = diff::EXAMPLES)]
    Diff(diff::DiffArgs),
    /// Writes a first `[data]` section: what a schema seems to be, each guess with its reason.
    #[command(after_help = infer::EXAMPLES)]
    Infer(infer::InferArgs),
    /// Writes a new migration for what has a mechanical repair.
    #[command(after_help = fix::EXAMPLES)]
    Fix(fix::FixArgs),
    /// Tells what a rule is about: the failure, SQL that shows it, and the repair.
    #[command(after_help = explain::EXAMPLES)]
    Explain(explain::ExplainArgs),
}

/// How a verb ends; the codes are those of `moltproof run`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Nothing is wrong.
    Clean,
    /// Something is.
    Found,
    /// The input or the options cannot be used.
    Usage,
    /// A fault of the machine or of this program.
    Fault,
    /// A MUST could not be judged, with `--strict`.
    Unverified,
    /// An entry of the baseline does not hold.
    Stale,
}

impl Exit {
    /// The code of the process.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Found => 1,
            Self::Usage => 2,
            Self::Fault => 3,
            Self::Unverified => 4,
            Self::Stale => 5,
        }
    }
}

/// Why a verb could not do its work: a sentence for standard error, and how the program ends.
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

    fn fault(message: impl std::fmt::Display) -> Self {
        Self {
            message: message.to_string(),
            exit: Exit::Fault,
        }
    }
}

/// Runs a verb.
#[must_use]
pub fn run(args: &DbArgs) -> ExitCode {
    let outcome = match &args.verb {
        Verb::Lint(args) => lint::lint(args),
        Verb::Check(args) => check::check(args),
        Verb::Diff(args) => diff::diff(args),
        Verb::Infer(args) => infer::infer(args),
        Verb::Fix(args) => fix::fix(args),
        Verb::Explain(args) => explain::explain(args),
    };
    let exit = outcome.unwrap_or_else(|failed| {
        // Nobody is left to be told where standard error is closed.
        let _closed = writeln!(anstream::stderr(), "error: {failed}");
        failed.exit
    });
    ExitCode::from(exit.code())
}
