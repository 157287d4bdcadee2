//! Looks at a target before it is judged: who answers, what would make verdicts wrong, what can be verified. Never judges the contract.

mod api_worker;
mod coverage;
mod database;
mod host;
pub(crate) mod keys;
mod limits;
mod node;
mod reach;
pub mod sarif;
pub mod text;
mod tries;
mod uses;

pub use coverage::{Coverage, LevelCoverage, Open};

use crate::client::Client;
use crate::contract::Contract;
use crate::contract::need::Variant;
use crate::contract::profile::Profile;
use crate::subject::{Target, build, capabilities};
use crate::verdict::Exit;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tries::Tried;

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
    target: &Arc<dyn Target>,
    contract: &Contract,
    patience: Duration,
) -> Diagnosis {
    let mut tried = Tried::default();
    let is_api_worker = target.profiles().contains(&Profile::ApiWorker);
    let is_core = target.profiles().contains(&Profile::Core);
    if is_core {
        tried = worker(client, target, patience).await;
    }
    if is_api_worker {
        api_worker::worker(target.as_ref(), &mut tried).await;
    }
    tried.checks.extend(database::check(target.as_ref()).await);
    let of_api_worker = is_api_worker.then(|| api_worker::capabilities(&tried));
    let capabilities = capabilities(target.as_ref())
        .into_iter()
        // The needs are those of a Worker of the profile core.
        .filter(|_| is_core)
        .map(|(need, reason)| Capability {
            need,
            met: reason.is_none(),
            reason: reason.unwrap_or_default(),
        })
        .chain(of_api_worker.into_iter().flatten())
        .collect();
    Diagnosis {
        schema_version: SCHEMA_VERSION,
        target: target.name(),
        coverage: coverage::of(target.as_ref(), contract, &tried),
        checks: tried.checks,
        capabilities,
    }
}

/// Looks at the Worker.
async fn worker(client: &Client, target: &Arc<dyn Target>, patience: Duration) -> Tried {
    let mut tried = Tried {
        checks: node::check(target.as_ref()).await,
        ..Tried::default()
    };
    let instance = reach::instance(target.as_ref(), &mut tried.checks).await;
    let Some(instance) = instance else {
        tried.out_of_reach();
        return tried;
    };
    let reached = reach::check(client, target.as_ref(), &instance, patience).await;
    let goes_on = reached.iter().all(|check| check.state < State::Wrong);
    tried.checks.extend(reached);
    if goes_on {
        if let Some(probe) = target.probe().build {
            let found = build::confirm(client, &instance.base, &probe, patience).await;
            tried
                .checks
                .push(told_build(found, probe.expected.is_some()));
        } else {
            tried.checks.push(
                Check::unknown("build", "nothing tells which build answers")
                    .remedy("name where the target tells it: [probe] build"),
            );
        }
        let host = host::check(client, target.as_ref(), &instance).await;
        let arrives = host.state < State::Wrong;
        tried.put(&["tenants", "status", "chat", "stream"], host);
        tries::all(client, target, arrives, &mut tried).await;
        let keys = keys::check(client, target.as_ref(), &instance).await;
        tried.checks.extend(keys);
    } else {
        tried.out_of_reach();
    }
    tried.checks.extend(limits::check(target.as_ref()));
    // A server that ended meanwhile, while something answers at its address, was never the one that answered.
    if let Err(gone) = target.instance(Variant::Production).await {
        tried.checks.push(
            Check::wrong("process", gone.to_string())
                .remedy("if something still answers at its address, another process holds the port (an orphaned workerd?): end it"),
        );
        tried.out_of_reach();
    }
    tried
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
