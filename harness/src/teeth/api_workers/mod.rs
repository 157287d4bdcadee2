//! What the profile `api-worker` is measured by: API workers that each break one thing, servers that do nothing, and others that keep every
//! promise in another way. Never judges anybody's target.

mod measure;
mod null_servers;
mod rows;
mod serving;
mod trial;

pub use measure::{DEVIANTS_OF_EACH_MIN, Wanted, measure};
pub use serving::Unserved;

use crate::catalogue::{Front, correct};
use crate::contract::Contract;
use crate::contract::profile::Profile;
use crate::reference::api_worker::{self, Changed};
use crate::reference::deviants::Kind;
use moltproof_api_worker::teeth::bodies;
use moltproof_api_worker::teeth::crashes::{CRASHES, Crash};
use moltproof_api_worker::teeth::layers::{self, Layer};
use moltproof_api_worker::teeth::names::{self, Misled};
use moltproof_api_worker::teeth::told::{TOLD, Told};
use moltproof_api_worker::teeth::{Deviant, deviants};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many milliseconds late answers are where they are late. Evidence: sentences ask up to a hundred times in a row, one sentence after the
/// other where they need the worker for themselves; with 100 ms that took 150 s.
const LATE_MS: u64 = 20;

include!(concat!(env!("OUT_DIR"), "/api_worker_layers.rs"));

/// Everything that the profile is measured by.
#[derive(Debug, Clone)]
pub struct Catalogue {
    /// Those that break one thing each.
    pub deviants: Vec<Backend>,
    /// Servers that keep no promise at all.
    pub null_servers: Vec<Backend>,
    /// Those that keep every promise in another way.
    pub correct_variants: Vec<Backend>,
}

/// An API worker, or a data layer without one.
#[derive(Debug, Clone)]
pub struct Backend {
    /// Its name: lower-case words with hyphens.
    pub id: String,
    /// What it does, as a sentence about it.
    pub does: String,
    /// The criteria that must turn red; none of what is no deviant.
    pub expected: Vec<String>,
    made: Made,
}

/// How it is made.
#[derive(Debug, Clone)]
enum Made {
    /// The reference behind an interceptor.
    Intercepted(Deviant),
    /// The reference that finds something else when it is started again after a crash.
    Crashing(Crash),
    /// The reference that does not heed where the names of webhooks lead.
    Misled(Misled),
    /// The reference whose database does something by itself.
    Told(Told),
    /// The reference that sends deliveries in other bytes than it signed.
    Altering(bodies::Alter),
    /// The reference behind something that may change whatever passes.
    Behind(Front),
    /// An idle reference behind something that lets nothing pass, without files and without tables.
    Null(Front),
    /// Files, the database that they make, the tool that applies them and the route that tells of it.
    Layer(Arc<Layer>),
}

/// The catalogue is not one: a mistake in the repository.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Malformed {
    /// A list of data layers cannot be read.
    #[error(transparent)]
    Layers(#[from] layers::Malformed),
    /// A name is there twice.
    #[error("two backends are named `{0}`: give one another name")]
    Twice(String),
    /// A deviant breaks what the profile does not have.
    #[error("`{id}` must break a criterion of the profile, and `{expected}` is none")]
    Expects {
        /// The deviant.
        id: String,
        /// What it breaks.
        expected: String,
    },
}

impl Catalogue {
    /// Every backend that is built in.
    ///
    /// # Errors
    /// [`Malformed`]
    pub fn built_in(contract: &Contract) -> Result<Self, Malformed> {
        let own: Vec<_> = api_worker::files().collect();
        let layers = layers::Catalogue::of(&own, API_WORKER_LAYERS)?;
        let intercepted = deviants().into_iter().map(Backend::intercepted);
        let crashing = CRASHES.into_iter().map(Backend::crashing);
        let misled = names::DEVIANTS.into_iter().map(Backend::misled);
        let told = TOLD.into_iter().map(Backend::told);
        let altering = bodies::DEVIANTS.into_iter().map(Backend::altering);
        let (crashing, surviving) = crashing.partition::<Vec<_>, _>(Backend::breaks_something);
        let broken = layers.deviants.into_iter().map(Backend::layer);
        let fronts = correct::fronts(LATE_MS).into_iter();
        let fronts = fronts.map(|front| Backend::behind(&front, Made::Behind(front.clone())));
        let sound = layers.variants.into_iter().map(Backend::layer);
        let nulls = null_servers::all().into_iter();
        let nulls = nulls.map(|front| Backend::behind(&front, Made::Null(front.clone())));
        let catalogue = Self {
            deviants: intercepted
                .chain(crashing)
                .chain(misled)
                .chain(told)
                .chain(altering)
                .chain(broken)
                .collect(),
            null_servers: nulls.collect(),
            correct_variants: fronts.chain(surviving).chain(sound).collect(),
        };
        let mut names = BTreeSet::new();
        if let Some(twice) = catalogue.all().find(|one| !names.insert(&one.id)) {
            return Err(Malformed::Twice(twice.id.clone()));
        }
        let is_own = |id: &String| {
            let criterion = contract.criteria.get(id);
            criterion.is_some_and(|one| one.profile == Profile::ApiWorker)
        };
        for deviant in &catalogue.deviants {
            if let Some(stranger) = deviant.expected.iter().find(|id| !is_own(id)) {
                return Err(Malformed::Expects {
                    id: deviant.id.clone(),
                    expected: stranger.clone(),
                });
            }
        }
        Ok(catalogue)
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Backend> {
        let others = self.null_servers.iter().chain(&self.correct_variants);
        self.deviants.iter().chain(others)
    }
}

impl Backend {
    fn intercepted(deviant: Deviant) -> Self {
        Self {
            id: kebab(deviant.name),
            does: capital(deviant.name),
            expected: vec![deviant.breaks.to_owned()],
            made: Made::Intercepted(deviant),
        }
    }

    fn crashing(crash: Crash) -> Self {
        Self {
            id: kebab(crash.name),
            does: capital(crash.name),
            expected: crash.breaks.map(str::to_owned).into_iter().collect(),
            made: Made::Crashing(crash),
        }
    }

    fn misled((name, misled): names::Deviant) -> Self {
        Self {
            id: kebab(name),
            does: capital(name),
            expected: vec!["API-010".to_owned()],
            made: Made::Misled(misled),
        }
    }

    fn told(told: Told) -> Self {
        Self {
            id: kebab(told.name),
            does: capital(told.name),
            expected: told.breaks.iter().map(|&id| id.to_owned()).collect(),
            made: Made::Told(told),
        }
    }

    fn altering((name, alter): bodies::Deviant) -> Self {
        Self {
            id: kebab(name),
            does: capital(name),
            expected: vec!["API-010".to_owned()],
            made: Made::Altering(alter),
        }
    }

    fn breaks_something(&self) -> bool {
        !self.expected.is_empty()
    }

    fn layer(layer: Layer) -> Self {
        Self {
            id: layer.id.clone(),
            does: layer.says.trim_end_matches('.').to_owned(),
            expected: layer.criteria.iter().cloned().collect(),
            made: Made::Layer(Arc::new(layer)),
        }
    }

    fn behind(front: &Front, made: Made) -> Self {
        Self {
            id: front.id.clone(),
            does: front.does.clone(),
            expected: Vec::new(),
            made,
        }
    }

    /// How it is made, in the words of the kill matrix.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match &self.made {
            Made::Intercepted(_) | Made::Behind(_) | Made::Null(_) => Kind::Wire,
            Made::Crashing(_) | Made::Misled(_) | Made::Altering(_) => Kind::Ports,
            Made::Layer(_) | Made::Told(_) => Kind::Schema,
        }
    }

    /// Whether a worker runs, so that the whole profile can judge it; of a data layer only what files and a database tell is judged.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !matches!(self.made, Made::Layer(_))
    }
}

impl Made {
    /// What is different of the reference; nothing where an interceptor is, or where there is no reference.
    fn changed(&self) -> Changed {
        let mut changed = Changed::default();
        match self {
            Self::Behind(front) | Self::Null(front) => changed.front = Some((front.make)()),
            Self::Misled(misled) => changed.misled = Some(*misled),
            Self::Told(told) => changed.told = Some(told.sql),
            Self::Altering(alter) => changed.alter = Some(*alter),
            Self::Intercepted(_) | Self::Crashing(_) | Self::Layer(_) => {}
        }
        changed
    }
}

/// A name from a sentence: its words with hyphens between them.
fn kebab(sentence: &str) -> String {
    let words = sentence.split_whitespace().map(|word| {
        let letters = word.chars().filter(char::is_ascii_alphanumeric);
        letters.collect::<String>().to_ascii_lowercase()
    });
    words.collect::<Vec<_>>().join("-")
}

/// The sentence as it begins a line.
fn capital(sentence: &str) -> String {
    let mut letters = sentence.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_words_of_the_sentence() {
        let sentence = "the environment's preferences are 2-fold";
        assert_eq!(kebab(sentence), "the-environments-preferences-are-2fold");
        assert_eq!(
            capital(sentence),
            "The environment's preferences are 2-fold"
        );
    }
}
