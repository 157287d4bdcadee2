//! Findings of tools that have no book of rules, such as `moltproof doctor`, in the same SARIF. Never decides what is found.

use super::log::{
    ArtifactLocation, Configuration, Descriptor, Driver, Fingerprints, Location, Log, Message,
    Outcome, PhysicalLocation, Properties, Region, Run, Severity, Tool,
};
use super::{COLUMN_KIND, SCHEMA, VERSION, uri};

/// A finding of a tool without a book of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plain {
    /// Id of what was looked at.
    pub rule: &'static str,
    /// How bad it is.
    pub level: PlainLevel,
    /// What was seen, and what to do.
    pub message: String,
    /// Path, line and column, the latter two from 1; `None` if it stands in no file.
    pub at: Option<(String, usize, usize)>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainLevel {
    /// To be mended.
    Error,
    /// To be looked at.
    Warning,
    /// To be known.
    Note,
}

/// The log of a tool without a book of rules: each id that was met is one.
#[must_use]
pub fn plain(tool: &'static str, found: Vec<Plain>) -> Log {
    let ids: std::collections::BTreeSet<&'static str> = found.iter().map(|one| one.rule).collect();
    let rules = ids.into_iter().map(|id| {
        let text = || Message::new(format!("what {tool} looks at as `{id}`"));
        Descriptor {
            id,
            short_description: text(),
            full_description: text(),
            help: text(),
            default_configuration: Configuration {
                level: Severity::Warning,
            },
            properties: Properties { tags: &[] },
        }
    });
    Log {
        schema: SCHEMA,
        version: VERSION,
        runs: vec![Run {
            tool: Tool {
                driver: Driver {
                    name: tool,
                    semantic_version: env!("CARGO_PKG_VERSION"),
                    rules: rules.collect(),
                },
            },
            column_kind: COLUMN_KIND,
            results: found.into_iter().map(plain_outcome).collect(),
        }],
    }
}

fn plain_outcome(found: Plain) -> Outcome {
    let place = |(path, line, column): &(String, usize, usize)| Location {
        physical_location: PhysicalLocation {
            artifact_location: ArtifactLocation { uri: uri(path) },
            region: Region {
                start_line: *line,
                start_column: *column,
                end: None,
            },
        },
        message: None,
    };
    let path = found.at.as_ref().map_or("", |(path, _, _)| path);
    Outcome {
        rule_id: found.rule,
        level: match found.level {
            PlainLevel::Error => Severity::Error,
            PlainLevel::Warning => Severity::Warning,
            PlainLevel::Note => Severity::Note,
        },
        partial_fingerprints: Fingerprints {
            rule_and_object: format!("{} {path}", found.rule),
        },
        locations: found.at.iter().map(place).collect(),
        related_locations: Vec::new(),
        message: Message::new(found.message),
        fixes: Vec::new(),
    }
}
