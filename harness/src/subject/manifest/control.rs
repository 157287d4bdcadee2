//! What of the outside world the harness plays for a described target. Never plays it.

use super::VariantEntry;
use schemars::JsonSchema;
use serde::Deserialize;

/// What of the outside world the harness plays.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a key of the manifest, and independent of the others"
)]
pub struct Control {
    /// The AI Gateway.
    #[serde(default)]
    pub ai_gateway: bool,
    /// The Access team domain.
    #[serde(default)]
    pub access: bool,
    /// Both speak https on `localhost`, with a certificate of an authority made for the run: `{ca_file}`.
    #[serde(default)]
    pub tls: bool,
    /// No edge stands before the target: `CF-Connecting-IP` may be chosen.
    #[serde(default)]
    pub client_ip: bool,
    /// Arguments of a variant of production whose stores ask `{fault_control_url}` before each operation.
    #[serde(default)]
    pub store_faults: Option<VariantEntry>,
}
