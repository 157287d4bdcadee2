//! `moltproof db check`. Never runs a statement on the user's database.

use super::costs::Bills;
use super::input::Input;
use super::progress::ProgressArgs;
use super::{Exit, Failed, output};
use crate::check::{Aspect, Bound, Broken, ON_A_GUESS, Outcome, aspects};
use crate::claims::Data;
use crate::progress::{Progress as _, Work};
use crate::render::sql;
use crate::render::text::hanging;
use crate::subject::Subject;
use crate::text::counted;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = "Examples:
  moltproof db check migrations --claims data.toml
  moltproof db check migrations --criterion PAT-001 --criterion PAT-014
  moltproof db check migrations --format json --output check.json

Exit codes:
  0  nothing is broken
  1  a MUST is broken; with --strict, a SHOULD too
  2  the input or an option cannot be used
  3  a fault of the machine
  4  with --strict, a MUST could not be judged";

/// Options of `db check`.
#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    input: Input,
    /// Only this criterion; may be repeated.
    #[arg(
        long,
        value_name = "ID",
        env = "MOLTPROOF_DB_CRITERION",
        value_delimiter = ','
    )]
    criterion: Vec<String>,
    /// Demand that every MUST is judged.
    #[arg(long, env = "MOLTPROOF_DB_STRICT")]
    strict: bool,
    /// Form of the report.
    #[arg(long, value_enum, default_value_t = Format::Text, env = "MOLTPROOF_DB_FORMAT")]
    format: Format,
    /// Write the report to a file.
    #[arg(long, value_name = "FILE", env = "MOLTPROOF_DB_OUTPUT")]
    output: Option<PathBuf>,
    /// Keep every statement of the checks and what it gave, as lines of JSON, so that another engine can be asked the same.
    #[arg(long, value_name = "FILE", env = "MOLTPROOF_DB_TRACE")]
    trace: Option<PathBuf>,
    /// Judge the hot queries of PAT-007 on tables of 1,000,000 rows with the statistics of ANALYZE.
    #[arg(long, env = "MOLTPROOF_DB_DEEP")]
    deep: bool,
    /// The same with this many rows, from 1,000 to 10,000,000.
    #[arg(long, value_name = "N", env = "MOLTPROOF_DB_ROWS", value_parser = clap::value_parser!(u64).range(1_000..=10_000_000))]
    rows: Option<u64>,
    #[command(flatten)]
    progress: ProgressArgs,
}

/// Rows of each table of a hot query with `--deep` alone.
const DEEP_ROWS: u64 = 1_000_000;

/// The one criterion that is judged with so many rows.
const DEEP: &str = "PAT-007";

/// Forms of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For the test views of CI systems.
    Junit,
}

/// The one criterion of the profile that is a SHOULD.
const SHOULD: &str = "PAT-015";

/// Statements that the text shows of those that repeat what was seen; before them, rows are made.
const REPEAT_MAX: usize = 2;

/// What became of a criterion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Passed,
    Failed,
    NotVerified,
}

/// A criterion and its judged aspects.
struct Criterion {
    id: &'static str,
    aspects: Vec<(&'static Aspect, Outcome)>,
}

impl Criterion {
    fn verdict(&self) -> Verdict {
        let is =
            |wanted: fn(&Outcome) -> bool| self.aspects.iter().any(|(_, outcome)| wanted(outcome));
        if is(|outcome| matches!(outcome, Outcome::Broken(_))) {
            Verdict::Failed
        } else if is(|outcome| matches!(outcome, Outcome::Held { .. })) {
            Verdict::Passed
        } else {
            Verdict::NotVerified
        }
    }
}

pub(super) fn check(args: &CheckArgs) -> Result<Exit, Failed> {
    let wanted = wanted(args)?;
    let deep = deep(args, &wanted)?;
    let shown = args.progress.shown();
    let mut subject = args.input.subject(&shown)?;
    subject.deep = deep;
    if args.trace.is_some() {
        subject.trace.turn_on();
    }
    crate::check::fill_deep(&subject, &shown);
    let mut by_id: BTreeMap<&'static str, Criterion> = BTreeMap::new();
    let all = wanted.len();
    for (done, aspect) in wanted.into_iter().enumerate() {
        shown.hear(Work::Aspects, done, all);
        let outcome = (aspect.judge)(&subject);
        let criterion = by_id.entry(aspect.criterion).or_insert_with(|| Criterion {
            id: aspect.criterion,
            aspects: Vec::new(),
        });
        criterion.aspects.push((aspect, outcome));
    }
    shown.hear(Work::Aspects, all, all);
    let criteria: Vec<Criterion> = by_id.into_values().collect();
    let bills = if args.criterion.is_empty() {
        Bills::of(&subject)
    } else {
        Bills::default()
    };
    drop(shown);
    let text = match args.format {
        Format::Text => text(&criteria, &subject, &bills) + &bills.text(),
        Format::Json => {
            serde_json::to_string_pretty(&told(&criteria, &subject, &bills))
                .map_err(Failed::fault)?
                + "\n"
        }
        Format::Junit => junit(&criteria, &bills).map_err(Failed::fault)?,
    };
    if let Some(file) = &args.trace {
        output::put(&(subject.trace.take().join("\n") + "\n"), Some(file))?;
    }
    output::put(&text, args.output.as_deref())?;
    Ok(ended(args, &criteria, &bills))
}

/// The rows that the tables of hot queries are to hold, if they are to hold many.
fn deep(args: &CheckArgs, wanted: &[&Aspect]) -> Result<Option<u64>, Failed> {
    let rows = args.rows.or(args.deep.then_some(DEEP_ROWS));
    if rows.is_some() && !wanted.iter().any(|aspect| aspect.criterion == DEEP) {
        return Err(Failed::usage(format!(
            "--deep and --rows change what {DEEP} is judged on, which no --criterion names; add it, or leave them out"
        )));
    }
    Ok(rows)
}

fn wanted(args: &CheckArgs) -> Result<Vec<&'static Aspect>, Failed> {
    for id in &args.criterion {
        if !aspects()
            .iter()
            .any(|aspect| aspect.criterion.eq_ignore_ascii_case(id))
        {
            return Err(Failed::usage(format!(
                "there is no criterion `{id}` of databases; they are PAT-001 to PAT-019"
            )));
        }
    }
    let is_named = |aspect: &&Aspect| {
        args.criterion.is_empty()
            || args
                .criterion
                .iter()
                .any(|id| aspect.criterion.eq_ignore_ascii_case(id))
    };
    Ok(aspects().iter().filter(is_named).collect())
}

fn ended(args: &CheckArgs, criteria: &[Criterion], bills: &Bills) -> Exit {
    let is = |verdict: Verdict| {
        criteria
            .iter()
            .any(|criterion| criterion.id != SHOULD && criterion.verdict() == verdict)
    };
    let should_fails = criteria
        .iter()
        .any(|criterion| criterion.verdict() == Verdict::Failed);
    if is(Verdict::Failed) || bills.has(Bound::Broken) || args.strict && should_fails {
        Exit::Found
    } else if args.strict && (is(Verdict::NotVerified) || bills.has(Bound::Open)) {
        Exit::Unverified
    } else {
        Exit::Clean
    }
}

fn text(criteria: &[Criterion], subject: &Subject, bills: &Bills) -> String {
    let count = |verdict: Verdict| {
        criteria
            .iter()
            .filter(|criterion| criterion.verdict() == verdict)
            .count()
    };
    let mut text = format!(
        "{}: {} of {} criteria hold, {} broken, {} not verified{}\n\n",
        subject.source.shown,
        count(Verdict::Passed),
        criteria.len(),
        count(Verdict::Failed),
        count(Verdict::NotVerified),
        bills.headline()
    );
    if subject.claims == Data::default() && count(Verdict::NotVerified) > 0 {
        text.push_str(
            "Nothing is declared, and nothing is judged on a guess.\n\
            A first [data] section, which says what they apply to, is written by\n\
            \x20 moltproof db infer --output data.toml\n\n",
        );
    }
    let mut order: Vec<&Criterion> = criteria.iter().collect();
    order.sort_by_key(|criterion| {
        let rank = match criterion.verdict() {
            Verdict::Failed => 0,
            Verdict::NotVerified => 1,
            Verdict::Passed => 2,
        };
        (rank, criterion.id == SHOULD)
    });
    let mut blocks = order.into_iter().map(|criterion| {
        let mut block = String::new();
        criterion_text(&mut block, criterion);
        (undeclared(criterion).is_some(), block)
    });
    let mut was_line = blocks.next().is_some_and(|(is_line, block)| {
        text.push_str(&block);
        is_line
    });
    for (is_line, block) in blocks {
        if !(was_line && is_line) {
            text.push('\n');
        }
        text.push_str(&block);
        was_line = is_line;
    }
    text
}

fn criterion_text(text: &mut String, criterion: &Criterion) {
    let verdict = word(criterion.verdict());
    let level = if criterion.id == SHOULD {
        "SHOULD"
    } else {
        "MUST"
    };
    let width = output::width();
    let head = format!("{verdict:<12} {} ({level})", criterion.id);
    if let Some(reasons) = undeclared(criterion) {
        text.push_str(&hanging(&format!("{head}  "), &reasons, width));
        return;
    }
    let _infallible = writeln!(text, "{head}");
    for (aspect, outcome) in &criterion.aspects {
        match outcome {
            Outcome::Held { saw } => {
                let said = format!("{}: {saw}", aspect.sentence);
                text.push_str(&hanging("  ok      ", &said, width));
            }
            Outcome::NotVerified { reason, key } => {
                let said = format!("{}: {}", aspect.sentence, open(reason, key.as_deref()));
                text.push_str(&hanging("  open    ", &said, width));
            }
            Outcome::Broken(all) => {
                text.push_str(&hanging("  BROKEN  ", aspect.sentence, width));
                for broken in all {
                    broken_text(text, broken, width);
                }
            }
        }
    }
}

/// Why something is not verified, and the key of the claims that would change it.
fn open(reason: &str, key: Option<&str>) -> String {
    let reason = reason.strip_suffix(ON_A_GUESS).unwrap_or(reason);
    key.map_or_else(|| reason.to_owned(), |key| format!("{reason} ({key})"))
}

/// The reasons of a criterion of which nothing is verified for want of claims, each told once with all of its keys.
fn undeclared(criterion: &Criterion) -> Option<String> {
    let mut told: Vec<(&str, Vec<&str>)> = Vec::new();
    for (_, outcome) in &criterion.aspects {
        let Outcome::NotVerified { reason, key } = outcome else {
            return None;
        };
        let key = key.as_deref()?;
        let reason = reason.strip_suffix(ON_A_GUESS).unwrap_or(reason);
        match told.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, keys)) if keys.contains(&key) => {}
            Some((_, keys)) => keys.push(key),
            None => told.push((reason, vec![key])),
        }
    }
    let told = told
        .into_iter()
        .map(|(reason, keys)| format!("{reason} ({})", keys.join(", ")));
    Some(told.collect::<Vec<_>>().join("; "))
}

fn broken_text(text: &mut String, broken: &Broken, width: usize) {
    text.push_str(&hanging("          ", &broken.object, width));
    text.push_str(&hanging("            expected  ", &broken.expected, width));
    text.push_str(&hanging("            saw       ", &broken.saw, width));
    let hidden = broken.repeat.len().saturating_sub(REPEAT_MAX);
    if hidden > 0 {
        let said = format!(
            "-- behind {}, which --format json has",
            counted(hidden, "statement")
        );
        let _infallible = writeln!(text, "            | {said}");
    }
    let lines = broken.repeat.iter().skip(hidden);
    for line in lines.flat_map(|line| sql::lines(line, width.saturating_sub(14).max(40))) {
        let _infallible = writeln!(text, "            | {line}");
    }
}

/// One case a criterion: failed with what was seen, skipped where it is not verified.
fn junit(criteria: &[Criterion], bills: &Bills) -> Result<String, quick_junit::SerializeError> {
    let mut suite = TestSuite::new("moltproof db check");
    for criterion in criteria {
        let mut said = String::new();
        criterion_text(&mut said, criterion);
        let mut status = match criterion.verdict() {
            Verdict::Passed => TestCaseStatus::success(),
            Verdict::Failed => TestCaseStatus::non_success(NonSuccessKind::Failure),
            Verdict::NotVerified => TestCaseStatus::skipped(),
        };
        status.set_message(word(criterion.verdict()));
        status.set_description(said);
        suite.add_test_case(TestCase::new(criterion.id, status));
    }
    suite.add_test_cases(bills.cases());
    let mut whole = Report::new("moltproof");
    whole.add_test_suite(suite);
    whole.to_string()
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "failed",
        Verdict::NotVerified => "not verified",
    }
}

fn told(criteria: &[Criterion], subject: &Subject, bills: &Bills) -> Value {
    let aspect = |(aspect, outcome): &(&Aspect, Outcome)| match outcome {
        Outcome::Held { saw } => {
            json!({ "sentence": aspect.sentence, "outcome": "held", "saw": saw })
        }
        Outcome::NotVerified { reason, key } => {
            json!({ "sentence": aspect.sentence, "outcome": "not verified", "reason": reason, "key": key })
        }
        Outcome::Broken(all) => {
            let all: Vec<Value> = all.iter().map(|one| json!({ "object": one.object, "expected": one.expected, "saw": one.saw, "repeat": one.repeat })).collect();
            json!({ "sentence": aspect.sentence, "outcome": "broken", "broken": all })
        }
    };
    let criteria: Vec<Value> = criteria
        .iter()
        .map(|criterion| {
            let aspects: Vec<Value> = criterion.aspects.iter().map(aspect).collect();
            let level = if criterion.id == SHOULD { "should" } else { "must" };
            json!({ "id": criterion.id, "level": level, "verdict": word(criterion.verdict()), "aspects": aspects })
        })
        .collect();
    json!({ "schema_version": "1.0", "source": subject.source.shown, "files": counted(subject.source.files.len(), "file"), "criteria": criteria, "costs": bills.queries_told(), "writes": bills.writes_told() })
}
