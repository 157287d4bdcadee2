//! `moltproof teeth`: measures what the harness catches. Never looks at anybody's target.

use super::progress::Shown;
use super::target::{asked_to_go, program, runtime};
use super::{Failure, Format, contract, put, say};
use crate::report::json::write_whole;
use crate::target::reference::altered;
use crate::target::reference::{ServeArgs, deviants::Deviant};
use crate::teeth::matrix::KillMatrix;
use crate::teeth::measure::{self, Wanted};
use crate::teeth::trial::{Manner, Ruined};
use crate::teeth::{Catalogue, figures, html, survivors, text};
use crate::verdict::Exit;
use rustix::process::{Resource, getrlimit, setrlimit};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Trials side by side for each core. Evidence: most of a trial waits for absences and deadlines; with three for each, two cores stood idle for a third of the time.
const JOBS_PER_CORE: usize = 5;
/// Open files that a trial may need. Evidence: 1,024 were too few for ten at once.
const OPEN_FILES_PER_JOB: usize = 512;
/// More open files than any measurement needs.
const OPEN_FILES_MAX: u64 = 65_536;
/// Scenarios side by side within a trial: as many as `run` has.
const CONCURRENCY: usize = 64;

pub(super) const EXAMPLES: &str = "Examples:
  moltproof teeth                                          everything, in about two minutes on two cores
  moltproof teeth --id RES-002                             what breaks one criterion
  moltproof teeth --list
  moltproof teeth --report html=teeth.html";

/// Options of `teeth`.
#[derive(Debug, clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub(super) struct TeethArgs {
    /// Only these backends, by name; `--list` tells the names. May be repeated.
    #[arg(
        long,
        env = "MOLTPROOF_TEETH_ONLY",
        value_name = "crate",
        value_delimiter = ','
    )]
    only: Vec<String>,
    /// Only deviants that are expected to break this criterion. May be repeated.
    #[arg(
        long,
        env = "MOLTPROOF_TEETH_ID",
        value_name = "ID",
        value_delimiter = ','
    )]
    id: Vec<String>,
    /// Lists the backends and what each does, and tries none.
    #[arg(long, env = "MOLTPROOF_TEETH_LIST")]
    list: bool,
    /// Judge every deviant by the whole contract: shows all that turns red, and takes a few seconds for each.
    #[arg(long, env = "MOLTPROOF_TEETH_WHOLE_CONTRACT")]
    whole_contract: bool,
    /// Also write the matrix: json or html, with `=PATH` for where. May be repeated.
    #[arg(long, env = "MOLTPROOF_TEETH_REPORT", value_name = "KIND[=PATH]", value_delimiter = ',', value_parser = report_file)]
    report: Vec<(Kind, PathBuf)>,
    /// Check the figures between the marks of a Markdown file, such as README.md, against what was measured.
    #[arg(long, env = "MOLTPROOF_TEETH_FIGURES", value_name = "FILE", conflicts_with_all = ["only", "id", "list"])]
    figures: Option<PathBuf>,
    /// With --figures: write them there.
    #[arg(long, env = "MOLTPROOF_TEETH_UPDATE", requires = "figures")]
    update: bool,
    /// Trials side by side; five for each core unless told otherwise.
    #[arg(long, env = "MOLTPROOF_JOBS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// Repeats the order of an earlier measurement.
    #[arg(long, env = "MOLTPROOF_SEED", value_name = "N")]
    seed: Option<u64>,
    /// Form of the matrix on standard output.
    #[arg(long, env = "MOLTPROOF_FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
    /// No progress on standard error.
    #[arg(long, short, env = "MOLTPROOF_QUIET")]
    quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Html,
}

fn report_file(text: &str) -> Result<(Kind, PathBuf), String> {
    let (kind, path) = text
        .split_once('=')
        .map_or((text, None), |(kind, path)| (kind, Some(path)));
    let (kind, default) = match kind {
        "json" => (Kind::Json, "moltproof-teeth.json"),
        "html" => (Kind::Html, "moltproof-teeth.html"),
        other => {
            return Err(format!(
                "there is no report kind `{other}`{}; use json or html",
                crate::nearest::hint(other, ["json", "html"])
            ));
        }
    };
    match path {
        Some("") => Err("the path after `=` is empty".to_owned()),
        path => Ok((kind, PathBuf::from(path.unwrap_or(default)))),
    }
}

pub(super) fn teeth(args: &TeethArgs) -> Result<Exit, Failure> {
    let contract = contract()?;
    let broken = |why: String| Failure::fault(format!("the catalogue is malformed: {why}"));
    let mut catalogue =
        Catalogue::built_in(&contract).map_err(|error| broken(error.to_string()))?;
    let survivors = survivors::built_in().map_err(broken)?;
    let names: BTreeSet<&String> = catalogue
        .deviants
        .iter()
        .map(|deviant| &deviant.id)
        .collect();
    if let Some(stranger) = survivors.keys().find(|id| !names.contains(id)) {
        return Err(broken(format!(
            "survivors.toml: there is no deviant `{stranger}`"
        )));
    }
    narrow(&mut catalogue, args)?;
    if args.list {
        return list(&catalogue, args.format);
    }
    let files = more_open_files();
    let (end, ending) = tokio::sync::watch::channel(false);
    let program = program()?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let wanted = Wanted {
        manner: Manner {
            program,
            book: Arc::new(crate::steps::all()),
            seed: args.seed.unwrap_or_else(|| fastrand::u64(..)),
            concurrency: CONCURRENCY,
            patience: None,
            ending,
        },
        jobs: args
            .jobs
            .map_or(cores * JOBS_PER_CORE, usize::from)
            .min(files / OPEN_FILES_PER_JOB)
            .max(1),
        whole: args.only.is_empty() && args.id.is_empty(),
        whole_contract: args.whole_contract,
        survivors,
    };
    let total =
        catalogue.deviants.len() + catalogue.null_servers.len() + catalogue.correct_variants.len();
    let shown = Shown::new(total, "backends", args.quiet);
    let watching = runtime()?;
    let (over, is_over) = tokio::sync::oneshot::channel::<()>();
    let measured = std::thread::scope(|scope| {
        let measuring = scope.spawn(|| {
            let measured = measure::measure(&contract, &catalogue, &wanted, &shown);
            drop(over);
            measured
        });
        watching.block_on(async {
            tokio::select! {
                () = asked_to_go() => { end.send_replace(true); }
                _ended = is_over => {}
            }
        });
        measuring.join()
    });
    shown.finish();
    let matrix = match measured {
        Ok(Ok(matrix)) => matrix,
        Ok(Err(Ruined::Interrupted)) => {
            return Err(Failure {
                exit: Exit::Interrupted,
                message: "interrupted; nothing was measured".to_owned(),
            });
        }
        Ok(Err(ruined @ Ruined::NotStarted(_))) => return Err(Failure::fault(ruined.to_string())),
        Err(_panicked) => return Err(Failure::fault("the measurement panicked")),
    };
    deliver(args, &matrix)?;
    let figures_hold = match &args.figures {
        Some(file) => figures_hold(file, &matrix, args.update)?,
        None => true,
    };
    Ok(if matrix.has_teeth() && figures_hold {
        Exit::Conforms
    } else {
        Exit::Violation
    })
}

/// Asks the system for as many open files as it allows; returns how many that are.
fn more_open_files() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = limit
        .maximum
        .map_or(OPEN_FILES_MAX, |most| most.min(OPEN_FILES_MAX));
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(wanted);
        // If it refuses, fewer trials run side by side.
        setrlimit(Resource::Nofile, limit).unwrap_or_default();
    }
    let current = getrlimit(Resource::Nofile).current;
    usize::try_from(current.unwrap_or(OPEN_FILES_MAX)).unwrap_or(usize::MAX)
}

/// Whether a file states what was measured; with `update` it does from now on.
fn figures_hold(file: &Path, matrix: &KillMatrix, update: bool) -> Result<bool, Failure> {
    let what = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("--figures {what}: {error}")))?;
    let lines = text::figures(&matrix.summary);
    let wanted = figures::with(&text, &lines).ok_or_else(|| {
        Failure::usage(format!(
            "--figures {what}: there are no lines `{}` and `{}`",
            figures::BEGIN,
            figures::END
        ))
    })?;
    if wanted == text {
        return Ok(true);
    }
    if update {
        write_whole(file, wanted.as_bytes())
            .map_err(|error| Failure::fault(format!("cannot write {what}: {error}")))?;
        return Ok(true);
    }
    say(&format!(
        "moltproof: the figures in {what} are not what was measured; `moltproof teeth --figures {what} --update` writes them"
    ));
    Ok(false)
}

/// Leaves what is asked for.
fn narrow(catalogue: &mut Catalogue, args: &TeethArgs) -> Result<(), Failure> {
    if args.only.is_empty() && args.id.is_empty() {
        return Ok(());
    }
    if let Some(stranger) = args
        .only
        .iter()
        .find(|name| catalogue.alteration(name).is_none())
    {
        return Err(Failure::usage(format!(
            "there is no backend `{stranger}`; `moltproof teeth --list` tells which there are"
        )));
    }
    let named = |id: &String| args.only.is_empty() || args.only.contains(id);
    let breaks = |deviant: &Deviant| {
        args.id.is_empty() || deviant.expected.iter().any(|id| args.id.contains(id))
    };
    catalogue
        .deviants
        .retain(|deviant| named(&deviant.id) && breaks(deviant));
    let others = args.id.is_empty();
    catalogue
        .null_servers
        .retain(|other| others && named(&other.id));
    catalogue
        .correct_variants
        .retain(|other| others && named(&other.id));
    if catalogue.deviants.len() + catalogue.null_servers.len() + catalogue.correct_variants.len()
        == 0
    {
        return Err(Failure::usage(
            "no backend is left by --only and --id; `moltproof teeth --list` tells which there are",
        ));
    }
    Ok(())
}

fn list(catalogue: &Catalogue, format: Format) -> Result<Exit, Failure> {
    let others = |kind: &'static str, list: &[crate::teeth::Other]| {
        list.iter()
            .map(|other| (kind, other.id.clone(), other.does.clone(), Vec::new()))
            .collect::<Vec<_>>()
    };
    let mut rows: Vec<_> = catalogue
        .deviants
        .iter()
        .map(|deviant| {
            (
                "deviant",
                deviant.id.clone(),
                deviant.breaks.clone(),
                deviant.expected.clone(),
            )
        })
        .collect();
    rows.extend(others("null server", &catalogue.null_servers));
    rows.extend(others("correct variant", &catalogue.correct_variants));
    let text = match format {
        Format::Json => {
            let rows: Vec<_> = rows
                .iter()
                .map(|(kind, id, does, expected)| serde_json::json!({ "kind": kind, "id": id, "does": does, "expected": expected }))
                .collect();
            format!("{:#}\n", serde_json::Value::from(rows))
        }
        Format::Text => rows
            .iter()
            .fold(String::new(), |mut text, (kind, id, does, expected)| {
                let expected = expected.join(" ");
                let _infallible = writeln!(text, "{kind:<15} {id:<44} {expected:<16} {does}");
                text
            }),
    };
    put(&text)?;
    Ok(Exit::Conforms)
}

fn deliver(args: &TeethArgs, matrix: &KillMatrix) -> Result<(), Failure> {
    let cannot = |what: &str, why: String| Failure::fault(format!("cannot write {what}: {why}"));
    let json = || {
        serde_json::to_string_pretty(matrix)
            .map(|text| text + "\n")
            .map_err(|error| cannot("the matrix", error.to_string()))
    };
    for (kind, path) in &args.report {
        let text = match kind {
            Kind::Json => json()?,
            Kind::Html => html::render(matrix),
        };
        let what = path.display().to_string();
        write_whole(path, crate::scrub::clean_report(&text).as_bytes())
            .map_err(|error| cannot(&what, error.to_string()))?;
        if !args.quiet {
            say(&format!("report written to {what}"));
        }
    }
    put(&match args.format {
        Format::Text => crate::scrub::clean_report(&text::render(matrix)).clone(),
        Format::Json => json()?,
    })
}

/// Options of the hidden verb `serve-altered`.
#[derive(Debug, clap::Args)]
pub(super) struct AlteredArgs {
    /// Which backend of the catalogue.
    name: String,
    #[command(flatten)]
    serve: ServeArgs,
}

/// Serves the reference with something else put in: what `teeth` stops and kills.
pub(super) fn serve_altered(args: &AlteredArgs) -> ExitCode {
    let served = (|| {
        let contract = contract()?;
        let catalogue = Catalogue::built_in(&contract);
        let catalogue = catalogue.map_err(|error| Failure::fault(error.to_string()))?;
        let alteration = catalogue.alteration(&args.name);
        let alteration = alteration
            .ok_or_else(|| Failure::usage(format!("there is no backend `{}`", args.name)))?;
        runtime()?
            .block_on(altered::serve(&alteration, &args.serve))
            .map_err(Failure::fault)
    })();
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(&format!("moltproof: {}", failure.message));
            ExitCode::from(failure.exit as u8)
        }
    }
}
