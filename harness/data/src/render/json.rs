//! Findings for programs, as JSON. Never leaves out what the text shows.

use crate::finding::Label;
use crate::lint::Lint;
use crate::source::Source;
use crate::text::{line_of, shown_path};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A report of `moltproof db lint`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The version of this shape; within a major one, fields are only added.
    pub schema_version: String,
    /// What was judged, as it was named.
    pub source: String,
    /// How many files it has.
    pub files: usize,
    /// The findings, the worst first.
    pub findings: Vec<Found>,
    /// How many findings were allowed by comments or claims.
    pub allowed: usize,
    /// How many are known by the baseline.
    pub known: usize,
    /// What could not be judged with rows in it, and why.
    pub not_judged: Vec<String>,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Found {
    /// Id of the rule.
    pub rule: String,
    /// `error`, `warning` or `info`.
    pub level: String,
    /// What it is about.
    pub object: String,
    /// What it is known again by.
    pub fingerprint: String,
    /// One sentence.
    pub message: String,
    /// Where.
    pub at: Option<Place>,
    /// What is hit, or where it was made.
    pub related: Vec<Place>,
    /// What to do.
    pub help: Option<String>,
    /// The repair as SQL, if it is mechanical.
    pub patch: Option<String>,
    /// Lines of SQL that show the failure.
    pub proof: Vec<String>,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// The file.
    pub path: String,
    /// Its line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// A few words beside it.
    pub text: String,
}

/// The report of a look.
#[must_use]
pub fn report(lint: &Lint, source: &Source) -> Report {
    let findings = lint.findings.iter().map(|finding| Found {
        rule: finding.rule.to_owned(),
        level: finding.level.to_string(),
        object: finding.object.clone(),
        fingerprint: finding.fingerprint(),
        message: finding.message.clone(),
        at: finding.at.as_ref().and_then(|label| place(label, source)),
        related: finding
            .related
            .iter()
            .filter_map(|label| place(label, source))
            .collect(),
        help: finding.help.clone(),
        patch: finding.patch.as_ref().map(|patch| patch.sql().to_owned()),
        proof: finding.proof.clone(),
    });
    Report {
        schema_version: "1.0".to_owned(),
        source: source.shown.clone(),
        files: source.files.len(),
        findings: findings.collect(),
        allowed: lint.allowed,
        known: lint.known,
        not_judged: lint
            .unreached
            .iter()
            .chain(&lint.unfilled)
            .cloned()
            .collect(),
    }
}

fn place(label: &Label, source: &Source) -> Option<Place> {
    let file = source.file(label.span.file)?;
    let (line, column) = line_of(&file.text, label.span.start);
    Some(Place {
        path: shown_path(file),
        line,
        column,
        text: label.text.clone(),
    })
}
