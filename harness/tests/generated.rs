//! Generated checks, seen to pass on the reference and to fail on backends that break one rule each. Never judges the reference itself.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

#[path = "generated/tampered.rs"]
mod tampered;

use moltproof::client::Client;
use moltproof::client::meter::Spent;
use moltproof::contract::Contract;
use moltproof::contract::need::Need;
use moltproof::contract::profile::Profile;
use moltproof::generate::{self, Generated, Kind, Plan, Progress, claimed};
use moltproof::report::{Report, RunFacts, Started, junit, text};
use moltproof::run::scene::Run;
use moltproof::subject::Target;
use moltproof::verdict::{Exit, Outcome, Verdict};
use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tampered::{Rule, Tampered};

struct Quiet;

impl Progress for Quiet {
    fn ended(&self, _generated: &Generated) {}
}

/// Runs kinds of cases against a target, as `moltproof run` does.
fn generated(target: &Arc<dyn Target>, kinds: &[Kind], cases: usize, seed: u64) -> Vec<Generated> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let id: String = std::iter::repeat_with(|| fastrand::char('a'..='z'))
        .take(6)
        .collect();
    let run = Arc::new(Run::new(Arc::clone(target), Client::new().unwrap(), id));
    let plan = Plan {
        cases,
        seed,
        kinds: kinds.to_vec(),
        concurrency: 8,
    };
    runtime.block_on(generate::run(&run, &plan, &Quiet))
}

fn of_rule(rule: Rule, kind: Kind, cases: usize, seed: u64) -> Generated {
    let target: Arc<dyn Target> = Arc::new(Tampered::by(rule));
    let mut list = generated(&target, &[kind], cases, seed);
    list.remove(0)
}

/// Seed of the cases that must find something.
const SEED: u64 = 11;

/// Asserts that a rule's breakage is found, under this criterion, in at most so many actions.
fn check_found(
    rule: Rule,
    kind: Kind,
    cases: usize,
    criterion: &str,
    actions_max: usize,
) -> Generated {
    let seed = SEED;
    let found = of_rule(rule, kind, cases, seed);
    assert!(
        matches!(found.outcome, Outcome::Failed(_)),
        "seed {seed}: {rule:?} is not found: {:?}",
        found.outcome
    );
    assert!(
        found.criteria.contains(&criterion),
        "seed {seed}: {:?} {:?}",
        found.criteria,
        found.outcome
    );
    assert!(
        (1..=actions_max).contains(&found.actions.len()),
        "seed {seed}: {:?} {:?}",
        found.actions,
        found.outcome
    );
    found
}

/// As [`check_found`], and again the same from the same seed.
fn check_found_again(
    rule: Rule,
    kind: Kind,
    cases: usize,
    criterion: &str,
    actions_max: usize,
) -> Generated {
    let found = check_found(rule, kind, cases, criterion, actions_max);
    let again = of_rule(rule, kind, cases, SEED);
    assert_eq!(found.actions, again.actions, "seed {SEED}");
    assert_eq!(found.criteria, again.criteria, "seed {SEED}");
    found
}

fn report_of(target: &dyn Target, generated: &[Generated], seed: u64) -> Report {
    let facts = RunFacts {
        id: "abcdef".to_owned(),
        shards: None,
        named: "reference".to_owned(),
        options: vec!["--target".to_owned(), "reference".to_owned()],
        started: Started::default(),
        began: moltproof::clock::now(),
        seed,
        concurrency: 1,
        started_at_ms: 0,
        duration: Duration::ZERO,
        spent: Spent::default(),
        build: None,
        accepted: BTreeSet::new(),
    };
    let contract = Contract::embedded().unwrap();
    Report::new(&contract, target, &facts, &[]).with_generated(&contract, generated, &facts)
}

#[test]
fn every_kind_holds_on_the_reference_and_the_isolation_matrix_has_more_than_a_thousand_probes() {
    // Through a proxy that changes nothing: what it lets through in the other tests is not its own doing.
    let target: Arc<dyn Target> = Arc::new(Tampered::by(Rule::Nothing));
    let kinds = claimed(&Kind::ALL, &[Profile::Core]);
    let list = generated(&target, &kinds, 12, 5);
    assert_eq!(list.len(), kinds.len());
    for one in &list {
        assert_eq!(
            one.outcome,
            Outcome::Passed,
            "{:?}: {:?}",
            one.kind,
            one.actions
        );
        let least = if one.kind == Kind::Isolation {
            1000
        } else {
            12
        };
        assert!(
            one.cases >= least && one.checks > one.cases,
            "{:?}: {} cases",
            one.kind,
            one.cases
        );
        assert!(one.left_out.is_empty(), "{:?}", one.left_out);
    }
    let report = report_of(target.as_ref(), &list, 5);
    assert_eq!(report.exit(true), Exit::Conforms);
}

#[test]
fn a_believed_forwarded_host_is_found_by_the_isolation_matrix() {
    let rule = Rule::BelievesForwardedHost;
    let found = check_found(rule, Kind::Isolation, 1, "RES-010", 1);
    assert!(
        found.actions[0].contains("X-Forwarded-Host"),
        "{:?}",
        found.actions
    );
}

#[test]
fn a_believed_tenant_header_is_found_by_the_isolation_matrix() {
    let found = check_found_again(Rule::BelievesTenantId, Kind::Isolation, 1, "ISO-001", 1);
    assert!(
        found.actions[0].contains("X-Tenant-Id"),
        "{:?}",
        found.actions
    );
}

#[test]
fn a_believed_forwarded_host_is_found_among_spellings_of_the_host() {
    check_found(Rule::BelievesForwardedHost, Kind::Host, 200, "RES-010", 1);
}

#[test]
fn a_host_whose_capitals_count_is_found_and_made_one_capital() {
    let found = check_found_again(Rule::MindsCapitals, Kind::Host, 60, "RES-006", 1);
    assert!(!found.actions[0].contains("header"), "{:?}", found.actions);
}

#[test]
fn an_admin_route_that_a_trailing_slash_opens_is_found_and_made_that_slash() {
    let found = check_found_again(Rule::OpensWithTrailingSlash, Kind::Path, 200, "ACC-017", 1);
    assert!(
        found.actions[0].ends_with("`/` behind"),
        "{:?}",
        found.actions
    );
}

#[test]
fn a_crash_on_a_deep_body_is_found_and_made_that_body() {
    let found = check_found_again(Rule::CrashesOnDeepBodies, Kind::Body, 200, "ERR-003", 2);
    assert!(
        found.actions[1].contains("40 lists in each other"),
        "{:?}",
        found.actions
    );
}

#[test]
fn a_body_that_is_no_json_and_goes_upstream_is_found() {
    check_found(Rule::RepairsBodies, Kind::Body, 200, "AIG-018", 2);
}

#[test]
fn a_doubled_usage_row_is_found_by_a_tenant_and_a_chat() {
    let found = check_found_again(Rule::BillsTwice, Kind::Model, 30, "USG-001", 2);
    assert!(found.actions[0].contains("creates"), "{:?}", found.actions);
    assert!(
        found.drawn > found.actions.len(),
        "nothing was made smaller"
    );
}

#[test]
fn a_tenant_that_outlives_its_deletion_is_found_in_a_few_actions() {
    let found = check_found(Rule::RemembersTenants, Kind::Model, 80, "RES-015", 5);
    let last = found.actions.last().unwrap();
    assert!(last.contains("status"), "{:?}", found.actions);
}

#[test]
fn an_outage_that_is_taken_for_absence_is_found_in_a_few_actions() {
    let found = check_found(Rule::TakesOutagesForAbsence, Kind::Model, 60, "RES-017", 4);
    let breaks = |action: &String| action.contains("D1 cannot read");
    assert!(found.actions.iter().any(breaks), "{:?}", found.actions);
}

#[test]
fn what_is_found_breaks_its_criteria_and_stands_in_every_report_with_its_seed() {
    let target: Arc<dyn Target> = Arc::new(Tampered::by(Rule::CrashesOnDeepBodies));
    let list = generated(&target, &[Kind::Body], 200, 11);
    let report = report_of(target.as_ref(), &list, 11);
    assert_eq!(report.exit(false), Exit::Violation);
    let broken = report
        .criteria
        .iter()
        .find(|own| own.id == "ERR-003")
        .unwrap();
    assert_eq!(broken.verdict, Verdict::Failed);
    let shown = text::render(&report);
    for part in [
        "GEN-BODY",
        "40 lists in each other",
        "--generate 200 --seed 11 --id GEN-BODY",
        "ERR-003",
    ] {
        assert!(shown.contains(part), "{part} is missing in {shown}");
    }
    let xml = String::from_utf8(junit::render(&report).unwrap()).unwrap();
    assert!(
        xml.contains("seed 11") && xml.contains("40 lists in each other"),
        "{xml}"
    );
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["generated"][0]["seed"], 11);
    assert_eq!(json["generated"][0]["criteria"][0], "ERR-003");
}

#[test]
fn what_a_target_lacks_leaves_a_kind_unverified_and_proves_nothing() {
    let target: Arc<dyn Target> = Arc::new(Tampered::by(Rule::Nothing).lacking(Need::D1));
    let list = generated(&target, &[Kind::Model, Kind::Host], 3, 1);
    assert!(matches!(&list[0].outcome, Outcome::NotVerified(why) if why.contains("needs d1")));
    assert_eq!(list[1].outcome, Outcome::Passed);
    let report = report_of(target.as_ref(), &list, 1);
    assert_eq!(report.exit(false), Exit::Conforms);
    assert_eq!(report.exit(true), Exit::NotVerified);
}

#[test]
fn a_target_that_cannot_be_had_is_a_fault_and_no_finding() {
    let target: Arc<dyn Target> = Arc::new(Tampered::by(Rule::Nothing).down());
    let kinds = claimed(&Kind::ALL, &[Profile::Core]);
    let list = generated(&target, &kinds, 2, 1);
    for one in &list {
        assert!(
            matches!(one.outcome, Outcome::Error(_)),
            "{:?}: {:?}",
            one.kind,
            one.outcome
        );
    }
    assert_eq!(
        report_of(target.as_ref(), &list, 1).exit(false),
        Exit::Fault
    );
}

fn moltproof(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_moltproof"))
        .args(args)
        .output()
        .unwrap();
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn the_command_line_runs_named_kinds_alone_and_says_with_which_seed() {
    let run = [
        "run",
        "--target",
        "reference",
        "--generate",
        "4",
        "--seed",
        "9",
    ];
    let named = [&run[..], &["--id", "GEN-HOST", "--format", "json"]].concat();
    let (code, out, err) = moltproof(&named);
    assert_eq!(code, 0, "{out}{err}");
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["generated"].as_array().unwrap().len(), 1);
    assert_eq!(report["generated"][0]["seed"], 9);
    assert_eq!(report["generated"][0]["outcome"], "passed");
    assert_eq!(report["summary"]["scenarios_run"], 0);
}

#[test]
fn a_kind_without_a_number_of_cases_is_a_mistake_on_the_command_line() {
    let (code, _out, err) = moltproof(&["run", "--target", "reference", "--id", "GEN-ISO"]);
    assert_eq!(code, 2);
    assert!(err.contains("--generate N"), "{err}");
}
