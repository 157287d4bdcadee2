//! Why a promise matters, and where a Worker that breaks it is usually wrong: `fixtures/explain/*.toml`. Never takes part in a verdict.

use serde::Deserialize;
use std::collections::BTreeMap;

include!(concat!(env!("OUT_DIR"), "/advice.rs"));

/// Advice on one criterion.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Advice {
    /// Why the promise matters; empty where the sentence says it.
    #[serde(default)]
    pub why: String,
    /// Where to look, one place a line.
    pub fix: Vec<String>,
    #[serde(default)]
    ids: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    advice: Vec<Advice>,
}

/// All advice, by criterion.
///
/// # Errors
/// Which file is malformed, or which criterion has two: a mistake in the repository.
pub fn built_in() -> Result<BTreeMap<String, Advice>, String> {
    let mut by_id = BTreeMap::new();
    for (path, text) in ADVICE {
        let file: File = toml::from_str(text).map_err(|error| format!("{path}: {error}"))?;
        for advice in file.advice {
            for id in &advice.ids {
                if by_id.insert(id.clone(), advice.clone()).is_some() {
                    return Err(format!("{path}: there is other advice on {id} already"));
                }
            }
        }
    }
    Ok(by_id)
}
