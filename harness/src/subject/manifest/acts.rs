//! What the operator does by hand where no route does it, as a manifest tells it: SQL, entries of KV, commands. Never does it.

use super::kv_template::{self, Template};
use super::{PLACEHOLDERS, known_words};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What can be done by hand. What is left out is done by its route, or not at all.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Acts {
    /// Makes a tenant.
    pub create: Option<Act>,
    /// Gives a tenant another tier.
    pub retier: Option<Act>,
    /// Gives a tenant another slug.
    pub rename: Option<Act>,
    /// Gives a tenant another platform.
    pub replatform: Option<Act>,
    /// Gives a tenant other custom host names.
    pub move_domains: Option<Act>,
    /// Removes a tenant.
    pub delete: Option<Act>,
}

/// One act: its statements, then the keys that go, then the entries that come, then its commands. `{id}`, `{slug}`, `{host}`, `{tier}`,
/// `{platform}`, `{sandbox_id}`, `{domains}`, `{now_ms}` and `{now_text}` stand for the tenant's as it is to be, `{old_slug}`, `{old_host}`
/// and `{old_tier}` for what it was; what names `{domain}` is done once per custom host name, and `{old_domain}` once per former one.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Act {
    /// Statements for D1, in order; texts in them must be quoted: `'{slug}'`.
    pub sql: Vec<String>,
    /// Keys of KV that are removed.
    pub kv_delete: Vec<String>,
    /// Entries of KV that are written: key and value.
    pub kv: BTreeMap<String, Template>,
    /// Commands, run where the target is launched and with its environment.
    pub run: Vec<Vec<String>>,
}

impl Acts {
    fn all(&self) -> [(&'static str, &Option<Act>); 6] {
        [
            ("create", &self.create),
            ("retier", &self.retier),
            ("rename", &self.rename),
            ("replatform", &self.replatform),
            ("move_domains", &self.move_domains),
            ("delete", &self.delete),
        ]
    }

    /// Whether nothing is done by hand.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all().iter().all(|(_, act)| act.is_none())
    }

    /// The act that changes a field of a tenant, and its key.
    #[must_use]
    pub fn of_field(&self, field: &str) -> Option<&Act> {
        match field {
            "tier" => self.retier.as_ref(),
            "slug" => self.rename.as_ref(),
            "platform" => self.replatform.as_ref(),
            "domains" => self.move_domains.as_ref(),
            _ => None,
        }
    }

    /// Takes out everything that would be executed.
    pub fn withhold_commands(&mut self) {
        let acts = [
            &mut self.create,
            &mut self.retier,
            &mut self.rename,
            &mut self.replatform,
            &mut self.move_domains,
            &mut self.delete,
        ];
        for act in acts {
            if act.as_ref().is_some_and(|act| !act.run.is_empty()) {
                *act = None;
            }
        }
    }

    /// What types cannot say; `None` if they can be done.
    #[must_use]
    pub fn flaw(&self, writes_d1: bool, writes_kv: bool) -> Option<String> {
        self.all()
            .into_iter()
            .find_map(|(key, act)| act.as_ref()?.flaw(key, writes_d1, writes_kv))
    }
}

/// What an act may name besides what seeding may.
const FORMER: [&str; 4] = ["old_slug", "old_host", "old_tier", "old_domain"];

impl Act {
    fn flaw(&self, key: &str, writes_d1: bool, writes_kv: bool) -> Option<String> {
        let place = format!("[operator.acts] {key}");
        let has_kv = !(self.kv.is_empty() && self.kv_delete.is_empty());
        if self.sql.is_empty() && self.run.is_empty() && !has_kv {
            return Some(format!("{place} does nothing"));
        }
        if !self.sql.is_empty() && !writes_d1 {
            return Some(format!("{place}: sql needs [observe] d1, writable"));
        }
        if has_kv && !writes_kv {
            return Some(format!("{place}: kv needs [observe] kv, writable"));
        }
        let texts = self.sql.iter().chain(&self.kv_delete);
        let texts = texts.chain(kv_template::texts(&self.kv));
        texts.flat_map(|text| known_words(text)).find_map(|word| {
            let is_known = PLACEHOLDERS.contains(&word) || FORMER.contains(&word);
            (!is_known).then(|| format!("{place}: unknown placeholder {{{word}}}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acts(text: &str) -> Acts {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn an_act_names_only_what_a_tenant_has_and_had() {
        let good = acts("[rename]\nkv_delete = ['h:{old_host}']\nkv = { 'h:{host}' = '{id}' }");
        assert_eq!(good.flaw(false, true), None);
        let odd = acts("[retier]\nsql = ['UPDATE {table}']");
        assert!(
            odd.flaw(true, false)
                .is_some_and(|flaw| flaw.contains("{table}"))
        );
        let blind = acts("[retier]\nsql = ['UPDATE t']");
        assert!(
            blind
                .flaw(false, false)
                .is_some_and(|flaw| flaw.contains("[observe] d1"))
        );
        assert!(
            acts("[delete]")
                .flaw(true, true)
                .is_some_and(|flaw| flaw.contains("nothing"))
        );
    }

    #[test]
    fn a_field_has_its_act() {
        let own = acts("[retier]\nsql = ['x']\n[rename]\nrun = [['sh']]");
        assert!(own.of_field("tier").is_some() && own.of_field("domains").is_none());
        let mut withheld = own;
        withheld.withhold_commands();
        assert!(withheld.rename.is_none() && withheld.retier.is_some());
    }
}
