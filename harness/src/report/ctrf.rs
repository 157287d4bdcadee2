//! The report in the Common Test Report Format: one test per scenario and per kind of generated checks. Never writes a pass for what was not asserted.

use super::once::{self, Once};
use super::{GeneratedReport, Report, StepReport, story, text};
use crate::clock;
use crate::evidence::cut;
use crate::verdict::OutcomeKind;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// The version of the format, as the package of its authors numbers it.
const SPEC_VERSION: &str = "0.0.0";

/// Bytes of a message. Evidence: viewers show it in a table's cell; the JSON report has the whole.
const MESSAGE_LEN_MAX: usize = 4096;

/// The document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    report_format: &'static str,
    spec_version: &'static str,
    run_id: String,
    timestamp: String,
    generated_by: String,
    results: Results,
}

#[derive(Debug, Serialize)]
struct Results {
    tool: Tool,
    summary: Summary,
    tests: Vec<Test>,
    environment: Environment,
    extra: Extra,
}

#[derive(Debug, Serialize)]
struct Tool {
    name: String,
    version: String,
}

#[derive(Debug, Default, Serialize)]
struct Summary {
    tests: usize,
    passed: usize,
    failed: usize,
    skipped: usize,
    pending: usize,
    other: usize,
    suites: usize,
    start: i64,
    stop: i64,
    duration: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Environment {
    app_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    build_id: Option<String>,
}

/// What the format has no field for.
#[derive(Debug, Serialize)]
struct Extra {
    verdict: &'static str,
    headline: String,
    contract_version: String,
    contract_digest: String,
    seed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    only_a_part: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Passed,
    Failed,
    Skipped,
    Other,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Test {
    name: String,
    status: Status,
    raw_status: &'static str,
    duration: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<i64>,
    suite: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<&'static str, Vec<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<Step>,
}

#[derive(Debug, Serialize)]
struct Step {
    name: String,
    status: Status,
}

/// The report as one JSON document.
///
/// # Errors
/// When it cannot be serialised.
pub(super) fn render(report: &Report) -> io::Result<Vec<u8>> {
    let scenarios = once::scenarios(report);
    let written = scenarios.iter().map(|one| scenario(report, one));
    let generated = report.generated.iter().map(|one| generated(report, one));
    let untold = once::untold(report).map(|why| not_green(report, why));
    let tests: Vec<Test> = written.chain(generated).chain(untold).collect();
    let (name, version) = report.harness.split_once(' ').unwrap_or_default();
    let document = Document {
        report_format: "CTRF",
        spec_version: SPEC_VERSION,
        run_id: report.run_id.clone(),
        timestamp: clock::rfc3339(stop(report)),
        generated_by: report.harness.clone(),
        results: Results {
            tool: Tool {
                name: name.to_owned(),
                version: version.to_owned(),
            },
            summary: summary(report, &tests),
            tests,
            environment: Environment {
                app_name: report.target.clone(),
                build_id: report.build.clone(),
            },
            extra: Extra {
                verdict: text::word(report.summary.verdict),
                headline: story::sentence(report),
                contract_version: report.contract_version.clone(),
                contract_digest: report.contract_digest.clone(),
                seed: report.seed,
                only_a_part: report.part(),
                warnings: report.warnings.clone(),
            },
        },
    };
    let mut bytes = serde_json::to_vec_pretty(&document)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// When the run ended, epoch milliseconds.
fn stop(report: &Report) -> i64 {
    report.started_at_ms + whole(report.duration_ms)
}

/// Whole milliseconds, for the format knows no parts of one.
#[expect(
    clippy::cast_possible_truncation,
    reason = "no run lasts 292 million years; a cast saturates"
)]
fn whole(ms: f64) -> i64 {
    ms.round() as i64
}

fn summary(report: &Report, tests: &[Test]) -> Summary {
    let count = |status| tests.iter().filter(|test| test.status == status).count();
    let suites: BTreeSet<&[String]> = tests.iter().map(|test| &test.suite[..]).collect();
    Summary {
        tests: tests.len(),
        passed: count(Status::Passed),
        failed: count(Status::Failed),
        skipped: count(Status::Skipped),
        pending: 0,
        other: count(Status::Other),
        suites: suites.len(),
        start: report.started_at_ms,
        stop: stop(report),
        duration: whole(report.duration_ms),
    }
}

/// An error counts as failed, for readers look at nothing else; what somebody answers for is neither passed nor failed.
fn status(outcome: OutcomeKind) -> Status {
    match outcome {
        OutcomeKind::Passed => Status::Passed,
        OutcomeKind::Failed | OutcomeKind::Flaky | OutcomeKind::Error => Status::Failed,
        OutcomeKind::Known | OutcomeKind::Accepted => Status::Other,
        OutcomeKind::Unmet
        | OutcomeKind::NotVerified
        | OutcomeKind::NotApplicable
        | OutcomeKind::NotSelected => Status::Skipped,
    }
}

fn scenario(report: &Report, once: &Once<'_>) -> Test {
    let one = once.scenario;
    let evidence = report.evidence_of(one);
    let start = evidence.map(|own| report.started_at_ms + whole(own.began_ms));
    let mut labels = BTreeMap::new();
    labels.insert("criterion", once.ids().map(str::to_owned).collect());
    let levels = once.criteria.iter().map(|own| own.level);
    let level = levels.min().map_or("", crate::verdict::Level::word);
    labels.insert("level", vec![level.to_owned()]);
    if let Some(first) = once.criteria.first() {
        labels.insert("profile", vec![first.profile.clone()]);
        labels.insert("area", vec![first.area()]);
    }
    Test {
        name: once.title.clone(),
        status: status(one.outcome),
        raw_status: one.outcome.word(),
        duration: whole(one.duration_ms),
        start,
        stop: start.map(|start| start + whole(one.duration_ms)),
        suite: vec![one.feature.clone()],
        message: once.why().map(|why| cut(&why, MESSAGE_LEN_MAX)),
        trace: trace(report, once),
        file_path: Some(one.feature.clone()),
        line: Some(one.line),
        labels,
        steps: evidence.map_or_else(Vec::new, |own| own.steps.iter().map(step).collect()),
    }
}

/// A run that is not green, though each of its tests may be: readers look at nothing else.
fn not_green(report: &Report, why: String) -> Test {
    Test {
        name: "The run comes to a green end".to_owned(),
        status: Status::Failed,
        raw_status: text::word(report.summary.verdict),
        duration: whole(report.duration_ms),
        start: Some(report.started_at_ms),
        stop: Some(stop(report)),
        suite: vec!["moltproof".to_owned()],
        message: Some(why),
        trace: None,
        file_path: None,
        line: None,
        labels: BTreeMap::new(),
        steps: Vec::new(),
    }
}

/// Where it was found and what repeats it; `None` where nothing was found.
fn trace(report: &Report, once: &Once<'_>) -> Option<String> {
    let one = once.scenario;
    one.seen.as_ref()?;
    let place = format!(
        "{}:{}  {}",
        one.feature,
        one.step_line.unwrap_or(one.line),
        report.step_said(one).unwrap_or_default()
    );
    let sql = report.sql(one).join("\n");
    let shown = report.shown(one).map(|shown| shown.exchange.curl.clone());
    let again = if sql.is_empty() { shown } else { Some(sql) };
    let lines = [Some(place), again, Some(report.repeat(&once.worst_for.id))];
    Some(lines.into_iter().flatten().collect::<Vec<_>>().join("\n"))
}

fn step(step: &StepReport) -> Step {
    Step {
        name: step.said().to_owned(),
        status: if step.held {
            Status::Passed
        } else {
            Status::Failed
        },
    }
}

fn generated(report: &Report, one: &GeneratedReport) -> Test {
    let is_passed = one.outcome == OutcomeKind::Passed;
    let message = one.reason.clone().or_else(|| {
        let (expected, seen) = (one.expected.as_ref()?, one.seen.as_ref()?);
        Some(format!("expected {expected}, saw {seen}"))
    });
    let mut labels = BTreeMap::new();
    if !one.criteria.is_empty() {
        labels.insert("criterion", one.criteria.clone());
    }
    Test {
        name: format!("{} {} (seed {})", one.id, one.name, one.seed),
        status: status(one.outcome),
        raw_status: one.outcome.word(),
        duration: whole(one.duration_ms),
        start: None,
        stop: None,
        suite: vec!["generated".to_owned()],
        message: message.map(|message| cut(&message, MESSAGE_LEN_MAX)),
        trace: (!is_passed).then(|| one.finding(report)),
        file_path: None,
        line: None,
        labels,
        steps: Vec::new(),
    }
}
