//! The target manifest: how somebody describes a Worker without code. Never starts anything.

pub mod placeholders;

use super::Limits;
use super::dialect::Dialect;
use super::need::Variant;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// File name that is looked for from the current folder upwards.
pub const FILE_NAME: &str = "moltproof.toml";

/// A target, described.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// For reports.
    pub name: String,
    /// `APP_DOMAIN` of the target.
    #[serde(default)]
    pub app_domain: String,
    /// How to start it; without it every variant has an address.
    pub launch: Option<Launch>,
    /// The variants that exist, by name (`production`, `dev-mode`, …).
    pub variants: BTreeMap<String, VariantEntry>,
    /// What of the outside world the harness plays.
    #[serde(default)]
    pub control: Control,
    /// What the harness may look at.
    #[serde(default)]
    pub observe: Observe,
    /// Times and sizes the target states of itself.
    #[serde(default)]
    pub limits: LimitsEntry,
    /// Paths and fields, where they differ from the default.
    #[serde(default)]
    pub dialect: Dialect,
    /// How to apply migrations.
    pub migrations: Option<Migrations>,
    /// What the runtime makes impossible: criterion → reason. Reported as not applicable, never hidden.
    #[serde(default)]
    pub impossible: BTreeMap<String, String>,
    /// The manifest's folder; relative paths start here.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// How to start an instance.
#[derive(Debug, Clone, Deserialize)]
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
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prepare {
    /// The command.
    pub run: Vec<String>,
    /// Not needed when this file is there, relative to the launch folder.
    pub unless: Option<PathBuf>,
}

/// One variant.
#[derive(Debug, Clone, Default, Deserialize)]
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

/// What of the outside world the harness plays.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// The AI Gateway.
    #[serde(default)]
    pub ai_gateway: bool,
    /// The Access team domain.
    #[serde(default)]
    pub access: bool,
    /// No edge stands before the target: `CF-Connecting-IP` may be chosen.
    #[serde(default)]
    pub client_ip: bool,
    /// Arguments of a variant of production whose stores ask `{fault_control_url}` before each operation.
    #[serde(default)]
    pub store_faults: Option<VariantEntry>,
}

/// What the harness may look at.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observe {
    /// D1, KV and R2 of each instance.
    pub stores: Option<Stores>,
    /// The process's output is the log.
    #[serde(default)]
    pub output_is_log: bool,
}

/// Where stores are seen.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Stores {
    /// The local explorer of `wrangler dev`, below this path of each instance.
    Explorer {
        /// Such as `/cdn-cgi/explorer/api`.
        path: String,
        /// D1 database id.
        d1: String,
        /// KV namespace id.
        kv: String,
        /// R2 bucket name.
        r2: String,
    },
}

/// Times and sizes, each with a default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsEntry {
    /// Free tier, production: requests and seconds.
    pub quota: Option<(u32, u64)>,
    /// Free tier, `small-limits`: requests and seconds.
    pub small_quota: Option<(u32, u64)>,
    /// Limits are exact.
    #[serde(default)]
    pub exact: bool,
    /// Until resolution sees an operator's change, milliseconds.
    pub registry_delay_ms: Option<u64>,
    /// `key-rotation`: how long a key set is trusted, milliseconds.
    pub keys_cache_ms: Option<u64>,
    /// `key-rotation`: cooldown of unknown keys, milliseconds.
    pub keys_cooldown_ms: Option<u64>,
    /// Largest request body, bytes.
    pub body_max: Option<usize>,
    /// Until a usage row is there, milliseconds.
    pub usage_visible_ms: Option<u64>,
    /// The runtime answers malformed `Host` headers itself.
    #[serde(default)]
    pub runtime_answers_malformed_hosts: bool,
}

/// How to apply migrations.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Migrations {
    /// The target's own migrations, relative to the manifest.
    pub folder: PathBuf,
    /// Applies the files of `{folder}` to the database kept below `{state}`, in the launch folder. `{config}` is a file with the text of `config`.
    pub command: Vec<String>,
    /// Text of a configuration file that the command reads; `{folder}` stands for the folder of files.
    pub config: Option<String>,
    /// Where below `{state}` the database file is: a folder whose one `*.sqlite` (`metadata.sqlite` apart) it is.
    pub database: PathBuf,
}

fn sixty() -> u64 {
    60
}

fn two() -> usize {
    2
}

/// The manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// Not readable.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Not a manifest.
    #[error("{path}: {reason}")]
    Malformed {
        /// The file.
        path: String,
        /// Where and what.
        reason: String,
    },
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// [`Unusable`] with the place and what to do.
    pub fn read(path: &Path) -> Result<Self, Unusable> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| Unusable::Unreadable {
            path: shown.clone(),
            source,
        })?;
        let mut manifest: Self = toml::from_str(&text).map_err(|error| Unusable::Malformed {
            path: shown.clone(),
            reason: error.to_string(),
        })?;
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        manifest.folder = std::fs::canonicalize(folder).map_err(|source| Unusable::Unreadable {
            path: shown.clone(),
            source,
        })?;
        manifest.check().map_err(|reason| Unusable::Malformed {
            path: shown,
            reason,
        })?;
        Ok(manifest)
    }

    /// What types cannot say.
    fn check(&self) -> Result<(), String> {
        for (name, entry) in &self.variants {
            if Variant::parse(name).is_none() {
                let known: Vec<_> = Variant::ALL.into_iter().map(Variant::name).collect();
                return Err(format!(
                    "[variants.{name}] is no variant; there are: {}",
                    known.join(", ")
                ));
            }
            if entry.address.is_none() && self.launch.is_none() {
                return Err(format!(
                    "[variants.{name}] has no `address`, and there is no [launch] to start it"
                ));
            }
        }
        if !self.variants.contains_key(Variant::Production.name()) {
            return Err("[variants.production] is missing: it is what is judged".to_owned());
        }
        if self
            .launch
            .as_ref()
            .is_some_and(|launch| launch.command.is_empty())
        {
            return Err("[launch] command is empty".to_owned());
        }
        Ok(())
    }

    /// The times and sizes, defaults filled in.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let (entry, default) = (&self.limits, Limits::default());
        let ms = |given: Option<u64>, otherwise: Duration| {
            given.map_or(otherwise, Duration::from_millis)
        };
        Limits {
            app_domain: self.app_domain.clone(),
            quota: entry.quota.unwrap_or(default.quota),
            small_quota: entry.small_quota.unwrap_or(default.small_quota),
            registry_delay: ms(entry.registry_delay_ms, default.registry_delay),
            keys_cache: ms(entry.keys_cache_ms, default.keys_cache),
            keys_cooldown: ms(entry.keys_cooldown_ms, default.keys_cooldown),
            body_max: entry.body_max.unwrap_or(default.body_max),
            usage_visible: ms(entry.usage_visible_ms, default.usage_visible),
            runtime_answers_malformed_hosts: entry.runtime_answers_malformed_hosts,
        }
    }
}

/// The nearest manifest from a folder upwards.
#[must_use]
pub fn discover(from: &Path) -> Option<PathBuf> {
    from.ancestors()
        .map(|folder| folder.join(FILE_NAME))
        .find(|file| file.is_file())
}
