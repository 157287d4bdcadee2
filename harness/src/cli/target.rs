//! Which target is meant, and on what terms: shared by `run`, `doctor` and `sweep`. Never judges it.

use super::itself::program;
use super::staging::looks_like_staging;
use super::{Failure, open_files, room, say};
use crate::client::meter::{Budget, Meter};
use crate::client::{Client, ClientOptions, NoAnswer};
use crate::contract::profile::Profile;
use crate::reference::ReferenceTarget;
use crate::report::Interruption;
use crate::scrub;
use crate::subject::Target;
use crate::subject::launched::described;
use crate::subject::manifest::{Allowed, Manifest};
use crate::subject::read_only::ReadOnly;
use crate::subject::url::UrlTarget;
use crate::wait::{self, Look};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// What a run may spend at an address, unless told otherwise. The reference, and what the harness starts itself, have no limit.
/// Evidence: the whole contract takes 8,400 requests and 1,200 model calls on the reference; half as much again is room, ten times as much is a mistake.
/// A burst of 100 is above the largest quota that the contract's defaults have a scenario use up at once (60), and the run then lasts two minutes.
const ADDRESS_BUDGET: Budget = Budget {
    requests: Some(12_500),
    model_calls: Some(1_800),
    burst: Some(100),
};

impl TargetArgs {
    /// What may be spent at these addresses. A server on this machine shares its limits with nobody: it may be hurried.
    fn budget_at<'a>(addresses: impl IntoIterator<Item = &'a str>) -> Budget {
        let here = |address: &str| {
            let url = url::Url::parse(address).ok();
            url.is_some_and(|url| match url.host() {
                Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
                Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
                Some(url::Host::Domain(name)) => name == "localhost",
                None => false,
            })
        };
        let mut addresses = addresses.into_iter().peekable();
        if addresses.peek().is_none() {
            return Budget::default();
        }
        Budget {
            burst: ADDRESS_BUDGET.burst.filter(|_| !addresses.all(here)),
            ..ADDRESS_BUDGET
        }
    }
}

/// Options that name the target.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct TargetArgs {
    /// What is meant: `reference`, a manifest, or the address of a running backend.
    /// Without it: the nearest moltproof.toml from the current folder upwards, else the reference.
    #[arg(long, env = "MOLTPROOF_TARGET", value_name = "reference|FILE|URL")]
    pub(super) target: Option<String>,
    /// I own this target: needed for a host whose name does not look like staging.
    #[arg(long, env = "MOLTPROOF_I_OWN_THIS_TARGET")]
    pub(super) i_own_this_target: bool,
    /// Also trust the certificates in this PEM file.
    #[arg(long, env = "MOLTPROOF_CA_FILE", value_name = "FILE")]
    pub(super) ca_file: Option<PathBuf>,
    /// Execute nothing of the manifest: no server is started, nothing is prepared, and no command observes or migrates. What needs one of
    /// them is not verified. For a manifest that may be a stranger's.
    #[arg(long, env = "MOLTPROOF_NO_LAUNCH")]
    pub(super) no_launch: bool,
    /// The manifest may name this environment variable, and none that is not allowed so: `NAME`, `file:PATH` for a file, or `none`.
    /// May be repeated. Without it: all.
    #[arg(
        long,
        env = "MOLTPROOF_ALLOW_ENV",
        value_name = "NAME",
        value_delimiter = ',',
        value_parser = allowed_name
    )]
    pub(super) allow_env: Vec<String>,
}

/// Allows no variable.
const NOTHING: &str = "none";

/// Something that a manifest may name.
fn allowed_name(text: &str) -> Result<String, String> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let is_file = text
        .strip_prefix("file:")
        .is_some_and(|path| !path.is_empty());
    if is_file || (!text.is_empty() && text.chars().all(is_name)) {
        Ok(text.to_owned())
    } else {
        Err("write the name of a variable, `file:PATH`, or `none`".to_owned())
    }
}

/// What may be done with a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Everything that scenarios do.
    Full,
    /// Nothing is changed, and what needs changes is not verified.
    ReadOnly,
    /// Nothing is changed where it lives on; what could be done there is told all the same.
    Look,
}

/// How a target is opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// What may be done with it.
    pub(super) manner: Manner,
    /// Budgets of the command line.
    pub(super) budget: Budget,
    /// How long a target may take to answer.
    pub(super) wait: Duration,
    /// Whether it must answer before anything else is done.
    pub(super) must_answer: bool,
    /// Nothing on standard error but complaints.
    pub(super) quiet: bool,
    /// Whether the API worker is asked for, which the reference claims only then.
    pub(super) api_worker: bool,
}

/// A target and the client to reach it with.
pub(super) struct Opened {
    /// What is meant.
    pub(super) target: Arc<dyn Target>,
    /// Counts and withholds by the terms.
    pub(super) client: Client,
    /// How to name it on a command line.
    pub(super) named: String,
}

impl TargetArgs {
    /// Opens the target.
    ///
    /// # Errors
    /// Exit 2 for what the user has to change, 3 for a target that cannot be reached.
    pub(super) async fn open(&self, terms: Terms) -> Result<Opened, Failure> {
        let named = self.named();
        self.must_be_meant()?;
        if named == "reference" {
            let program = program()?;
            open_files::require(open_files::WITH_THE_REFERENCE)?;
            room::require()?;
            let client = self.client(terms, Budget::default(), false)?;
            // On a thread where blocking is allowed: what it has started when it fails is ended there.
            let started = tokio::task::spawn_blocking(move || ReferenceTarget::start(program));
            let target = started
                .await
                .map_err(|error| cannot(&error))?
                .map_err(|error| cannot(&error))?
                .claiming_api_worker(terms.api_worker);
            return Ok(opened(Arc::new(target), client, named, terms));
        }
        open_files::require(open_files::WITH_A_TARGET)?;
        room::require()?;
        if Path::new(&named).is_file() {
            return self.by_manifest(named, terms).await;
        }
        let base = address(&named)?;
        self.must_be_owned([base.as_str()], terms)?;
        let client = self.client(terms, Self::budget_at([base.as_str()]), true)?;
        let target = Arc::new(UrlTarget::new(base.clone(), &client));
        if terms.must_answer {
            reachable(&client, &base, terms.wait).await?;
        }
        Ok(opened(target, client, named, terms))
    }

    /// The profiles that the target claims, as far as they can be told before it is opened; a bare address claims what every target does.
    ///
    /// # Errors
    /// Exit 2 for a manifest that cannot be used.
    pub(super) fn profiles(&self) -> Result<Vec<Profile>, Failure> {
        let named = self.named();
        if named == "reference" {
            return Ok(ReferenceTarget::PROFILES.to_vec());
        }
        if Path::new(&named).is_file() {
            return Ok(self.manifest(&named)?.profiles);
        }
        Ok(vec![Profile::Core])
    }

    /// The manifest, as far as it may be used.
    pub(super) fn manifest(&self, named: &str) -> Result<Manifest, Failure> {
        let allowed = match &self.allow_env[..] {
            [] => Allowed::Everything,
            names => Allowed::Only(
                names
                    .iter()
                    .filter(|name| *name != NOTHING)
                    .cloned()
                    .collect(),
            ),
        };
        let mut manifest = Manifest::read_allowing(Path::new(named), &allowed)
            .map_err(|error| Failure::usage(error.to_string()))?;
        if self.no_launch {
            manifest.withhold_commands();
        }
        Ok(manifest)
    }

    /// The name that the manifest gives, if there is one that can be used.
    pub(super) fn name(&self) -> Option<String> {
        let named = self.named();
        let is_manifest = Path::new(&named).is_file();
        let manifest = is_manifest.then(|| self.manifest(&named).ok()).flatten();
        manifest.map(|manifest| manifest.name)
    }

    async fn by_manifest(&self, named: String, terms: Terms) -> Result<Opened, Failure> {
        let manifest = self.manifest(&named)?;
        for secret in &manifest.secrets {
            scrub::remember(secret);
        }
        for note in &manifest.notes {
            say(&format!("warning: {note}"));
        }
        let addresses: Vec<String> = manifest
            .variants
            .values()
            .filter_map(|entry| entry.address.clone())
            .chain(manifest.operator.direct_address.clone())
            .collect();
        for text in &addresses {
            address(text).map_err(|failure| {
                Failure::usage(format!(
                    "{named}: an address in it is wrong: {}",
                    failure.message
                ))
            })?;
        }
        self.must_be_owned(addresses.iter().map(String::as_str), terms)?;
        let default = Self::budget_at(addresses.iter().map(String::as_str));
        let client = self.client(terms, manifest.budget.or(default), !addresses.is_empty())?;
        let production = manifest.variants.get("production");
        let standing = production.and_then(|entry| entry.address.clone());
        if !terms.quiet {
            say(&format!("target: {} ({named})", manifest.name));
        }
        let target = described(manifest, program()?, client.clone());
        let target = target.map_err(|error| cannot(&error))?;
        if let Some(base) = standing.filter(|_| terms.must_answer) {
            reachable(&client, base.trim_end_matches('/'), terms.wait).await?;
        }
        Ok(opened(target, client, named, terms))
    }

    fn client(&self, terms: Terms, budget: Budget, lives_on: bool) -> Result<Client, Failure> {
        let budget = Budget {
            requests: terms.budget.requests.or(budget.requests),
            model_calls: terms.budget.model_calls.or(budget.model_calls),
            burst: terms.budget.burst.or(budget.burst),
        };
        let guarded = match terms.manner {
            Manner::Full => false,
            Manner::ReadOnly => true,
            Manner::Look => lives_on,
        };
        let certificates = match &self.ca_file {
            None => Vec::new(),
            Some(file) => std::fs::read(file).map_err(|error| {
                Failure::usage(format!("--ca-file {}: {error}", file.display()))
            })?,
        };
        Client::with(ClientOptions {
            meter: Meter::new(budget, guarded),
            certificates,
            ..ClientOptions::default()
        })
        .map_err(|error| {
            let why = crate::said::chain(&error);
            match &self.ca_file {
                Some(file) => Failure::usage(format!(
                    "--ca-file {} holds no usable PEM certificate: {why}",
                    file.display()
                )),
                None => Failure::fault(format!("cannot set up HTTP: {why}")),
            }
        })
    }

    /// Refuses hosts that may be production, unless somebody answers for it or nothing is changed there.
    fn must_be_owned<'a>(
        &self,
        addresses: impl IntoIterator<Item = &'a str>,
        terms: Terms,
    ) -> Result<(), Failure> {
        if self.i_own_this_target || terms.manner != Manner::Full {
            return Ok(());
        }
        let strange = addresses
            .into_iter()
            .find(|address| !looks_like_staging(address));
        match strange {
            None => Ok(()),
            Some(address) => Err(Failure::usage(format!(
                "{address} does not look like staging, and a run creates and deletes tenants, calls models and spends rate limits there; \
                 if you own it and mean it, add --i-own-this-target (or set MOLTPROOF_I_OWN_THIS_TARGET=true); to change nothing, add --read-only"
            ))),
        }
    }
}

fn opened(target: Arc<dyn Target>, client: Client, named: String, terms: Terms) -> Opened {
    let target = if terms.manner == Manner::ReadOnly {
        Arc::new(ReadOnly::new(target))
    } else {
        target
    };
    Opened {
        target,
        client,
        named,
    }
}

fn cannot(error: &dyn std::fmt::Display) -> Failure {
    Failure::fault(format!("cannot start the target: {error}"))
}

/// What was most likely meant by something that is no target: a manifest in this folder, or an address without its scheme.
fn meant(text: &str) -> String {
    let entries = std::fs::read_dir(".").into_iter().flatten();
    let names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| {
            Path::new(name)
                .extension()
                .is_some_and(|ending| ending == "toml")
        })
        .chain(["reference".to_owned()])
        .collect();
    let address = format!("https://{text}");
    let is_host = text.contains('.') && looks_like_staging(&address);
    match crate::nearest::nearest(text, names.iter().map(String::as_str)) {
        Some(near) => crate::nearest::told(Some(near)),
        None if is_host => crate::nearest::told(Some(&address)),
        None => String::new(),
    }
}

/// Scheme and authority of an address.
fn address(text: &str) -> Result<String, Failure> {
    let shown = scrub::without_credentials(text);
    let wrong = |why: &str| {
        Failure::usage(format!(
            "--target `{shown}` {why}; give `reference`, a manifest or an address such as http://127.0.0.1:8787"
        ))
    };
    let url = url::Url::parse(text);
    if let Some(password) = url.as_ref().ok().and_then(url::Url::password) {
        scrub::remember(password);
    }
    let url = url.map_err(|_invalid| {
        wrong(&format!(
            "is neither `reference`, nor a file that exists, nor an address{}",
            meant(&shown)
        ))
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("is neither http nor https"));
    }
    if url.host_str().is_none() || !matches!(url.path(), "" | "/") || url.query().is_some() {
        return Err(wrong("must be scheme, host and port only"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(
            "holds credentials, which belong into the environment",
        ));
    }
    Ok(url.origin().ascii_serialization())
}

async fn reachable(client: &Client, base: &str, patience: Duration) -> Result<(), Failure> {
    let probe =
        crate::client::Request::new("GET", "/sandbox-health").within(Duration::from_secs(10));
    let found = wait::until::<_, std::convert::Infallible, _, _>(patience, || async {
        Ok(match client.send(base, &probe, 0).await {
            // Who answers, and what, is for the doctor and for scenarios.
            Ok(_) | Err(NoAnswer::NotTheWorker(_) | NoAnswer::LockedAtTheEdge(_)) => Look::Done(()),
            Err(error) => Look::NotYet(error.to_string()),
        })
    })
    .await;
    match found {
        Ok(Ok(())) => Ok(()),
        Ok(Err(timed_out)) => {
            let tip = if patience.is_zero() {
                "; start it, or let --wait 30s wait for it; `moltproof doctor` tells more"
            } else {
                ""
            };
            Err(Failure::fault(format!(
                "the target does not answer: {}{tip}",
                timed_out.last
            )))
        }
        Err(never) => match never {},
    }
}

/// A length of time such as `30s`.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(
        text.find(|letter: char| !letter.is_ascii_digit())
            .unwrap_or(text.len()),
    );
    let number: u64 = number
        .parse()
        .map_err(|_unparsable| "write a time such as 30s".to_owned())?;
    match unit {
        "s" | "" => Ok(Duration::from_secs(number)),
        "ms" => Ok(Duration::from_millis(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        "h" => Ok(Duration::from_secs(number.saturating_mul(3600))),
        other => Err(format!("`{other}` is no unit of time; use ms, s, m or h")),
    }
}

/// A runtime on which everything shares one thread.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::fault(format!("cannot start: {error}")))
}

/// Done at Ctrl-C or SIGTERM: by which of them.
pub(super) async fn asked_to_go() -> Interruption {
    let interrupt = async { drop(tokio::signal::ctrl_c().await) };
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                () = interrupt => Interruption::Interrupt,
                _signal = terminate.recv() => Interruption::Terminate,
            }
        }
        Err(_unavailable) => {
            interrupt.await;
            Interruption::Interrupt
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_on_this_machine_may_be_hurried() {
        let burst = |addresses: &[&str]| TargetArgs::budget_at(addresses.iter().copied()).burst;
        assert_eq!(
            burst(&["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1"]),
            None
        );
        assert_eq!(
            burst(&["http://127.0.0.1:1", "https://staging.acme.com"]),
            ADDRESS_BUDGET.burst
        );
        assert_eq!(TargetArgs::budget_at([]), Budget::default());
    }
}
