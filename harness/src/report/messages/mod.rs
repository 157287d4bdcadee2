//! The report as Cucumber Messages, one JSON object a line: what Cucumber's HTML formatter and living documentation read. Never writes a pass for what was not asserted.

mod document;
mod outcome;

use super::once::{self, Once};
use super::{GeneratedReport, Report, ScenarioReport, story};
use crate::contract::{Contract, FEATURES};
use crate::verdict::{Exit, OutcomeKind};
use document::{Document, Ids, Part, Pickle};
use outcome::{Case, Step, moment};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io;

/// The version of the messages: that of the package of their authors, whose schema a test holds them against.
const PROTOCOL_VERSION: &str = "34.2.1";

/// Where generated checks stand in place of a feature.
const GENERATED: &str = "generated";

/// What is run.
struct Run {
    hook: String,
    id: String,
}

/// The report as lines of JSON.
///
/// # Errors
/// When it cannot be serialised.
pub(super) fn render(report: &Report) -> io::Result<Vec<u8>> {
    let mut ids = Ids::default();
    let mut messages = vec![meta(report)];
    let run = Run {
        hook: ids.next(),
        id: ids.next(),
    };
    let (mut cases, mut ended) = (Vec::new(), Vec::new());
    let is_ours = is_ours(report);
    for (uri, scenarios) in by_feature(report) {
        let document = document(report, uri, &scenarios, is_ours, &mut ids);
        messages.extend(document.messages);
        for once in &scenarios {
            let of_line = |one: &&Pickle| one.line == once.scenario.line;
            let pickle = document.pickles.iter().find(of_line);
            if let (Some(pickle), true) = (pickle, was_selected(once.scenario)) {
                let case = Case::of_scenario(report, once);
                let (case, told) = case.messages(pickle, &run, &mut ids);
                cases.push(case);
                ended.extend(told);
            }
        }
    }
    if !report.generated.is_empty() {
        let document = of_generated(report, &mut ids);
        messages.extend(document.messages);
        for (one, pickle) in report.generated.iter().zip(&document.pickles) {
            let case = Case::of_generated(report, one);
            let (case, told) = case.messages(pickle, &run, &mut ids);
            cases.push(case);
            ended.extend(told);
        }
    }
    messages.push(json!({ "hook": { "id": run.hook, "name": "verdict of moltproof", "type": "AFTER_TEST_CASE", "sourceReference": {} } }));
    messages.push(json!({ "testRunStarted": { "id": run.id, "timestamp": moment(report, 0.0) } }));
    messages.extend(cases);
    messages.extend(ended);
    messages.push(finished(report, &run));
    lines(&messages)
}

fn lines(messages: &[Value]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for message in messages {
        serde_json::to_writer(&mut bytes, message)?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

fn meta(report: &Report) -> Value {
    let (name, version) = report.harness.split_once(' ').unwrap_or_default();
    let product = json!({ "name": name, "version": version });
    json!({ "meta": { "protocolVersion": PROTOCOL_VERSION, "implementation": product, "runtime": product,
        "os": { "name": std::env::consts::OS }, "cpu": { "name": std::env::consts::ARCH } } })
}

/// The run went well if its exit code says so: what is red there is red here.
fn finished(report: &Report, run: &Run) -> Value {
    let is_success = report.exit(false) == Exit::Conforms;
    let mut told = json!({ "success": is_success, "timestamp": moment(report, report.duration_ms), "testRunStartedId": run.id });
    if !is_success {
        let why = once::untold(report).unwrap_or_else(|| story::sentence(report));
        told["message"] = why.into();
    }
    json!({ "testRunFinished": told })
}

/// The scenarios of each feature of which at least one was selected.
fn by_feature(report: &Report) -> BTreeMap<&str, Vec<Once<'_>>> {
    let mut all: BTreeMap<&str, Vec<Once<'_>>> = BTreeMap::new();
    for once in once::scenarios(report) {
        all.entry(&once.scenario.feature).or_default().push(once);
    }
    all.retain(|_, own| own.iter().any(|once| was_selected(once.scenario)));
    all
}

fn was_selected(scenario: &ScenarioReport) -> bool {
    scenario.outcome != OutcomeKind::NotSelected
}

/// Whether the report is by the contract whose features this program holds: only then are their texts those that were run.
fn is_ours(report: &Report) -> bool {
    let version = report.contract_version.parse();
    let ours = Contract::of_all_versions().ok();
    let then = ours.and_then(|all| all.at(version.ok()?).ok());
    then.is_some_and(|contract| contract.digest() == report.contract_digest)
}

fn document(
    report: &Report,
    uri: &str,
    scenarios: &[Once<'_>],
    is_ours: bool,
    ids: &mut Ids,
) -> Document {
    let text = FEATURES.iter().find(|(path, _)| *path == uri && is_ours);
    if let Some(document) = text.and_then(|(_, text)| Document::of_text(uri, text, ids)) {
        // A scenario that is not where the report has it would be told by nobody.
        let is_there = |once: &Once<'_>| {
            let mut pickles = document.pickles.iter();
            pickles.any(|pickle| pickle.line == once.scenario.line)
        };
        if scenarios.iter().all(is_there) {
            return document;
        }
    }
    let parts: Vec<_> = scenarios
        .iter()
        .map(|once| {
            let steps = report.evidence_of(once.scenario).map(|seen| &seen.steps);
            let steps = steps.into_iter().flatten();
            Part {
                line: once.scenario.line,
                title: once.title.clone(),
                steps: steps
                    .map(|step| (step.line, step.said().to_owned()))
                    .collect(),
            }
        })
        .collect();
    Document::of_parts(uri, uri, &parts, ids)
}

/// Each kind of generated checks as a scenario: the smallest case that fails, or what was run.
fn of_generated(report: &Report, ids: &mut Ids) -> Document {
    let parts: Vec<_> = report
        .generated
        .iter()
        .enumerate()
        .map(|(at, one)| {
            let title = format!("{} {} (seed {})", one.id, one.name, one.seed);
            let steps = actions(one).into_iter().map(|step| (at + 1, step.text));
            Part {
                line: at + 1,
                title,
                steps: steps.collect(),
            }
        })
        .collect();
    Document::of_parts(GENERATED, "Generated checks", &parts, ids)
}

/// What was done, in order.
fn actions(one: &GeneratedReport) -> Vec<Step> {
    let step = |text: String, held| Step {
        text,
        held,
        at_ms: 0.0,
        duration_ms: 0.0,
        told: None,
    };
    if one.actions.is_empty() {
        let is_passed = one.outcome == OutcomeKind::Passed;
        return vec![step(format!("{} cases are run", one.cases), is_passed)];
    }
    let all = one.actions.iter().enumerate();
    all.map(|(number, text)| step(text.clone(), one.failed_at != Some(number)))
        .collect()
}
