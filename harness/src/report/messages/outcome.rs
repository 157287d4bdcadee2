//! How a scenario ended, as Cucumber Messages tell it: a result for each step, and where the steps do not tell it, one for the verdict. Never invents a step's result.

use super::document::{Ids, Pickle};
use super::{Once, Run, actions};
use crate::evidence::cut;
use crate::report::{Evidence, ExchangeReport, GeneratedReport, Report};
use crate::verdict::OutcomeKind;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Bytes of an attachment. Evidence: the formatter shows it whole in its page; the JSON report has everything.
const ATTACHED_LEN_MAX: usize = 16 * 1024;

/// A step that was taken.
pub(super) struct Step {
    pub(super) text: String,
    pub(super) held: bool,
    /// From the scenario's beginning.
    pub(super) at_ms: f64,
    pub(super) duration_ms: f64,
    pub(super) told: Option<String>,
}

/// A scenario that was selected, as it ended.
pub(super) struct Case<'a> {
    report: &'a Report,
    outcome: OutcomeKind,
    /// Why it did not pass.
    why: Option<String>,
    steps: Vec<Step>,
    /// From the run's beginning.
    began_ms: f64,
    duration_ms: f64,
    /// Further attachments: name, media type, text.
    attached: Vec<(&'static str, &'static str, String)>,
}

/// A moment of the run, milliseconds after it began.
pub(super) fn moment(report: &Report, after_ms: f64) -> Value {
    let base = i128::from(report.started_at_ms) * 1_000_000;
    parts(base + nanos(after_ms))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a cast saturates, and no run lasts that long"
)]
fn nanos(ms: f64) -> i128 {
    (ms * 1_000_000.0).round() as i128
}

fn parts(nanos: i128) -> Value {
    let second = 1_000_000_000;
    json!({ "seconds": i64::try_from(nanos.div_euclid(second)).unwrap_or(i64::MAX),
        "nanos": i64::try_from(nanos.rem_euclid(second)).unwrap_or(0) })
}

/// What somebody answers for is pending, and what could not be told is skipped: neither is a pass.
fn status(outcome: OutcomeKind) -> &'static str {
    match outcome {
        OutcomeKind::Passed => "PASSED",
        OutcomeKind::Failed | OutcomeKind::Flaky | OutcomeKind::Error => "FAILED",
        OutcomeKind::Known | OutcomeKind::Accepted => "PENDING",
        OutcomeKind::Unmet
        | OutcomeKind::NotVerified
        | OutcomeKind::NotApplicable
        | OutcomeKind::NotSelected => "SKIPPED",
    }
}

impl<'a> Case<'a> {
    pub(super) fn of_scenario(report: &'a Report, once: &Once<'_>) -> Self {
        let one = once.scenario;
        let evidence = report.evidence_of(one);
        let steps = evidence.map_or_else(Vec::new, |seen| {
            let step = |step: &crate::report::StepReport| Step {
                text: step.said().to_owned(),
                held: step.held,
                at_ms: step.at_ms,
                duration_ms: step.duration_ms,
                told: step.told.clone(),
            };
            seen.steps.iter().map(step).collect()
        });
        let mut case = Self {
            report,
            outcome: one.outcome,
            why: once.why(),
            steps,
            began_ms: evidence.map_or(0.0, |seen| seen.began_ms),
            duration_ms: one.duration_ms,
            attached: Vec::new(),
        };
        if let (Some(evidence), false) = (evidence, one.outcome == OutcomeKind::Passed) {
            let again = match report.sql(one) {
                [] => evidence.shown().map(|own| own.exchange.curl.clone()),
                sql => Some(sql.join("\n")),
            };
            let again = again.into_iter().chain([report.repeat(&once.worst_for.id)]);
            let again: Vec<String> = again.collect();
            case.attach(evidence, again.join("\n"));
        }
        case
    }

    pub(super) fn of_generated(report: &'a Report, one: &GeneratedReport) -> Self {
        let finding = || {
            let (expected, seen) = (one.expected.as_ref()?, one.seen.as_ref()?);
            Some(format!("expected {expected}, saw {seen}"))
        };
        let mut case = Self {
            report,
            outcome: one.outcome,
            why: one.reason.clone().or_else(finding),
            steps: actions(one),
            began_ms: 0.0,
            duration_ms: one.duration_ms,
            attached: Vec::new(),
        };
        if let (Some(evidence), false) = (
            report.evidence.get(&one.id),
            one.outcome == OutcomeKind::Passed,
        ) {
            case.attach(evidence, format!("moltproof run {}", one.repeat));
        }
        case
    }

    fn attach(&mut self, evidence: &Evidence, again: String) {
        self.attached.push(("repeat.txt", "text/plain", again));
        if let Some(shown) = evidence.shown() {
            let text = serde_json::to_string_pretty(shown.exchange).unwrap_or_default();
            let name = if shown.has_decided {
                "exchange-that-decided.json"
            } else {
                "last-exchange.json"
            };
            self.attached.push((name, "application/json", text));
        }
        let log = log(evidence);
        if !log.is_empty() {
            self.attached
                .push(("evidence.log", "text/x.cucumber.log+plain", log));
        }
    }

    /// The test case, and what happened in it.
    pub(super) fn messages(
        &self,
        pickle: &Pickle,
        run: &Run,
        ids: &mut Ids,
    ) -> (Value, Vec<Value>) {
        let (case, started) = (ids.next(), ids.next());
        let steps: Vec<(String, Value)> = pickle
            .steps
            .iter()
            .map(|own| {
                let id = ids.next();
                let step = json!({ "id": id, "pickleStepId": own, "stepDefinitionIds": [], "stepMatchArgumentsLists": [] });
                (id, step)
            })
            .collect();
        let decisive = self.decisive(pickle.steps.len());
        let needs_word = decisive.is_none() && self.outcome != OutcomeKind::Passed;
        let hook = needs_word.then(|| ids.next());
        let mut list: Vec<Value> = steps.iter().map(|(_, step)| step.clone()).collect();
        list.extend(
            hook.as_ref()
                .map(|id| json!({ "id": id, "hookId": run.hook })),
        );
        let message = json!({ "testCase": { "id": case, "pickleId": pickle.id, "testSteps": list, "testRunStartedId": run.id } });
        let began = moment(self.report, self.began_ms);
        let mut told = vec![
            json!({ "testCaseStarted": { "id": started, "testCaseId": case, "attempt": 0, "timestamp": began } }),
        ];
        for (number, (id, _)) in steps.iter().enumerate() {
            self.step(&mut told, (&started, id), number, decisive == Some(number));
        }
        let end = moment(self.report, self.began_ms + self.duration_ms);
        if let Some(id) = &hook {
            told.push(json!({ "testStepStarted": { "testCaseStartedId": started, "testStepId": id, "timestamp": end } }));
            self.attachments(&mut told, &started, id);
            let result = self.result(0.0);
            told.push(json!({ "testStepFinished": { "testCaseStartedId": started, "testStepId": id, "testStepResult": result,
                "timestamp": end } }));
        }
        told.push(json!({ "testCaseFinished": { "testCaseStartedId": started, "timestamp": end, "willBeRetried": false } }));
        (message, told)
    }

    /// Which of the steps that are shown tells how it ended; `None` if that takes a word of its own, or if it passed.
    fn decisive(&self, shown: usize) -> Option<usize> {
        let stopped_at = self.steps.iter().position(|step| !step.held);
        stopped_at.filter(|at| *at < shown && self.outcome != OutcomeKind::Passed)
    }

    /// The result that tells how the scenario ended.
    fn result(&self, duration_ms: f64) -> Value {
        let mut result =
            json!({ "status": status(self.outcome), "duration": parts(nanos(duration_ms)) });
        if let Some(why) = &self.why {
            result["message"] = cut(why, ATTACHED_LEN_MAX).into();
        }
        if self.outcome.is_red() {
            let why = self.why.as_deref().unwrap_or_default();
            let exception = match (self.outcome, why.strip_prefix("error: ")) {
                (OutcomeKind::Error, reason) => ("Error", reason.unwrap_or(why)),
                _ => ("ContractViolation", why),
            };
            result["exception"] = json!({ "type": exception.0, "message": exception.1 });
        }
        result
    }

    /// One step: as it was taken, or skipped.
    fn step(
        &self,
        told: &mut Vec<Value>,
        (started, id): (&str, &str),
        number: usize,
        is_decisive: bool,
    ) {
        let taken = self.steps.get(number);
        let result = match taken {
            Some(step) if is_decisive => self.result(step.duration_ms),
            Some(step) if step.held => {
                json!({ "status": "PASSED", "duration": parts(nanos(step.duration_ms)) })
            }
            Some(_) | None => json!({ "status": "SKIPPED", "duration": parts(0) }),
        };
        let (at, took) = taken.map_or((self.duration_ms, 0.0), |own| (own.at_ms, own.duration_ms));
        let (from, to) = (
            moment(self.report, self.began_ms + at),
            moment(self.report, self.began_ms + at + took),
        );
        told.push(json!({ "testStepStarted": { "testCaseStartedId": started, "testStepId": id, "timestamp": from } }));
        if is_decisive {
            self.attachments(told, started, id);
        }
        if let Some(text) = taken.and_then(|step| step.told.as_ref()) {
            told.push(attachment(
                started,
                id,
                "text/x.cucumber.log+plain",
                None,
                text,
            ));
        }
        told.push(json!({ "testStepFinished": { "testCaseStartedId": started, "testStepId": id, "testStepResult": result, "timestamp": to } }));
    }

    fn attachments(&self, told: &mut Vec<Value>, started: &str, step: &str) {
        for (name, media_type, text) in &self.attached {
            let body = cut(text, ATTACHED_LEN_MAX);
            told.push(attachment(started, step, media_type, Some(name), &body));
        }
    }
}

fn attachment(
    started: &str,
    step: &str,
    media_type: &str,
    name: Option<&str>,
    body: &str,
) -> Value {
    let mut told = json!({ "testCaseStartedId": started, "testStepId": step, "mediaType": media_type, "contentEncoding": "IDENTITY",
        "body": body });
    if let Some(name) = name {
        told["fileName"] = name.into();
    }
    json!({ "attachment": told })
}

/// What was seen, a line each.
fn log(evidence: &Evidence) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    write_log(&mut out, evidence).unwrap_or_default();
    out
}

fn write_log(out: &mut String, evidence: &Evidence) -> std::fmt::Result {
    for one in &evidence.exchanges {
        let ExchangeReport {
            number,
            method,
            host,
            path,
            status,
            ..
        } = one;
        writeln!(
            out,
            "exchange {number}: {method} {host}{path} was answered {status} in {:.1} ms",
            one.duration_ms
        )?;
    }
    for call in &evidence.model_calls {
        writeln!(
            out,
            "model call: {} {}: {}",
            call.path, call.model, call.outcome
        )?;
    }
    for look in &evidence.observations {
        writeln!(out, "{}: {}: saw {}", look.store, look.asked, look.saw)?;
    }
    for line in &evidence.log_lines {
        writeln!(out, "log line {}: {}", line.number, line.text)?;
    }
    Ok(())
}
