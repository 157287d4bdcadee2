//! The report as `JUnit` XML: one test case per scenario. Never writes a pass for what was not asserted.

use super::causes::{Cause, causes, told_at};
use super::lines::Lines;
use super::once;
use super::text::profile;
use super::{CriterionReport, GeneratedReport, Report, ScenarioReport};
use crate::evidence::cut;
use crate::verdict::OutcomeKind;
use quick_junit::{NonSuccessKind, Report as Xml, TestCase, TestCaseStatus, TestSuite};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::time::Duration;

/// Bytes of what was expected, and of what was seen. Evidence: GitLab takes 30 MB a file; 800 findings of this length stay far below.
const SAID_MAX: usize = 4096;

/// The report as XML.
///
/// # Errors
/// When the XML cannot be written.
pub fn render(report: &Report) -> io::Result<Vec<u8>> {
    let causes = causes(report);
    let mut suites: BTreeMap<&str, TestSuite> = BTreeMap::new();
    for once in once::scenarios(report) {
        let (criterion, scenario) = (once.worst_for, once.scenario);
        let suite = suites.entry(&scenario.feature).or_insert_with(|| {
            let mut suite = TestSuite::new(scenario.feature.clone());
            if !report.profiles.is_empty() {
                suite.add_property(("profile", criterion.profile.as_str()));
            }
            suite
        });
        let mut case = TestCase::new(once.title, status(report, &causes, criterion, scenario));
        case.set_classname(scenario.feature.clone());
        case.set_time(Duration::from_secs_f64(scenario.duration_ms / 1000.0));
        case.extra
            .insert("file".into(), scenario.feature.clone().into());
        case.extra
            .insert("line".into(), scenario.line.to_string().into());
        suite.add_test_case(case);
    }
    let profiles = report.profiles.iter().map(profile).collect::<Vec<_>>();
    let mut name = format!("moltproof {}", report.target);
    if !profiles.is_empty() {
        let _infallible = write!(name, ": {}", profiles.join(" · "));
    }
    let mut xml = Xml::new(name);
    xml.set_time(Duration::from_secs_f64(report.duration_ms / 1000.0));
    if let Some(why) = report.unjudged() {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(why.clone()).set_description(why);
        let mut case = TestCase::new("The run comes to a verdict", status);
        case.set_classname("moltproof");
        let mut suite = TestSuite::new("moltproof");
        suite.add_test_case(case);
        xml.add_test_suite(suite);
    }
    xml.add_test_suites(suites.into_values());
    if let Some(incomplete) = report.incomplete() {
        xml.add_test_suite(cut_short(&incomplete));
    }
    if !report.generated.is_empty() {
        let mut suite = TestSuite::new("generated");
        suite.add_property(("seed", report.seed.to_string().as_str()));
        suite.add_test_cases(report.generated.iter().map(|one| generated(report, one)));
        xml.add_test_suite(suite);
    }
    xml.to_string()
        .map(String::into_bytes)
        .map_err(io::Error::other)
}

/// The run itself as a test case in error: a view of tests must not show green what was ended before it was through.
fn cut_short(incomplete: &str) -> TestSuite {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_message(incomplete).set_description(incomplete);
    let mut case = TestCase::new("the run was seen through", status);
    case.set_classname("moltproof");
    let mut suite = TestSuite::new("moltproof");
    suite.add_test_case(case);
    suite
}

/// One kind of generated checks as a test case; its name holds the seed.
fn generated(report: &Report, one: &GeneratedReport) -> TestCase {
    let text = one.finding(report);
    let reason = one.reason.clone().unwrap_or_else(|| {
        let (expected, seen) = (one.expected.as_deref(), one.seen.as_deref());
        format!(
            "breaks {}: expected {}, saw {}",
            one.criteria.join(" "),
            expected.unwrap_or_default(),
            seen.unwrap_or_default()
        )
    });
    let mut status = match one.outcome {
        OutcomeKind::Passed => TestCaseStatus::success(),
        OutcomeKind::Failed | OutcomeKind::Flaky => {
            TestCaseStatus::non_success(NonSuccessKind::Failure)
        }
        OutcomeKind::Error => TestCaseStatus::non_success(NonSuccessKind::Error),
        OutcomeKind::Known
        | OutcomeKind::Accepted
        | OutcomeKind::Unmet
        | OutcomeKind::NotVerified
        | OutcomeKind::NotApplicable
        | OutcomeKind::NotSelected => TestCaseStatus::skipped(),
    };
    if one.outcome != OutcomeKind::Passed {
        status.set_message(reason).set_description(text);
    }
    let name = format!("{} {} (seed {})", one.id, one.name, one.seed);
    let mut case = TestCase::new(name, status);
    case.set_classname("generated");
    // The nearest thing to a file: where the first criterion stands that they break.
    let broken = one.criteria.first();
    let broken = broken.and_then(|id| report.criteria.iter().find(|own| own.id == *id));
    if let Some((feature, line)) = broken.and_then(|own| own.source.rsplit_once(':')) {
        case.extra.insert("file".into(), feature.to_owned().into());
        case.extra.insert("line".into(), line.to_owned().into());
    }
    case.set_time(Duration::from_secs_f64(one.duration_ms / 1000.0));
    case
}

fn status(
    report: &Report,
    causes: &[Cause<'_>],
    criterion: &CriterionReport,
    scenario: &ScenarioReport,
) -> TestCaseStatus {
    match scenario.outcome {
        OutcomeKind::Passed => TestCaseStatus::success(),
        OutcomeKind::Failed | OutcomeKind::Flaky => {
            let (expected, seen) = (
                scenario.expected.as_deref().unwrap_or_default(),
                scenario.seen.as_deref().unwrap_or_default(),
            );
            let (expected, seen) = (cut(expected, SAID_MAX), cut(seen, SAID_MAX));
            let mut reason = format!("expected {expected}, saw {seen}");
            if let Some(rate) = &scenario.reason {
                reason = format!("{rate}: {reason}");
            }
            let text = told(report, causes, criterion, scenario, &reason);
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(reason).set_description(text);
            status
        }
        OutcomeKind::Error => {
            let reason = scenario.reason.clone().unwrap_or_default();
            let text = told(report, causes, criterion, scenario, &reason);
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(reason).set_description(text);
            status
        }
        OutcomeKind::Known
        | OutcomeKind::Accepted
        | OutcomeKind::Unmet
        | OutcomeKind::NotVerified
        | OutcomeKind::NotApplicable
        | OutcomeKind::NotSelected => {
            let word = scenario.outcome.word();
            let reason = scenario.reason.clone().unwrap_or_else(|| word.to_owned());
            let mut status = TestCaseStatus::skipped();
            status.set_message(reason.clone()).set_description(reason);
            status
        }
    }
}

/// What is red, over several lines: where it ended, what was found, which exchange is shown, and the lines that repeat it.
fn told(
    report: &Report,
    causes: &[Cause<'_>],
    criterion: &CriterionReport,
    scenario: &ScenarioReport,
    reason: &str,
) -> String {
    let mut out = Lines::within(None);
    let line = scenario.step_line.unwrap_or(scenario.line);
    let step = report.step_said(scenario).unwrap_or_default();
    out.put(0, &format!("{}:{line}  {step}", scenario.feature));
    if let Some(step) = report.step_of(scenario) {
        out.table(2, &step.table);
        if let Some(block) = &step.block {
            out.put(2, block);
        }
    }
    out.put(0, reason);
    let level = criterion.level.word();
    let (id, sentence) = (&criterion.id, &criterion.sentence);
    out.put(0, &format!("criterion {id} ({level}): {sentence}"));
    if let Some(first) = told_at(causes, scenario) {
        let (feature, line) = (&first.feature, first.line);
        out.put(
            0,
            &format!("the same was found by the scenario at {feature}:{line}"),
        );
    }
    let sql = report.sql(scenario);
    for line in sql {
        out.whole(0, line);
    }
    if let Some(shown) = report.shown(scenario) {
        out.put(0, &shown.line());
        out.command(0, &shown.exchange.curl);
    }
    out.command(0, &report.repeat(id));
    out.finished()
}
