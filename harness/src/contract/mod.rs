//! The ledger: criteria, levels, profiles and scenarios, read from the embedded features. Never knows a criterion by itself.
//!
//! A `Rule` is a criterion: its name starts with the id, its description is the normative sentence.
//! Its tags carry the id, the level and the profile; its scenarios add what they need.

pub mod advice;
pub mod codes;
pub mod need;
pub mod profile;
pub mod select;
mod shards;
mod tables;
pub mod version;

use crate::contract::need::Need;
use crate::verdict::Level;
use cucumber::feature::Ext as _;
use gherkin::{Feature, GherkinEnv, Rule, Scenario};
use profile::Profile;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use version::Version;

include!(concat!(env!("OUT_DIR"), "/features.rs"));

/// The versions that the features have.
const VERSIONS: &str = include_str!("../../../features/versions.toml");

/// One criterion of the contract.
#[derive(Debug, Clone)]
pub struct Criterion {
    /// Stable id, such as `RES-001`.
    pub id: String,
    /// How binding it is.
    pub level: Level,
    /// The part of the contract that it belongs to.
    pub profile: Profile,
    /// The normative sentence.
    pub sentence: String,
    /// Path of its feature.
    pub feature: String,
    /// Line of its `Rule`, from 1.
    pub line: usize,
}

/// One scenario, or one row of an outline, ready to run.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Place in the ledger, from 0.
    pub number: usize,
    /// The scenario's name; rows of an outline are told apart by their values.
    pub name: String,
    /// The criteria it proves.
    pub criteria: Vec<String>,
    /// The part of the contract that it belongs to.
    pub profile: Profile,
    /// What it needs.
    pub needs: Vec<Need>,
    /// Its tags, those of rule and feature included, without `@`.
    pub tags: Vec<String>,
    /// Path of its feature.
    pub feature: String,
    /// Line of the scenario, from 1.
    pub line: usize,
    /// A feature that holds nothing but this scenario: what the runner gets.
    pub alone: Arc<Feature>,
}

/// How statements begin that leave nothing of a table.
const DESTRUCTIVE: [&str; 2] = ["delete from ", "drop table "];

impl Planned {
    /// A stand-in for a scenario where cases are made up instead of written: it is in no feature.
    #[must_use]
    pub fn generated(name: &str, criteria: &[&str], needs: &[Need]) -> Self {
        let empty = Feature::builder()
            .keyword("Feature".to_owned())
            .name(name.to_owned())
            .build();
        Self {
            number: 0,
            name: name.to_owned(),
            criteria: criteria.iter().map(|id| (*id).to_owned()).collect(),
            profile: Profile::Core,
            needs: needs.to_vec(),
            tags: Vec::new(),
            feature: "generated".to_owned(),
            line: 0,
            alone: Arc::new(empty),
        }
    }

    /// Really waits for long.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        self.has_tag("slow")
    }

    /// Waits for a rate window or a delay: better started early.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.has_tag("waits")
    }

    /// Sends a payload that empties tables wherever it reaches an SQL text, whosever rows they hold: runs behind all others.
    #[must_use]
    pub fn may_destroy(&self) -> bool {
        let does = |text: &str| {
            let text = text.replace("%20", " ").to_ascii_lowercase();
            DESTRUCTIVE.iter().any(|words| text.contains(words))
        };
        let scenarios = self.alone.scenarios.iter();
        let rules = self.alone.rules.iter().flat_map(|rule| &rule.scenarios);
        let mut steps = scenarios.chain(rules).flat_map(|scenario| &scenario.steps);
        steps.any(|step| step.ty == gherkin::StepType::When && does(&step.value))
    }

    /// Judges all that the run exchanged: runs last.
    #[must_use]
    pub fn is_whole_run(&self) -> bool {
        self.has_tag("whole-run")
    }

    fn has_tag(&self, wanted: &str) -> bool {
        self.tags.iter().any(|tag| tag == wanted)
    }
}

/// The contract.
#[derive(Debug, Clone)]
pub struct Contract {
    /// By id.
    pub criteria: BTreeMap<String, Criterion>,
    /// In the order of the features.
    pub scenarios: Vec<Arc<Planned>>,
    /// Which version this is.
    pub version: Version,
    /// Every version that the features tell of, the oldest first.
    pub versions: Vec<Version>,
}

/// The features are not a contract: a mistake in the repository.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// The Gherkin does not parse.
    #[error("{path}: {}", moltproof_data::text::shortened(reason))]
    Gherkin {
        /// Feature file.
        path: String,
        /// What the parser says.
        reason: String,
    },
    /// A rule or scenario is not tagged as it must be.
    #[error("{path}:{line}: {}", moltproof_data::text::quotes_shortened(reason))]
    Tags {
        /// Feature file.
        path: String,
        /// Line, from 1.
        line: usize,
        /// What is wrong and how to mend it.
        reason: String,
    },
}

impl Contract {
    /// The contract in the features that are built in, in its latest version.
    ///
    /// # Errors
    /// [`Malformed`] with file and line.
    pub fn embedded() -> Result<Self, Malformed> {
        Self::parse(FEATURES)
    }

    /// The contract in these features, path and text of each, in the latest version.
    ///
    /// # Errors
    /// [`Malformed`] with file and line.
    pub fn parse(features: &[(&str, &str)]) -> Result<Self, Malformed> {
        let all = Self::parse_versioned(features, VERSIONS)?;
        let latest = all.version;
        all.at(latest)
            .map_err(|unknown| tags("features/versions.toml", 1, &unknown.to_string()))
    }

    /// The scenarios of all versions that are built in; [`Contract::at`] picks those of one.
    ///
    /// # Errors
    /// [`Malformed`] with file and line.
    pub fn of_all_versions() -> Result<Self, Malformed> {
        Self::parse_versioned(FEATURES, VERSIONS)
    }

    fn parse_versioned(features: &[(&str, &str)], versions: &str) -> Result<Self, Malformed> {
        let versions = version::listed(versions)?;
        let latest = versions[versions.len() - 1];
        let mut contract = Self {
            criteria: BTreeMap::new(),
            scenarios: Vec::new(),
            version: latest,
            versions,
        };
        // Scenarios make tenants by their numbers, those of API workers make none: they come last.
        let (others, own): (Vec<_>, Vec<_>) = features
            .iter()
            .partition(|(path, _)| path.contains("api_worker/"));
        for (path, text) in own.into_iter().chain(others) {
            let gherkin = |reason: String| Malformed::Gherkin {
                path: (*path).to_owned(),
                reason,
            };
            // Some editors put a byte order mark before a text; it is no part of it.
            let text = text.strip_prefix('\u{feff}').unwrap_or(text);
            tables::even(text).map_err(|(line, reason)| tags(path, line, &reason))?;
            let mut feature = Feature::parse(text, GherkinEnv::default())
                .map_err(|error| gherkin(error.to_string()))?;
            feature.path = Some(PathBuf::from(path));
            let feature = feature
                .expand_examples()
                .map_err(|error| gherkin(error.to_string()))?;
            contract.take_feature(path, &feature)?;
        }
        for planned in &contract.scenarios {
            version::check(planned, &contract.versions)?;
        }
        Ok(contract)
    }

    fn take_feature(&mut self, path: &str, feature: &Feature) -> Result<(), Malformed> {
        if let Some(stray) = feature.scenarios.first() {
            return Err(tags(
                path,
                stray.position.line,
                "a scenario stands outside a Rule; put it into the Rule of its criterion",
            ));
        }
        for rule in &feature.rules {
            let criterion = criterion(path, feature, rule)?;
            let (id, profile) = (criterion.id.clone(), criterion.profile);
            if self.criteria.insert(id.clone(), criterion).is_some() {
                return Err(tags(
                    path,
                    rule.position.line,
                    &format!("a second Rule for {id}; a criterion has one"),
                ));
            }
            for scenario in &rule.scenarios {
                let planned = self.planned(path, feature, rule, scenario, (&id, profile))?;
                self.scenarios.push(Arc::new(planned));
            }
        }
        Ok(())
    }

    fn planned(
        &self,
        path: &str,
        feature: &Feature,
        rule: &Rule,
        scenario: &Scenario,
        (id, profile): (&str, Profile),
    ) -> Result<Planned, Malformed> {
        let all: Vec<String> = feature
            .tags
            .iter()
            .chain(&rule.tags)
            .chain(&scenario.tags)
            .cloned()
            .collect();
        let mut criteria = vec![id.to_owned()];
        let mut needs = Vec::new();
        for tag in &all {
            if is_id(tag) && !criteria.contains(tag) {
                criteria.push(tag.clone());
            } else if let Some(name) = tag.strip_prefix("needs.") {
                let need = Need::parse(name).ok_or_else(|| {
                    tags(
                        path,
                        scenario.position.line,
                        &format!("unknown need `@needs.{name}`; there are: {}", Need::names()),
                    )
                })?;
                if !needs.contains(&need) {
                    needs.push(need);
                }
            }
        }
        let alone = Feature {
            rules: vec![Rule {
                scenarios: vec![scenario.clone()],
                ..rule.clone()
            }],
            scenarios: Vec::new(),
            tags: feature
                .tags
                .iter()
                .cloned()
                .chain([format!("scenario.{}", self.scenarios.len())])
                .collect(),
            ..feature.clone()
        };
        Ok(Planned {
            number: self.scenarios.len(),
            name: scenario.name.clone(),
            criteria,
            profile,
            needs,
            tags: all,
            feature: path.to_owned(),
            line: scenario.position.line,
            alone: Arc::new(alone),
        })
    }
}

impl Contract {
    /// The part of it that belongs to one profile.
    #[must_use]
    pub fn of_profile(&self, profile: Profile) -> Self {
        let mut own = self.clone();
        own.criteria.retain(|_, one| one.profile == profile);
        own.scenarios.retain(|one| one.profile == profile);
        own
    }
}

/// Whether a tag is a criterion's id: capital letters, hyphen, three digits.
#[must_use]
pub fn is_id(tag: &str) -> bool {
    tag.split_once('-').is_some_and(|(area, number)| {
        !area.is_empty()
            && area.bytes().all(|byte| byte.is_ascii_uppercase())
            && number.len() == 3
            && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn criterion(path: &str, feature: &Feature, rule: &Rule) -> Result<Criterion, Malformed> {
    let wrong = |reason: &str| tags(path, rule.position.line, reason);
    let all: Vec<&str> = feature
        .tags
        .iter()
        .chain(&rule.tags)
        .map(String::as_str)
        .collect();
    let id = rule
        .tags
        .iter()
        .find(|tag| is_id(tag))
        .ok_or_else(|| wrong("the Rule has no criterion id tag such as @RES-001"))?;
    if !rule.name.starts_with(id.as_str()) {
        return Err(wrong(&format!(
            "the Rule's name must start with its id, {id}"
        )));
    }
    let level = match all
        .iter()
        .filter(|tag| ["must", "should", "may"].contains(*tag))
        .collect::<Vec<_>>()[..]
    {
        [&"must"] => Level::Must,
        [&"should"] => Level::Should,
        [&"may"] => Level::May,
        _ => return Err(wrong("the Rule needs exactly one of @must @should @may")),
    };
    let profiles: Vec<Profile> = all.iter().filter_map(|tag| tag.parse().ok()).collect();
    let [profile] = profiles[..] else {
        return Err(wrong(
            "the Feature needs exactly one profile: @core, @data or @api-worker",
        ));
    };
    let sentence = rule
        .description
        .as_deref()
        .map(fold)
        .filter(|text| !text.is_empty());
    Ok(Criterion {
        id: id.clone(),
        level,
        profile,
        sentence: sentence
            .ok_or_else(|| wrong("the Rule's description, the normative sentence, is missing"))?,
        feature: path.to_owned(),
        line: rule.position.line,
    })
}

fn fold(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn tags(path: &str, line: usize, reason: &str) -> Malformed {
    Malformed::Tags {
        path: path.to_owned(),
        line,
        reason: reason.to_owned(),
    }
}
