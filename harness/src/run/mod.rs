//! Runs planned scenarios with cucumber and collects how each ended. Never decides what an outcome means for a criterion.

pub mod attempts;
mod attribution;
pub mod book;
pub mod capture;
pub mod cut_short;
mod gate;
mod once_more;
pub mod placeholders;
pub mod repeat;
pub mod scene;
pub mod uses;

use crate::clock;
use crate::contract::Planned;
use crate::contract::profile::Profile;
use crate::evidence::Exchange;
use crate::lag::{self, progress};
use crate::run::book::Book;
use crate::verdict::{Outcome, Stop};
use attribution::{Judging, Role};
use capture::{Captured, StepTaken};
use cucumber::event::ScenarioFinished;
use cucumber::{Cucumber, Event, cli, event, parser, runner, step, writer};
use cut_short::Gathered;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use futures_util::stream;
pub use gate::gate;
use once_more::{Numbers, OnceMore};
use placeholders::Placeholders;
use repeat::Repeats;
use scene::{Run, Scene};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// In this time a step must get somewhere: an answer, a row, a wait that ends. Evidence: the longest wait for one answer is 60 s.
const STEP_MS_MAX: u64 = 90_000;
/// In this time it must be done, wherever it gets: a target that answers everything just in time must not hold up a run for hours.
const WHOLE_STEP_MS_MAX: u64 = 600_000;

/// How one scenario ended, with its evidence.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Which scenario.
    pub planned: Arc<Planned>,
    /// How it ended.
    pub outcome: Outcome,
    /// The step that ended it early.
    pub step: Option<StepAt>,
    /// What was exchanged, in order.
    pub exchanges: Vec<Arc<Exchange>>,
    /// How many further ones there were, of which nothing is kept.
    pub unkept: usize,
    /// How many assertions were made and held.
    pub checks: usize,
    /// When its first step began, if it was run.
    pub began: Option<Instant>,
    /// From its first step to its end.
    pub duration: Duration,
    /// What repeating it showed, if it failed and was repeated; all else here is of its first attempt.
    pub repeats: Option<Repeats>,
    /// What it leaves as evidence beside its exchanges.
    pub captured: Captured,
}

/// A place in a feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepAt {
    /// Line, from 1.
    pub line: usize,
    /// Keyword and text.
    pub text: String,
}

/// Told of each scenario as it ends.
pub trait Progress: Send + Sync {
    /// Called once per scenario.
    fn ended(&self, ended: &Ended);
}

/// How to run.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Scenarios side by side.
    pub concurrency: usize,
    /// Decides the order; the same seed gives the same order.
    pub seed: u64,
}

/// Runs the scenarios against the target and returns how each ended, in the order of the ledger.
///
/// A scenario whose needs the target lacks is not run: it ends as not verified, with the reason.
/// Must be called on a current-thread runtime, for scenarios share one thread.
pub async fn run(
    run: Arc<Run>,
    plan: Vec<Arc<Planned>>,
    book: Arc<Book>,
    options: Options,
    progress: Arc<dyn Progress>,
) -> Vec<Ended> {
    let gathered = Gathered::default();
    gather(&run, plan, book, options, progress, &gathered).await;
    cut_short::through(&run, &gathered).await
}

/// As [`run`], into `gathered`: there is what ended by then, should this be dropped before it is through.
pub async fn gather(
    run: &Arc<Run>,
    plan: Vec<Arc<Planned>>,
    book: Arc<Book>,
    options: Options,
    progress: Arc<dyn Progress>,
    gathered: &Gathered,
) {
    let _watching = lag::watch();
    let sink = Sink {
        ended: gathered.clone(),
        progress,
        once_more: None,
        numbers: Numbers::default(),
    };
    let mut runnable = Vec::with_capacity(plan.len());
    for planned in plan {
        match gate(run.target.as_ref(), &planned) {
            Some(outcome) => sink.put(unrun(planned, outcome)),
            None => runnable.push(planned),
        }
    }
    fastrand::Rng::with_seed(options.seed).shuffle(&mut runnable);
    // What waits for real time starts first, so that the waiting overlaps with everything else.
    runnable.sort_by_key(|planned| (!planned.is_slow(), !planned.waits()));
    let (last, first): (Vec<_>, Vec<_>) = runnable
        .into_iter()
        .partition(|planned| planned.is_whole_run());
    let (database, first): (Vec<_>, Vec<_>) = first
        .into_iter()
        .partition(|planned| planned.profile == Profile::Data);
    // One after the other, and beside nothing else: what looks through the whole run keeps this thread busy, and what judges a
    // database a core; the time of a request that waits for its turn meanwhile would look like the target's.
    let (destructive, first): (Vec<_>, Vec<_>) =
        first.into_iter().partition(|planned| planned.may_destroy());
    let perform = async |phase: Vec<Arc<Planned>>, concurrency, sink| {
        if !phase.is_empty() {
            perform(Arc::clone(run), phase, Arc::clone(&book), concurrency, sink).await;
        }
    };
    let once_more = OnceMore::default();
    let postponing = Sink {
        once_more: Some(once_more.clone()),
        ..sink.clone()
    };
    perform(first, options.concurrency, postponing.clone()).await;
    perform(database, 1, postponing).await;
    let (again, numbers) = once_more.plan();
    let told = Sink {
        numbers,
        ..sink.clone()
    };
    perform(again, 1, told).await;
    // Where such a payload does what it says, the tenants of all other scenarios are gone: those have been judged by then.
    perform(destructive, 1, sink.clone()).await;
    perform(last, 1, sink).await;
}

/// A scenario that was not run.
pub(crate) fn unrun(planned: Arc<Planned>, outcome: Outcome) -> Ended {
    Ended {
        planned,
        outcome,
        step: None,
        exchanges: Vec::new(),
        unkept: 0,
        checks: 0,
        began: None,
        duration: Duration::ZERO,
        repeats: None,
        captured: Captured::default(),
    }
}

/// Where ended scenarios go.
#[derive(Clone)]
struct Sink {
    ended: Gathered,
    progress: Arc<dyn Progress>,
    /// Where what is to be run once more waits, if it is.
    once_more: Option<OnceMore>,
    numbers: Numbers,
}

impl Sink {
    fn put(&self, ended: Ended) {
        let ended = self.numbers.of_planned(ended);
        let ended = match &self.once_more {
            Some(once_more) => once_more.unless_due(ended),
            None => Some(ended),
        };
        let Some(ended) = ended else { return };
        self.progress.ended(&ended);
        self.ended
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(ended);
    }
}

/// What cucumber hands from step to step.
#[derive(Default)]
struct World {
    scene: Option<Box<Scene>>,
    book: Option<Arc<Book>>,
    began: Option<Instant>,
    stopped: Option<(Stop, StepAt)>,
    steps: Vec<StepTaken>,
    words: Placeholders,
    pointed: Option<(usize, Instant)>,
    timed: bool,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A scene holds tokens: it is never printed.
        f.debug_struct("World").finish_non_exhaustive()
    }
}

impl cucumber::World for World {
    type Error = std::convert::Infallible;

    async fn new() -> Result<Self, Self::Error> {
        Ok(Self::default())
    }
}

/// The payload with which a step ends its scenario; tells our own stops from panics.
struct Stopped;

async fn perform(
    run: Arc<Run>,
    phase: Vec<Arc<Planned>>,
    book: Arc<Book>,
    concurrency: usize,
    sink: Sink,
) {
    let everything = regex::Regex::new("^(?s:.*)$")
        .unwrap_or_else(|_invalid| unreachable!("a constant pattern"));
    let steps = step::Collection::new()
        .given(None, everything.clone(), dispatch)
        .when(None, everything.clone(), dispatch)
        .then(None, everything, dispatch);
    let by_number: Arc<std::collections::HashMap<usize, Arc<Planned>>> = Arc::new(
        phase
            .iter()
            .map(|planned| (planned.number, Arc::clone(planned)))
            .collect(),
    );
    let options = cli::Opts {
        re_filter: None,
        tags_filter: None,
        parser: cli::Empty,
        runner: runner::basic::Cli {
            concurrency: Some(concurrency),
            ..runner::basic::Cli::default()
        },
        writer: cli::Empty,
        custom: cli::Empty,
    };
    let before_plan = Arc::clone(&by_number);
    let cucumber = Cucumber::<World, _, _, _, _>::custom(
        Planner,
        runner::Basic::<World>::default().steps(steps),
        Silent,
    )
    .before(move |feature, _rule, _scenario, world| {
        if let Some(planned) = number_of(feature).and_then(|number| before_plan.get(&number)) {
            world.scene = Some(Box::new(Scene::new(Arc::clone(&run), Arc::clone(planned))));
            world.book = Some(Arc::clone(&book));
            world.began = Some(clock::now());
        }
        async {}.boxed_local()
    })
    .after(move |feature, _rule, _scenario, finished, world| {
        let planned = number_of(feature)
            .and_then(|number| by_number.get(&number))
            .cloned();
        let sink = sink.clone();
        async move {
            if let Some(planned) = planned {
                sink.put(settle(planned, finished, world));
            }
        }
        .boxed_local()
    })
    .with_cli(options);
    let Silent = cucumber.run(phase).await;
}

fn number_of(feature: &gherkin::Feature) -> Option<usize> {
    feature
        .tags
        .iter()
        .find_map(|tag| tag.strip_prefix("scenario.")?.parse().ok())
}

fn dispatch(world: &mut World, context: step::Context) -> LocalBoxFuture<'_, ()> {
    async move {
        let (step, began) = (context.step, clock::now());
        let (stop, pointed) = capture::pointing(take(world, &step)).await;
        let at = StepAt {
            line: step.position.line,
            text: format!("{} {}", step.keyword.trim(), step.value),
        };
        let scene = world.scene.as_mut();
        let (told, words) = scene.map_or_else(Default::default, |scene| {
            (scene.told.take(), std::mem::take(&mut scene.words))
        });
        world.words.extend(&words);
        world.steps.push(StepTaken {
            line: at.line,
            text: at.text.clone(),
            filled: words.fill(&at.text),
            table: capture::table(&step, &words),
            block: capture::block(&step, &words),
            began,
            took: began.elapsed(),
            held: stop.is_none(),
            told,
        });
        if let Some(stop) = stop {
            world.pointed = pointed;
            world.stopped = Some((stop, at));
            std::panic::resume_unwind(Box::new(Stopped));
        }
    }
    .boxed_local()
}

/// Takes one step; says why the scenario ends there, if it does.
async fn take(world: &mut World, step: &gherkin::Step) -> Option<Stop> {
    let (Some(scene), Some(book)) = (&mut world.scene, &world.book) else {
        return Some(Stop::Fault("the scenario was not set up".to_owned()));
    };
    let criteria = scene.planned.criteria.clone();
    let about = book.about(&step.value);
    // What is not held against the scenario's own criteria must hold for them to be judged.
    if about.iter().all(|id| !criteria.iter().any(|own| own == id)) {
        for id in about {
            scene.uses.note(format!("because.{id}"));
        }
    }
    let judging = Judging {
        role: Role::from(step.ty),
        about,
        criteria: &criteria,
        text: &step.value,
    };
    if let Some(cut_off) = &scene.cut_off {
        return Some(judging.ended(Stop::Violation(cut_off.clone())));
    }
    let limits = progress::Limits {
        nowhere: Duration::from_millis(STEP_MS_MAX),
        whole: Duration::from_millis(WHOLE_STEP_MS_MAX),
    };
    let work = progress::unless_stalled(limits, book.perform(scene, step));
    let (done, timed) = progress::timing(work).await;
    world.timed = timed;
    match done {
        Ok(done) => match (scene.doubted(), done) {
            // What was compared with nothing shows nothing, whichever way it went.
            (Some(reason), Ok(()) | Err(Stop::Violation(_))) => Some(Stop::NotVerified(reason)),
            (_, Ok(())) => None,
            (_, Err(stop)) => {
                let stop = scene.unless_gone(stop).await;
                let stop = scene.unless_untimed(stop);
                scene.cut_off = judging.cut_off(&stop);
                scene.cut_off.is_none().then(|| judging.ended(stop))
            }
        },
        Err(stalled) => Some(Stop::Fault(format!("the step was ended: {stalled}"))),
    }
}

fn settle(planned: Arc<Planned>, finished: &ScenarioFinished, world: Option<&mut World>) -> Ended {
    let Some((world, mut scene)) =
        world.and_then(|world| world.scene.take().map(|scene| (world, scene)))
    else {
        return unrun(
            planned,
            Outcome::Error("the scenario was not set up".to_owned()),
        );
    };
    let (outcome, step) = match (world.stopped.take(), finished) {
        (Some((Stop::Violation(finding), at)), _) => {
            if scene.accept_finding(&finding) {
                (
                    Outcome::Accepted(std::mem::take(&mut scene.accepted)),
                    Some(at),
                )
            } else {
                (Outcome::Failed(finding), Some(at))
            }
        }
        (Some((Stop::Unmet(unmet), at)), _) => (Outcome::Unmet(unmet), Some(at)),
        // A deviation that was met does not vanish because a later step could tell nothing.
        (Some((Stop::NotVerified(_), at)), _) if !scene.accepted.is_empty() => (
            Outcome::Accepted(std::mem::take(&mut scene.accepted)),
            Some(at),
        ),
        (Some((Stop::NotVerified(reason), at)), _) => (Outcome::NotVerified(reason), Some(at)),
        (Some((Stop::NotApplicable(reason), at)), _) => (Outcome::NotApplicable(reason), Some(at)),
        (Some((Stop::Fault(reason), at)), _) => (Outcome::Error(reason), Some(at)),
        (None, ScenarioFinished::StepPassed) if scene.cut_off.is_some() => (
            Outcome::Error("nothing was asserted of an answer that never came whole".to_owned()),
            None,
        ),
        (None, ScenarioFinished::StepPassed) if scene.checks > 0 && !scene.accepted.is_empty() => {
            (Outcome::Accepted(std::mem::take(&mut scene.accepted)), None)
        }
        (None, ScenarioFinished::StepPassed) if scene.checks > 0 => (
            scene
                .unproven
                .take()
                .map_or(Outcome::Passed, Outcome::NotVerified),
            None,
        ),
        (None, ScenarioFinished::StepPassed) => (
            Outcome::Error("the scenario asserted nothing".to_owned()),
            None,
        ),
        (None, ScenarioFinished::StepSkipped) => {
            (Outcome::Error("a step was skipped".to_owned()), None)
        }
        (None, ScenarioFinished::BeforeHookFailed(info)) => {
            (Outcome::Error(panic_text(info)), None)
        }
        (None, ScenarioFinished::StepFailed(_, _, error)) => {
            (Outcome::Error(step_error(error)), None)
        }
    };
    let steps = std::mem::take(&mut world.steps);
    let captured = Captured {
        name: world.words.fill(&planned.name),
        timed: world.timed,
        ..capture::captured(&mut scene, steps, world.pointed)
    };
    let heard = scene.heard.take();
    let mut ended = Ended {
        planned,
        outcome,
        step,
        captured,
        exchanges: scene.exchanges,
        unkept: 0,
        checks: scene.checks,
        began: world.began,
        duration: world.began.map_or(Duration::ZERO, |began| began.elapsed()),
        repeats: None,
    };
    if let Some(heard) = heard {
        heard.settle(&mut ended);
    }
    ended
}

fn step_error(error: &event::StepError) -> String {
    match error {
        event::StepError::Panic(info) => panic_text(info),
        event::StepError::NotFound | event::StepError::AmbiguousMatch(_) => error.to_string(),
    }
}

fn panic_text(info: &event::Info) -> String {
    let text = info
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| info.downcast_ref::<&str>().copied());
    format!("the harness panicked: {}", text.unwrap_or("no message"))
}

/// Hands the planned scenarios to cucumber, in their order.
struct Planner;

impl cucumber::Parser<Vec<Arc<Planned>>> for Planner {
    type Cli = cli::Empty;
    type Output = stream::Iter<std::vec::IntoIter<parser::Result<gherkin::Feature>>>;

    fn parse(self, plan: Vec<Arc<Planned>>, _cli: cli::Empty) -> Self::Output {
        let features: Vec<_> = plan
            .iter()
            .map(|planned| Ok((*planned.alone).clone()))
            .collect();
        stream::iter(features)
    }
}

/// Writes nothing: outcomes are collected where scenarios end.
struct Silent;

impl cucumber::Writer<World> for Silent {
    type Cli = cli::Empty;

    async fn handle_event(
        &mut self,
        _event: parser::Result<Event<event::Cucumber<World>>>,
        _cli: &cli::Empty,
    ) {
    }
}

impl writer::Normalized for Silent {}
