//! Looks at a target before it is judged: who answers, what would make verdicts wrong, what can be verified. Never judges the contract.

mod coverage;
mod database;
mod host;
mod keys;
mod limits;
mod node;
mod reach;
pub mod sarif;
pub mod text;

pub use coverage::{Coverage, LevelCoverage, Open};

use crate::client::Client;
use crate::contract::Contract;
use crate::contract::profile::Profile;
use crate::target::need::Variant;
use crate::target::{Target, build, capabilities};
use crate::verdict::Exit;
use serde::Serialize;
use std::time::Duration;

/// Version of the JSON form: additive within a major version.
pub const SCHEMA_VERSION: &str = "1.0";

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// It cannot be told here.
    Unknown,
    /// It may make verdicts wrong or leave criteria open.
    Warning,
    /// It would make verdicts wrong.
    Wrong,
    /// The target is out of reach.
    Unreachable,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Stable name.
    pub id: &'static str,
    /// How it came out.
    pub state: State,
    /// What was seen.
    pub saw: String,
    /// What to do; empty where there is nothing to do.
    pub remedy: String,
}

impl Check {
    fn new(id: &'static str, state: State, saw: impl Into<String>) -> Self {
        Self {
            id,
            state,
            saw: saw.into(),
            remedy: String::new(),
        }
    }

    fn ok(id: &'static str, saw: impl Into<String>) -> Self {
        Self::new(id, State::Ok, saw)
    }

    fn unknown(id: &'static str, saw: impl Into<String>) -> Self {
        Self::new(id, State::Unknown, saw)
    }

    fn warning(id: &'static str, saw: impl Into<String>) -> Self {
        Self::new(id, State::Warning, saw)
    }

    fn wrong(id: &'static str, saw: impl Into<String>) -> Self {
        Self::new(id, State::Wrong, saw)
    }

    fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }
}

/// Something that scenarios need of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Capability {
    /// Name of the need, as in tags.
    pub need: String,
    /// Whether the target has it.
    pub met: bool,
    /// Why not, and what it takes; empty if it is met.
    pub reason: String,
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Diagnosis {
    /// [`SCHEMA_VERSION`].
    pub schema_version: &'static str,
    /// Name of the target.
    pub target: String,
    /// In the order in which they were made.
    pub checks: Vec<Check>,
    /// Every need.
    pub capabilities: Vec<Capability>,
    /// What can be verified.
    pub coverage: Coverage,
}

impl Diagnosis {
    /// The worst that was found.
    #[must_use]
    pub fn worst(&self) -> State {
        self.checks
            .iter()
            .map(|check| check.state)
            .max()
            .unwrap_or(State::Unknown)
    }

    /// 3 for an unreachable target, 4 for what would make verdicts wrong, else 0.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self.worst() {
            State::Unreachable => Exit::Fault,
            State::Wrong => Exit::NotVerified,
            State::Ok | State::Unknown | State::Warning => Exit::Conforms,
        }
    }
}

/// Looks at a target; `patience` is how long it may take to answer and to show the expected build.
pub async fn diagnose(
    client: &Client,
    target: &dyn Target,
    contract: &Contract,
    patience: Duration,
) -> Diagnosis {
    let is_worker = !matches!(target.profiles(), [Profile::Data]);
    let mut checks = Vec::new();
    if is_worker {
        checks = worker(client, target, patience).await;
    }
    checks.extend(database::check(target).await);
    let capabilities = capabilities(target)
        .into_iter()
        // The needs are a Worker's.
        .filter(|_| is_worker)
        .map(|(need, reason)| Capability {
            need,
            met: reason.is_none(),
            reason: reason.unwrap_or_default(),
        })
        .collect();
    Diagnosis {
        schema_version: SCHEMA_VERSION,
        target: target.name(),
        checks,
        capabilities,
        coverage: coverage::of(target, contract),
    }
}

/// Looks at the Worker.
async fn worker(client: &Client, target: &dyn Target, patience: Duration) -> Vec<Check> {
    let mut checks = node::check(target).await;
    if let Some(instance) = reach::instance(target, &mut checks).await {
        let reached = reach::check(client, target, &instance, patience).await;
        let goes_on = reached.iter().all(|check| check.state < State::Wrong);
        checks.extend(reached);
        if goes_on {
            if let Some(probe) = target.probe().build {
                let found = build::confirm(client, &instance.base, &probe, patience).await;
                checks.push(told_build(found, probe.expected.is_some()));
            } else {
                checks.push(
                    Check::unknown("build", "nothing tells which build answers")
                        .remedy("name where the target tells it: [probe] build"),
                );
            }
            checks.push(host::check(client, target, &instance).await);
            checks.extend(keys::check(client, target, &instance).await);
        }
        checks.extend(limits::check(target));
        // A server that ended meanwhile, while something answers at its address, was never the one that answered.
        if let Err(gone) = target.instance(Variant::Production).await {
            checks.push(
                Check::wrong("process", gone.to_string())
                    .remedy("if something still answers at its address, another process holds the port (an orphaned workerd?): end it"),
            );
        }
    }
    checks
}

fn told_build(found: Result<String, String>, expected: bool) -> Check {
    match found {
        Ok(build) if expected => Check::ok(
            "build",
            format!(
                "{build}, as expected, in {} probes on fresh connections",
                build::PROBES
            ),
        ),
        Ok(build) => Check::ok("build", build),
        Err(why) if expected => Check::wrong("build", why)
            .remedy("verdicts would be on another build: wait for the deployment, or look whether it went where [variants.production] address points"),
        Err(why) => Check::warning("build", why).remedy("mend [probe] build"),
    }
}
