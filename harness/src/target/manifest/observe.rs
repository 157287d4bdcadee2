//! What the harness may look at in a described target. Never looks.

use schemars::JsonSchema;
use serde::Deserialize;

/// What the harness may look at.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Observe {
    /// D1, KV and R2 of each instance.
    pub stores: Option<Stores>,
    /// The process's output is the log.
    #[serde(default)]
    pub output_is_log: bool,
}

/// Where stores are seen.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
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
