//! Findings as SARIF 2.1.0, for code scanning. Never names a path outside of the working folder as one within.

mod log;

mod plain;

pub use log::Log;
pub use plain::{Plain, PlainLevel, plain};

use super::json::{Found, Place, Report};
use crate::finding::{Finding, Level, Patch};
use crate::rule::book;
use crate::source::Source;
use log::{
    ArtifactChange, ArtifactLocation, Configuration, Content, Descriptor, Driver, End,
    Fingerprints, Fix, Location, Message, Outcome, PhysicalLocation, Properties, Region,
    Replacement, Run, Severity, Tool,
};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
const VERSION: &str = "2.1.0";
const COLUMN_KIND: &str = "unicodeCodePoints";

/// The log; a report holds the findings in the same order.
#[must_use]
pub fn log(report: &Report, findings: &[Finding], source: &Source) -> Log {
    let results = report.findings.iter().zip(findings);
    Log {
        schema: SCHEMA,
        version: VERSION,
        runs: vec![Run {
            tool: Tool {
                driver: Driver {
                    name: "moltproof db lint",
                    semantic_version: env!("CARGO_PKG_VERSION"),
                    rules: book::rules().iter().map(descriptor).collect(),
                },
            },
            column_kind: COLUMN_KIND,
            results: results
                .map(|(found, finding)| outcome(found, finding, source))
                .collect(),
        }],
    }
}

fn descriptor(rule: &'static book::Rule) -> Descriptor {
    let failure = rule.failure.trim();
    let repair = rule.repair.trim();
    Descriptor {
        id: &rule.id,
        short_description: Message::new(&rule.title),
        full_description: Message::new(failure),
        help: Message {
            text: format!("{failure}\n\n{repair}"),
            markdown: Some(format!("{failure}\n\n**Repair.** {repair}")),
        },
        default_configuration: Configuration {
            level: severity(rule.level),
        },
        properties: Properties {
            tags: &rule.criteria,
        },
    }
}

fn severity(level: Level) -> Severity {
    match level {
        Level::Error => Severity::Error,
        Level::Warning => Severity::Warning,
        Level::Info => Severity::Note,
    }
}

fn outcome(found: &Found, finding: &Finding, source: &Source) -> Outcome {
    let help = found
        .help
        .as_deref()
        .map_or_else(String::new, |help| format!("\n\n{help}"));
    Outcome {
        rule_id: finding.rule,
        level: severity(finding.level),
        message: Message::new(format!("{}{help}", found.message)),
        locations: found.at.iter().map(location).collect(),
        related_locations: found.related.iter().map(location).collect(),
        partial_fingerprints: Fingerprints {
            rule_and_object: finding.fingerprint(),
        },
        fixes: fix(finding, source).into_iter().collect(),
    }
}

fn location(place: &Place) -> Location {
    Location {
        physical_location: PhysicalLocation {
            artifact_location: ArtifactLocation {
                uri: uri(&place.path),
            },
            region: Region {
                start_line: place.line,
                start_column: place.column,
                end: None,
            },
        },
        message: (!place.text.is_empty()).then(|| Message::new(&place.text)),
    }
}

/// A replacement within a file; a new migration is none.
fn fix(finding: &Finding, source: &Source) -> Option<Fix> {
    let Some(Patch::Replace { span, with }) = &finding.patch else {
        return None;
    };
    let file = source.file(span.file)?;
    let (start_line, start_column) = crate::text::line_of(&file.text, span.start);
    let (end_line, end_column) = crate::text::line_of(&file.text, span.end);
    let help = finding.help.as_deref();
    Some(Fix {
        description: Message::new(help.unwrap_or("what to write instead")),
        artifact_changes: vec![ArtifactChange {
            artifact_location: ArtifactLocation {
                uri: uri(&crate::text::shown_path(file)),
            },
            replacements: vec![Replacement {
                deleted_region: Region {
                    start_line,
                    start_column,
                    end: Some(End {
                        end_line,
                        end_column,
                    }),
                },
                inserted_content: Content { text: with.clone() },
            }],
        }],
    })
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
