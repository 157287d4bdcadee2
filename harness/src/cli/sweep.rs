//! `moltproof sweep`. Never removes anything without a run's mark.

use super::target::{Manner, TargetArgs, Terms, asked_to_go, runtime, seconds};
use super::{Failure, Format, put};
use crate::client::meter::Budget;
use crate::clock;
use crate::sweep::{self, CannotSweep, Scope, Swept};
use crate::verdict::Exit;
use std::fmt::Write as _;
use std::time::Duration;

pub(super) const EXAMPLES: &str = "Examples:
  moltproof sweep --target staging.toml --dry-run           what runs have left there
  moltproof sweep --target staging.toml --older-than 1h     all but what a run under way may still use
  moltproof sweep --target staging.toml --run abcdef        one run's, as its report names it";

/// Options of `sweep`.
#[derive(Debug, clap::Args)]
pub(super) struct SweepArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Only what this run has left; its report names it, `run_id`.
    #[arg(long, env = "MOLTPROOF_RUN", value_name = "ID", value_parser = run_id)]
    run: Option<String>,
    /// Only tenants that are older than this, such as 1h: a run that is under way elsewhere keeps its own.
    #[arg(long, env = "MOLTPROOF_OLDER_THAN", value_name = "TIME", value_parser = seconds)]
    older_than: Option<Duration>,
    /// Only tell what would be removed.
    #[arg(long, env = "MOLTPROOF_DRY_RUN")]
    dry_run: bool,
    /// Form of the output.
    #[arg(long, env = "MOLTPROOF_FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
}

fn run_id(text: &str) -> Result<String, String> {
    if text.len() == 6 && text.bytes().all(|letter| letter.is_ascii_lowercase()) {
        Ok(text.to_owned())
    } else {
        Err("a run is named by six letters, `run_id` in its report".to_owned())
    }
}

pub(super) fn sweep(args: &SweepArgs) -> Result<Exit, Failure> {
    runtime()?.block_on(async {
        let terms = Terms {
            manner: if args.dry_run {
                Manner::ReadOnly
            } else {
                Manner::Full
            },
            budget: Budget::default(),
            wait: Duration::ZERO,
            must_answer: true,
            quiet: true,
            api_worker: false,
        };
        let opened = args.target.open(terms).await?;
        if opened.target.standing().is_empty() {
            opened.target.end().await;
            put("nothing to sweep: the harness starts this target itself, and its stores end with the run\n")?;
            return Ok(Exit::Conforms);
        }
        let scope = Scope {
            run: args.run.clone(),
            before_ms: args.older_than.map(|age| {
                clock::epoch_ms() - i64::try_from(age.as_millis()).unwrap_or(i64::MAX)
            }),
            dry_run: args.dry_run,
        };
        let client = if args.dry_run {
            opened.client.clone()
        } else {
            opened.client.for_cleaning()
        };
        let swept = tokio::select! {
            swept = sweep::sweep(&client, opened.target.as_ref(), &scope) => Ok(swept),
            asked = asked_to_go() => Err(asked),
        };
        opened.target.end().await;
        let swept = swept.map_err(|asked| Failure {
            exit: Exit::of(asked),
            message: format!("ended by {}; sweep again", asked.words()),
        })?;
        let swept = swept.map_err(|error| match error {
            CannotSweep::NoWay => Failure::usage(error.to_string()),
            CannotSweep::Fault(_) => Failure::fault(error.to_string()),
        })?;
        tell(args, &swept)?;
        Ok(if swept.left.is_empty() {
            Exit::Conforms
        } else {
            Exit::Fault
        })
    })
}

fn tell(args: &SweepArgs, swept: &Swept) -> Result<(), Failure> {
    if args.format == Format::Json {
        let value = serde_json::json!({ "dry_run": args.dry_run, "removed": {
            "tenants": swept.tenants, "usage_rows": swept.usage_rows, "entries": swept.entries,
        }, "left": swept.left });
        return put(&format!("{value:#}\n"));
    }
    let mut out = String::new();
    let verb = if args.dry_run {
        "would remove"
    } else {
        "removed"
    };
    for tenant in &swept.tenants {
        let _infallible = writeln!(out, "{verb} tenant {tenant}");
    }
    for entry in &swept.entries {
        let _infallible = writeln!(out, "{verb} KV entry {entry}");
    }
    for left in &swept.left {
        let _infallible = writeln!(out, "left {left}");
    }
    let _infallible = writeln!(
        out,
        "{verb} {} tenants, {} usage rows, {} KV entries; {} left",
        swept.tenants.len(),
        swept.usage_rows,
        swept.entries.len(),
        swept.left.len()
    );
    put(&out)
}
