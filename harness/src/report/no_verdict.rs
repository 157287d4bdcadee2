//! The report of a run that came to no verdict: its target did not answer, or something that it names is wrong. Never makes up a result.

use super::{Report, RunFacts};
use crate::contract::need::{Need, Variant};
use crate::contract::profile::Profile;
use crate::contract::{Contract, Planned};
use crate::run::unrun;
use crate::scrub;
use crate::subject::dialect::Dialect;
use crate::subject::{Disposable, Fault, Instance, Limits, Migrated, Target};
use crate::verdict::Outcome;
use async_trait::async_trait;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a run was asked to judge and did not.
pub struct Unjudged {
    /// For reports.
    pub name: String,
    /// What it claims, as far as that is known.
    pub profiles: Vec<Profile>,
    /// Why there is no verdict, in a sentence.
    pub why: String,
}

impl Report {
    /// The report of a run that came to no verdict: everything that was planned is not verified.
    #[must_use]
    pub fn without_verdict(
        contract: &Contract,
        unjudged: Unjudged,
        facts: &RunFacts,
        plan: &[Arc<Planned>],
    ) -> Self {
        let why = scrub::clean_report(&unjudged.why);
        // Why stands once, at the top: a hundred times it would hide itself.
        let reason = "the run came to no verdict".to_owned();
        let ended: Vec<_> = plan
            .iter()
            .map(|planned| unrun(Arc::clone(planned), Outcome::NotVerified(reason.clone())))
            .collect();
        let target = NotOpened {
            unjudged,
            reason,
            dialect: Dialect::default(),
            limits: Limits::default(),
        };
        let mut report = Self::new(contract, &target, facts, &ended);
        // Nobody has asked the target what it lacks.
        report.lacking.clear();
        report.no_verdict = Some(why);
        report
    }

    /// That there is no verdict, in a sentence; `None` where there is one.
    #[must_use]
    pub fn unjudged(&self) -> Option<String> {
        let why = self.no_verdict.as_ref()?;
        Some(format!("The run came to no verdict: {why}"))
    }
}

/// A target that is only a name.
struct NotOpened {
    unjudged: Unjudged,
    reason: String,
    dialect: Dialect,
    limits: Limits,
}

impl NotOpened {
    fn fault(&self) -> Fault {
        Fault(self.reason.clone())
    }
}

#[async_trait]
impl Target for NotOpened {
    fn name(&self) -> String {
        self.unjudged.name.clone()
    }

    fn lacks(&self, _need: Need) -> Option<String> {
        Some(self.reason.clone())
    }

    fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    fn profiles(&self) -> &[Profile] {
        &self.unjudged.profiles
    }

    fn limits(&self) -> &Limits {
        &self.limits
    }

    async fn instance(&self, _variant: Variant) -> Result<Arc<Instance>, Fault> {
        Err(self.fault())
    }

    async fn disposable(&self) -> Result<Box<dyn Disposable>, Fault> {
        Err(self.fault())
    }

    async fn migrate(&self, _folder: &Path, _database: &Path) -> Result<Migrated, Fault> {
        Err(self.fault())
    }

    fn migrations(&self) -> Option<PathBuf> {
        None
    }
}
