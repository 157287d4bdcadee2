//! `moltproof run`: what is asked for, and where its report goes. Never judges.

use super::files::{Files, cannot, print};
use super::keeping::StoreArgs;
use super::running::{Order, perform};
use super::target::{Manner, TargetArgs, Terms, seconds};
use super::{Failure, Format, baseline, contract_at, generating, no_verdict, say, signals, watch};
use crate::client::meter::Budget;
use crate::contract::profile::Profile;
use crate::contract::select::{Selection, digest, select, smoke_within};
use crate::contract::version::Version;
use crate::contract::{Contract, Planned};
use crate::generate;
use crate::report::{Again, Report, Shards, json};
use crate::run::repeat::TIMES_MAX;
use crate::verdict::Exit;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Options of `run`.
#[derive(Debug, clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) target: TargetArgs,
    /// Only this profile: core, data, api-worker. May be repeated.
    #[arg(
        long,
        env = "MOLTPROOF_PROFILE",
        value_name = "PROFILE",
        value_delimiter = ','
    )]
    profile: Vec<String>,
    /// Only scenarios that match this tag expression, such as `@ACC-009 or (@must and not @slow)`.
    #[arg(long, env = "MOLTPROOF_TAGS", value_name = "EXPR")]
    tags: Option<String>,
    /// Only this criterion, or this kind of generated checks (GEN-MODEL, GEN-ISO, GEN-HOST, GEN-PATH, GEN-BODY, GEN-API). May be repeated.
    #[arg(long, env = "MOLTPROOF_ID", value_name = "ID", value_delimiter = ',')]
    id: Vec<String>,
    /// Also check beyond the written scenarios: N generated cases of each kind (sequences of actions, hosts, paths, bodies), and
    /// the whole isolation matrix. `--seed` repeats them.
    #[arg(
        long,
        env = "MOLTPROOF_GENERATE",
        value_name = "N",
        default_value_t = 0
    )]
    generate: usize,
    #[command(flatten)]
    pub(super) files: Files,
    /// Only the smoke test and one scenario of each other area: a first look, in seconds. The headline says so.
    #[arg(long, env = "MOLTPROOF_SMOKE")]
    smoke: bool,
    /// For development: run again whenever a file in DIR changes, first what failed, then everything that was asked for.
    /// Without DIR: the folder in which the target is started, else the current one.
    #[arg(long, env = "MOLTPROOF_WATCH", value_name = "DIR")]
    #[expect(
        clippy::option_option,
        reason = "that is how clap reads an option whose value may be left out"
    )]
    pub(super) watch: Option<Option<PathBuf>>,
    /// Where to tell the one who watches what is red.
    #[arg(long, hide = true, value_name = "FILE")]
    red_to: Option<PathBuf>,
    /// Only the K-th of N parts of the selected scenarios.
    #[arg(long, env = "MOLTPROOF_SHARD", value_name = "K/N", value_parser = shard)]
    shard: Option<(usize, usize)>,
    /// Scenarios side by side, 1 to 1024; 64 unless the manifest says otherwise.
    #[arg(long, env = "MOLTPROOF_CONCURRENCY", value_name = "N", value_parser = concurrency)]
    concurrency: Option<usize>,
    /// Run a failed scenario N times in all, 1 to 5: a finding that does not come every time is flaky, never passed.
    /// 5 unless told otherwise, 1 for none; on the embedded reference only what hangs on time is repeated, once.
    #[arg(long, env = "MOLTPROOF_REPEAT", value_name = "N", value_parser = times)]
    repeat: Option<usize>,
    /// Findings that are known, as `moltproof baseline` describes and writes them: they are counted apart; any other one fails the run.
    /// An entry that does not hold any more fails it with exit 5.
    #[arg(long, env = "MOLTPROOF_BASELINE", value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Judge by this version of the contract, such as 1.0: its ids and its assertions; the latest unless told otherwise.
    #[arg(long, env = "MOLTPROOF_CONTRACT", value_name = "VERSION")]
    pub(super) contract: Option<Version>,
    /// Repeats the order of an earlier run; without it every run has another.
    #[arg(long, env = "MOLTPROOF_SEED", value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Exit 4 if a MUST could not be verified, 1 if a SHOULD is not met.
    #[arg(long, env = "MOLTPROOF_STRICT")]
    strict: bool,
    /// Exit 4 if fewer than N MUST criteria could be judged. A run of a shard counts too little: there the floor belongs to `report merge`.
    #[arg(long, env = "MOLTPROOF_MIN_VERIFIED", value_name = "N")]
    min_verified: Option<usize>,
    /// Change nothing on the target: only scenarios that need no tenant of their own and write nothing are run.
    #[arg(long, env = "MOLTPROOF_READ_ONLY")]
    read_only: bool,
    /// Requests that the run may send; at an address 12500 unless told otherwise, else without limit.
    #[arg(long, env = "MOLTPROOF_BUDGET_REQUESTS", value_name = "N")]
    budget_requests: Option<usize>,
    /// Chat requests that the run may send; at an address 1800 unless told otherwise.
    #[arg(long, env = "MOLTPROOF_BUDGET_MODEL_CALLS", value_name = "N")]
    budget_model_calls: Option<usize>,
    /// Requests that the run may send to one host within a second; at an address 100 unless told otherwise.
    #[arg(long, env = "MOLTPROOF_BUDGET_BURST", value_name = "N", value_parser = burst)]
    budget_burst: Option<usize>,
    /// Wait this long for the target to answer, and to show the expected build, such as 30s.
    #[arg(long, env = "MOLTPROOF_WAIT", value_name = "TIME", value_parser = seconds, default_value = "0s")]
    wait: Duration,
    #[command(flatten)]
    store: StoreArgs,
    /// Form of the report on standard output.
    #[arg(long, env = "MOLTPROOF_FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
    /// No progress on standard error.
    #[arg(long, short, env = "MOLTPROOF_QUIET")]
    pub(super) quiet: bool,
}

pub(super) fn shard(text: &str) -> Result<(usize, usize), String> {
    let parts = text
        .split_once('/')
        .and_then(|(part, parts)| Some((part.parse().ok()?, parts.parse().ok()?)));
    match parts {
        Some((part, parts)) if part >= 1 && part <= parts => Ok((part, parts)),
        Some(_) | None => Err("write K/N with 1 <= K <= N, such as 2/4".to_owned()),
    }
}

fn concurrency(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|count| (1..=1024).contains(count))
        .ok_or_else(|| "write a number from 1 to 1024".to_owned())
}

fn times(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|count| (1..=TIMES_MAX).contains(count))
        .ok_or_else(|| format!("write a number from 1 to {TIMES_MAX}"))
}

fn burst(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|count| *count >= 1)
        .ok_or_else(|| "write a number from 1".to_owned())
}

pub(super) fn run(args: &RunArgs) -> Result<Exit, Failure> {
    if args.red_to.is_some() {
        // The one who watches keeps it open.
        signals::end_with_input();
    }
    match judge(args) {
        Ok(told) => told,
        Err(failure) => {
            no_verdict::tell(args, &failure);
            Err(failure)
        }
    }
}

/// Runs what is asked for, and tells of it: the exit code, or why the verdict that there is could not be told whole.
///
/// # Errors
/// When there is no verdict.
fn judge(args: &RunArgs) -> Result<Result<Exit, Failure>, Failure> {
    let contract = contract_at(args.contract)?;
    if args.min_verified.is_some() && args.shard.is_some_and(|(_, of)| of > 1) {
        return Err(Failure::usage(
            "--min-verified counts the whole run, of which a shard is a part: give it to `moltproof report merge`",
        ));
    }
    let kinds = generating::kinds(&args.id, args.generate, args.shard)?;
    let claimed = args.claimed()?;
    let plan = args.written(&contract, &claimed)?;
    args.files.can_be_written()?;
    let order = Order {
        plan,
        shards: args.shards(&contract, &claimed)?,
        kinds,
        cases: args.generate,
        seed: args.seed.unwrap_or_else(|| fastrand::u64(..)),
        repeat: args.times()?,
        baseline: baseline::read(args.baseline.as_deref())?,
        concurrency: args.concurrency,
        terms: args.terms(),
    };
    perform(&contract, &args.target, order, |mut report, again| {
        report.smoke = args.smoke;
        report.no_launch = args.target.no_launch;
        let mut report = report.with_floor(args.min_verified);
        args.store.keep(&mut report);
        let exit = report.exit(args.strict);
        let delivered = deliver(args, &report, again);
        if let Some(few) = report.below_floor() {
            say(&format!("moltproof: too little was judged: {few}"));
        }
        Ok(kept(exit, delivered))
    })
}

/// The exit code of a run whose report could not be written or printed whole: a violation is told all the same.
pub(super) fn kept(exit: Exit, delivered: Result<(), Failure>) -> Result<Exit, Failure> {
    match delivered {
        Err(failure) if exit == Exit::Violation => {
            say(&format!("moltproof: {}", failure.message));
            Ok(exit)
        }
        Ok(()) => Ok(exit),
        Err(failure) => Err(failure),
    }
}

impl RunArgs {
    /// What is meant, as `--target` has it.
    pub(super) fn target_named(&self) -> String {
        self.target.named()
    }

    /// Whether standard output is for programs.
    pub(super) fn as_json(&self) -> bool {
        self.format == Format::Json
    }

    /// The written scenarios that are asked for: none where nothing but generated checks is named.
    pub(super) fn written(
        &self,
        contract: &Contract,
        claimed: &[Profile],
    ) -> Result<Vec<Arc<Planned>>, Failure> {
        self.selection(claimed).map_or_else(
            || Ok(Vec::new()),
            |selection| {
                select(contract, &selection).map_err(|error| Failure::usage(error.to_string()))
            },
        )
    }

    /// Which part of a run this is.
    pub(super) fn shards(
        &self,
        contract: &Contract,
        claimed: &[Profile],
    ) -> Result<Option<Shards>, Failure> {
        let Some((part, of)) = self.shard else {
            return Ok(None);
        };
        let selection = self.selection(claimed);
        let selection = selection.map(|own| digest(contract, &own));
        let selection = selection.transpose();
        Ok(Some(Shards {
            of,
            present: vec![part],
            selection: selection
                .map_err(|error| Failure::usage(error.to_string()))?
                .unwrap_or_default(),
        }))
    }

    /// The scenarios that are asked for; `None` where nothing but generated checks is named.
    fn selection(&self, claimed: &[Profile]) -> Option<Selection> {
        let is_written = |id: &&String| generate::Kind::parse(id).is_none();
        let ids: Vec<String> = self.id.iter().filter(is_written).cloned().collect();
        if ids.is_empty() && !self.id.is_empty() {
            return None;
        }
        Some(Selection {
            ids,
            tags: if self.smoke {
                Some(smoke_within(self.tags.as_deref()))
            } else {
                self.tags.clone()
            },
            profiles: self.profile.clone(),
            claimed: claimed.to_vec(),
            shard: self.shard,
        })
    }

    /// How often a failed scenario is run.
    fn times(&self) -> Result<usize, Failure> {
        if self.target.named() != "reference" {
            return Ok(self.repeat.unwrap_or(TIMES_MAX));
        }
        match self.repeat {
            None | Some(1) => Ok(1),
            Some(_) => Err(Failure::usage(
                "--repeat is for targets beyond this process, by address or manifest: what the embedded reference does once it does always; leave it out",
            )),
        }
    }

    /// What may be done with the target.
    pub(super) fn manner(&self) -> Manner {
        if self.read_only {
            Manner::ReadOnly
        } else {
            Manner::Full
        }
    }

    fn terms(&self) -> Terms {
        Terms {
            manner: self.manner(),
            budget: Budget {
                requests: self.budget_requests,
                model_calls: self.budget_model_calls,
                burst: self.budget_burst,
            },
            wait: self.wait,
            must_answer: true,
            quiet: self.quiet,
            api_worker: self.asks_for_api_worker(),
        }
    }

    /// Whether the profile `api-worker` is named, by itself or by one of its criteria.
    fn asks_for_api_worker(&self) -> bool {
        let named = self
            .profile
            .iter()
            .any(|one| one == Profile::ApiWorker.name());
        named || self.id.iter().any(|id| id.starts_with("API-"))
    }

    /// What the target claims: the reference the API worker as well, where that is asked for.
    pub(super) fn claimed(&self) -> Result<Vec<Profile>, Failure> {
        let mut claimed = self.target.profiles()?;
        if self.target.named() == "reference" && self.asks_for_api_worker() {
            claimed.push(Profile::ApiWorker);
        }
        Ok(claimed)
    }
}

/// Writes and prints the report: neither keeps the other from being done.
fn deliver(args: &RunArgs, report: &Report, again: &Again) -> Result<(), Failure> {
    let told = match &args.red_to {
        None => Ok(()),
        Some(path) => json::write_whole(path, watch::red(report).as_bytes())
            .map_err(|error| cannot(&path.display().to_string(), &error)),
    };
    let written = args.files.write(report, args.quiet);
    let printed = match args.format {
        Format::Text => print(args.format, &report.clone().read_here(again)),
        Format::Json => print(args.format, report),
    };
    baseline::complain(report);
    told.and(written).and(printed)
}
