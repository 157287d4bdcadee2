//! Findings as annotations of a GitHub workflow. Never more than GitHub shows.

use super::json;
use crate::text::counted;
use std::fmt::Write as _;

/// GitHub keeps ten annotations of a kind per step and drops the rest without a word.
const ANNOTATIONS_MAX: usize = 10;

/// Workflow commands, one a line; the last one says how many more there are.
#[must_use]
pub fn annotations(report: &json::Report) -> String {
    let mut text = String::new();
    let shown = if report.findings.len() > ANNOTATIONS_MAX {
        ANNOTATIONS_MAX - 1
    } else {
        ANNOTATIONS_MAX
    };
    for finding in report.findings.iter().take(shown) {
        let kind = match finding.level.as_str() {
            "error" => "error",
            "warning" => "warning",
            _ => "notice",
        };
        let place = finding.at.as_ref().map_or_else(String::new, |place| {
            format!(
                " file={},line={},col={},",
                property(&place.path),
                place.line,
                place.column
            )
        });
        let space = if place.is_empty() { " " } else { "" };
        let help = finding
            .help
            .as_deref()
            .map_or_else(String::new, |help| format!("\nhelp: {help}"));
        let message = data(&format!("{}{help}", finding.message));
        let _infallible = writeln!(
            text,
            "::{kind}{place}{space}title={}::{message}",
            property(&finding.rule)
        );
    }
    if report.findings.len() > shown {
        let more = counted(report.findings.len() - shown, "more finding");
        let _infallible = writeln!(
            text,
            "::notice title=moltproof db lint::{more}; the log of this step has them all"
        );
    }
    text
}

fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
