//! What a run leaves behind that came to no verdict: the reports that were asked for, each with the reason. Never hides the reason itself.

use super::run::RunArgs;
use super::{Failure, contract, contract_at, say};
use crate::client::meter::Spent;
use crate::clock;
use crate::contract::profile::Profile;
use crate::report::no_verdict::Unjudged;
use crate::report::{Interruption, Report, RunFacts, Started};
use std::collections::BTreeSet;
use std::time::Duration;

/// Writes the reports that were asked for, though there is nothing to tell but why.
pub(super) fn tell(args: &RunArgs, failure: &Failure) {
    if args.files.is_empty() {
        return;
    }
    let Some(report) = report(args, failure) else {
        return;
    };
    if let Err(other) = args.files.write(&report, args.quiet) {
        // The first failure is the one that ends the run.
        say(&format!("moltproof: {}", other.message));
    }
}

fn report(args: &RunArgs, failure: &Failure) -> Option<Report> {
    // The failure may be about any of these: then the report tells of the rest.
    let contract = contract_at(args.contract)
        .or_else(|_unknown| contract())
        .ok()?;
    let profiles = args.claimed().unwrap_or_else(|_wrong| vec![Profile::Core]);
    let plan = args.written(&contract, &profiles).unwrap_or_default();
    let named = args.target.named();
    let facts = RunFacts {
        id: String::new(),
        named: named.clone(),
        options: args.target.again(args.manner(), &contract, None).as_named,
        started: Started::default(),
        seed: args.seed.unwrap_or_default(),
        concurrency: 0,
        shards: args.shards(&contract, &profiles).ok().flatten(),
        started_at_ms: clock::epoch_ms(),
        began: clock::now(),
        duration: Duration::ZERO,
        spent: Spent::default(),
        build: None,
        accepted: BTreeSet::new(),
    };
    let unjudged = Unjudged {
        name: args.target.name().unwrap_or(named),
        profiles,
        why: failure.message.clone(),
    };
    let mut report = Report::without_verdict(&contract, unjudged, &facts, &plan)
        .cut_short(Interruption::behind(failure.exit));
    report.no_launch = args.target.no_launch;
    Some(report)
}
