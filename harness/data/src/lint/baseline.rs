//! Findings that are known, each with a reason, so that only new ones fail. Never knows one by its line.

use crate::finding::Finding;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A file of known findings (TOML).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// The known findings.
    #[serde(default)]
    pub known: Vec<Entry>,
}

/// A known finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its rule.
    pub rule: String,
    /// What it is about, as reports name it.
    pub object: String,
    /// Why it stays; empty until somebody has said so, and then the entry knows nothing.
    #[serde(default)]
    pub reason: String,
}

/// A baseline that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Not there, or closed.
    #[error("cannot read the baseline {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// The operating system's reason.
        #[source]
        source: std::io::Error,
    },
    /// Not a baseline.
    #[error("{path} is no baseline: {}", crate::text::quotes_shortened(&source.to_string()))]
    Malformed {
        /// The file.
        path: String,
        /// Where and what.
        #[source]
        source: toml::de::Error,
    },
}

impl Baseline {
    /// Reads a baseline.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn read(path: &Path) -> Result<Self, Unreadable> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| Unreadable::File {
            path: shown.clone(),
            source,
        })?;
        toml::from_str(&text).map_err(|source| Unreadable::Malformed {
            path: shown,
            source,
        })
    }

    /// Takes out what is known; the entries that know nothing: they match no finding, or nobody has given a reason.
    pub fn apply(&self, findings: &mut Vec<Finding>) -> Vec<Entry> {
        let mut stale = Vec::new();
        for entry in &self.known {
            let before = findings.len();
            if !entry.reason.trim().is_empty() {
                findings.retain(|finding| {
                    !(finding.rule == entry.rule && finding.object == entry.object)
                });
            }
            if findings.len() == before {
                stale.push(entry.clone());
            }
        }
        stale
    }

    /// What the baseline becomes by these findings: reasons stay, what is gone goes, what is new waits for a reason.
    #[must_use]
    pub fn updated(&self, findings: &[Finding]) -> Self {
        let mut known: Vec<Entry> = Vec::new();
        for finding in findings {
            let old = self
                .known
                .iter()
                .find(|entry| entry.rule == finding.rule && entry.object == finding.object);
            let entry = Entry {
                rule: finding.rule.to_owned(),
                object: finding.object.clone(),
                reason: old.map_or_else(String::new, |old| old.reason.clone()),
            };
            if !known.contains(&entry) {
                known.push(entry);
            }
        }
        Self { known }
    }
}
