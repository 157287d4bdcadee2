//! What of the outside world the harness plays for a described target. Never plays it.

use super::VariantEntry;
use schemars::JsonSchema;
use serde::Deserialize;

/// What of the outside world the harness plays.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
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
