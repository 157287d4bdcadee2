//! What a deviant truly breaks beside what it was made to break: `fixtures/deviants/also_broken.toml` holds the list that is built in.
//! Never says what a deviant must be killed by.

use crate::digest::sha256;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// The list that is built in.
const BUILT_IN: &str = include_str!("../../../fixtures/deviants/also_broken.toml");

/// A shorter text is no reason.
const REASON_LEN_MIN: usize = 20;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    also: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    criteria: BTreeSet<String>,
    reason: String,
}

/// The criteria that deviants break beside those that they are made to break, by the name of the deviant.
///
/// # Errors
/// What is wrong in the list.
pub fn built_in() -> Result<BTreeMap<String, BTreeSet<String>>, String> {
    let wrong = |why: String| format!("also_broken.toml: {why}");
    let file: File = toml::from_str(BUILT_IN).map_err(|error| wrong(error.to_string()))?;
    let mut all = BTreeMap::new();
    for Entry {
        id,
        criteria,
        reason,
    } in file.also
    {
        if reason.trim().len() < REASON_LEN_MIN || criteria.is_empty() {
            return Err(wrong(format!("`{id}` needs criteria and a reason")));
        }
        if all.insert(id.clone(), criteria).is_some() {
            return Err(wrong(format!("`{id}` is there twice")));
        }
    }
    Ok(all)
}

/// So many of these names, the same ones every time: those whose digests come first, so that a name that is added moves few.
#[must_use]
pub fn sample<'a>(names: impl Iterator<Item = &'a str>, count: usize) -> BTreeSet<String> {
    let mut all: Vec<(String, &str)> = names.map(|name| (sha256(name.as_bytes()), name)).collect();
    all.sort_unstable();
    let first = all.into_iter().take(count);
    first.map(|(_digest, name)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_the_same_every_time_and_hardly_moves_when_a_name_is_added() {
        let names: Vec<String> = (0..100).map(|at| format!("deviant-{at}")).collect();
        let of = |names: &[String]| sample(names.iter().map(String::as_str), 10);
        let (all, backwards) = (of(&names), names.iter().rev().cloned().collect::<Vec<_>>());
        assert_eq!(all.len(), 10);
        assert_eq!(all, of(&backwards));
        let mut more = names.clone();
        more.push("one-more".to_owned());
        assert!(all.difference(&of(&more)).count() <= 1);
        assert_ne!(all, names[..10].iter().cloned().collect());
    }
}
