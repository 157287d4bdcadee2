//! What a scenario leaves as evidence beside its exchanges: steps, model calls, looks at stores, log lines, and which exchange decided.
//! Never judges, never waits, and never keeps a secret.

use super::placeholders::Placeholders;
use super::scene::Scene;
use crate::doubles::AiGatewayDouble;
use crate::doubles::ai_gateway::{Attempt, Outcome};
use crate::evidence::{Exchange, cut, redact};
use crate::observe::LogLine;
use crate::observe::recorded::Look;
use crate::scrub;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Model calls that are kept of a scenario. Evidence: the contract's longest sequence that a finding turns on has 20.
const MODEL_CALLS_MAX: usize = 60;

/// Log lines that are kept of a scenario. Evidence: the contract's busiest scenario writes 60 lines of its own that a step looks at.
const LINES_MAX: usize = 80;

/// New lines of a look that are kept whosever they are: where so few were written, they are what the step judged by.
const FEW_LINES: usize = 20;

/// Request ids by which a scenario knows its own lines, the newest. Evidence: a look follows the requests that it is about.
const IDS_MAX: usize = 64;

/// Bytes kept of a header's value, of metadata and of a log line. Evidence: the platform keeps 1 KiB of metadata; log lines have less than 2 KiB.
const TEXT_MAX: usize = 2048;

/// What was captured.
#[derive(Debug, Clone, Default)]
pub struct Captured {
    /// The scenario's name with what its words in braces stood for, if it has any.
    pub name: Option<String>,
    /// The steps, as far as it came.
    pub steps: Vec<StepTaken>,
    /// The exchange that the finding is about; maybe another scenario's, where the whole run is judged.
    pub decisive: Option<Arc<Exchange>>,
    /// What the AI Gateway double saw.
    pub model_calls: Vec<ModelCallSeen>,
    /// What was seen in stores.
    pub looks: Vec<Look>,
    /// Log lines that steps looked at.
    pub lines: Vec<LogLine>,
    /// Lines of SQL that repeat a finding about the database.
    pub sql: Vec<String>,
    /// What was left out because of its size.
    pub left_out: Vec<String>,
    /// Whether what it found hangs on how long something took.
    pub timed: bool,
    /// What it made use of, in the words of [`super::uses`].
    pub uses: BTreeSet<String>,
}

/// One step that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepTaken {
    /// Line in the feature.
    pub line: usize,
    /// Keyword and text.
    pub text: String,
    /// The same with what its words in braces stood for, if it has any.
    pub filled: Option<String>,
    /// The table below it, its header row first, filled in the same way.
    pub table: Vec<Vec<String>>,
    /// The text below it, filled in the same way.
    pub block: Option<String>,
    /// When it began.
    pub began: Instant,
    /// How long it took.
    pub took: Duration,
    /// Whether the scenario went on after it.
    pub held: bool,
    /// What it left for the report.
    pub told: Option<String>,
}

/// One call of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelCallSeen {
    /// When it arrived.
    pub at: Instant,
    /// Until it ended, if it has.
    pub took: Option<Duration>,
    /// Path at the gateway.
    pub path: String,
    /// Model asked for.
    pub model: String,
    /// Headers, redacted.
    pub headers: Vec<(String, String)>,
    /// `cf-aig-metadata` as sent.
    pub metadata: Option<String>,
    /// How it ended.
    pub outcome: String,
}

tokio::task_local! {
    /// Number and time of the exchange that was last looked at in order to be told of in a finding.
    static POINTED: Rc<Cell<Option<(usize, Instant)>>>;
}

/// Notes that a finding which is about to be made is about this exchange. The last one before the scenario ends counts.
pub fn point_at(answer: &Exchange) {
    // Outside of a scenario there is no finding to point from.
    let _outside = POINTED.try_with(|pointed| pointed.set(Some((answer.number, answer.sent_at))));
}

/// Does one step; tells what it pointed at.
pub(super) async fn pointing<F: Future>(step: F) -> (F::Output, Option<(usize, Instant)>) {
    let pointed = Rc::new(Cell::new(None));
    let done = POINTED.scope(Rc::clone(&pointed), step).await;
    (done, pointed.get())
}

/// The table below a step, with what its words in braces stood for.
pub(super) fn table(step: &gherkin::Step, words: &Placeholders) -> Vec<Vec<String>> {
    let rows = step.table.iter().flat_map(|table| &table.rows);
    rows.map(|row| {
        let cells = row.iter();
        cells
            .map(|cell| words.fill(cell).unwrap_or_else(|| cell.clone()))
            .collect()
    })
    .collect()
}

/// The text below a step, with what its words in braces stood for.
pub(super) fn block(step: &gherkin::Step, words: &Placeholders) -> Option<String> {
    let text = step.docstring.as_ref()?.trim();
    Some(words.fill(text).unwrap_or_else(|| text.to_owned()))
}

/// Log lines that a scenario has looked at.
#[derive(Debug, Default)]
pub(super) struct Lines {
    kept: BTreeMap<usize, String>,
    /// Up to which line, from which beginning, was looked already.
    looked: BTreeMap<usize, usize>,
    left_out: usize,
}

impl Lines {
    /// Keeps what the scenario's own of these lines are, or all if they are few. `mark` is where the look began.
    pub(super) fn look(&mut self, mark: usize, lines: &[LogLine], own: &[String]) {
        let from = self.looked.get(&mark).copied().unwrap_or(mark);
        let new = lines.partition_point(|line| line.number < from);
        let new = &lines[new..];
        if let Some(last) = new.last() {
            self.looked.insert(mark, last.number + 1);
        }
        let is_own = |line: &&LogLine| own.iter().any(|word| line.text.contains(word.as_str()));
        let all = new.len() <= FEW_LINES;
        for line in new.iter().filter(|line| all || is_own(line)) {
            self.keep(line);
        }
    }

    /// Keeps a line.
    pub(super) fn keep(&mut self, line: &LogLine) {
        if self.kept.contains_key(&line.number) {
            return;
        }
        if self.kept.len() == LINES_MAX {
            self.left_out += 1;
            return;
        }
        self.kept.insert(line.number, cut(&line.text, TEXT_MAX));
    }

    fn taken(self) -> (Vec<LogLine>, usize) {
        let lines = self.kept.into_iter();
        let lines = lines.map(|(number, text)| LogLine::new(number, text));
        (lines.collect(), self.left_out)
    }
}

/// By what a scenario knows its own log lines.
pub(super) fn own_words(scene: &Scene) -> Vec<String> {
    let ids = scene.exchanges.iter().rev().take(IDS_MAX);
    let ids = ids.filter_map(|one| one.header("x-request-id"));
    std::iter::once(scene.token.clone())
        .chain(ids.map(str::to_owned))
        .collect()
}

/// Gathers what a scenario leaves, at its end.
pub(super) fn captured(
    scene: &mut Scene,
    steps: Vec<StepTaken>,
    pointed: Option<(usize, Instant)>,
) -> Captured {
    if !scene.run.captures {
        return Captured::default();
    }
    let uses = scene
        .uses
        .words(&scene.exchanges, scene.run.target.dialect());
    let mut left_out = Vec::new();
    let mut note = |count: usize, what: &str| {
        if count > 0 {
            left_out.push(format!("{count} further {what}"));
        }
    };
    let (looks, more) = scene.looks.take();
    note(more, "looks at stores");
    let (lines, more) = std::mem::take(&mut scene.lines).taken();
    note(more, "log lines");
    let (model_calls, more) = model_calls(scene);
    note(more, "model calls");
    Captured {
        name: None,
        steps,
        decisive: pointed.and_then(|pointed| exchange_at(scene, pointed)),
        model_calls,
        looks,
        lines,
        sql: std::mem::take(&mut scene.sql),
        left_out,
        timed: false,
        uses,
    }
}

/// The exchange that was pointed at: the scenario's own, or another's where the whole run is judged.
fn exchange_at(scene: &Scene, (number, sent_at): (usize, Instant)) -> Option<Arc<Exchange>> {
    let is_it = |one: &&Arc<Exchange>| one.number == number && one.sent_at == sent_at;
    let own = scene.exchanges.iter().find(is_it).cloned();
    own.or_else(|| scene.run.all_exchanges().iter().find(is_it).cloned())
}

fn model_calls(scene: &Scene) -> (Vec<ModelCallSeen>, usize) {
    let disposable = scene.disposable.as_ref().map(|one| one.instance());
    let gateway = match &disposable {
        Some(instance) => instance.gateway.as_ref(),
        None => scene
            .opened()
            .and_then(|instance| instance.gateway.as_ref()),
    };
    gateway.map_or_else(Default::default, |gateway| {
        calls_of(gateway, [scene.token.as_str()])
    })
}

/// What a gateway saw of markers that begin so, as it may be shown, in the order in which it came; how much more there was.
pub(super) fn calls_of<'m>(
    gateway: &AiGatewayDouble,
    markers: impl IntoIterator<Item = &'m str>,
) -> (Vec<ModelCallSeen>, usize) {
    let began = gateway.began();
    // Only what may be shown is copied out: prompts are not.
    let mut count = 0;
    let mut calls = Vec::new();
    for marker in markers {
        calls.extend(gateway.look(marker, |attempt| {
            count += 1;
            seen(attempt, began, count <= MODEL_CALLS_MAX)
        }));
    }
    calls.truncate(MODEL_CALLS_MAX);
    calls.sort_by_key(|call| call.at);
    (calls, count.saturating_sub(MODEL_CALLS_MAX))
}

fn seen(attempt: &Attempt, began: Instant, is_shown: bool) -> ModelCallSeen {
    let header =
        |(name, value): &(String, String)| (name.clone(), cut(&redact(name, value), TEXT_MAX));
    let headers = attempt
        .headers
        .iter()
        .take(if is_shown { usize::MAX } else { 0 });
    let outcome = match attempt.outcome {
        Outcome::Answered(status) => format!("answered {status}"),
        Outcome::TimedOut => format!(
            "timed out after the {} ms that it stated",
            attempt.timeout_stated_ms.unwrap_or_default()
        ),
        Outcome::Hung => format!("left without an end after {} chunks", attempt.chunks_sent),
        Outcome::Reset => "connection reset".to_owned(),
        Outcome::Cut => format!("cut after {} chunks", attempt.chunks_sent),
        Outcome::InProgress => "not ended yet".to_owned(),
    };
    let gone = if attempt.client_gone {
        ", caller gone"
    } else {
        ""
    };
    ModelCallSeen {
        at: began + attempt.at,
        took: attempt.finished_at.map(|at| at.saturating_sub(attempt.at)),
        path: scrub::clean_report(&attempt.path),
        model: scrub::clean_report(&attempt.model),
        headers: headers.map(header).collect(),
        metadata: attempt
            .metadata_raw
            .as_ref()
            .map(|text| cut(text, TEXT_MAX)),
        outcome: format!("{outcome}{gone}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(from: usize, texts: &[&str]) -> Vec<LogLine> {
        let line = |(at, text): (usize, &&str)| LogLine::new(from + at, *text);
        texts.iter().enumerate().map(line).collect()
    }

    #[test]
    fn of_many_lines_the_own_ones_are_kept_once_and_without_secrets() {
        crate::scrub::remember("line-canary-90175523");
        let mut looked = Lines::default();
        let mut many = vec!["of somebody else"; FEW_LINES];
        many.push("of own-token: line-canary-90175523");
        let all = lines(0, &many);
        let own = ["own-token".to_owned()];
        looked.look(0, &all, &own);
        looked.look(0, &all, &own);
        let (kept, left_out) = looked.taken();
        let kept: Vec<_> = kept.iter().map(|line| line.text.as_str()).collect();
        assert_eq!((kept, left_out), (vec!["of own-token: [redacted]"], 0));
    }

    #[test]
    fn few_lines_are_kept_whosever_they_are_and_too_many_are_counted() {
        let mut looked = Lines::default();
        looked.look(5, &lines(5, &["a", "b"]), &[]);
        assert_eq!(looked.kept.len(), 2);
        for number in 0..LINES_MAX {
            let line = &lines(100 + number, &["own"])[0];
            looked.keep(line);
        }
        let (kept, left_out) = looked.taken();
        assert_eq!((kept.len(), left_out), (LINES_MAX, 2));
    }
}
