//! How a described target is started, in its variants. Never starts anything.

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// How to start an instance.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Launch {
    /// Where commands run, relative to the manifest.
    #[serde(default)]
    pub folder: PathBuf,
    /// Run once, before the first start, unless its `unless` file is there.
    #[serde(default)]
    pub prepare: Vec<Prepare>,
    /// Run once on a fresh `{state}` folder; every instance starts from a copy of it.
    #[serde(default)]
    pub setup: Vec<Vec<String>>,
    /// A wrangler configuration in that folder: of it a copy without `routes` is kept beside it, and `{config}` names that.
    pub config_without_routes: Option<PathBuf>,
    /// The server. A variant's `arguments` and the variables follow.
    pub command: Vec<String>,
    /// Environment of all commands.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The target's own variables, by name; values may hold placeholders.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// How a variable is given: arguments with `{name}` and `{value}`; without it, by environment.
    #[serde(default)]
    pub variable_arguments: Vec<String>,
    /// Longest time until it answers, seconds.
    #[serde(default = "sixty")]
    pub ready_within_seconds: u64,
    /// Instances that start at the same time.
    #[serde(default = "two")]
    pub at_once: usize,
}

/// One preparing command.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prepare {
    /// The command.
    pub run: Vec<String>,
    /// Where it runs, relative to the launch folder.
    #[serde(default)]
    pub folder: PathBuf,
    /// Not needed when this file is there, relative to the launch folder.
    pub unless: Option<PathBuf>,
}

/// One variant.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VariantEntry {
    /// Address of a running instance.
    pub address: Option<String>,
    /// Further arguments of the start command.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Names of bindings and variables that this variant does without.
    #[serde(default)]
    pub without: Vec<String>,
}

impl VariantEntry {
    /// Whether it has a binding or a variable, by the contract's name; `own` are the target's names.
    #[must_use]
    pub fn has(&self, name: &str, own: &BTreeMap<String, String>) -> bool {
        let own = own.get(name).map_or(name, String::as_str);
        let lacks = |without: &String| without == name || without == own;
        !self.without.iter().any(lacks)
    }
}

fn sixty() -> u64 {
    60
}

fn two() -> usize {
    2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_variant_does_without_is_known_by_the_targets_own_name_too() {
        let own = BTreeMap::from([("TENANT_DB".to_owned(), "DB".to_owned())]);
        let entry = |name: &str| VariantEntry {
            without: vec![name.to_owned()],
            ..VariantEntry::default()
        };
        assert!(!entry("DB").has("TENANT_DB", &own));
        assert!(!entry("TENANT_DB").has("TENANT_DB", &own));
        assert!(entry("DB").has("TENANT_KV", &own));
    }
}
