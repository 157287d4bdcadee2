//! Known findings: which of a run's findings the baseline knows, and which of its entries do not hold any more.
//! Never makes a pass of a finding: what is known stays broken, and is counted apart.

mod entry;
mod fingerprint;
mod update;

pub use entry::Entry;
pub use update::{Updated, update};

use crate::contract::Contract;
use crate::report::BaselineReport;
use crate::run::Ended;
use crate::verdict::{Known, Outcome};
use fingerprint::Fingerprint;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A file of known findings.
#[derive(Debug, Clone)]
pub struct Baseline {
    /// Where it was read.
    pub path: PathBuf,
    /// Its entries, in their order.
    pub entries: Vec<Entry>,
}

/// The form of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    known: Vec<Entry>,
}

/// A file that is no baseline.
#[derive(Debug, thiserror::Error)]
pub enum NoBaseline {
    /// It cannot be read.
    #[error("cannot read the baseline {path}: {source}; `moltproof baseline update` makes one")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is of another form.
    #[error(
        "{path} is no baseline: {}",
        moltproof_data::text::quotes_shortened(reason)
    )]
    Malformed {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
}

/// The entries in a text.
fn parse(path: &Path, text: &str) -> Result<Vec<Entry>, NoBaseline> {
    let file: Result<File, _> = toml::from_str(text);
    file.map(|file| file.known)
        .map_err(|error| NoBaseline::Malformed {
            path: path.display().to_string(),
            reason: moltproof_data::text::shortened(&error.to_string()),
        })
}

/// How one entry fared in a run.
#[derive(Debug, Clone, Copy, Default)]
struct Fared {
    /// Its scenario ran to an end.
    ran: bool,
    /// And showed what it knows.
    met: bool,
}

impl Baseline {
    /// Reads a file.
    ///
    /// # Errors
    /// [`NoBaseline`].
    pub fn read(path: &Path) -> Result<Self, NoBaseline> {
        let text = std::fs::read_to_string(path).map_err(|source| NoBaseline::Unreadable {
            path: path.display().to_string(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            entries: parse(path, &text)?,
        })
    }

    /// Makes known what the entries know, and says which of them do not hold on this day (`2027-03-31`).
    ///
    /// An entry that is vague or over still makes its finding known: what is wrong then is the entry, and that fails the run.
    pub fn apply(&self, contract: &Contract, list: &mut [Ended], today: &str) -> BaselineReport {
        let about: Vec<_> = self
            .entries
            .iter()
            .map(|entry| {
                (
                    entry.scenario(contract).map(|planned| planned.number),
                    entry.fingerprint(),
                )
            })
            .collect();
        let mut fared = vec![Fared::default(); self.entries.len()];
        for ended in list {
            let mut reasons = BTreeMap::new();
            for (at, (number, known)) in about.iter().enumerate() {
                if *number != Some(ended.planned.number) {
                    continue;
                }
                let entry = &self.entries[at];
                let outcome = ended.outcome.for_criterion(&entry.criterion);
                let shown = shown(ended, &outcome);
                fared[at].ran |= has_told(&outcome);
                fared[at].met |= shown.iter().any(|found| known.knows(found));
                if matches!(outcome, Outcome::Failed(_)) && is_known_whole(ended, &shown, known) {
                    reasons.insert(entry.criterion.clone(), entry.told());
                }
            }
            if let (Outcome::Failed(finding), false) = (&ended.outcome, reasons.is_empty()) {
                ended.outcome = Outcome::Known(Known {
                    reasons,
                    finding: finding.clone(),
                });
            }
        }
        BaselineReport {
            file: self.path.display().to_string(),
            entries: self.entries.len(),
            met: fared.iter().filter(|fared| fared.met).count(),
            stale: self.stale(contract, &fared, today),
        }
    }

    fn stale(&self, contract: &Contract, fared: &[Fared], today: &str) -> Vec<String> {
        let unused = "unused: its scenario ran and did not show it; take it out";
        let entries = self.entries.iter().zip(fared).enumerate();
        entries
            .filter_map(|(at, (entry, fared))| {
                let same = |other: &&Entry| {
                    other.criterion == entry.criterion
                        && other.scenario(contract).map(|planned| planned.number)
                            == entry.scenario(contract).map(|planned| planned.number)
                        && other.fingerprint() == entry.fingerprint()
                };
                let flaw = if self.entries[..at].iter().any(|other| same(&other)) {
                    Some("double: the same stands above it".to_owned())
                } else {
                    entry
                        .flaw(contract, today)
                        .or_else(|| (fared.ran && !fared.met).then(|| unused.to_owned()))
                };
                flaw.map(|flaw| format!("entry {} ({}) is {flaw}", at + 1, entry.describe()))
            })
            .collect()
    }
}

/// Whether a scenario came so far that an entry about it must have been met.
fn has_told(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Passed
            | Outcome::Failed(_)
            | Outcome::Flaky(_)
            | Outcome::Known(_)
            | Outcome::Accepted(_)
    )
}

/// What the attempts of a scenario found, the first one first.
fn shown(ended: &Ended, outcome: &Outcome) -> Vec<Fingerprint> {
    let finding = match outcome {
        Outcome::Failed(finding) => finding,
        Outcome::Flaky(flaky) => &flaky.finding,
        Outcome::Passed
        | Outcome::Known(_)
        | Outcome::Accepted(_)
        | Outcome::Unmet(_)
        | Outcome::NotVerified(_)
        | Outcome::NotApplicable(_)
        | Outcome::Error(_)
        | Outcome::NotSelected => return Vec::new(),
    };
    let step = ended.step.as_ref().map_or("", |step| step.text.as_str());
    let first = Fingerprint::of(step, &finding.expected, &finding.seen);
    let repeats = ended.repeats.iter().flat_map(|repeats| &repeats.found);
    let others =
        repeats.map(|(step, finding)| Fingerprint::of(step, &finding.expected, &finding.seen));
    std::iter::once(first).chain(others).collect()
}

/// Whether an entry knows all that the attempts of a scenario found. An attempt in error may hide something else.
fn is_known_whole(ended: &Ended, shown: &[Fingerprint], known: &Fingerprint) -> bool {
    let in_error = ended
        .repeats
        .as_ref()
        .is_some_and(|repeats| repeats.in_error);
    !in_error && !shown.is_empty() && shown.iter().all(|found| known.knows(found))
}

#[cfg(test)]
mod tests;
