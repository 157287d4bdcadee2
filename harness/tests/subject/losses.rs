//! Parts of a run that die under it: neither a finding nor a pass may come of that. Never looks at a backend's rules.

use crate::stage::{Plain, Server, judge, one_scenario};
use moltproof::client::Request;
use moltproof::contract::Contract;
use moltproof::doubles::{AccessIssuer, AiGatewayDouble};
use moltproof::report::Report;
use moltproof::run::Options;
use moltproof::run::book::Book;
use moltproof::run::scene::Scene;
use moltproof::subject::Target;
use moltproof::verdict::{Check, Exit, RunVerdict, Stop, Verdict};
use std::sync::Arc;

async fn asks(scene: &mut Scene) -> Check {
    let answer = scene.send(Request::new("GET", "/api/status")).await?;
    scene.expect_status(&answer, 200)
}

/// Steps that ask, that find something, that see an absence, and one that takes a part away.
fn book(take_away: impl Fn() + Send + Sync + 'static) -> Book {
    let mut book = Book::default();
    book.step("the target answers", |scene, _args| Box::pin(asks(scene)));
    book.step("something is taken away", move |_scene, _args| {
        take_away();
        Box::pin(async { Ok(()) })
    });
    book.step("a row is missing", |scene, _args| {
        Box::pin(async { scene.expect(false, "a row", || "no row".to_owned()) })
    });
    book.step("no row appears", |scene, _args| {
        Box::pin(async { scene.expect(true, "no row", String::new) })
    });
    book.step("the harness fails", |_scene, _args| {
        Box::pin(async { Err(Stop::Fault("no folder".to_owned())) })
    });
    book
}

fn run(
    steps: &[&str],
    target: &Arc<dyn Target>,
    take_away: impl Fn() + Send + Sync + 'static,
) -> Report {
    let contract: Contract = one_scenario(steps);
    let options = Options {
        concurrency: 1,
        seed: 0,
    };
    let plan = contract.scenarios.clone();
    judge(&contract, plan, target, book(take_away), options)
}

fn must_be_in_error(report: &Report, why: &str) {
    let criterion = &report.criteria[0];
    assert_eq!(criterion.verdict, Verdict::Error, "{}", criterion.reason);
    assert!(criterion.reason.contains(why), "{}", criterion.reason);
    assert_eq!(report.summary.verdict, RunVerdict::Inconclusive);
    assert_eq!(
        (report.exit(false), report.exit(true)),
        (Exit::Fault, Exit::Fault)
    );
}

const MISSES: [&str; 3] = [
    "the target answers",
    "something is taken away",
    "a row is missing",
];
const SEES_NONE: [&str; 3] = [
    "the target answers",
    "something is taken away",
    "no row appears",
];

#[test]
fn with_everybody_there_a_finding_is_a_finding_and_a_pass_a_pass() {
    let server = Server::start();
    let gateway = Arc::new(AiGatewayDouble::start().unwrap());
    let access = Arc::new(AccessIssuer::start().unwrap());
    let target = Plain::target(&server.base, Some(gateway), Some(access));
    let report = run(&MISSES, &target, || {});
    assert_eq!(report.criteria[0].verdict, Verdict::Failed);
    assert_eq!(report.exit(false), Exit::Violation);
    let report = run(&SEES_NONE, &target, || {});
    assert_eq!(report.criteria[0].verdict, Verdict::Passed);
    assert_eq!(report.exit(false), Exit::Conforms);
}

#[test]
fn what_a_dead_target_no_longer_did_is_neither_a_finding_nor_a_pass() {
    for steps in [MISSES, SEES_NONE] {
        let server = Arc::new(Server::start());
        let target = Plain::target(&server.base, None, None);
        let report = run(&steps, &target, move || server.die());
        must_be_in_error(&report, "is gone");
    }
}

#[test]
fn what_a_dead_double_no_longer_saw_is_neither_a_finding_nor_a_pass() {
    for steps in [MISSES, SEES_NONE] {
        let server = Server::start();
        let gateway = Arc::new(AiGatewayDouble::start().unwrap());
        let target = Plain::target(&server.base, Some(Arc::clone(&gateway)), None);
        let report = run(&steps, &target, move || gateway.stop());
        must_be_in_error(&report, "the double that plays AI Gateway has stopped");

        let access = Arc::new(AccessIssuer::start().unwrap());
        let target = Plain::target(&server.base, None, Some(Arc::clone(&access)));
        let report = run(&steps, &target, move || access.stop());
        must_be_in_error(
            &report,
            "the double that plays the Access team domain has stopped",
        );
    }
}

#[test]
fn a_fault_of_the_harness_keeps_its_own_reason() {
    let server = Server::start();
    let target = Plain::target(&server.base, None, None);
    let report = run(&["the target answers", "the harness fails"], &target, || {});
    must_be_in_error(&report, "no folder");
}

#[test]
fn a_target_that_died_between_two_scenarios_takes_back_the_first_ones_pass_only_if_it_was_not_answered_since()
 {
    // The first scenario ends with an answer, the second is answered too, the third finds nobody: only what ended after the last answer is open.
    let text = "@core\nFeature: Three\n\n  @AAA-001 @must\n  Rule: AAA-001 one\n    It holds.\n\n    Scenario: one\n      * the target answers\n\n  \
                @AAA-002 @must\n  Rule: AAA-002 two\n    It holds.\n\n    @whole-run\n    Scenario: two\n      * the target answers\n      * something is taken away\n      * the target answers\n";
    let contract = Contract::parse(&[("three.feature", text)]).unwrap();
    let server = Arc::new(Server::start());
    let target = Plain::target(&server.base, None, None);
    let plan = contract.scenarios.clone();
    let options = Options {
        concurrency: 1,
        seed: 0,
    };
    let report = judge(
        &contract,
        plan,
        &target,
        book(move || server.die()),
        options,
    );
    let verdicts: Vec<_> = report.criteria.iter().map(|one| one.verdict).collect();
    assert_eq!(verdicts, [Verdict::Passed, Verdict::Error]);
}
