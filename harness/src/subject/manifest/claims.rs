//! What a described target claims: profiles of the contract, and the database of the profile `data`. Never judges a claim.

use super::environment::Allowed;
use super::{Manifest, Unusable, document};
use crate::contract::need::Variant;
use crate::contract::profile::{Profile, listed};
use crate::subject::database::Database;
use moltproof_data::claims::{Data, From};
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::Path;

/// A file that holds the section `[data]` and nothing else.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ClaimsFile {
    data: Data,
}

/// What a manifest claims that says nothing of it.
pub(super) fn default() -> Vec<Profile> {
    vec![Profile::Core]
}

impl Manifest {
    /// Whether it claims a profile.
    #[must_use]
    pub fn claims(&self, profile: Profile) -> bool {
        self.profiles.contains(&profile)
    }

    /// The database of the profile `data`, if it is claimed.
    #[must_use]
    pub fn database(&self) -> Option<Database> {
        let claims = self.data.clone().filter(|_| self.claims(Profile::Data))?;
        Some(Database {
            claims,
            folder: self.folder.clone(),
        })
    }

    /// Reads the claims where a file of their own holds them, and tells the secrets in it. Relative paths in it start at that file.
    ///
    /// # Errors
    /// [`Unusable`], about that file.
    pub(super) fn read_claims(&mut self, allowed: &Allowed) -> Result<Vec<String>, Unusable> {
        if self.data.is_some() {
            return Ok(Vec::new());
        }
        let Some(path) = self.claims.take() else {
            return Ok(Vec::new());
        };
        let read = document::read::<ClaimsFile>(&self.folder.join(&path), allowed)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut data = read.content.data;
        data.from = data.from.map(|from| below(from, folder));
        self.data = Some(data);
        Ok(read.secrets)
    }

    /// What is wrong with the claims, if something is.
    pub(super) fn flaw_of_claims(&self) -> Option<String> {
        let mut once = self.profiles.clone();
        once.sort_unstable();
        once.dedup();
        if self.profiles.is_empty() {
            return Some(format!(
                "`profiles` is empty: name at least one of {}",
                listed(&Profile::ALL)
            ));
        }
        if once.len() < self.profiles.len() {
            return Some("`profiles` names a profile twice".to_owned());
        }
        if self.claims.is_some() && self.data.is_some() {
            return Some("`claims` names a file that holds the section [data], and there is such a section here as well: keep one of the two".to_owned());
        }
        if self.claims(Profile::Data) {
            match &self.data {
                None => return Some("`profiles` claims data, and there is no section [data] that says where the database is and what it holds; `moltproof db infer` writes one".to_owned()),
                Some(data) if data.from.is_none() => return Some("[data] does not say where the database comes from: add `from = { migrations = \"FOLDER\" }`, or `file`, `wrangler` or `rest` in its place".to_owned()),
                Some(_) => {}
            }
        }
        if self.claims(Profile::Core) && self.claims(Profile::ApiWorker) {
            return Some("`profiles` claims core and api-worker: these are two Workers, so write a manifest for each".to_owned());
        }
        let production = self.variants.contains_key(Variant::Production.name());
        (self.has_worker() && !production)
            .then(|| "[variants.production] is missing: it is what is judged".to_owned())
    }

    /// Whether it describes a Worker: what claims nothing but the profile `data` may be a database and nothing else.
    #[must_use]
    pub fn has_worker(&self) -> bool {
        !self.variants.is_empty() || self.profiles.iter().any(|one| *one != Profile::Data)
    }
}

/// Where a database comes from, seen from the folder from which that one is seen.
fn below(from: From, folder: &Path) -> From {
    match from {
        From::Migrations(path) => From::Migrations(folder.join(path)),
        From::File(path) => From::File(folder.join(path)),
        From::Wrangler(binding) => From::Wrangler(binding),
        From::Rest(rest) => From::Rest(rest),
    }
}
