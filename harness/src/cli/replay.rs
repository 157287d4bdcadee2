//! `moltproof replay RUN ID`: runs again what was red in an earlier run, and compares. Never keeps a run of its own in the store.

use super::files::Files;
use super::keeping::StoreArgs;
use super::run::kept;
use super::running::{Order, perform};
use super::target::{Manner, TargetArgs, Terms, seconds};
use super::{Failure, Format, contract_at, put, say};
use crate::client::meter::Budget;
use crate::contract::profile::Profile;
use crate::replay::{Again, Chosen, Compared, choose};
use crate::report::{Report, json, text};
use crate::scrub;
use crate::verdict::{Exit, OutcomeKind};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) const EXAMPLES: &str = "Examples:
  moltproof replay last RES-002                       what was red for RES-002 in the newest run
  moltproof replay kqz features/usage/success.feature:21   one scenario of the run whose id begins with kqz
  moltproof replay report.json GEN-ISO                the same generated cases as in a report of CI
  moltproof replay last ACC-009 --target http://127.0.0.1:8787
  moltproof replay last RES-002 --report har=finding.har   its exchanges, for the network view of a browser";

/// Options of `replay`.
#[derive(Debug, clap::Args)]
pub(super) struct ReplayArgs {
    /// A run of the store, or a beginning of its id; `last`; or the path of a JSON report.
    run: String,
    /// A criterion, a scenario as `features/…:LINE`, or a kind of generated checks (GEN-…).
    id: String,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    files: Files,
    /// Exit 4 if a MUST could not be verified, 1 if a SHOULD is not met.
    #[arg(long, env = "MOLTPROOF_STRICT")]
    strict: bool,
    /// Wait this long for the target to answer, such as 30s.
    #[arg(long, env = "MOLTPROOF_WAIT", value_name = "TIME", value_parser = seconds, default_value = "0s")]
    wait: Duration,
    /// Form of the output.
    #[arg(long, env = "MOLTPROOF_FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
    /// No progress on standard error.
    #[arg(long, short, env = "MOLTPROOF_QUIET")]
    quiet: bool,
}

pub(super) fn replay(args: &ReplayArgs) -> Result<Exit, Failure> {
    args.files.can_be_written()?;
    let path = args.path()?;
    let then: Report = json::read(&path).map_err(|error| Failure::usage(error.to_string()))?;
    // The version that was judged then, where this program still holds it.
    let contract = match then.contract_version.parse() {
        Ok(version) => contract_at(Some(version)).or_else(|_unknown| contract_at(None))?,
        Err(_unparsable) => contract_at(None)?,
    };
    if then.contract_digest != contract.digest() {
        say(&format!(
            "warning: run {} was judged by another contract ({}) than this program holds: the same scenarios may assert something else",
            then.run_id,
            &then.contract_digest[..then.contract_digest.len().min(12)]
        ));
    }
    let chosen = choose(&contract, &then, &args.id);
    let chosen = chosen.map_err(|error| Failure::usage(error.to_string()))?;
    for gone in &chosen.gone {
        say(&format!("warning: {gone} is not in this contract any more"));
    }
    let mut target = args.target.clone();
    if target.target.is_none() {
        must_be_here(&then)?;
        target.target = Some(then.named.clone());
    }
    let order = args.order(&then, &chosen);
    perform(&contract, &target, order, |now, again| {
        let compared = chosen.compare(&then, &now);
        let exit = now.exit(args.strict);
        let written = args.files.write(&now, args.quiet);
        match args.format {
            Format::Text => {
                let width = super::colour::width();
                let now = text::render_within(&now.read_here(again), width);
                let told = format!("{now}\n{}", told(&then, &compared));
                put(&scrub::clean_report(&told))?;
            }
            Format::Json => {
                let value = serde_json::json!({ "run": then.run_id, "id": args.id, "compared": compared, "report": now });
                put(&scrub::clean_report(&format!("{value:#}\n")))?;
            }
        }
        kept(exit, written)
    })
}

impl ReplayArgs {
    fn path(&self) -> Result<PathBuf, Failure> {
        let path = Path::new(&self.run);
        if path.is_file() {
            return Ok(path.to_owned());
        }
        let store = self.store.open().ok_or_else(|| {
            Failure::usage(format!(
                "`{}` is no file, and with `--store none` no run is kept; give the path of a JSON report",
                self.run
            ))
        })?;
        store
            .find(&self.run)
            .map_err(|error| Failure::usage(error.to_string()))
    }

    fn order(&self, then: &Report, chosen: &Chosen) -> Order {
        Order {
            repeat: 1,
            baseline: None,
            plan: chosen.plan.clone(),
            shards: None,
            kinds: chosen.kinds.clone(),
            cases: chosen.cases,
            seed: then.seed,
            concurrency: Some(then.concurrency),
            terms: Terms {
                // What was run so as to change nothing is not run again otherwise.
                manner: if then.read_only {
                    Manner::ReadOnly
                } else {
                    Manner::Full
                },
                budget: Budget::default(),
                wait: self.wait,
                must_answer: true,
                quiet: self.quiet,
                api_worker: chosen
                    .plan
                    .iter()
                    .any(|planned| planned.profile == Profile::ApiWorker),
            },
        }
    }
}

/// A manifest is named by its path, which may lead nowhere from here.
fn must_be_here(then: &Report) -> Result<(), Failure> {
    let named = then.named.as_str();
    if named == "reference" || named.contains("://") || Path::new(named).is_file() {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "run {} was of {named}, which is no file from here; go to the folder where it was run, or name the target with --target",
        then.run_id
    )))
}

fn told(then: &Report, compared: &[Compared]) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    write(&mut out, then, compared).unwrap_or_default();
    out
}

fn write(out: &mut String, then: &Report, compared: &[Compared]) -> std::fmt::Result {
    writeln!(out, "compared with run {}", then.run_id)?;
    for one in compared {
        writeln!(
            out,
            "  {}: {}  {}",
            one.again.words(),
            one.then.place,
            one.then.name
        )?;
        let found = |one: &crate::replay::Told| match (&one.expected, &one.seen) {
            (Some(expected), Some(seen)) => format!("expected {expected}, saw {seen}"),
            _ => one.reason.clone().unwrap_or_default(),
        };
        if matches!(one.again, Again::Another | Again::Open)
            && let Some(now) = &one.now
        {
            writeln!(
                out,
                "    then {} {}",
                one.then.outcome.word(),
                found(&one.then)
            )?;
            writeln!(out, "    now  {} {}", now.outcome.word(), found(now))?;
        }
    }
    let was_red = |one: &&Compared| one.then.outcome.is_red();
    let passed = |one: &Compared| {
        let now = one.now.as_ref();
        now.is_some_and(|now| now.outcome == OutcomeKind::Passed)
    };
    let all_gone = compared.iter().filter(was_red).count() > 0
        && compared
            .iter()
            .filter(was_red)
            .all(|one| one.again == Again::NotSeen);
    if all_gone {
        let count = compared.iter().filter(|one| passed(one)).count();
        writeln!(out, "not seen again ({count} of {} passed)", compared.len())?;
    }
    Ok(())
}
