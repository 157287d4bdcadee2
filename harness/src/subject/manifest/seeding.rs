//! How tenants come to be in a described target. Never makes one.

use super::kv_template::{self, Template};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// How scenarios get tenants.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Seeding {
    /// By the admin route: `[dialect] create_tenant`, with a token of the harness's team domain.
    Admin,
    /// By writing D1 and KV as the target keeps them. `{id}`, `{slug}`, `{host}`, `{tier}`, `{platform}`, `{sandbox_id}`,
    /// `{domains}` (a JSON array), `{now_ms}` and `{now_text}` stand for the tenant's; what names `{domain}` is written once per custom host name.
    Stores {
        /// Statements for D1, in order; texts in them must be quoted: `'{slug}'`.
        #[serde(default)]
        sql: Vec<String>,
        /// Entries of KV: key and value, or `{ value, metadata }`.
        #[serde(default)]
        kv: BTreeMap<String, Template>,
    },
    /// There are these tenants and no others. One scenario at a time uses them; what makes, changes or removes tenants, and what
    /// uses up a quota, is not verified.
    Fixed {
        /// The tenants, at least one; two of the same tier let isolation be judged.
        tenants: Vec<FixedTenant>,
    },
}

/// A tenant that is there.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FixedTenant {
    /// Its id, a UUID in canonical form; the expected sandbox id follows from it.
    pub id: String,
    /// Its subdomain label.
    pub slug: String,
    /// Its host, where that is not its slug below `app_domain`.
    pub host: Option<String>,
    /// Its tier in the contract's words.
    #[serde(default = "free")]
    pub tier: String,
    /// Its platform.
    #[serde(default = "web")]
    pub platform: String,
    /// Its custom host names.
    #[serde(default)]
    pub domains: Vec<String>,
}

fn free() -> String {
    "free".to_owned()
}

fn web() -> String {
    "web".to_owned()
}

/// What a template may name.
pub const PLACEHOLDERS: [&str; 10] = [
    "id",
    "slug",
    "host",
    "tier",
    "platform",
    "sandbox_id",
    "domains",
    "domain",
    "now_ms",
    "now_text",
];

impl Seeding {
    /// What types cannot say; `None` if it can be used.
    #[must_use]
    pub fn flaw(&self, plays_access: bool, sees_stores: bool) -> Option<String> {
        match self {
            Self::Admin => (!plays_access).then(|| {
                "[seeding] kind = \"admin\" needs [control] access = true: the harness makes the operator's token".to_owned()
            }),
            Self::Stores { sql, kv } => {
                if !sees_stores {
                    return Some("[seeding] kind = \"stores\" needs [observe] d1 and kv, both writable: the harness writes there".to_owned());
                }
                if sql.is_empty() && kv.is_empty() {
                    return Some("[seeding] kind = \"stores\" has neither `sql` nor `kv`".to_owned());
                }
                let texts = sql.iter().chain(kv_template::texts(kv));
                texts.flat_map(|text| known_words(text)).find_map(|word| {
                    (!PLACEHOLDERS.contains(&word)).then(|| {
                        format!("[seeding] unknown placeholder {{{word}}}; there are: {}", PLACEHOLDERS.join(", "))
                    })
                })
            }
            Self::Fixed { tenants } => flaw_of_fixed(tenants),
        }
    }
}

fn flaw_of_fixed(tenants: &[FixedTenant]) -> Option<String> {
    if tenants.is_empty() {
        return Some(
            "[seeding] kind = \"fixed\" names no tenant: add [[seeding.tenants]]".to_owned(),
        );
    }
    tenants.iter().enumerate().find_map(|(at, tenant)| {
        let place = format!("[[seeding.tenants]] `{}`", tenant.slug);
        let canonical = uuid::Uuid::try_parse(&tenant.id)
            .is_ok_and(|id| id.hyphenated().to_string() == tenant.id);
        if !canonical {
            return Some(format!("{place}: `id` is no UUID in canonical form"));
        }
        if !["free", "premium", "enterprise"].contains(&tenant.tier.as_str()) {
            return Some(format!("{place}: `tier` is free, premium or enterprise"));
        }
        let twice = tenants[..at]
            .iter()
            .any(|other| other.slug == tenant.slug || other.id == tenant.id);
        twice.then(|| format!("{place}: slug or id is there twice"))
    })
}

/// The lower-case words in braces of a template.
#[must_use]
pub fn known_words(text: &str) -> Vec<&str> {
    let inside = text
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}'));
    inside
        .map(|(word, _rest)| word)
        .filter(|word| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flaw(text: &str) -> String {
        let seeding: Seeding = toml::from_str(text).unwrap();
        seeding.flaw(false, true).unwrap_or_default()
    }

    #[test]
    fn templates_name_only_what_a_tenant_has() {
        assert_eq!(
            flaw("kind = 'stores'\nkv = { 'h:{host}' = '{\"id\":\"{id}\"}' }"),
            ""
        );
        assert!(flaw("kind = 'stores'\nsql = ['INSERT {tenent}']").contains("{tenent}"));
        assert!(flaw("kind = 'stores'").contains("neither"));
        assert!(flaw("kind = 'admin'").contains("access"));
    }

    #[test]
    fn fixed_tenants_are_checked() {
        let tenant = |id: &str, tier: &str| {
            format!("kind = 'fixed'\n[[tenants]]\nid = '{id}'\nslug = 'a'\ntier = '{tier}'\n")
        };
        let id = "0b8f1ad4-3a6e-4c0e-8f86-0f4c6f0d6a01";
        assert_eq!(flaw(&tenant(id, "free")), "");
        assert!(flaw(&tenant("0B8F1AD4", "free")).contains("UUID"));
        assert!(flaw(&tenant(id, "gold")).contains("tier"));
        assert!(flaw("kind = 'fixed'\ntenants = []").contains("no tenant"));
    }
}
