//! What the harness is measured by: backends that break one thing, servers that keep nothing, correct backends of other habits, and what
//! was measured on them when this version was built. Never runs one.

pub mod also_broken;
pub mod correct;
pub mod databases;
pub mod figures;
pub mod habits;
pub mod hostile;
pub mod null_servers;
pub mod shard;
pub mod survivors;

use crate::contract::Contract;
use crate::reference::altered::Alteration;
use crate::reference::deviants::{self, Deviant};
use crate::tamper::Tamper;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// Everything the harness is measured by.
#[derive(Debug, Clone)]
pub struct Catalogue {
    /// Backends that break one thing each.
    pub deviants: Vec<Deviant>,
    /// Servers that keep no promise at all.
    pub null_servers: Vec<Other>,
    /// Backends that keep every promise in another way.
    pub correct_variants: Vec<Other>,
    /// Ways to write answers that HTTP, JSON and server-sent events allow.
    pub habits: Vec<Other>,
}

/// A backend without an expectation of its own: a null server or a correct variant.
#[derive(Debug, Clone)]
pub struct Other {
    /// Its name: lower-case words with hyphens.
    pub id: String,
    /// What it does, as a sentence about the backend.
    pub does: String,
    /// The SHOULDs that it does not keep.
    pub unmet: Vec<String>,
    /// What is put into the reference.
    pub alteration: Arc<Alteration>,
}

impl Other {
    pub(crate) fn new(id: &str, does: &str, alteration: Alteration) -> Self {
        Self {
            id: id.to_owned(),
            does: does.to_owned(),
            unmet: Vec::new(),
            alteration: Arc::new(Alteration {
                name: id.to_owned(),
                ..alteration
            }),
        }
    }
}

/// What makes another backend of whatever it stands before: a null server or a correct variant.
#[derive(Clone)]
pub struct Front {
    /// Its name: lower-case words with hyphens.
    pub id: String,
    /// What it does, as a sentence about the backend.
    pub does: String,
    /// Makes what stands before one backend.
    pub make: Arc<dyn Fn() -> Arc<dyn Tamper> + Send + Sync>,
}

impl fmt::Debug for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Front")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Front {
    pub(crate) fn new(
        id: &str,
        does: &str,
        make: impl Fn() -> Arc<dyn Tamper> + Send + Sync + 'static,
    ) -> Self {
        Self {
            id: id.to_owned(),
            does: does.to_owned(),
            make: Arc::new(make),
        }
    }

    /// It before the reference, with what else is put in there.
    pub(crate) fn before_the_reference(self, alteration: Alteration) -> Other {
        let make = self.make;
        Other::new(
            &self.id,
            &self.does,
            Alteration {
                parts: Some(Arc::new(move |parts| parts.caller = Some(make()))),
                ..alteration
            },
        )
    }
}

/// The catalogue is not one: a mistake in the repository.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// A data file cannot be read.
    #[error("{0}")]
    Data(String),
    /// A name is there twice.
    #[error("two backends are named `{0}`: give one another name")]
    Twice(String),
    /// A deviant expects nothing, or what the contract does not have.
    #[error("`{id}` must expect at least one criterion of the contract, and `{expected}` is none")]
    Expects {
        /// The deviant.
        id: String,
        /// What it expects; empty if nothing.
        expected: String,
    },
}

impl Catalogue {
    /// Every backend that is built in.
    ///
    /// # Errors
    /// [`Malformed`] when a name is there twice, or an expectation names no criterion.
    pub fn built_in(contract: &Contract) -> Result<Self, Malformed> {
        let catalogue = Self {
            deviants: deviants::all().map_err(Malformed::Data)?,
            null_servers: {
                let hostile = hostile::all().map_err(Malformed::Data)?;
                null_servers::all().into_iter().chain(hostile).collect()
            },
            correct_variants: correct::all(),
            habits: habits::legal().map_err(Malformed::Data)?,
        };
        let mut names = BTreeSet::new();
        let others = catalogue.others().map(|other| &other.id);
        for id in catalogue
            .deviants
            .iter()
            .map(|deviant| &deviant.id)
            .chain(others)
        {
            if !names.insert(id.as_str()) {
                return Err(Malformed::Twice(id.clone()));
            }
        }
        for deviant in &catalogue.deviants {
            let stranger = deviant
                .expected
                .iter()
                .find(|id| !contract.criteria.contains_key(*id));
            if deviant.expected.is_empty() || stranger.is_some() {
                return Err(Malformed::Expects {
                    id: deviant.id.clone(),
                    expected: stranger.cloned().unwrap_or_default(),
                });
            }
        }
        Ok(catalogue)
    }

    fn others(&self) -> impl Iterator<Item = &Other> {
        self.null_servers.iter().chain(self.correct())
    }

    /// Every backend that must not be blamed for anything.
    pub fn correct(&self) -> impl Iterator<Item = &Other> {
        self.correct_variants.iter().chain(&self.habits)
    }

    /// How many backends there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.deviants.len() + self.others().count()
    }

    /// What is put into the reference under this name.
    #[must_use]
    pub fn alteration(&self, name: &str) -> Option<Arc<Alteration>> {
        let others = self.others().map(|other| (&other.id, &other.alteration));
        self.deviants
            .iter()
            .map(|deviant| (&deviant.id, &deviant.alteration))
            .chain(others)
            .find(|(id, _)| *id == name)
            .map(|(_, alteration)| Arc::clone(alteration))
    }
}
