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
    /// The folder of its migrations, with `seeds` and `queries` in it, relative to the manifest.
    pub migrations: Option<PathBuf>,
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
            migrations: None,
        }
    }
}
