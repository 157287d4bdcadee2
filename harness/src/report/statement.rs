//! The conformance statement: what a target was found to keep, in a form to sign, to publish and to check offline. Never states more than its report.

use super::dsse::NotSigned;
use super::kind::WrittenFile;
use super::{CriterionReport, ProfileReport, Report, Summary, profiles, text};
use crate::clock;
use crate::contract::profile::Profile;
use crate::digest::sha256;
use crate::verdict::{self, Level, OutcomeKind, RunVerdict, Tally, Verdict};
use moltproof_data::text::quotes_shortened;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Version of the statement's form: additive within a major version.
pub const STATEMENT_VERSION: &str = "1.0";

/// A conformance statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// [`STATEMENT_VERSION`].
    pub statement_version: String,
    /// Name and version of the harness.
    pub harness: String,
    /// What was judged.
    pub target: String,
    /// The build that was judged; empty if the target does not tell it.
    pub build: String,
    /// When the run began, RFC 3339.
    pub time: String,
    /// Names the run.
    pub run_id: String,
    /// Whether every scenario of the contract was selected.
    pub whole_contract: bool,
    /// On the target as a whole.
    pub verdict: RunVerdict,
    /// The contract.
    pub contract: StatedContract,
    /// Criteria by level and verdict.
    pub summary: StatedSummary,
    /// Verdict and counts by profile, where it was not `core` alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub profiles: BTreeMap<String, StatedProfile>,
    /// What the target lacks for a whole verdict: need → reason.
    pub lacking: BTreeMap<String, String>,
    /// SHA-256 of the report files that were written with it, lower-case hexadecimal, by file name.
    pub reports: BTreeMap<String, String>,
    /// Verdict of each criterion, by id.
    pub criteria: BTreeMap<String, Stated>,
}

/// Which contract was judged by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatedContract {
    /// `MAJOR.MINOR`.
    pub version: String,
    /// SHA-256, lower-case hexadecimal.
    pub digest: String,
}

/// Counts by level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatedSummary {
    /// MUST criteria.
    pub must: Tally,
    /// SHOULD criteria.
    pub should: Tally,
    /// MAY criteria.
    pub may: Tally,
}

/// What is stated of one profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatedProfile {
    /// On the target as far as the profile goes.
    pub verdict: RunVerdict,
    /// MUST criteria.
    pub must: Tally,
    /// SHOULD criteria.
    pub should: Tally,
    /// MAY criteria.
    pub may: Tally,
}

/// What is stated of one criterion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stated {
    /// How binding it is.
    pub level: Level,
    /// The profile that it belongs to; `core` where nothing is said.
    #[serde(default, skip_serializing_if = "Profile::is_core")]
    pub profile: Profile,
    /// See [`Verdict`].
    pub verdict: Verdict,
    /// Why, where it did not pass whole.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// A statement that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untrue {
    /// Its own parts contradict each other.
    #[error("the statement contradicts itself: {0}")]
    Contradiction(String),
    /// A file is another one than stated.
    #[error("{file} is not the file that was stated: its SHA-256 is {seen}, stated is {stated}")]
    OtherFile {
        /// Its name.
        file: String,
        /// In the statement.
        stated: String,
        /// Of the file.
        seen: String,
    },
    /// A file that the statement does not name.
    #[error(
        "the statement names no file {0}; give the reports that were written with it, under their names"
    )]
    Unstated(String),
    /// It was to be signed, and is not.
    #[error("it is not signed, so that no key can hold for it")]
    Unsigned,
    /// Its signature does not hold.
    #[error("its signature does not hold: {0}")]
    Signature(#[from] NotSigned),
    /// The report says something else.
    #[error("the report does not say what is stated: {0}")]
    OtherVerdict(String),
}

/// The statement as TOML, beside the files that were written of the same report.
///
/// # Errors
/// When it cannot be rendered.
pub(super) fn render(report: &Report, files: &[WrittenFile]) -> io::Result<Vec<u8>> {
    let text = Statement::of(report, files).render();
    text.map(String::into_bytes).map_err(io::Error::other)
}

impl Statement {
    /// The statement in this text.
    ///
    /// # Errors
    /// What is wrong with the text, as a sentence for a reader.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| quotes_shortened(error.message()))
    }

    /// The statement of a report, and of the files that were written of it: name and bytes.
    #[must_use]
    pub fn of(report: &Report, files: &[WrittenFile]) -> Self {
        let Summary {
            must, should, may, ..
        } = report.summary;
        Self {
            statement_version: STATEMENT_VERSION.to_owned(),
            harness: report.harness.clone(),
            target: report.target.clone(),
            build: report.build.clone().unwrap_or_default(),
            time: clock::rfc3339(report.started_at_ms),
            run_id: report.run_id.clone(),
            whole_contract: report.is_whole(),
            verdict: report.summary.verdict,
            contract: StatedContract {
                version: report.contract_version.clone(),
                digest: report.contract_digest.clone(),
            },
            summary: StatedSummary { must, should, may },
            profiles: report.profiles.iter().map(StatedProfile::of).collect(),
            lacking: report.lacking.clone(),
            reports: files
                .iter()
                .map(|(name, bytes)| (name.clone(), sha256(bytes)))
                .collect(),
            criteria: report
                .criteria
                .iter()
                .map(|one| (one.id.clone(), Stated::of(one)))
                .collect(),
        }
    }

    /// As TOML.
    ///
    /// # Errors
    /// What the serialiser says.
    pub fn render(&self) -> Result<String, toml::ser::Error> {
        let head = "# Conformance statement. `moltproof report verify` checks it offline.\n\n";
        toml::to_string(self).map(|text| head.to_owned() + &text)
    }

    /// Whether counts and verdict follow from the stated criteria.
    ///
    /// # Errors
    /// [`Untrue::Contradiction`].
    pub fn agrees_with_itself(&self) -> Result<(), Untrue> {
        let stated = self.criteria.values();
        let [must, should, may] = verdict::tallies(stated.map(|one| (one.level, one.verdict)));
        let counted = StatedSummary { must, should, may };
        let wrong = |what: String| Err(Untrue::Contradiction(what));
        if counted != self.summary {
            return wrong("its counts are not those of its criteria".to_owned());
        }
        let follow = self.followed();
        let names = || follow.keys().collect::<Vec<_>>();
        let told_apart = !follow.keys().all(|name| name == Profile::Core.name());
        if told_apart && names() != self.profiles.keys().collect::<Vec<_>>() {
            return wrong("its profiles are not those of its criteria".to_owned());
        }
        // Generated checks that ended in error leave a verdict open that the criteria alone would not.
        let agree = |stated: RunVerdict, follows: RunVerdict| {
            stated == follows
                || (stated == RunVerdict::Inconclusive && follows == RunVerdict::Conforms)
        };
        for (name, stated) in &self.profiles {
            let agrees = follow.get(name).is_some_and(|follows| {
                agree(stated.verdict, follows.verdict)
                    && (stated.must, stated.should, stated.may)
                        == (follows.must, follows.should, follows.may)
            });
            if !agrees {
                return wrong(format!(
                    "verdict or counts of its profile {name} are not those of its criteria"
                ));
            }
        }
        let each = follow.values().map(|one| one.verdict);
        let follows = profiles::worst(each).unwrap_or(RunVerdict::Inconclusive);
        if !agree(self.verdict, follows) {
            return wrong(format!(
                "its verdict is `{}`, from its criteria follows `{}`",
                text::word(self.verdict),
                text::word(follows)
            ));
        }
        Ok(())
    }

    /// Verdict and counts of each profile, as they follow from the stated criteria.
    fn followed(&self) -> BTreeMap<String, StatedProfile> {
        let mut by_profile: BTreeMap<Profile, Vec<(Level, Verdict)>> = BTreeMap::new();
        for one in self.criteria.values() {
            let own = by_profile.entry(one.profile).or_default();
            own.push((one.level, one.verdict));
        }
        let follows = |(profile, judged): (Profile, Vec<(Level, Verdict)>)| {
            let [must, should, may] = verdict::tallies(judged);
            let verdict = verdict::of_run(&must, &should, &may);
            let follows = StatedProfile {
                verdict,
                must,
                should,
                may,
            };
            (profile.to_string(), follows)
        };
        by_profile.into_iter().map(follows).collect()
    }

    /// Whether a file is one of those that were stated.
    ///
    /// # Errors
    /// [`Untrue::OtherFile`], [`Untrue::Unstated`].
    pub fn names(&self, file: &str, bytes: &[u8]) -> Result<(), Untrue> {
        let Some(stated) = self.reports.get(file) else {
            return Err(Untrue::Unstated(file.to_owned()));
        };
        let seen = sha256(bytes);
        if *stated == seen {
            Ok(())
        } else {
            Err(Untrue::OtherFile {
                file: file.to_owned(),
                stated: stated.clone(),
                seen,
            })
        }
    }

    /// Whether a report says what is stated, and its verdicts follow from its own scenarios.
    ///
    /// # Errors
    /// [`Untrue::OtherVerdict`], with the first difference.
    pub fn follows_from(&self, report: &Report) -> Result<(), Untrue> {
        let other = |what: String| Err(Untrue::OtherVerdict(what));
        let scenarios = report.criteria.iter().flat_map(|one| &one.scenarios);
        for scenario in scenarios.filter(|one| one.outcome == OutcomeKind::Passed) {
            if scenario.checks == 0 || scenario.seen.is_some() {
                return other(format!(
                    "`{}` passed there, and asserted nothing or saw what it must not",
                    scenario.name
                ));
            }
        }
        for criterion in &report.criteria {
            let mut again = criterion.clone();
            if !again.judge() || again.verdict != criterion.verdict {
                return other(format!(
                    "{} is {} there, from its scenarios follows {}",
                    criterion.id,
                    criterion.verdict.word(),
                    again.verdict.word()
                ));
            }
        }
        let mut again = report.clone();
        again.count();
        let said = Self {
            reports: self.reports.clone(),
            ..Self::of(&again, &[])
        };
        for (id, stated) in &said.criteria {
            if self.criteria.get(id) != Some(stated) {
                return other(format!("{id} is {} there", stated.verdict.word()));
            }
        }
        if said == *self {
            Ok(())
        } else {
            other("target, build, time, contract, counts or verdict differ".to_owned())
        }
    }

    /// The files that were stated and lie in this folder.
    #[must_use]
    pub fn files_in(&self, folder: &Path) -> Vec<PathBuf> {
        let all = self.reports.keys().map(|name| folder.join(name));
        all.filter(|path| path.is_file()).collect()
    }
}

impl StatedProfile {
    fn of(one: &ProfileReport) -> (String, Self) {
        let stated = Self {
            verdict: one.verdict,
            must: one.must,
            should: one.should,
            may: one.may,
        };
        (one.profile.clone(), stated)
    }
}

impl Stated {
    fn of(criterion: &CriterionReport) -> Self {
        Self {
            level: criterion.level,
            // A profile of a later version is told in the report; here it counts with the others.
            profile: criterion.profile.parse().unwrap_or_default(),
            verdict: criterion.verdict,
            reason: criterion.reason.clone(),
        }
    }
}
