//! A manifest of which nothing is executed: its commands are taken out, and what they would have given is told. Never runs a command.

use super::{D1Source, KvSource, LogSource, LogWord, Manifest, Seeding};
use crate::contract::need::{Need, Variant};
use std::collections::BTreeMap;

/// What a target does not have because nothing of its manifest is executed: the need, and the key of the manifest that would be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Withheld {
    places: BTreeMap<Need, &'static str>,
}

impl Withheld {
    /// Why a need is not met; `None` if that has nothing to do with commands.
    #[must_use]
    pub fn why(&self, need: Need) -> Option<String> {
        // Without anything to talk to nothing else helps.
        let production = self.places.get(&Need::Variant(Variant::Production));
        let place = production.or_else(|| self.places.get(&need))?;
        Some(format!(
            "{place} would be executed, and with --no-launch nothing of the manifest is; leave it out where the manifest is trusted"
        ))
    }
}

impl Manifest {
    /// Takes out everything that would be executed: what starts and prepares the target, and what observes or migrates it by a command.
    pub fn withhold_commands(&mut self) {
        let mut places = BTreeMap::new();
        let mut hold =
            |place, needs: &[Need]| places.extend(needs.iter().map(|&need| (need, place)));
        if self.launch.take().is_some() {
            hold("[launch]", &[Need::Restart, Need::Fresh]);
            let started = |entry: &super::VariantEntry| entry.address.is_none();
            let variants = Variant::ALL.into_iter().filter(|variant| {
                let entry = self.variants.get(variant.name());
                entry.is_some_and(started)
            });
            hold("[launch]", &variants.map(Need::Variant).collect::<Vec<_>>());
            if self.control.store_faults.as_ref().is_some_and(started) {
                self.control.store_faults = None;
                hold("[launch]", &[Need::StoreFaults]);
            }
        }
        if let Some(migrations) = &mut self.migrations {
            migrations.command.clear();
            hold("[migrations] command", &[Need::Migrations]);
        }
        self.operator.acts.withhold_commands();
        self.withhold_observers(&mut hold);
        self.withheld = Withheld { places };
        if self
            .withheld
            .places
            .contains_key(&Need::Variant(Variant::Production))
        {
            // Nobody is there to be asked.
            self.probe.build = None;
        }
    }

    fn withhold_observers(&mut self, hold: &mut impl FnMut(&'static str, &[Need])) {
        let observe = &mut self.observe;
        let mut by_stores = None;
        if matches!(observe.d1, Some(D1Source::Command { .. })) {
            observe.d1 = None;
            by_stores = Some("the command of [observe] d1");
            hold("the command of [observe] d1", &[Need::D1, Need::D1Write]);
        }
        if matches!(observe.kv, Some(KvSource::Command { .. })) {
            observe.kv = None;
            by_stores = Some("the command of [observe] kv");
            hold("the command of [observe] kv", &[Need::Kv, Need::KvWrite]);
        }
        match observe.logs {
            Some(LogSource::Table(_)) => {
                observe.logs = None;
                hold("the command of [observe] logs", &[Need::Logs]);
            }
            Some(LogSource::Word(LogWord::Output)) => {
                observe.logs = None;
                hold("[launch]", &[Need::Logs]);
            }
            None => {}
        }
        let operator = self.control.access || self.operator.credential().is_some();
        let needs_stores = match &self.seeding {
            Some(Seeding::Stores { .. }) => true,
            Some(Seeding::Admin | Seeding::Fixed { .. }) => false,
            None => !operator,
        };
        if let Some(place) = by_stores.filter(|_| needs_stores) {
            hold(place, &[Need::Tenants]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn withheld(text: &str) -> Manifest {
        let mut manifest: Manifest = toml::from_str(text).unwrap();
        manifest.withhold_commands();
        manifest
    }

    const COMMANDS: &str = "
        name = 'x'
        [launch]
        prepare = [{ run = ['sh', '-c', 'env'] }]
        setup = [['sh']]
        command = ['sh']
        [variants.production]
        address = 'http://127.0.0.1:1'
        [variants.dev-mode]
        [control.store_faults]
        [observe]
        d1 = { kind = 'command', run = ['sh'] }
        kv = { kind = 'command', get = ['sh'], list = ['sh'], put = ['sh'], delete = ['sh'] }
        logs = { kind = 'tail', command = ['sh'] }
        [migrations]
        folder = 'm'
        command = ['sh']
        database = 'd'";

    #[test]
    fn no_command_is_left_and_each_need_that_it_met_says_so() {
        let manifest = withheld(COMMANDS);
        assert!(!format!("{manifest:?}").contains("\"sh\""));
        for need in [
            Need::Restart,
            Need::Fresh,
            Need::Variant(Variant::DevMode),
            Need::StoreFaults,
            Need::D1,
            Need::D1Write,
            Need::Kv,
            Need::KvWrite,
            Need::Logs,
            Need::Migrations,
            Need::Tenants,
        ] {
            let why = manifest.withheld.why(need);
            assert!(why.is_some_and(|why| why.contains("--no-launch")), "{need}");
        }
        for need in [Need::Hosts, Need::Variant(Variant::Production), Need::R2] {
            assert_eq!(manifest.withheld.why(need), None, "{need}");
        }
    }

    #[test]
    fn a_target_that_is_only_started_has_nothing_to_be_judged_by() {
        let manifest = withheld("name = 'x'\n[launch]\ncommand = ['sh']\n[variants.production]");
        let why = manifest.withheld.why(Need::Hosts);
        assert!(why.is_some_and(|why| why.starts_with("[launch]")));
    }

    #[test]
    fn a_manifest_without_commands_stays_as_it_is() {
        let manifest =
            withheld("name = 'x'\n[variants.production]\naddress = 'http://127.0.0.1:1'");
        assert_eq!(manifest.withheld, Withheld::default());
    }
}
