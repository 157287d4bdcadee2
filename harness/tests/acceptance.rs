//! The acceptance run: the whole contract against the embedded reference, over real sockets. Never skips a scenario.

use moltproof::contract::{Contract, Criterion};
use moltproof::reference::ReferenceTarget;
use moltproof::report::text;
use moltproof::run::{Ended, Progress};
use moltproof::suite::Suite;
use moltproof::verdict::{Outcome, RunVerdict, Verdict};
use std::io::Write as _;
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
    let claimed = |one: &&Criterion| ReferenceTarget::PROFILES.contains(&one.profile);
    let criteria = contract.criteria.values().filter(claimed).count();
    let seed = fastrand::u64(..);
    let fail_fast = std::env::var_os("MOLTPROOF_ACCEPTANCE_FAIL_FAST").is_some();
    let suite = Suite::builder()
        .reference()
        .program(env!("CARGO_BIN_EXE_moltproof"))
        .id("accept")
        .seed(seed)
        .concurrency(64)
        .progress(Arc::new(Watch { fail_fast }));
    let report = suite.block().unwrap().report;
    if fail_fast {
        // What was red twice has ended this process before.
        return;
    }
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
    assert_eq!(report.criteria.len(), criteria);
    assert!(
        report
            .criteria
            .iter()
            .all(|criterion| criterion.reason.is_empty()),
        "passed in part only\n{told}"
    );
}
