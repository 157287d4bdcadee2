//! `moltproof db diff`: what two databases do not have in common. Never changes either.

use super::input::Access;
use super::{Exit, Failed, output};
use crate::diff::{Difference, diff as compare};
use crate::replay::Replay;
use crate::source::{Kind, Source};
use crate::text::counted;
use serde_json::json;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = "Examples:
  moltproof db diff migrations wrangler:DB
  moltproof db diff migrations rest:ACCOUNT/DATABASE --format json
  moltproof db diff old.sqlite new.sql

Exit codes: 0 no difference, 1 some, 2 the input or an option cannot be used, 3 unreachable or a fault of the machine.";

/// Options of `db diff`.
#[derive(Debug, clap::Args)]
pub(super) struct DiffArgs {
    /// A path, `wrangler:BINDING` or `rest:ACCOUNT/DATABASE`.
    a: String,
    /// The other one.
    b: String,
    #[command(flatten)]
    access: Access,
    /// Form of the report.
    #[arg(long, value_enum, default_value_t = Format::Text, env = "MOLTPROOF_DB_FORMAT")]
    format: Format,
    /// Write the report to a file.
    #[arg(long, value_name = "FILE", env = "MOLTPROOF_DB_OUTPUT")]
    output: Option<PathBuf>,
}

/// Forms of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

pub(super) fn diff(args: &DiffArgs) -> Result<Exit, Failed> {
    let (a, b) = args.access.by_words(&args.a, &args.b)?;
    let schema = |source: &Source| Replay::of(source, 1).map_err(Failed::fault);
    let (of_a, of_b) = (schema(&a)?, schema(&b)?);
    for (source, replay) in [(&a, &of_a), (&b, &of_b)] {
        if let Some((file, step)) = replay.failed {
            let name = source.file(file).map_or("", |file| file.name.as_str());
            let why = replay.steps[step].failure.as_ref();
            let _closed = writeln!(
                anstream::stderr(),
                "note: {name} does not apply ({}); what its other statements make is compared nevertheless",
                why.map_or("", |failure| failure.message.as_str())
            );
        }
    }
    let found = compare(&of_a.schema, &of_b.schema);
    let pending = pending(&a, &b);
    let text = match args.format {
        Format::Text => text(&a.shown, &b.shown, &found, &pending),
        Format::Json => {
            let told = json!({ "schema_version": "1.0", "a": a.shown, "b": b.shown, "differences": found, "pending": pending });
            serde_json::to_string_pretty(&told).map_err(Failed::fault)? + "\n"
        }
    };
    output::put(&text, args.output.as_deref())?;
    Ok(if found.is_empty() {
        Exit::Clean
    } else {
        Exit::Found
    })
}

/// Migrations of a folder that the database on the other side has not applied.
fn pending(a: &Source, b: &Source) -> Vec<String> {
    let mut pending = Vec::new();
    for (folder, database) in [(a, b), (b, a)] {
        if let (Kind::Migrations, Some(applied)) = (folder.kind, &database.applied) {
            let names = folder.files.iter().map(|file| &file.name);
            pending.extend(names.filter(|name| !applied.contains(name)).cloned());
        }
    }
    pending
}

fn text(a: &str, b: &str, found: &[Difference], pending: &[String]) -> String {
    let mut text = String::new();
    for difference in found {
        let (sign, where_) = match (&difference.a, &difference.b) {
            (Some(_), Some(_)) => ('~', "differs".to_owned()),
            (Some(_), None) => ('-', format!("is in {a} only")),
            (None, _) => ('+', format!("is in {b} only")),
        };
        let _infallible = writeln!(text, "{sign} {} {where_}", difference.object);
        for (sign, sql) in [('-', &difference.a), ('+', &difference.b)] {
            for line in sql.iter().flat_map(|sql| sql.lines()) {
                let _infallible = writeln!(text, "    {sign} {line}");
            }
        }
        text.push('\n');
    }
    if !pending.is_empty() {
        let _infallible = writeln!(
            text,
            "{} not applied: {}",
            counted(pending.len(), "migration"),
            pending.join(", ")
        );
    }
    let _infallible = if found.is_empty() {
        writeln!(text, "no difference between {a} and {b}")
    } else {
        writeln!(
            text,
            "{} between {a} (-) and {b} (+)",
            counted(found.len(), "difference")
        )
    };
    text
}
