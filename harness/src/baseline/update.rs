//! Brings a baseline up to a report: keeps what is still met, takes out what was repaired, adds what is new. Never fills in who answers for it.

use super::entry::{self, Entry};
use super::fingerprint::{Fingerprint, written};
use super::{NoBaseline, parse};
use crate::clock;
use crate::report::{Report, ScenarioReport};
use crate::verdict::OutcomeKind;
use std::path::Path;
use time::Duration;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

/// How long a new entry is proposed to hold: a quarter, in which a repair can be planned and is not forgotten.
const DAYS_PROPOSED: i64 = 90;

/// Head of a file that did not exist.
const HEAD: &str = "# Known findings: `moltproof run --baseline` counts them apart as long as they are exactly these, and not expired.\n# Fill in reason, owner and link of new entries; `moltproof baseline update` keeps what you write.\n\n";

/// A baseline brought up to a report.
#[derive(Debug, Clone)]
pub struct Updated {
    /// The whole file.
    pub text: String,
    /// Entries that stay.
    pub kept: usize,
    /// New entries, which somebody has to fill in.
    pub added: Vec<String>,
    /// Entries that their scenario did not show any more.
    pub removed: Vec<String>,
    /// Findings that were not added, and why.
    pub left_out: Vec<String>,
}

/// One finding of a report.
struct Found<'a> {
    criterion: &'a str,
    scenario: &'a ScenarioReport,
    row: Option<usize>,
    fingerprint: Fingerprint,
}

/// The baseline `text` (empty if there is none yet) brought up to a report; `path` names it in errors.
///
/// # Errors
/// [`NoBaseline::Malformed`].
pub fn update(path: &Path, text: &str, report: &Report) -> Result<Updated, NoBaseline> {
    let malformed = |reason: String| NoBaseline::Malformed {
        path: path.display().to_string(),
        reason,
    };
    let entries = parse(path, text)?;
    let text = if text.trim().is_empty() { HEAD } else { text };
    let mut document: DocumentMut = text
        .parse()
        .map_err(|error: toml_edit::TomlError| malformed(error.to_string()))?;
    let tables = document
        .entry("known")
        .or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()))
        .as_array_of_tables_mut()
        .ok_or_else(|| malformed("write each entry as a [[known]] table".to_owned()))?;
    let found = found(report);
    let mut done = Updated {
        text: String::new(),
        kept: 0,
        added: Vec::new(),
        removed: Vec::new(),
        left_out: left_out(report),
    };
    let mut stays = entries.iter().map(|entry| stays(entry, report, &found));
    let mut at = entries.iter();
    tables.retain(|_table| {
        let (stays, entry) = (stays.next().unwrap_or(true), at.next());
        match entry {
            Some(entry) if !stays => done.removed.push(entry.describe()),
            Some(_) | None => done.kept += 1,
        }
        stays
    });
    let day = proposed_day(report);
    for one in found.iter().filter(|one| one.is_new(&entries)) {
        let table = one.table(&day);
        done.added
            .push(format!("{} \"{}\"", one.criterion, one.scenario.name));
        tables.push(table);
    }
    done.text = document.to_string();
    Ok(done)
}

impl Found<'_> {
    fn is_of(&self, entry: &Entry) -> bool {
        entry.criterion == self.criterion
            && entry.feature == self.scenario.feature
            && entry.scenario == self.scenario.name
            && entry.row == self.row
            && entry.fingerprint().knows(&self.fingerprint)
    }

    fn is_new(&self, entries: &[Entry]) -> bool {
        let open = matches!(
            self.scenario.outcome,
            OutcomeKind::Failed | OutcomeKind::Known
        );
        open && !entries.iter().any(|entry| self.is_of(entry))
    }

    fn table(&self, expires: &str) -> Table {
        let mut table = Table::new();
        let mut put = |key: &str, text: &str| {
            table.insert(key, value(text));
        };
        put("criterion", self.criterion);
        put("feature", &self.scenario.feature);
        put("scenario", &self.scenario.name);
        put("step", &written(&self.fingerprint.step));
        put("expected", &written(&self.fingerprint.expected));
        put("seen", &written(&self.fingerprint.seen));
        put("reason", "");
        put("owner", "");
        put("link", "");
        put("expires", expires);
        if let Some(row) = self.row.and_then(|row| i64::try_from(row).ok()) {
            table.insert("row", value(row));
        }
        table
    }
}

/// Every finding of a scenario in a report; those of generated checks cannot be known.
fn found(report: &Report) -> Vec<Found<'_>> {
    let criteria = report.criteria.iter();
    criteria
        .flat_map(|criterion| {
            let written = criterion
                .scenarios
                .iter()
                .filter(|scenario| scenario.line > 0);
            written.filter_map(|scenario| {
                let expected = scenario.expected.as_deref()?;
                let seen = scenario.seen.as_deref()?;
                let step = scenario.step.as_deref().unwrap_or_default();
                Some(Found {
                    criterion: &criterion.id,
                    scenario,
                    row: row(&criterion.scenarios, scenario),
                    fingerprint: Fingerprint::of(step, expected, seen),
                })
            })
        })
        .collect()
}

/// Which of the scenarios of its name it is, from 1, if there are several.
fn row(all: &[ScenarioReport], one: &ScenarioReport) -> Option<usize> {
    let mut lines: Vec<usize> = all
        .iter()
        .filter(|other| other.feature == one.feature && other.name == one.name)
        .map(|other| other.line)
        .collect();
    lines.sort_unstable();
    let at = lines.iter().position(|line| *line == one.line)?;
    (lines.len() > 1).then_some(at + 1)
}

/// Whether an entry stays: its finding was met, or its scenario told nothing.
fn stays(entry: &Entry, report: &Report, found: &[Found<'_>]) -> bool {
    if found.iter().any(|one| one.is_of(entry)) {
        return true;
    }
    let criterion = report.criteria.iter().find(|one| one.id == entry.criterion);
    let own = criterion.and_then(|criterion| {
        criterion.scenarios.iter().find(|scenario| {
            scenario.feature == entry.feature
                && scenario.name == entry.scenario
                && row(&criterion.scenarios, scenario) == entry.row
        })
    });
    own.is_none_or(|scenario| match scenario.outcome {
        OutcomeKind::Passed
        | OutcomeKind::Failed
        | OutcomeKind::Flaky
        | OutcomeKind::Known
        | OutcomeKind::Accepted => false,
        OutcomeKind::Unmet
        | OutcomeKind::NotVerified
        | OutcomeKind::NotApplicable
        | OutcomeKind::Error
        | OutcomeKind::NotSelected => true,
    })
}

/// What a baseline cannot take in.
fn left_out(report: &Report) -> Vec<String> {
    let generated = report.generated.iter().filter(|one| one.expected.is_some());
    let generated =
        generated.map(|one| format!("{}: findings of generated checks cannot be known", one.id));
    let flaky = report.criteria.iter().flat_map(|criterion| {
        let own = criterion.scenarios.iter();
        own.filter(|scenario| scenario.outcome == OutcomeKind::Flaky)
            .map(|scenario| {
                format!(
                    "{} \"{}\": what is flaky cannot be known",
                    criterion.id, scenario.name
                )
            })
    });
    generated.chain(flaky).collect()
}

fn proposed_day(report: &Report) -> String {
    let began = clock::rfc3339(report.started_at_ms);
    let day = began.split('T').next().and_then(entry::date);
    day.and_then(|day| day.checked_add(Duration::days(DAYS_PROPOSED)))
        .map(|day| day.to_string())
        .unwrap_or_default()
}
