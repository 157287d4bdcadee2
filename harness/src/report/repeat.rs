//! The command lines that repeat what a report tells of. Never names another target than the one that was judged.

use super::{GeneratedReport, Report};
use crate::contract::need::Variant;
use crate::run::scene::Run;
use std::collections::BTreeMap;
use std::sync::PoisonError;

/// Where a store is unless something else is said.
pub const STORE: &str = ".moltproof";

/// Which options of `moltproof run` judge the same target on the same terms.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Again {
    /// Words of a command line, paths as they were named: for reports that are read on another machine, in the same folder.
    pub as_named: Vec<String>,
    /// The same with whole paths: for whoever reads on this machine, in any folder.
    pub from_anywhere: Vec<String>,
}

/// What the harness itself started for a run: it is gone with the run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Started {
    /// The variant behind each address.
    pub at: BTreeMap<String, Variant>,
    /// Whether it starts whatever else is reached at an address of this machine.
    pub everything: bool,
}

impl Started {
    /// What a run talked to and its target does not keep.
    #[must_use]
    pub fn of(run: &Run) -> Self {
        let standing = run.target.standing();
        let instances = run.instances.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            at: instances
                .iter()
                .filter(|instance| !standing.contains(&instance.variant))
                .map(|instance| (instance.base.clone(), instance.variant))
                .collect(),
            everything: !standing.contains(&Variant::Production),
        }
    }

    fn variant(&self, base: &str) -> Option<Variant> {
        let here = base.starts_with("http://127.0.0.1:");
        let other = || (self.everything && here).then_some(Variant::Production);
        self.at.get(base).copied().or_else(other)
    }

    /// What to say in place of an address that is gone: how to have its like again. `options` name the target.
    pub(super) fn gone(&self, base: &str, options: &[String]) -> Option<String> {
        let variant = self.variant(base)?;
        Some(format!(
            "its port is gone; set it to what this prints: {}",
            up(options, variant.name())
        ))
    }
}

/// The line that starts the target again. It is shown inside double quotes of a shell: a name that would end them is left to the reader.
fn up(options: &[String], variant: &str) -> String {
    let named = options.windows(2).find(|pair| pair[0] == "--target");
    let named = named.map_or("reference", |pair| pair[1].as_str());
    let named = if is_plain(named) { named } else { "MANIFEST" };
    format!("moltproof up --target {named} --variant {variant}")
}

/// Whether a shell reads a word as it stands.
fn is_plain(word: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:@%+,=".contains(letter);
    !word.is_empty() && word.chars().all(plain)
}

/// A word of a command line, as a shell takes it.
fn quoted(word: &str) -> String {
    if is_plain(word) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

impl Report {
    /// The command that runs what was red for an id again and compares, if a store keeps this report.
    #[must_use]
    pub fn replay(&self, id: &str) -> Option<String> {
        let store = self.kept.as_deref()?;
        let at = if store == STORE {
            String::new()
        } else {
            format!(" --store {}", quoted(store))
        };
        Some(format!("moltproof replay {} {id}{at}", self.run_id))
    }

    /// The command that repeats an id: the same target on the same terms, started again if the harness starts it. It needs no store.
    #[must_use]
    pub fn repeat(&self, id: &str) -> String {
        self.run_again(&format!("--id {id} --seed {}", self.seed))
    }

    /// The command that judges the same target on the same terms, with these options besides.
    #[must_use]
    pub fn run_again(&self, options: &str) -> String {
        format!("moltproof run {} {options}", self.terms())
    }

    /// The command that repeats the cases of one kind of generated checks.
    #[must_use]
    pub fn repeat_generated(&self, one: &GeneratedReport) -> String {
        // A report of an earlier form does not tell how many were asked for.
        let cases = one.asked.max(one.cases).max(1);
        self.run_again(&format!(
            "--generate {cases} --seed {} --id {}",
            one.seed, one.id
        ))
    }

    /// The options as a shell takes them.
    fn terms(&self) -> String {
        let named = || vec!["--target".to_owned(), self.named.clone()];
        let words = match (&self.options_here, self.options.is_empty()) {
            (Some(here), _) => here.clone(),
            (None, false) => self.options.clone(),
            // A report of an earlier form.
            (None, true) => named(),
        };
        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        words.join(" ")
    }

    /// The same report for somebody who reads it on this machine, in whatever folder.
    #[must_use]
    pub fn read_here(mut self, again: &Again) -> Self {
        self.options_here = Some(again.from_anywhere.clone());
        for evidence in self.evidence.values_mut() {
            for exchange in &mut evidence.exchanges {
                for variant in Variant::ALL {
                    let far = up(&again.as_named, variant.name());
                    if exchange.curl.contains(&far) {
                        let near = up(&again.from_anywhere, variant.name());
                        exchange.curl = exchange.curl.replace(&far, &near);
                    }
                }
            }
        }
        self
    }
}
