//! Backends that each break one thing: the reference with one part exchanged. Never breaks more than it says.
//!
//! A deviant is data (`fixtures/deviants/*.toml`: rules for what passes on the wire, changes of the schema) or, where a rule of the
//! wire cannot say it, another port or layer in one of these modules. CONTRIBUTING tells how to add one.

mod access;
mod answers;
mod bindings;
mod calls;
mod data;
mod directory;
mod errors;
mod gateway;
mod identity;
mod isolation;
mod layer;
mod limits;
mod lines;
mod link;
mod resolution;
mod schema;
mod security;
mod smoke;
pub(super) mod stores;
mod usage;

use super::altered::{Alteration, Parts, Variables};
use crate::contract::need::Variant;
use crate::subject::Migrated;
use crate::tamper::Tamper;
use serde::Serialize;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How a deviant is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Other ports, layers or configuration.
    Ports,
    /// Changes on the wire, before or behind the backend.
    Wire,
    /// Another schema, or another way to apply it.
    Schema,
}

/// A backend that breaks one thing.
#[derive(Debug, Clone)]
pub struct Deviant {
    /// Its name: lower-case words with hyphens.
    pub id: String,
    /// What it does wrong, as a sentence about the backend.
    pub breaks: String,
    /// The criteria that must turn red, every one.
    pub expected: Vec<String>,
    /// How it is made.
    pub kind: Kind,
    /// What is put into the reference.
    pub alteration: Arc<Alteration>,
}

/// Every deviant, by area.
///
/// # Errors
/// Which of the data files is malformed, and why.
pub fn all() -> Result<Vec<Deviant>, String> {
    let mut all = data::read()?;
    let made = [
        resolution::all(),
        identity::all(),
        isolation::all(),
        security::all(),
        bindings::all(),
        gateway::all(),
        access::all(),
        limits::all(),
        usage::all(),
        schema::all(),
        errors::all(),
        smoke::all(),
    ];
    all.extend(made.into_iter().flatten().map(Draft::done));
    Ok(all)
}

/// A lock, whoever broke off while holding it.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A deviant being described.
struct Draft {
    id: &'static str,
    breaks: &'static str,
    expected: &'static [&'static str],
    kind: Kind,
    alteration: Alteration,
}

/// A deviant of this name that breaks `breaks` and must turn every one of `expected` red.
fn deviant(id: &'static str, breaks: &'static str, expected: &'static [&'static str]) -> Draft {
    Draft {
        id,
        breaks,
        expected,
        kind: Kind::Ports,
        alteration: Alteration::default(),
    }
}

impl Draft {
    /// Exchanges ports, configuration, or puts a layer before the backend.
    fn parts(mut self, change: impl Fn(&mut Parts) + Send + Sync + 'static) -> Self {
        self.alteration.parts = Some(Arc::new(change));
        self
    }

    /// Puts something between the backend and AI Gateway.
    fn upstream(
        mut self,
        make: impl Fn() -> Option<Arc<dyn Tamper>> + Send + Sync + 'static,
    ) -> Self {
        self.alteration.upstream = Some(Arc::new(make));
        self
    }

    /// Changes the environment of a variant.
    fn variables(
        mut self,
        change: impl Fn(Variant, &mut Variables) + Send + Sync + 'static,
    ) -> Self {
        self.alteration.variables = Some(Arc::new(change));
        self
    }

    /// Applies migrations (folder, database) in another way.
    fn migrate(
        mut self,
        migrate: impl Fn(&Path, &Path) -> Migrated + Send + Sync + 'static,
    ) -> Self {
        self.kind = Kind::Schema;
        self.alteration.migrate = Some(Arc::new(migrate));
        self
    }

    fn done(mut self) -> Deviant {
        self.id.clone_into(&mut self.alteration.name);
        Deviant {
            id: self.id.to_owned(),
            breaks: self.breaks.to_owned(),
            expected: self.expected.iter().map(|id| (*id).to_owned()).collect(),
            kind: self.kind,
            alteration: Arc::new(self.alteration),
        }
    }
}
