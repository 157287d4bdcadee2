//! `moltproof db lint`. Never runs a statement on the user's database.

use super::input::Input;
use super::progress::ProgressArgs;
use super::{Exit, Failed, git, output};
use crate::finding::Level;
use crate::lint::{Baseline, Lint, Narrowing, lint as judge};
use crate::render::{self, github, json, junit, sarif};
use crate::rule::book;
use crate::source::Kind;
use crate::subject::Subject;
use crate::text::counted;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = "Examples:
  moltproof db lint
  moltproof db lint migrations --strict
  moltproof db lint migrations --since origin/main --format github
  moltproof db lint migrations --format sarif --output lint.sarif
  moltproof db lint migrations --baseline known.toml

Exit codes:
  0  no error
  1  an error; with --strict, a warning too
  2  the input or an option cannot be used
  3  a fault of the machine
  5  an entry of the baseline that matches no finding or has no reason";

/// Options of `db lint`.
#[derive(Debug, clap::Args)]
pub(super) struct LintArgs {
    #[command(flatten)]
    input: Input,
    /// Form of the report.
    #[arg(long, value_enum, default_value_t = Format::Text, env = "MOLTPROOF_DB_FORMAT")]
    format: Format,
    /// Write the report to a file.
    #[arg(long, value_name = "FILE", env = "MOLTPROOF_DB_OUTPUT")]
    output: Option<PathBuf>,
    /// Fail on warnings too.
    #[arg(long, env = "MOLTPROOF_DB_STRICT")]
    strict: bool,
    /// The least level that the text shows; warnings and errors unless it is told. Other forms have all levels.
    #[arg(long, value_enum, value_name = "LEVEL", env = "MOLTPROOF_DB_LEVEL")]
    level: Option<Least>,
    /// Only this rule; may be repeated.
    #[arg(
        long,
        value_name = "RULE",
        env = "MOLTPROOF_DB_RULE",
        value_delimiter = ','
    )]
    rule: Vec<String>,
    /// Only what files bring that are new or changed since this git revision.
    #[arg(long, value_name = "REVISION", env = "MOLTPROOF_DB_SINCE")]
    since: Option<String>,
    /// Findings that are known, each with a reason; only others count.
    #[arg(long, value_name = "FILE", env = "MOLTPROOF_DB_BASELINE")]
    baseline: Option<PathBuf>,
    /// Write what is found now into the baseline: reasons stay, and what is new waits for one.
    #[arg(
        long,
        requires = "baseline",
        conflicts_with_all = ["format", "output", "strict", "level", "rule", "since"],
        env = "MOLTPROOF_DB_UPDATE_BASELINE"
    )]
    update_baseline: bool,
    #[command(flatten)]
    progress: ProgressArgs,
}

/// Forms of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs; its schema is fixtures/schemas/lint.schema.json.
    Json,
    /// For code scanning, version 2.1.0.
    Sarif,
    /// Annotations of a GitHub workflow.
    Github,
    /// For the test views of CI systems.
    Junit,
}

/// The least level that is shown.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Least {
    /// Errors only.
    Error,
    /// Errors and warnings.
    Warning,
    /// Everything.
    Info,
}

impl From<Least> for Level {
    fn from(least: Least) -> Self {
        match least {
            Least::Error => Self::Error,
            Least::Warning => Self::Warning,
            Least::Info => Self::Info,
        }
    }
}

pub(super) fn lint(args: &LintArgs) -> Result<Exit, Failed> {
    if args.level.is_some() && args.format != Format::Text {
        return Err(Failed::usage(
            "--level says what the text shows; the other forms have all levels, so leave it out",
        ));
    }
    let shown = args.progress.shown();
    let mut subject = args.input.subject(&shown)?;
    let mut changed = None;
    if let Some(revision) = &args.since {
        let since = since(&subject, revision)?;
        subject.source.released = since.edited;
        changed = Some(since.changed);
    }
    let baseline = args
        .baseline
        .as_deref()
        .filter(|file| !args.update_baseline || file.exists())
        .map(Baseline::read)
        .transpose()
        .map_err(Failed::usage)?;
    let narrowing = Narrowing {
        rules: known_rules(&args.rule)?,
        files: changed,
        baseline: baseline.clone().filter(|_known| !args.update_baseline),
    };
    let lint = judge(&subject, &narrowing, &shown);
    drop(shown);
    if let (true, Some(file)) = (args.update_baseline, &args.baseline) {
        return update(file, &baseline.unwrap_or_default(), &lint);
    }
    let text = render(args, &lint, &subject)?;
    output::put(&text, args.output.as_deref())?;
    // Nothing is done behind this but to end: taking a large schema apart piece by piece would be a twentieth of the work.
    std::mem::forget(subject);
    Ok(ended(args, &lint))
}

/// What files have changed since a revision; a database has none.
fn since(subject: &Subject, revision: &str) -> Result<git::Since, Failed> {
    if subject.source.kind == Kind::Database {
        return Err(Failed::usage(
            "--since compares files of SQL with a git revision, and this is a database; name a folder of migrations, or compare two databases by `moltproof db diff`",
        ));
    }
    git::since(&subject.source, revision)
}

/// The rules that were named, as they are written in the book.
pub(super) fn known_rules(named: &[String]) -> Result<BTreeSet<String>, Failed> {
    let known = |name: &String| {
        book::rule(name).map(|rule| rule.id.clone()).ok_or_else(|| {
            Failed::usage(format!(
                "there is no rule `{name}`; `moltproof db explain` lists them"
            ))
        })
    };
    named.iter().map(known).collect()
}

fn update(file: &std::path::Path, baseline: &Baseline, lint: &Lint) -> Result<Exit, Failed> {
    let updated = baseline.updated(&lint.findings);
    let text = toml::to_string_pretty(&updated).map_err(Failed::fault)?;
    let head = "# Findings that are known. An entry without a reason knows nothing.\n\n";
    output::put(&format!("{head}{text}"), Some(file))?;
    let waiting = updated
        .known
        .iter()
        .filter(|entry| entry.reason.trim().is_empty())
        .count();
    let _closed = writeln!(
        anstream::stderr(),
        "{} in {}, {waiting} without a reason",
        counted(updated.known.len(), "known finding"),
        file.display()
    );
    Ok(Exit::Clean)
}

fn render(args: &LintArgs, lint: &Lint, subject: &Subject) -> Result<String, Failed> {
    let source = &subject.source;
    let report = json::report(lint, source);
    match args.format {
        Format::Text => Ok(text(args, lint, subject)),
        Format::Json => serde_json::to_string_pretty(&report)
            .map(|text| text + "\n")
            .map_err(Failed::fault),
        Format::Sarif => {
            let log = sarif::log(&report, &lint.findings, source);
            serde_json::to_string_pretty(&log)
                .map(|text| text + "\n")
                .map_err(Failed::fault)
        }
        Format::Github => Ok(github::annotations(&report)),
        Format::Junit => junit::xml(&report, source).map_err(Failed::fault),
    }
}

fn text(args: &LintArgs, lint: &Lint, subject: &Subject) -> String {
    let (width, least) = (
        output::width(),
        args.level.map_or(Level::Warning, Level::from),
    );
    let mut text = String::new();
    for finding in lint
        .findings
        .iter()
        .filter(|finding| finding.level >= least)
    {
        text.push_str(&render::text::finding(finding, &subject.source, width));
        text.push('\n');
    }
    for entry in &lint.stale {
        let why = if entry.reason.trim().is_empty() {
            "has no reason, and so it does not count: write one"
        } else {
            "matches no finding any more: take it out"
        };
        let said = format!(
            "the baseline's entry for {} ({}) {why}",
            entry.rule, entry.object
        );
        text.push_str(&render::text::hanging("error: ", &said, width));
    }
    for unreached in &lint.unreached {
        text.push_str(&render::text::hanging("note: ", unreached, width));
    }
    for unfilled in &lint.unfilled {
        let said = format!("{unfilled}; what a migration does to its rows was not judged");
        text.push_str(&render::text::hanging("note: ", &said, width));
    }
    text.push_str(&last_line(lint, subject, least));
    text
}

fn last_line(lint: &Lint, subject: &Subject, least: Level) -> String {
    let files = counted(subject.source.files.len(), "file");
    let (errors, warnings, infos) = (
        lint.count(Level::Error),
        lint.count(Level::Warning),
        lint.count(Level::Info),
    );
    let shown_infos = if least == Level::Info { infos } else { 0 };
    let mut line = if errors + warnings + shown_infos == 0 {
        let tables = counted(subject.schema().tables.len(), "table");
        format!(
            "nothing found in {files} and {tables}, by {} rules",
            book::rules().len()
        )
    } else {
        format!(
            "{} and {} in {files}",
            counted(errors, "error"),
            counted(warnings, "warning")
        )
    };
    if shown_infos > 0 {
        let _infallible = write!(line, "; {}", counted(infos, "remark"));
    } else if infos > 0 {
        let _infallible = write!(line, "; {} with --level info", counted(infos, "remark"));
    }
    for (count, what) in [
        (lint.allowed, "allowed by a comment or a claim"),
        (lint.known, "known by the baseline"),
    ] {
        if count > 0 {
            let _infallible = write!(line, "; {count} {what}");
        }
    }
    line + "\n"
}

fn ended(args: &LintArgs, lint: &Lint) -> Exit {
    let is_found = lint.count(Level::Error) > 0 || args.strict && lint.count(Level::Warning) > 0;
    if is_found {
        Exit::Found
    } else if lint.stale.is_empty() {
        Exit::Clean
    } else {
        Exit::Stale
    }
}
