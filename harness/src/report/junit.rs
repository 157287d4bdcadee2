//! The report as `JUnit` XML: one test case per scenario. Never writes a pass for what was not asserted.

use super::{Report, ScenarioReport};
use quick_junit::{NonSuccessKind, Report as Xml, TestCase, TestCaseStatus, TestSuite};
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

/// The report as XML.
///
/// # Errors
/// When the XML cannot be written.
pub fn render(report: &Report) -> io::Result<Vec<u8>> {
    let mut suites: BTreeMap<&str, TestSuite> = BTreeMap::new();
    for criterion in &report.criteria {
        for scenario in &criterion.scenarios {
            let suite = suites
                .entry(&scenario.feature)
                .or_insert_with(|| TestSuite::new(scenario.feature.clone()));
            let name = format!(
                "{} {} (line {})",
                criterion.id, scenario.name, scenario.line
            );
            let mut case = TestCase::new(name, status(scenario));
            case.set_classname(scenario.feature.clone());
            case.set_time(Duration::from_secs_f64(scenario.duration_ms / 1000.0));
            case.extra
                .insert("file".into(), scenario.feature.clone().into());
            case.extra
                .insert("line".into(), scenario.line.to_string().into());
            suite.add_test_case(case);
        }
    }
    let mut xml = Xml::new(format!("moltproof {}", report.target));
    xml.set_time(Duration::from_secs_f64(report.duration_ms / 1000.0));
    xml.add_test_suites(suites.into_values());
    xml.to_string()
        .map(String::into_bytes)
        .map_err(io::Error::other)
}

fn status(scenario: &ScenarioReport) -> TestCaseStatus {
    match scenario.outcome {
        "passed" => TestCaseStatus::success(),
        "failed" => {
            let (expected, seen) = (
                scenario.expected.as_deref().unwrap_or_default(),
                scenario.seen.as_deref().unwrap_or_default(),
            );
            let reason = format!("expected {expected}, saw {seen}");
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            let place = format!(
                "{}:{}  {}",
                scenario.feature,
                scenario.step_line.unwrap_or(scenario.line),
                scenario.step.as_deref().unwrap_or_default()
            );
            let curl = scenario
                .exchanges
                .last()
                .map(|exchange| exchange.curl.as_str())
                .unwrap_or_default();
            status
                .set_message(reason.clone())
                .set_description(format!("{place}\n{reason}\n{curl}"));
            status
        }
        "error" => {
            let reason = scenario.reason.clone().unwrap_or_default();
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(reason.clone()).set_description(reason);
            status
        }
        other => {
            let reason = scenario
                .reason
                .clone()
                .unwrap_or_else(|| other.replace('_', " "));
            let mut status = TestCaseStatus::skipped();
            status.set_message(reason.clone()).set_description(reason);
            status
        }
    }
}
