//! `moltproof teeth`: measures what the harness catches. Never looks at anybody's target.

mod altered;
mod api_workers;
mod databases;
mod workers;

pub(super) use altered::{AlteredArgs, serve_altered};

use super::progress::Shown;
use super::run::shard;
use super::target::{asked_to_go, runtime};
use super::{Failure, Format, contract, put, say};
use crate::catalogue::{figures, habits, shard::Shard};
use crate::contract::profile::Profile;
use crate::report::json::write_whole;
use crate::teeth::matrix::KillMatrix;
use crate::teeth::trial::Ruined;
use crate::teeth::{html, text};
use crate::verdict::Exit;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tokio::sync::watch;

pub(super) const EXAMPLES: &str = "Examples:
  moltproof teeth                                          everything, in four to five minutes on two cores
  moltproof teeth --id RES-002                             what breaks one criterion
  moltproof teeth --sample 60                              60 of them by the whole contract: what else turns red?
  moltproof teeth --shard 2/4                              a quarter, in which every criterion is seen to fail
  moltproof teeth --list
  moltproof teeth --profile data                           what is said of databases, by criterion and by rule
  moltproof teeth --profile api-worker                     API workers and their data layers, in some minutes
  moltproof teeth --report html=teeth.html";

/// Options of `teeth`.
#[derive(Debug, clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub(super) struct TeethArgs {
    /// What is measured: core, the contract run on Workers; data, the profile `data` and the rules of `db lint` on databases; api-worker, the
    /// profile `api-worker` on API workers and their data layers.
    #[arg(long, env = "MOLTPROOF_TEETH_PROFILE", value_name = "PROFILE", default_value_t = Profile::Core)]
    profile: Profile,
    /// Only these backends, by name; `--list` tells the names. May be repeated.
    #[arg(
        long,
        env = "MOLTPROOF_TEETH_ONLY",
        value_name = "NAME",
        value_delimiter = ','
    )]
    only: Vec<String>,
    /// Only deviants that are expected to break this criterion or, of databases, this rule. May be repeated.
    #[arg(
        long,
        env = "MOLTPROOF_TEETH_ID",
        value_name = "ID",
        value_delimiter = ','
    )]
    id: Vec<String>,
    /// Only every N-th deviant of each criterion, beginning with the K-th, and one at least; of the other backends every N-th. All N shards together try everything.
    #[arg(long, env = "MOLTPROOF_TEETH_SHARD", value_name = "K/N", value_parser = shard, conflicts_with_all = ["only", "id", "figures"])]
    shard: Option<(usize, usize)>,
    /// Lists the backends and what each does, and tries none.
    #[arg(long, env = "MOLTPROOF_TEETH_LIST")]
    list: bool,
    /// Judge every deviant by the whole contract: shows all that turns red, and takes a few seconds for each. Databases and API workers always are.
    #[arg(long, env = "MOLTPROOF_TEETH_WHOLE_CONTRACT")]
    whole_contract: bool,
    /// Judge so many of the deviants by the whole contract, the same ones every time.
    #[arg(
        long,
        env = "MOLTPROOF_TEETH_SAMPLE",
        value_name = "N",
        conflicts_with = "whole_contract"
    )]
    sample: Option<u16>,
    /// Put so many of the legal habits before the reference, other ones for each seed; with --only, those that are named.
    #[arg(
        long,
        env = "MOLTPROOF_TEETH_HABITS",
        value_name = "N",
        default_value_t = habits::DRAWN
    )]
    habits: u16,
    /// Also write the matrix: json or html, with `=PATH` for where. May be repeated.
    #[arg(long, env = "MOLTPROOF_TEETH_REPORT", value_name = "KIND[=PATH]", value_delimiter = ',', value_parser = report_file)]
    report: Vec<(Kind, PathBuf)>,
    /// Check the figures between the marks of a Markdown file, such as README.md, against what was measured.
    #[arg(long, env = "MOLTPROOF_TEETH_FIGURES", value_name = "FILE", conflicts_with_all = ["only", "id", "list"])]
    figures: Option<PathBuf>,
    /// With --figures: write them there.
    #[arg(long, env = "MOLTPROOF_TEETH_UPDATE", requires = "figures")]
    update: bool,
    /// Trials side by side; unless told otherwise five for each core, of API workers three, of databases one.
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

/// The names that a shard has; all without one.
struct InShard(Option<BTreeSet<String>>);

impl InShard {
    fn has(&self, name: &str) -> bool {
        let Self(names) = self;
        names.as_ref().is_none_or(|names| names.contains(name))
    }
}

/// A backend of the catalogue, for a listing.
struct Listed {
    kind: &'static str,
    id: String,
    does: String,
    expected: Vec<String>,
}

pub(super) fn teeth(args: &TeethArgs) -> Result<Exit, Failure> {
    let contract = contract()?;
    match args.profile {
        Profile::Core => workers::teeth(args, &contract),
        Profile::Data => databases::teeth(args, &contract),
        Profile::ApiWorker => api_workers::teeth(args, &contract),
    }
}

impl TeethArgs {
    /// Whether the whole catalogue is asked for.
    fn is_whole(&self) -> bool {
        self.only.is_empty() && self.id.is_empty() && self.shard.is_none()
    }

    /// What `--shard` leaves of backends, each with what it is there for.
    fn shard_of<'a>(&self, all: impl Iterator<Item = (&'a str, &'a str)>) -> InShard {
        let shard = self.shard.map(|(number, of)| Shard { number, of });
        InShard(shard.map(|shard| shard.names(all)))
    }

    /// Whether a backend is among those that are named.
    fn names(&self, id: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == id)
    }

    /// Whether a deviant breaks what is asked for.
    fn asks_for<'a>(&self, mut expected: impl Iterator<Item = &'a String>) -> bool {
        self.id.is_empty() || expected.any(|id| self.id.contains(id))
    }

    /// Refuses names that no backend has.
    fn known(&self, is_known: impl Fn(&str) -> bool) -> Result<(), Failure> {
        match self.only.iter().find(|name| !is_known(name)) {
            Some(stranger) => Err(Failure::usage(format!(
                "there is no backend `{stranger}`; `{}` tells which there are",
                self.listing()
            ))),
            None => Ok(()),
        }
    }

    fn nothing_left(&self) -> Failure {
        Failure::usage(format!(
            "no backend is left by --only and --id; `{}` tells which there are",
            self.listing()
        ))
    }

    fn listing(&self) -> String {
        match self.profile {
            Profile::Core => "moltproof teeth --list".to_owned(),
            Profile::Data | Profile::ApiWorker => {
                format!("moltproof teeth --profile {} --list", self.profile)
            }
        }
    }

    fn seed(&self) -> u64 {
        self.seed.unwrap_or_else(|| fastrand::u64(..))
    }
}

/// Measures, shows how far it is, and ends when somebody asks for that; then tells the matrix.
fn measured(
    args: &TeethArgs,
    total: usize,
    measure: impl FnOnce(watch::Receiver<bool>, &Shown) -> Result<KillMatrix, Ruined> + Send,
) -> Result<Exit, Failure> {
    let (end, ending) = watch::channel(false);
    let what = match args.profile {
        Profile::Core | Profile::ApiWorker => "backends",
        Profile::Data => "databases",
    };
    let shown = Shown::new(total, what, args.quiet);
    let watching = runtime()?;
    let (over, is_over) = tokio::sync::oneshot::channel::<()>();
    let (measured, asked) = std::thread::scope(|scope| {
        let measuring = scope.spawn(|| {
            let measured = measure(ending, &shown);
            drop(over);
            measured
        });
        let asked = watching.block_on(async {
            tokio::select! {
                asked = asked_to_go() => { end.send_replace(true); Some(asked) }
                _ended = is_over => None,
            }
        });
        (measuring.join(), asked)
    });
    shown.finish();
    let matrix = match measured {
        Ok(Ok(matrix)) => matrix,
        Ok(Err(Ruined::Interrupted)) => {
            return Err(Failure {
                exit: asked.map_or(Exit::Interrupted, Exit::of),
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

/// Whether a file states what was measured; with `update` it does from now on.
fn figures_hold(file: &Path, matrix: &KillMatrix, update: bool) -> Result<bool, Failure> {
    let what = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("--figures {what}: {error}")))?;
    let lines = text::figures(&matrix.summary);
    let marks = figures::Marks::of(matrix.profile);
    let wanted = marks.with(&text, &lines).ok_or_else(|| {
        Failure::usage(format!(
            "--figures {what}: there are no lines `{}` and `{}`",
            marks.begin, marks.end
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
        "moltproof: the figures in {what} are not what was measured; `moltproof teeth --profile {} --figures {what} --update` writes them",
        matrix.profile
    ));
    Ok(false)
}

fn list(rows: &[Listed], format: Format) -> Result<Exit, Failure> {
    let text = match format {
        Format::Json => {
            let rows: Vec<_> = rows
                .iter()
                .map(|row| serde_json::json!({ "kind": row.kind, "id": row.id, "does": row.does, "expected": row.expected }))
                .collect();
            format!("{:#}\n", serde_json::Value::from(rows))
        }
        Format::Text => rows.iter().fold(String::new(), |mut text, row| {
            let Listed { kind, id, does, .. } = row;
            let expected = row.expected.join(" ");
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
