//! The target manifest: how somebody describes a Worker without code. Never starts anything.

mod accept;
pub mod acts;
mod api_worker;
mod budget;
mod claims;
mod control;
mod document;
mod environment;
mod impossible;
pub mod kv_template;
mod launch;
mod limits;
mod migrations;
mod no_launch;
mod observe;
mod operator;
pub mod placeholders;
mod probe;
mod runtime;
mod seeding;
mod toml_tables;

pub use accept::Accept;
pub use api_worker::{ApiWorkerEntry, MigrateEntry};
pub use budget::BudgetEntry;
pub use control::Control;
pub use environment::Allowed;
pub use impossible::Impossible;
pub use launch::{Launch, Prepare, VariantEntry};
pub use limits::{LimitKey, LimitsEntry, TierChange, Timestamps};
pub use migrations::Migrations;
pub use no_launch::Withheld;
pub use observe::{
    CallSource, D1Source, KvSource, LogSource, LogTable, LogWord, Observe, R2Source, WhoSource,
};
pub use operator::{OperatorEntry, ServiceToken};
pub use probe::{BuildProbe, EchoProbe, Probe};
pub use seeding::{FixedTenant, PLACEHOLDERS, Seeding, known_words};

use super::dialect::Dialect;
use super::layout::Layout;
use crate::contract::Contract;
use crate::contract::need::Variant;
use crate::contract::profile::Profile;
use moltproof_data::claims::Data;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// File name that is looked for from the current folder upwards.
pub const FILE_NAME: &str = "moltproof.toml";

/// A target, described.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// For reports.
    pub name: String,
    /// The parts of the contract that it claims: `core`, `data`, `api-worker`. What is not claimed is not judged.
    #[serde(default = "claims::default")]
    pub profiles: Vec<Profile>,
    /// `APP_DOMAIN` of the target.
    #[serde(default)]
    pub app_domain: String,
    /// How to start it; without it every variant has an address.
    pub launch: Option<Launch>,
    /// The variants that exist, by name (`production`, `dev-mode`, …); a target that is only a database has none.
    #[serde(default)]
    pub variants: BTreeMap<String, VariantEntry>,
    /// What of the outside world the harness plays.
    #[serde(default)]
    pub control: Control,
    /// What the harness may look at.
    #[serde(default)]
    pub observe: Observe,
    /// How the harness is operator where it does not play the team domain.
    #[serde(default)]
    pub operator: OperatorEntry,
    /// Where the target tells about itself.
    #[serde(default)]
    pub probe: Probe,
    /// What a run may spend on it.
    #[serde(default)]
    pub budget: BudgetEntry,
    /// Times and sizes the target states of itself.
    #[serde(default)]
    pub limits: LimitsEntry,
    /// Paths and fields, where they differ from the default.
    #[serde(default)]
    pub dialect: Dialect,
    /// Tables and columns of D1, where they differ from the contract's.
    #[serde(default)]
    pub layout: Layout,
    /// How scenarios get tenants; without it by the admin route if the harness plays Access, else by the default layout of D1 and KV.
    pub seeding: Option<Seeding>,
    /// Deviations that are accepted, each with a reason. Reported as accepted, never as passed.
    #[serde(default)]
    pub accept: Vec<Accept>,
    /// How to apply migrations.
    pub migrations: Option<Migrations>,
    /// The database of the profile `data`: where it comes from, and what it claims of itself.
    pub data: Option<Data>,
    /// The API worker of the profile `api-worker`, beside what is said of every Worker.
    pub api_worker: Option<ApiWorkerEntry>,
    /// A file that holds the section `[data]` and nothing else, in its place.
    pub claims: Option<PathBuf>,
    /// What the runtime makes impossible. Reported as declared, never hidden.
    #[serde(default)]
    pub impossible: Vec<Impossible>,
    /// The manifest's folder; relative paths start here.
    #[serde(skip)]
    pub folder: PathBuf,
    /// Values of its secret keys: they may appear in no output.
    #[serde(skip)]
    pub secrets: Vec<String>,
    /// What the user should know of its variables, in sentences.
    #[serde(skip)]
    pub notes: Vec<String>,
    /// What it does not have because nothing of it is executed.
    #[serde(skip)]
    pub withheld: Withheld,
}

/// The manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// Not readable.
    #[error("cannot read {}: {source}", moltproof_data::text::shortened(path))]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Not a manifest.
    #[error("{path}: {}", moltproof_data::text::quotes_shortened(reason))]
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
        Self::read_allowing(path, &Allowed::Everything)
    }

    /// Reads a manifest that may name only some of its surroundings.
    ///
    /// # Errors
    /// [`Unusable`] with the place and what to do.
    pub fn read_allowing(path: &Path, allowed: &Allowed) -> Result<Self, Unusable> {
        let document::Document {
            content: mut manifest,
            folder,
            mut secrets,
            notes,
        } = document::read::<Self>(path, allowed)?;
        manifest.folder = folder;
        let stated = manifest.limits.runtime_answers_malformed_requests;
        let is_workerd = stated.unwrap_or_else(|| manifest.is_on_local_workerd());
        manifest.limits.runtime_answers_malformed_requests = Some(is_workerd);
        secrets.extend(manifest.read_claims(allowed)?);
        manifest.secrets = secrets;
        manifest.notes = notes;
        manifest.check().map_err(|reason| Unusable::Malformed {
            path: path.display().to_string(),
            reason,
        })?;
        Ok(manifest)
    }

    /// Why a scenario of a criterion cannot hold there, if that is declared.
    #[must_use]
    pub fn impossible(&self, criterion: &str, scenario: &str) -> Option<String> {
        let entry = self
            .impossible
            .iter()
            .find(|entry| entry.covers(criterion, scenario));
        entry.map(|entry| entry.reason.clone())
    }

    /// What types cannot say.
    fn check(&self) -> Result<(), String> {
        for (name, entry) in &self.variants {
            if Variant::parse(name).is_none() {
                let known: Vec<_> = Variant::ALL.into_iter().map(Variant::name).collect();
                return Err(format!(
                    "[variants.{name}] is no variant{}; there are: {}",
                    crate::nearest::hint(name, known.iter().copied()),
                    known.join(", ")
                ));
            }
            if entry.address.is_none() && self.launch.is_none() {
                return Err(format!(
                    "[variants.{name}] has no `address`, and there is no [launch] to start it"
                ));
            }
        }
        if let Some(flaw) = self.flaw_of_claims() {
            return Err(flaw);
        }
        if self
            .launch
            .as_ref()
            .is_some_and(|launch| launch.command.is_empty())
        {
            return Err("[launch] command is empty".to_owned());
        }
        self.probe.check()?;
        if self.launch.is_none()
            && matches!(self.observe.logs, Some(LogSource::Word(LogWord::Output)))
        {
            return Err("[observe] logs = \"output\" needs [launch]: what the harness did not start prints where it cannot see; use { kind = \"tail\", command = [...] }".to_owned());
        }
        let wants_ca = |launch: &Launch| {
            let values = launch.environment.values().chain(launch.variables.values());
            values.into_iter().any(|value| value.contains("{ca_file}"))
        };
        if !self.control.tls && self.launch.as_ref().is_some_and(wants_ca) {
            return Err(
                "{ca_file} needs [control] tls = true: there is no authority without TLS"
                    .to_owned(),
            );
        }
        self.check_description()
    }

    /// The parts that say how the target differs.
    fn check_description(&self) -> Result<(), String> {
        let contract = Contract::embedded().map_err(|error| error.to_string())?;
        self.impossible
            .iter()
            .try_for_each(|entry| entry.check(&contract))?;
        let known = |id: &str| match id.strip_suffix('*') {
            Some(start) => contract
                .criteria
                .keys()
                .any(|known| known.starts_with(start)),
            None => contract.criteria.contains_key(id),
        };
        let flaw = self
            .dialect
            .flaw()
            .or_else(|| self.layout.flaw())
            .or_else(|| self.limits.flaw())
            .or_else(|| {
                let (d1, logs) = (self.observe.d1.is_some(), self.observe.logs.is_some());
                self.observe.who.as_ref()?.flaw(d1, logs)
            })
            .or_else(|| {
                let alone = self.limits.concurrency == Some(1);
                self.dialect.log.flaw_of_correlation(alone)
            })
            .or_else(|| {
                let stores = self.observe.d1.as_ref().is_some_and(D1Source::writable)
                    && self.observe.kv.as_ref().is_some_and(KvSource::writable);
                let access = self.control.access;
                self.seeding.as_ref()?.flaw(access, stores)
            })
            .or_else(|| {
                let d1 = self.observe.d1.as_ref().is_some_and(D1Source::writable);
                let kv = self.observe.kv.as_ref().is_some_and(KvSource::writable);
                self.operator.acts.flaw(d1, kv)
            })
            .or_else(|| self.api_worker.as_ref()?.flaw())
            .or_else(|| self.accept.iter().find_map(|entry| entry.flaw(known)));
        flaw.map_or(Ok(()), Err)
    }
}

/// The nearest manifest from a folder upwards.
#[must_use]
pub fn discover(from: &Path) -> Option<PathBuf> {
    from.ancestors()
        .map(|folder| folder.join(FILE_NAME))
        .find(|file| file.is_file())
}
