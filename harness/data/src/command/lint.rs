//! `moltproof db lint`. Never runs a statement on the user's database.

use super::{Exit, Failed};
use crate::claims::Data;
use crate::finding::{Finding, Level};
use crate::subject::Subject;
use crate::{render, rule, source};
use std::path::{Path, PathBuf};

/// Options of `db lint`.
#[derive(Debug, clap::Args)]
pub(super) struct LintArgs {
    /// A folder of migrations, a file of SQL, or a SQLite database.
    #[arg(default_value = "migrations")]
    path: PathBuf,
    /// A file with a `[data]` section; `data.toml` beside the migrations is taken by itself.
    #[arg(long, value_name = "FILE")]
    claims: Option<PathBuf>,
    /// Fail on warnings too.
    #[arg(long)]
    strict: bool,
    /// The least level that is shown.
    #[arg(long, value_name = "LEVEL", default_value = "warning")]
    level: Least,
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

/// Columns of a terminal whose width is not known.
const WIDTH: usize = 100;

pub(super) fn lint(args: &LintArgs) -> Result<Exit, Failed> {
    let source = source::open(&args.path).map_err(Failed::usage)?;
    let claims = claims(args)?;
    let subject = Subject::of(source, claims, 1).map_err(Failed::usage)?;
    let mut findings = rule::judge(&subject);
    findings.sort_by(|a, b| b.level.cmp(&a.level).then_with(|| place(a).cmp(&place(b))));
    let least = match args.level {
        Least::Error => Level::Error,
        Least::Warning => Level::Warning,
        Least::Info => Level::Info,
    };
    for finding in findings.iter().filter(|finding| finding.level >= least) {
        anstream::println!("{}", render::text::finding(finding, &subject.source, WIDTH));
    }
    let count = |level| {
        findings
            .iter()
            .filter(|finding| finding.level == level)
            .count()
    };
    let (errors, warnings) = (count(Level::Error), count(Level::Warning));
    anstream::println!(
        "{errors} errors, {warnings} warnings, {} infos in {} files",
        count(Level::Info),
        subject.source.files.len()
    );
    let is_found = errors > 0 || args.strict && warnings > 0;
    Ok(if is_found { Exit::Found } else { Exit::Clean })
}

fn place(finding: &Finding) -> Option<(crate::text::FileId, usize)> {
    finding
        .at
        .as_ref()
        .map(|label| (label.span.file, label.span.start))
}

fn claims(args: &LintArgs) -> Result<Data, Failed> {
    let beside = |folder: Option<&Path>| {
        folder
            .map(|folder| folder.join("data.toml"))
            .filter(|file| file.is_file())
    };
    let found = args
        .claims
        .clone()
        .or_else(|| beside(Some(&args.path)))
        .or_else(|| beside(args.path.parent()));
    let Some(file) = found else {
        return Ok(Data::default());
    };
    let text = std::fs::read_to_string(&file)
        .map_err(|error| Failed::usage(format!("cannot read {}: {error}", file.display())))?;
    Data::parse(&text).map_err(|error| Failed::usage(format!("{}: {error}", file.display())))
}
