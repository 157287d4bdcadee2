//! Versions of the contract: which scenarios each one has, and a ledger by which anybody sees that none was changed. Never edits a scenario.

use super::{Contract, Malformed, Planned, tags};
use crate::digest::sha256;
use serde::Deserialize;
use std::fmt;
use std::fmt::Write as _;

/// Tag of what came with a version.
const SINCE: &str = "since.";
/// Tag of what a version was the last to have.
const UNTIL: &str = "until.";

/// A version of the contract: `MAJOR.MINOR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Version {
    /// Changes when a promise changes.
    pub major: u16,
    /// Changes when something is added.
    pub minor: u16,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no version of the contract; write MAJOR.MINOR, such as 1.0")]
pub struct NoVersion(String);

impl std::str::FromStr for Version {
    type Err = NoVersion;

    fn from_str(text: &str) -> Result<Self, NoVersion> {
        let parts = text.split_once('.');
        parts
            .and_then(|(major, minor)| {
                Some(Self {
                    major: major.parse().ok()?,
                    minor: minor.parse().ok()?,
                })
            })
            .ok_or_else(|| NoVersion(text.to_owned()))
    }
}

impl TryFrom<String> for Version {
    type Error = NoVersion;

    fn try_from(text: String) -> Result<Self, NoVersion> {
        text.parse()
    }
}

/// A version that this program does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no version {wanted} of the contract here; this program has {there}")]
pub struct UnknownVersion {
    wanted: Version,
    there: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    version: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    version: Version,
}

/// The versions that `features/versions.toml` lists, the oldest first.
///
/// # Errors
/// [`Malformed`] if it is no such list.
pub fn listed(text: &str) -> Result<Vec<Version>, Malformed> {
    const PATH: &str = "features/versions.toml";
    let wrong = |reason: String| tags(PATH, 1, &reason);
    let known: Known = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let list: Vec<Version> = known.version.iter().map(|entry| entry.version).collect();
    if list.is_empty() || !list.is_sorted_by(|one, next| one < next) {
        return Err(wrong(
            "list at least one version, each once, the oldest first".to_owned(),
        ));
    }
    Ok(list)
}

impl Contract {
    /// The contract as it was in one version: what came later is not in it.
    ///
    /// # Errors
    /// [`UnknownVersion`], with those that there are.
    pub fn at(&self, version: Version) -> Result<Self, UnknownVersion> {
        if !self.versions.contains(&version) {
            let there: Vec<String> = self.versions.iter().map(Version::to_string).collect();
            return Err(UnknownVersion {
                wanted: version,
                there: there.join(", "),
            });
        }
        let mut own = self.clone();
        own.version = version;
        own.scenarios.retain(|planned| planned.is_in(version));
        let scenarios = &own.scenarios;
        own.criteria.retain(|id, _| {
            scenarios
                .iter()
                .any(|planned| planned.criteria.contains(id))
        });
        Ok(own)
    }

    /// One line per criterion and per scenario, all that decides included: equal ledgers, equal contracts.
    #[must_use]
    pub fn ledger(&self) -> String {
        let mut lines = Vec::new();
        for criterion in self.criteria.values() {
            lines.push(format!(
                "{}\t{}\t{}\t{}",
                criterion.id,
                criterion.level.word(),
                criterion.profile,
                criterion.sentence
            ));
        }
        for planned in &self.scenarios {
            lines.push(format!(
                "{}\t{}\t{}\t{}",
                planned.criteria.join(" "),
                planned.feature,
                planned.name,
                sha256(planned.text().as_bytes())
            ));
        }
        // Moving a feature about changes nothing that is promised.
        lines.sort_unstable();
        lines.iter().fold(String::new(), |mut text, line| {
            let _infallible = writeln!(text, "{line}");
            text
        })
    }

    /// SHA-256 of the ledger, lower-case hexadecimal: which contract this is, whatever later versions have added.
    #[must_use]
    pub fn digest(&self) -> String {
        sha256(self.ledger().as_bytes())
    }
}

impl Planned {
    /// The version that it came with; `None` for what was always there.
    #[must_use]
    pub fn since(&self) -> Option<Version> {
        self.tagged(SINCE)
    }

    fn is_in(&self, version: Version) -> bool {
        self.since().is_none_or(|since| since <= version)
            && self.tagged(UNTIL).is_none_or(|until| version <= until)
    }

    /// A scenario's own tag counts before those of its rule and feature, which stand before it.
    fn tagged(&self, prefix: &str) -> Option<Version> {
        let mut tags = self.tags.iter().rev();
        tags.find_map(|tag| tag.strip_prefix(prefix)?.parse().ok())
    }

    /// Its steps with their tables and texts, and what it needs: what decides its outcome.
    fn text(&self) -> String {
        let mut text = String::new();
        for need in &self.needs {
            let _infallible = writeln!(text, "needs {need}");
        }
        let scenarios = self.alone.rules.iter().flat_map(|rule| &rule.scenarios);
        let background = self.alone.rules.iter().flat_map(|rule| &rule.background);
        let shared = self.alone.background.iter().chain(background);
        let steps = shared
            .flat_map(|background| &background.steps)
            .chain(scenarios.flat_map(|scenario| &scenario.steps));
        for step in steps {
            let _infallible = writeln!(text, "{} {}", step.keyword.trim(), step.value);
            for row in step.table.iter().flat_map(|table| &table.rows) {
                let _infallible = writeln!(text, "| {}", row.join(" | "));
            }
            if let Some(doc) = &step.docstring {
                let _infallible = writeln!(text, "\"\"\"{doc}");
            }
        }
        text
    }
}

/// Whether the version tags of a scenario name versions that there are.
pub(super) fn check(planned: &Planned, versions: &[Version]) -> Result<(), Malformed> {
    for tag in &planned.tags {
        let Some(text) = tag.strip_prefix(SINCE).or(tag.strip_prefix(UNTIL)) else {
            continue;
        };
        let known = text
            .parse()
            .is_ok_and(|version: Version| versions.contains(&version));
        if !known {
            return Err(tags(
                &planned.feature,
                planned.line,
                &format!("@{tag} names no version of features/versions.toml"),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSIONS: &str = "[[version]]\nversion = \"1.0\"\n[[version]]\nversion = \"1.1\"\n";
    const FEATURE: &str = "@core\nFeature: F\n\n  @RES-001 @must\n  Rule: RES-001 R\n    A promise.\n\n    @until.1.0\n    Scenario: As it was\n      Given a thing\n\n    @since.1.1\n    Scenario: As it is\n      Given another thing\n\n    Scenario: Always\n      Given a thing\n\n  @RES-002 @must @since.1.1\n  Rule: RES-002 N\n    A new promise.\n\n    Scenario: New\n      Given a thing\n";

    fn contract(feature: &str) -> Result<Contract, Malformed> {
        Contract::parse_versioned(&[("features/f.feature", feature)], VERSIONS)
    }

    fn names(contract: &Contract) -> Vec<&str> {
        let scenarios = contract.scenarios.iter();
        scenarios.map(|planned| planned.name.as_str()).collect()
    }

    #[test]
    fn a_version_has_what_came_with_it_or_before_and_was_not_taken_out() {
        let all = contract(FEATURE).unwrap();
        let (first, second) = (version("1.0"), version("1.1"));
        let old = all.at(first).unwrap();
        assert_eq!(names(&old), ["As it was", "Always"]);
        assert_eq!(old.criteria.keys().collect::<Vec<_>>(), ["RES-001"]);
        assert_eq!(
            names(&all.at(second).unwrap()),
            ["As it is", "Always", "New"]
        );
        let error = all.at(version("2.0")).unwrap_err().to_string();
        assert!(
            error.contains("2.0") && error.contains("1.0, 1.1"),
            "{error}"
        );
    }

    #[test]
    fn what_is_added_later_leaves_the_digest_of_a_version_as_it_was() {
        let before = FEATURE
            .replace(
                "    @since.1.1\n    Scenario: As it is\n      Given another thing\n\n",
                "",
            )
            .replace('\n', "\n# a remark\n");
        let (before, after) = (contract(&before).unwrap(), contract(FEATURE).unwrap());
        let first = version("1.0");
        assert_eq!(
            before.at(first).unwrap().digest(),
            after.at(first).unwrap().digest()
        );
        let changed = contract(&FEATURE.replace("Given a thing", "Given no thing")).unwrap();
        assert_ne!(
            changed.at(first).unwrap().digest(),
            after.at(first).unwrap().digest()
        );
    }

    #[test]
    fn a_tag_of_a_version_that_there_is_not_is_a_mistake() {
        let error = contract(&FEATURE.replace("@since.1.1", "@since.1.7")).unwrap_err();
        assert!(error.to_string().contains("@since.1.7"), "{error}");
        for wrong in [
            "",
            "[[version]]\nversion = \"1\"\n",
            "[[version]]\nversion = \"1.1\"\n[[version]]\nversion = \"1.0\"\n",
        ] {
            assert!(listed(wrong).is_err(), "{wrong}");
        }
    }

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }
}
