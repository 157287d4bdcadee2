//! Findings as SARIF 2.1.0, for code scanning. Never names a path outside of the working folder as one within.

use super::json::{Found, Place, Report};
use crate::finding::{Finding, Patch};
use crate::rule::book;
use crate::source::Source;
use serde_json::{Value, json};

/// The log as JSON.
#[must_use]
pub fn log(report: &Report, findings: &[Finding], source: &Source) -> Value {
    let rules: Vec<Value> = book::rules().iter().map(rule).collect();
    let results: Vec<Value> = report
        .findings
        .iter()
        .zip(findings)
        .map(|(found, finding)| result(found, finding, source))
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "moltproof db lint",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(rule: &book::Rule) -> Value {
    let failure = rule.failure.trim();
    let repair = rule.repair.trim();
    json!({
        "id": rule.id,
        "shortDescription": { "text": rule.title },
        "fullDescription": { "text": failure },
        "help": { "text": format!("{failure}\n\n{repair}"), "markdown": format!("{failure}\n\n**Repair.** {repair}") },
        "defaultConfiguration": { "level": level(&rule.level.to_string()) },
        "properties": { "tags": rule.criteria },
    })
}

/// SARIF's word for a level.
fn level(level: &str) -> &'static str {
    match level {
        "error" => "error",
        "warning" => "warning",
        _ => "note",
    }
}

fn result(found: &Found, finding: &Finding, source: &Source) -> Value {
    let locations: Vec<Value> = found.at.iter().map(location).collect();
    let related: Vec<Value> = found.related.iter().map(location).collect();
    let help = found
        .help
        .as_deref()
        .map_or_else(String::new, |help| format!("\n\n{help}"));
    let mut result = json!({
        "ruleId": found.rule,
        "level": level(&found.level),
        "message": { "text": format!("{}{help}", found.message) },
        "locations": locations,
        "relatedLocations": related,
        "partialFingerprints": { "moltproofRuleAndObject/v1": found.fingerprint },
    });
    if let Some(fix) = fix(finding, source) {
        result["fixes"] = json!([fix]);
    }
    result
}

fn location(place: &Place) -> Value {
    let mut location = json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri(&place.path) },
            "region": { "startLine": place.line, "startColumn": place.column },
        },
    });
    if !place.text.is_empty() {
        location["message"] = json!({ "text": place.text });
    }
    location
}

/// A replacement within a file; a new migration is none.
fn fix(finding: &Finding, source: &Source) -> Option<Value> {
    let Some(Patch::Replace { span, with }) = &finding.patch else {
        return None;
    };
    let file = source.file(span.file)?;
    let (line, column) = super::line_of(&file.text, span.start);
    let (end_line, end_column) = super::line_of(&file.text, span.end);
    Some(json!({
        "description": { "text": finding.help.as_deref().unwrap_or("what to write instead") },
        "artifactChanges": [{
            "artifactLocation": { "uri": uri(&super::shown_path(file)) },
            "replacements": [{
                "deletedRegion": { "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column },
                "insertedContent": { "text": with },
            }],
        }],
    }))
}

/// A path as a relative reference; an absolute one as a `file` URI.
fn uri(path: &str) -> String {
    let encoded = path
        .replace('%', "%25")
        .replace(' ', "%20")
        .replace('#', "%23")
        .replace('?', "%3F");
    if encoded.starts_with('/') {
        format!("file://{encoded}")
    } else {
        encoded
    }
}
