//! The acceptance run: the whole contract against the embedded reference, over real sockets. Never skips a scenario.

use moltproof::client::Client;
use moltproof::contract::Contract;
use moltproof::report::{Report, RunFacts, text};
use moltproof::run::scene::Run;
use moltproof::run::{self, Ended, Options, Progress};
use moltproof::steps;
use moltproof::target::Target;
use moltproof::target::reference::ReferenceTarget;
use moltproof::verdict::{Outcome, RunVerdict, Verdict};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

/// Tells nothing; ends the process at the first scenario that does not pass, if asked to: `ci/mutants` wants to know no more than that.
struct Watch {
    fail_fast: bool,
}

impl Progress for Watch {
    fn ended(&self, ended: &Ended) {
        if !self.fail_fast || ended.outcome == Outcome::Passed {
            return;
        }
        let planned = &ended.planned;
        let sure = is_red_again(&planned.criteria[0]);
        // Past the test runner, which keeps what is printed until a test has ended: this one may never do.
        drop(writeln!(
            std::io::stderr(),
            "{} {} ({}:{}): {:?}",
            if sure {
                "caught by"
            } else {
                "once only, and no catch:"
            },
            planned.criteria.join(" "),
            planned.feature,
            planned.line,
            ended.outcome
        ));
        if sure {
            std::process::exit(1);
        }
    }
}

/// Whether a criterion is red when it is judged alone. A busy machine turns some scenario red now and then; that must not pass for teeth.
fn is_red_again(criterion: &str) -> bool {
    let again = std::process::Command::new(env!("CARGO_BIN_EXE_moltproof"))
        .args(["run", "--quiet", "--target", "reference", "--id", criterion])
        .output();
    again.is_ok_and(|ended| !ended.status.success())
}

#[test]
fn the_reference_keeps_the_whole_contract_and_nothing_stays_unverified() {
    let contract = Contract::embedded().unwrap();
    let target = ReferenceTarget::start(PathBuf::from(env!("CARGO_BIN_EXE_moltproof"))).unwrap();
    let target: Arc<dyn Target> = Arc::new(target);
    let seed = fastrand::u64(..);
    let fail_fast = std::env::var_os("MOLTPROOF_ACCEPTANCE_FAIL_FAST").is_some();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let started_at_ms = moltproof::clock::epoch_ms();
    let began = moltproof::clock::now();
    let shared = Arc::new(Run::new(
        Arc::clone(&target),
        Client::new().unwrap(),
        "accept".to_owned(),
    ));
    let options = Options {
        concurrency: 64,
        seed,
    };
    let plan = contract.scenarios.clone();
    let ended = runtime.block_on(run::run(
        Arc::clone(&shared),
        plan,
        Arc::new(steps::all()),
        options,
        Arc::new(Watch { fail_fast }),
    ));
    if fail_fast {
        // What was red twice has ended this process before.
        return;
    }
    let facts = RunFacts {
        id: "accept".to_owned(),
        shard: None,
        named: "reference".to_owned(),
        began,
        seed,
        concurrency: 64,
        started_at_ms,
        duration: began.elapsed(),
        spent: shared.spent(),
        build: None,
        accepted: std::collections::BTreeSet::new(),
    };
    let report = Report::new(&contract, target.as_ref(), &facts, &ended);
    let told = text::render(&report);
    assert_eq!(
        report.summary.verdict,
        RunVerdict::Conforms,
        "seed {seed}\n{told}"
    );
    let open: Vec<_> = report
        .criteria
        .iter()
        .filter(|criterion| criterion.verdict != Verdict::Passed)
        .collect();
    assert!(open.is_empty(), "seed {seed}\n{told}");
    assert_eq!(report.criteria.len(), contract.criteria.len());
    assert!(
        report
            .criteria
            .iter()
            .all(|criterion| criterion.reason.is_empty()),
        "passed in part only\n{told}"
    );
}
