//! One run from an open target to its report: what `run` and `replay` have in common. Never renders or writes a report.

use super::around::{build_of, same_build, tidy};
use super::progress::Shown;
use super::signals::{Signals, nothing_judged};
use super::target::{Manner, Opened, TargetArgs, Terms, runtime};
use super::{Failure, credential, generating, progress, say};
use crate::baseline::Baseline;
use crate::clock;
use crate::contract::select::claimed;
use crate::contract::{Contract, Planned};
use crate::generate::{self, Generated};
use crate::report::{Again, Interruption, Report, RunFacts, Shards, Started};
use crate::run::cut_short::{self, Gathered};
use crate::run::scene::Run;
use crate::run::{self, Ended, Options, Progress, repeat};
use crate::steps;
use std::sync::Arc;
use std::time::Instant;

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

/// What came of a run, through or not.
struct Came {
    ended: Vec<Ended>,
    generated: Vec<Generated>,
    interrupted: Option<Interruption>,
}

/// A run under way, and what its report will say of it.
struct Underway<'a> {
    contract: &'a Contract,
    opened: &'a Opened,
    run: Arc<Run>,
    shown: Arc<Shown>,
    order: Order,
    again: Again,
    build: Option<String>,
    started_at_ms: i64,
    began: Instant,
}

/// Opens the target, runs what is ordered, tidies up, and hands over the report with how the target is judged again.
///
/// A run that is ended before it was through hands it over first: whoever ended it may not wait until everything is tidied up.
///
/// # Errors
/// When there is no verdict: exit 2, 3, 130 or 143; and whatever `tell` fails with.
pub(super) fn perform<T>(
    contract: &Contract,
    target: &TargetArgs,
    order: Order,
    tell: impl FnOnce(Report, &Again) -> Result<T, Failure>,
) -> Result<T, Failure> {
    runtime()?.block_on(async {
        let mut signals = Signals::heard()?;
        let started_at_ms = clock::epoch_ms();
        let began = clock::now();
        let opened = tokio::select! {
            opened = target.open(order.terms) => opened?,
            by = signals.next() => return Err(nothing_judged(by)),
        };
        if let Err(unclaimed) = claimed(opened.target.profiles(), &order.plan) {
            opened.target.end().await;
            return Err(Failure::usage(unclaimed.to_string()));
        }
        let (count, quiet) = (order.plan.len(), order.terms.quiet);
        let shown = Arc::new(Shown::new(count, "scenarios", quiet));
        opened.target.tell_works(Arc::clone(&shown) as _);
        let looking = async {
            credential::good(&opened, &order.plan).await?;
            build_of(&opened, order.terms.wait).await
        };
        let build = tokio::select! {
            build = looking => build,
            by = signals.next() => Err(nothing_judged(by)),
        };
        let build = match build {
            Ok(build) => build,
            Err(failure) => {
                shown.finish();
                opened.target.end().await;
                return Err(failure);
            }
        };
        let underway = Underway {
            again: target.again(order.terms.manner, contract, order.concurrency),
            run: Arc::new(Run::new(
                Arc::clone(&opened.target),
                opened.client.clone(),
                run_id(),
            )),
            contract,
            opened: &opened,
            shown,
            order,
            build,
            started_at_ms,
            began,
        };
        let came = underway.until_ended(&mut signals).await;
        if let Some(by) = came.interrupted {
            say(&format!(
                "ended by {}: reporting what was found; once more ends at once",
                by.words()
            ));
            let told = tell(underway.report(came), &underway.again);
            // Asked once more, nobody waits for the end of what was started: its supervisors see to that.
            tokio::select! {
                () = underway.tidied() => {}
                _again = signals.next() => say("not everything was tidied up"),
            }
            return told;
        }
        if underway.order.terms.manner == Manner::Full {
            tidy(&opened, &underway.run.id, underway.order.terms.quiet).await;
        }
        let same = same_build(&opened, underway.build.as_deref()).await;
        let good = credential::still_good(&opened, &underway.order.plan).await;
        opened.target.end().await;
        same.and(good)?;
        tell(underway.report(came), &underway.again)
    })
}

impl Underway<'_> {
    async fn tidied(&self) {
        if self.order.terms.manner == Manner::Full {
            tidy(self.opened, &self.run.id, self.order.terms.quiet).await;
        }
        self.opened.target.end().await;
    }

    fn concurrency(&self) -> usize {
        let own = self.opened.target.limits().concurrency;
        self.order.concurrency.unwrap_or(own)
    }

    /// Runs scenarios and generated checks; if somebody asks to stop, what had ended by then.
    async fn until_ended(&self, signals: &mut Signals) -> Came {
        let (order, run, shown) = (&self.order, &self.run, &self.shown);
        let quiet = order.terms.quiet;
        let options = Options {
            concurrency: self.concurrency(),
            seed: order.seed,
        };
        let generating = generate::Plan {
            cases: order.cases,
            seed: order.seed,
            kinds: generate::claimed(&order.kinds, self.opened.target.profiles()),
            concurrency: self.concurrency(),
        };
        let book = Arc::new(steps::all());
        let gathered = Gathered::default();
        let (mut ended, mut generated) = (Vec::new(), Vec::new());
        let running = async {
            let progress: Arc<dyn Progress> = Arc::clone(shown) as _;
            let (plan, own) = (order.plan.clone(), Arc::clone(&book));
            run::gather(run, plan, own, options, progress, &gathered).await;
            shown.finish();
            ended = cut_short::through(run, &gathered).await;
            let repeats = repeat::count(&ended, order.repeat);
            if repeats > 0 {
                let again = Arc::new(Shown::new(repeats, "repeats", quiet));
                let progress: Arc<dyn Progress> = Arc::clone(&again) as _;
                repeat::repeat(run, &mut ended, order.repeat, &book, options, &progress).await;
                again.finish();
            }
            let told = generating::Told { quiet };
            generate::gather(run, &generating, &told, &mut generated).await;
        };
        let interrupted = tokio::select! {
            () = running => None,
            by = signals.next() => Some(by),
        };
        shown.finish();
        if let Some(by) = interrupted {
            if ended.is_empty() {
                ended = gathered.take();
            }
            ended = cut_short::completed(run, &order.plan, ended, &by.reason()).await;
            generated.extend(generate::untold(&generating, &generated, &by.reason()));
        }
        Came {
            ended,
            generated,
            interrupted,
        }
    }

    fn report(&self, came: Came) -> Report {
        let Came {
            mut ended,
            generated,
            interrupted,
        } = came;
        let today = clock::rfc3339(self.started_at_ms);
        let today = today.split('T').next().unwrap_or_default();
        let baseline = self.order.baseline.clone();
        let known = baseline.map(|baseline| baseline.apply(self.contract, &mut ended, today));
        if !self.order.terms.quiet {
            say(&progress::summed(&ended));
        }
        let facts = RunFacts {
            id: self.run.id.clone(),
            shards: self.order.shards.clone(),
            named: self.opened.named.clone(),
            options: self.again.as_named.clone(),
            started: Started::of(&self.run),
            seed: self.order.seed,
            concurrency: self.concurrency(),
            started_at_ms: self.started_at_ms,
            began: self.began,
            duration: self.began.elapsed(),
            spent: self.run.spent(),
            build: self.build.clone(),
            accepted: self.run.accepted(),
        };
        let target = self.opened.target.as_ref();
        let mut report = Report::new(self.contract, target, &facts, &ended)
            .with_generated(self.contract, &generated, &facts)
            .with_baseline(known)
            .cut_short(interrupted);
        report.read_only = self.order.terms.manner == Manner::ReadOnly;
        report
    }
}

/// Names a run: part of every tenant it makes.
fn run_id() -> String {
    std::iter::repeat_with(|| fastrand::char('a'..='z'))
        .take(6)
        .collect()
}
