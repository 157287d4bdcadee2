//! One run from an open target to its report: what `run` and `replay` have in common. Never renders or writes a report.

use super::around::{build_of, same_build, tidy};
use super::progress::Shown;
use super::target::{Manner, Opened, TargetArgs, Terms, asked_to_go, runtime};
use super::{Failure, generating};
use crate::baseline::Baseline;
use crate::clock;
use crate::contract::select::claimed;
use crate::contract::{Contract, Planned};
use crate::generate::{self, Generated};
use crate::report::{Report, RunFacts, Shards};
use crate::run::scene::Run;
use crate::run::{self, Ended, Options, Progress, repeat};
use crate::steps;
use crate::verdict::Exit;
use std::sync::Arc;

/// What is to be run.
pub(super) struct Order {
    /// The written scenarios.
    pub(super) plan: Vec<Arc<Planned>>,
    /// Which part of the selected scenarios the plan is, if it is one.
    pub(super) shards: Option<Shards>,
    /// The kinds of generated checks.
    pub(super) kinds: Vec<generate::Kind>,
    /// Cases of each kind.
    pub(super) cases: usize,
    /// Order of the scenarios and source of the cases.
    pub(super) seed: u64,
    /// How often a failed scenario is run, the first time included: 1 repeats nothing.
    pub(super) repeat: usize,
    /// Findings that are known.
    pub(super) baseline: Option<Baseline>,
    /// Scenarios side by side, unless the target says.
    pub(super) concurrency: Option<usize>,
    /// On what terms the target is opened.
    pub(super) terms: Terms,
}

/// Opens the target, runs what is ordered, tidies up, and reports.
///
/// # Errors
/// When there is no verdict: exit 2, 3 or 130.
pub(super) fn perform(
    contract: &Contract,
    target: &TargetArgs,
    mut order: Order,
) -> Result<Report, Failure> {
    runtime()?.block_on(async {
        let started_at_ms = clock::epoch_ms();
        let began = clock::now();
        let opened = target.open(order.terms).await?;
        if let Err(unclaimed) = claimed(opened.target.profiles(), &order.plan) {
            opened.target.end().await;
            return Err(Failure::usage(unclaimed.to_string()));
        }
        let build = match build_of(&opened, order.terms.wait).await {
            Ok(build) => build,
            Err(failure) => {
                opened.target.end().await;
                return Err(failure);
            }
        };
        let run = Arc::new(Run::new(
            Arc::clone(&opened.target),
            opened.client.clone(),
            run_id(),
        ));
        let limits = opened.target.limits();
        let concurrency = order.concurrency.unwrap_or(limits.concurrency);
        let (seed, shards, terms) = (order.seed, order.shards.clone(), order.terms);
        let baseline = order.baseline.take();
        let ended = until_ended(&opened, &run, order, concurrency).await;
        if terms.manner == Manner::Full {
            tidy(&opened, &run.id, terms.quiet).await;
        }
        let same = same_build(&opened, build.as_deref()).await;
        opened.target.end().await;
        let Some((mut ended, generated)) = ended else {
            return Err(Failure {
                exit: Exit::Interrupted,
                message: "interrupted; no verdict".to_owned(),
            });
        };
        same?;
        let today = clock::rfc3339(started_at_ms);
        let today = today.split('T').next().unwrap_or_default();
        let known = baseline.map(|baseline| baseline.apply(contract, &mut ended, today));
        let facts = RunFacts {
            id: run.id.clone(),
            shards,
            named: opened.named.clone(),
            seed,
            concurrency,
            started_at_ms,
            began,
            duration: began.elapsed(),
            spent: run.spent(),
            build,
            accepted: run.accepted(),
        };
        let mut report = Report::new(contract, opened.target.as_ref(), &facts, &ended)
            .with_generated(contract, &generated)
            .with_baseline(known);
        report.read_only = terms.manner == Manner::ReadOnly;
        Ok(report)
    })
}

/// Runs scenarios and generated checks; `None` if somebody asked to stop.
async fn until_ended(
    opened: &Opened,
    run: &Arc<Run>,
    order: Order,
    concurrency: usize,
) -> Option<(Vec<Ended>, Vec<Generated>)> {
    let quiet = order.terms.quiet;
    let shown = Arc::new(Shown::new(order.plan.len(), "scenarios", quiet));
    let options = Options {
        concurrency,
        seed: order.seed,
    };
    let generating = generate::Plan {
        cases: order.cases,
        seed: order.seed,
        kinds: order.kinds,
        concurrency,
        target: Some(opened.named.clone())
            .filter(|named| named != "reference")
            .unwrap_or_default(),
    };
    let book = Arc::new(steps::all());
    let running = async {
        let written = run::run(
            Arc::clone(run),
            order.plan,
            Arc::clone(&book),
            options,
            Arc::clone(&shown) as _,
        );
        let mut ended = written.await;
        shown.finish();
        let repeats = repeat::count(&ended, order.repeat);
        if repeats > 0 {
            let again = Arc::new(Shown::new(repeats, "repeats", quiet));
            let progress: Arc<dyn Progress> = Arc::clone(&again) as _;
            repeat::repeat(run, &mut ended, order.repeat, &book, options, &progress).await;
            again.finish();
        }
        let told = generating::Told { quiet };
        (ended, generate::run(run, &generating, &told).await)
    };
    let ended = tokio::select! {
        ended = running => Some(ended),
        () = asked_to_go() => None,
    };
    shown.finish();
    ended
}

/// Names a run: part of every tenant it makes.
fn run_id() -> String {
    std::iter::repeat_with(|| fastrand::char('a'..='z'))
        .take(6)
        .collect()
}
