//! What a manifest says of an API worker beside what it says of every Worker. Never starts one.

use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// The API worker of the profile `api-worker`: the variant `production` is what is judged.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiWorkerEntry {
    /// Its environment: `production`, `staging` or `development`.
    #[serde(default = "production")]
    pub environment: String,
    /// Whether it takes its present from the header `X-Test-Now`.
    #[serde(default)]
    pub clock: bool,
    /// Whether it may send webhooks to `{webhook_address}`.
    #[serde(default)]
    pub webhooks: bool,
    /// Whether it asks `{webhook_resolver_url}` where the names of webhooks lead to.
    #[serde(default)]
    pub resolver: bool,
    /// The folder of its migrations, with `seeds` and `queries` in it, relative to the manifest.
    pub migrations: Option<PathBuf>,
    /// Its own way of applying migrations, to a database of its own.
    pub migrate: Option<MigrateEntry>,
}

/// A command that applies migrations, run in the launch folder.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MigrateEntry {
    /// Its words: `{migrations}` stands for a folder of migrations, `{folder}` for an empty folder for the database, `{environment}` for the environment.
    pub command: Vec<String>,
    /// The words of the command that applies the seed of an environment to the database that `command` has made: beside the same names
    /// `{seed}` stands for `dev_seed` or `prod_setup`, which lies in the folder `seeds` below `{migrations}`.
    pub seed: Option<Vec<String>>,
    /// Where in `{folder}` the SQLite file is then: the file, or a folder that holds no other one.
    pub database: String,
}

fn production() -> String {
    "production".to_owned()
}

impl Default for ApiWorkerEntry {
    fn default() -> Self {
        Self {
            environment: production(),
            clock: false,
            webhooks: false,
            resolver: false,
            migrations: None,
            migrate: None,
        }
    }
}
