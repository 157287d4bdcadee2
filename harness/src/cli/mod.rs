//! Verbs, options and exit codes. Never decides a verdict.

mod again;
mod around;
mod baseline;
mod blamed;
mod candidates;
mod colour;
mod completions;
mod config;
mod credential;
mod doctor;
mod doubles;
mod explain;
mod files;
mod generating;
mod history;
mod init;
mod itself;
mod keeping;
mod list;
mod meaning;
mod no_verdict;
mod open_files;
mod probe;
mod progress;
mod replay;
mod report;
mod room;
mod run;
mod running;
mod schema;
mod scratch;
mod serve;
mod signals;
mod signing;
mod staging;
mod sweep;
mod switches;
mod target;
mod teeth;
#[cfg(test)]
mod tests;
mod token;
mod up;
mod variables;
mod vectors;
mod verify;
mod version;
mod watch;

use crate::contract::version::Version;
use crate::verdict::Exit;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;
pub use version::Build;

const EXIT_CODES: &str = "Exit codes:
  0    no violation found (conforms, or --strict not given and some criteria unverified, or all that is broken is known by the
       baseline: the headline says so)
  1    a MUST is violated; with --strict also a SHOULD
  2    the command line, or something it names, is wrong
  3    the target cannot be reached, the harness is at fault, or a report cannot be written any more
  4    nothing could be verified, with --strict not every MUST, or with --min-verified too few of them
  5    an entry of the baseline is unused, expired, vague, unknown or double; what gives 1 or 3 goes first
  130  ended by Ctrl-C before it was through, and no violation found until then; 143 by SIGTERM. What was found is reported as incomplete";

const EXAMPLES: &str = "Examples:
  moltproof run                                    the whole contract against the embedded reference
  moltproof run --tags 'not @slow'                 without the scenarios that really wait for timeouts
  moltproof run --smoke                            the smoke test and one scenario of each other area
  moltproof run --watch                            again whenever a file of the Worker changes
  moltproof run --id RES-002 --id ACC-009          two criteria
  moltproof run --target https://staging.example   a deployment, as far as an address allows
  moltproof run --report junit=junit.xml --report json=report.json --strict";

const DB_EXAMPLES: &str = "Examples:
  moltproof db lint                                what fails or loses data on D1, in the folder migrations
  moltproof db check                               the data contract, on a copy in memory
  moltproof db explain MIG-02                      a rule: the failure, SQL that shows it, the repair";

/// Proves whether a multi-tenant Moltworker backend keeps its contract.
#[derive(Debug, Parser)]
#[command(name = "moltproof", version, about, after_help = EXIT_CODES, propagate_version = true)]
struct Cli {
    /// When to colour.
    #[arg(long, global = true, env = "MOLTPROOF_COLOR", value_enum, default_value_t = Colour::Auto)]
    color: Colour,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Form of what goes to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Form of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ListFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// The table in `features/README.md`.
    Markdown,
    /// What `fixtures/contract/` holds of a version: its criteria, and a digest of each scenario.
    Ledger,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Runs the contract against a target and prints the verdict.
    #[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
    Run(Box<run::RunArgs>),
    /// Writes the manifest of your Worker, from its wrangler.jsonc and from what it asks you.
    #[command(after_help = init::EXAMPLES)]
    Init(init::InitArgs),
    /// Looks at a target before it is judged: what is reached, what would make verdicts wrong, what can be verified.
    #[command(after_help = doctor::EXAMPLES)]
    Doctor(doctor::DoctorArgs),
    /// Removes the tenants that runs have left on a target, and nothing else.
    #[command(after_help = sweep::EXAMPLES)]
    Sweep(sweep::SweepArgs),
    /// Lists the criteria.
    #[command(after_help = list::EXAMPLES)]
    List(list::ListArgs),
    /// Tells all about one criterion: sentence, level, scenarios, needs.
    #[command(after_help = explain::EXAMPLES)]
    Explain(explain::ExplainArgs),
    /// Runs again what was red in an earlier run, and says whether the same is found.
    #[command(after_help = replay::EXAMPLES, after_long_help = format!("{}\n\n{EXIT_CODES}", replay::EXAMPLES))]
    Replay(Box<replay::ReplayArgs>),
    /// Shows how the last runs of each target went, and which criteria changed when.
    #[command(after_help = history::EXAMPLES)]
    History(history::HistoryArgs),
    /// Compares reports.
    #[command(after_help = report::EXAMPLES)]
    Report(report::ReportArgs),
    /// Keeps the file of known findings that `run --baseline` reads.
    #[command(after_help = baseline::AFTER_HELP)]
    Baseline(baseline::BaselineArgs),
    /// Prints a JSON Schema: of the target manifest, for editors, or of the JSON report, for programs.
    #[command(after_help = schema::EXAMPLES)]
    Schema(schema::SchemaArgs),
    /// Serves a reference implementation, configured by environment variables.
    Serve(serve::ServeOptions),
    /// Starts a target as a run does, prints its address, and keeps it until Ctrl-C.
    #[command(after_help = up::EXAMPLES)]
    Up(Box<up::UpArgs>),
    /// Plays AI Gateway and the Access team domain beside your own `wrangler dev`, until Ctrl-C.
    #[command(after_help = doubles::AFTER_HELP, after_long_help = doubles::after_long_help())]
    Doubles(Box<doubles::DoublesArgs>),
    /// Makes tokens of the team domain that `moltproof doubles` plays, good ones and bad ones.
    Token(token::TokenArgs),
    /// Measures what the contract run catches: backends that each break one thing, servers that do nothing, correct variants.
    #[command(after_help = teeth::EXAMPLES)]
    Teeth(Box<teeth::TeethArgs>),
    /// Serves the reference with something else put in, as `teeth` does.
    #[command(hide = true)]
    ServeAltered(teeth::AlteredArgs),
    /// Runs a command and ends its whole process group when standard input ends.
    #[command(hide = true)]
    Supervise(SuperviseArgs),
    /// Judges any D1 or SQLite database: its schema, its migrations with rows in the tables, its data contract.
    #[command(after_help = DB_EXAMPLES)]
    Db(moltproof_data::command::DbArgs),
    /// Shows the options that are in effect, and where each comes from.
    Config(config::ConfigArgs),
    /// Prints the script that completes moltproof's words in a shell.
    #[command(after_help = completions::COMPLETIONS_EXAMPLES)]
    Completions(completions::CompletionsArgs),
    /// Prints the manual page, or writes one for every verb.
    #[command(after_help = completions::MAN_EXAMPLES)]
    Man(completions::ManArgs),
    /// Prints sandbox ids: the published vectors, or those of the tenant ids given.
    #[command(after_help = vectors::EXAMPLES)]
    Vectors(vectors::VectorsArgs),
}

/// Options of the hidden verb `supervise`.
#[derive(Debug, clap::Args)]
struct SuperviseArgs {
    /// How long an orderly end may take.
    #[arg(long, value_name = "MS", default_value_t = crate::subject::launched::supervisor::GRACE_MS)]
    grace_ms: u64,
    /// The command and its arguments.
    #[arg(required = true, last = true)]
    command: Vec<OsString>,
}

fn supervise(args: &SuperviseArgs) -> ExitCode {
    match crate::subject::launched::supervisor::supervise(
        &args.command,
        Duration::from_millis(args.grace_ms),
    ) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            say(&format!(
                "moltproof: cannot start {}: {error}",
                args.command[0].display()
            ));
            ExitCode::from(Exit::Fault as u8)
        }
    }
}

/// Why a verb did not get to its end.
#[derive(Debug)]
struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    fn usage(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Usage,
            message: message.into(),
        }
    }

    fn fault(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Fault,
            message: message.into(),
        }
    }
}

/// Runs the command line `args` (program name first) of a program built from `build`, and returns the exit code.
pub fn main(args: impl IntoIterator<Item = OsString>, build: Build) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    colour::before(&args);
    let mut asked = command();
    if let Some(lines) = version::told(&args, build) {
        asked = asked.long_version(lines);
    }
    let parsed = asked
        .try_get_matches_from(&args)
        .map_err(|error| blamed::named(error, &built(), &args));
    let parsed = parsed.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            // Help and version are no errors: clap says so by its exit code.
            let code = error.exit_code();
            return match error.print() {
                Ok(()) => ExitCode::from(u8::try_from(code).unwrap_or(Exit::Usage as u8)),
                Err(_closed) => ExitCode::from(Exit::Usage as u8),
            };
        }
    };
    colour::choose(cli.color);
    // Lives until the verb is through.
    let _scratch = scratch::settle(&cli.verb);
    let ended = variables::known(&cli.verb).and_then(|()| perform(cli.verb, &matches));
    match ended {
        Ok(code) => code,
        Err(failure) => {
            say(&format!("moltproof: {}", failure.message));
            ExitCode::from(failure.exit as u8)
        }
    }
}

/// Does what a verb says.
fn perform(verb: Verb, matches: &clap::ArgMatches) -> Result<ExitCode, Failure> {
    let ended = match verb {
        Verb::Run(args) if args.watch.is_some() => watching(&args, matches),
        Verb::Run(args) => run::run(&args),
        Verb::Init(args) => init::init(&args),
        Verb::Doctor(args) => doctor::doctor(&args),
        Verb::Sweep(args) => sweep::sweep(&args),
        Verb::List(args) => list::list(&args),
        Verb::Explain(args) => explain::explain(&args),
        Verb::Replay(args) => replay::replay(&args),
        Verb::History(args) => history::history(&args),
        Verb::Report(args) => report::report(&args),
        Verb::Baseline(args) => baseline::baseline(&args),
        Verb::Schema(args) => schema::schema(&args),
        Verb::Serve(args) => return serve::serve(&args),
        Verb::Up(args) => up::up(&args),
        Verb::Teeth(args) => teeth::teeth(&args),
        Verb::ServeAltered(args) => return Ok(teeth::serve_altered(&args)),
        Verb::Supervise(args) => return Ok(supervise(&args)),
        Verb::Doubles(args) => doubles::doubles(&args),
        Verb::Token(args) => token::token(&args),
        Verb::Db(args) => return Ok(moltproof_data::command::run(&args)),
        Verb::Config(args) => {
            of_verb(matches, "config").and_then(|matches| config::config(&args, &built(), matches))
        }
        Verb::Completions(args) => completions::completions(&args, command()),
        Verb::Man(args) => completions::man(&args, command()),
        Verb::Vectors(args) => vectors::vectors(&args),
    };
    ended.map(|exit| ExitCode::from(exit as u8))
}

/// The command line.
fn command() -> clap::Command {
    // The reference tells its variables there, and knows nothing of this command line.
    let command = Cli::command().mut_subcommand("serve", |serve| {
        let told = serve.get_after_help().cloned().unwrap_or_default();
        serve.after_help(serve::after_help(&told.to_string()))
    });
    switches::with_usual_words(command)
}

/// The same, with what all verbs share put into each.
fn built() -> clap::Command {
    let mut command = command();
    command.build();
    command
}

/// What was given to a verb.
fn of_verb<'a>(matches: &'a clap::ArgMatches, verb: &str) -> Result<&'a clap::ArgMatches, Failure> {
    let own = matches.subcommand_matches(verb);
    own.ok_or_else(|| Failure::fault("the command line cannot be read again"))
}

fn watching(args: &run::RunArgs, matches: &clap::ArgMatches) -> Result<Exit, Failure> {
    let command = built();
    let verb = command.find_subcommand("run").unwrap_or(&command);
    let given = watch::Given::of(verb, of_verb(matches, "run")?);
    watch::watch(args, &given)
}

/// Writes to standard output, without any known secret. A reader that has gone away (`| head`) is no error.
fn put(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout();
    let text = crate::scrub::clean(text);
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::fault(format!(
            "cannot write to standard output: {error}"
        ))),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes a line to standard error, where progress and complaints go, without any known secret.
fn say(line: &str) {
    let line = crate::scrub::clean_report(line);
    // If even standard error is gone there is nobody left to tell.
    drop(writeln!(anstream::stderr(), "{line}"));
}

/// As [`say`], with what looks like a secret and is none: the token of a team domain that ends with this program.
fn say_for_use(line: &str) {
    let line = crate::scrub::clean(line);
    drop(writeln!(anstream::stderr(), "{line}"));
}

/// One version of the contract that is built in; the latest unless told otherwise.
fn contract_at(version: Option<Version>) -> Result<crate::contract::Contract, Failure> {
    let Some(version) = version else {
        return contract();
    };
    let all = crate::contract::Contract::of_all_versions();
    let all = all
        .map_err(|error| Failure::fault(format!("the embedded contract is malformed: {error}")))?;
    all.at(version)
        .map_err(|unknown| Failure::usage(unknown.to_string()))
}

/// The contract that is built in, in its latest version.
fn contract() -> Result<crate::contract::Contract, Failure> {
    crate::contract::Contract::embedded()
        .map_err(|error| Failure::fault(format!("the embedded contract is malformed: {error}")))
}

/// The JSON Schema of the target manifest, as `fixtures/schemas/manifest.schema.json` holds it.
#[must_use]
pub fn manifest_schema() -> String {
    schema::manifest()
}

/// The JSON Schema of the JSON report, as `fixtures/schemas/report.schema.json` holds it.
#[must_use]
pub fn report_schema() -> String {
    schema::report()
}

/// The matrix id → feature, as `features/README.md` holds it.
#[must_use]
pub fn matrix(contract: &crate::contract::Contract) -> String {
    list::markdown(contract)
}
