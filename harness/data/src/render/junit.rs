//! Findings as a `JUnit` report: one case per file and rule that was broken there, one passed case for a file without findings.

use super::json;
use crate::source::Source;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::collections::BTreeSet;

/// The report as XML.
///
/// # Errors
/// What the writer says of a text that XML cannot hold.
pub fn xml(report: &json::Report, source: &Source) -> Result<String, quick_junit::SerializeError> {
    let mut suite = TestSuite::new("moltproof db lint");
    for finding in &report.findings {
        let kind = if finding.level == "info" {
            None
        } else {
            Some(NonSuccessKind::Failure)
        };
        let mut status = kind.map_or_else(TestCaseStatus::success, TestCaseStatus::non_success);
        status.set_message(finding.message.clone());
        let place = finding.at.as_ref().map_or_else(String::new, |place| {
            format!("{}:{}:{}\n", place.path, place.line, place.column)
        });
        let help = finding.help.as_deref().unwrap_or_default();
        status.set_description(format!("{place}{}\n{help}", finding.message));
        let mut case = TestCase::new(format!("{} {}", finding.rule, finding.object), status);
        case.set_classname(
            finding
                .at
                .as_ref()
                .map_or_else(|| report.source.clone(), |place| place.path.clone()),
        );
        suite.add_test_case(case);
    }
    let found: BTreeSet<&str> = report
        .findings
        .iter()
        .filter_map(|finding| finding.at.as_ref())
        .map(|place| place.path.as_str())
        .collect();
    for file in &source.files {
        let path = crate::text::shown_path(file);
        if !found.contains(path.as_str()) {
            let mut case = TestCase::new("no findings", TestCaseStatus::success());
            case.set_classname(path);
            suite.add_test_case(case);
        }
    }
    let mut whole = Report::new("moltproof");
    whole.add_test_suite(suite);
    whole.to_string()
}
