//! Which scenarios hang on what did not work, or on what the manifest says is not there. Never tries anything itself.

use super::tries::Tried;
use crate::contract::Planned;
use crate::contract::profile::Profile;
use crate::run::uses::{noted, word};
use crate::subject::Target;
use crate::subject::dialect::Dialect;
use crate::subject::dialect::spelling::Spelling;
use crate::subject::manifest::{LimitKey, Seeding};

/// What was found, against which scenarios are held.
pub(super) struct Hanging<'a> {
    target: &'a dyn Target,
    tried: &'a Tried,
}

impl<'a> Hanging<'a> {
    pub(super) fn new(target: &'a dyn Target, tried: &'a Tried) -> Self {
        Self { target, tried }
    }

    /// Why a scenario whose needs are met could not be judged all the same; nothing that is known of where `None`.
    pub(super) fn of(&self, planned: &Planned) -> Option<String> {
        if planned.profile != Profile::Core {
            return None;
        }
        if let Some(why) = &self.tried.out_of_reach {
            return Some(why.clone());
        }
        let words = noted(&planned.feature, &planned.name)?;
        let found = words
            .iter()
            .find_map(|word| self.tried.broken.get(word).cloned());
        found.or_else(|| words.iter().find_map(|word| self.lacks(word)))
    }

    /// Why the manifest says that there is no such thing.
    fn lacks(&self, word: &str) -> Option<String> {
        let mut parts = word.split('.');
        match (parts.next()?, parts.next(), parts.next(), parts.next()) {
            ("asks", Some(operation), None, None) => self.no_route(operation),
            ("says", Some(operation), Some(field), None) => self.unsaid(operation, field),
            ("requests", Some(count), None, None) => self.too_many(count),
            ("alters", None, None, None) => self.target.has_fixed_tenants().then(|| {
                "it would make, change or remove a tenant, and the target's tenants are fixed (manifest: [seeding])".to_owned()
            }),
            ("fixed", Some(tier), Some(more), count) => self.too_few(tier, more, count),
            // A look without which a scenario cannot be judged is a need of its own: see its tags.
            _ => None,
        }
    }

    fn no_route(&self, operation: &str) -> Option<String> {
        let own = self.target.dialect();
        if let Some(without) = own.without.iter().find(|one| word(**one) == operation) {
            let key = without.key();
            return Some(format!(
                "the target has no such operation (manifest: dialect.without names {key})"
            ));
        }
        let (key, path) = match operation {
            "health" => ("health", &own.health),
            "status" => ("status", &own.status),
            "chat" => ("chat", &own.chat),
            "create" | "list" => ("tenants", &own.tenants),
            "read" | "change" | "delete" => ("tenant", &own.tenant),
            "routing" => ("routing", &own.routing),
            "usage" => ("usage", &own.usage),
            "start-gateway" => ("gateway_start", &own.gateway_start),
            "gateway" => ("gateway", &own.gateway),
            _ => return None,
        };
        path.is_empty()
            .then(|| format!("the target has no such route (manifest: dialect.{key} is empty)"))
    }

    fn unsaid(&self, operation: &str, field: &str) -> Option<String> {
        let spelling = spelling(self.target.dialect(), operation)?;
        (!spelling.says(field)).then(|| {
            format!("the target's request has no place for `{field}` (manifest: a body under [dialect] without {{{field}}})")
        })
    }

    /// A quota that counts the requests of a client is used up by one scenario.
    fn too_many(&self, count: &str) -> Option<String> {
        let limits = self.target.limits();
        let (quota, window_s) = limits.quota;
        let more = count.parse::<u32>().is_ok_and(|count| count > quota);
        (limits.key == LimitKey::Ip && more).then(|| {
            format!("the target counts the requests of a client ip, and its quota of {quota} in {window_s} s is less than one scenario sends (manifest: [limits] key)")
        })
    }

    fn too_few(&self, tier: &str, more: &str, count: Option<&str>) -> Option<String> {
        let Some(Seeding::Fixed { tenants }) = self.target.seeding() else {
            return None;
        };
        // "special" has the count where the platform would stand.
        let wanted: usize = count.unwrap_or(more).parse().unwrap_or(1);
        let there = tenants
            .iter()
            .filter(|one| one.tier == tier && one.platform == more)
            .count();
        let named = if tier == "special" {
            "tenant of a name or with hosts of the harness's choice".to_owned()
        } else {
            format!("{tier} tenant on platform `{more}`")
        };
        (there < wanted).then(|| {
            format!("needs a further {named}, and the target's tenants are fixed (manifest: [[seeding.tenants]])")
        })
    }
}

fn spelling<'a>(own: &'a Dialect, operation: &str) -> Option<&'a Spelling> {
    match operation {
        "create" => own.create_tenant.as_ref(),
        "change" => own.change_tenant.as_ref(),
        _ => None,
    }
}
