//! `moltproof run`: sets up target and doubles, runs the plan, renders the report. Never judges.

use super::progress::Shown;
use super::{Failure, Format, contract, put, say};
use crate::client::Client;
use crate::clock;
use crate::contract::select::{Selection, select};
use crate::report::{Report, RunFacts, json, junit, markdown, text};
use crate::run::scene::Run;
use crate::run::{self, Options};
use crate::steps;
use crate::target::Target;
use crate::target::launched::LaunchedTarget;
use crate::target::manifest::{self, Manifest};
use crate::target::reference::ReferenceTarget;
use crate::target::url::UrlTarget;
use crate::verdict::Exit;
use crate::wait::{self, Look};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Options of `run`.
#[derive(Debug, clap::Args)]
pub(super) struct RunArgs {
    /// What to judge: `reference`, a manifest, or the address of a running backend.
    /// Without it: the nearest moltproof.toml from the current folder upwards, else the reference.
    #[arg(long, env = "MOLTPROOF_TARGET", value_name = "reference|FILE|URL")]
    target: Option<String>,
    /// Only this profile: core, data, api-worker. May be repeated.
    #[arg(
        long,
        env = "MOLTPROOF_PROFILE",
        value_name = "PROFILE",
        value_delimiter = ','
    )]
    profile: Vec<String>,
    /// Only scenarios that match this tag expression, such as `@ACC-009 or (@must and not @slow)`.
    #[arg(long, env = "MOLTPROOF_TAGS", value_name = "EXPR")]
    tags: Option<String>,
    /// Only this criterion. May be repeated.
    #[arg(long, env = "MOLTPROOF_ID", value_name = "ID", value_delimiter = ',')]
    id: Vec<String>,
    /// Also write a report: json, junit or markdown, with `=PATH` for where; `github` writes to the job summary and annotates
    /// the change, in a GitHub workflow. May be repeated.
    #[arg(long, env = "MOLTPROOF_REPORT", value_name = "KIND[=PATH]", value_delimiter = ',', value_parser = report_file)]
    report: Vec<ReportFile>,
    /// Folder for reports that are given without a path.
    #[arg(
        long,
        env = "MOLTPROOF_REPORT_DIR",
        value_name = "DIR",
        default_value = "."
    )]
    report_dir: PathBuf,
    /// Only the K-th of N parts of the selected scenarios.
    #[arg(long, env = "MOLTPROOF_SHARD", value_name = "K/N", value_parser = shard)]
    shard: Option<(usize, usize)>,
    /// Scenarios side by side, 1 to 1024; 64 unless the manifest says otherwise.
    #[arg(long, env = "MOLTPROOF_CONCURRENCY", value_name = "N", value_parser = concurrency)]
    concurrency: Option<usize>,
    /// Repeats the order of an earlier run; without it every run has another.
    #[arg(long, env = "MOLTPROOF_SEED", value_name = "N")]
    seed: Option<u64>,
    /// Exit 4 if a MUST could not be verified, 1 if a SHOULD is not met.
    #[arg(long, env = "MOLTPROOF_STRICT")]
    strict: bool,
    /// Wait this long for the target to answer, such as 30s.
    #[arg(long, env = "MOLTPROOF_WAIT", value_name = "TIME", value_parser = seconds, default_value = "0s")]
    wait: Duration,
    /// Form of the report on standard output.
    #[arg(long, env = "MOLTPROOF_FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
    /// No progress on standard error.
    #[arg(long, short, env = "MOLTPROOF_QUIET")]
    quiet: bool,
}

/// One report to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ReportFile {
    kind: Kind,
    path: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Junit,
    Markdown,
    Github,
}

fn report_file(text: &str) -> Result<ReportFile, String> {
    let (kind, path) = text
        .split_once('=')
        .map_or((text, None), |(kind, path)| (kind, Some(path)));
    let kind = match kind {
        "json" => Kind::Json,
        "junit" => Kind::Junit,
        "markdown" => Kind::Markdown,
        "github" => Kind::Github,
        other => {
            return Err(format!(
                "there is no report kind `{other}`; use json, junit, markdown or github"
            ));
        }
    };
    if path == Some("") {
        return Err("the path after `=` is empty".to_owned());
    }
    Ok(ReportFile {
        kind,
        path: path.map(PathBuf::from),
    })
}

fn shard(text: &str) -> Result<(usize, usize), String> {
    let parts = text
        .split_once('/')
        .and_then(|(part, parts)| Some((part.parse().ok()?, parts.parse().ok()?)));
    match parts {
        Some((part, parts)) if part >= 1 && part <= parts => Ok((part, parts)),
        Some(_) | None => Err("write K/N with 1 <= K <= N, such as 2/4".to_owned()),
    }
}

fn concurrency(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|count| (1..=1024).contains(count))
        .ok_or_else(|| "write a number from 1 to 1024".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(
        text.find(|letter: char| !letter.is_ascii_digit())
            .unwrap_or(text.len()),
    );
    let number: u64 = number
        .parse()
        .map_err(|_unparsable| "write a time such as 30s".to_owned())?;
    match unit {
        "s" | "" => Ok(Duration::from_secs(number)),
        "ms" => Ok(Duration::from_millis(number)),
        "m" => Ok(Duration::from_secs(number * 60)),
        other => Err(format!("`{other}` is no unit of time; use ms, s or m")),
    }
}

pub(super) fn run(args: &RunArgs) -> Result<Exit, Failure> {
    let contract = contract()?;
    let selection = Selection {
        ids: args.id.clone(),
        tags: args.tags.clone(),
        profiles: args.profile.clone(),
        shard: args.shard,
    };
    let plan = select(&contract, &selection).map_err(|error| Failure::usage(error.to_string()))?;
    for file in args.report.iter().filter(|file| file.kind == Kind::Github) {
        step_summary(file)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::fault(format!("cannot start: {error}")))?;
    runtime.block_on(async {
        let started_at_ms = clock::epoch_ms();
        let began = clock::now();
        let client = Client::new()
            .map_err(|error| Failure::fault(format!("cannot set up HTTP: {error}")))?;
        let target = target(args, &client).await?;
        let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
        let id: String = std::iter::repeat_with(|| fastrand::char('a'..='z'))
            .take(6)
            .collect();
        let shown = Arc::new(Shown::new(plan.len(), args.quiet));
        let concurrency = args
            .concurrency
            .unwrap_or_else(|| target.limits().concurrency);
        let options = Options { concurrency, seed };
        let shared = Arc::new(Run::new(Arc::clone(&target), client, id.clone()));
        let running = run::run(
            Arc::clone(&shared),
            plan,
            Arc::new(steps::all()),
            options,
            Arc::clone(&shown) as _,
        );
        let ended = tokio::select! {
            ended = running => Some(ended),
            () = asked_to_go() => None,
        };
        shown.finish();
        target.end().await;
        let Some(ended) = ended else {
            return Err(Failure {
                exit: Exit::Interrupted,
                message: "interrupted; no verdict".to_owned(),
            });
        };
        let facts = RunFacts {
            id,
            seed,
            concurrency,
            started_at_ms,
            duration: began.elapsed(),
            accepted: shared.accepted(),
        };
        let report = Report::new(&contract, target.as_ref(), &facts, &ended);
        deliver(args, &report)?;
        Ok(report.exit(args.strict))
    })
}

/// Done at Ctrl-C or SIGTERM.
async fn asked_to_go() {
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _signal = tokio::signal::ctrl_c() => {}
                _signal = terminate.recv() => {}
            }
        }
        Err(_unavailable) => drop(tokio::signal::ctrl_c().await),
    }
}

async fn target(args: &RunArgs, client: &Client) -> Result<Arc<dyn Target>, Failure> {
    let fault =
        |error: &dyn std::fmt::Display| Failure::fault(format!("cannot start the target: {error}"));
    let program = std::env::current_exe()
        .map_err(|error| Failure::fault(format!("cannot find this program: {error}")))?;
    let discovered = || {
        std::env::current_dir()
            .ok()
            .and_then(|folder| manifest::discover(&folder))
    };
    let wanted = match &args.target {
        Some(text) => text.clone(),
        None => {
            discovered().map_or_else(|| "reference".to_owned(), |file| file.display().to_string())
        }
    };
    if wanted == "reference" {
        return Ok(Arc::new(
            ReferenceTarget::start(program).map_err(|error| fault(&error))?,
        ));
    }
    if Path::new(&wanted).is_file() {
        let manifest = Manifest::read(Path::new(&wanted))
            .map_err(|error| Failure::usage(error.to_string()))?;
        if !args.quiet {
            say(&format!("target: {} ({wanted})", manifest.name));
        }
        let launched = LaunchedTarget::start(manifest, program, client.clone())
            .map_err(|error| fault(&error))?;
        return Ok(Arc::new(launched));
    }
    let base = address(&wanted)?;
    reachable(client, &base, args.wait).await?;
    Ok(Arc::new(UrlTarget::new(base)))
}

/// Scheme and authority of an address.
fn address(text: &str) -> Result<String, Failure> {
    let wrong = |why: &str| {
        Failure::usage(format!(
            "--target `{text}` {why}; give `reference`, a manifest or an address such as http://127.0.0.1:8787"
        ))
    };
    let url = url::Url::parse(text).map_err(|_invalid| {
        wrong("is neither `reference`, nor a file that exists, nor an address")
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("is neither http nor https"));
    }
    if url.host_str().is_none() || !matches!(url.path(), "" | "/") || url.query().is_some() {
        return Err(wrong("must be scheme, host and port only"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(
            "holds credentials, which belong into the environment",
        ));
    }
    Ok(url.origin().ascii_serialization())
}

async fn reachable(client: &Client, base: &str, patience: Duration) -> Result<(), Failure> {
    let probe =
        crate::client::Request::new("GET", "/sandbox-health").within(Duration::from_secs(10));
    let found = wait::until::<_, std::convert::Infallible, _, _>(patience, || async {
        Ok(match client.send(base, &probe, 0).await {
            Ok(_any_answer) => Look::Done(()),
            Err(error) => Look::NotYet(error.to_string()),
        })
    })
    .await;
    match found {
        Ok(Ok(())) => Ok(()),
        Ok(Err(timed_out)) => {
            let tip = if patience.is_zero() {
                "; start it, or let --wait 30s wait for it"
            } else {
                ""
            };
            Err(Failure::fault(format!(
                "the target does not answer: {}{tip}",
                timed_out.last
            )))
        }
    }
}

/// Where the summary of the workflow's step is written.
fn step_summary(file: &ReportFile) -> Result<PathBuf, Failure> {
    // Given by GitHub to every step; not an option of ours, which has `=PATH`.
    let given = std::env::var_os("GITHUB_STEP_SUMMARY").map(PathBuf::from);
    file.path.clone().or(given).ok_or_else(|| {
        Failure::usage(
            "--report github works in a GitHub workflow, which sets GITHUB_STEP_SUMMARY; elsewhere use --report markdown",
        )
    })
}

/// Appends to the summary of the workflow's step, and annotates the change.
fn github(file: &ReportFile, report: &Report) -> Result<(), Failure> {
    let path = step_summary(file)?;
    let opened = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path);
    opened
        .and_then(|mut out| out.write_all(markdown::render(report).as_bytes()))
        .map_err(|error| Failure::fault(format!("cannot write to {}: {error}", path.display())))?;
    // GitHub reads commands from both streams; standard output may hold the JSON report.
    for line in markdown::annotations(report).lines() {
        say(line);
    }
    Ok(())
}

fn deliver(args: &RunArgs, report: &Report) -> Result<(), Failure> {
    let cannot = |what: &str, error: &std::io::Error| {
        Failure::fault(format!("cannot write {what}: {error}"))
    };
    for file in &args.report {
        let (bytes, name) = match file.kind {
            Kind::Json => (json::render(report), "moltproof.json"),
            Kind::Junit => (junit::render(report), "moltproof.junit.xml"),
            Kind::Markdown => (Ok(markdown::render(report).into_bytes()), "moltproof.md"),
            Kind::Github => {
                github(file, report)?;
                continue;
            }
        };
        let path = file
            .path
            .clone()
            .unwrap_or_else(|| args.report_dir.join(name));
        let what = path.display().to_string();
        let bytes = bytes.map_err(|error| cannot(&what, &error))?;
        json::write_whole(&path, &bytes).map_err(|error| cannot(&what, &error))?;
        if !args.quiet {
            say(&format!("report written to {what}"));
        }
    }
    match args.format {
        Format::Text => put(&text::render(report)),
        Format::Json => {
            let bytes = json::render(report).map_err(|error| cannot("the report", &error))?;
            put(&String::from_utf8_lossy(&bytes))
        }
    }
}
