//! `cf-aig-metadata`: what the AI Gateway is told about a call. Never holds anything personal (AIG-003).

use super::routing::Workload;
use super::sandbox_id::SandboxId;
use super::tenant::{TenantId, Tier};
use std::fmt::Write;

/// Longest value (AIG-002); the gateway itself drops metadata silently when it does not like it.
const VALUE_CHARS_MAX: usize = 64;

/// The header's text: a flat JSON object of five string values, in ASCII so that every HTTP stack carries it unchanged.
#[must_use]
pub fn metadata_json(
    platform: &str,
    tier: Tier,
    workload: Workload,
    tenant: TenantId,
    sandbox: SandboxId,
) -> String {
    let mut json = String::with_capacity(220);
    json.push('{');
    push_entry(&mut json, "platform", platform);
    push_entry(&mut json, "tier", tier.name());
    push_entry(&mut json, "workload", workload.name());
    push_entry(&mut json, "tenant_id", &tenant.to_string());
    push_entry(&mut json, "sandbox_id", sandbox.as_str());
    json.pop();
    json.push('}');
    json
}

fn push_entry(json: &mut String, key: &str, value: &str) {
    json.push('"');
    json.push_str(key);
    json.push_str("\":\"");
    for character in value.chars().take(VALUE_CHARS_MAX) {
        match character {
            '"' | '\\' => {
                json.push('\\');
                json.push(character);
            }
            ' '..='~' => json.push(character),
            _ => push_escaped(json, character),
        }
    }
    json.push_str("\",");
}

fn push_escaped(json: &mut String, character: char) {
    let mut units = [0; 2];
    for unit in character.encode_utf16(&mut units) {
        // Writing to a String cannot fail.
        write!(json, "\\u{unit:04x}").unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_stored_platform_gives_flat_ascii_json_with_short_values(platform in any::<String>()) {
            let tenant = TenantId::random();
            let json = metadata_json(&platform, Tier::Free, Workload::Chat, tenant, SandboxId::derive(&tenant));
            prop_assert!(json.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            let value: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(value.len(), 5);
            let expected: String = platform.chars().take(64).collect();
            prop_assert_eq!(value["platform"].as_str().unwrap(), expected);
            prop_assert_eq!(value["tenant_id"].as_str().unwrap(), tenant.to_string());
        }
    }
}
