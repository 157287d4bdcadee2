//! `moltproof db explain`: what a rule is about, with SQL that is run while it is told. Never tells what was not seen.

use super::{Exit, Failed, output};
use crate::claims::Data;
use crate::finding::{Finding, Level};
use crate::lint::{Narrowing, lint};
use crate::progress::Nobody;
use crate::render;
use crate::rule::book::{self, Rule};
use crate::subject::Subject;
use std::fmt::Write as _;

pub(super) const EXAMPLES: &str = "Examples:
  moltproof db explain
  moltproof db explain MIG-02
  moltproof db explain --all --format markdown";

/// Options of `db explain`.
#[derive(Debug, clap::Args)]
pub(super) struct ExplainArgs {
    /// The rule; without it, all of them in a line each.
    rule: Option<String>,
    /// All rules in full.
    #[arg(long, conflicts_with = "rule", env = "MOLTPROOF_DB_EXPLAIN_ALL")]
    all: bool,
    /// Form of the text.
    #[arg(long, value_enum, default_value_t = Format::Text, env = "MOLTPROOF_DB_EXPLAIN_FORMAT")]
    format: Format,
}

/// Forms of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For a terminal.
    Text,
    /// For `docs/rules.md`: all rules in full, unless one is named.
    Markdown,
}

pub(super) fn explain(args: &ExplainArgs) -> Result<Exit, Failed> {
    let text = match (&args.rule, args.format) {
        (Some(id), format) => {
            let rule = book::rule(id).ok_or_else(|| {
                Failed::usage(format!(
                    "there is no rule `{id}`; `moltproof db explain` lists them"
                ))
            })?;
            match format {
                Format::Text => one(rule),
                Format::Markdown => rule.markdown(),
            }
        }
        (None, Format::Markdown) => book::markdown(),
        (None, Format::Text) if args.all => {
            book::rules().iter().map(one).collect::<Vec<_>>().join("\n")
        }
        (None, Format::Text) => list(),
    };
    output::put(&text, None)?;
    Ok(Exit::Clean)
}

fn list() -> String {
    book::rules().iter().fold(String::new(), |mut text, rule| {
        let _infallible = writeln!(
            text,
            "{:<7} {:<8} {}",
            rule.id,
            rule.level.to_string(),
            rule.title
        );
        text
    })
}

fn one(rule: &Rule) -> String {
    let criteria = if rule.criteria.is_empty() {
        String::new()
    } else {
        format!(" (serves {})", rule.criteria.join(", "))
    };
    let mut text = format!(
        "{} · {} · {}{criteria}\n\n{}\n",
        rule.id,
        rule.level,
        rule.title,
        rule.failure.trim()
    );
    if let Some(released) = &rule.released {
        let _infallible = write!(text, "\nReleased:\n{}", indented(released));
    }
    let _infallible = write!(text, "\nBroken:\n{}", indented(&rule.broken));
    if !rule.claims.is_empty() {
        let _infallible = write!(text, "\nWith these claims:\n{}", indented(&rule.claims));
    }
    let _infallible = write!(text, "\nWhat is found there:\n\n{}", found(rule));
    let _infallible = write!(
        text,
        "\nRepair: {}\n\nMended:\n{}",
        rule.repair.trim(),
        indented(&rule.mended)
    );
    text
}

fn indented(sql: &str) -> String {
    sql.trim().lines().fold(String::new(), |mut text, line| {
        let _infallible = writeln!(text, "  {line}");
        text
    })
}

/// The findings of this rule on its broken example.
fn found(rule: &Rule) -> String {
    let claims = Data::parse(&rule.claims).unwrap_or_default();
    let Ok(subject) = Subject::of(book::source(rule, &rule.broken), claims, 1) else {
        return String::new();
    };
    let lint = lint(&subject, &Narrowing::default(), &Nobody);
    let own: Vec<&Finding> = lint
        .findings
        .iter()
        .filter(|finding| finding.rule == rule.id && finding.level >= Level::Info)
        .collect();
    own.iter()
        .map(|finding| render::text::finding(finding, &subject.source, output::width()))
        .collect::<Vec<_>>()
        .join("\n")
}
