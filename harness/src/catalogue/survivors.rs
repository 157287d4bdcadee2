//! Deviants that are known to survive, each with its reason: `fixtures/survivors.toml` holds the list that is built in.
//! Never excuses more than it names.

use serde::Deserialize;
use std::collections::BTreeMap;

/// The list that is built in.
const BUILT_IN: &str = include_str!("../../../fixtures/survivors.toml");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    survivor: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    reason: String,
}

/// Which deviants may survive, and why.
///
/// # Errors
/// What is wrong in the list.
pub fn built_in() -> Result<BTreeMap<String, String>, String> {
    let file: File =
        toml::from_str(BUILT_IN).map_err(|error| format!("survivors.toml: {error}"))?;
    let mut all = BTreeMap::new();
    for entry in file.survivor {
        if entry.reason.trim().len() < REASON_LEN_MIN {
            return Err(format!("survivors.toml: `{}` needs a reason", entry.id));
        }
        if all.insert(entry.id.clone(), entry.reason).is_some() {
            return Err(format!("survivors.toml: `{}` is there twice", entry.id));
        }
    }
    Ok(all)
}

/// A shorter text is no reason. Evidence: "not implemented yet" has 19 characters and is none either.
const REASON_LEN_MIN: usize = 20;
