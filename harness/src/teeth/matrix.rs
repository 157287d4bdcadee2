//! The kill matrix: which deviant turned which criterion red, and through which assertion. Never leaves a survivor out.

use super::api_workers::DEVIANTS_OF_EACH_MIN;
use super::kill::KilledBy;
use crate::contract::profile::Profile;
use crate::reference::deviants::Kind;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Version of the JSON form: additive within a major version.
pub const SCHEMA_VERSION: &str = "1.1";

/// What the harness was measured to catch.
#[derive(Debug, Clone, Serialize)]
pub struct KillMatrix {
    /// [`SCHEMA_VERSION`].
    pub schema_version: &'static str,
    /// Name and version of this harness.
    pub harness: String,
    /// The part of the contract that was measured.
    pub profile: Profile,
    /// SHA-256 of all features, lower-case hexadecimal: which contract was measured.
    pub contract_digest: String,
    /// Decides the order of scenarios; `--seed` repeats it.
    pub seed: u64,
    /// When it began, epoch milliseconds.
    pub started_at_ms: i64,
    /// Whether every backend of the catalogue was tried.
    pub whole: bool,
    /// The counts.
    pub summary: Summary,
    /// One row per deviant, in the order of the catalogue.
    pub deviants: Vec<DeviantRow>,
    /// One row per null server.
    pub null_servers: Vec<NullRow>,
    /// One row per correct variant.
    pub correct_variants: Vec<VariantRow>,
    /// Every MUST and the deviants that turned it red; of a part of the catalogue only those MUSTs that it was to break.
    pub musts: BTreeMap<String, Vec<String>>,
    /// Of databases and API workers: every criterion of the profile, MUST or not.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub criteria: BTreeMap<String, Recall>,
    /// Of databases: every rule of `db lint`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rules: BTreeMap<String, Recall>,
}

/// How many deviants were to break a criterion or a rule, and which of them were seen to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Recall {
    /// Those that were to.
    pub deviants: usize,
    /// Those that were seen to.
    pub killed_by: Vec<String>,
}

/// The counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Backends that break one thing.
    pub deviants: usize,
    /// Those that turned every expected criterion red.
    pub killed: usize,
    /// Those that did not.
    pub survivors: usize,
    /// MUST criteria of the profile.
    pub must_total: usize,
    /// Those that a deviant turned red, by name.
    pub must_killed: usize,
    /// Servers that keep no promise.
    pub null_servers: usize,
    /// MUST criteria that passed on one of them.
    pub null_musts_passed: usize,
    /// Backends that keep every promise in another way.
    pub correct_variants: usize,
    /// Ways to write answers that HTTP, JSON and server-sent events allow, of Workers only.
    #[serde(skip_serializing_if = "is_zero")]
    pub habits: usize,
    /// Criteria that turned red or ended in error on one of them.
    pub false_alarms: usize,
    /// How the blame fell, where Workers were judged by the whole contract.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blame: Option<Blame>,
    /// What is counted of databases only.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub databases: Option<OfDatabases>,
    /// What is counted of API workers only.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub api_workers: Option<OfApiWorkers>,
    /// Wall time, milliseconds.
    pub duration_ms: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Deviants that were judged by the whole contract.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Blame {
    /// All of them.
    pub judged: usize,
    /// Those of which a criterion turned red that they do not break.
    pub falsely_blamed: usize,
}

/// What is counted of databases only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct OfDatabases {
    /// Criteria of the profile.
    pub criteria_total: usize,
    /// Those that a deviant turned red, by name.
    pub criteria_seen: usize,
    /// Rules of `db lint`.
    pub rules_total: usize,
    /// Those that a deviant was found by, by name.
    pub rules_seen: usize,
    /// Deviants of which something is said that they do not break.
    pub falsely_blamed: usize,
}

/// What is counted of API workers only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct OfApiWorkers {
    /// Criteria of the profile.
    pub criteria_total: usize,
    /// Those that a deviant turned red, by name.
    pub criteria_seen: usize,
    /// How many deviants each criterion has at least.
    pub deviants_of_each_min: usize,
    /// Deviants of which something is said that they do not break.
    pub falsely_blamed: usize,
}

/// Whether a deviant was caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// Every expected criterion turned red.
    Killed,
    /// One at least did not.
    Survived,
}

/// One deviant.
#[derive(Debug, Clone, Serialize)]
pub struct DeviantRow {
    /// Its name.
    pub id: String,
    /// What it does wrong.
    pub breaks: String,
    /// How it is made.
    pub kind: Kind,
    /// The criteria that must turn red.
    pub expected: Vec<String>,
    /// The assertions that turned them red.
    pub killed_by: Vec<KilledBy>,
    /// Criteria that turned red beside them, among those that were looked at.
    pub also_red: Vec<String>,
    /// What was said of it that it does not break, by rule or criterion; there may be none. Of a Worker that was judged by the whole contract.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub false_blame: BTreeMap<String, String>,
    /// Whether it was caught.
    pub verdict: Fate,
    /// For each expected criterion that did not turn red, what happened instead.
    pub missed: BTreeMap<String, String>,
    /// Why it may survive, if it may.
    pub excuse: Option<String>,
    /// Wall time of its trial, milliseconds.
    pub duration_ms: u64,
}

/// One null server.
#[derive(Debug, Clone, Serialize)]
pub struct NullRow {
    /// Its name.
    pub id: String,
    /// What it does.
    pub does: String,
    /// MUST criteria that passed: there may be none.
    pub musts_passed: Vec<String>,
    /// MUST criteria that turned red.
    pub musts_failed: usize,
    /// Why the trial did not come to its end, if it did not.
    pub ruined: Option<String>,
    /// Wall time of its trial, milliseconds.
    pub duration_ms: u64,
}

/// One correct variant.
#[derive(Debug, Clone, Serialize)]
pub struct VariantRow {
    /// Its name.
    pub id: String,
    /// What it does.
    pub does: String,
    /// Criteria that turned red or ended in error, and what was said: there may be none.
    pub false_alarms: BTreeMap<String, String>,
    /// Criteria that could not be told, and why: what is too slow to tell is no alarm.
    pub not_verified: BTreeMap<String, String>,
    /// Criteria that passed.
    pub passed: usize,
    /// Why the trial did not come to its end, if it did not.
    pub ruined: Option<String>,
    /// Wall time of its trial, milliseconds.
    pub duration_ms: u64,
}

impl KillMatrix {
    /// Of this harness, before anything was tried.
    #[must_use]
    pub fn empty(profile: Profile, contract_digest: String) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            harness: format!("moltproof {}", env!("CARGO_PKG_VERSION")),
            profile,
            contract_digest,
            seed: 0,
            started_at_ms: 0,
            whole: false,
            summary: Summary::default(),
            deviants: Vec::new(),
            null_servers: Vec::new(),
            correct_variants: Vec::new(),
            musts: BTreeMap::new(),
            criteria: BTreeMap::new(),
            rules: BTreeMap::new(),
        }
    }

    pub(super) fn counted(&self) -> Summary {
        let killed = self.rows_of(Fate::Killed).count();
        Summary {
            deviants: self.deviants.len(),
            killed,
            survivors: self.deviants.len() - killed,
            must_total: self.musts.len(),
            must_killed: self
                .musts
                .values()
                .filter(|killers| !killers.is_empty())
                .count(),
            null_servers: self.null_servers.len(),
            null_musts_passed: self
                .null_servers
                .iter()
                .map(|row| row.musts_passed.len())
                .sum(),
            correct_variants: self.correct_variants.len(),
            habits: 0,
            false_alarms: self
                .correct_variants
                .iter()
                .map(|row| row.false_alarms.len())
                .sum(),
            blame: None,
            databases: None,
            api_workers: None,
            duration_ms: 0,
        }
    }

    fn rows_of(&self, fate: Fate) -> impl Iterator<Item = &DeviantRow> {
        self.deviants.iter().filter(move |row| row.verdict == fate)
    }

    /// What is wrong with the harness, a line each; empty if it has its teeth.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let mut all = Vec::new();
        if self.whole && self.profile == Profile::ApiWorker {
            let few = self.criteria.iter();
            let few = few.filter(|(_, recall)| recall.deviants < DEVIANTS_OF_EACH_MIN);
            all.extend(few.map(|(id, recall)| {
                format!(
                    "{id} has {} deviants, not {DEVIANTS_OF_EACH_MIN} at least",
                    recall.deviants
                )
            }));
        }
        for row in self
            .rows_of(Fate::Survived)
            .filter(|row| row.excuse.is_none())
        {
            for (criterion, instead) in &row.missed {
                all.push(format!(
                    "deviant {} survived {criterion}: {instead}",
                    row.id
                ));
            }
        }
        for row in self
            .rows_of(Fate::Killed)
            .filter(|row| row.excuse.is_some())
        {
            all.push(format!(
                "deviant {} is killed and still on the list of survivors: take it out",
                row.id
            ));
        }
        for row in self.deviants.iter().filter(|row| row.excuse.is_none()) {
            for (id, why) in &row.false_blame {
                all.push(format!(
                    "deviant {} is falsely blamed for {id}: {why}",
                    row.id
                ));
            }
        }
        let ruined =
            |id: &str, why: &Option<String>| why.as_ref().map(|why| format!("{id}: {why}"));
        for row in &self.null_servers {
            all.extend(ruined(&row.id, &row.ruined));
            for id in &row.musts_passed {
                all.push(format!("null server {} passes {id}", row.id));
            }
        }
        for row in &self.correct_variants {
            all.extend(ruined(&row.id, &row.ruined));
            for (id, why) in &row.false_alarms {
                all.push(format!("false alarm on {}: {id}: {why}", row.id));
            }
        }
        all
    }

    /// Whether nothing is wrong with the harness, as far as was tried.
    #[must_use]
    pub fn has_teeth(&self) -> bool {
        self.complaints().is_empty() && self.unproven().is_empty()
    }

    /// The MUST criteria that no deviant turned red; of databases every criterion and every rule.
    #[must_use]
    pub fn unproven(&self) -> Vec<&str> {
        let musts = self.musts.iter().filter(|(_, killers)| killers.is_empty());
        let seen = self.criteria.iter().chain(&self.rules);
        let open = seen.filter(|(_, recall)| recall.killed_by.is_empty());
        let ids: BTreeSet<&str> = musts
            .map(|(id, _)| id.as_str())
            .chain(open.map(|(id, _)| id.as_str()))
            .collect();
        ids.into_iter().collect()
    }
}
