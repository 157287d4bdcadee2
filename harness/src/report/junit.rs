//! The report as `JUnit` XML: one test case per scenario. Never writes a pass for what was not asserted.

use super::text::profile;
use super::{GeneratedReport, Report, ScenarioReport};
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
    let mut suites: BTreeMap<&str, TestSuite> = BTreeMap::new();
    for criterion in &report.criteria {
        // What generated checks found has a suite of its own.
        for scenario in criterion
            .scenarios
            .iter()
            .filter(|scenario| scenario.line > 0)
        {
            let suite = suites.entry(&scenario.feature).or_insert_with(|| {
                let mut suite = TestSuite::new(scenario.feature.clone());
                if !report.profiles.is_empty() {
                    suite.add_property(("profile", criterion.profile.as_str()));
                }
                suite
            });
            let name = format!(
                "{} {} (line {})",
                criterion.id, scenario.name, scenario.line
            );
            let mut case = TestCase::new(name, status(report, &criterion.id, scenario));
            case.set_classname(scenario.feature.clone());
            case.set_time(Duration::from_secs_f64(scenario.duration_ms / 1000.0));
            case.extra
                .insert("file".into(), scenario.feature.clone().into());
            case.extra
                .insert("line".into(), scenario.line.to_string().into());
            suite.add_test_case(case);
        }
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

fn status(report: &Report, id: &str, scenario: &ScenarioReport) -> TestCaseStatus {
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
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            let place = format!(
                "{}:{}  {}",
                scenario.feature,
                scenario.step_line.unwrap_or(scenario.line),
                scenario.step.as_deref().unwrap_or_default()
            );
            let curl = report
                .decisive(scenario)
                .map(|exchange| exchange.curl.as_str())
                .unwrap_or_default();
            let sql = report.sql(scenario).join("\n");
            let again = if sql.is_empty() { curl } else { &sql };
            let replay = report.repeat(id);
            status
                .set_message(reason.clone())
                .set_description(format!("{place}\n{reason}\n{again}\n{replay}"));
            status
        }
        OutcomeKind::Error => {
            let reason = scenario.reason.clone().unwrap_or_default();
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(reason.clone()).set_description(reason);
            status
        }
        OutcomeKind::Known
        | OutcomeKind::Accepted
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
