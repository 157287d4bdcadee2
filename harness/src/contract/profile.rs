//! The profiles of the contract: which parts of it a target may claim. Never knows a criterion.

use crate::nearest;
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::str::FromStr;

/// A part of the contract that a target claims as a whole or not at all.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// A multi-tenant Moltworker backend: what every target claims that says nothing else.
    #[default]
    Core,
    /// The schema and the migrations of a D1 database.
    Data,
    /// The API Worker over such a database.
    ApiWorker,
}

/// A word that is no profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no profile `{word}`{}; there are: {}",
    nearest::hint(word, Profile::ALL.iter().map(|one| one.name())),
    listed(&Profile::ALL)
)]
pub struct NoProfile {
    word: String,
}

impl Profile {
    /// Every profile, in the order in which reports tell of them.
    pub const ALL: [Self; 3] = [Self::Core, Self::Data, Self::ApiWorker];

    /// Whether it is `core`, which is meant where nothing is said.
    #[must_use]
    pub fn is_core(&self) -> bool {
        *self == Self::Core
    }

    /// As tags, manifests and options spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Data => "data",
            Self::ApiWorker => "api-worker",
        }
    }
}

/// Profiles in a sentence.
#[must_use]
pub fn listed(profiles: &[Profile]) -> String {
    let names: Vec<_> = profiles.iter().map(|one| one.name()).collect();
    names.join(", ")
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Profile {
    type Err = NoProfile;

    fn from_str(word: &str) -> Result<Self, NoProfile> {
        let mut all = Self::ALL.into_iter();
        all.find(|one| one.name() == word).ok_or_else(|| NoProfile {
            word: word.to_owned(),
        })
    }
}

impl<'de> Deserialize<'de> for Profile {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let word = String::deserialize(from)?;
        word.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_profile_gets_a_suggestion() {
        assert_eq!("api-worker".parse(), Ok(Profile::ApiWorker));
        let error = "dta".parse::<Profile>().unwrap_err().to_string();
        assert!(error.contains("did you mean `data`?"), "{error}");
        assert!(error.contains("core, data, api-worker"), "{error}");
    }
}
