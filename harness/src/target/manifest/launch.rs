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

fn sixty() -> u64 {
    60
}

fn two() -> usize {
    2
}
